// SPDX-License-Identifier: LGPL-2.1-or-later
/* A replica becomes the VM: whole, refused, and killed anywhere. */
#include "fixture.h"

#include "handover/promote.h"
#include "replica/proof.h"

static const struct seed_id origin = { { 0x11 } }, vm_uuid = { { 0x22 } };

/* A seeded replica at generation 5, of two disks. */
static void make_replica(const struct place *p, char *folder)
{
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m;
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	static const char *const slots[] = { "vda", "scsi0:0" };
	struct seed_error err = { 0 };

	seed_manifest_init(&m);
	m.name = strdup("web 01");
	m.site = origin;
	m.uuid = vm_uuid;
	m.seed.bytes[0] = 0x33;
	m.generation = 5;
	m.lineage.count = 1;
	m.lineage.timelines[0].id.bytes[0] = 0x77;
	m.lineage.timelines[0].writer = origin;
	for (size_t i = 0; i < 2; i++) {
		struct seed_manifest_disk *disk = seed_vec_push(&m.disks, sizeof(*disk), NULL);

		disk->slot = strdup(slots[i]);
		disk->size = 4 * SEED_BLOCK_SIZE - 512;
		disk->blocks = 4;
	}
	assert_ok(seed_replica_create(&r, p->store, &m, &err), &err);
	disk_write(r->dir, "vda.raw", "ab.c");
	list_write(r->dir, "vda.list", "ab.c");
	disk_write(r->dir, "scsi0+0.raw", "..d.");
	list_write(r->dir, "scsi0+0.list", "..d.");
	assert_ok(seed_file_replace(r->dir, "definition", "<domain/>", 9, 0600, &err), &err);
	assert_ok(seed_file_replace(r->dir, "nvram", "vars", 4, 0600, &err), &err);
	assert_ok(seed_file_replace(r->dir, "manifest.json", "{}", 2, 0600, &err), &err);
	r->state = SEED_REPLICA_SEEDED;
	assert_ok(seed_replica_switch(r, &err), &err);
	strcpy(folder, r->name);
}

static int run(const struct place *p, const char *folder, bool force, struct seed_promoted *out,
	       struct seed_error *err)
{
	return seed_promote(out, folder, &(struct seed_promote_options){
		.home = p->home, .store = p->store, .own = p->own, .force = force }, err);
}

static int run_alone(const struct place *p, const char *folder, struct seed_error *err)
{
	SEED_AUTO(seed_promoted_clear) struct seed_promoted promoted = { 0 };

	return run(p, folder, false, &promoted, err);
}

/* Everything that a promotion leaves. */
static void assert_promoted(const struct place *p, const char *folder)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_vm_file_clear) struct seed_vm_file file = { 0 };
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_error err = { 0 };
	const struct seed_timeline *fork;

	assert_ok(seed_replica_open(&r, p->store, folder, true, &err), &err);
	assert_int_equal(r->state, SEED_REPLICA_PROMOTED);
	assert_int_equal(r->generation, 5);
	assert_int_equal(r->lineage.count, 2);
	fork = &r->lineage.timelines[1];
	assert_true(seed_id_equal(&fork->writer, &p->own->id));
	assert_int_equal(fork->parent_generation, 5);
	read_record(p, &vm_uuid, &file, &dir);
	assert_int_equal(file.generation, 5);
	assert_true(file.has_origin && seed_id_equal(&file.origin, &origin));
	assert_false(file.handed_over);
	assert_null(file.definition);
	assert_int_equal(seed_lineage_compare(&file.lineage, 5, &r->lineage, 5), SEED_LINEAGE_SAME);
	assert_true(list_is(dir, "vda.list", "ab.c"));
	assert_true(list_is(dir, "scsi0:0.list", "..d."));
	assert_true(disk_is(r->dir, "vda.raw", "ab.c"));
	assert_history(p, "promote");
}

