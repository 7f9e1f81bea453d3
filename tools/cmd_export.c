/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmseed export: VMs to media. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "commands.h"
#include "custody_note.h"
#include "export/export.h"
#include "manifest/manifest.h"
#include "media_args.h"
#include "next_medium.h"
#include "out.h"
#include "receipts_in.h"
#include "verdict.h"
#include "vm_arg.h"

struct export_args {
	const char **media;
	char *site;
	int plaintext, no_data, wait, reverify;
	const char **exclude;
	char *uuid;
};

static void free_args(struct export_args *a)
{
	cli_list_freep(&a->media);
	cli_list_freep(&a->exclude);
	free(a->site);
	free(a->uuid);
}

static int check_args(const struct export_args *a, struct seed_error *err)
{
	if (cli_need(a->media, "--media", err) < 0)
		return -1;
	if (!a->site == !a->plaintext)
		return seed_error_set(err, SEED_ERR_USAGE,
				      a->site ? "--for seals and --plaintext does not: give one of "
						"them" :
						"say for whom with --for SITE ('vmseed key list' "
						"shows the sites), or --plaintext to leave the "
						"data readable by whoever holds the medium");
	return 0;
}

static void free_defs(struct seed_vec *defs)
{
	for (size_t i = 0; i < defs->count; i++)
		seed_vmdef_free(*(struct seed_vmdef **)seed_vec_at(defs, i));
	seed_vec_free(defs);
}

static int read_defs(struct cli *cli, struct seed_vec *defs, const char **names,
		     const char *uuid_text, struct seed_error *err)
{
	struct seed_id uuid;
	char quoted[SEED_QUOTED];

	if (uuid_text && seed_uuid_parse(&uuid, uuid_text, err) < 0) {
		err->kind = SEED_ERR_USAGE;
		return seed_error_prefix(err, "--uuid %s",
					 seed_quote(uuid_text, quoted, sizeof(quoted)));
	}
	if (uuid_text && names[1])
		return seed_error_set(err, SEED_ERR_USAGE, "--uuid is for a single VM");
	for (; *names; names++) {
		struct seed_vmdef *def;

		if (vm_arg_read(cli, &def, *names, uuid_text ? &uuid : NULL, err) < 0)
			return -1;
		if (!seed_vec_push(defs, sizeof(def), &def)) {
			seed_vmdef_free(def);
			return seed_error_sys(err, ENOMEM, "export");
		}
	}
	return 0;
}

/* ---- showing ---- */

static uint64_t vm_size(const struct seed_export_vm *vm)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < vm->disks.count; i++)
		sum += ((const struct seed_export_disk *)seed_vec_at(&vm->disks, i))->size;
	return sum;
}

static uint64_t vm_data(const struct seed_export_vm *vm)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < vm->disks.count; i++) {
		const struct seed_export_disk *d = seed_vec_at(&vm->disks, i);

		sum += vm->done ? d->facts.data_blocks * SEED_BLOCK_SIZE : d->data_bytes;
	}
	return sum;
}

/* What does not stand behind a failure or a doubt is good. */
static enum out_mood mood_of(const struct seed_export_vm *vm, bool plan)
{
	if (vm->err.kind)
		return OUT_BAD;
	if ((!plan && !vm->done) || (vm->done && vm->captured == SEED_CAPTURED_CHANGED))
		return OUT_DOUBTFUL;
	return OUT_GOOD;
}

static int print_table(const struct cli *cli, const struct seed_export *x, struct seed_error *err)
{
	const struct out_column columns[] = {
		{ "VM", false, OUT_CUT }, { "GENERATION", true, OUT_WHOLE },
		{ "DISKS", true, OUT_WHOLE }, { "SIZE", true, OUT_WHOLE },
		{ "DATA", true, OUT_WHOLE }, { "COPY", false, OUT_WHOLE },
		{ "RESULT", false, OUT_WRAP },
	};
	SEED_AUTO(out_table_freep) struct out_table *table = NULL;
	const bool plan = cli->dry_run;

	if (out_table_new(&table, columns, sizeof(columns) / sizeof(columns[0]), err) < 0)
		return -1;
	out_table_colours(table, cli_colour(cli, STDOUT_FILENO));
	for (size_t i = 0; i < x->vms.count; i++) {
		const struct seed_export_vm *vm = seed_vec_at(&x->vms, i);
		char name[SEED_QUOTED], gen[24], disks[24], size[32], data[32], result[520];
		bool known = vm->done || !vm->err.kind;		/* the disks were looked at */

		snprintf(gen, sizeof(gen), "%" PRIu64, vm->generation);
		snprintf(disks, sizeof(disks), "%zu", vm->disks.count);
		out_table_row(table, (const char *[]){
					     out_name(vm->def->name, name, sizeof(name)),
					     vm->done ? gen : NULL,
					     disks,
					     known ? seed_size_text(vm_size(vm), size) : NULL,
					     known ? seed_size_text(vm_data(vm), data) : NULL,
					     vm->done ? seed_captured_name(vm->captured) : NULL,
					     vm->err.kind ? verdict_text(&vm->err, result,
									 sizeof(result)) :
					     plan	  ? "would be exported" :
					     vm->done	  ? "exported" :
							    "not reached",
				     });
		out_table_mood(table, 6, mood_of(vm, plan));
	}
	return out_table_print(table, err);
}

