// SPDX-License-Identifier: LGPL-2.1-or-later
/* Planning an export: twins, disks that stay behind, verdicts of single VMs. */
#include "cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "export/export.h"
#include "tmpdir.h"
#include "vmdef/adhoc.h"

#define B ((uint64_t)SEED_BLOCK_SIZE)

static const struct seed_site site = { .name = "hq", .id = { { 5 } } };

/* A disk of ten blocks, two of them data. */
static void make_image(const struct tmpdir *dir, const char *name)
{
	int fd = openat(dir->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 10 * B), 0);
	assert_int_equal(pwrite(fd, "x", 1, 3 * B + 100), 1);
	assert_int_equal(pwrite(fd, "x", 1, 7 * B), 1);
	close(fd);
}

/* "NAME=a.img,b.img" with each file in the folder. */
static struct seed_vmdef *def_of(const struct tmpdir *dir, const char *name, const char *const *files,
				 const struct seed_id *uuid)
{
	struct seed_vmdef *def = NULL;
	struct seed_error err = { 0 };
	char arg[2000];
	int len = snprintf(arg, sizeof(arg), "%s=", name);

	for (size_t i = 0; files[i]; i++)
		len += snprintf(arg + len, sizeof(arg) - (size_t)len, "%s%s/%s", i ? "," : "",
				dir->path, files[i]);
	assert_ok(seed_adhoc_read(&def, arg, uuid, &err), &err);
	return def;
}

static void add(struct seed_vec *defs, struct seed_vmdef *def)
{
	assert_non_null(seed_vec_push(defs, sizeof(def), &def));
}

static int plan_of(struct seed_export *plan, struct seed_vec *defs, const char *const *exclude,
		   struct seed_error *err)
{
	const struct seed_export_options opt = { .own = &site, .data = true,
						 .exclude_slots = exclude };

	return seed_export_plan(plan, defs, &opt, err);
}

static const char *const one[] = { "a.img", NULL }, *const two[] = { "a.img", "b.img", NULL };

static void a_plan_knows_sizes_and_reads_nothing(void **state)
{
	struct seed_vec defs = { 0 };
	struct seed_export plan;
	struct seed_error err = { 0 };
	const struct seed_export_vm *vm;
	const struct seed_export_disk *disk;

	make_image(*state, "a.img");
	make_image(*state, "b.img");
	add(&defs, def_of(*state, "web01", two, NULL));
	assert_ok(plan_of(&plan, &defs, NULL, &err), &err);
	assert_int_equal(plan.vms.count, 1);
	vm = seed_vec_at(&plan.vms, 0);
	assert_int_equal(vm->err.kind, 0);
	assert_int_equal(vm->disks.count, 2);
	disk = seed_vec_at(&vm->disks, 1);
	assert_string_equal(disk->def->slot, "vdb");
	assert_int_equal(disk->size, 10 * B);
	assert_int_equal(disk->data_bytes, 2 * B);
	assert_int_equal(plan.data_bytes, 4 * B);
	seed_export_clear(&plan);
}

static void two_vms_of_one_uuid_are_refused_and_both_named(void **state)
{
	const struct seed_id uuid = { { 7 } };
	struct seed_vec defs = { 0 };
	struct seed_export plan;
	struct seed_error err = { 0 };

	make_image(*state, "a.img");
	make_image(*state, "b.img");
	add(&defs, def_of(*state, "web01", one, &uuid));
	add(&defs, def_of(*state, "other", one, NULL));
	add(&defs, def_of(*state, "clone", two, &uuid));
	assert_fails(plan_of(&plan, &defs, NULL, &err), &err, SEED_ERR_USAGE);
	assert_non_null(strstr(err.text, "web01="));
	assert_non_null(strstr(err.text, "clone="));
	assert_null(strstr(err.text, "other="));
	assert_null(defs.items);		/* taken over on failure too */
	seed_export_clear(&plan);
}

static void one_name_twice_is_one_vm_twice(void **state)
{
	struct seed_vec defs = { 0 };
	struct seed_export plan;
	struct seed_error err = { 0 };

	make_image(*state, "a.img");
	make_image(*state, "b.img");
	add(&defs, def_of(*state, "web01", one, NULL));
	add(&defs, def_of(*state, "web01", two, NULL));
	assert_fails(plan_of(&plan, &defs, NULL, &err), &err, SEED_ERR_USAGE);
	seed_export_clear(&plan);
}

