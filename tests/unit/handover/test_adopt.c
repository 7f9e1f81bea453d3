// SPDX-License-Identifier: LGPL-2.1-or-later
/* Disks that are here become a candidate: clean, dirty, moved, again, and killed anywhere. */
#include "fixture.h"

#include "capture/sent.h"
#include "handover/adopt.h"
#include "handover/promote.h"

static const struct seed_id vm_uuid = { { 0x22 } };

static const char *const then[] = { "ab.c", "..d." };	/* what was sent */
static const char *const slots[] = { "vda", "vdb" };

static void add_path(struct seed_vmdef *def, const char *folder, const char *slot)
{
	struct seed_vmdef_disk disk = { .slot = strdup(slot), .format = strdup("raw"), .raw = true };
	struct seed_error err = { 0 };

	assert_true(asprintf(&disk.path, "%s/%s.img", folder, slot) > 0);
	assert_ok(seed_vmdef_add_disk(def, &disk, &err), &err);
}

static struct seed_vmdef *def_of(const struct tmpdir *dir)
{
	struct seed_vmdef *def = seed_vmdef_new();

	assert_non_null(def);
	def->name = strdup("web01");
	def->source = strdup("test");
	def->uuid = vm_uuid;
	def->has_uuid = true;
	for (size_t i = 0; i < 2; i++)
		add_path(def, dir->path, slots[i]);
	return def;
}

/* Read the disks as an export does, and reserve the generation. */
static void capture(const struct place *p, const struct seed_vmdef *def)
{
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = NULL;
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec sent = { 0 };
	struct seed_error err = { 0 };

	assert_ok(seed_pool_new(&pool, &(struct seed_pool_options){ 0 }, &err), &err);
	assert_ok(seed_source_vm_open(&vm, p->home, def, p->own, 0, &err), &err);
	for (size_t i = 0; i < 2; i++) {
		const struct seed_vmdef_disk *disk = seed_vec_at(&def->disks, i);
		SEED_AUTO(seed_source_closep) struct seed_source *source = NULL;
		SEED_AUTO(seed_capture_closep) struct seed_capture *c = NULL;
		struct seed_capture_facts facts;
		struct seed_sent_disk s = { .size = 0 };
		struct seed_chunk *chunk;

		assert_ok(seed_raw_source_open(&source, disk->path, &err), &err);
		assert_ok(seed_capture_open(&c, &(struct seed_capture_options){
			.vm = vm, .slot = disk->slot, .source = source, .pool = pool, .depth = 2 },
			&err), &err);
		for (;;) {
			assert_ok(seed_capture_next(c, &chunk, &err), &err);
			if (!chunk)
				break;
			seed_capture_give_back(c, chunk);
		}
		assert_ok(seed_capture_finish(c, &facts, &err), &err);
		snprintf(s.slot, sizeof(s.slot), "%s", disk->slot);
		s.size = source->size;
		s.root = facts.root;
		assert_non_null(seed_vec_push(&sent, sizeof(s), &s));
	}
	assert_ok(seed_source_vm_next_generation(vm, &err), &err);
	assert_ok(seed_sent_put(vm->dir, vm->generation, &sent, &err), &err);
}

/* A site whose VM was sent once. */
static struct seed_vmdef *make_vm(struct place *p, const struct tmpdir *dir)
{
	struct seed_vmdef *def = def_of(dir);

	place_open(p, dir, "hq");
	disk_write(dir->fd, "vda.img", then[0]);
	disk_write(dir->fd, "vdb.img", then[1]);
	capture(p, def);
	return def;
}

struct how {
	bool in_place, discard, dry_run;
};

static int run(const struct place *p, const struct seed_vmdef *def, struct how how,
	       struct seed_adopted *out, struct seed_error *err)
{
	return seed_adopt_vm(out, def, &(struct seed_adopt_options){
		.home = p->home, .store = p->store, .own = p->own, .in_place = how.in_place,
		.discard = how.discard, .dry_run = how.dry_run }, err);
}

