/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmseed verify: a medium or a replica, read whole. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "commands.h"
#include "custody_note.h"
#include "media_args.h"
#include "out.h"
#include "scratch.h"
#include "replica/find.h"
#include "replica/home_store.h"
#include "set_show.h"
#include "verdict.h"
#include "verify/verify.h"

/* ---- media ---- */

static const char *seed_verdict(const struct seed_verify_seed *s)
{
	if (!s->name)
		return "not opened";
	if (s->unchecked_blocks)
		return "not all checked";
	if (!s->sound)
		return "DAMAGED";
	return s->data ? "ok" : "ok (no data)";
}

static int print_seeds(const struct cli *cli, const struct seed_verify *v, struct seed_error *err)
{
	const struct out_column columns[] = {
		{ "VM", false, OUT_CUT }, { "SEED", false, OUT_WHOLE },
		{ "GENERATION", true, OUT_WHOLE }, { "DATA", true, OUT_WHOLE },
		{ "MISSING", true, OUT_WHOLE }, { "VERDICT", false, OUT_WHOLE },
	};
	SEED_AUTO(out_table_freep) struct out_table *table = NULL;

	if (out_table_new(&table, columns, sizeof(columns) / sizeof(columns[0]), err) < 0)
		return -1;
	out_table_colours(table, cli_colour(cli, STDOUT_FILENO));
	for (size_t i = 0; i < v->seeds.count; i++) {
		const struct seed_verify_seed *s = seed_vec_at(&v->seeds, i);
		char name[SEED_QUOTED], id[SEED_ID_TEXT], gen[24], data[32], missing[32];

		seed_id_text(&s->id, id);
		id[8] = '\0';
		snprintf(gen, sizeof(gen), "%" PRIu64, s->generation);
		seed_size_text(s->missing_blocks * SEED_BLOCK_SIZE, missing);
		out_table_row(table, (const char *[]){
			s->name ? out_name(s->name, name, sizeof(name)) : NULL,
			id,
			s->name ? gen : NULL,
			s->name ? seed_size_text(s->blocks * SEED_BLOCK_SIZE, data) : NULL,
			s->missing_blocks ? missing : NULL,
			seed_verdict(s),
		});
		out_table_mood(table, 5, !s->name || s->unchecked_blocks ? OUT_DOUBTFUL :
			       s->sound ? OUT_GOOD : OUT_BAD);
	}
	return out_table_print(table, err);
}

static void print_checked(const struct seed_verify *v)
{
	char bytes[32];

	printf("\nChecked %" PRIu64 " pack%s, %" PRIu64 " records, %" PRIu64 " blocks and %" PRIu64
	       " other files: %s read%s.\n",
	       v->packs, v->packs == 1 ? "" : "s", v->records, v->blocks, v->files,
	       seed_size_text(v->bytes, bytes),
	       v->cached ? " (partly from memory: this file system cannot be read past its cache)" :
			   "");
	if (v->unopened_records)
		printf("Not checked: what is inside %" PRIu64
		       " sealed records; the receiving key is not here. Their\nciphertext is what "
		       "the exporter signed.\n",
		       v->unopened_records);
	if (v->custody_entries)
		printf("Custody: %" PRIu64 " entr%s%s.\n", v->custody_entries,
		       v->custody_entries == 1 ? "y" : "ies",
		       v->custody_untrusted ?
			       ", some of them signed by sites that are not trusted here" :
			       "");
	if (!v->seeds.count && v->packs)
		printf("No seeds here: the manifests are on the set's last volume, or the export "
		       "was interrupted.\n");
	set_show_missing(&v->views);
	if (v->unfinished_files)
		printf("Beside them lie %" PRIu64
		       " file%s of an export that was interrupted: run it again.\n",
		       v->unfinished_files, v->unfinished_files == 1 ? "" : "s");
}

static struct seed_json *problems_json(const struct seed_vec *problems)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < problems->count; i++) {
		const struct seed_verify_problem *p = seed_vec_at(problems, i);
		struct seed_json *o = seed_json_new_object();

		seed_json_set_text(o, "what", p->what);
		verdict_json(o, &p->err);
		seed_json_append(array, o);
	}
	return array;
}

