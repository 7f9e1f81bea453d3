// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/vm_file.h"
#include "tmpdir.h"

#define UUID(digit) digit digit digit digit digit digit digit digit "-" digit digit digit digit "-" \
	digit digit digit digit "-" digit digit digit digit "-" \
	digit digit digit digit digit digit digit digit digit digit digit digit

static void write_vm(const struct tmpdir *home, uint8_t byte, const char *name)
{
	struct seed_vm_file file = { .lineage = { .count = 1 }, .generation = byte };
	char path[64], uuid[SEED_UUID_TEXT];
	struct seed_error err = { 0 };
	int dir;

	memcpy(&file.name, &name, sizeof(name));
	memset(file.uuid.bytes, byte, SEED_ID_SIZE);
	memset(file.lineage.timelines[0].id.bytes, 9, SEED_ID_SIZE);
	snprintf(path, sizeof(path), "vms/%s", seed_uuid_text(&file.uuid, uuid));
	mkdirat(home->fd, "vms", 0700);
	assert_int_equal(mkdirat(home->fd, path, 0700), 0);
	dir = openat(home->fd, path, O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	assert_ok(seed_vm_file_write(dir, &file, &err), &err);
	close(dir);
}

struct seen {
	char text[256];
};

static int note(const struct seed_vm_file *file, const struct seed_error *why, void *arg,
		struct seed_error *err)
{
	struct seen *seen = arg;
	size_t len = strlen(seen->text);

	(void)err;
	snprintf(seen->text + len, sizeof(seen->text) - len, "%s%s;", file ? file->name : "!",
		 file ? "" : why->text);
	return 0;
}

static void every_vm_is_visited_and_a_damaged_one_named(void **state)
{
	const struct tmpdir *home = *state;
	struct seen seen = { "" };
	struct seed_error err = { 0 };

	assert_ok(seed_vm_file_each(home->fd, note, &seen, &err), &err);
	assert_string_equal(seen.text, "");
	write_vm(home, 0x22, "web02");
	write_vm(home, 0x11, "web01");
	write_vm(home, 0x33, "db01");
	tmpdir_put(home, "vms/" UUID("3") "/vm.json", "{", 1);
	assert_int_equal(mkdirat(home->fd, "vms/" UUID("4"), 0700), 0);
	assert_int_equal(mkdirat(home->fd, "vms/stranger", 0700), 0);
	assert_ok(seed_vm_file_each(home->fd, note, &seen, &err), &err);
	assert_memory_equal(seen.text, "web01;web02;!vms/" UUID("3"), strlen("web01;web02;!") + 40);
}

static void a_file_of_another_vm_is_refused(void **state)
{
	const struct tmpdir *home = *state;
	struct seed_id other = { { 1 } };
	struct seed_error err = { 0 };
	struct seed_vm_file file;
	int dir;

	write_vm(home, 0x11, "web01");
	dir = openat(home->fd, "vms/" UUID("1"), O_RDONLY | O_DIRECTORY);
	assert_fails(seed_vm_file_read(&file, dir, &other, &err), &err, SEED_ERR_FORMAT);
	memset(other.bytes, 0x11, SEED_ID_SIZE);
	assert_ok(seed_vm_file_read(&file, dir, &other, &err), &err);
	assert_int_equal(file.generation, 0x11);
	seed_vm_file_clear(&file);
	close(dir);
}

static void assert_same(const struct seed_vm_file *a, const struct seed_vm_file *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(!a->definition, !b->definition);
	if (a->definition)
		assert_string_equal(a->definition, b->definition);
	assert_int_equal(a->has_origin, b->has_origin);
	if (a->has_origin)
		assert_true(seed_id_equal(&a->origin, &b->origin));
	assert_int_equal(a->handed_over, b->handed_over);
}

static void what_says_something_is_written_and_read(void **state)
{
	const struct tmpdir *home = *state;
	static char name[] = "web01", path[] = "/srv/a,b=\xc3\xa4.xml", disks[] = "web01=/a,/b";
	struct seed_vm_file files[] = {
		{ .name = name },
		{ .name = name, .definition = path },
		{ .name = name, .definition = disks, .has_origin = true, .origin = { { 9 } } },
		{ .name = name, .handed_over = true },
	};
	struct seed_error err = { 0 };

	for (size_t i = 0; i < 4; i++) {
		struct seed_vm_file out;

		files[i].lineage.count = 1;
		assert_ok(seed_vm_file_write(home->fd, &files[i], &err), &err);
		assert_ok(seed_vm_file_read(&out, home->fd, &files[i].uuid, &err), &err);
		assert_same(&files[i], &out);
		seed_vm_file_clear(&out);
		assert_null(out.definition);
	}
}

#define FILE_WITH(members) \
	"{\"schema\": \"vmseed-source-vm\", \"schema_version\": 1, \"uuid\": \"" UUID("1") "\", " \
	"\"name\": \"a\", \"lineage\": [{\"id\": \"61616161616161616161616161616161\", " \
	"\"writer\": \"62626262626262626262626262626262\", \"forked_from\": null}], " \
	"\"generation\": 1, \"updated\": 1" members "}"

static int read_text(const struct tmpdir *home, const char *text, struct seed_error *err)
{
	struct seed_vm_file file;
	struct seed_id uuid;
	int rc;

	memset(&uuid, 0x11, sizeof(uuid));
	tmpdir_put(home, "vm.json", text, strlen(text));
	rc = seed_vm_file_read(&file, home->fd, &uuid, err);
	if (rc == 0)
		seed_vm_file_clear(&file);
	return rc;
}

static void what_it_may_hold_is_read_as_strictly_as_what_it_must(void **state)
{
	static const char *const bad[] = {
		FILE_WITH(", \"definition\": \"\""), FILE_WITH(", \"definition\": \"web01.xml\""),
		FILE_WITH(", \"definition\": \"=/a\""), FILE_WITH(", \"definition\": 1"),
		FILE_WITH(", \"origin\": \"hq\""), FILE_WITH(", \"handed_over\": 1"),
		FILE_WITH(", \"surplus\": 1"),
	};
	char text[SEED_VM_DEFINITION_MAX + 600], path[SEED_VM_DEFINITION_MAX + 2];
	struct seed_error err = { 0 };

	assert_ok(read_text(*state, FILE_WITH(""), &err), &err);
	assert_ok(read_text(*state, FILE_WITH(", \"definition\": null, \"origin\": null"), &err),
		  &err);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(read_text(*state, bad[i], &err), &err, SEED_ERR_FORMAT);
	for (size_t len = SEED_VM_DEFINITION_MAX; len <= SEED_VM_DEFINITION_MAX + 1; len++) {
		memset(path, 'x', len);
		path[0] = '/';
		path[len] = '\0';
		snprintf(text, sizeof(text), FILE_WITH(", \"definition\": \"%s\""), path);
		if (len <= SEED_VM_DEFINITION_MAX)
			assert_ok(read_text(*state, text, &err), &err);
		else
			assert_fails(read_text(*state, text, &err), &err, SEED_ERR_FORMAT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_vm_is_visited_and_a_damaged_one_named,
						tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(a_file_of_another_vm_is_refused, tmpdir_setup,
						tmpdir_teardown),
		cmocka_unit_test_setup_teardown(what_says_something_is_written_and_read,
						tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			what_it_may_hold_is_read_as_strictly_as_what_it_must, tmpdir_setup,
			tmpdir_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