static int run_alone(const struct place *p, const struct seed_vmdef *def, struct how how,
		     struct seed_error *err)
{
	SEED_AUTO(seed_adopted_clear) struct seed_adopted adopted = { 0 };

	return run(p, def, how, &adopted, err);
}

/* The candidate is whole, its record handed over, nothing is left beside. */
static void assert_candidate_noted(const struct place *p, const char *vda, const char *vdb,
				   bool discard, const char *history)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_vm_file_clear) struct seed_vm_file file = { 0 };
	SEED_AUTO(seed_fd_closep) int vm = -1;
	struct seed_error err = { 0 };
	char folder[SEED_REPLICA_NAME];

	assert_ok(seed_replica_find_vm(folder, p->store, &p->own->id, &vm_uuid, &err), &err);
	assert_ok(seed_replica_open(&r, p->store, folder, true, &err), &err);
	assert_int_equal(r->state, SEED_REPLICA_CANDIDATE);
	assert_int_equal(r->generation, 1);
	assert_int_equal(r->disks.count, 2);
	assert_int_equal(r->discard, discard);
	assert_true(disk_is(r->dir, "vda.raw", vda));
	assert_true(disk_is(r->dir, "vdb.raw", vdb));
	assert_true(list_is(r->dir, "vda.list", vda));
	assert_true(list_is(r->dir, "vdb.list", vdb));
	read_record(p, &vm_uuid, &file, &vm);
	assert_true(file.handed_over);
	assert_int_equal(file.generation, 1);
	assert_int_equal(seed_lineage_compare(&file.lineage, 1, &r->lineage, 1), SEED_LINEAGE_SAME);
	/* What was sent stays known. */
	assert_true(list_is(vm, "vda.list", then[0]));
	assert_true(list_is(vm, "vdb.list", then[1]));
	assert_false(seed_path_exists(vm, "vda.adopt"));
	assert_history(p, history);
}

static void assert_candidate(const struct place *p, const char *vda, const char *vdb, bool discard)
{
	assert_candidate_noted(p, vda, vdb, discard, "adopt");
}

static unsigned int names_in(const struct place *p)
{
	struct tmpdir store = { .fd = p->store };

	snprintf(store.path, sizeof(store.path), "%.200s", p->store_path);
	return tmpdir_count(&store);
}

static void a_clean_vm_is_copied(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_adopted_clear) struct seed_adopted adopted = { 0 };
	SEED_AUTO(place_close) struct place p;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = make_vm(&p, dir);
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = NULL;
	struct seed_error err = { 0 };
	char stamp[64];

	assert_ok(run(&p, def, (struct how){ .dry_run = true }, &adopted, &err), &err);
	assert_int_equal(names_in(&p), 0);
	seed_adopted_clear(&adopted);
	assert_ok(run(&p, def, (struct how){ 0 }, &adopted, &err), &err);
	assert_int_equal(adopted.changed_blocks, 0);
	assert_true(adopted.how == SEED_ADOPTED_COPIED || adopted.how == SEED_ADOPTED_SHARED);
	assert_candidate(&p, then[0], then[1], false);
	snprintf(stamp, sizeof(stamp), "%s/vda.stamp", adopted.folder);
	assert_true(seed_path_exists(p.store, stamp));
	assert_true(disk_is(dir->fd, "vda.img", then[0]));
	assert_int_equal(names_in(&p), 1);
	assert_fails(seed_source_vm_open(&vm, p.home, def, p.own, 0, &err), &err, SEED_ERR_IDENTITY);
	seed_adopted_clear(&adopted);
	assert_ok(run(&p, def, (struct how){ 0 }, &adopted, &err), &err);
	assert_true(adopted.already);
	/* To give it up is another decision, and is noted once. */
	for (int i = 0; i < 2; i++) {
		assert_ok(run_alone(&p, def, (struct how){ .discard = true }, &err), &err);
		assert_candidate_noted(&p, then[0], then[1], true, "adopt adopt");
	}
}

