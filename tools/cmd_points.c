// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmseed points: earlier states of replicas. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "commands.h"
#include "out.h"
#include "replica/find.h"
#include "replica/home_store.h"
#include "replica/points.h"

struct points {
	struct cli *cli;
	char *store_path;
	struct out_table *table;	/* or ... */
	struct seed_json *list;		/* ... this */
	size_t listed, broken;
};

static void clear(struct points *p)
{
	free(p->store_path);
	out_table_free(p->table);
	seed_json_free(p->list);
}

/* ---- list ---- */

static int point_path(const struct points *p, const struct seed_replica *replica,
		      const struct seed_point *point, struct seed_buf *out, struct seed_error *err)
{
	return seed_buf_addf(out, err, "%s/%s/points/%" PRIu64, p->store_path, replica->name,
			     point->generation);
}

static struct seed_json *point_json(const struct seed_replica *replica,
				    const struct seed_point *point, const char *path)
{
	struct seed_json *item = seed_json_new_object();
	char time[SEED_TIME_TEXT];

	out_json_name(item, "name", replica->vm_name);
	seed_json_set_text(item, "replica", replica->name);
	seed_json_set_uint(item, "generation", point->generation);
	if (point->imported > 0)
		seed_json_set_text(item, "reached", seed_clock_text(point->imported, time));
	else
		seed_json_set_null(item, "reached");
	seed_json_set_uint(item, "size", point->size);
	seed_json_set_bool(item, "broken", point->broken);
	out_json_name(item, "path", path);
	return item;
}

static int add_point(struct points *p, const struct seed_replica *replica,
		     const struct seed_point *point, struct seed_error *err)
{
	SEED_AUTO(seed_buf_free) struct seed_buf path = { 0 };
	char name[SEED_QUOTED], generation[24], size[32], time[SEED_TIME_TEXT];
	char quoted[SEED_QUOTED];

	if (point_path(p, replica, point, &path, err) < 0)
		return -1;
	p->listed++;
	p->broken += point->broken;
	if (p->list) {
		seed_json_append(p->list, point_json(replica, point, path.data));
		return 0;
	}
	snprintf(generation, sizeof(generation), "%" PRIu64, point->generation);
	out_table_row(p->table, (const char *[]){
		out_name(replica->vm_name, name, sizeof(name)), generation,
		point->broken ? "broken" :
		point->imported > 0 ? seed_clock_text(point->imported, time) : NULL,
		point->broken ? NULL : seed_size_text(point->size, size),
		seed_quote(path.data, quoted, sizeof(quoted)) });
	return 0;
}

static int visit_replica(const char *name, struct seed_replica *replica,
			 const struct seed_error *why, void *arg, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec points = { 0 };
	struct points *p = arg;

	(void)name;
	if (!replica) {
		p->broken++;
		cli_warn(p->cli, "%s", why->text);
		return 0;
	}
	if (seed_points_list(&points, replica, err) < 0)
		return -1;
	for (size_t i = 0; i < points.count; i++)
		if (add_point(p, replica, seed_vec_at(&points, i), err) < 0)
			return -1;
	return 0;
}

/* A home that never imported has no store, and no points. */
static int open_store(struct points *p, int *store, struct seed_error *err)
{
	struct seed_error why = { 0 };
	int home;

	if (cli_home(p->cli, &home, err) < 0)
		return -1;
	if (seed_store_open(store, home, NULL, false, &p->store_path, &why) == 0)
		return 0;
	*err = why;
	return -1;
}

static int walk(struct points *p, const char *name, struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;
	SEED_AUTO(seed_fd_closep) int store = -1;
	char folder[SEED_REPLICA_NAME];

	if (open_store(p, &store, err) < 0)
		return name ? cli_named(err) : err->kind == SEED_ERR_NOTFOUND ? 0 : -1;
	if (!name)
		return seed_store_each(store, visit_replica, p, err);
	if (seed_replica_find(folder, store, name, err) < 0)
		return cli_named(err);
	if (seed_replica_open(&replica, store, folder, false, err) < 0)
		return -1;
	return visit_replica(folder, replica, NULL, p, err);
}

static int show(struct points *p, const char *name, struct seed_error *err)
{
	static const struct out_column columns[] = {
		{ "NAME", false, OUT_CUT }, { "GENERATION", true, OUT_WHOLE },
		{ "REACHED", false, OUT_WHOLE }, { "SIZE", true, OUT_WHOLE },
		{ "PATH", false, OUT_WRAP },
	};
	struct seed_json *doc;

	if (p->cli->json)
		p->list = seed_json_new_array();
	else if (out_table_new(&p->table, columns, sizeof(columns) / sizeof(columns[0]), err) < 0)
		return -1;
	if (walk(p, name, err) < 0)
		return -1;
	if (!p->cli->json) {
		if (!p->listed)
			cli_note(p->cli, "no recovery points are kept here");
		return out_table_print(p->table, err);
	}
	doc = out_json_new("points");
	if (p->store_path)
		out_json_name(doc, "store", p->store_path);
	else
		seed_json_set_null(doc, "store");
	seed_json_set(doc, "points", seed_steal(&p->list));
	return out_json_print(doc, err);
}

static int points_list(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(clear) struct points p = { .cli = cli };
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, NULL,
		&(struct cli_usage){
			.args = "[REPLICA]",
			.about = "List the recovery points of all replicas, or of one, and where "
				 "each\n"
				 "lies: its disks can be read by path.",
			.examples = { "vmseed points", "vmseed points --json web01" } });

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 0, 1, err) < 0 ||
	    show(&p, cli_rest(ctx)[0], err) < 0)
		return -1;
	if (p.broken)
		return seed_error_set(err, SEED_ERR_PARTIAL, "%zu cannot be read", p.broken);
	return 0;
}

