// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "vmdef/libvirt_read.h"
#include "vmdef/xml.h"

#define UUID "17e9915a-a811-422e-95b7-5eaf6ca0557f"
#define HEAD "<domain type='kvm'><name>web01</name><uuid>" UUID "</uuid>"
#define DISK(attrs, inside) "<disk " attrs ">" inside "</disk>"
#define WITH(disks) HEAD "<devices>" disks "</devices></domain>"

static int read_text(struct seed_vmdef **out, const char *text, struct seed_error *err)
{
	return seed_libvirt_read(out, "/etc/vms/web01.xml", text, strlen(text), err);
}

static const struct seed_vmdef_disk *disk_at(const struct seed_vmdef *def, size_t index)
{
	assert_true(index < def->disks.count);
	return seed_vec_at(&def->disks, index);
}

static void a_definition_as_libvirt_writes_it(void **state)
{
	static const char text[] =
		"<?xml version='1.0'?>\n<!-- WARNING: EDIT WITH virsh edit -->\n"
		"<domain type='kvm' id='3' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
		"  <name>web01</name>\n  <uuid>" UUID "</uuid>\n"
		"  <sysinfo type='smbios'><system><entry name='serial'>x</entry>"
		"<entry name='uuid'>" UUID "</entry></system></sysinfo>\n"
		"  <os firmware='efi'><loader readonly='yes' type='pflash'>/usr/share/OVMF/C.fd</loader>"
		"<nvram template='/usr/share/OVMF/V.fd'>/var/lib/nvram/web01.fd</nvram></os>\n"
		"  <devices>\n"
		"    <disk type='file' device='disk'><driver name='qemu' type='raw'/>"
		"<source file='/srv/web01.img' index='2'/><backingStore/>"
		"<target dev='vda' bus='virtio'/><serial>abc</serial></disk>\n"
		"    <disk type='block' device='disk'><driver name='qemu' type='raw'/>"
		"<source dev='/dev/vg/web01'/><target dev='sdb' bus='scsi'/>"
		"<wwn>5000c50015ea71aa</wwn><serial/></disk>\n"
		"    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
		"<source file='/srv/web01.qcow2'/><backingStore type='file'><format type='raw'/>"
		"<source file='/srv/base.img'/></backingStore><target dev='vdc'/></disk>\n"
		"  </devices>\n"
		"  <qemu:commandline><qemu:arg value='-name'/></qemu:commandline>\n"
		"</domain>\n";
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	const struct seed_vmdef_file *file;
	struct seed_error err = { 0 };
	char uuid[SEED_UUID_TEXT];

	(void)state;
	assert_ok(read_text(&def, text, &err), &err);
	assert_string_equal(def->name, "web01");
	assert_true(def->has_uuid);
	assert_string_equal(seed_uuid_text(&def->uuid, uuid), UUID);
	assert_string_equal(def->source, "/etc/vms/web01.xml");
	assert_int_equal(def->disks.count, 3);
	assert_string_equal(disk_at(def, 0)->slot, "vda");
	assert_string_equal(disk_at(def, 0)->path, "/srv/web01.img");
	assert_string_equal(disk_at(def, 0)->serial, "abc");
	assert_null(disk_at(def, 0)->wwn);
	assert_null(disk_at(def, 0)->excluded);
	assert_true(disk_at(def, 0)->raw);
	assert_string_equal(disk_at(def, 1)->path, "/dev/vg/web01");
	assert_string_equal(disk_at(def, 1)->wwn, "5000c50015ea71aa");
	assert_null(disk_at(def, 1)->serial);
	assert_string_equal(disk_at(def, 2)->path, "/srv/web01.qcow2");
	assert_string_equal(disk_at(def, 2)->format, "qcow2");
	assert_false(disk_at(def, 2)->raw);
	assert_int_equal(def->files.count, 3);
	file = seed_vec_at(&def->files, 0);
	assert_string_equal(file[0].role, "definition");
	assert_string_equal(file[0].path, "/etc/vms/web01.xml");
	assert_string_equal(file[1].role, "nvram");
	assert_string_equal(file[1].path, "/var/lib/nvram/web01.fd");
	assert_string_equal(file[2].role, "loader");
	assert_string_equal(file[2].path, "/usr/share/OVMF/C.fd");
}