static void what_would_be_lost_is_counted_and_refused(void **state)
{
	static const struct {
		const char *vda;
		uint64_t blocks, bytes;
	} cases[] = {
		{ "xb.c", 1, SEED_BLOCK_SIZE },			/* another block */
		{ "ab..", 1, SEED_BLOCK_SIZE - 512 },		/* one that is zero now */
		{ "abdc", 1, SEED_BLOCK_SIZE },			/* one that was zero */
		{ "...c", 2, 2 * SEED_BLOCK_SIZE },
		{ "abxy", 2, 2 * SEED_BLOCK_SIZE - 512 },
		{ "ab.cd", 2, 2 * SEED_BLOCK_SIZE - 512 },	/* longer: the last one was short */
		{ "ab.", 1, SEED_BLOCK_SIZE },			/* shorter */
	};
	const struct tmpdir *dir = *state;
	SEED_AUTO(place_close) struct place p;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = make_vm(&p, dir);
	struct seed_error err = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unlinkat(dir->fd, "vda.img", 0);
		disk_write(dir->fd, "vda.img", cases[i].vda);
		for (int dry = 0; dry < 2; dry++) {
			SEED_AUTO(seed_adopted_clear) struct seed_adopted adopted = { 0 };

			assert_fails(run(&p, def, (struct how){ .dry_run = dry }, &adopted, &err), &err,
				     SEED_ERR_IDENTITY);
			if (adopted.changed_blocks != cases[i].blocks ||
			    adopted.changed_bytes != cases[i].bytes)
				fail_msg("%s: %d blocks, %d bytes", cases[i].vda,
					 (int)adopted.changed_blocks, (int)adopted.changed_bytes);
			assert_int_equal(names_in(&p), 0);
			assert_history(&p, "");
		}
	}
	assert_ok(run_alone(&p, def, (struct how){ .discard = true }, &err), &err);
	assert_candidate(&p, "ab.", then[1], true);
}

static void in_place_the_files_themselves_move(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_adopted_clear) struct seed_adopted adopted = { 0 };
	SEED_AUTO(place_close) struct place p;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = make_vm(&p, dir);
	struct seed_error err = { 0 };

	assert_int_equal(renameat(dir->fd, "vdb.img", dir->fd, "real.img"), 0);
	assert_int_equal(symlinkat("real.img", dir->fd, "vdb.img"), 0);
	assert_fails(run_alone(&p, def, (struct how){ .in_place = true }, &err), &err, SEED_ERR_USAGE);
	assert_int_equal(names_in(&p), 0);
	assert_true(disk_is(dir->fd, "vda.img", then[0]));
	assert_int_equal(renameat(dir->fd, "real.img", dir->fd, "vdb.img"), 0);
	assert_ok(run(&p, def, (struct how){ .in_place = true }, &adopted, &err), &err);
	assert_int_equal(adopted.how, SEED_ADOPTED_MOVED);
	assert_candidate(&p, then[0], then[1], false);
	assert_false(seed_path_exists(dir->fd, "vda.img"));
	assert_int_equal(names_in(&p), 1);
}