/* ---- restore and delete ---- */

static int generation_of(uint64_t *out, const char *text, struct seed_error *err)
{
	char quoted[SEED_QUOTED], *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || *out > SEED_GENERATION_MAX)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s is no generation: give a number that 'vmseed points' "
				      "lists",
				      seed_quote(text, quoted, sizeof(quoted)));
	return 0;
}

/* REPLICA GENERATION, found; locked unless this is a dry run. */
static int find(struct points *p, const char **args, struct seed_replica **replica,
		struct seed_point *out, struct seed_error *err)
{
	const struct seed_replica_watch watch = { cli_events(p->cli), p->cli->cancel };
	SEED_AUTO(seed_vec_free) struct seed_vec points = { 0 };
	SEED_AUTO(seed_fd_closep) int store = -1;
	char folder[SEED_REPLICA_NAME];
	uint64_t generation;

	if (generation_of(&generation, args[1], err) < 0)
		return -1;
	if (open_store(p, &store, err) < 0 || seed_replica_find(folder, store, args[0], err) < 0)
		return cli_named(err);
	if ((p->cli->dry_run ?
		     seed_replica_open(replica, store, folder, false, err) :
		     seed_replica_open_watched(replica, store, folder, &watch, err)) < 0 ||
	    seed_points_list(&points, *replica, err) < 0)
		return -1;
	for (size_t i = 0; i < points.count; i++) {
		*out = *(struct seed_point *)seed_vec_at(&points, i);
		if (out->generation == generation)
			return 0;
	}
	return seed_error_set(err, SEED_ERR_USAGE,
			      "replica %s has no recovery point of generation %" PRIu64
			      " ('vmseed points' lists them)",
			      folder, generation);
}

static int print_done(struct cli *cli, const char *doc_name, const struct seed_replica *replica,
		      uint64_t was, uint64_t generation, struct seed_error *err)
{
	struct seed_json *doc = out_json_new(doc_name);

	out_json_name(doc, "name", replica->vm_name);
	seed_json_set_text(doc, "replica", replica->name);
	seed_json_set_uint(doc, "generation", generation);
	seed_json_set_uint(doc, "was", was);
	seed_json_set_bool(doc, "dry_run", cli->dry_run);
	return out_json_print(doc, err);
}

static int points_restore(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;
	SEED_AUTO(clear) struct points p = { .cli = cli };
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, NULL,
		&(struct cli_usage){
			.args = "REPLICA GENERATION",
			.about = "Make a replica what it was at a recovery point. Its present "
				 "state\n"
				 "becomes a point first.",
			.examples = { "vmseed points restore web01 12",
				      "vmseed points restore --dry-run web01 12" } });
	struct seed_point point;
	uint64_t was;

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 2, 2, err) < 0 ||
	    find(&p, cli_rest(ctx), &replica, &point, err) < 0)
		return -1;
	was = replica->generation;
	if (point.broken)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "replica %s: recovery point %" PRIu64
				      " cannot be understood: its disks can still be copied by "
				      "path",
				      replica->name, point.generation);
	if (cli->dry_run ? seed_points_may(replica, err) < 0 :
			   seed_points_restore(replica, point.generation, err) < 0)
		return -1;
	if (cli->json)
		return print_done(cli, "points-restore", replica, was, point.generation, err);
	if (cli->dry_run)
		printf("Would make %s what it was at generation %" PRIu64 "; it is at %" PRIu64
		       " now, which would become a recovery point.\n",
		       replica->name, point.generation, was);
	else
		printf("%s is at generation %" PRIu64 " again; generation %" PRIu64
		       " is a recovery point now.\n", replica->name, point.generation, was);
	return 0;
}

static int points_delete(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;
	SEED_AUTO(clear) struct points p = { .cli = cli };
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, NULL,
		&(struct cli_usage){
			.args = "REPLICA GENERATION",
			.about = "Delete one recovery point of a replica, for good.",
			.examples = { "vmseed points delete web01 12",
				      "vmseed points delete --dry-run web01 12" } });
	struct seed_point point;

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 2, 2, err) < 0 ||
	    find(&p, cli_rest(ctx), &replica, &point, err) < 0 ||
	    (!cli->dry_run && seed_points_delete(replica, point.generation, err) < 0))
		return -1;
	if (cli->json)
		return print_done(cli, "points-delete", replica, replica->generation,
				  point.generation, err);
	printf("%s recovery point %" PRIu64 " of %s.\n", cli->dry_run ? "Would delete" : "Deleted",
	       point.generation, replica->name);
	return 0;
}

/* ---- the command ---- */

int cmd_points(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	static const struct cli_command verbs[] = {
		{ "list", points_list, "what is kept, and where" },
		{ "restore", points_restore, "make a replica what it was" },
		{ "delete", points_delete, "delete one" },
		{ NULL, NULL, NULL },
	};
	static const struct cli_usage use = {
		.args = "[REPLICA | COMMAND ARGUMENT...]",
		.about = "Recovery points: earlier states of replicas. Without a command they are "
			 "listed.",
		.examples = { "vmseed points",
			      "vmseed points web01",
			      "vmseed points restore web01 12",
			      "vmseed points delete web01 12" },
		.otherwise = points_list,
	};

	return cli_dispatch(cli, argc, argv, verbs, &use, err);
}
