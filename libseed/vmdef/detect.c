// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vmdef/detect.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/fd.h"

#define VHD_FOOTER 512u
#define TAR_HEADER 512u

/* A text being looked at; never past @end. */
struct view {
	const char *at, *end;
};

static bool starts(const struct view *v, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(v->end - v->at) >= len && memcmp(v->at, text, len) == 0;
}

/* Step behind the next @text; false when there is none. */
static bool skip_past(struct view *v, const char *text)
{
	const char *found = memmem(v->at, (size_t)(v->end - v->at), text, strlen(text));

	if (!found)
		return false;
	v->at = found + strlen(text);
	return true;
}

static void skip_space(struct view *v)
{
	while (v->at < v->end && strchr(" \t\r\n", *v->at) && *v->at)
		v->at++;
}

/* The name of the root element, without its prefix; false when this is not XML. A DOCTYPE is
 * stepped over up to its first '>': good enough to tell what the file wants to be. */
static bool root_name(struct view v, struct view *name)
{
	const char *colon;

	if (starts(&v, "\xef\xbb\xbf"))
		v.at += 3;
	for (;;) {
		skip_space(&v);
		if (starts(&v, "<!--")) {
			if (!skip_past(&v, "-->"))
				return false;
		} else if (starts(&v, "<?") || starts(&v, "<!")) {
			if (!skip_past(&v, ">"))
				return false;
		} else {
			break;
		}
	}
	if (!starts(&v, "<"))
		return false;
	name->at = ++v.at;
	while (v.at < v.end && (isalnum((unsigned char)*v.at) || strchr("_:.-", *v.at)) && *v.at)
		v.at++;
	name->end = v.at;
	colon = memchr(name->at, ':', (size_t)(name->end - name->at));
	if (colon)
		name->at = colon + 1;
	return name->at < name->end;
}

static bool name_is(const struct view *name, const char *text)
{
	return (size_t)(name->end - name->at) == strlen(text) && starts(name, text);
}

static enum seed_vm_format detect_xml(struct view text)
{
	struct view name;

	if (!root_name(text, &name))
		return SEED_VM_UNKNOWN;
	if (name_is(&name, "domain"))
		return SEED_VM_LIBVIRT;
	if (name_is(&name, "domstatus") || name_is(&name, "domainsnapshot"))
		return SEED_VM_LIBVIRT_STATUS;
	if (name_is(&name, "Envelope"))
		return SEED_VM_OVF;
	return SEED_VM_OTHER_XML;
}

/* Does one of the lines start with one of the words? Case does not matter. */
static bool has_line(struct view v, const char *const *words, size_t count)
{
	while (v.at < v.end) {
		skip_space(&v);
		for (size_t i = 0; i < count; i++)
			if ((size_t)(v.end - v.at) >= strlen(words[i]) &&
			    strncasecmp(v.at, words[i], strlen(words[i])) == 0)
				return true;
		if (!skip_past(&v, "\n"))
			return false;
	}
	return false;
}

static bool is_text(const struct view *v)
{
	for (const char *p = v->at; p < v->end; p++)
		if ((unsigned char)*p < ' ' && !strchr("\t\r\n", *p))
			return false;
	return v->at < v->end && !memchr(v->at, '\0', (size_t)(v->end - v->at));
}

static enum seed_vm_format detect_text(struct view text)
{
	static const char *const vmdk[] = { "# Disk DescriptorFile" };
	static const char *const vmx[] = { "config.version = ", "virtualHW.version = ",
					   ".encoding = " };
	static const char *const proxmox[] = { "smbios1: ", "bootdisk: ", "scsihw: ", "vmgenid: ",
					       "#qmdump#map:" };

	if (!is_text(&text))
		return SEED_VM_UNKNOWN;
	if (has_line(text, vmdk, 1))
		return SEED_VM_VMDK;
	if (has_line(text, vmx, sizeof(vmx) / sizeof(vmx[0])))
		return SEED_VM_VMX;
	if (has_line(text, proxmox, sizeof(proxmox) / sizeof(proxmox[0])))
		return SEED_VM_PROXMOX;
	return SEED_VM_UNKNOWN;
}

struct magic {
	size_t offset, len;
	const char *bytes;
	enum seed_vm_format format;
};

