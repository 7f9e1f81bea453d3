// SPDX-License-Identifier: LGPL-2.1-or-later
/* Whole imports: what an interruption leaves, and what must not be believed when going on. */
#include "fixture.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "import/import_internal.h"
#include "replica/proof.h"

/* How much the store has left, when a test says so; ours stands in for the C library's. */
static uint64_t room = UINT64_MAX;

int fstatvfs(int fd, struct statvfs *st)
{
	(void)fd;
	*st = (struct statvfs){ .f_frsize = 1, .f_bsize = 1,
				.f_bavail = room < INT64_MAX ? room : INT64_MAX };
	return 0;
}

static const struct seed_import_vm *vm_of(const struct seed_import *plan, size_t index)
{
	assert_true(index < plan->vms.count);
	return seed_vec_at(&plan->vms, index);
}

static void prepare_at(struct fixture *f, const char *path)
{
	mkdir(path, 0755);
	seed_medium_close(prepare(f, path));
}

static void export_ok(struct fixture *f, const char *path, bool sealed, const char *const *names)
{
	struct seed_error err = { 0 };

	must(export_vms(f, path, sealed, names, &err), &err);
}

/* Each disk of the replica is proven without being read. */
static bool is_stamped(int store, const char *folder)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = NULL;
	struct seed_error err = { 0 };
	bool all = true;

	must(seed_replica_open(&r, store, folder, true, &err), &err);
	must(seed_pool_new(&pool, &(struct seed_pool_options){ 0 }, &err), &err);
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_proof_options opt = { .pool = pool, .depth = 1 };
		struct seed_proof proof = { 0 };

		must(seed_replica_prove(&proof, r, i, &opt, &err), &err);
		all = all && proof.result == SEED_PROVED_STAMP && proof.bytes_read == 0;
		seed_proof_clear(&proof);
	}
	return all && r->disks.count;
}

static void what_was_exported_is_imported_once(void **state)
{
	struct fixture *f = *state;
	const char *const media[] = { f->path, NULL };
	int store = open_store(f);
	struct seed_import plan;
	struct seed_error err = { 0 };

	make_image(f, "db01", 40, 1);
	make_image(f, "web01", 70, 2);
	prepare_at(f, f->path);
	export_ok(f, f->path, true, (const char *const[]){ "web01", "db01", NULL });
	must(import_media(f, store, media, NULL, &plan, &err), &err);
	assert_int_equal(plan.vms.count, 2);
	assert_string_equal(vm_of(&plan, 0)->seed->manifest.name, "db01");
	for (size_t i = 0; i < 2; i++) {
		const struct seed_import_vm *vm = vm_of(&plan, i);

		assert_true(vm->done);
		assert_int_equal(vm->action, SEED_IMPORT_CREATE);
		assert_int_equal(vm->written_bytes, vm->need_bytes);
		assert_true(replica_is(f, store, vm->folder, vm->seed->manifest.name));
		assert_true(is_stamped(store, vm->folder));
	}
	seed_import_clear(&plan);
	must(import_media(f, store, media, NULL, &plan, &err), &err);
	assert_int_equal(vm_of(&plan, 0)->action, SEED_IMPORT_NOTHING);
	assert_int_equal(plan.read_bytes, 0);
	seed_import_clear(&plan);
	close(store);
}

static void stopped_before_it_began_it_goes_on(void **state)
{
	struct fixture *f = *state;
	const char *const media[] = { f->path, NULL };
	struct seed_cancel cancel = { 0 };
	int store = open_store(f);
	struct seed_import plan;
	struct seed_error err = { 0 };

	make_image(f, "web01", 70, 2);
	prepare_at(f, f->path);
	export_ok(f, f->path, true, (const char *const[]){ "web01", NULL });
	atomic_store(&cancel.signal, 15);
	assert_fails(import_media(f, store, media, &cancel, &plan, &err), &err, SEED_ERR_CANCELLED);
	seed_import_clear(&plan);
	err = (struct seed_error){ 0 };
	must(import_media(f, store, media, NULL, &plan, &err), &err);
	assert_int_equal(vm_of(&plan, 0)->action, SEED_IMPORT_RESUME);
	assert_true(replica_is(f, store, vm_of(&plan, 0)->folder, "web01"));
	seed_import_clear(&plan);
	close(store);
}

/* ---- states that an end anywhere can leave ---- */