static void what_does_not_travel_is_listed_with_its_reason(void **state)
{
#define F "<source file='/a'/>"
	static const struct {
		const char *disk, *reason;
	} cases[] = {
		{ DISK("type='file' device='cdrom'", F "<target dev='x'/><readonly/>"), "cdrom" },
		{ DISK("type='file' device='cdrom'", "<target dev='x'/>"), "cdrom" },
		{ DISK("type='file' device='floppy'", F "<target dev='x'/>"), "floppy" },
		{ DISK("type='block' device='lun'", "<source dev='/d'/><target dev='x'/>"), "lun" },
		{ DISK("type='file' device='tape'", F "<target dev='x'/>"), "device \"tape\"" },
		{ DISK("type='file'", F "<target dev='x'/><transient/>"), "transient" },
		{ DISK("type='file'", F "<target dev='x'/><shareable/>"), "shareable" },
		{ DISK("type='file'", F "<target dev='x'/><readonly/>"), "read-only" },
		{ DISK("type='network'", "<source protocol='rbd' name='p/i'/><target dev='x'/>"),
		  "network disk (\"rbd\")" },
		{ DISK("type='volume'", "<source pool='p' volume='v'/><target dev='x'/>"),
		  "volume of a storage pool" },
		{ DISK("type='nvme'", "<source/><target dev='x'/>"), "disk of type \"nvme\"" },
		{ DISK("type='dir'", "<source dir='/'/><target dev='x'/>"), "disk of type \"dir\"" },
		{ DISK("type='file'", "<target dev='x'/>"), "no source" },
		{ DISK("type='file'", "<source file='/a'><slices><slice type='storage' offset='0' "
		       "size='512'/></slices></source><target dev='x'/>"), "slice of a file" },
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
		struct seed_error err = { 0 };

		snprintf(text, sizeof(text), WITH("%s"), cases[i].disk);
		assert_ok(read_text(&def, text, &err), &err);
		assert_non_null(disk_at(def, 0)->excluded);
		assert_string_equal(disk_at(def, 0)->excluded, cases[i].reason);
		assert_null(disk_at(def, 0)->path);
	}
}

static void an_undeclared_format_is_raw(void **state)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(read_text(&def, WITH("<disk>" F "<target dev='vda'/></disk>"), &err), &err);
	assert_true(disk_at(def, 0)->raw);
	assert_string_equal(disk_at(def, 0)->path, "/a");
}

static void relative_paths_lie_beside_the_definition(void **state)
{
	static const char text[] =
		WITH("<disk><source file='d/a.img'/><target dev='vda'/></disk>");
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *here = NULL;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *root = NULL;
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(read_text(&def, text, &err), &err);
	assert_string_equal(disk_at(def, 0)->path, "/etc/vms/d/a.img");
	assert_ok(seed_libvirt_read(&here, "web01.xml", text, strlen(text), &err), &err);
	assert_string_equal(disk_at(here, 0)->path, "d/a.img");
	assert_ok(seed_libvirt_read(&root, "/web01.xml", text, strlen(text), &err), &err);
	assert_string_equal(disk_at(root, 0)->path, "/d/a.img");
}

static void hostile_names_are_kept_as_they_are(void **state)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *plain = NULL;
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(read_text(&def, "<domain><name>../../x&#10;y\xe2\x80\xae</name></domain>", &err),
		  &err);
	assert_string_equal(def->name, "../../x\ny\xe2\x80\xae");
	assert_false(def->has_uuid);
	assert_int_equal(def->disks.count, 0);
	assert_ok(read_text(&plain, "<domain><name><![CDATA[a<b]]></name></domain>", &err), &err);
	assert_string_equal(plain->name, "a<b");
}