static const struct magic magics[] = {
	{ 0, 4, "QFI\xfb", SEED_VM_QCOW2 },
	{ 0, 4, "QED\0", SEED_VM_QED },
	{ 0, 4, "KDMV", SEED_VM_VMDK },
	{ 0, 4, "COWD", SEED_VM_VMDK },
	{ 0, 8, "vhdxfile", SEED_VM_VHDX },
	{ 0, 8, "conectix", SEED_VM_VHD },
	{ 64, 4, "\x7f\x10\xda\xbe", SEED_VM_VDI },
	{ 0, 4, "VMA\0", SEED_VM_VMA },
	{ 0, 4, "\x14\x20\x28\x01", SEED_VM_HYPERV },	/* .vmcx */
};

/* A tar that begins with an .ovf, as an OVA must. */
static bool is_ova(const char *head, size_t len)
{
	size_t name;

	if (len < TAR_HEADER || memcmp(head + 257, "ustar", 5) != 0)
		return false;
	name = strnlen(head, 100);
	return name > 4 && strncasecmp(head + name - 4, ".ovf", 4) == 0;
}

static bool has_partitions(const char *head, size_t len)
{
	return (len >= 512 && memcmp(head + 510, "\x55\xaa", 2) == 0) ||
	       (len >= 520 && memcmp(head + 512, "EFI PART", 8) == 0) ||
	       (len >= 4104 && memcmp(head + 4096, "EFI PART", 8) == 0);
}

enum seed_vm_format seed_detect(const void *head, size_t len)
{
	struct view text = { head, (const char *)head + len };
	enum seed_vm_format format;

	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (len >= magics[i].offset + magics[i].len &&
		    memcmp((const char *)head + magics[i].offset, magics[i].bytes,
			   magics[i].len) == 0)
			return magics[i].format;
	if (is_ova(head, len))
		return SEED_VM_OVA;
	if (has_partitions(head, len))
		return SEED_VM_RAW;
	format = detect_xml(text);
	return format != SEED_VM_UNKNOWN ? format : detect_text(text);
}

int seed_detect_fd(enum seed_vm_format *out, int fd, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *head = seed_buffer_new(SEED_DETECT_HEAD, err);
	char tail[sizeof("conectix") - 1];
	struct stat st;
	size_t got;

	if (!head)
		return -1;
	if (fstat(fd, &st) < 0)
		return seed_error_sys(err, errno, "fstat");
	if (seed_fd_pread_some(fd, head, SEED_DETECT_HEAD, 0, &got, err) < 0)
		return -1;
	*out = seed_detect(head, got);
	if ((*out != SEED_VM_UNKNOWN && *out != SEED_VM_RAW) || st.st_size < (off_t)VHD_FOOTER)
		return 0;
	if (seed_fd_pread_some(fd, tail, sizeof(tail), (uint64_t)st.st_size - VHD_FOOTER, &got,
			       err) < 0)
		return -1;
	if (got == sizeof(tail) && memcmp(tail, "conectix", sizeof(tail)) == 0)
		*out = SEED_VM_VHD;
	return 0;
}

struct format_words {
	const char *name, *image;
	bool definition;
};

static const struct format_words words_of[] = {
	[SEED_VM_UNKNOWN] = { "file of unknown kind", NULL, false },
	[SEED_VM_LIBVIRT] = { "libvirt definition", NULL, true },
	[SEED_VM_LIBVIRT_STATUS] = { "libvirt status or snapshot file", NULL, true },
	[SEED_VM_OTHER_XML] = { "XML document of another kind", NULL, true },
	[SEED_VM_OVF] = { "OVF definition", NULL, true },
	[SEED_VM_OVA] = { "OVA archive", NULL, true },
	[SEED_VM_VMX] = { "VMware definition (.vmx)", NULL, true },
	[SEED_VM_PROXMOX] = { "Proxmox definition", NULL, true },
	[SEED_VM_HYPERV] = { "Hyper-V definition (.vmcx)", NULL, true },
	[SEED_VM_VMA] = { "Proxmox backup (VMA)", NULL, true },
	[SEED_VM_QCOW2] = { "qcow2 image", "qcow2", false },
	[SEED_VM_QED] = { "QED image", "qed", false },
	[SEED_VM_VMDK] = { "VMDK image", "vmdk", false },
	[SEED_VM_VHDX] = { "VHDX image", "vhdx", false },
	[SEED_VM_VHD] = { "VHD image", "vpc", false },
	[SEED_VM_VDI] = { "VDI image", "vdi", false },
	[SEED_VM_RAW] = { "raw disk image", NULL, false },
};

const char *seed_vm_format_name(enum seed_vm_format format)
{
	return words_of[format].name;
}

const char *seed_vm_format_image(enum seed_vm_format format)
{
	return words_of[format].image;
}

bool seed_vm_format_is_definition(enum seed_vm_format format)
{
	return words_of[format].definition;
}