static void a_promoted_replica_is_a_source_of_this_site(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_promoted_clear) struct seed_promoted promoted = { 0 };
	SEED_AUTO(place_close) struct place p;
	struct seed_error err = { 0 };
	char folder[SEED_REPLICA_NAME];

	place_open(&p, dir, "dr");
	make_replica(&p, folder);
	assert_ok(run(&p, folder, false, &promoted, &err), &err);
	assert_false(promoted.already);
	assert_int_equal(promoted.parent.bytes[0], 0x77);
	seed_promoted_clear(&promoted);
	assert_promoted(&p, folder);
	assert_ok(run(&p, folder, false, &promoted, &err), &err);
	assert_true(promoted.already);
	seed_promoted_clear(&promoted);
	assert_promoted(&p, folder);
}

static void what_is_not_fit_is_refused(void **state)
{
	static const struct {
		enum seed_replica_state state;
		enum seed_captured captured;
		enum seed_error_kind kind;
		bool forced;		/* --force helps */
	} cases[] = {
		{ SEED_REPLICA_SEEDING, SEED_CAPTURED_OFFLINE, SEED_ERR_USAGE, false },
		{ SEED_REPLICA_INCOMPLETE, SEED_CAPTURED_OFFLINE, SEED_ERR_USAGE, false },
		{ SEED_REPLICA_CANDIDATE, SEED_CAPTURED_OFFLINE, SEED_ERR_IDENTITY, false },
		{ SEED_REPLICA_SEEDED, SEED_CAPTURED_CHANGED, SEED_ERR_IDENTITY, true },
		{ SEED_REPLICA_CURRENT, SEED_CAPTURED_UNPROVEN, SEED_ERR_IDENTITY, true },
	};
	const struct tmpdir *dir = *state;
	SEED_AUTO(place_close) struct place p;
	struct seed_error err = { 0 };
	char folder[SEED_REPLICA_NAME];

	place_open(&p, dir, "dr");
	make_replica(&p, folder);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int force = 0; force < 2; force++) {
			SEED_AUTO(seed_promoted_clear) struct seed_promoted promoted = { 0 };
			SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;

			assert_ok(seed_replica_open(&r, p.store, folder, true, &err), &err);
			r->state = cases[i].state;
			r->captured = cases[i].captured;
			r->lineage.count = 1;
			assert_ok(seed_replica_save(r, &err), &err);
			seed_replica_close(seed_steal(&r));
			if (force && cases[i].forced) {
				assert_ok(run(&p, folder, true, &promoted, &err), &err);
				continue;
			}
			assert_fails(run(&p, folder, force, &promoted, &err), &err, cases[i].kind);
			assert_true(i >= 3 || !seed_path_exists(p.home, "vms"));
		}
	}
}

static void a_vm_of_this_site_is_not_taken_over(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = NULL;
	SEED_AUTO(place_close) struct place p;
	struct seed_error err = { 0 };
	char folder[SEED_REPLICA_NAME], name[] = "mine";
	const struct seed_vmdef def = { .name = name, .uuid = vm_uuid, .has_uuid = true };

	place_open(&p, dir, "dr");
	make_replica(&p, folder);
	assert_ok(seed_source_vm_open(&vm, p.home, &def, p.own, 0, &err), &err);
	assert_ok(seed_source_vm_next_generation(vm, &err), &err);
	assert_fails(run_alone(&p, folder, &err), &err, SEED_ERR_LOCKED);
	seed_source_vm_close(seed_steal(&vm));
	assert_fails(run_alone(&p, folder, &err), &err, SEED_ERR_IDENTITY);
	assert_history(&p, "");
}

static void a_disk_that_is_proven_has_a_stamp(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_vm_file_clear) struct seed_vm_file file = { 0 };
	SEED_AUTO(seed_fd_closep) int vm = -1;
	SEED_AUTO(place_close) struct place p;
	struct seed_error err = { 0 };
	char folder[SEED_REPLICA_NAME];

	place_open(&p, dir, "dr");
	make_replica(&p, folder);
	assert_ok(seed_replica_open(&r, p.store, folder, true, &err), &err);
	assert_ok(seed_replica_stamp(r->dir, "vda", "vda.raw", 4, &err), &err);
	assert_ok(seed_replica_stamp(r->dir, "scsi0+0", "scsi0+0.raw", 4, &err), &err);
	disk_write(r->dir, "scsi0+0.raw", "..e.");	/* written to since */
	seed_replica_close(seed_steal(&r));
	assert_ok(run_alone(&p, folder, &err), &err);
	read_record(&p, &vm_uuid, &file, &vm);
	assert_true(seed_path_exists(vm, "vda.stamp"));
	assert_false(seed_path_exists(vm, "scsi0:0.stamp"));
}