/* Bring the replica back to "seeding", as a run that ended before its last step left it. */
static void unfinish(int store, const char *folder)
{
	struct seed_replica *r = NULL;
	struct seed_error err = { 0 };

	must(seed_replica_open(&r, store, folder, true, &err), &err);
	r->state = SEED_REPLICA_SEEDING;
	must(seed_replica_save(r, &err), &err);
	seed_replica_close(r);
}

/* Write the log of a run that noted these packs, under the plan that an import of @packs has. */
static void write_log(int store, const char *folder, const struct seed_id *seed,
		      const struct seed_vec *packs, const struct seed_pack_facts *noted)
{
	struct seed_digest_stream name;
	struct seed_import_log *log = NULL;
	struct seed_error err = { 0 };
	struct seed_digest digest;
	struct seed_id plan;
	bool resumed;
	int dir;

	seed_digest_begin(&name);
	for (size_t i = 0; i < packs->count; i++)
		seed_digest_add(&name, ((struct seed_pack_facts *)seed_vec_at(packs, i))->index.bytes,
				SEED_DIGEST_SIZE);
	seed_digest_add(&name, seed->bytes, SEED_ID_SIZE);
	seed_digest_add(&name, "all ", 4);
	seed_digest_end(&name, &digest);
	memcpy(plan.bytes, digest.bytes, SEED_ID_SIZE);
	must(seed_path_open_folder_at(&dir, store, folder, &err), &err);
	must(seed_import_log_open(&log, dir, &plan, &resumed, &err), &err);
	must(seed_import_log_pack(log, 0, noted, &err), &err);
	seed_import_log_close(log);
	close(dir);
}

static struct seed_import first_import(struct fixture *f, int store, const char *const *media)
{
	struct seed_import plan;
	struct seed_error err = { 0 };

	must(import_media(f, store, media, NULL, &plan, &err), &err);
	return plan;
}

static void a_noted_pack_is_not_read_again(void **state)
{
	struct fixture *f = *state;
	const char *const media[] = { f->path, NULL };
	int store = open_store(f);
	struct seed_import plan;
	const struct seed_volume *v;
	char folder[SEED_REPLICA_NAME];
	struct seed_error err = { 0 };

	make_image(f, "web01", 70, 2);
	prepare_at(f, f->path);
	export_ok(f, f->path, true, (const char *const[]){ "web01", NULL });
	plan = first_import(f, store, media);
	v = vm_of(&plan, 0)->seed->volume;
	memcpy(folder, vm_of(&plan, 0)->folder, sizeof(folder));
	unfinish(store, folder);
	write_log(store, folder, &vm_of(&plan, 0)->seed->manifest.seed, &v->packs,
		  seed_vec_at(&v->packs, 0));
	seed_import_clear(&plan);
	must(import_media(f, store, media, NULL, &plan, &err), &err);
	assert_int_equal(vm_of(&plan, 0)->action, SEED_IMPORT_RESUME);
	assert_int_equal(plan.read_bytes, 0);
	assert_true(replica_is(f, store, folder, "web01"));
	seed_import_clear(&plan);
	close(store);
}

