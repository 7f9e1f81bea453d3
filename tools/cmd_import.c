/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmseed import: every VM on the media becomes a replica. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "commands.h"
#include "custody_note.h"
#include "import/import.h"
#include "media_args.h"
#include "out.h"
#include "replica/home_store.h"
#include "set_show.h"
#include "verdict.h"

static const char *planned(const struct seed_import_vm *vm)
{
	switch (vm->action) {
	case SEED_IMPORT_CREATE:
		return "would be created";
	case SEED_IMPORT_RESUME:
		return "would be finished";
	case SEED_IMPORT_FILL:
		return "would be completed";
	case SEED_IMPORT_REPLACE:
		return "would be updated";
	default:
		return vm->switching ? "would be finished"
				     : vm->older ? "replica is newer" : "is here already";
	}
}

static const char *result(const struct seed_import_vm *vm)
{
	if (vm->switching && vm->done && !vm->older)
		return "updated";
	if (vm->action == SEED_IMPORT_NOTHING)
		return vm->older ? "replica is newer" : "was here already";
	if (!vm->done)
		return "not finished";
	if (vm->missing_blocks)
		return "incomplete";
	return vm->action == SEED_IMPORT_REPLACE ? "updated" : "imported";
}

/* The verdict of a VM in one cell. */
static const char *verdict_of(const struct seed_import_vm *vm, bool plan, char *out, size_t size)
{
	const bool writes = vm->action != SEED_IMPORT_NOTHING && vm->action != SEED_IMPORT_REFUSE;

	if (vm->err.kind)
		return verdict_text(&vm->err, out, size);
	if (plan && writes && *vm->lacking)
		snprintf(out, size, "%s; blocks may be missing: they may be on %s", planned(vm),
			 vm->lacking);
	else if (!plan && vm->done && vm->missing_blocks && *vm->lacking)
		snprintf(out, size, "%s: %" PRIu64 " block%s missing: they may be on %s",
			 result(vm), vm->missing_blocks, vm->missing_blocks == 1 ? "" : "s",
			 vm->lacking);
	else
		snprintf(out, size, "%s", plan ? planned(vm) : result(vm));
	return out;
}

static enum out_mood mood_of(const struct seed_import_vm *vm, bool plan)
{
	if (vm->err.kind)
		return OUT_BAD;
	if (vm->older || (!plan && vm->action != SEED_IMPORT_NOTHING &&
			  (!vm->done || vm->missing_blocks)))
		return OUT_DOUBTFUL;
	return OUT_GOOD;
}

static int print_table(const struct cli *cli, const struct seed_import *x, struct seed_error *err)
{
	const struct out_column columns[] = {
		{ "VM", false, OUT_CUT }, { "REPLICA", false, OUT_CUT },
		{ "GENERATION", true, OUT_WHOLE }, { "DATA", true, OUT_WHOLE },
		{ "MISSING", true, OUT_WHOLE }, { "RESULT", false, OUT_WRAP },
	};
	SEED_AUTO(out_table_freep) struct out_table *table = NULL;
	const bool plan = cli->dry_run;

	if (out_table_new(&table, columns, sizeof(columns) / sizeof(columns[0]), err) < 0)
		return -1;
	out_table_colours(table, cli_colour(cli, STDOUT_FILENO));
	for (size_t i = 0; i < x->vms.count; i++) {
		const struct seed_import_vm *vm = seed_vec_at(&x->vms, i);
		char name[SEED_QUOTED], gen[24], data[32], missing[32], text[600];

		snprintf(gen, sizeof(gen), "%" PRIu64, vm->seed->manifest.generation);
		seed_size_text(vm->missing_blocks * SEED_BLOCK_SIZE, missing);
		out_table_row(table, (const char *[]){
			out_name(vm->seed->manifest.name, name, sizeof(name)),
			vm->folder,
			gen,
			seed_size_text(vm->need_bytes, data),
			vm->missing_blocks ? missing : NULL,
			verdict_of(vm, plan, text, sizeof(text)),
		});
		out_table_mood(table, 5, mood_of(vm, plan));
	}
	return out_table_print(table, err);
}