static void print_excluded(const struct seed_export *x)
{
	for (size_t i = 0; i < x->vms.count; i++) {
		const struct seed_export_vm *vm = seed_vec_at(&x->vms, i);

		for (size_t k = 0; k < vm->def->disks.count; k++) {
			const struct seed_vmdef_disk *d = seed_vec_at(&vm->def->disks, k);
			char name[SEED_QUOTED];

			if (d->excluded)
				printf("Left out: disk %s of %s (%s).\n", d->slot,
				       out_name(vm->def->name, name, sizeof(name)), d->excluded);
		}
	}
}

/* What to write on the media: in which order they are read does not matter, that all are there
 * does. */
static void print_volumes(const struct seed_export *x)
{
	const struct seed_export_volume *last = seed_vec_at(&x->volumes, x->volumes.count - 1);
	char set[SEED_ID_TEXT];

	printf("What belongs on the labels:\n");
	for (size_t i = 0; i < x->volumes.count; i++) {
		const struct seed_export_volume *v = seed_vec_at(&x->volumes, i);
		char added[32];

		printf("  %s: volume %u of %u, set %.8s  (%s%s%s)\n", v->label, v->number,
		       last->number, seed_id_text(&x->set, set),
		       v->added_bytes ? seed_size_text(v->added_bytes, added) :
		       v->present ? "nothing" : "not given",
		       v->present ? " added" : "", v->full ? ", full" : "");
	}
}

static void print_last_read(const struct seed_export *x)
{
	char day[16] = "";
	time_t when = (time_t)x->last_full_read;
	struct tm tm;

	if (!x->old_packs)
		return;
	if (x->last_full_read && localtime_r(&when, &tm))
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	printf("Packs of earlier runs were last read on %s; --reverify reads them again.\n",
	       *day ? day : "a day that nobody noted");
}

static void print_summary(const struct seed_export *x, const struct export_args *a)
{
	const struct seed_export_volume *first = seed_vec_at(&x->volumes, 0);
	const bool one = x->volumes.count == 1;
	char where[64], added[32], read[32], set[SEED_ID_TEXT], media[SEED_QUOTED];

	if (one)
		snprintf(where, sizeof(where), "medium \"%s\"", first->label);
	else
		snprintf(where, sizeof(where), "%zu media", x->volumes.count);
	printf("\n%s set %.8s on %s: %s added in %u pack%s, read back%s.\n"
	       "%s read from the disks; %" PRIu64 " blocks stored, %" PRIu64
	       " were there already.\n",
	       x->new_set ? "New" : "Same", seed_id_text(&x->set, set), where,
	       seed_size_text(x->added_bytes, added), x->totals.packs,
	       x->totals.packs == 1 ? "" : "s",
	       x->totals.cached ? " (from memory: this file system cannot be read past its cache)" :
				  "",
	       seed_size_text(x->bytes_read, read), x->totals.new_blocks, x->totals.held_blocks);
	print_last_read(x);
	if (!one)
		print_volumes(x);
	if (x->commit && a->site)
		printf("Done. Take the %s to %s; there: vmseed import --media DIR%s\n",
		       one ? "medium" : "media", a->site, one ? "" : " --media DIR ...");
	else if (x->commit)
		printf("Done. Check it with: vmseed verify --media %s%s\n",
		       seed_quote(a->media[0], media, sizeof(media)), one ? "" : " ...");
}

static struct seed_json *vm_json(const struct seed_export_vm *vm)
{
	struct seed_json *o = seed_json_new_object(), *disks = seed_json_new_array();

