// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "capture/source_vm.h"
#include "capture/vm_file.h"
#include "tmpdir.h"

#define UUID "01010101-0101-0101-0101-010101010101"

static const struct seed_site site = { .name = "hq", .id = { { 5, 5, 5 } } };

/* Of @name; @uuid_byte 0: without a uuid of its own. Static strings: never freed. */
static struct seed_vmdef def_of(const char *name, uint8_t uuid_byte)
{
	struct seed_vmdef def = { .has_uuid = uuid_byte != 0 };

	memcpy(&def.name, &name, sizeof(name));
	memset(def.uuid.bytes, uuid_byte, sizeof(def.uuid.bytes));
	return def;
}

static struct seed_source_vm *open_vm(const struct tmpdir *home, const char *name)
{
	struct seed_vmdef def = def_of(name, 1);
	struct seed_source_vm *vm = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_source_vm_open(&vm, home->fd, &def, &site, 0, &err), &err);
	return vm;
}

static void the_id_is_declared_or_made_from_site_and_name(void **state)
{
	struct seed_vmdef declared = def_of("web01", 1), named = def_of("web01", 0);
	struct seed_vmdef other = def_of("web02", 0);
	struct seed_site elsewhere = site;
	struct seed_id a, b;
	struct seed_error err = { 0 };

	(void)state;
	elsewhere.id.bytes[0]++;
	assert_ok(seed_source_vm_uuid(&a, &declared, &site, &err), &err);
	assert_true(seed_id_equal(&a, &declared.uuid));
	assert_ok(seed_source_vm_uuid(&a, &named, &site, &err), &err);
	assert_int_equal(a.bytes[6] >> 4, 5);
	assert_int_equal(a.bytes[8] >> 6, 2);
	assert_ok(seed_source_vm_uuid(&b, &named, &site, &err), &err);
	assert_true(seed_id_equal(&a, &b));
	assert_ok(seed_source_vm_uuid(&b, &named, &elsewhere, &err), &err);
	assert_false(seed_id_equal(&a, &b));
	assert_ok(seed_source_vm_uuid(&b, &other, &site, &err), &err);
	assert_false(seed_id_equal(&a, &b));
}

