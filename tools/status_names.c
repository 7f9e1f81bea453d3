// SPDX-License-Identifier: LGPL-2.1-or-later
#include "status_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "capture/vm_file.h"
#include "out.h"
#include "trust/card.h"

struct entry {
	char *name;
	struct seed_id site, uuid;
};

static int add(struct status_names *names, const struct seed_id *site, const struct seed_id *uuid,
	       const char *name, struct seed_error *err)
{
	struct entry entry = { .name = strdup(name), .site = *site, .uuid = *uuid };

	if (entry.name && seed_vec_push(&names->all, sizeof(entry), &entry))
		return 0;
	free(entry.name);
	return seed_error_sys(err, ENOMEM, "names");
}

static int add_replica(const char *folder, struct seed_replica *replica,
		       const struct seed_error *why, void *arg, struct seed_error *err)
{
	(void)folder;
	(void)why;
	return replica ? add(arg, &replica->site, &replica->uuid, replica->vm_name, err) : 0;
}

static int add_source(const struct seed_vm_file *file, const struct seed_error *why, void *arg,
		      struct seed_error *err)
{
	struct status_names *names = arg;

	(void)why;
	return file ? add(names, file->has_origin ? &file->origin : &names->own, &file->uuid,
			  file->name, err) :
		      0;
}

/* The public half alone: no passphrase is asked for. */
static void read_own(struct seed_id *own, int home)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_card card;
	size_t len;

	if (seed_site_card(home, &text, &len, NULL) == 0 &&
	    seed_card_read(&card, text, len, NULL) == 0)
		*own = card.site;
}

int status_names_read(struct status_names *names, int home, int store, struct seed_error *err)
{
	read_own(&names->own, home);
	if (store >= 0 && seed_store_each(store, add_replica, names, err) < 0)
		return -1;
	return seed_vm_file_each(home, add_source, names, err);
}

void status_names_clear(struct status_names *names)
{
	for (size_t i = 0; i < names->all.count; i++)
		free(((struct entry *)seed_vec_at(&names->all, i))->name);
	seed_vec_free(&names->all);
}

const char *status_names_shown(const struct status_names *names, const struct seed_id *site,
			       const struct seed_id *uuid, const char *vm_name, char *out)
{
	for (size_t i = 0; i < names->all.count; i++) {
		const struct entry *e = seed_vec_at(&names->all, i);

		if (strcmp(e->name, vm_name) == 0 &&
		    (!seed_id_equal(&e->site, site) || !seed_id_equal(&e->uuid, uuid)))
			return seed_replica_folder_name(site, uuid, vm_name, out);
	}
	return out_name(vm_name, out, SEED_QUOTED);
}