static void what_is_not_its_candidate_is_in_the_way(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(place_close) struct place p;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = make_vm(&p, dir);
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error err = { 0 };
	char folder[SEED_REPLICA_NAME], path[128];

	seed_replica_folder_name(&p.own->id, &vm_uuid, "web01", folder);
	assert_ok(seed_path_make_folder(p.store, folder, 0700, &err), &err);
	snprintf(path, sizeof(path), "%s/vda.raw", folder);
	assert_ok(seed_file_replace(p.store, path, "mine", 4, 0600, &err), &err);
	assert_int_equal(run_alone(&p, def, (struct how){ 0 }, &err), -1);
	assert_int_equal(names_in(&p), 1);
	assert_ok(seed_path_remove_tree(p.store, folder, &err), &err);
	/* An empty one is a creation that was cut short. */
	assert_ok(seed_path_make_folder(p.store, folder, 0700, &err), &err);
	assert_ok(run_alone(&p, def, (struct how){ 0 }, &err), &err);
	assert_candidate(&p, then[0], then[1], false);
	assert_ok(seed_replica_open(&r, p.store, folder, true, &err), &err);
	r->state = SEED_REPLICA_CURRENT;
	assert_ok(seed_replica_save(r, &err), &err);
	seed_replica_close(seed_steal(&r));
	assert_fails(run_alone(&p, def, (struct how){ .discard = true }, &err), &err,
		     SEED_ERR_IDENTITY);
	def->uuid.bytes[5] = 1;
	assert_fails(run_alone(&p, def, (struct how){ 0 }, &err), &err, SEED_ERR_NOTFOUND);
}

/* ---- a replica that was promoted ---- */

static int promote(const struct place *p, const char *folder, struct seed_error *err)
{
	struct seed_promoted promoted = { 0 };
	int rc = seed_promote(&promoted, folder, &(struct seed_promote_options){
		.home = p->home, .store = p->store, .own = p->own }, err);

	seed_promoted_clear(&promoted);
	return rc;
}

/* The VM was adopted, came back current at generation 4 of another site's fork, and was promoted. */
static void make_promoted(struct place *p, const struct tmpdir *dir, char *folder)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = make_vm(p, dir);
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error err = { 0 };

	assert_ok(run_alone(p, def, (struct how){ 0 }, &err), &err);
	assert_ok(seed_replica_find_vm(folder, p->store, &p->own->id, &vm_uuid, &err), &err);
	assert_ok(seed_replica_open(&r, p->store, folder, true, &err), &err);
	r->state = SEED_REPLICA_CURRENT;
	r->generation = 4;
	r->seed.bytes[0] = 0x99;
	r->lineage.timelines[1] = (struct seed_timeline){
		.id = { { 0x88 } }, .writer = { { 0x44 } }, .forked = true,
		.parent = r->lineage.timelines[0].id, .parent_generation = 1 };
	r->lineage.count = 2;
	assert_ok(seed_file_replace(r->dir, "manifest.json", "{}", 2, 0600, &err), &err);
	assert_ok(seed_replica_save(r, &err), &err);
	seed_replica_close(seed_steal(&r));
	assert_ok(promote(p, folder, &err), &err);
}

static int run_replica(const struct place *p, const char *folder, bool discard,
		       struct seed_error *err)
{
	SEED_AUTO(seed_adopted_clear) struct seed_adopted adopted = { 0 };

	return seed_adopt_replica(&adopted, folder, &(struct seed_adopt_options){
		.home = p->home, .store = p->store, .own = p->own, .discard = discard }, err);
}

static void assert_again(const struct place *p, const char *folder, const char *vda)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_vm_file_clear) struct seed_vm_file file = { 0 };
	SEED_AUTO(seed_fd_closep) int vm = -1;
	struct seed_error err = { 0 };

	assert_ok(seed_replica_open(&r, p->store, folder, true, &err), &err);
	assert_int_equal(r->state, SEED_REPLICA_CANDIDATE);
	assert_int_equal(r->generation, 4);
	assert_int_equal(r->lineage.count, 3);
	assert_int_equal(r->seed.bytes[0], 0);
	assert_true(disk_is(r->dir, "vda.raw", vda));
	assert_true(list_is(r->dir, "vda.list", vda));
	assert_false(seed_path_exists(r->dir, "manifest.json"));
	read_record(p, &vm_uuid, &file, &vm);
	assert_true(file.handed_over);
	assert_history(p, "adopt promote adopt");
}

