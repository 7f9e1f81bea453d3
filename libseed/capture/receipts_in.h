/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A medium comes back: what its recipient acknowledged on it (media/receipt_file.h) is taken into
 * the home, where a resync's receipts are kept (capture/receipts.h).
 */
#ifndef SEED_CAPTURE_RECEIPTS_IN_H
#define SEED_CAPTURE_RECEIPTS_IN_H

#include "base/event.h"
#include "capture/receipts.h"
#include "media/volume.h"

struct seed_receipts_in {
	int home;
	const struct seed_trust *trust;
	const struct seed_events *events;	/* a receipt that does not hold is a warning */
	/* Told of each one that is new here, by whom, and of which VM: a raw name. */
	void (*taken)(void *arg, const struct seed_trusted *site, const char *vm,
		      const struct seed_receipt *receipt);
	void *arg;
};

/**
 * seed_receipts_take_in() - all receipts of a volume of ours
 * @volume: opened with our own keys; one of somebody else's is passed by
 * @err:    only when the medium or the home cannot be read or written
 *
 * A receipt is taken in when a trusted site signed it, which is a recipient of the set if it is
 * sealed; when it is of a seed that this volume holds, and says of its disks what the manifest
 * says; when the VM is one of this home, within that site's scope; and when it is newer than what
 * that site acknowledged before. So taking in twice changes nothing.
 */
int seed_receipts_take_in(const struct seed_volume *volume, const struct seed_receipts_in *in,
			  struct seed_error *err);

#endif
