/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See find.h. */
#include "replica/find.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

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
	char uuid[SEED_UUID_TEXT];
	size_t len = strlen(f->all), stem = strcspn(name, ".");

	(void)why;
	(void)err;
	if (strcmp(name, f->wanted) != 0 &&
	    (strncmp(name, f->wanted, stem) != 0 || f->wanted[stem]) &&
	    (!replica || (strcmp(replica->vm_name, f->wanted) != 0 &&
			  strcasecmp(seed_uuid_text(&replica->uuid, uuid), f->wanted) != 0)))
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
	const struct seed_id *site, *uuid;
	char tag[9];
	char *folder;
	bool found;
};

static int look_for_vm(const char *name, struct seed_replica *replica, const struct seed_error *why,
		       void *arg, struct seed_error *err)
{
	struct find_vm *f = arg;

	if (strcmp(strchr(name, '.') + 1, f->tag) != 0)
		return 0;
	if (!replica) {
		*err = *why;
		return -1;
	}
	if (seed_id_equal(&replica->site, f->site) && seed_id_equal(&replica->uuid, f->uuid)) {
		snprintf(f->folder, SEED_REPLICA_NAME, "%s", name);
		f->found = true;
	}
	return 0;
}

int seed_replica_find_vm(char *folder, int store, const struct seed_id *site,
			 const struct seed_id *uuid, struct seed_error *err)
{
	struct find_vm f = { .site = site, .uuid = uuid, .folder = folder };

	seed_replica_tag(site, uuid, f.tag);
	if (seed_store_each(store, look_for_vm, &f, err) < 0)
		return -1;
	return f.found ? 0 : seed_error_set(err, SEED_ERR_NOTFOUND, "no replica of this VM is here");
}