/* What the log says was written to a file that is gone was not written to the one made instead. */
static void a_disk_file_that_is_gone_is_written_anew(void **state)
{
	static const char *const ways[] = { "gone", "empty" };
	struct fixture *f = *state;
	const char *const media[] = { f->path, NULL };
	int store = open_store(f);
	char folder[SEED_REPLICA_NAME], disk[80];
	struct seed_import plan;
	const struct seed_volume *v;
	struct seed_error err = { 0 };

	make_image(f, "web01", 70, 2);
	prepare_at(f, f->path);
	export_ok(f, f->path, true, (const char *const[]){ "web01", NULL });
	plan = first_import(f, store, media);
	for (size_t i = 0; i < 2; i++) {
		v = vm_of(&plan, 0)->seed->volume;
		memcpy(folder, vm_of(&plan, 0)->folder, sizeof(folder));
		snprintf(disk, sizeof(disk), "%s/vda.raw", folder);
		unfinish(store, folder);
		write_log(store, folder, &vm_of(&plan, 0)->seed->manifest.seed, &v->packs,
			  seed_vec_at(&v->packs, 0));
		assert_int_equal(unlinkat(store, disk, 0), 0);
		if (strcmp(ways[i], "empty") == 0)
			close(openat(store, disk, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
		seed_import_clear(&plan);
		must(import_media(f, store, media, NULL, &plan, &err), &err);
		assert_true(plan.read_bytes > 0);
		assert_true(replica_is(f, store, folder, "web01"));
	}
	seed_import_clear(&plan);
	close(store);
}

/* Two sets on two media, both with a pack 1: one noted says nothing of the other. */
static void a_pack_of_another_set_with_that_number_is_read(void **state)
{
	struct fixture *f = *state;
	char second[320];
	const char *const media[] = { f->path, second, NULL };
	int store = open_store(f);
	struct seed_vec packs = { 0 };
	char folder[SEED_REPLICA_NAME] = "", disk[80];
	const struct seed_pack_facts *noted = NULL;
	struct seed_id seed = { { 0 } };
	struct seed_import plan;
	struct seed_error err = { 0 };

	snprintf(second, sizeof(second), "%s2", f->path);
	make_image(f, "db01", 40, 1);
	make_image(f, "web01", 70, 2);
	prepare_at(f, f->path);
	prepare_at(f, second);
	export_ok(f, f->path, true, (const char *const[]){ "db01", NULL });
	export_ok(f, second, true, (const char *const[]){ "web01", NULL });
	plan = first_import(f, store, media);
	for (size_t i = 0; i < plan.volumes.count; i++) {
		struct seed_volume *v = *(struct seed_volume **)seed_vec_at(&plan.volumes, i);

		assert_int_equal(v->packs.count, 1);
		seed_vec_push(&packs, sizeof(struct seed_pack_facts), seed_vec_at(&v->packs, 0));
	}
	/* web01's build is cut with the other set's pack noted, and its disk is still empty. */
	assert_string_equal(vm_of(&plan, 1)->seed->manifest.name, "web01");
	memcpy(folder, vm_of(&plan, 1)->folder, sizeof(folder));
	seed = vm_of(&plan, 1)->seed->manifest.seed;
	noted = seed_vec_at(&packs, 0);
	unfinish(store, folder);
	unfinish(store, vm_of(&plan, 0)->folder);
	write_log(store, folder, &seed, &packs, noted);
	seed_import_clear(&plan);
	snprintf(disk, sizeof(disk), "%s/vda.raw", folder);
	{
		int fd = openat(store, disk, O_RDWR | O_CLOEXEC);

		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(ftruncate(fd, (off_t)(70 * B)), 0);
		close(fd);
	}
	must(import_media(f, store, media, NULL, &plan, &err), &err);
	assert_true(vm_of(&plan, 1)->done);
	assert_true(replica_is(f, store, folder, "web01"));
	seed_import_clear(&plan);
	seed_vec_free(&packs);
	close(store);
}

/* The build has its blocks already: going on with it needs no room a second time. */
static void a_build_beside_the_replica_goes_on_in_a_full_store(void **state)
{
	struct fixture *f = *state;
	const char *const media[] = { f->path, NULL };
	struct seed_cancel cancel = { 0 };
	int store = open_store(f);
	struct seed_import plan;
	struct seed_error err = { 0 };

	make_image(f, "web01", 70, 2);
	prepare_at(f, f->path);
	export_ok(f, f->path, true, (const char *const[]){ "web01", NULL });
	plan = first_import(f, store, media);
	seed_import_clear(&plan);
	make_image(f, "web01", 70, 3);
	export_ok(f, f->path, true, (const char *const[]){ "web01", NULL });

	room = 40 * B;
	assert_int_equal(import_media(f, store, media, NULL, &plan, &err), -1);
	assert_int_equal(vm_of(&plan, 0)->action, SEED_IMPORT_REFUSE);
	assert_int_equal(vm_of(&plan, 0)->err.sys_errno, ENOSPC);
	seed_import_clear(&plan);

	room = UINT64_MAX;
	atomic_store(&cancel.signal, 15);
	assert_int_equal(import_media(f, store, media, &cancel, &plan, &err), -1);
	seed_import_clear(&plan);
	room = B;
	must(import_media(f, store, media, NULL, &plan, &err), &err);
	assert_int_equal(vm_of(&plan, 0)->action, SEED_IMPORT_REPLACE);
	assert_true(vm_of(&plan, 0)->done);
	assert_true(replica_is(f, store, vm_of(&plan, 0)->folder, "web01"));
	seed_import_clear(&plan);
	room = UINT64_MAX;
	close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(what_was_exported_is_imported_once),
		fixture_test(stopped_before_it_began_it_goes_on),
		fixture_test(a_noted_pack_is_not_read_again),
		fixture_test(a_disk_file_that_is_gone_is_written_anew),
		fixture_test(a_pack_of_another_set_with_that_number_is_read),
		fixture_test(a_build_beside_the_replica_goes_on_in_a_full_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
