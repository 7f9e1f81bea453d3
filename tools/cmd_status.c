// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmseed status: this site's replicas, and the VMs that it exports itself. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/vec.h"
#include "block/grid.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "capture/vm_file.h"
#include "commands.h"
#include "media_args.h"
#include "out.h"
#include "receipts_in.h"
#include "replica/home_store.h"
#include "replica/replica.h"
#include "replica/sync.h"
#include "status_names.h"
#include "status_receipts.h"
#include "verdict.h"

struct status {
	struct cli *cli;
	int home;
	int store;			/* -1: there is no store yet */
	char *store_path;		/* NULL then */
	struct status_names names;
	struct out_table *table;	/* or ... */
	struct seed_json *replicas, *sources;	/* ... these */
	size_t listed, incomplete, broken;
	struct seed_error first;	/* of the broken ones */
};

/* Between two seeds it is neither until the next import, or verify, has moved the last file. */
static bool between_seeds(const struct seed_replica *replica)
{
	uint64_t bytes;
	bool decided = false;

	seed_sync_pending(replica, &bytes, &decided, NULL);
	return replica->switching || decided;
}

/* A whole copy that promote refuses: it may not be consistent. */
static bool doubtful_copy(const struct seed_replica *replica)
{
	return (replica->state == SEED_REPLICA_SEEDED || replica->state == SEED_REPLICA_CURRENT) &&
	       (replica->captured == SEED_CAPTURED_CHANGED ||
		replica->captured == SEED_CAPTURED_UNPROVEN);
}

static const char *state_text(const struct seed_replica *replica, char *out, size_t size)
{
	const char *state = seed_replica_state_name(replica->state);

	if (between_seeds(replica))
		return "switching";
	if (!doubtful_copy(replica))
		return state;
	snprintf(out, size, "%s (%s)", state, seed_captured_name(replica->captured));
	return out;
}

static uint64_t disk_bytes(const struct seed_replica *replica)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < replica->disks.count; i++)
		sum += ((struct seed_replica_disk *)seed_vec_at(&replica->disks, i))->size;
	return sum;
}

/* What a resync has brought that is under way, or was interrupted: the next one uses it. */
static uint64_t pending_bytes(const struct seed_replica *replica)
{
	uint64_t bytes = 0;
	bool decided;

	return seed_sync_pending(replica, &bytes, &decided, NULL) < 0 || decided ? 0 : bytes;
}

/* "5 min", "3 h", "12 days": how long ago. A clock that went back shows nothing. */
static const char *age_text(int64_t then, char *out, size_t size)
{
	int64_t seconds = seed_clock_wall() - then;

	if (then <= 0 || seconds < 0)
		return NULL;
	if (seconds < 120)
		snprintf(out, size, "%" PRId64 " s", seconds);
	else if (seconds < 120 * 60)
		snprintf(out, size, "%" PRId64 " min", seconds / 60);
	else if (seconds < 48 * 3600)
		snprintf(out, size, "%" PRId64 " h", seconds / 3600);
	else
		snprintf(out, size, "%" PRId64 " days", seconds / 86400);
	return out;
}

/* ---- JSON ---- */

static void set_path(struct seed_json *item, const char *key, const struct status *s,
		     const char *folder, const char *file)
{
	SEED_AUTO(seed_buf_free) struct seed_buf path = { 0 };

	if (seed_buf_addf(&path, NULL, "%s/%s%s%s", s->store_path, folder, file ? "/" : "",
			  file ? file : "") == 0)
		out_json_name(item, key, path.data);
	else
		seed_json_set(item, key, NULL);
}

static struct seed_json *disks_json(const struct status *s, const struct seed_replica *replica)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < replica->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&replica->disks, i);
		struct seed_json *item = seed_json_new_object();

		seed_json_set_text(item, "slot", disk->slot);
		set_path(item, "path", s, replica->name, disk->file);
		seed_json_set_uint(item, "size", disk->size);
		seed_json_set_uint(item, "missing_blocks", disk->missing_blocks);
		seed_json_append(array, item);
	}
	return array;
}

