/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Seeds whose manifests an earlier import kept. The manifests of a set lie on the volume that its
 * run ended on; once that one was imported, a replica that lacks blocks has its own, and the
 * set's other volumes can be given without it, in any order and one at a time.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "import/import_internal.h"

struct look {
	struct seed_import *plan;
	struct seed_error *err;
};

/* A volume of this set that opens here, which the seed is to be filled from. */
static const struct seed_volume *volume_of(const struct seed_import *plan,
					   const struct seed_id *set)
{
	for (size_t i = 0; i < plan->volumes.count; i++) {
		const struct seed_volume *v =
			*(struct seed_volume **)seed_vec_at(&plan->volumes, i);

		if (seed_id_equal(&v->set, set) && (!v->sealed || v->data_key.known))
			return v;
	}
	return NULL;
}

/* The manifest in @dir, when it is of a set that a volume is given of; else, or when nothing
 * trusted stands there, *@out stays NULL: the replica is judged when something needs it. */
static void open_kept(struct seed_seed **out, const struct seed_import *plan, int dir,
		      const struct seed_replica *r)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	SEED_AUTO(seed_freep) char *signature = NULL;
	size_t len, signature_len;

	if (seed_file_read(dir, "manifest.json", SEED_MANIFEST_MAX, &text, &len, NULL) < 0 ||
	    seed_file_read(dir, "manifest.json.minisig", SEED_SIGNATURE_MAX - 1, &signature,
			   &signature_len, NULL) < 0)
		return;
	for (size_t i = 0; i < plan->volumes.count && !*out; i++) {
		const struct seed_volume *v =
			*(struct seed_volume **)seed_vec_at(&plan->volumes, i);

		if (v != volume_of(plan, &v->set) ||
		    seed_seed_of_text(out, v, text, len, signature, signature_len, NULL) < 0)
			continue;
		if (!seed_id_equal(&(*out)->manifest.site, &r->site) ||
		    !seed_id_equal(&(*out)->manifest.uuid, &r->uuid)) {
			seed_seed_close(*out);
			*out = NULL;
		}
	}
}

/* A newer seed beside the replica, all there but for its missing lists. */
static int look_beside(struct look *look, const struct seed_replica *r)
{
	SEED_AUTO(seed_seed_closep) struct seed_seed *seed = NULL;
	SEED_AUTO(seed_fd_closep) int next = -1;

	if (seed_path_open_folder_at(&next, r->dir, "next", NULL) < 0)
		return 0;
	open_kept(&seed, look->plan, next, r);
	if (!seed || !seed_import_log_filled(next, &seed->manifest.seed))
		return 0;
	return seed_import_add_seed(look->plan, seed_steal(&seed), look->err);
}

static int look_at_replica(const char *name, struct seed_replica *r, const struct seed_error *why,
			   void *arg, struct seed_error *err)
{
	SEED_AUTO(seed_seed_closep) struct seed_seed *seed = NULL;
	struct look *look = arg;

	(void)name;
	(void)why;
	if (!r || r->switching || r->state == SEED_REPLICA_PROMOTED ||
	    r->state == SEED_REPLICA_CANDIDATE || r->state == SEED_REPLICA_SEEDING)
		return 0;
	look->err = err;
	if (look_beside(look, r) < 0)
		return -1;
	/* One that lacks nothing does not speak for the media: they may bring a newer seed's
	 * blocks. */
	if (r->state != SEED_REPLICA_INCOMPLETE || !volume_of(look->plan, &r->set))
		return 0;
	open_kept(&seed, look->plan, r->dir, r);
	if (!seed || !seed_id_equal(&seed->manifest.seed, &r->seed))
		return 0;
	return seed_import_add_seed(look->plan, seed_steal(&seed), err);
}

int seed_import_add_kept(struct seed_import *plan, const struct seed_import_options *opt,
			 struct seed_error *err)
{
	struct look look = { .plan = plan };

	return plan->volumes.count ? seed_store_each(opt->store, look_at_replica, &look, err) : 0;
}
