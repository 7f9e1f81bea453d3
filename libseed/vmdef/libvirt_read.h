/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A libvirt domain (formatdomain) into the model: name, uuid, disks with slot
 * (target dev), path (source file or dev), serial, wwn, declared format; NVRAM and
 * loader; cdrom, floppy, lun, transient, shareable, readonly and network disks are listed as
 * excluded with the reason. libxml2 without network, entities or DTD: a document with a
 * DOCTYPE is refused, and one over 8 MiB.
 */
#ifndef SEED_VMDEF_LIBVIRT_READ_H
#define SEED_VMDEF_LIBVIRT_READ_H

#include "vmdef/vmdef.h"

/**
 * seed_libvirt_read() - read one definition
 * @path: where @data came from: for messages, as the "definition" file, and for relative paths;
 *        nothing is opened here
 * @data: @len bytes, not NUL-terminated
 * @err:  FORMAT with the line, or RANGE, behind @path
 */
int seed_libvirt_read(struct seed_vmdef **out, const char *path, const char *data, size_t len,
		      struct seed_error *err);

#endif