static struct seed_json *replica_json(const struct status *s, const struct seed_replica *replica)
{
	struct seed_json *item = seed_json_new_object();
	char time[SEED_TIME_TEXT];

	/* "name" is the VM's, by which commands find the replica; "folder" tells twins apart. */
	out_json_name(item, "name", replica->vm_name);
	out_json_name(item, "vm", replica->vm_name);
	seed_json_set_text(item, "folder", replica->name);
	seed_json_set_uuid(item, "uuid", &replica->uuid);
	seed_json_set_id(item, "site", &replica->site);
	seed_json_set_text(item, "state", seed_replica_state_name(replica->state));
	seed_json_set_bool(item, "switching", replica->switching);
	seed_json_set_uint(item, "generation", replica->generation);
	seed_json_set_id(item, "seed", &replica->seed);
	seed_json_set_text(item, "captured", seed_captured_name(replica->captured));
	seed_json_set_uint(item, "size", disk_bytes(replica));
	seed_json_set_uint(item, "missing_blocks", seed_replica_missing(replica));
	seed_json_set_uint(item, "pending_bytes", pending_bytes(replica));
	seed_json_set_bool(item, "at_work", seed_fd_is_locked(replica->dir));
	if (replica->imported > 0)
		seed_json_set_text(item, "imported", seed_clock_text(replica->imported, time));
	else
		seed_json_set_null(item, "imported");
	if (replica->from)
		seed_json_set_text(item, "from", replica->from);
	else
		seed_json_set_null(item, "from");
	set_path(item, "path", s, replica->name, NULL);
	seed_json_set(item, "disks", disks_json(s, replica));
	return item;
}

static struct seed_json *broken_json(const struct status *s, const char *name,
				     const struct seed_error *why)
{
	struct seed_json *item = seed_json_new_object();

	seed_json_set_text(item, "name", name);
	seed_json_set_text(item, "folder", name);
	seed_json_set_text(item, "state", "broken");
	set_path(item, "path", s, name, NULL);
	verdict_json(item, why);
	seed_json_set(item, "disks", seed_json_new_array());
	return item;
}

/* ---- replicas ---- */

static bool unfinished(const struct seed_replica *replica)
{
	return replica->switching || replica->state == SEED_REPLICA_SEEDING ||
	       replica->state == SEED_REPLICA_INCOMPLETE;
}

static void add_row(const struct status *s, const struct seed_replica *replica)
{
	char name[SEED_QUOTED], state[48], generation[24], age[32], size[32], missing[32];
	bool doubtful = unfinished(replica) || between_seeds(replica) || doubtful_copy(replica) ||
			replica->state == SEED_REPLICA_CANDIDATE;
	uint64_t blocks = seed_replica_missing(replica);

	snprintf(generation, sizeof(generation), "%" PRIu64, replica->generation);
	out_table_row(s->table, (const char *[]){
		status_names_shown(&s->names, &replica->site, &replica->uuid, replica->vm_name,
				   name),
		state_text(replica, state, sizeof(state)), generation,
		age_text(replica->imported, age, sizeof(age)),
		seed_size_text(disk_bytes(replica), size),
		blocks ? seed_size_text(blocks * SEED_BLOCK_SIZE, missing) : NULL,
		replica->from });	/* as it is: the table makes it safe */
	out_table_mood(s->table, 1, doubtful ? OUT_DOUBTFUL : OUT_GOOD);
}

static void note_pending(const struct status *s, const struct seed_replica *replica)
{
	uint64_t bytes = pending_bytes(replica);
	char size[32];

	if (!bytes)
		return;
	seed_size_text(bytes, size);
	if (seed_fd_is_locked(replica->dir))
		cli_note(s->cli, "%s: a resync is under way; %s have arrived", replica->name, size);
	else
		cli_note(s->cli,
			 "%s: a resync was interrupted; the %s that arrived are used by the next "
			 "one",
			 replica->name, size);
}