static void a_round_trip_forks_twice(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_vm_file_clear) struct seed_vm_file file = { 0 };
	SEED_AUTO(seed_fd_closep) int vm = -1, folder_fd = -1;
	SEED_AUTO(place_close) struct place p;
	struct seed_error err = { 0 };
	char folder[SEED_REPLICA_NAME];

	make_promoted(&p, dir, folder);
	read_record(&p, &vm_uuid, &file, &vm);
	assert_false(file.handed_over);
	assert_int_equal(file.generation, 4);
	assert_int_equal(file.lineage.count, 3);
	assert_false(file.has_origin);
	assert_history(&p, "adopt promote");
	assert_ok(seed_path_open_folder_at(&folder_fd, p.store, folder, &err), &err);
	disk_write(folder_fd, "vda.raw", "abxc");
	assert_fails(run_replica(&p, folder, false, &err), &err, SEED_ERR_IDENTITY);
	assert_history(&p, "adopt promote");
	assert_ok(run_replica(&p, folder, true, &err), &err);
	assert_again(&p, folder, "abxc");
	assert_ok(run_replica(&p, folder, true, &err), &err);
	assert_again(&p, folder, "abxc");
}

static void what_diverged_is_taken_only_by_who_gave_it_up(void **state)
{
	struct seed_replica r = { .state = SEED_REPLICA_CANDIDATE, .generation = 7 };
	struct seed_lineage theirs = { .count = 2 };

	(void)state;
	r.lineage.count = 1;
	r.lineage.timelines[0].id.bytes[0] = 1;
	theirs.timelines[0] = r.lineage.timelines[0];
	theirs.timelines[1] = (struct seed_timeline){ .id = { { 2 } }, .forked = true,
						      .parent = { { 1 } }, .parent_generation = 5 };
	assert_int_equal(seed_replica_relation(&r, &theirs, 6), SEED_LINEAGE_DIVERGED);
	r.discard = true;
	assert_int_equal(seed_replica_relation(&r, &theirs, 6), SEED_LINEAGE_NEWER);
	r.state = SEED_REPLICA_SEEDED;
	assert_int_equal(seed_replica_relation(&r, &theirs, 6), SEED_LINEAGE_DIVERGED);
	r.state = SEED_REPLICA_CANDIDATE;
	theirs.timelines[0].id.bytes[0] = 9;
	theirs.timelines[1].parent.bytes[0] = 9;
	assert_int_equal(seed_replica_relation(&r, &theirs, 6), SEED_LINEAGE_UNRELATED);
}

/* ---- killed ---- */

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 42);
	return WEXITSTATUS(status);
}

/* The bytes of a disk are whole at one of the places where they may be. */
static void assert_not_lost(const struct tmpdir *dir, const char *slot, const char *blocks)
{
	SEED_AUTO(seed_freep) char *command = NULL;
	char line[512], name[64];
	FILE *found;
	bool whole = false;

	snprintf(name, sizeof(name), "%s.img", slot);
	if (disk_is(dir->fd, name, blocks))
		return;
	assert_true(asprintf(&command, "find '%s' -name '%s.raw' -printf '%%P\\n'", dir->path,
			     slot) > 0);
	found = popen(command, "r");
	assert_non_null(found);
	while (fgets(line, sizeof(line), found)) {
		line[strcspn(line, "\n")] = '\0';
		whole = whole || disk_is(dir->fd, line, blocks);
	}
	pclose(found);
	if (!whole)
		fail_msg("disk %s is nowhere", slot);
}

