// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include "base/vec.h"
#include "replica/find.h"

static void create(const struct tmpdir *dir, const char *vm, char *name)
{
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of(vm, 1);
	SEED_AUTO(seed_replica_closep) struct seed_replica *made = NULL;
	struct seed_error err = { 0 };

	must(seed_replica_create(&made, dir->fd, &m, &err), &err);
	memcpy(name, made->name, SEED_REPLICA_NAME);
}

static int list(const char *name, struct seed_replica *replica, const struct seed_error *why,
		void *arg, struct seed_error *err)
{
	struct seed_buf *seen = arg;

	assert_true(!replica == !!why);
	return seed_buf_addf(seen, err, "%.5s%s ", name, replica ? "" : "!");
}

static void replicas_are_listed_and_broken_ones_reported(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_buf_free) struct seed_buf seen = { 0 };
	struct seed_error err = { 0 };
	char web[SEED_REPLICA_NAME], app[SEED_REPLICA_NAME], path[80];

	create(dir, "web01", web);
	create(dir, "app01", app);
	tmpdir_put(dir, "README", "x", 1);
	tmpdir_put(dir, "file1.1a2b3c4d", "x", 1);
	must(seed_path_make_folder(dir->fd, "lost+found", 0700, &err), &err);
	must(seed_path_make_folder(dir->fd, "empty.1a2b3c4d", 0700, &err), &err);
	must(seed_path_make_folder(dir->fd, "gutte.1a2b3c4d", 0700, &err), &err);
	tmpdir_put(dir, "gutte.1a2b3c4d/vda.raw", "x", 1);
	assert_int_equal(symlinkat(web, dir->fd, "linke.1a2b3c4d"), 0);
	snprintf(path, sizeof(path), "%s/replica.json", app);
	tmpdir_put(dir, path, "{}", 2);
	must(seed_store_each(dir->fd, list, &seen, &err), &err);
	assert_string_equal(seen.data, "app01! gutte! web01 ");
}

static void a_replica_is_found_by_name_folder_or_uuid(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", 1);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest twin = manifest_of("web01", 1);
	SEED_AUTO(seed_replica_closep) struct seed_replica *made = NULL;
	char web[SEED_REPLICA_NAME], app[SEED_REPLICA_NAME], found[SEED_REPLICA_NAME];
	char uuid[SEED_UUID_TEXT];
	struct seed_error err = { 0 };

	create(dir, "web01", web);
	create(dir, "app\x1b", app);
	must(seed_replica_find(found, dir->fd, "web01", &err), &err);
	assert_string_equal(found, web);
	must(seed_replica_find(found, dir->fd, web, &err), &err);
	assert_string_equal(found, web);
	must(seed_replica_find(found, dir->fd, seed_uuid_text(&m.uuid, uuid), &err), &err);
	assert_string_equal(found, web);
	must(seed_replica_find(found, dir->fd, "app\x1b", &err), &err);
	assert_string_equal(found, app);
	assert_fails(seed_replica_find(found, dir->fd, "web02\n", &err), &err, SEED_ERR_NOTFOUND);
	assert_null(strchr(err.text, '\n'));
	twin.uuid.bytes[15] ^= 0xff;
	must(seed_replica_create(&made, dir->fd, &twin, &err), &err);
	assert_fails(seed_replica_find(found, dir->fd, "web01", &err), &err, SEED_ERR_USAGE);
	assert_non_null(strstr(err.text, web));
	assert_non_null(strstr(err.text, made->name));
	must(seed_replica_find(found, dir->fd, made->name, &err), &err);
	assert_string_equal(found, made->name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(replicas_are_listed_and_broken_ones_reported),
		on_tmpdir(a_replica_is_found_by_name_folder_or_uuid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
