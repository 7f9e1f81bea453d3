/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The VMs that a home exports, as HOME/vms/UUID/vm.json tells; read without their locks. */
#ifndef TOOLS_STATUS_SOURCE_H
#define TOOLS_STATUS_SOURCE_H

#include <stdint.h>

#include "base/error.h"
#include "base/id.h"

struct status_source {
	struct seed_id uuid;
	const char *name;		/* raw */
	uint64_t generation;		/* last one signed or reserved */
	int64_t updated;		/* unix seconds */
};

/* By uuid. One that cannot be read comes with @source NULL and the reason in @why. */
int status_source_each(int home,
		       int (*visit)(const struct status_source *source,
				    const struct seed_error *why, void *arg,
				    struct seed_error *err),
		       void *arg, struct seed_error *err);

#endif