static void a_new_vm_begins_a_timeline_of_ours(void **state)
{
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = open_vm(*state, "../../x\n");
	static const struct seed_id nil;
	struct seed_error err = { 0 };
	struct stat st;

	assert_string_equal(vm->name, "../../x\n");
	assert_int_equal(vm->generation, 0);
	assert_int_equal(vm->lineage.count, 1);
	assert_false(vm->lineage.timelines[0].forked);
	assert_true(seed_id_equal(&vm->lineage.timelines[0].writer, &site.id));
	assert_false(seed_id_equal(&vm->lineage.timelines[0].id, &nil));
	assert_true(vm->unsaved);
	assert_int_equal(fstatat(((struct tmpdir *)*state)->fd, "vms/" UUID "/vm.json", &st, 0), -1);
	assert_ok(seed_source_vm_save(vm, &err), &err);
	assert_false(vm->unsaved);
	assert_int_equal(fstatat(((struct tmpdir *)*state)->fd, "vms/" UUID "/vm.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(fstatat(((struct tmpdir *)*state)->fd, "vms/" UUID, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void of_a_vm_that_nothing_was_made_of_no_folder_stays(void **state)
{
	const struct tmpdir *home = *state;
	struct seed_source_vm *vm = open_vm(home, "web01");
	struct seed_error err = { 0 };
	struct stat st;

	seed_source_vm_close(vm);
	assert_int_equal(fstatat(home->fd, "vms/" UUID, &st, 0), -1);
	vm = open_vm(home, "web01");
	assert_ok(seed_source_vm_save(vm, &err), &err);
	assert_ok(seed_source_vm_retract(vm, &err), &err);
	seed_source_vm_close(vm);
	assert_int_equal(fstatat(home->fd, "vms/" UUID, &st, 0), -1);
	/* What was read stays, and so does what was signed of. */
	vm = open_vm(home, "web01");
	tmpdir_put(home, "vms/" UUID "/vda.list", "x", 1);
	seed_source_vm_close(vm);
	assert_int_equal(fstatat(home->fd, "vms/" UUID "/vda.list", &st, 0), 0);
	assert_int_equal(fstatat(home->fd, "vms/" UUID "/vm.json", &st, 0), -1);
	vm = open_vm(home, "web01");
	assert_ok(seed_source_vm_next_generation(vm, &err), &err);
	assert_ok(seed_source_vm_retract(vm, &err), &err);
	seed_source_vm_close(vm);
	vm = open_vm(home, "web01");
	assert_int_equal(vm->generation, 1);
	seed_source_vm_close(vm);
}

static void generations_rise_over_runs_and_renames(void **state)
{
	struct seed_lineage lineage;
	struct seed_error err = { 0 };
	struct seed_source_vm *vm = open_vm(*state, "web01");

	lineage = vm->lineage;
	assert_ok(seed_source_vm_next_generation(vm, &err), &err);
	assert_ok(seed_source_vm_next_generation(vm, &err), &err);
	assert_int_equal(vm->generation, 2);
	seed_source_vm_close(vm);
	vm = open_vm(*state, "web01-renamed");
	assert_string_equal(vm->name, "web01-renamed");
	assert_int_equal(vm->generation, 2);
	assert_int_equal(seed_lineage_compare(&vm->lineage, 2, &lineage, 2), SEED_LINEAGE_SAME);
	assert_ok(seed_source_vm_next_generation(vm, &err), &err);
	assert_int_equal(vm->generation, 3);
	seed_source_vm_close(vm);
}

static void a_generation_is_on_disk_before_it_is_used(void **state)
{
	struct tmpdir *home = *state;
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = open_vm(home, "web01");
	struct seed_error err = { 0 };
	char text[4096] = "";
	int fd;

	assert_ok(seed_source_vm_next_generation(vm, &err), &err);
	fd = openat(home->fd, "vms/" UUID "/vm.json", O_RDONLY);
	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_non_null(strstr(text, "\"generation\": 1,"));
	assert_non_null(strstr(text, "\"schema\": \"vmseed-source-vm\""));
}

static void a_second_run_finds_it_locked(void **state)
{
	struct tmpdir *home = *state;
	struct seed_source_vm *first = open_vm(home, "web\n01");
	struct seed_vmdef def = def_of("web\n01", 1);
	struct seed_source_vm *second = NULL;
	struct seed_error err;

	assert_fails(seed_source_vm_open(&second, home->fd, &def, &site, 0, &err), &err,
		     SEED_ERR_LOCKED);
	assert_null(second);
	assert_non_null(strstr(err.text, "\"web%0A01\""));
	seed_source_vm_close(first);
}

static void make_folder(const struct tmpdir *home)
{
	assert_int_equal(mkdirat(home->fd, "vms", 0700), 0);
	assert_int_equal(mkdirat(home->fd, "vms/" UUID, 0700), 0);
}

static void put_vm(const struct tmpdir *home, const char *text)
{
	tmpdir_put(home, "vms/" UUID "/vm.json", text, strlen(text));
}

#define LINEAGE "[{\"id\": \"61616161616161616161616161616161\", " \
		"\"writer\": \"62626262626262626262626262626262\", \"forked_from\": null}]"
#define VM(uuid, lineage, generation) \
	"{\"schema\": \"vmseed-source-vm\", \"schema_version\": 1, \"uuid\": \"" uuid "\", " \
	"\"name\": \"a\", \"lineage\": " lineage ", \"generation\": " generation ", \"updated\": 1}"

static void a_damaged_file_is_never_begun_anew(void **state)
{
	static const char *const cases[] = {
		"", "{", "[]", "{}",
		VM("02010101-0101-0101-0101-010101010101", LINEAGE, "1"),
		VM(UUID, "[]", "1"), VM(UUID, LINEAGE, "-1"), VM(UUID, LINEAGE, "9007199254740992"),
		"{\"schema\": \"vmseed-other\", \"schema_version\": 1}",
	};
	struct seed_vmdef def = def_of("web01", 1);
	struct tmpdir *home = *state;

	make_folder(home);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seed_source_vm *vm = NULL;
		struct seed_error err;

		put_vm(home, cases[i]);
		assert_fails(seed_source_vm_open(&vm, home->fd, &def, &site, 0, &err), &err,
			     SEED_ERR_FORMAT);
		assert_null(vm);
		assert_non_null(strstr(err.text, UUID));
		assert_true(tmpdir_holds(home, "vms/" UUID "/vm.json", cases[i], strlen(cases[i])));
	}
}

static void the_numbers_end(void **state)
{
	struct seed_vmdef def = def_of("web01", 1);
	struct tmpdir *home = *state;
	struct seed_source_vm *vm = NULL;
	struct seed_error err = { 0 };

	make_folder(home);
	put_vm(home, VM(UUID, LINEAGE, "9007199254740990"));
	assert_ok(seed_source_vm_open(&vm, home->fd, &def, &site, 0, &err), &err);
	assert_ok(seed_source_vm_next_generation(vm, &err), &err);
	assert_fails(seed_source_vm_next_generation(vm, &err), &err, SEED_ERR_RANGE);
	assert_int_equal(vm->generation, SEED_GENERATION_MAX);
	seed_source_vm_close(vm);
}

static void a_link_in_place_of_the_folder_is_not_followed(void **state)
{
	struct seed_vmdef def = def_of("web01", 1);
	struct tmpdir *home = *state;
	struct seed_source_vm *vm = NULL;
	struct seed_error err = { 0 };

	assert_int_equal(mkdirat(home->fd, "vms", 0700), 0);
	assert_int_equal(symlinkat("/tmp", home->fd, "vms/" UUID), 0);
	assert_int_equal(seed_source_vm_open(&vm, home->fd, &def, &site, 0, &err), -1);
	assert_null(vm);
}

static void what_was_handed_over_opens_only_when_told(void **state)
{
	struct seed_vmdef def = def_of("web01", 1);
	struct seed_source_vm *vm = open_vm(*state, "web01");
	const struct tmpdir *home = *state;
	struct seed_error err = { 0 };

	vm->handed_over = true;
	assert_ok(seed_source_vm_save(vm, &err), &err);
	seed_source_vm_close(vm);
	vm = NULL;
	assert_fails(seed_source_vm_open(&vm, home->fd, &def, &site, 0, &err), &err,
		     SEED_ERR_IDENTITY);
	assert_non_null(strstr(err.text, "with --force it takes back"));
	assert_ok(seed_source_vm_open(&vm, home->fd, &def, &site, SEED_SOURCE_VM_ANYWAY, &err),
		  &err);
	assert_true(vm->handed_over);
	vm->handed_over = false;
	assert_ok(seed_source_vm_save(vm, &err), &err);
	seed_source_vm_close(vm);
	seed_source_vm_close(open_vm(home, "web01"));
}

static void whose_it_is_and_from_where_outlives_generations(void **state)
{
	struct seed_source_vm *vm = open_vm(*state, "web01");
	static const struct seed_id other = { { 8 } };
	struct seed_error err = { 0 };

	assert_true(seed_id_equal(&vm->origin, &site.id));
	assert_null(vm->definition);
	vm->origin = other;
	vm->definition = strdup("/etc/web01.xml");
	vm->lineage.timelines[0].id.bytes[0]++;
	assert_ok(seed_source_vm_save(vm, &err), &err);
	seed_source_vm_close(vm);
	vm = open_vm(*state, "web01");
	assert_int_equal(vm->generation, 0);
	assert_ok(seed_source_vm_next_generation(vm, &err), &err);
	seed_source_vm_close(vm);
	vm = open_vm(*state, "web01");
	assert_int_equal(vm->generation, 1);
	assert_true(seed_id_equal(&vm->origin, &other));
	assert_string_equal(vm->definition, "/etc/web01.xml");
	seed_source_vm_close(vm);
}

static char *words(const char *text)
{
	char *out;

	memcpy(&out, &text, sizeof(out));
	return out;
}

/* Notes it, opens the VM again and looks. */
static void assert_noted(const struct tmpdir *home, const struct seed_vmdef *def,
			 const char *expected)
{
	struct seed_source_vm *vm = open_vm(home, "web01");
	struct seed_error err = { 0 };

	assert_ok(seed_source_vm_save(vm, &err), &err);
	assert_ok(seed_source_vm_note_definition(vm, def, &err), &err);
	seed_source_vm_close(vm);
	vm = open_vm(home, "web01");
	if (expected)
		assert_string_equal(vm->definition, expected);
	else
		assert_null(vm->definition);
	seed_source_vm_close(vm);
}

static void a_definition_is_noted_so_that_it_is_found_again(void **state)
{
	const struct tmpdir *home = *state;
	struct seed_vmdef_file file = { .role = words("definition") };
	struct seed_vmdef def = def_of("web01", 1);
	char path[400], expected[1000];
	SEED_AUTO(seed_freep) char *real = realpath(home->path, NULL);

	assert_non_null(real);
	def.files = (struct seed_vec){ &file, 1, 1, sizeof(file) };
	snprintf(path, sizeof(path), "%s/vms/../web01.xml", home->path);
	snprintf(expected, sizeof(expected), "%s/web01.xml", real);
	def.source = path;
	assert_noted(home, &def, expected);
	def.source = words("README.md");
	snprintf(expected, sizeof(expected), "%s/README.md", getcwd(path, sizeof(path)));
	assert_noted(home, &def, expected);
	def.source = words("/no/such/folder/web01.xml");
	assert_noted(home, &def, NULL);
}

/* A link is the stable name of what it leads to: /dev/mapper/NAME. */
static void disks_without_a_definition_are_noted_by_name(void **state)
{
	const struct tmpdir *home = *state;
	SEED_AUTO(seed_freep) char *real = realpath(home->path, NULL);
	char a[400], expected[1000], long_path[SEED_VM_DEFINITION_MAX];
	struct seed_vmdef_disk disks[] = { { .path = a }, { .path = words("nbd://h/x"),
							   .format = words("nbd") } };
	struct seed_vmdef def = def_of("web01", 1);

	assert_non_null(real);
	def.disks = (struct seed_vec){ disks, 2, 2, sizeof(disks[0]) };
	snprintf(a, sizeof(a), "%s/./a.img", home->path);
	assert_int_equal(symlinkat("b.img", home->fd, "a.img"), 0);
	snprintf(expected, sizeof(expected), "web01=%s/a.img,nbd://h/x", real);
	assert_noted(home, &def, expected);
	disks[0].path = words("/x,y");
	assert_noted(home, &def, NULL);
	disks[0].path = words("/\xff");
	assert_noted(home, &def, NULL);
	memset(long_path, 'x', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	disks[0].path = long_path;
	assert_noted(home, &def, NULL);
	disks[0].path = NULL;
	assert_noted(home, &def, NULL);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_id_is_declared_or_made_from_site_and_name),
		IN_HOME(a_new_vm_begins_a_timeline_of_ours),
		IN_HOME(of_a_vm_that_nothing_was_made_of_no_folder_stays),
		IN_HOME(generations_rise_over_runs_and_renames),
		IN_HOME(a_generation_is_on_disk_before_it_is_used),
		IN_HOME(a_second_run_finds_it_locked),
		IN_HOME(a_damaged_file_is_never_begun_anew),
		IN_HOME(the_numbers_end),
		IN_HOME(a_link_in_place_of_the_folder_is_not_followed),
		IN_HOME(what_was_handed_over_opens_only_when_told),
		IN_HOME(whose_it_is_and_from_where_outlives_generations),
		IN_HOME(a_definition_is_noted_so_that_it_is_found_again),
		IN_HOME(disks_without_a_definition_are_noted_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
