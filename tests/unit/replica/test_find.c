// SPDX-License-Identifier: LGPL-2.1-or-later
/* A replica by what people call it, and where a home keeps them. */
#include "fixture.h"

#include <limits.h>

#include "base/text.h"
#include "replica/find.h"
#include "replica/home_store.h"

/* ---- finding ---- */

static struct seed_manifest put_vm(const struct tmpdir *dir, const char *name, uint8_t id)
{
	struct seed_manifest m = manifest_of(name, 1);
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error err = { 0 };

	m.uuid.bytes[15] = id;
	must(seed_replica_create(&r, dir->fd, &m, &err), &err);
	return m;
}

static void a_replica_is_found_by_name_folder_and_uuid(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest web = put_vm(dir, "Web 01!", 1);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest db = put_vm(dir, "db01", 2);
	char want[SEED_REPLICA_NAME], folder[SEED_REPLICA_NAME], uuid[SEED_UUID_TEXT];
	struct seed_error err = { 0 };

	seed_replica_folder_name(&web.site, &web.uuid, web.name, want);
	must(seed_replica_find(folder, dir->fd, "Web 01!", &err), &err);
	assert_string_equal(folder, want);
	must(seed_replica_find(folder, dir->fd, want, &err), &err);
	assert_string_equal(folder, want);
	seed_uuid_text(&web.uuid, uuid);
	must(seed_replica_find(folder, dir->fd, uuid, &err), &err);
	assert_string_equal(folder, want);
	for (char *p = uuid; *p; p++)
		*p = (char)(*p >= 'a' && *p <= 'f' ? *p - 32 : *p);
	must(seed_replica_find(folder, dir->fd, uuid, &err), &err);
	assert_string_equal(folder, want);
	seed_replica_folder_name(&db.site, &db.uuid, db.name, want);
	must(seed_replica_find(folder, dir->fd, "db01", &err), &err);
	assert_string_equal(folder, want);
}

static void nobody_of_that_name_is_not_found(void **state)
{
	const struct tmpdir *dir = *state;
	static const char *const names[] = { "web02", "", "web", "../web01", "WEB01", "\x1b[31m" };
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = put_vm(dir, "web01", 1);
	char folder[SEED_REPLICA_NAME] = "untouched";
	struct seed_error err = { 0 };

	(void)m;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_fails(seed_replica_find(folder, dir->fd, names[i], &err), &err,
			     SEED_ERR_NOTFOUND);
		assert_null(strchr(err.text, '\x1b'));
	}
	assert_string_equal(folder, "untouched");
}

static void a_name_of_several_is_refused_and_they_are_listed(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest a = put_vm(dir, "web01", 1);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest b = put_vm(dir, "web01", 2);
	char one[SEED_REPLICA_NAME], other[SEED_REPLICA_NAME], folder[SEED_REPLICA_NAME];
	struct seed_error err = { 0 };

	seed_replica_folder_name(&a.site, &a.uuid, a.name, one);
	seed_replica_folder_name(&b.site, &b.uuid, b.name, other);
	assert_fails(seed_replica_find(folder, dir->fd, "web01", &err), &err, SEED_ERR_USAGE);
	assert_non_null(strstr(err.text, one));
	assert_non_null(strstr(err.text, other));
	must(seed_replica_find(folder, dir->fd, other, &err), &err);
	assert_string_equal(folder, other);
}

