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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_vm_is_visited_and_a_damaged_one_named,
						tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(a_file_of_another_vm_is_refused, tmpdir_setup,
						tmpdir_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