static void uuids_in_the_forms_that_libvirt_takes(void **state)
{
	static const char *const good[] = { "17E9915A-A811-422E-95B7-5EAF6CA0557F",
					    "17e9915aa811422e95b75eaf6ca0557f",
					    "\n  " UUID "\n  " };
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
		struct seed_error err = { 0 };
		char uuid[SEED_UUID_TEXT];

		snprintf(text, sizeof(text), "<domain><name>a</name><uuid>%s</uuid></domain>",
			 good[i]);
		assert_ok(read_text(&def, text, &err), &err);
		assert_string_equal(seed_uuid_text(&def->uuid, uuid), UUID);
	}
}

/* Each refused, with a text that holds the second string. */
static void broken_definitions_are_refused_with_their_line(void **state)
{
	static const char *const cases[][2] = {
		{ "", "/etc/vms/web01.xml: " },
		{ "<domain>\n<name>a</nome></domain>", "line 2: not well-formed XML: \"Opening" },
		{ "<domain><name>a</name></domain><x/>", "not well-formed" },
		{ "<!DOCTYPE domain><domain><name>a</name></domain>", "has a DOCTYPE" },
		{ "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
		  "<domain><name>&x;</name></domain>", "has a DOCTYPE" },
		{ "<domain><name>&x;</name></domain>", "not well-formed" },
		{ "<domain><name>\x01</name></domain>", "not well-formed" },
		{ "<domain><name>\xff</name></domain>", "not well-formed" },
		{ "<other/>", "not a libvirt domain" },
		{ "<domain xmlns='urn:x'><name>a</name></domain>", "not a libvirt domain" },
		{ "<domain/>", "no name" },
		{ "<domain>\n\n<name/></domain>", "line 3: the name is empty" },
		{ "<domain><name>a</name><uuid>x</uuid></domain>", "\"x\" is not a UUID" },
		{ "<domain><name>a</name><uuid/></domain>", "is not a UUID" },
		{ "<domain><name>a</name><uuid>" UUID "0</uuid></domain>", "is not a UUID" },
		{ "<domain><name>a</name><uuid>" UUID " x</uuid></domain>", "is not a UUID" },
		{ "<domain><name>a</name><uuid>00000000-0000-0000-0000-000000000000</uuid></domain>",
		  "all zero" },
		{ HEAD "<sysinfo><system><entry name='uuid'>27e9915a-a811-422e-95b7-5eaf6ca0557f"
		  "</entry></system></sysinfo></domain>", "not that of the domain" },
		{ "<domain><name>a</name><sysinfo><system><entry name='uuid'>" UUID
		  "</entry></system></sysinfo></domain>", "not that of the domain" },
		{ WITH("<disk>" F "</disk>"), "without <target" },
		{ WITH("<disk>" F "<target dev=''/></disk>"), "cannot be a disk's slot" },
		{ WITH("<disk>" F "<target dev='..'/></disk>"), "cannot be a disk's slot" },
		{ WITH("<disk>" F "<target dev='a/b'/></disk>"), "cannot be a disk's slot" },
		{ WITH("<disk>" F "<target dev='x234567890123456789012345678901234'/></disk>"),
		  "cannot be a disk's slot" },
		{ WITH("<disk>" F "<target dev='vda'/></disk>\n<disk>" F "<target dev='vda'/></disk>"),
		  "line 2: two disks at vda" },
		{ WITH("<disk><source file=''/><target dev='vda'/></disk>"), "source without file" },
		{ WITH("<disk type='block'>" F "<target dev='vda'/></disk>"), "source without dev" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seed_vmdef *def = NULL;
		struct seed_error err;

		assert_fails(read_text(&def, cases[i][0], &err), &err, SEED_ERR_FORMAT);
		assert_null(def);
		if (!strstr(err.text, cases[i][1]))
			fail_msg("case %zu: %s", i, err.text);
	}
}

/* A document with @count times @piece in <devices>. */
static char *repeat(const char *piece, unsigned int count, bool numbered)
{
	size_t room = strlen(WITH("")) + (strlen(piece) + 16) * count + 1;
	char *text = malloc(room), *p = text;

	assert_non_null(text);
	p += sprintf(p, HEAD "<devices>");
	for (unsigned int i = 0; i < count; i++) {
		p = stpcpy(p, piece);
		if (numbered)
			p += sprintf(p, "%u'/></disk>", i);
	}
	strcpy(p, "</devices></domain>");
	return text;
}

static void limits_are_kept(void **state)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *most = NULL;
	SEED_AUTO(seed_freep) char *full = repeat("<disk>" F "<target dev='vd", 64, true);
	SEED_AUTO(seed_freep) char *over = repeat("<disk>" F "<target dev='vd", 65, true);
	SEED_AUTO(seed_freep) char *crowd = repeat("<a/>", SEED_XML_ITEMS_MAX, false);
	SEED_AUTO(seed_freep) char *deep = repeat("<a>", 300, false);
	SEED_AUTO(seed_freep) char *wide = repeat(" b=''", 5000, false);
	SEED_AUTO(seed_freep) char *long_name = repeat("x", 300, false);
	SEED_AUTO(seed_freep) char *huge = calloc(1, SEED_XML_MAX + 1);
	struct seed_vmdef *def = NULL;
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(read_text(&most, full, &err), &err);
	assert_int_equal(most->disks.count, SEED_VM_DISKS_MAX);
	assert_fails(read_text(&def, over, &err), &err, SEED_ERR_RANGE);
	assert_fails(read_text(&def, crowd, &err), &err, SEED_ERR_RANGE);
	assert_fails(read_text(&def, deep, &err), &err, SEED_ERR_FORMAT);
	assert_fails(read_text(&def, wide, &err), &err, SEED_ERR_RANGE);
	memcpy(strstr(long_name, "<devices>"), "</uuid><n>", 9);
	assert_fails(read_text(&def, long_name, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_libvirt_read(&def, "x", huge, SEED_XML_MAX + 1, &err), &err,
		     SEED_ERR_RANGE);
	assert_null(def);
}

static void a_name_has_at_most_255_bytes(void **state)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *longest = NULL;
	struct seed_vmdef *def = NULL;
	struct seed_error err = { 0 };
	char text[512];

	(void)state;
	snprintf(text, sizeof(text), "<domain><name>%0255d</name></domain>", 0);
	assert_ok(read_text(&longest, text, &err), &err);
	assert_int_equal(strlen(longest->name), SEED_VM_NAME_MAX);
	snprintf(text, sizeof(text), "<domain><name>%0256d</name></domain>", 0);
	assert_fails(read_text(&def, text, &err), &err, SEED_ERR_FORMAT);
}