static int visit_replica(const char *name, struct seed_replica *replica,
			 const struct seed_error *why, void *arg, struct seed_error *err)
{
	struct status *s = arg;

	if (seed_cancelled(s->cli->cancel, err) < 0)
		return -1;
	if (!replica) {
		if (s->broken++ == 0)
			s->first = *why;
		s->listed++;
		cli_warn(s->cli, "%s", why->text);
		if (s->table) {
			out_table_row(s->table, (const char *[]){ name, "broken", NULL, NULL, NULL,
								  NULL, NULL });
			out_table_mood(s->table, 1, OUT_BAD);
		} else {
			seed_json_append(s->replicas, broken_json(s, name, why));
		}
		return 0;
	}
	s->listed++;
	if (unfinished(replica))
		s->incomplete++;
	if (s->table) {
		add_row(s, replica);
		note_pending(s, replica);
	} else {
		seed_json_append(s->replicas, replica_json(s, replica));
	}
	return 0;
}

static int open_store(struct status *s, int home, struct seed_error *err)
{
	struct seed_error why = { 0 };

	if (seed_store_open(&s->store, home, NULL, false, &s->store_path, &why) < 0) {
		/* A home that never imported has none. One that is remembered and gone is not
		 * that. */
		if (why.kind == SEED_ERR_NOTFOUND && !seed_path_exists(home, "store"))
			return 0;
		*err = why;
		return -1;
	}
	return 0;
}

/* ---- the VMs that this site exports ---- */

/* Where a VM's replicas are, as those sites acknowledged: a row below its own. */
struct acknowledged {
	struct status *s;
	const char *vm;			/* its name, as shown */
	struct seed_json *array;
};

static void show_receipt(void *arg, const char *peer, const struct seed_receipt *receipt)
{
	struct acknowledged *a = arg;
	char state[SEED_NAME_MAX + 8], generation[24], age[32];
	char time[SEED_TIME_TEXT];
	struct seed_json *item;

	if (a->s->table) {
		snprintf(state, sizeof(state), "at %s", peer);
		snprintf(generation, sizeof(generation), "%" PRIu64, receipt->generation);
		out_table_row(a->s->table, (const char *[]){
			a->vm, state, generation,
			age_text(receipt->at, age, sizeof(age)), NULL, NULL, NULL });
		return;
	}
	item = seed_json_new_object();
	seed_json_set_text(item, "site", peer);
	seed_json_set_text(item, "state", receipt->state);
	seed_json_set_uint(item, "generation", receipt->generation);
	seed_json_set_text(item, "at", seed_clock_text(receipt->at, time));
	seed_json_set_text(item, "proved", status_receipt_proved(receipt));
	seed_json_append(a->array, item);
}

static int visit_source(const struct seed_vm_file *source, const struct seed_error *why, void *arg,
			struct seed_error *err)
{
	struct status *s = arg;
	char name[SEED_QUOTED], generation[24], age[32], time[SEED_TIME_TEXT];
	struct acknowledged receipts = { .s = s };
	struct seed_json *item;

	if (why) {
		if (s->broken++ == 0)
			s->first = *why;
		cli_warn(s->cli, "%s", why->text);
		return 0;
	}
	s->listed++;
	receipts.vm = status_names_shown(&s->names,
					 source->has_origin ? &source->origin : &s->names.own,
					 &source->uuid, source->name, name);
	if (s->table) {
		snprintf(generation, sizeof(generation), "%" PRIu64, source->generation);
		out_table_row(s->table, (const char *[]){
			receipts.vm,
			source->handed_over ? "handed over" : "source", generation,
			age_text(source->updated, age, sizeof(age)), NULL, NULL, NULL });
		return status_receipts_each(s->cli, s->home, &source->uuid, show_receipt, &receipts,
					    err);
	}
	item = seed_json_new_object();
	out_json_name(item, "name", source->name);
	seed_json_set_uuid(item, "uuid", &source->uuid);
	seed_json_set_uint(item, "generation", source->generation);
	seed_json_set_text(item, "updated", seed_clock_text(source->updated, time));
	seed_json_set_bool(item, "handed_over", source->handed_over);
	receipts.array = seed_json_new_array();
	seed_json_set(item, "receipts", receipts.array);
	seed_json_append(s->sources, item);
	return status_receipts_each(s->cli, s->home, &source->uuid, show_receipt, &receipts, err);
}

