/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See find.h. */
#include "replica/find.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "replica/replica_internal.h"

struct find {
	const char *wanted;
	char *folder;
	char all[256];			/* those that fit, for the message */
	size_t found;
};

static int look(const char *name, struct seed_replica *replica, const struct seed_error *why,
		void *arg, struct seed_error *err)
{
	struct find *f = arg;
	size_t len = strlen(f->all), stem = strcspn(name, ".");

	(void)why;
	(void)err;
	if (strcmp(name, f->wanted) != 0 &&
	    (strncmp(name, f->wanted, stem) != 0 || f->wanted[stem]) &&
	    (!replica || !seed_replica_is_called(f->wanted, &replica->site, &replica->uuid,
						 replica->vm_name)))
		return 0;
	f->found++;
	snprintf(f->folder, SEED_REPLICA_NAME, "%s", name);
	snprintf(f->all + len, sizeof(f->all) - len, "%s%s", len ? ", " : "", name);
	return 0;
}

int seed_replica_find(char *folder, int store, const char *name, struct seed_error *err)
{
	struct find f = { .wanted = name, .folder = folder };
	char quoted[SEED_QUOTED];

	if (seed_store_each(store, look, &f, err) < 0)
		return -1;
	if (f.found == 1)
		return 0;
	seed_quote(name, quoted, sizeof(quoted));
	if (f.found == 0)
		return seed_error_set(err, SEED_ERR_NOTFOUND,
				      "%s: no such replica ('vmseed status' lists them)", quoted);
	return seed_error_set(err, SEED_ERR_USAGE, "%s: several replicas fit: %s", quoted, f.all);
}

struct find_vm {
	int store;
	const struct seed_id *site, *uuid;
	char tag[9];			/* what its folder's name ends with */
	char *folder;
	bool found;
};

static int look_at_name(const char *name, void *arg, struct seed_error *err)
{
	struct find_vm *f = arg;
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	const char *dot = strrchr(name, '.');
	struct seed_error why = { 0 };

	if (!seed_replica_name_valid(name) || strcmp(dot + 1, f->tag) != 0)
		return 0;
	/* One that is broken is this VM's all the same, as far as its name tells: who opens it
	 * will say what is wrong. */
	if (seed_replica_open(&r, f->store, name, false, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND)
			return 0;
		*err = why;
		return -1;
	}
	if (!seed_id_equal(&r->site, f->site) || !seed_id_equal(&r->uuid, f->uuid))
		return 0;
	snprintf(f->folder, SEED_REPLICA_NAME, "%s", name);
	f->found = true;
	return 0;
}

int seed_replica_find_vm(char *folder, int store, const struct seed_id *site,
			 const struct seed_id *uuid, struct seed_error *err)
{
	struct find_vm f = { .store = store, .site = site, .uuid = uuid, .folder = folder };

	seed_replica_tag(site, uuid, f.tag);
	if (seed_path_each(store, ".", SEED_STORE_NAMES_MAX, look_at_name, &f, err) < 0)
		return -1;
	return f.found ? 0 :
			 seed_error_set(err, SEED_ERR_NOTFOUND, "there is no replica of this VM");
}