	seed_json_set_text(o, "name", vm->def->name);
	seed_json_set_uuid(o, "uuid", &vm->uuid);
	seed_json_set_bool(o, "exported", vm->done);
	if (vm->done) {
		seed_json_set_id(o, "seed", &vm->seed);
		seed_json_set_uint(o, "generation", vm->generation);
		seed_json_set_text(o, "captured", seed_captured_name(vm->captured));
	}
	for (size_t i = 0; i < vm->disks.count; i++) {
		const struct seed_export_disk *d = seed_vec_at(&vm->disks, i);
		struct seed_json *disk = seed_json_new_object();

		seed_json_set_text(disk, "slot", d->def->slot);
		seed_json_set_uint(disk, "size", d->size);
		seed_json_set_uint(disk, "data_bytes", d->data_bytes);
		if (vm->done) {
			seed_json_set_uint(disk, "data_blocks", d->facts.data_blocks);
			seed_json_set_uint(disk, "bytes_read", d->facts.bytes_read);
			seed_json_set_digest(disk, "root", &d->facts.root);
			seed_json_set_uint(disk, "own_blocks", d->own_blocks);
		}
		seed_json_append(disks, disk);
	}
	seed_json_set(o, "disks", disks);
	verdict_json(o, &vm->err);
	return o;
}

static struct seed_json *volume_json(const struct seed_export_volume *v)
{
	struct seed_json *o = seed_json_new_object();

	seed_json_set_uint(o, "volume", v->number);
	seed_json_set_id(o, "medium", &v->medium);
	seed_json_set_text(o, "label", v->label);
	seed_json_set_bool(o, "given", v->present);
	seed_json_set_bool(o, "new", v->made);
	seed_json_set_bool(o, "full", v->full);
	seed_json_set_uint(o, "bytes_added", v->added_bytes);
	return o;
}

static int print_json(const struct seed_export *x, bool plan, struct seed_error *err)
{
	struct seed_json *doc = out_json_new("export"), *vms = seed_json_new_array();
	struct seed_json *volumes = seed_json_new_array();

	seed_json_set_text(doc, "message_type", "summary");
	seed_json_set_bool(doc, "dry_run", plan);
	if (x->volumes.count)
		seed_json_set_id(doc, "set", &x->set);
	if (x->commit)
		seed_json_set_uint(doc, "commit", x->commit);
	seed_json_set_uint(doc, "data_bytes", x->data_bytes);
	seed_json_set_uint(doc, "bytes_read", x->bytes_read);
	seed_json_set_uint(doc, "bytes_added", x->added_bytes);
	seed_json_set_uint(doc, "blocks_stored", x->totals.new_blocks);
	seed_json_set_uint(doc, "blocks_held", x->totals.held_blocks);
	seed_json_set_uint(doc, "packs", x->totals.packs);
	if (x->old_packs && x->last_full_read)
		seed_json_set_uint(doc, "last_full_read", (uint64_t)x->last_full_read);
	for (size_t i = 0; i < x->volumes.count; i++)
		seed_json_append(volumes, volume_json(seed_vec_at(&x->volumes, i)));
	seed_json_set(doc, "volumes", volumes);
	for (size_t i = 0; i < x->vms.count; i++)
		seed_json_append(vms, vm_json(seed_vec_at(&x->vms, i)));
	seed_json_set(doc, "vms", vms);
	return out_json_print(doc, err);
}

static void warn_changed(struct cli *cli, const struct seed_export *x)
{
	for (size_t i = 0; i < x->vms.count; i++) {
		const struct seed_export_vm *vm = seed_vec_at(&x->vms, i);
		char name[SEED_QUOTED];

		if (vm->done && vm->captured == SEED_CAPTURED_CHANGED)
			cli_warn(cli,
				 "%s changed while it was read: its seed is a base for a resync, "
				 "not a copy to start",
				 out_name(vm->def->name, name, sizeof(name)));
		else if (vm->done && vm->captured == SEED_CAPTURED_UNPROVEN)
			cli_warn(cli,
				 "%s could not be held while it was read: make sure that it was "
				 "not running",
				 out_name(vm->def->name, name, sizeof(name)));
	}
}

/* -v: what the table sums up, for each disk. */
static void note_disks(struct cli *cli, const struct seed_export *x)
{
	for (size_t i = 0; cli->verbose && i < x->vms.count; i++) {
		const struct seed_export_vm *vm = seed_vec_at(&x->vms, i);

		for (size_t k = 0; vm->done && k < vm->disks.count; k++) {
			const struct seed_export_disk *d = seed_vec_at(&vm->disks, k);
			char name[SEED_QUOTED], path[SEED_QUOTED], size[32], read[32];

			cli_note(cli, "%s %s: %s, %s, %s read, %" PRIu64 " data blocks, %" PRIu64
				 " own (compared with %u VMs), %s",
				 out_name(vm->def->name, name, sizeof(name)), d->def->slot,
				 seed_quote(d->def->path, path, sizeof(path)),
				 seed_size_text(d->size, size),
				 seed_size_text(d->facts.bytes_read, read), d->facts.data_blocks,
				 d->own_blocks, d->compared, seed_captured_name(d->facts.captured));
		}
	}
}