/* ---- the command ---- */

static int print_json(struct status *s, struct seed_error *err)
{
	struct seed_json *doc = out_json_new("status");

	if (s->store_path)
		out_json_name(doc, "store", s->store_path);
	else
		seed_json_set_null(doc, "store");
	seed_json_set(doc, "replicas", seed_steal(&s->replicas));
	seed_json_set(doc, "sources", seed_steal(&s->sources));
	return out_json_print(doc, err);
}

static int show(struct status *s, int home, struct seed_error *err)
{
	static const struct out_column columns[] = {
		{ "NAME", false, OUT_CUT }, { "STATE", false, OUT_WHOLE },
		{ "GENERATION", true, OUT_WHOLE }, { "AGE", true, OUT_WHOLE },
		{ "SIZE", true, OUT_WHOLE }, { "MISSING", true, OUT_WHOLE },
		{ "FROM", false, OUT_CUT },
	};

	if (s->cli->json) {
		s->replicas = seed_json_new_array();
		s->sources = seed_json_new_array();
	} else if (out_table_new(&s->table, columns, sizeof(columns) / sizeof(columns[0]),
				 err) < 0) {
		return -1;
	} else {
		out_table_colours(s->table, cli_colour(s->cli, STDOUT_FILENO));
	}
	s->home = home;
	if (open_store(s, home, err) < 0 ||
	    (s->table && status_names_read(&s->names, home, s->store, err) < 0) ||
	    (s->store >= 0 && seed_store_each(s->store, visit_replica, s, err) < 0) ||
	    seed_vm_file_each(home, visit_source, s, err) < 0)
		return -1;
	if (s->cli->json)
		return print_json(s, err);
	if (!s->listed)
		cli_note(s->cli, "nothing was imported or exported here yet");
	return out_table_print(s->table, err);
}

static int check(const struct status *s, struct seed_error *err)
{
	if (s->broken)
		return seed_error_set(err, SEED_ERR_PARTIAL, "%zu cannot be read; the first: %s",
				      s->broken, s->first.text);
	if (s->incomplete)
		return seed_error_set(err, SEED_ERR_PARTIAL, "%zu %s not complete", s->incomplete,
				      s->incomplete > 1 ? "replicas are" : "replica is");
	return 0;
}

static void clear(struct status *s)
{
	seed_fd_closep(&s->store);
	free(s->store_path);
	status_names_clear(&s->names);
	out_table_free(s->table);
	seed_json_free(s->replicas);
	seed_json_free(s->sources);
}

/* Media that came back, before anything is listed. */
static int take_receipts(struct cli *cli, const char **dirs, struct seed_error *err)
{
	struct seed_vec media = { 0 };
	const struct seed_trust *trust;
	int rc;

	if (!dirs)
		return 0;
	if (cli_trust(cli, &trust, err) < 0)
		return -1;
	rc = media_args_open(cli, &media, dirs, trust, err);
	for (size_t i = 0; rc == 0 && i < media.count; i++)
		receipts_in(cli, *(struct seed_medium **)seed_vec_at(&media, i));
	media_args_close(&media);
	return rc;
}

int cmd_status(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(clear) struct status s = { .cli = cli, .store = -1 };
	SEED_AUTO(cli_list_freep) const char **media = NULL;
	int home, checked = 0;
	const struct poptOption table[] = {
		{ "media", 'm', POPT_ARG_ARGV, &media, 0,
		  "first take in the receipts on the medium in DIR", "DIR" },
		{ "check", 0, POPT_ARG_NONE, &checked, 0,
		  "exit 3 when a replica is not complete or cannot be read", NULL },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.about = "List this site's replicas with their states, and the VMs that "
				 "it\n"
				 "exports itself.",
			.examples = { "vmseed status", "vmseed status --media /media/caddy",
				      "vmseed status --check --quiet --json" } });

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 0, 0, err) < 0 ||
	    cli_home(cli, &home, err) < 0 || take_receipts(cli, media, err) < 0 ||
	    show(&s, home, err) < 0)
		return -1;
	return checked ? check(&s, err) : 0;
}
