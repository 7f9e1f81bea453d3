// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmseed adopt: disks that are here become a candidate. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/text.h"
#include "commands.h"
#include "handover/adopt.h"
#include "out.h"
#include "replica/find.h"
#include "replica/home_store.h"
#include "verdict.h"
#include "vm_arg.h"

static const char *how_name(enum seed_adopted_how how)
{
	static const char *const names[] = {
		[SEED_ADOPTED_STAYED] = "stayed", [SEED_ADOPTED_MOVED] = "moved",
		[SEED_ADOPTED_SHARED] = "shared", [SEED_ADOPTED_COPIED] = "copied",
	};

	return names[how];
}

static int print_json(const struct cli *cli, const struct seed_adopted *a,
		      const struct seed_error *refused, struct seed_error *err)
{
	struct seed_json *doc = out_json_new("adopt");

	seed_json_set_text(doc, "message_type", "summary");
	out_json_name(doc, "name", a->vm_name);
	seed_json_set_text(doc, "replica", a->folder);
	seed_json_set_uuid(doc, "uuid", &a->uuid);
	seed_json_set_id(doc, "site", &a->site);
	seed_json_set_uint(doc, "generation", a->generation);
	seed_json_set_bool(doc, "adopted", !refused->kind && !cli->dry_run);
	seed_json_set_bool(doc, "already", a->already);
	seed_json_set_text(doc, "disks", how_name(a->how));
	seed_json_set_uint(doc, "changed_blocks", a->changed_blocks);
	seed_json_set_uint(doc, "changed_bytes", a->changed_bytes);
	seed_json_set_uint(doc, "bytes_read", a->bytes_read);
	seed_json_set_bool(doc, "dry_run", cli->dry_run);
	verdict_json(doc, refused);
	return out_json_print(doc, err);
}

/* Signed history that nobody will follow is never lost without a word. */
static void print_given_up(const struct cli *cli, const struct seed_adopted *a)
{
	if (!a->discard)
		return;
	printf("What this site signed of it after the other one forked off %s given up",
	       cli->dry_run ? "would be" : "is");
	if (a->acknowledged == 0 || a->acknowledged >= a->generation)
		printf(", up to generation %" PRIu64, a->generation);
	else if (a->acknowledged + 1 == a->generation)
		printf(": generation %" PRIu64, a->generation);
	else
		printf(": generations %" PRIu64 " to %" PRIu64, a->acknowledged + 1, a->generation);
	printf(".\nThe next resync replaces it.\n");
}

static void print_changes(const struct cli *cli, const struct seed_adopted *a)
{
	char size[32];

	if (a->changed_blocks)
		printf("%" PRIu64 " block%s (%s) written after the last sync %s.\n",
		       a->changed_blocks, a->changed_blocks == 1 ? "" : "s",
		       seed_size_text(a->changed_bytes, size),
		       cli->dry_run ? "would be given up" : "are given up");
	else if (a->doubted)
		printf("What was exported after generation %" PRIu64
		       ", the last that was acknowledged, %s given up.\n",
		       a->acknowledged, cli->dry_run ? "would be" : "is");
	else if (a->unsent)
		printf("What no other site got of it %s given up.\n",
		       cli->dry_run ? "would be" : "is");
	else if (a->unknown)
		printf("Nothing was written after the last export. No receipt says whether that "
		       "arrived: should\nthe other site have gone on from an earlier generation, "
		       "the next resync is refused as split\nbrain, and replaces nothing.\n");
	else
		printf("Nothing was written after the last sync.\n");
}

