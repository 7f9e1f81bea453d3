// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tmpdir.h"
#include "vmdef/adhoc.h"
#include "vmdef/vmdef.h"

#define DOMAIN "<domain><name>web01</name><devices><disk><source file='a.img'/>" \
	       "<target dev='vda'/></disk></devices></domain>"

/* "BEFORE" DIR/NAME, in @out. */
static char *path_in(const struct tmpdir *dir, const char *before, const char *name, char *out)
{
	snprintf(out, 512, "%s%s/%s", before, dir->path, name);
	return out;
}

static void refused(const char *arg, const char *why)
{
	struct seed_vmdef *def = NULL;
	struct seed_error err;

	assert_fails(seed_vmdef_read(&def, arg, NULL, &err), &err, SEED_ERR_USAGE);
	assert_null(def);
	if (!strstr(err.text, why))
		fail_msg("%s: %s", arg, err.text);
}

static const struct seed_vmdef_disk *disk_at(const struct seed_vmdef *def, size_t index)
{
	assert_true(index < def->disks.count);
	return seed_vec_at(&def->disks, index);
}

static void slots_go_on_after_z(void **state)
{
	char slot[8];

	(void)state;
	assert_string_equal(seed_adhoc_slot(0, slot), "vda");
	assert_string_equal(seed_adhoc_slot(25, slot), "vdz");
	assert_string_equal(seed_adhoc_slot(26, slot), "vdaa");
	assert_string_equal(seed_adhoc_slot(63, slot), "vdbl");
}

static void a_name_and_its_disks(void **state)
{
	struct seed_id uuid = { { 1, 2, 3 } };
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *given = NULL;
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_vmdef_read(&def, "../../x\n=/no/a=b.img,/no/c", NULL, &err), &err);
	assert_string_equal(def->name, "../../x\n");
	assert_false(def->has_uuid);
	assert_int_equal(def->disks.count, 2);
	assert_string_equal(disk_at(def, 0)->slot, "vda");
	assert_string_equal(disk_at(def, 0)->path, "/no/a=b.img");
	assert_true(disk_at(def, 0)->raw);
	assert_string_equal(disk_at(def, 1)->slot, "vdb");
	assert_string_equal(disk_at(def, 1)->path, "/no/c");
	assert_int_equal(def->files.count, 0);
	assert_ok(seed_vmdef_read(&given, "a=b", &uuid, &err), &err);
	assert_true(given->has_uuid);
	assert_true(seed_id_equal(&given->uuid, &uuid));
}

static void malformed_arguments_are_usage_errors(void **state)
{
	char many[65 * 4 + 8] = "vm=", *p = many + 3;
	char name[300];

	(void)state;
	refused("=disk", "1 to 255 bytes");
	refused("a=", "a disk without a path");
	refused("a=b,", "a disk without a path");
	refused("a=,b", "a disk without a path");
	refused("a=b,b", "named twice");
	refused("\xff=b", "\"%FF=b\"");
	refused("/no/such.xml", "no such file");
	refused("", "no such file");
	snprintf(name, sizeof(name), "%0256d=b", 0);
	refused(name, "1 to 255 bytes");
	for (int i = 0; i < 65; i++)
		p += sprintf(p, "%sd%02d", i ? "," : "", i);
	refused(many, "over 64 disks");
}

static void sixty_four_disks_are_fine(void **state)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	struct seed_error err = { 0 };
	char many[64 * 4 + 8] = "vm=", *p = many + 3;

	(void)state;
	for (int i = 0; i < 64; i++)
		p += sprintf(p, "%sd%02d", i ? "," : "", i);
	assert_ok(seed_vmdef_read(&def, many, NULL, &err), &err);
	assert_int_equal(def->disks.count, 64);
	assert_string_equal(disk_at(def, 63)->slot, "vdbl");
}

static void a_disk_of_another_format_is_told_by_content(void **state)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *nbd = NULL;
	struct seed_error err = { 0 };
	char arg[512];

	tmpdir_put(*state, "d.img", "QFI\xfb\0\0\0\3", 8);
	assert_ok(seed_vmdef_read(&def, path_in(*state, "web01=", "d.img", arg), NULL, &err), &err);
	assert_false(disk_at(def, 0)->raw);
	assert_string_equal(disk_at(def, 0)->format, "qcow2");
	assert_ok(seed_vmdef_read(&nbd, "a=nbd://host/x", NULL, &err), &err);
	assert_false(disk_at(nbd, 0)->raw);
	assert_string_equal(disk_at(nbd, 0)->path, "nbd://host/x");
	tmpdir_put(*state, "d.xml", DOMAIN, strlen(DOMAIN));
	refused(path_in(*state, "web01=", "d.xml", arg), "give it without NAME=");
}

