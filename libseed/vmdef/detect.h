/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a file that stands for a VM or a disk is, by its content. Names and
 * endings decide nothing.
 */
#ifndef SEED_VMDEF_DETECT_H
#define SEED_VMDEF_DETECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SEED_DETECT_HEAD 65536u	/* bytes from the start that detection looks at */

enum seed_vm_format {
	SEED_VM_UNKNOWN,
	/* definitions */
	SEED_VM_LIBVIRT, SEED_VM_LIBVIRT_STATUS, SEED_VM_OTHER_XML, SEED_VM_OVF, SEED_VM_OVA,
	SEED_VM_VMX, SEED_VM_PROXMOX, SEED_VM_HYPERV, SEED_VM_VMA,
	/* disk images other than raw */
	SEED_VM_QCOW2, SEED_VM_QED, SEED_VM_VMDK, SEED_VM_VHDX, SEED_VM_VHD, SEED_VM_VDI,
	/* a raw disk: a partition table stands at its start */
	SEED_VM_RAW,
};

/* @head: the first @len bytes, as many as there are up to SEED_DETECT_HEAD. */
enum seed_vm_format seed_detect(const void *head, size_t len);
/* Of a regular file, with the fixed VHD too, which only its end gives away. */
int seed_detect_fd(enum seed_vm_format *out, int fd, struct seed_error *err);

/* "libvirt definition", "VMware definition (.vmx)", "qcow2 image", ... */
const char *seed_vm_format_name(enum seed_vm_format format);
/* "qcow2", "vmdk", ... for a disk image other than raw, else NULL. */
const char *seed_vm_format_image(enum seed_vm_format format);
bool seed_vm_format_is_definition(enum seed_vm_format format);

#endif