static int show(struct cli *cli, const struct seed_export *x, const struct export_args *a,
		struct seed_error *err)
{
	cli_end_progress(cli);
	note_disks(cli, x);
	if (cli->json)
		return print_json(x, cli->dry_run, err);
	if (print_table(cli, x, err) < 0)
		return -1;
	print_excluded(x);
	if (!cli->dry_run && x->commit)
		print_summary(x, a);
	warn_changed(cli, x);
	return 0;
}

/* ---- doing ---- */

static bool has_volume(const struct seed_medium *medium, const struct seed_export *x)
{
	for (size_t i = 0; i < x->volumes.count; i++) {
		const struct seed_export_volume *v = seed_vec_at(&x->volumes, i);

		if (seed_id_equal(&v->medium, &medium->id))
			return v->present;
	}
	return false;
}

/* One that was filled was let go, so that it could be unmounted; it may be there all the same. */
static struct seed_medium *look_again(struct cli *cli, const struct seed_medium *medium)
{
	struct seed_medium *again = NULL;
	const struct seed_trust *trust;

	if (cli_trust(cli, &trust, NULL) < 0 ||
	    seed_medium_open(&again, medium->path, trust, NULL) < 0)
		return NULL;
	if (!seed_id_equal(&again->id, &medium->id)) {
		seed_medium_close(again);
		return NULL;
	}
	return again;
}

static void note_on(struct cli *cli, struct seed_medium *medium, const struct seed_export *x,
		    const struct seed_vec *seeds, enum seed_custody_verdict verdict)
{
	struct seed_medium *again = NULL;

	if (!has_volume(medium, x) || (medium->root < 0 && !(again = look_again(cli, medium))))
		return;
	custody_note_export(cli, again ? again : medium, &x->set, seeds, verdict);
	seed_medium_close(again);
}

/* Behind the commit: the seeds exist, whether this can be written or not. On every volume at hand,
 * and not only on those that this run wrote to: one that was cut short may have left them
 * without. */
static void note_custody(struct cli *cli, const struct seed_vec *media, const struct seed_export *x)
{
	enum seed_custody_verdict verdict = SEED_CUSTODY_OK;
	SEED_AUTO(seed_vec_free) struct seed_vec seeds = { 0 };

	for (size_t i = 0; i < x->vms.count; i++) {
		const struct seed_export_vm *vm = seed_vec_at(&x->vms, i);

		if (!vm->done)
			verdict = SEED_CUSTODY_PARTIAL;
		else if (!seed_vec_push(&seeds, sizeof(vm->seed), &vm->seed))
			return;
	}
	for (size_t i = 0; i < media->count; i++)
		note_on(cli, *(struct seed_medium **)seed_vec_at(media, i), x, &seeds, verdict);
}

/* With --wait what is not mounted yet may come later; one medium must be there. */
static int open_media(struct cli *cli, const struct export_args *a, struct seed_vec *media,
		      struct next_medium *next, struct seed_error *err)
{
	for (const char **dir = a->media; *dir; dir++) {
		struct seed_error why = { 0 };

		if (media_args_open(cli, media, (const char *const[]){*dir, NULL}, next->trust,
				    &why) < 0 &&
		    (!a->wait || why.kind != SEED_ERR_MEDIUM || (!dir[1] && !media->count))) {
			*err = why;
			return -1;
		}
		if (why.kind)
			cli_note(cli, "%s; it is looked for again when there is no room left",
				 why.text);
	}
	for (size_t i = 0; i < media->count; i++) {
		if (next_medium_seen(next, *(struct seed_medium **)seed_vec_at(media, i), err) < 0)
			return -1;
	}
	return 0;
}

static int export_to(struct cli *cli, const struct export_args *a, struct seed_export *x,
		     struct seed_export_options *opt, struct seed_error *err)
{
	SEED_AUTO(media_args_close) struct seed_vec media = { 0 };
	SEED_AUTO(next_medium_clear) struct next_medium next = {
		.cli = cli, .trust = opt->trust, .dirs = a->media, .wait = a->wait,
	};
	struct seed_error shown = { 0 };
	int rc;

