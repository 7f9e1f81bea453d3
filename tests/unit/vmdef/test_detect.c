// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <fcntl.h>
#include <unistd.h>

#include "tmpdir.h"
#include "vmdef/detect.h"

struct sample {
	const char *text;
	enum seed_vm_format format;
};

static const struct sample texts[] = {
	{ "", SEED_VM_UNKNOWN },
	{ "hello, world\n", SEED_VM_UNKNOWN },
	{ "<domain type='kvm'/>", SEED_VM_LIBVIRT },
	{ "\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a > b --><domain>", SEED_VM_LIBVIRT },
	{ "<!DOCTYPE x><domain>", SEED_VM_LIBVIRT },	/* its reader then refuses it by name */
	{ "<domstatus state='running'><domain/></domstatus>", SEED_VM_LIBVIRT_STATUS },
	{ "<domainsnapshot>", SEED_VM_LIBVIRT_STATUS },
	{ "<domaine/>", SEED_VM_OTHER_XML },
	{ "<html>", SEED_VM_OTHER_XML },
	{ "<!-- no end", SEED_VM_UNKNOWN },
	{ "<", SEED_VM_UNKNOWN },
	{ "<?xml version='1.0'?><ovf:Envelope xmlns:ovf='urn:x'>", SEED_VM_OVF },
	{ "<Envelope>", SEED_VM_OVF },
	{ ".encoding = \"UTF-8\"\nconfig.version = \"8\"\n", SEED_VM_VMX },
	{ "#!/usr/bin/vmware\nvirtualhw.version = \"10\"\n", SEED_VM_VMX },
	{ "cores: 2\nscsihw: virtio-scsi-pci\nsmbios1: uuid=1\n", SEED_VM_PROXMOX },
	{ "# Disk DescriptorFile\nversion=1\n", SEED_VM_VMDK },
};

static void texts_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (seed_detect(texts[i].text, strlen(texts[i].text)) != texts[i].format)
			fail_msg("%s", texts[i].text);
}

static void images_are_told_by_their_magic(void **state)
{
	static const struct {
		size_t offset;
		const char *magic;
		size_t len;
		enum seed_vm_format format;
	} cases[] = {
		{ 0, "QFI\xfb", 4, SEED_VM_QCOW2 }, { 0, "QED\0", 4, SEED_VM_QED },
		{ 0, "KDMV", 4, SEED_VM_VMDK }, { 0, "COWD", 4, SEED_VM_VMDK },
		{ 0, "vhdxfile", 8, SEED_VM_VHDX }, { 0, "conectix", 8, SEED_VM_VHD },
		{ 64, "\x7f\x10\xda\xbe", 4, SEED_VM_VDI }, { 0, "VMA\0", 4, SEED_VM_VMA },
		{ 0, "\x14\x20\x28\x01", 4, SEED_VM_HYPERV },
		{ 510, "\x55\xaa", 2, SEED_VM_RAW }, { 512, "EFI PART", 8, SEED_VM_RAW },
		{ 4096, "EFI PART", 8, SEED_VM_RAW }, { 510, "\x55\xab", 2, SEED_VM_UNKNOWN },
	};
	char head[8192];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(head, 0, sizeof(head));
		memcpy(head + cases[i].offset, cases[i].magic, cases[i].len);
		assert_int_equal(seed_detect(head, sizeof(head)), cases[i].format);
		/* One byte short of the magic: something else. */
		assert_int_equal(seed_detect(head, cases[i].offset + cases[i].len - 1),
				 SEED_VM_UNKNOWN);
	}
}

static void a_tar_that_begins_with_an_ovf_is_an_ova(void **state)
{
	char head[512] = "web01.OVF";

	(void)state;
	memcpy(head + 257, "ustar", 6);
	assert_int_equal(seed_detect(head, sizeof(head)), SEED_VM_OVA);
	strcpy(head, "web01.vmdk");
	assert_int_equal(seed_detect(head, sizeof(head)), SEED_VM_UNKNOWN);
	strcpy(head, "web01.ovf");
	assert_int_equal(seed_detect(head, 511), SEED_VM_UNKNOWN);
}

static void a_fixed_vhd_is_told_by_its_end(void **state)
{
	enum seed_vm_format format = SEED_VM_QED;
	struct seed_error err = { 0 };
	char image[4096] = { 0 };
	int fd;

	memcpy(image + sizeof(image) - 512, "conectix", 8);
	tmpdir_put(*state, "fixed", image, sizeof(image));
	fd = openat(((struct tmpdir *)*state)->fd, "fixed", O_RDWR);
	assert_ok(seed_detect_fd(&format, fd, &err), &err);
	assert_int_equal(format, SEED_VM_VHD);
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_ok(seed_detect_fd(&format, fd, &err), &err);
	assert_int_equal(format, SEED_VM_UNKNOWN);
	close(fd);
}

static void every_format_has_a_name(void **state)
{
	(void)state;
	for (int f = SEED_VM_UNKNOWN; f <= SEED_VM_RAW; f++)
		assert_non_null(seed_vm_format_name((enum seed_vm_format)f));
	assert_string_equal(seed_vm_format_image(SEED_VM_QCOW2), "qcow2");
	assert_null(seed_vm_format_image(SEED_VM_RAW));
	assert_true(seed_vm_format_is_definition(SEED_VM_VMX));
	assert_false(seed_vm_format_is_definition(SEED_VM_VDI));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_told_apart),
		cmocka_unit_test(images_are_told_by_their_magic),
		cmocka_unit_test(a_tar_that_begins_with_an_ovf_is_an_ova),
		cmocka_unit_test_setup_teardown(a_fixed_vhd_is_told_by_its_end, tmpdir_setup,
						tmpdir_teardown),
		cmocka_unit_test(every_format_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