static void print_text(const struct cli *cli, const struct seed_adopted *a, bool in_place)
{
	static const char *const disks[] = {
		[SEED_ADOPTED_STAYED] = "its disks stay where they are",
		[SEED_ADOPTED_MOVED] = "its disks are moved into the store",
		[SEED_ADOPTED_SHARED] = "its disks share their blocks with the originals",
		[SEED_ADOPTED_COPIED] = "its disks are copies",
	};
	char buf[SEED_QUOTED], size[32];
	const char *name = out_name(a->vm_name, buf, sizeof(buf));

	if (a->edited && a->already) {
		printf("%s: what differs is missing already, and the next resync or import of "
		       "generation %" PRIu64 " brings\nit anew.\n",
		       a->folder, a->generation);
		return;
	}
	if (a->edited) {
		printf("%s: %" PRIu64
		       " block%s (%s) that %s written to it %s given up: missing now, and the next "
		       "resync\nor import of generation %" PRIu64 " brings %s anew.\n",
		       a->folder, a->changed_blocks, a->changed_blocks == 1 ? "" : "s",
		       seed_size_text(a->changed_bytes, size),
		       a->changed_blocks == 1 ? "was" : "were",
		       cli->dry_run	      ? "would be" :
		       a->changed_blocks == 1 ? "is" :
						"are",
		       a->generation, a->changed_blocks == 1 ? "it" : "them");
		return;
	}
	if (a->already) {
		printf("%s is adopted already: replica %s, a candidate at generation %" PRIu64
		       ".\n",
		       name, a->folder, a->generation);
		if (in_place && a->copied)
			printf("It was adopted as a copy: --in-place moved nothing, and the disks "
			       "are where they were.\n");
		print_given_up(cli, a);
		return;
	}
	printf("%s %s at generation %" PRIu64 " as replica %s: %s.\n",
	       cli->dry_run ? "Would adopt" : "Adopted", name, a->generation, a->folder,
	       disks[a->how]);
	print_changes(cli, a);
	print_given_up(cli, a);
	if (!cli->dry_run)
		printf("\nNext: 'vmseed resync' at the site that goes on with it proves the "
		       "candidate and brings the\n"
		       "differences. Nothing of %s is exported here until 'vmseed promote'.\n",
		       name);
}

/* What was counted is shown also when it is the reason for the refusal. */
static int conclude(struct cli *cli, const struct seed_adopted *a, bool in_place, int rc,
		    struct seed_error *err)
{
	struct seed_error shown = { 0 };

	cli_end_progress(cli);
	if (rc < 0 && !(a->vm_name && a->unsent && err->kind == SEED_ERR_IDENTITY))
		return -1;
	if (!cli->json) {
		if (rc == 0)
			print_text(cli, a, in_place);
		return rc;
	}
	if (print_json(cli, a, rc < 0 ? err : &shown, &shown) < 0 && rc == 0) {
		*err = shown;
		rc = -1;
	}
	return rc;
}

static int adopt_def(struct cli *cli, const struct seed_vmdef *def,
		     const struct seed_adopt_options *opt, struct seed_error *err)
{
	SEED_AUTO(seed_adopted_clear) struct seed_adopted adopted = { 0 };
	int rc = seed_adopt_vm(&adopted, def, opt, err);

	return conclude(cli, &adopted, opt->in_place, rc, err) < 0 ? cli_named(err) : 0;
}

static int adopt_vm(struct cli *cli, const char *arg, const char *uuid_text,
		    const struct seed_adopt_options *opt, struct seed_error *err)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	char quoted[SEED_QUOTED];
	struct seed_id uuid;

	if (uuid_text && seed_uuid_parse(&uuid, uuid_text, err) < 0) {
		err->kind = SEED_ERR_USAGE;
		return seed_error_prefix(err, "--uuid %s",
					 seed_quote(uuid_text, quoted, sizeof(quoted)));
	}
	if (seed_vmdef_read(&def, arg, uuid_text ? &uuid : NULL, err) < 0)
		return -1;
	return adopt_def(cli, def, opt, err);
}

static int adopt_replica(struct cli *cli, const char *folder, const struct seed_adopt_options *opt,
			 struct seed_error *err)
{
	SEED_AUTO(seed_adopted_clear) struct seed_adopted adopted = { 0 };
	int rc;