static int print_media_json(const struct seed_verify *v, struct seed_error *err)
{
	struct seed_json *doc = out_json_new("verify"), *seeds = seed_json_new_array();

	seed_json_set_text(doc, "message_type", "summary");
	seed_json_set_bool(doc, "sound", v->problems.count == 0);
	seed_json_set_uint(doc, "packs", v->packs);
	seed_json_set_uint(doc, "records", v->records);
	seed_json_set_uint(doc, "unopened_records", v->unopened_records);
	seed_json_set_uint(doc, "blocks", v->blocks);
	seed_json_set_uint(doc, "files", v->files);
	seed_json_set_uint(doc, "custody_entries", v->custody_entries);
	seed_json_set_uint(doc, "custody_untrusted", v->custody_untrusted);
	seed_json_set_uint(doc, "custody_unsigned", v->custody_unsigned);
	seed_json_set_uint(doc, "unfinished_files", v->unfinished_files);
	seed_json_set_uint(doc, "bytes_read", v->bytes);
	seed_json_set_bool(doc, "past_cache", !v->cached);
	for (size_t i = 0; i < v->seeds.count; i++) {
		const struct seed_verify_seed *s = seed_vec_at(&v->seeds, i);
		struct seed_json *o = seed_json_new_object();

		seed_json_set_id(o, "seed", &s->id);
		seed_json_set_bool(o, "opened", s->name != NULL);
		if (s->name) {
			seed_json_set_text(o, "name", s->name);
			seed_json_set_uuid(o, "uuid", &s->uuid);
			seed_json_set_uint(o, "generation", s->generation);
			seed_json_set_bool(o, "data", s->data);
			seed_json_set_uint(o, "data_blocks", s->blocks);
			seed_json_set_uint(o, "missing_blocks", s->missing_blocks);
			seed_json_set_uint(o, "unchecked_blocks", s->unchecked_blocks);
			seed_json_set_bool(o, "sound", s->sound);
		}
		seed_json_append(seeds, o);
	}
	seed_json_set(doc, "seeds", seeds);
	set_show_json(doc, &v->views);
	seed_json_set(doc, "problems", problems_json(&v->problems));
	return out_json_print(doc, err);
}

static int verify_media(struct cli *cli, const char **dirs, struct seed_verify_options *opt,
			struct seed_error *err)
{
	struct seed_verify v = { 0 };
	struct seed_error shown = { 0 };
	struct seed_vec media = { 0 };
	struct scratch scratch;
	int rc;

	if (scratch_make(&scratch, err) < 0)
		return -1;
	opt->scratch = scratch.fd;
	rc = media_args_open(cli, &media, dirs, opt->trust, err);
	if (rc == 0)
		rc = seed_verify_media(&v, &media, opt, err);
	for (size_t i = 0; rc == 0 && !cli->dry_run && i < media.count; i++)
		custody_note_verify(cli, *(struct seed_medium **)seed_vec_at(&media, i), &v);
	if (rc == 0) {
		cli_end_progress(cli);
		rc = seed_verify_conclude(&v.problems, err);
		if ((cli->json ? print_media_json(&v, &shown) : print_seeds(cli, &v, &shown)) < 0 &&
		    rc == 0) {
			*err = shown;
			rc = -1;
		}
		if (!cli->json && v.volumes)
			print_checked(&v);
	}
	scratch_remove(&scratch);
	seed_verify_clear(&v);
	media_args_close(&media);
	return rc;
}

/* ---- a replica ---- */

static void print_bad(const struct seed_verify_disk *d)
{
	enum { SHOWN = 8 };

	for (size_t i = 0; i < d->bad.count && i < SHOWN; i++) {
		const struct seed_run *run = seed_vec_at(&d->bad, i);

		if (run->count == 1)
			printf("disk %s: block %" PRIu64 " differs (at offset %" PRIu64 ")\n",
			       d->slot, run->start, run->start * SEED_BLOCK_SIZE);
		else
			printf("disk %s: blocks %" PRIu64 " to %" PRIu64
			       " differ (at offset %" PRIu64 ")\n",
			       d->slot, run->start, run->start + run->count - 1,
			       run->start * SEED_BLOCK_SIZE);
	}
	if (d->bad.count > SHOWN)
		printf("disk %s: and %zu more places (--json lists them all)\n", d->slot,
		       d->bad.count - SHOWN);
}

/* The missing list first: without it a resync takes what was written for somebody's work, or, where
 * the stamp still holds, does not look; and an import takes the replica for whole. */
static void print_ways_on(const char *name, const struct seed_verify_replica *v)
{
	if (v->promoted)
		printf("It is promoted: what the VM wrote since differs from then, and that is "
		       "well.\n");
	else
		printf("To mend it: first 'vmseed adopt --discard-changes %s', which notes what "
		       "differs as\n"
		       "missing; then a resync to it, or an import of its generation, brings that "
		       "anew. Where\n"
		       "nobody wrote to it and the disk has rotten, 'vmseed resync --paranoid' "
		       "alone does.\n",
		       name);
}

static void print_replica(const char *name, const struct seed_verify_replica *v)
{
	char bytes[32], missing[32];

	for (size_t i = 0; i < v->disks.count; i++)
		print_bad(seed_vec_at(&v->disks, i));
	printf("%s: %s read, %" PRIu64 " block%s differ%s, %s missing.\n", name,
	       seed_size_text(v->bytes, bytes), v->bad_blocks, v->bad_blocks == 1 ? "" : "s",
	       v->bad_blocks == 1 ? "s" : "",
	       v->missing_blocks ? seed_size_text(v->missing_blocks * SEED_BLOCK_SIZE, missing) :
				   "none");
	if (v->bad_blocks)
		print_ways_on(name, v);
}

