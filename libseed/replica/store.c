// SPDX-License-Identifier: LGPL-2.1-or-later
/* The part of replica.h that goes through a whole store. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "base/vec.h"
#include "replica/replica_internal.h"

#define LISTED 8	/* replicas that an ambiguous name is shown with */

struct walk {
	int store;
	int (*visit)(const char *name, struct seed_replica *replica, const struct seed_error *why,
		     void *arg, struct seed_error *err);
	void *arg;
};

static int note_name(const char *name, void *arg, struct seed_error *err)
{
	bool *used = arg;

	(void)err;
	if (strncmp(name, ".tmp-", 5) != 0)
		*used = true;
	return 0;
}

/* A creation that was cut short leaves a folder with nothing in it: no replica yet. */
static bool is_unborn(int store, const char *name)
{
	bool used = false;

	return seed_path_each(store, name, SEED_STORE_NAMES_MAX, note_name, &used, NULL) == 0 &&
	       !used;
}

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
		if (why.kind == SEED_ERR_NOTFOUND || is_unborn(walk->store, name))
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

/* ---- finding ---- */

struct search {
	const char *text;
	bool by_uuid;
	struct seed_id uuid;
	char name[SEED_REPLICA_NAME];
	size_t found;
	struct seed_buf list;
};

static bool fits(const struct search *search, const char *name,
		 const struct seed_replica *replica)
{
	if (strcmp(name, search->text) == 0)
		return true;
	if (!replica)
		return false;
	return search->by_uuid ? seed_id_equal(&replica->uuid, &search->uuid) :
				 strcmp(replica->vm_name, search->text) == 0;
}

static int compare(const char *name, struct seed_replica *replica, const struct seed_error *why,
		   void *arg, struct seed_error *err)
{
	struct search *search = arg;

	(void)why;
	if (!fits(search, name, replica))
		return 0;
	snprintf(search->name, sizeof(search->name), "%s", name);
	search->found++;
	if (search->found > LISTED)
		return 0;
	return seed_buf_addf(&search->list, err, "%s%s", search->list.len ? ", " : "", name);
}

int seed_store_find(int store, const char *text, char *name, struct seed_error *err)
{
	struct search search = { .text = text };
	SEED_AUTO(seed_buf_free) struct seed_buf list = { 0 };
	char quoted[SEED_QUOTED];
	int rc;

	search.by_uuid = seed_uuid_parse(&search.uuid, text, NULL) == 0;
	rc = seed_store_each(store, compare, &search, err);
	list = search.list;
	if (rc < 0)
		return -1;
	seed_quote(text, quoted, sizeof(quoted));
	if (search.found == 0)
		return seed_error_set(err, SEED_ERR_NOTFOUND, "no replica %s", quoted);
	if (search.found > 1)
		return seed_error_set(err, SEED_ERR_USAGE, "%s may be any of %s%s: name one", quoted,
				      list.data, search.found > LISTED ? " and others" : "");
	snprintf(name, SEED_REPLICA_NAME, "%s", search.name);
	return 0;
}
