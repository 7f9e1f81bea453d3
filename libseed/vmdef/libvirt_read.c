// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vmdef/libvirt_read.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "vmdef/xml.h"

#define WORD_MAX 64	/* bytes of a keyword, "raw", "network" */

/* @path of a definition in @from, seen from where we are. */
static char *beside(const char *from, const char *path)
{
	const char *slash = strrchr(from, '/');
	char *joined;

	if (*path == '/' || !slash)
		return strdup(path);
	if (asprintf(&joined, "%.*s/%s", (int)(slash - from), from, path) < 0)
		return NULL;
	return joined;
}

/* libvirt takes a UUID with or without dashes, and with space before it. */
static int parse_uuid(struct seed_id *out, const char *text, struct seed_error *err)
{
	static const struct seed_id nil;
	char digits[SEED_ID_TEXT] = "";
	char quoted[SEED_QUOTED];
	size_t len, n = 0;

	text += strspn(text, " \t\r\n");
	len = strcspn(text, " \t\r\n");
	for (size_t i = 0; i < len && n < sizeof(digits) - 1; i++)
		if (text[i] != '-')
			digits[n++] = (char)tolower((unsigned char)text[i]);
	if ((len != SEED_UUID_TEXT - 1 && len != SEED_ID_TEXT - 1) ||
	    text[len + strspn(text + len, " \t\r\n")] || seed_id_parse(out, digits, NULL) < 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "uuid: %s is not a UUID",
				      seed_quote(text, quoted, sizeof(quoted)));
	if (seed_id_equal(out, &nil))
		return seed_error_set(err, SEED_ERR_FORMAT, "uuid: all zero");
	return 0;
}

/* The SMBIOS UUID may stand a second time in sysinfo; libvirt wants both equal, and so do we. */
static int check_sysinfo(const xmlNode *domain, const struct seed_vmdef *def,
			 struct seed_error *err)
{
	const xmlNode *entry = seed_xml_child(seed_xml_child(seed_xml_child(domain, "sysinfo"),
							     "system"), "entry");
	struct seed_id uuid;

	for (; entry; entry = seed_xml_next(entry)) {
		SEED_AUTO(seed_freep) char *name = NULL;
		SEED_AUTO(seed_freep) char *text = NULL;

		if (seed_xml_attr(&name, entry, "name", WORD_MAX, err) < 0)
			return -1;
		if (!name || strcmp(name, "uuid") != 0)
			continue;
		if (seed_xml_text(&text, entry, WORD_MAX, err) < 0 ||
		    parse_uuid(&uuid, text, err) < 0)
			return seed_error_prefix(err, "line %u", seed_xml_line(entry));
		if (!def->has_uuid || !seed_id_equal(&uuid, &def->uuid))
			return seed_error_set(err, SEED_ERR_FORMAT,
					      "line %u: the uuid of sysinfo is not that of the "
					      "domain",
					      seed_xml_line(entry));
	}
	return 0;
}

static int read_identity(struct seed_vmdef *def, const xmlNode *domain, struct seed_error *err)
{
	const xmlNode *name = seed_xml_child(domain, "name");
	const xmlNode *uuid = seed_xml_child(domain, "uuid");
	SEED_AUTO(seed_freep) char *text = NULL;

	if (!name)
		return seed_error_set(err, SEED_ERR_FORMAT, "the domain has no name");
	if (seed_xml_text(&def->name, name, SEED_VM_NAME_MAX, err) < 0)
		return seed_error_prefix(err, "line %u", seed_xml_line(name));
	if (!seed_vm_name_valid(def->name))
		return seed_error_set(err, SEED_ERR_FORMAT, "line %u: the name is empty",
				      seed_xml_line(name));
	if (uuid) {
		if (seed_xml_text(&text, uuid, WORD_MAX, err) < 0 ||
		    parse_uuid(&def->uuid, text, err) < 0)
			return seed_error_prefix(err, "line %u", seed_xml_line(uuid));
		def->has_uuid = true;
	}
	return check_sysinfo(domain, def, err);
}

