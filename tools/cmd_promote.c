// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmseed promote: a replica becomes the VM. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/text.h"
#include "base/vec.h"
#include "commands.h"
#include "handover/promote.h"
#include "handover/take_back.h"
#include "out.h"
#include "replica/find.h"
#include "replica/home_store.h"
#include "vm_arg.h"

static int disk_path(const char *store, const struct seed_replica *r,
		     const struct seed_replica_disk *disk, struct seed_buf *out,
		     struct seed_error *err)
{
	return seed_buf_addf(out, err, "%s/%s/%s", store, r->name, disk->file);
}

static int print_json(const struct cli *cli, const struct seed_promoted *p, const char *store,
		      struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = out_json_new("promote");
	struct seed_json *disks = seed_json_new_array();
	const struct seed_replica *r = p->replica;

	out_json_name(doc, "name", r->vm_name);
	seed_json_set_text(doc, "replica", r->name);
	seed_json_set_uuid(doc, "uuid", &r->uuid);
	seed_json_set_id(doc, "site", &r->site);
	seed_json_set_uint(doc, "generation", r->generation);
	seed_json_set_text(doc, "captured", seed_captured_name(r->captured));
	if (cli->dry_run && !p->already)
		seed_json_set_null(doc, "timeline");
	else
		seed_json_set_id(doc, "timeline", &p->timeline);
	seed_json_set_id(doc, "forked_from", &p->parent);
	seed_json_set_bool(doc, "already", p->already);
	seed_json_set_bool(doc, "dry_run", cli->dry_run);
	seed_json_set(doc, "disks", disks);
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);
		SEED_AUTO(seed_buf_free) struct seed_buf path = { 0 };
		struct seed_json *item = seed_json_new_object();

		seed_json_append(disks, item);
		if (disk_path(store, r, disk, &path, err) < 0)
			return -1;
		seed_json_set_text(item, "slot", disk->slot);
		out_json_name(item, "path", path.data);
		seed_json_set_uint(item, "size", disk->size);
	}
	return out_json_print(seed_steal(&doc), err);
}

static int print_text(const struct cli *cli, const struct seed_promoted *p, const char *store,
		      struct seed_error *err)
{
	const struct seed_replica *r = p->replica;
	char buf[SEED_QUOTED], quoted[SEED_QUOTED], size[32];
	const char *name = out_name(r->vm_name, buf, sizeof(buf));

	if (p->already)
		printf("%s is promoted already, since generation %" PRIu64 ".\n", name,
		       r->generation);
	else
		printf("%s %s at generation %" PRIu64 ": this site %s its history.\n",
		       cli->dry_run ? "Would promote" : "Promoted", name, r->generation,
		       cli->dry_run ? "would go on with" : "goes on with");
	printf("\nIts disks:\n");
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);
		SEED_AUTO(seed_buf_free) struct seed_buf path = { 0 };

		if (disk_path(store, r, disk, &path, err) < 0)
			return -1;
		printf("  %-8s %s (%s)\n", disk->slot,
		       seed_quote(path.data, quoted, sizeof(quoted)),
		       seed_size_text(disk->size, size));
	}
	if (!cli->dry_run)
		printf("\nNext: start it with these disks. To send what changes here back to the "
		       "site where it\n"
		       "ran: 'vmseed adopt' there, then 'vmseed resync --to SITE %s' here.\n",
		       name);
	return 0;
}

/* ---- a VM of this site that was handed over ---- */

static int print_taken_json(const struct cli *cli, const struct seed_taken_back *t,
			    const char *name, struct seed_error *err)
{
	struct seed_json *doc = out_json_new("promote");

	out_json_name(doc, "name", name);
	seed_json_set_null(doc, "replica");
	seed_json_set_uuid(doc, "uuid", &t->uuid);
	seed_json_set_id(doc, "site", &t->site);
	seed_json_set_uint(doc, "generation", t->generation);
	seed_json_set_null(doc, "captured");
	if (cli->dry_run)
		seed_json_set_null(doc, "timeline");
	else
		seed_json_set_id(doc, "timeline", &t->timeline);
	seed_json_set_id(doc, "forked_from", &t->parent);
	seed_json_set_bool(doc, "already", t->already);
	seed_json_set_bool(doc, "dry_run", cli->dry_run);
	seed_json_set(doc, "disks", seed_json_new_array());
	return out_json_print(doc, err);
}