static struct seed_json *vm_json(const struct seed_import_vm *vm, bool plan)
{
	static const char *const actions[] = {
		[SEED_IMPORT_CREATE] = "create",   [SEED_IMPORT_RESUME] = "resume",
		[SEED_IMPORT_FILL] = "fill",	   [SEED_IMPORT_REPLACE] = "replace",
		[SEED_IMPORT_NOTHING] = "nothing", [SEED_IMPORT_REFUSE] = "refuse",
	};
	const struct seed_manifest *m = &vm->seed->manifest;
	struct seed_json *o = seed_json_new_object();

	seed_json_set_text(o, "name", m->name);
	seed_json_set_uuid(o, "uuid", &m->uuid);
	seed_json_set_id(o, "site", &m->site);
	seed_json_set_text(o, "replica", vm->folder);
	seed_json_set_id(o, "seed", &m->seed);
	seed_json_set_uint(o, "generation", m->generation);
	seed_json_set_text(o, "captured", seed_captured_name(m->captured));
	seed_json_set_text(o, "action", actions[vm->action]);
	seed_json_set_bool(o, "older", vm->older);
	seed_json_set_uint(o, "data_bytes", vm->need_bytes);
	seed_json_set_id(o, "set", &m->set);
	if (*vm->lacking)
		seed_json_set_text(o, "lacking", vm->lacking);
	else
		seed_json_set_null(o, "lacking");
	if (!plan) {
		seed_json_set_bool(o, "imported", vm->done);
		seed_json_set_uint(o, "bytes_written", vm->written_bytes);
		seed_json_set_uint(o, "missing_blocks", vm->missing_blocks);
	}
	verdict_json(o, &vm->err);
	return o;
}

static int print_json(const struct seed_import *x, bool plan, struct seed_error *err)
{
	struct seed_json *doc = out_json_new("import"), *vms = seed_json_new_array();
	struct seed_json *problems = seed_json_new_array();

	seed_json_set_text(doc, "message_type", "summary");
	seed_json_set_bool(doc, "dry_run", plan);
	seed_json_set_uint(doc, "data_bytes", x->need_bytes);
	seed_json_set_uint(doc, "bytes_read", x->read_bytes);
	for (size_t i = 0; i < x->vms.count; i++)
		seed_json_append(vms, vm_json(seed_vec_at(&x->vms, i), plan));
	seed_json_set(doc, "vms", vms);
	set_show_json(doc, &x->views);
	for (size_t i = 0; i < x->problems.count; i++) {
		const struct seed_import_problem *p = seed_vec_at(&x->problems, i);
		struct seed_json *o = seed_json_new_object();

		seed_json_set_text(o, "what", p->what);
		seed_json_set_bool(o, "harmless", p->harmless);
		verdict_json(o, &p->err);
		seed_json_append(problems, o);
	}
	seed_json_set(doc, "problems", problems);
	return out_json_print(doc, err);
}

static void warn_problems(struct cli *cli, const struct seed_import *x)
{
	for (size_t i = 0; i < x->problems.count; i++) {
		const struct seed_import_problem *p = seed_vec_at(&x->problems, i);
		char text[600];

		verdict_text(&p->err, text, sizeof(text));
		if (p->harmless && p->err.kind != SEED_ERR_TRUST)
			cli_note(cli, "%s: %s", p->what, text);
		else
			cli_warn(cli, "%s: %s", p->what, text);
	}
}

static int show(struct cli *cli, const struct seed_import *x, const char *where,
		uint64_t free_bytes, struct seed_error *err)
{
	char need[32], room[32], quoted[SEED_QUOTED];

	cli_end_progress(cli);
	if (cli->json)
		return print_json(x, cli->dry_run, err);
	if (print_table(cli, x, err) < 0)
		return -1;
	if (cli->dry_run)
		printf("\n%s to write to %s, where %s are free.\n",
		       seed_size_text(x->need_bytes, need),
		       seed_quote(where, quoted, sizeof(quoted)), seed_size_text(free_bytes, room));
	else
		printf("\nReplicas are in %s.\n", seed_quote(where, quoted, sizeof(quoted)));
	set_show_missing(&x->views);
	return 0;
}