/* Broken ones can be named too: how else would one look at them? */
static void a_broken_replica_is_found_by_its_folder(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = put_vm(dir, "web01", 1);
	char name[SEED_REPLICA_NAME], folder[SEED_REPLICA_NAME];
	struct seed_error err = { 0 };
	int fd;

	seed_replica_folder_name(&m.site, &m.uuid, m.name, name);
	fd = openat(dir->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(fd, "replica.json", "not JSON");
	close(fd);
	must(seed_replica_find(folder, dir->fd, name, &err), &err);
	assert_string_equal(folder, name);
	must(seed_replica_find(folder, dir->fd, "web01", &err), &err);
	assert_string_equal(folder, name);
	assert_fails(seed_replica_find(folder, dir->fd, "web0", &err), &err, SEED_ERR_NOTFOUND);
	assert_fails(seed_replica_find(folder, dir->fd, "web01.", &err), &err, SEED_ERR_NOTFOUND);
}

/* ---- the store of a home ---- */

static int make_folder(const struct tmpdir *dir, const char *name)
{
	struct seed_error err = { 0 };
	int fd;

	must(seed_path_make_folder(dir->fd, name, 0700, &err), &err);
	must(seed_path_open_folder_at(&fd, dir->fd, name, &err), &err);
	return fd;
}

/* Open the store of @home, and give its path. */
static int open_store(int home, const char *path, bool make, char **where,
		      struct seed_error *err)
{
	int store = -1;

	*where = NULL;
	if (seed_store_open(&store, home, path, make, where, err) < 0)
		return -1;
	close(store);
	return 0;
}

static bool is_path(char *where, const struct tmpdir *dir, const char *name)
{
	char want[400], real[PATH_MAX];
	bool same;

	snprintf(want, sizeof(want), "%s/%s", dir->path, name);
	same = realpath(want, real) && strcmp(real, where) == 0;
	free(where);
	return same;
}

static void a_home_keeps_replicas_in_itself(void **state)
{
	const struct tmpdir *dir = *state;
	int home = make_folder(dir, "home");
	struct seed_error err = { 0 };
	char *where;

	assert_fails(open_store(home, NULL, false, &where, &err), &err, SEED_ERR_NOTFOUND);
	assert_false(seed_path_exists(home, "replicas"));
	err = (struct seed_error){ 0 };
	must(open_store(home, NULL, true, &where, &err), &err);
	assert_true(is_path(where, dir, "home/replicas"));
	must(open_store(home, NULL, false, &where, &err), &err);
	assert_true(is_path(where, dir, "home/replicas"));
	assert_false(seed_path_exists(home, "store"));
	close(home);
}

static void a_store_that_was_named_is_remembered(void **state)
{
	const struct tmpdir *dir = *state;
	int home = make_folder(dir, "home"), big = make_folder(dir, "big");
	char path[300], again[300];
	struct seed_error err = { 0 };
	char *where;

	snprintf(path, sizeof(path), "%s/big", dir->path);
	snprintf(again, sizeof(again), "%s/home/../big/.", dir->path);
	/* Looking only remembers nothing. */
	must(open_store(home, path, false, &where, &err), &err);
	free(where);
	assert_false(seed_path_exists(home, "store"));
	must(open_store(home, path, true, &where, &err), &err);
	assert_true(is_path(where, dir, "big"));
	must(open_store(home, NULL, false, &where, &err), &err);
	assert_true(is_path(where, dir, "big"));
	must(open_store(home, again, true, &where, &err), &err);	/* the same, said otherwise */
	assert_true(is_path(where, dir, "big"));
	assert_false(seed_path_exists(home, "replicas"));
	close(home);
	close(big);
}

static void another_store_is_refused_while_replicas_lie_in_the_first(void **state)
{
	const struct tmpdir *dir = *state;
	int home = make_folder(dir, "home"), first = make_folder(dir, "first");
	int second = make_folder(dir, "second"), replicas;
	char a[300], b[300];
	struct seed_error err = { 0 };
	char *where;

	snprintf(a, sizeof(a), "%s/first", dir->path);
	snprintf(b, sizeof(b), "%s/second", dir->path);
	/* From the home's own folder ... */
	replicas = make_folder(dir, "home/replicas");
	make_folder(dir, "home/replicas/web01.11223344");
	assert_fails(open_store(home, a, true, &where, &err), &err, SEED_ERR_USAGE);
	assert_false(seed_path_exists(home, "store"));
	assert_int_equal(unlinkat(replicas, "web01.11223344", AT_REMOVEDIR), 0);
	err = (struct seed_error){ 0 };
	must(open_store(home, a, true, &where, &err), &err);
	free(where);
	/* ... and from one that was named. */
	assert_int_equal(mkdirat(first, "web01.11223344", 0700), 0);
	assert_fails(open_store(home, b, true, &where, &err), &err, SEED_ERR_USAGE);
	assert_non_null(strstr(err.text, "first"));
	must(open_store(home, NULL, false, &where, &err), &err);
	assert_true(is_path(where, dir, "first"));
	assert_int_equal(unlinkat(first, "web01.11223344", AT_REMOVEDIR), 0);
	must(open_store(home, b, true, &where, &err), &err);
	assert_true(is_path(where, dir, "second"));
	close(home);
	close(first);
	close(second);
	close(replicas);
}

static void a_store_that_is_gone_is_an_error_and_not_made_anew(void **state)
{
	const struct tmpdir *dir = *state;
	int home = make_folder(dir, "home"), big = make_folder(dir, "big");
	char path[300];
	struct seed_error err = { 0 };
	char *where;

	snprintf(path, sizeof(path), "%s/big", dir->path);
	must(open_store(home, path, true, &where, &err), &err);
	free(where);
	assert_int_equal(unlinkat(dir->fd, "big", AT_REMOVEDIR), 0);
	assert_int_equal(open_store(home, NULL, true, &where, &err), -1);
	assert_non_null(strstr(err.text, "big"));
	assert_false(seed_path_exists(home, "replicas"));
	assert_int_equal(open_store(home, path, true, &where, &err), -1);
	close(home);
	close(big);
}

static void a_damaged_note_of_the_store_is_named(void **state)
{
	static const char *const texts[] = { "", "\n", "relative/path\n", "/no/newline", "x" };
	const struct tmpdir *dir = *state;
	int home = make_folder(dir, "home");
	struct seed_error err = { 0 };
	char *where;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put(home, "store", texts[i]);
		assert_fails(open_store(home, NULL, true, &where, &err), &err, SEED_ERR_USAGE);
		assert_non_null(strstr(err.text, "store"));
	}
	tmpdir_put(dir, "home/store", "/a\0b\n", 5);
	assert_fails(open_store(home, NULL, true, &where, &err), &err, SEED_ERR_USAGE);
	close(home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_replica_is_found_by_name_folder_and_uuid),
		on_tmpdir(nobody_of_that_name_is_not_found),
		on_tmpdir(a_name_of_several_is_refused_and_they_are_listed),
		on_tmpdir(a_broken_replica_is_found_by_its_folder),
		on_tmpdir(a_home_keeps_replicas_in_itself),
		on_tmpdir(a_store_that_was_named_is_remembered),
		on_tmpdir(another_store_is_refused_while_replicas_lie_in_the_first),
		on_tmpdir(a_store_that_is_gone_is_an_error_and_not_made_anew),
		on_tmpdir(a_damaged_note_of_the_store_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