	opt->next_medium = next_medium_get;
	opt->next_arg = &next;
	if (open_media(cli, a, &media, &next, err) < 0)
		return -1;
	rc = cli->dry_run ? seed_export_verdict(x, err) :
	     seed_export_run(x, media.items, media.count, opt, err);
	if (!cli->dry_run && x->commit)
		note_custody(cli, &media, x);
	/* What is wrong with the whole run says more than a table of VMs not reached. */
	if (rc < 0 && !x->commit && err->kind != SEED_ERR_PARTIAL && !cli->json &&
	    x->vms.count == 1)
		return -1;
	if (show(cli, x, a, &shown) < 0) {
		if (rc == 0)
			*err = shown;
		return -1;
	}
	return rc;
}

/* What came back on the medium, once the run does not hold the VMs' records any more. An export
 * that was refused leaves the home as it was. */
static void take_receipts(struct cli *cli, const char *dir, const struct seed_trust *trust)
{
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;

	if (seed_medium_open(&medium, dir, trust, NULL) == 0)
		receipts_in(cli, medium);
}

static int run_export(struct cli *cli, const struct export_args *a, const char **names,
		      struct seed_error *err)
{
	const struct seed_trusted *recipient = NULL;
	struct seed_vec defs = { 0 };
	struct seed_export x = { 0 };
	const struct seed_site *own;
	struct seed_export_options opt = {
		.data = !a->no_data,
		.reverify = a->reverify,
		.exclude_slots = a->exclude,
		.jobs = cli->jobs,
		.memory = cli->memory,
		.events = cli_events(cli),
		.cancel = cli->cancel,
	};
	bool committed;
	int rc;

	if (cli_home(cli, &opt.home, err) < 0 || cli_site(cli, &own, err) < 0 ||
	    cli_trust(cli, &opt.trust, err) < 0)
		return -1;
	opt.own = own;
	if (a->site && seed_trust_find(&recipient, opt.trust, a->site, err) < 0)
		return cli_named(err);
	opt.recipient = recipient ? &recipient->card : NULL;
	if (read_defs(cli, &defs, names, a->uuid, err) < 0) {
		free_defs(&defs);
		return -1;
	}
	rc = seed_export_plan(&x, &defs, &opt, err);
	if (rc == 0)
		rc = export_to(cli, a, &x, &opt, err);
	committed = x.commit != 0;
	seed_export_clear(&x);
	for (const char **dir = a->media; committed && *dir; dir++)
		take_receipts(cli, *dir, opt.trust);
	return rc;
}

int cmd_export(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(free_args) struct export_args a = { 0 };
	const struct poptOption table[] = {
		{ "media", 'm', POPT_ARG_ARGV, &a.media, 0,
		  "write to the prepared medium in DIR; may be repeated", "DIR" },
		{ "for", 0, POPT_ARG_STRING, &a.site, 0, "seal for SITE, a trusted card", "SITE" },
		{ "plaintext", 0, POPT_ARG_NONE, &a.plaintext, 0,
		  "do not seal: whoever holds the medium can read the data", NULL },
		{ "no-data", 0, POPT_ARG_NONE, &a.no_data, 0,
		  "manifests and digest lists alone: an order form", NULL },
		{ "reverify", 0, POPT_ARG_NONE, &a.reverify, 0,
		  "read the packs of earlier runs again first", NULL },
		{ "exclude-disk", 0, POPT_ARG_ARGV, &a.exclude, 0,
		  "leave out the disk in SLOT", "SLOT" },
		{ "wait", 0, POPT_ARG_NONE, &a.wait, 0,
		  "when all media are full, wait for another one at a DIR of --media", NULL },
		{ "uuid", 0, POPT_ARG_STRING, &a.uuid, 0, "the id of a single NAME=DISK", "UUID" },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.args = "VM...",
			.about = "Export VMs to one medium or several. A VM is a libvirt "
				 "definition, or\n"
				 "NAME=DISK[,DISK...] with raw images or block devices. VMs should "
				 "be shut\n"
				 "down, or their disks be snapshots.",
			.examples = {
				"vmseed export --media /media/caddy --for dr web01.xml db01.xml",
				"vmseed export --media /media/caddy1 --media /media/caddy2 --for "
				"dr *.xml",
				"vmseed export --media /media/caddy --plaintext "
				"web01=/dev/vg0/web01" } });

	if (cli_parse(cli, ctx, err) < 0 || check_args(&a, err) < 0 ||
	    cli_need_args(ctx, 1, CLI_ANY, err) < 0)
		return -1;
	return run_export(cli, &a, cli_rest(ctx), err);
}
