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
#include "out.h"
#include "replica/find.h"
#include "replica/home_store.h"

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

static int run(struct cli *cli, const char *name, bool force, struct seed_error *err)
{
	SEED_AUTO(seed_promoted_clear) struct seed_promoted promoted = { 0 };
	struct seed_promote_options opt = { .force = force, .dry_run = cli->dry_run,
					    .events = cli_events(cli), .cancel = cli->cancel };
	SEED_AUTO(seed_fd_closep) int store = -1;
	SEED_AUTO(seed_freep) char *path = NULL;
	char folder[SEED_REPLICA_NAME];

	if (cli_home(cli, &opt.home, err) < 0 || cli_site(cli, &opt.own, err) < 0)
		return -1;
	if (seed_store_open(&store, opt.home, NULL, false, &path, err) < 0 ||
	    seed_replica_find(folder, store, name, err) < 0)
		return cli_named(err);
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
		  "also when the copy was taken of disks that changed meanwhile", NULL },
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