static int print_replica_json(const char *name, const struct seed_verify_replica *v,
			      struct seed_error *err)
{
	struct seed_json *doc = out_json_new("verify-replica"), *disks = seed_json_new_array();

	seed_json_set_text(doc, "message_type", "summary");
	seed_json_set_text(doc, "replica", name);
	seed_json_set_bool(doc, "sound", v->problems.count == 0);
	seed_json_set_uint(doc, "bytes_read", v->bytes);
	seed_json_set_uint(doc, "bad_blocks", v->bad_blocks);
	seed_json_set_uint(doc, "missing_blocks", v->missing_blocks);
	for (size_t i = 0; i < v->disks.count; i++) {
		const struct seed_verify_disk *d = seed_vec_at(&v->disks, i);
		struct seed_json *o = seed_json_new_object(), *bad = seed_json_new_array();

		seed_json_set_text(o, "slot", d->slot);
		seed_json_set_uint(o, "blocks", d->blocks);
		for (size_t k = 0; k < d->bad.count; k++) {
			const struct seed_run *run = seed_vec_at(&d->bad, k);
			struct seed_json *pair = seed_json_new_array();

			seed_json_append_uint(pair, run->start);
			seed_json_append_uint(pair, run->count);
			seed_json_append(bad, pair);
		}
		seed_json_set(o, "bad", bad);
		seed_json_append(disks, o);
	}
	seed_json_set(doc, "disks", disks);
	seed_json_set(doc, "problems", problems_json(&v->problems));
	return out_json_print(doc, err);
}

static int verify_replica(struct cli *cli, int home, const char *name,
			  const struct seed_verify_options *opt, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int store = -1;
	struct seed_verify_replica v = { 0 };
	struct seed_error shown = { 0 };
	char folder[SEED_REPLICA_NAME];
	int rc;

	if (seed_store_open(&store, home, NULL, false, NULL, err) < 0 ||
	    seed_replica_find(folder, store, name, err) < 0)
		return cli_named(err);
	rc = seed_verify_replica(&v, store, folder, opt, err);
	if (rc == 0) {
		cli_end_progress(cli);
		rc = seed_verify_conclude(&v.problems, err);
		if (rc == 0 && v.missing_blocks)
			rc = seed_error_set(err, SEED_ERR_PARTIAL,
					    "%s is incomplete: import again from an undamaged "
					    "medium",
					    folder);
		if (!cli->json)
			print_replica(folder, &v);
		else if (print_replica_json(folder, &v, &shown) < 0 && rc == 0) {
			*err = shown;
			rc = -1;
		}
	}
	seed_verify_replica_clear(&v);
	return rc;
}

/* Each has its lines; the first that is not well gives the status, and the others are read all the
 * same. JSON is one document, for one replica. */
static int verify_replicas(struct cli *cli, int home, const char **names,
			   const struct seed_verify_options *opt, struct seed_error *err)
{
	int rc = 0;

	if (cli->json && names[1])
		return seed_error_set(err, SEED_ERR_USAGE, "--json: one --replica at a time");
	for (; *names; names++) {
		struct seed_error why = { 0 };

		if (verify_replica(cli, home, *names, opt, &why) == 0)
			continue;
		if (rc < 0)
			cli_warn(cli, "%s", why.text);
		else
			*err = why;
		rc = -1;
		if (why.kind == SEED_ERR_CANCELLED)
			break;
	}
	return rc;
}

/* ---- the command ---- */

static int run_verify(struct cli *cli, const char **media, const char **replicas,
		      struct seed_error *err)
{
	struct seed_verify_options opt = {
		.jobs = cli->jobs,
		.memory = 128u << 20,
		.events = cli_events(cli),
		.cancel = cli->cancel,
	};
	int home;

	if (!media == !replicas)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "give either --media DIR or --replica REPLICA");
	if (cli_home(cli, &home, err) < 0 || cli_site(cli, &opt.own, err) < 0 ||
	    cli_trust(cli, &opt.trust, err) < 0)
		return -1;
	opt.home = home;
	return media ? verify_media(cli, media, &opt, err) :
		       verify_replicas(cli, home, replicas, &opt, err);
}

int cmd_verify(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(cli_list_freep) const char **media = NULL;
	SEED_AUTO(cli_list_freep) const char **replicas = NULL;
	const struct poptOption table[] = {
		{ "media", 'm', POPT_ARG_ARGV, &media, 0, "read all of the medium in DIR", "DIR" },
		{ "replica", 0, POPT_ARG_ARGV, &replicas, 0, "read all of a replica", "REPLICA" },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.about = "Read a medium or a replica whole and check all of it: "
				 "signatures,\n"
				 "packs, records, blocks, digest lists and roots.",
			.examples = { "vmseed verify --media /media/caddy",
				      "vmseed verify --replica web01" } });

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 0, 0, err) < 0)
		return -1;
	return run_verify(cli, media, replicas, err);
}