	if (opt->in_place)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "--in-place is for a VM's own disks: those of a replica are "
				      "in the store already");
	rc = seed_adopt_replica(&adopted, folder, opt, err);
	return conclude(cli, &adopted, opt->in_place, rc, err) < 0 ? cli_named(err) : 0;
}

/* A replica's name, or else that of a VM which was exported here, by its last definition. */
static int adopt_named(struct cli *cli, const char *name, const struct seed_adopt_options *opt,
		       struct seed_error *err)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	char folder[SEED_REPLICA_NAME];
	struct seed_error why = { 0 };

	if (seed_replica_find(folder, opt->store, name, err) == 0)
		return adopt_replica(cli, folder, opt, err);
	if (err->kind != SEED_ERR_NOTFOUND)
		return -1;
	if (vm_arg_read(cli, &def, name, NULL, &why) == 0)
		return adopt_def(cli, def, opt, err);
	*err = why;
	return seed_error_prefix(err, "no replica is called so");
}

static int run(struct cli *cli, const char *arg, const char *uuid, const char *follow,
	       struct seed_adopt_options *opt, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int store = -1;
	struct seed_error why = { 0 };

	const struct seed_trusted *heir;

	if (cli_home(cli, &opt->home, err) < 0 || cli_site(cli, &opt->own, err) < 0 ||
	    cli_trust(cli, &opt->trust, err) < 0)
		return -1;
	if (follow) {
		if (seed_trust_find(&heir, opt->trust, follow, err) < 0)
			return cli_named(err);
		if (heir->own)
			return seed_error_set(err, SEED_ERR_USAGE, "--follow %s: that is this site",
					      follow);
		opt->follow = &heir->card.site;
	}
	if (seed_store_open(&store, opt->home, NULL, !cli->dry_run, NULL, &why) < 0) {
		/* A dry run makes no store: the home itself holds no replicas. */
		if (!cli->dry_run || why.kind != SEED_ERR_NOTFOUND) {
			*err = why;
			return -1;
		}
		opt->store = opt->home;
	} else {
		opt->store = store;
	}
	opt->dry_run = cli->dry_run;
	opt->jobs = cli->jobs;
	opt->events = cli_events(cli);
	opt->cancel = cli->cancel;
	if (!uuid && vm_arg_is_name(arg))
		return adopt_named(cli, arg, opt, err);
	return adopt_vm(cli, arg, uuid, opt, err);
}

int cmd_adopt(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *uuid = NULL;
	SEED_AUTO(seed_freep) char *follow = NULL;
	struct seed_adopt_options opt = { 0 };
	int in_place = 0, discard = 0;
	const struct poptOption table[] = {
		{ "in-place", 0, POPT_ARG_NONE, &in_place, 0,
		  "move the disks into the store: nothing is copied", NULL },
		{ "discard-changes", 0, POPT_ARG_NONE, &discard, 0,
		  "give up what was written since the last sync", NULL },
		{ "follow", 0, POPT_ARG_STRING, &follow, 0,
		  "the site that goes on with the VM, where it can be several", "SITE" },
		{ "uuid", 0, POPT_ARG_STRING, &uuid, 0,
		  "of a VM that is named by its disks", "UUID" },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.args = "VM",
			.about = "Make a VM that another site goes on with, or a replica that was "
				 "promoted\n"
				 "here, a replica that it can be brought up to date as: its disks "
				 "are\n"
				 "read, and only differences will travel.",
			.examples = { "vmseed adopt web01.xml",
				      "vmseed adopt --in-place web01=/srv/web01.img",
				      "vmseed adopt --discard-changes web01" } });

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 1, 1, err) < 0)
		return -1;
	opt.in_place = in_place;
	opt.discard = discard;
	return run(cli, cli_rest(ctx)[0], uuid, follow, &opt, err);
}