static void kill_vm(const struct tmpdir *dir, struct how how, unsigned int at_least)
{
	unsigned int ends = 0;
	bool done = false;

	for (int at = 0; !done; at++, ends++) {
		SEED_AUTO(place_close) struct place p;
		SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = make_vm(&p, dir);
		struct seed_error err = { 0 };
		pid_t pid;

		if (how.discard)
			disk_write(dir->fd, "vda.img", "abxc");
		pid = fork();
		if (pid == 0) {
			changes_left = at;
			_exit(run_alone(&p, def, how, &err) < 0);
		}
		done = status_of(pid) == 0;
		assert_not_lost(dir, "vda", how.discard ? "abxc" : then[0]);
		assert_not_lost(dir, "vdb", then[1]);
		/* A second run, ended too, at a place that moves along. */
		pid = fork();
		if (pid == 0) {
			changes_left = at * 7 % 23;
			_exit(run_alone(&p, def, how, &err) < 0);
		}
		status_of(pid);
		assert_not_lost(dir, "vda", how.discard ? "abxc" : then[0]);
		assert_not_lost(dir, "vdb", then[1]);
		assert_ok(run_alone(&p, def, how, &err), &err);
		assert_candidate(&p, how.discard ? "abxc" : then[0], then[1], how.discard);
		assert_int_equal(names_in(&p), 1);
		assert_ok(seed_path_remove_tree(dir->fd, "hq", &err), &err);
	}
	print_message("%u ends\n", ends);
	assert_true(ends >= at_least);
}

static void killed_anywhere_while_copying(void **state)
{
	kill_vm(*state, (struct how){ .discard = true }, 40);
}

static void killed_anywhere_while_moving(void **state)
{
	kill_vm(*state, (struct how){ .in_place = true }, 40);
}

static void killed_anywhere_while_a_replica_is_adopted(void **state)
{
	const struct tmpdir *dir = *state;
	unsigned int ends = 0;
	bool done = false;

	for (int at = 0; !done; at++, ends++) {
		SEED_AUTO(place_close) struct place p;
		struct seed_error err = { 0 };
		char folder[SEED_REPLICA_NAME];
		pid_t pid;

		make_promoted(&p, dir, folder);
		pid = fork();
		if (pid == 0) {
			changes_left = at;
			_exit(run_replica(&p, folder, false, &err) < 0);
		}
		done = status_of(pid) == 0;
		assert_ok(run_replica(&p, folder, false, &err), &err);
		assert_again(&p, folder, then[0]);
		assert_ok(seed_path_remove_tree(dir->fd, "hq", &err), &err);
	}
	print_message("%u ends\n", ends);
	assert_true(ends >= 20);
}

/* Or the operator changes their mind: promote gives the record back. */
static void an_adoption_that_was_cut_short_can_be_taken_back(void **state)
{
	const struct tmpdir *dir = *state;
	bool done = false;

	for (int at = 0; !done; at++) {
		SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
		SEED_AUTO(seed_vm_file_clear) struct seed_vm_file file = { 0 };
		SEED_AUTO(seed_fd_closep) int vm = -1;
		SEED_AUTO(place_close) struct place p;
		struct seed_error err = { 0 };
		char folder[SEED_REPLICA_NAME];
		pid_t pid;

		make_promoted(&p, dir, folder);
		pid = fork();
		if (pid == 0) {
			changes_left = at;
			_exit(run_replica(&p, folder, false, &err) < 0);
		}
		done = status_of(pid) == 0;
		assert_ok(seed_replica_open(&r, p.store, folder, true, &err), &err);
		if (r->state == SEED_REPLICA_PROMOTED) {
			seed_replica_close(seed_steal(&r));
			assert_ok(promote(&p, folder, &err), &err);
			read_record(&p, &vm_uuid, &file, &vm);
			assert_false(file.handed_over);
			assert_history(&p, "adopt promote");
		}
		assert_ok(seed_path_remove_tree(dir->fd, "hq", &err), &err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_clean_vm_is_copied),
		on_tmpdir(what_would_be_lost_is_counted_and_refused),
		on_tmpdir(in_place_the_files_themselves_move),
		on_tmpdir(what_is_not_its_candidate_is_in_the_way),
		on_tmpdir(a_round_trip_forks_twice),
		on_tmpdir(what_diverged_is_taken_only_by_who_gave_it_up),
		on_tmpdir(killed_anywhere_while_copying),
		on_tmpdir(killed_anywhere_while_moving),
		on_tmpdir(killed_anywhere_while_a_replica_is_adopted),
		on_tmpdir(an_adoption_that_was_cut_short_can_be_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