static void print_taken_text(const struct cli *cli, const struct seed_taken_back *t,
			     const char *raw_name)
{
	char buf[SEED_QUOTED];
	const char *name = out_name(raw_name, buf, sizeof(buf));

	if (t->already)
		printf("%s is taken back already, since generation %" PRIu64 ".\n", name,
		       t->generation);
	else
		printf("%s %s at generation %" PRIu64 ": this site %s its history.\n",
		       cli->dry_run ? "Would take back" : "Took back", name, t->generation,
		       cli->dry_run ? "would go on with" : "goes on with");
	printf("Its disks are where they were.\n");
	if (!cli->dry_run)
		printf("\nNext: start it here, never at both sites. 'vmseed resync --to SITE %s' "
		       "or "
		       "'vmseed export'\nkeeps the replica at the other site current again. Where "
		       "that site promoted it, this is split\nbrain: the next resync says so and "
		       "changes nothing.\n",
		       name);
}

/* No replica has that name. *@found: a VM that this site sends does. */
static int run_taken(struct cli *cli, const char *text, int store,
		     const struct seed_promote_options *promote, bool *found,
		     struct seed_error *err)
{
	struct seed_take_back_options opt = { .home = promote->home, .store = store,
					      .own = promote->own, .force = promote->force,
					      .dry_run = promote->dry_run };
	SEED_AUTO(seed_freep) char *name = NULL;
	struct seed_taken_back taken;
	struct seed_id uuid;

	if (vm_arg_record(cli, text, &uuid, &name, found, err) < 0)
		return -1;
	if (!*found)
		return 0;
	opt.vm_name = name;
	if (seed_take_back(&taken, &uuid, &opt, err) < 0)
		return cli_named(err);
	if (cli->json)
		return print_taken_json(cli, &taken, name, err);
	print_taken_text(cli, &taken, name);
	return 0;
}

static int run(struct cli *cli, const char *name, bool force, struct seed_error *err)
{
	SEED_AUTO(seed_promoted_clear) struct seed_promoted promoted = { 0 };
	struct seed_promote_options opt = { .force = force, .dry_run = cli->dry_run,
					    .events = cli_events(cli), .cancel = cli->cancel };
	SEED_AUTO(seed_fd_closep) int store = -1;
	SEED_AUTO(seed_freep) char *path = NULL;
	char folder[SEED_REPLICA_NAME];
	struct seed_error why = { 0 };
	bool found = false;

	if (cli_home(cli, &opt.home, err) < 0 || cli_site(cli, &opt.own, err) < 0)
		return -1;
	if (seed_store_open(&store, opt.home, NULL, false, &path, err) < 0 ||
	    seed_replica_find(folder, store, name, err) < 0) {
		if (err->kind != SEED_ERR_NOTFOUND)
			return cli_named(err);
		if (run_taken(cli, name, store, &opt, &found, &why) < 0) {
			*err = why;
			return -1;
		}
		if (!found)
			return cli_named(err);
		*err = (struct seed_error){ 0 };
		return 0;
	}
	opt.store = store;
	if (seed_promote(&promoted, folder, &opt, err) < 0)
		return -1;
	return cli->json ? print_json(cli, &promoted, path, err) :
			   print_text(cli, &promoted, path, err);
}

int cmd_promote(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	int force = 0;
	const struct poptOption table[] = {
		{ "force", 0, POPT_ARG_NONE, &force, 0,
		  "also when the copy was taken of disks that changed meanwhile; take back a VM "
		  "that was handed over", NULL },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.args = "REPLICA",
			.about = "Make a replica the VM: this site goes on with its history, and "
				 "nothing\n"
				 "is written over it any more.",
			.examples = { "vmseed promote web01",
				      "vmseed promote --dry-run web01.1a2b3c4d" } });

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 1, 1, err) < 0)
		return -1;
	return run(cli, cli_rest(ctx)[0], force, err);
}
