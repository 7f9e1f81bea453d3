// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmseed resync: replicas at another site are brought up to date. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/fd.h"
#include "base/path.h"
#include "commands.h"
#include "out.h"
#include "capture/source_vm.h"
#include "replica/home_store.h"
#include "resync/resync.h"
#include "resync_abort.h"
#include "resync_show.h"
#include "vm_arg.h"
#include "window.h"

#define RETRIES_MAX 1000

struct resync_args {
	char *to, *from, *limit, *window, *remote;
	const char **ssh_options;
	int all, over_wire, final, paranoid, abort;
	int keep, retries;
};

static void free_args(struct resync_args *a)
{
	free(a->to);
	free(a->from);
	free(a->limit);
	free(a->window);
	free(a->remote);
	cli_list_freep(&a->ssh_options);
}

static int check_args(const struct resync_args *a, poptContext ctx, struct seed_error *err)
{
	if (a->abort) {
		if (a->to || a->from || a->all)
			return seed_error_set(err, SEED_ERR_USAGE,
					      "--abort is for replicas of this home: without --to, "
					      "--from, --all");
		return cli_need_args(ctx, 1, CLI_ANY, err);
	}
	if (!a->to == !a->from)
		return seed_error_set(err, SEED_ERR_USAGE,
				      a->to ? "--to sends and --from fetches: give one of them" :
					      "say where with --to DEST (or --from DEST to fetch): "
					      "ssh://HOST, or the folder of another home");
	if (a->keep < 0 || a->keep > 1000)
		return seed_error_set(err, SEED_ERR_USAGE, "--keep %d: 0 to 1000 recovery points",
				      a->keep);
	if (a->retries < 0 || a->retries > RETRIES_MAX)
		return seed_error_set(err, SEED_ERR_USAGE, "--retries %d: 0 to %d", a->retries,
				      RETRIES_MAX);
	if (a->all)
		return cli_need_args(ctx, 0, 0, err);
	return cli_need_args(ctx, 1, CLI_ANY, err);
}

/* ---- the VMs ---- */

static int add_def(void *arg, const char *name, struct seed_vmdef *def,
		   const struct seed_error *why, struct seed_error *err)
{
	return def ? seed_resync_add_def(arg, def, err) :
		     seed_resync_add_failed(arg, name, why, err);
}

/* What is fetched goes by its name there; NAME.ID is that of the replica here, where there is
 * one. */
static int add_name(struct cli *cli, const char *name, struct seed_resync *run,
		    struct seed_error *err)
{
	struct seed_resync_vm *vm;
	struct seed_id uuid;
	bool found;

	if (vm_arg_by_id(cli, name, &uuid, &found, err) < 0 ||
	    seed_resync_add_name(run, name, err) < 0)
		return -1;
	vm = seed_vec_at(&run->vms, run->vms.count - 1);
	vm->has_uuid = found;
	if (found)
		vm->uuid = uuid;
	return 0;
}

static int read_def(struct cli *cli, const char *arg, struct seed_resync *run,
		    struct seed_error *err)
{
	struct seed_vmdef *def;

	return vm_arg_read(cli, &def, arg, NULL, err) < 0 ? -1 : seed_resync_add_def(run, def, err);
}

static int gather(struct cli *cli, int home, const struct resync_args *a, const char **names,
		  struct seed_resync *run, struct seed_error *err)
{
	if (a->all && a->from)
		return 0;		/* known once the other end is */
	if (a->all) {
		if (vm_arg_all(cli, home, add_def, run, err) < 0)
			return -1;
		if (!run->vms.count)
			return seed_error_set(err, SEED_ERR_USAGE,
					      "no VM was exported or resynced from here yet: name "
					      "them");
		return 0;
	}
	for (; *names; names++) {
		struct seed_error why = { 0 };

		/* One that is wrong does not keep the others from their night's run. */
		if ((a->from ? add_name(cli, *names, run, &why) :
			       read_def(cli, *names, run, &why)) == 0)
			continue;
		if (why.kind == SEED_ERR_CANCELLED) {
			*err = why;
			return -1;
		}
		if (seed_resync_add_failed(run, *names, &why, err) < 0)
			return -1;
	}
	return 0;
}