static void a_definition_is_read_by_content(void **state)
{
	struct seed_id uuid = { { 1 } };
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *equals = NULL;
	struct seed_vmdef *none = NULL;
	struct seed_error err = { 0 };
	char arg[512], disk[512];

	tmpdir_put(*state, "web01.img", DOMAIN, strlen(DOMAIN));
	assert_ok(seed_vmdef_read(&def, path_in(*state, "", "web01.img", arg), NULL, &err), &err);
	assert_string_equal(def->name, "web01");
	assert_string_equal(disk_at(def, 0)->path, path_in(*state, "", "a.img", disk));
	assert_string_equal(((struct seed_vmdef_file *)def->files.items)->path, arg);
	assert_fails(seed_vmdef_read(&none, arg, &uuid, &err), &err, SEED_ERR_USAGE);

	/* An existing path that holds '=' is a definition first. */
	tmpdir_put(*state, "a=b.xml", DOMAIN, strlen(DOMAIN));
	assert_ok(seed_vmdef_read(&equals, path_in(*state, "", "a=b.xml", arg), NULL, &err), &err);
	assert_string_equal(equals->name, "web01");
}

static void what_is_no_definition_is_refused_with_the_way_on(void **state)
{
	static const char vmx[] = "config.version = \"8\"\n";
	char mbr[512] = { [510] = '\x55', [511] = '\xaa' };
	char arg[512];

	tmpdir_put(*state, "a.vmx", vmx, strlen(vmx));
	refused(path_in(*state, "", "a.vmx", arg), "VMware definition (.vmx) is not supported yet; "
		"name its disks instead: NAME=DISK");
	tmpdir_put(*state, "a.img", mbr, sizeof(mbr));
	refused(path_in(*state, "", "a.img", arg), "a disk, not a definition: write NAME=");
	tmpdir_put(*state, "a.txt", "hello", 5);
	refused(path_in(*state, "", "a.txt", arg), "if it is a raw disk, write NAME=");
	tmpdir_put(*state, "empty", "", 0);
	refused(path_in(*state, "", "empty", arg), "not a definition");
	tmpdir_put(*state, "a.qcow2", "QFI\xfb", 4);
	refused(path_in(*state, "", "a.qcow2", arg), "qcow2 image, which is not supported yet");
	tmpdir_put(*state, "a.html", "<html/>", 7);
	refused(path_in(*state, "", "a.html", arg), "not a libvirt definition");
	tmpdir_put(*state, "s.xml", "<domstatus/>", 12);
	refused(path_in(*state, "", "s.xml", arg), "virsh dumpxml --inactive");
	refused(path_in(*state, "", ".", arg), "a folder");
	refused("/dev/null", "not a regular file");
	assert_int_equal(mkfifo(path_in(*state, "", "fifo", arg), 0600), 0);
	refused(arg, "not a regular file");
	refused(path_in(*state, "", "a.txt/b", arg), "no such file");
}

static void a_definition_over_8_MiB_is_refused_unread(void **state)
{
	struct seed_vmdef *def = NULL;
	struct seed_error err;
	char arg[512];

	tmpdir_put(*state, "big.xml", "<domain>", 8);
	assert_int_equal(truncate(path_in(*state, "", "big.xml", arg), (8 << 20) + 1), 0);
	assert_fails(seed_vmdef_read(&def, arg, NULL, &err), &err, SEED_ERR_RANGE);
	assert_non_null(strstr(err.text, "big.xml"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_go_on_after_z),
		cmocka_unit_test(a_name_and_its_disks),
		cmocka_unit_test(malformed_arguments_are_usage_errors),
		cmocka_unit_test(sixty_four_disks_are_fine),
		IN_FOLDER(a_disk_of_another_format_is_told_by_content),
		IN_FOLDER(a_definition_is_read_by_content),
		IN_FOLDER(what_is_no_definition_is_refused_with_the_way_on),
		IN_FOLDER(a_definition_over_8_MiB_is_refused_unread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
