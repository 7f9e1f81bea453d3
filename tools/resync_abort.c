// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resync_abort.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/text.h"
#include "out.h"
#include "replica/find.h"
#include "replica/home_store.h"
#include "replica/sync.h"
#include "verdict.h"

struct aborted {
	char folder[SEED_REPLICA_NAME];	/* empty: none was found */
	uint64_t generation, blocks, bytes;
	const char *state;		/* of the replica; borrowed */
	bool there;			/* something had arrived */
	bool decided;			/* that was decided for already: it is finished instead */
};

static int look(struct aborted *a, const struct seed_replica *replica, struct seed_error *err)
{
	a->generation = replica->generation;
	a->state = seed_replica_state_name(replica->state);
	if (seed_sync_pending(replica, &a->bytes, &a->decided, err) < 0)
		return -1;
	return seed_sync_pending_blocks(replica, &a->there, &a->blocks, err);
}

static int abort_one(struct cli *cli, int store, const char *name, struct aborted *a,
		     struct seed_error *err)
{
	const struct seed_replica_watch watch = { cli_events(cli), cli->cancel };
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;
	SEED_AUTO(seed_replica_closep) struct seed_replica *seen = NULL;
	char folder[SEED_REPLICA_NAME];
	bool was;

	if (seed_replica_find(folder, store, name, err) < 0)
		return cli_named(err);
	snprintf(a->folder, sizeof(a->folder), "%s", folder);
	if (seed_replica_open(&seen, store, folder, false, err) < 0 || look(a, seen, err) < 0)
		return -1;
	if (cli->dry_run)
		return 0;
	/* Opening it with the lock finishes what was decided. */
	if (seed_replica_open_watched(&replica, store, folder, &watch, err) < 0 ||
	    seed_sync_abort(replica, &was, err) < 0)
		return -1;
	a->decided = a->decided && !was;
	a->there = was;
	a->generation = replica->generation;
	a->state = seed_replica_state_name(replica->state);
	return 0;
}

static void print_text(const struct cli *cli, const struct aborted *a)
{
	char size[32];

	if (a->decided && cli->dry_run)
		printf("%s: the resync was decided already, and would be finished.\n", a->folder);
	else if (a->decided)
		printf("%s: the resync was decided already, and is finished now: generation "
		       "%" PRIu64 ", %s.\n",
		       a->folder, a->generation, a->state);
	else if (!a->there)
		printf("%s: nothing had arrived; it is at generation %" PRIu64 ".\n", a->folder,
		       a->generation);
	else if (cli->dry_run)
		printf("%s: what had arrived would be thrown away: %" PRIu64 " block%s, %s; it "
		       "stays at generation %" PRIu64 ".\n",
		       a->folder, a->blocks, a->blocks == 1 ? "" : "s",
		       seed_size_text(a->bytes, size), a->generation);
	else
		printf("%s: what had arrived is gone; it stays at generation %" PRIu64 ".\n",
		       a->folder, a->generation);
}

static const char *result_name(const struct aborted *a, const struct seed_error *why)
{
	if (why->kind)
		return "failed";
	if (a->decided)
		return "finished";
	return a->there ? "thrown-away" : "nothing";
}

static struct seed_json *one_json(const char *name, const struct aborted *a,
				  const struct seed_error *why)
{
	struct seed_json *object = seed_json_new_object();
	bool gone = a->there && !a->decided && !why->kind;

	out_json_name(object, "name", name);
	if (a->folder[0])
		seed_json_set_text(object, "replica", a->folder);
	seed_json_set_text(object, "result", result_name(a, why));
	if (!why->kind)
		seed_json_set_uint(object, "generation", a->generation);
	seed_json_set_uint(object, "blocks", gone ? a->blocks : 0);
	seed_json_set_uint(object, "bytes", gone ? a->bytes : 0);
	verdict_json(object, why);
	return object;
}

static int print_json(const struct cli *cli, struct seed_json *replicas, struct seed_error *err)
{
	struct seed_json *doc = out_json_new("resync-abort");

	seed_json_set_text(doc, "message_type", "summary");
	seed_json_set_bool(doc, "dry_run", cli->dry_run);
	seed_json_set(doc, "replicas", replicas);
	return out_json_print(doc, err);
}

int resync_abort(struct cli *cli, const char **names, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int store = -1;
	struct seed_json *replicas = NULL;
	struct seed_error shown = { 0 };
	int home, rc = 0;

	if (cli_home(cli, &home, err) < 0)
		return -1;
	/* Without a store there is no replica of any name. */
	if (seed_store_open(&store, home, NULL, false, NULL, err) < 0)
		return cli_named(err);
	if (cli->json)
		replicas = seed_json_new_array();
	for (; *names; names++) {
		struct aborted a = { 0 };
		struct seed_error why = { 0 };
		int one = abort_one(cli, store, *names, &a, &why);

		if (cli->json)
			seed_json_append(replicas, one_json(*names, &a, &why));
		else if (one == 0)
			print_text(cli, &a);
		if (one == 0)
			continue;
		if (rc < 0)
			cli_warn(cli, "%s", why.text);
		else
			*err = why;
		rc = -1;
	}
	if (cli->json && print_json(cli, replicas, &shown) < 0 && rc == 0) {
		*err = shown;
		rc = -1;
	}
	return rc;
}