/* Two names for one VM would be two runs on one replica. */
static int refuse_twins(const struct seed_resync *run, const struct seed_site *own,
			struct seed_error *err)
{
	for (size_t i = 0; i < run->vms.count; i++) {
		const struct seed_resync_vm *a = seed_vec_at(&run->vms, i);

		for (size_t k = 0; k < i; k++) {
			const struct seed_resync_vm *b = seed_vec_at(&run->vms, k);
			char one[SEED_QUOTED], two[SEED_QUOTED];
			bool defs = a->def && b->def;
			struct seed_id x, y;

			/* Nothing is run for one that could not be read, whatever it was called. */
			if (a->result == SEED_RESYNC_FAILED || b->result == SEED_RESYNC_FAILED)
				continue;
			if (defs && (seed_source_vm_uuid(&x, a->def, own, err) < 0 ||
				     seed_source_vm_uuid(&y, b->def, own, err) < 0))
				return -1;
			if (defs ? seed_id_equal(&x, &y) : strcmp(a->name, b->name) == 0)
				return seed_error_set(err, SEED_ERR_USAGE,
						      "%s and %s are one VM: name it once",
						      seed_quote(a->name, one, sizeof(one)),
						      seed_quote(b->name, two, sizeof(two)));
		}
	}
	return 0;
}

/* ---- doing ---- */

static bool in_window(void *arg)
{
	return window_holds(arg, (time_t)seed_clock_wall());
}

static int parse_rate(const char *text, uint64_t *out, struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	*out = 0;
	if (!text)
		return 0;
	if (seed_size_parse(out, text, err) < 0 || *out == 0)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "--bwlimit %s: bytes a second, as 500K or 10M",
				      seed_quote(text, quoted, sizeof(quoted)));
	/* A whole frame has a minute. */
	if (*out < SEED_WIRE_LIMIT_MIN)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "--bwlimit %s: 16K at the least, or the other end takes it "
				      "for a dead link",
				      seed_quote(text, quoted, sizeof(quoted)));
	return 0;
}

static int show(struct cli *cli, const struct resync_args *a, const struct seed_resync *run,
		uint64_t ms, int rc, struct seed_error *err)
{
	struct seed_error shown = { 0 };

	cli_end_progress(cli);
	if (resync_show(cli, run, a->to ? a->to : a->from, a->from != NULL, ms, &shown) < 0) {
		if (rc == 0)
			*err = shown;
		return -1;
	}
	return rc;
}

static bool any_waiting(const struct seed_resync *run)
{
	for (size_t i = 0; i < run->vms.count; i++)
		if (((struct seed_resync_vm *)seed_vec_at(&run->vms, i))->result ==
		    SEED_RESYNC_WAITING)
			return true;
	return false;
}

/* ---- -n ---- */

static int add_follower(const char *name, struct seed_replica *replica,
			const struct seed_error *why, void *arg, struct seed_error *err)
{
	struct seed_resync *run = arg;
	const struct seed_id *source = replica ? seed_resync_source(replica) : NULL;
	struct seed_resync_vm *vm;

	(void)name;
	(void)why;
	if (!source)
		return 0;
	if (seed_resync_add_name(run, replica->vm_name, err) < 0)
		return -1;
	vm = seed_vec_at(&run->vms, run->vms.count - 1);
	vm->uuid = replica->uuid;
	vm->source = *source;
	vm->has_uuid = vm->has_source = true;
	return 0;
}

/* Who is at the other end is known once it is called: every replica that follows anybody is shown,
 * with whom. */
static int gather_followers(struct cli *cli, struct seed_resync *run, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int store = -1;
	struct seed_error why = { 0 };
	int home;

	if (cli_home(cli, &home, err) < 0)
		return -1;
	if (seed_store_open(&store, home, NULL, false, NULL, &why) == 0)
		return seed_store_each(store, add_follower, run, err);
	if (why.kind == SEED_ERR_NOTFOUND)
		return 0;
	*err = why;
	return -1;
}

static int show_plan(struct cli *cli, const struct resync_args *a, struct seed_resync *run,
		     const struct seed_dest *dest, struct seed_error *err)
{
	if (a->all && a->from && gather_followers(cli, run, err) < 0)
		return -1;
	if (a->all && a->from && !run->vms.count)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "there is no replica here that follows another site");
	return resync_show_plan(cli, run, dest, a->from != NULL, err);
}

/* ---- all of it ---- */

/* A folder on this machine can be looked at before anybody is called. */
static int check_dest(const struct seed_dest *dest, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	struct seed_error why = { 0 };
	char quoted[SEED_QUOTED];

	if (!dest->local)
		return 0;
	seed_quote(dest->home, quoted, sizeof(quoted));
	if (seed_path_open_folder(&fd, dest->home, &why) < 0) {
		if (why.sys_errno && why.sys_errno != ENOENT)
			return 0;	/* the other end says what is wrong with it */
		return seed_error_set(err, SEED_ERR_USAGE,
				      "no home at %s: DEST is ssh://HOST, or the folder of another "
				      "home",
				      quoted);
	}
	if (!seed_site_exists(fd))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s is no home of vmseed: there are no keys in it", quoted);
	return 0;
}