static uint64_t free_space(int store)
{
	struct statvfs st;

	return fstatvfs(store, &st) < 0 ? 0 : (uint64_t)st.f_bavail * st.f_frsize;
}

/* A plan needs no store: one that the import would make is empty, as is the home of replicas, and
 * has the home's free space. */
static int open_store(struct cli *cli, int home, const char *path, int *store, char **where,
		      struct seed_error *err)
{
	struct seed_error why = { 0 };

	if (seed_store_open(store, home, path, !cli->dry_run, where, &why) == 0)
		return 0;
	if (!cli->dry_run || path || why.kind != SEED_ERR_NOTFOUND) {
		*err = why;
		return -1;
	}
	*store = fcntl(home, F_DUPFD_CLOEXEC, 0);
	if (*store < 0)
		return seed_error_sys(err, errno, "home");
	if (asprintf(where, "%s/replicas", cli_home_path(cli)) < 0)
		return seed_error_sys(err, ENOMEM, "store");
	return 0;
}

/* For the source, when the medium comes back. The replicas are what they are without it. */
static void acknowledge(struct cli *cli, const struct seed_import *x,
			const struct seed_import_options *opt)
{
	struct seed_error why = { 0 };
	unsigned int written;
	char text[600];

	if (seed_import_acknowledge(x, opt, &written, &why) < 0)
		cli_warn(cli, "receipts for the source could not be written: %s",
			 verdict_text(&why, text, sizeof(text)));
}

static int run_import(struct cli *cli, const char **dirs, const char *store_path,
		      const char **names, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *where = NULL;
	SEED_AUTO(seed_fd_closep) int store = -1;
	struct seed_import x = { 0 };
	struct seed_vec media = { 0 };
	struct seed_error shown = { 0 };
	struct seed_import_options opt = {
		.names = names,
		.jobs = cli->jobs,
		.memory = 128u << 20,
		.events = cli_events(cli),
		.cancel = cli->cancel,
	};
	uint64_t room = 0;
	int rc;

	if (cli_home(cli, &opt.home, err) < 0 || cli_site(cli, &opt.own, err) < 0 ||
	    cli_trust(cli, &opt.trust, err) < 0 ||
	    open_store(cli, opt.home, store_path, &store, &where, err) < 0)
		return -1;
	opt.store = store;
	if (media_args_open(cli, &media, dirs, opt.trust, err) < 0) {
		media_args_close(&media);
		return -1;
	}
	rc = seed_import_plan(&x, &media, &opt, err);
	if (rc == 0) {
		warn_problems(cli, &x);
		rc = cli->dry_run ? seed_import_verdict(&x, err) : seed_import_run(&x, &opt, err);
		if (!cli->dry_run) {
			acknowledge(cli, &x, &opt);
			custody_note_import(cli, &x);
		}
		room = free_space(store);
		if (show(cli, &x, where, room, &shown) < 0 && rc == 0) {
			*err = shown;
			rc = -1;
		}
	}
	seed_import_clear(&x);
	return rc;
}

int cmd_import(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(cli_list_freep) const char **media = NULL;
	SEED_AUTO(seed_freep) char *store = NULL;
	const struct poptOption table[] = {
		{ "media", 'm', POPT_ARG_ARGV, &media, 0, "read the medium in DIR", "DIR" },
		{ "store", 0, POPT_ARG_STRING, &store, 0,
		  "keep replicas in DIR (remembered; default: replicas in the home)", "DIR" },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.args = "[VM...]",
			.about = "Import VMs from media: every VM on them, or those named, becomes "
				 "a "
				 "replica.\nRun it again to finish what was interrupted; -n shows "
				 "the plan.",
			.examples = { "vmseed import --media /media/caddy",
				      "vmseed import -n --media /media/caddy web01" } });

	if (cli_parse(cli, ctx, err) < 0 || cli_need(media, "--media", err) < 0)
		return -1;
	return run_import(cli, media, store, cli_rest(ctx), err);
}