/* An empty serial or WWN declares nothing. */
static int read_declared(char **out, const xmlNode *node, const char *name, struct seed_error *err)
{
	if (seed_xml_text(out, seed_xml_child(node, name), SEED_VM_ID_MAX, err) < 0)
		return -1;
	if (*out && !**out) {
		free(*out);
		*out = NULL;
	}
	return 0;
}

/* Why a disk stays here; empty when it travels. The first reason counts. */
struct reason {
	char text[128];
};

static void because(struct reason *reason, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void because(struct reason *reason, const char *fmt, ...)
{
	va_list ap;

	if (reason->text[0])
		return;
	va_start(ap, fmt);
	vsnprintf(reason->text, sizeof(reason->text), fmt, ap);
	va_end(ap);
}

static int why_device(struct reason *reason, const xmlNode *node, struct seed_error *err)
{
	static const char *const flags[][2] = { { "transient", "transient" },
						{ "shareable", "shareable" },
						{ "readonly", "read-only" } };
	SEED_AUTO(seed_freep) char *device = NULL;
	char quoted[SEED_QUOTED];

	if (seed_xml_attr(&device, node, "device", WORD_MAX, err) < 0)
		return -1;
	if (device && (strcmp(device, "cdrom") == 0 || strcmp(device, "floppy") == 0 ||
		       strcmp(device, "lun") == 0))
		because(reason, "%s", device);
	else if (device && strcmp(device, "disk") != 0)
		because(reason, "device %s", seed_quote(device, quoted, 80));
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (seed_xml_child(node, flags[i][0]))
			because(reason, "%s", flags[i][1]);
	return 0;
}

static int why_source(struct reason *reason, const char *type, const xmlNode *source,
		      struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *protocol = NULL;
	char quoted[SEED_QUOTED];

	if (strcmp(type, "network") == 0) {
		if (seed_xml_attr(&protocol, source, "protocol", WORD_MAX, err) < 0)
			return -1;
		because(reason, "network disk (%s)",
			seed_quote(protocol ? protocol : "", quoted, 80));
	} else if (strcmp(type, "volume") == 0) {
		because(reason, "volume of a storage pool");
	} else if (strcmp(type, "file") != 0 && strcmp(type, "block") != 0) {
		because(reason, "disk of type %s", seed_quote(type, quoted, 80));
	} else if (!source) {
		because(reason, "no source");
	} else if (seed_xml_child(source, "slices")) {
		because(reason, "slice of a file");
	}
	return 0;
}

/* The path of a disk that travels. */
static int read_path(char **out, const char *type, const xmlNode *source, const char *from,
		     struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *path = NULL;
	const char *attr = strcmp(type, "block") == 0 ? "dev" : "file";

	if (seed_xml_attr(&path, source, attr, PATH_MAX - 1, err) < 0)
		return -1;
	if (!path || !*path)
		return seed_error_set(err, SEED_ERR_FORMAT, "source without %s", attr);
	*out = beside(from, path);
	return *out ? 0 : seed_error_sys(err, ENOMEM, "%s", attr);
}

static int read_format(struct seed_vmdef_disk *disk, const xmlNode *node, struct seed_error *err)
{
	if (seed_xml_attr(&disk->format, seed_xml_child(node, "driver"), "type", WORD_MAX, err) < 0)
		return -1;
	if (!disk->format)	/* libvirt never probes: what is not declared is raw */
		disk->format = strdup("raw");
	if (!disk->format)
		return seed_error_sys(err, ENOMEM, "format");
	disk->raw = strcmp(disk->format, "raw") == 0;
	return 0;
}

static int fill_disk(struct seed_vmdef_disk *disk, const xmlNode *node, const char *from,
		     struct seed_error *err)
{
	const xmlNode *source = seed_xml_child(node, "source");
	SEED_AUTO(seed_freep) char *type = NULL;
	struct reason reason = { 0 };

	if (seed_xml_attr(&disk->slot, seed_xml_child(node, "target"), "dev", 4 * SEED_SLOT_MAX,
			  err) < 0 ||
	    seed_xml_attr(&type, node, "type", WORD_MAX, err) < 0 ||
	    read_declared(&disk->serial, node, "serial", err) < 0 ||
	    read_declared(&disk->wwn, node, "wwn", err) < 0)
		return -1;
	if (!disk->slot)
		return seed_error_set(err, SEED_ERR_FORMAT, "a disk without <target dev=...>");
	if (!type)
		type = strdup("file");
	if (!type)
		return seed_error_sys(err, ENOMEM, "type");
	if (read_format(disk, node, err) < 0 || why_device(&reason, node, err) < 0 ||
	    why_source(&reason, type, source, err) < 0)
		return -1;
	if (!reason.text[0])
		return read_path(&disk->path, type, source, from, err);
	disk->excluded = strdup(reason.text);
	return disk->excluded ? 0 : seed_error_sys(err, ENOMEM, "disk");
}

static int read_disks(struct seed_vmdef *def, const xmlNode *domain, struct seed_error *err)
{
	const xmlNode *node = seed_xml_child(seed_xml_child(domain, "devices"), "disk");

	for (; node; node = seed_xml_next(node)) {
		struct seed_vmdef_disk disk = { 0 };

		if (fill_disk(&disk, node, def->source, err) < 0) {
			seed_vmdef_disk_clear(&disk);
			return seed_error_prefix(err, "line %u", seed_xml_line(node));
		}
		if (seed_vmdef_add_disk(def, &disk, err) < 0)
			return seed_error_prefix(err, "line %u", seed_xml_line(node));
	}
	return 0;
}

/* Firmware in @node, either as its text or, with type='file', in <source file=...>. */
static int read_firmware(struct seed_vmdef *def, const xmlNode *node, const char *role,
			 struct seed_error *err)
{
	const xmlNode *source = seed_xml_child(node, "source");
	SEED_AUTO(seed_freep) char *path = NULL;
	SEED_AUTO(seed_freep) char *seen = NULL;

	if ((source ? seed_xml_attr(&path, source, "file", PATH_MAX - 1, err)
		    : seed_xml_text(&path, node, PATH_MAX - 1, err)) < 0)
		return seed_error_prefix(err, "line %u", seed_xml_line(node));
	if (!path || !*path)	/* <nvram/>: libvirt makes one; on the network: nothing to read */
		return 0;
	seen = beside(def->source, path);
	if (!seen)
		return seed_error_sys(err, ENOMEM, "%s", role);
	return seed_vmdef_add_file(def, role, seen, err);
}

static int read_domain(struct seed_vmdef *def, const xmlNode *domain, struct seed_error *err)
{
	const xmlNode *os = seed_xml_child(domain, "os");

	if (domain->ns || strcmp((const char *)domain->name, "domain") != 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "not a libvirt domain");
	if (read_identity(def, domain, err) < 0 ||
	    seed_vmdef_add_file(def, "definition", def->source, err) < 0 ||
	    read_firmware(def, seed_xml_child(os, "nvram"), "nvram", err) < 0 ||
	    read_firmware(def, seed_xml_child(os, "loader"), "loader", err) < 0)
		return -1;
	return read_disks(def, domain, err);
}

int seed_libvirt_read(struct seed_vmdef **out, const char *path, const char *data, size_t len,
		      struct seed_error *err)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = seed_vmdef_new();
	SEED_AUTO(seed_xml_freep) xmlDoc *doc = NULL;

	if (!def || !(def->source = strdup(path)))
		return seed_error_sys(err, ENOMEM, "%s", path);
	if (seed_xml_parse(&doc, data, len, err) < 0 ||
	    read_domain(def, xmlDocGetRootElement(doc), err) < 0)
		return seed_error_prefix(err, "%s", path);
	*out = seed_steal(&def);
	return 0;
}
