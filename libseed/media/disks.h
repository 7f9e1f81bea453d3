/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The disks of this machine, and which of them may serve as media. udev and sysfs say
 * what a disk is, the kernel's tables what it is used for. Nothing is opened, mounted
 * or written.
 *
 * All texts that come from devices (model, serial, label) are bounded; those of model
 * and serial are printable ASCII, the others are to be quoted where they are shown.
 */
#ifndef SEED_MEDIA_DISKS_H
#define SEED_MEDIA_DISKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "media/mounts.h"

#define SEED_DISK_TEXT 128	/* bytes of a model or serial with its NUL */
#define SEED_DISK_WHY 240	/* bytes of a reason */
#define SEED_PLACE_WHY 480

/* May it serve? Each one is sharper than those before it; the sharpest that is true counts. */
enum seed_disk_verdict {
	SEED_DISK_FIT,
	SEED_DISK_EMPTY,	/* a reader without a card */
	SEED_DISK_UNKNOWN,	/* what is on it cannot be told, or it is no disk at all */
	SEED_DISK_INTERNAL,	/* nothing says that it can be taken away */
	SEED_DISK_IN_USE,	/* of LVM, RAID, ZFS or a file system of several disks */
	SEED_DISK_SYSTEM,	/* this system runs from it: it holds or backs /, /boot, swap... */
};

struct seed_disk_fs {
	char node[192];			/* "/dev/sdb1", or the mapped device of an unlocked one */
	char type[32], uuid[64];	/* as udev knows them; "" when it does not */
	char label[257];
	uint64_t bytes;			/* of the device */
	const struct seed_mount *mount;	/* borrowed from the list; NULL: not mounted */
	uint64_t free;			/* bytes, when it is mounted */
};

struct seed_disk {
	char name[64], node[192];	/* "sdb", "/dev/sdb" */
	char model[SEED_DISK_TEXT], serial[SEED_DISK_TEXT];	/* "" when not known */
	char bus[16];			/* usb, firewire, sd, memstick, mmc, sata, nvme...; or "" */
	uint64_t bytes;
	bool external;			/* it can be taken away, as udisks judges it */
	bool read_only;
	enum seed_disk_verdict verdict;
	char why[SEED_DISK_WHY];	/* unless it is fit: "holds / and swap through LUKS" */
	struct seed_vec filesystems;	/* struct seed_disk_fs, by device, unlocked ones last */
};

struct seed_disks;

/* Where the kernel's tables are; NULL members stand for those under /proc. */
struct seed_disks_from {
	const char *mountinfo, *swaps;
};

/* @from NULL: this machine's. A machine without udev has disks all the same, with less said. */
int seed_disks_read(struct seed_disks **out, const struct seed_disks_from *from,
		    struct seed_error *err);
void seed_disks_free(struct seed_disks *disks);
static inline void seed_disks_freep(struct seed_disks **disks) { seed_disks_free(*disks); }
size_t seed_disks_count(const struct seed_disks *disks);
const struct seed_disk *seed_disks_at(const struct seed_disks *disks, size_t index);

/* What a folder lies on. */
struct seed_place {
	enum seed_disk_verdict verdict;
	char why[SEED_PLACE_WHY];	/* unless it is fit, behind the folder's name: "is in
					 * memory" */
	const struct seed_disk *disk;	/* borrowed; NULL: none, or several */
	const struct seed_mount *mount;	/* borrowed; NULL: not known */
	char node[192];			/* the device that is mounted; "" when there is none */
	bool mount_point;		/* the folder is where it is mounted, not one below */
};
/* @dir: the folder, open. Fails only where the kernel does not say what it is mounted on. */
int seed_place_find(struct seed_place *out, const struct seed_disks *disks, int dir,
		    struct seed_error *err);

#endif