/* Any prefix of a good document is refused, and read within its bounds. */
static void a_cut_document_is_refused(void **state)
{
	static const char text[] = WITH("<disk>" F "<target dev='vda'/></disk>");

	(void)state;
	for (size_t len = 0; len < strlen(text); len++) {
		SEED_AUTO(seed_freep) char *cut = malloc(len ? len : 1);
		struct seed_vmdef *def = NULL;
		struct seed_error err;

		assert_non_null(cut);
		memcpy(cut, text, len);
		assert_fails(seed_libvirt_read(&def, "cut.xml", cut, len, &err), &err,
			     SEED_ERR_FORMAT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_definition_as_libvirt_writes_it),
		cmocka_unit_test(what_does_not_travel_is_listed_with_its_reason),
		cmocka_unit_test(an_undeclared_format_is_raw),
		cmocka_unit_test(relative_paths_lie_beside_the_definition),
		cmocka_unit_test(hostile_names_are_kept_as_they_are),
		cmocka_unit_test(uuids_in_the_forms_that_libvirt_takes),
		cmocka_unit_test(broken_definitions_are_refused_with_their_line),
		cmocka_unit_test(limits_are_kept),
		cmocka_unit_test(a_name_has_at_most_255_bytes),
		cmocka_unit_test(a_cut_document_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