static void a_promoted_replica_is_a_vm_argument(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	SEED_AUTO(place_close) struct place p;
	struct seed_error err = { 0 };
	char folder[SEED_REPLICA_NAME], path[600];
	const struct seed_vmdef_disk *disk;

	place_open(&p, dir, "dr");
	make_replica(&p, folder);
	assert_fails(seed_promoted_vmdef(&def, p.store, p.store_path, "web 01", &err), &err,
		     SEED_ERR_USAGE);
	assert_fails(seed_promoted_vmdef(&def, p.store, p.store_path, "nobody", &err), &err,
		     SEED_ERR_NOTFOUND);
	assert_ok(run_alone(&p, folder, &err), &err);
	assert_ok(seed_promoted_vmdef(&def, p.store, p.store_path, "web 01", &err), &err);
	assert_string_equal(def->name, "web 01");
	assert_true(def->has_uuid && seed_id_equal(&def->uuid, &vm_uuid));
	assert_int_equal(def->disks.count, 2);
	disk = seed_vec_at(&def->disks, 1);
	snprintf(path, sizeof(path), "%s/%s/scsi0+0.raw", p.store_path, folder);
	assert_string_equal(disk->slot, "scsi0:0");
	assert_string_equal(disk->path, path);
	assert_true(disk->raw);
	assert_int_equal(def->files.count, 2);
	assert_string_equal(((struct seed_vmdef_file *)seed_vec_at(&def->files, 0))->role,
			    "definition");
	assert_string_equal(((struct seed_vmdef_file *)seed_vec_at(&def->files, 1))->role, "nvram");
}

/* Ended at each change: a replica that is not promoted, or one with its record; a rerun gets there. */
static void killed_anywhere_a_rerun_finishes(void **state)
{
	const struct tmpdir *dir = *state;
	unsigned int ends = 0, before = 0, after = 0;
	bool done = false;

	for (int at = 0; !done; at++, ends++) {
		SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
		SEED_AUTO(place_close) struct place p;
		struct seed_error err = { 0 };
		char folder[SEED_REPLICA_NAME];
		int status;
		pid_t pid;

		place_open(&p, dir, "dr");
		make_replica(&p, folder);
		pid = fork();
		if (pid == 0) {
			changes_left = at;
			_exit(run_alone(&p, folder, &err) < 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		done = WEXITSTATUS(status) == 0;
		assert_true(done || WEXITSTATUS(status) == 42);
		assert_ok(seed_replica_open(&r, p.store, folder, true, &err), &err);
		assert_int_equal(r->lineage.count, r->state == SEED_REPLICA_PROMOTED ? 2 : 1);
		r->state == SEED_REPLICA_PROMOTED ? after++ : before++;
		/* It may move on before the rerun: then nothing was signed on the first fork. */
		if (r->state != SEED_REPLICA_PROMOTED && at % 2) {
			r->lineage.timelines[0].id.bytes[1] = 0x66;
			assert_ok(seed_replica_save(r, &err), &err);
		}
		seed_replica_close(seed_steal(&r));
		assert_ok(run_alone(&p, folder, &err), &err);
		assert_promoted(&p, folder);
		assert_ok(seed_path_remove_tree(dir->fd, "dr", &err), &err);
	}
	print_message("%u ends: %u before, %u after\n", ends, before, after);
	assert_true(ends >= 25 && before >= 15 && after >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_promoted_replica_is_a_source_of_this_site),
		on_tmpdir(what_is_not_fit_is_refused),
		on_tmpdir(a_vm_of_this_site_is_not_taken_over),
		on_tmpdir(a_disk_that_is_proven_has_a_stamp),
		on_tmpdir(a_promoted_replica_is_a_vm_argument),
		on_tmpdir(killed_anywhere_a_rerun_finishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
