// SPDX-License-Identifier: LGPL-2.1-or-later
/* The part of replica.h that goes through a whole store. */
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "replica/replica_internal.h"

struct walk {
	int store;
	int (*visit)(const char *name, struct seed_replica *replica, const struct seed_error *why,
		     void *arg, struct seed_error *err);
	void *arg;
};

static int visit_name(const char *name, void *arg, struct seed_error *err)
{
	const struct walk *walk = arg;
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_error why = { 0 };

	if (!seed_replica_name_valid(name) ||
	    (seed_path_open_folder_at(&dir, walk->store, name, &why) < 0 &&
	     (why.kind == SEED_ERR_FORMAT || why.kind == SEED_ERR_NOTFOUND)))
		return 0;
	if (seed_replica_open(&replica, walk->store, name, false, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND)
			return 0;
		return walk->visit(name, NULL, &why, walk->arg, err);
	}
	return walk->visit(name, replica, NULL, walk->arg, err);
}

int seed_store_each(int store,
		    int (*visit)(const char *name, struct seed_replica *replica,
				 const struct seed_error *why, void *arg, struct seed_error *err),
		    void *arg, struct seed_error *err)
{
	struct walk walk = { .store = store, .visit = visit, .arg = arg };

	return seed_path_each(store, ".", SEED_STORE_NAMES_MAX, visit_name, &walk, err);
}
