// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "capture/side_files.h"
#include "tmpdir.h"

static unsigned int noted;

static void count_warning(void *arg, const struct seed_event *event)
{
	(void)arg;
	noted += event->kind == SEED_EVENT_WARNING && strstr(event->text, "does not travel");
}

static const struct seed_events events = { .report = count_warning };

static struct seed_vmdef *def_of(const struct tmpdir *dir, const char *definition)
{
	struct seed_vmdef *def = seed_vmdef_new();
	char path[400];

	assert_non_null(def);
	def->name = strdup("web\n01");
	snprintf(path, sizeof(path), "%s/%s", dir->path, definition);
	assert_ok(seed_vmdef_add_file(def, "definition", path, NULL), &(struct seed_error){ 0 });
	snprintf(path, sizeof(path), "%s/nvram", dir->path);
	assert_ok(seed_vmdef_add_file(def, "nvram", path, NULL), &(struct seed_error){ 0 });
	return def;
}

static void all_are_read_also_through_a_link(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = def_of(dir, "link.xml");
	SEED_AUTO(seed_side_files_clear) struct seed_vec files = { 0 };
	struct seed_error err = { 0 };
	struct seed_side_file *file;

	tmpdir_put(dir, "web01.xml", "<domain/>", 9);
	assert_int_equal(symlinkat("web01.xml", dir->fd, "link.xml"), 0);
	tmpdir_put(dir, "nvram", "a\0b", 3);
	assert_ok(seed_side_files_read(&files, def, &events, &err), &err);
	assert_int_equal(files.count, 2);
	file = files.items;
	assert_string_equal(file[0].role, "definition");
	assert_int_equal(file[0].len, 9);
	assert_string_equal(file[1].role, "nvram");
	assert_int_equal(file[1].len, 3);
	assert_memory_equal(file[1].data, "a\0b", 3);
}

static void nvram_that_was_never_made_is_noted_alone(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = def_of(dir, "web01.xml");
	SEED_AUTO(seed_side_files_clear) struct seed_vec files = { 0 };
	struct seed_error err = { 0 };

	tmpdir_put(dir, "web01.xml", "<domain/>", 9);
	noted = 0;
	assert_ok(seed_side_files_read(&files, def, &events, &err), &err);
	assert_int_equal(files.count, 1);
	assert_int_equal(noted, 1);
}

static void a_definition_that_is_gone_is_an_error(void **state)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = def_of(*state, "web01.xml");
	SEED_AUTO(seed_side_files_clear) struct seed_vec files = { 0 };
	struct seed_error err = { 0 };

	assert_fails(seed_side_files_read(&files, def, &events, &err), &err, SEED_ERR_NOTFOUND);
	assert_non_null(strstr(err.text, "definition \""));
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(all_are_read_also_through_a_link),
		IN_DIR(nvram_that_was_never_made_is_noted_alone),
		IN_DIR(a_definition_that_is_gone_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