static int run_resync(struct cli *cli, const struct resync_args *a, const char **names,
		      struct seed_resync *run, struct seed_error *err)
{
	struct window window = { 0 };
	SEED_AUTO(seed_dest_clear) struct seed_dest dest = { 0 };
	const struct seed_transport_options how = {
		.program = "/proc/self/exe",
		.ssh = getenv("VMSEED_SSH"),
		.ssh_options = a->ssh_options,
		.remote_program = a->remote,
		.may_ask = isatty(STDIN_FILENO) && isatty(STDERR_FILENO),
	};
	struct seed_resync_options opt = {
		.pull = a->from != NULL,
		.all = a->all,
		.over_wire = a->over_wire,
		.final = a->final,
		.paranoid = a->paranoid,
		.keep = (unsigned int)a->keep,
		.retries = (unsigned int)a->retries,
		.jobs = cli->jobs,
		.memory = cli->memory,
		.events = cli_events(cli),
		.cancel = cli->cancel,
	};
	uint64_t start = seed_clock_ms();
	int rc;

	if (seed_dest_parse(&dest, a->to ? a->to : a->from, err) < 0 ||
	    check_dest(&dest, err) < 0 ||
	    parse_rate(a->limit, &opt.limit, err) < 0 ||
	    (a->window && window_parse(&window, a->window, err) < 0) ||
	    cli_home(cli, &opt.home, err) < 0 || cli_site(cli, &opt.own, err) < 0 ||
	    cli_trust(cli, &opt.trust, err) < 0 ||
	    gather(cli, opt.home, a, names, run, err) < 0 || refuse_twins(run, opt.own, err) < 0)
		return -1;
	opt.may_ask = how.may_ask && !dest.local;
	if (a->window) {
		opt.may_go_on = in_window;
		opt.arg = &window;
	}
	if (cli->dry_run)
		return show_plan(cli, a, run, &dest, err);
	rc = seed_resync_run(run, &dest, &how, &opt, err);
	/* What is wrong with the connection says more than a table of VMs not reached. */
	if (rc < 0 && !run->peer[0] && !cli->json && (run->attempts || any_waiting(run)))
		return seed_error_prefix(err, "%s", dest.text);
	if (rc < 0 && !run->attempts && !cli->json && run->vms.count < 2)
		return -1;		/* nothing but its name was looked at */
	return show(cli, a, run, seed_clock_ms() - start, rc, err);
}

int cmd_resync(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(free_args) struct resync_args a = { .retries = 5 };
	SEED_AUTO(seed_resync_clear) struct seed_resync run = { 0 };
	const struct poptOption table[] = {
		{ "to", 0, POPT_ARG_STRING, &a.to, 0,
		  "send to DEST: ssh://[user@]host[:port][/home], or a folder",
		  "DEST" },
		{ "from", 0, POPT_ARG_STRING, &a.from, 0, "fetch from DEST", "DEST" },
		{ "all", 0, POPT_ARG_NONE, &a.all, 0,
		  "every VM that was exported or resynced before", NULL },
		{ "seed-over-wire", 0, POPT_ARG_NONE, &a.over_wire, 0,
		  "send a VM whole where there is no replica of it", NULL },
		{ "final", 0, POPT_ARG_NONE, &a.final, 0,
		  "the last one before a switch-over: this site signs no more", NULL },
		{ "keep", 0, POPT_ARG_INT, &a.keep, 0, "keep N recovery points", "N" },
		{ "paranoid", 0, POPT_ARG_NONE, &a.paranoid, 0,
		  "read what is proven unchanged, too", NULL },
		{ "window", 0, POPT_ARG_STRING, &a.window, 0, "run in this time of day only",
		  "HH:MM-HH:MM" },
		{ "bwlimit", 0, POPT_ARG_STRING, &a.limit, 0,
		  "send at most RATE bytes a second", "RATE" },
		{ "retries", 0, POPT_ARG_INT, &a.retries, 0,
		  "connect anew up to N times when the link breaks (5)", "N" },
		{ "ssh-option", 0, POPT_ARG_ARGV, &a.ssh_options, 0,
		  "pass -o OPTION to ssh", "OPTION" },
		{ "remote-program", 0, POPT_ARG_STRING, &a.remote, 0,
		  "vmseed at the other end", "PATH" },
		{ "abort", 0, POPT_ARG_NONE, &a.abort, 0,
		  "throw away what arrived for these replicas, here", NULL },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.args = "VM... | --all",
			.about = "Bring the replicas of VMs at another site up to date: only what "
				 "changed since\n"
				 "crosses the wire. What a broken connection brought is not sent "
				 "again.",
			.examples = { "vmseed resync --to ssh://dr web01.xml db01.xml",
				      "vmseed resync --from ssh://hq --all --window 22:00-06:00",
				      "vmseed resync --abort web01" } });

	if (cli_parse(cli, ctx, err) < 0 || check_args(&a, ctx, err) < 0)
		return -1;
	if (a.abort)
		return resync_abort(cli, cli_rest(ctx), err);
	return run_resync(cli, &a, cli_rest(ctx), &run, err);
}