static void an_excluded_disk_stays_behind_with_its_reason(void **state)
{
	static const char *const vdb[] = { "vdb", NULL };
	struct seed_vec defs = { 0 };
	struct seed_export plan;
	struct seed_error err = { 0 };
	const struct seed_export_vm *vm;
	const struct seed_vmdef_disk *def;

	make_image(*state, "a.img");		/* b.img is not even there */
	add(&defs, def_of(*state, "web01", two, NULL));
	assert_ok(plan_of(&plan, &defs, vdb, &err), &err);
	vm = seed_vec_at(&plan.vms, 0);
	assert_int_equal(vm->err.kind, 0);
	assert_int_equal(vm->disks.count, 1);
	def = seed_vec_at(&vm->def->disks, 1);
	assert_string_equal(def->excluded, "--exclude-disk");
	seed_export_clear(&plan);
}

static void a_slot_that_nobody_has_is_a_mistake(void **state)
{
	static const char *const vdz[] = { "vdb", "vdz", NULL };
	struct seed_vec defs = { 0 };
	struct seed_export plan;
	struct seed_error err = { 0 };

	make_image(*state, "a.img");
	make_image(*state, "b.img");
	add(&defs, def_of(*state, "web01", two, NULL));
	assert_fails(plan_of(&plan, &defs, vdz, &err), &err, SEED_ERR_USAGE);
	assert_non_null(strstr(err.text, "vdz"));
	seed_export_clear(&plan);
}

static void a_vm_without_disks_left_has_a_verdict(void **state)
{
	static const char *const vda[] = { "vda", NULL };
	struct seed_vec defs = { 0 };
	struct seed_export plan;
	struct seed_error err = { 0 };

	make_image(*state, "a.img");
	make_image(*state, "b.img");
	add(&defs, def_of(*state, "web01", one, NULL));
	add(&defs, def_of(*state, "db01", two, NULL));
	assert_ok(plan_of(&plan, &defs, vda, &err), &err);
	assert_int_equal(((struct seed_export_vm *)seed_vec_at(&plan.vms, 0))->err.kind,
			 SEED_ERR_USAGE);
	assert_int_equal(((struct seed_export_vm *)seed_vec_at(&plan.vms, 1))->err.kind, 0);
	seed_export_clear(&plan);
}

static void a_disk_that_is_not_there_is_its_vms_verdict(void **state)
{
	static const char *const gone[] = { "gone.img", NULL };
	struct seed_vec defs = { 0 };
	struct seed_export plan;
	struct seed_error err = { 0 };
	const struct seed_export_vm *vm;

	make_image(*state, "a.img");
	add(&defs, def_of(*state, "web01", gone, NULL));
	add(&defs, def_of(*state, "db01", one, NULL));
	assert_ok(plan_of(&plan, &defs, NULL, &err), &err);
	vm = seed_vec_at(&plan.vms, 0);
	assert_true(vm->err.kind != 0);
	assert_non_null(strstr(vm->err.text, "disk vda"));
	assert_non_null(strstr(vm->err.text, "gone.img"));
	assert_int_equal(((struct seed_export_vm *)seed_vec_at(&plan.vms, 1))->err.kind, 0);
	assert_int_equal(plan.data_bytes, 2 * B);
	seed_export_clear(&plan);
}

static void an_image_that_is_not_raw_is_refused_with_a_way_on(void **state)
{
	struct seed_vec defs = { 0 };
	struct seed_export plan;
	struct seed_error err = { 0 };
	struct seed_vmdef *def;
	struct seed_vmdef_disk *disk;
	const struct seed_export_vm *vm;

	make_image(*state, "a.img");
	def = def_of(*state, "web01", one, NULL);
	disk = seed_vec_at(&def->disks, 0);
	disk->raw = false;
	free(disk->format);
	disk->format = strdup("vmdk");
	add(&defs, def);
	assert_ok(plan_of(&plan, &defs, NULL, &err), &err);
	vm = seed_vec_at(&plan.vms, 0);
	assert_int_equal(vm->err.kind, SEED_ERR_FORMAT);
	assert_non_null(strstr(vm->err.text, "vmdk"));
	assert_non_null(strstr(vm->err.text, "qemu-img convert"));
	seed_export_clear(&plan);
}

#define on_tmpdir(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_plan_knows_sizes_and_reads_nothing),
		on_tmpdir(two_vms_of_one_uuid_are_refused_and_both_named),
		on_tmpdir(one_name_twice_is_one_vm_twice),
		on_tmpdir(an_excluded_disk_stays_behind_with_its_reason),
		on_tmpdir(a_slot_that_nobody_has_is_a_mistake),
		on_tmpdir(a_vm_without_disks_left_has_a_verdict),
		on_tmpdir(a_disk_that_is_not_there_is_its_vms_verdict),
		on_tmpdir(an_image_that_is_not_raw_is_refused_with_a_way_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
