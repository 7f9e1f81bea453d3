// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resync_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "block/grid.h"
#include "manifest/manifest.h"
#include "out.h"
#include "verdict.h"

static const char *const results[] = {
	[SEED_RESYNC_WAITING] = "not reached",
	[SEED_RESYNC_CURRENT] = "current",
	[SEED_RESYNC_SYNCED] = "synced",
	[SEED_RESYNC_FAILED] = "failed",
};

static bool is_done(const struct seed_resync_vm *vm)
{
	return vm->result == SEED_RESYNC_CURRENT || vm->result == SEED_RESYNC_SYNCED;
}

static enum out_mood mood_of(const struct seed_resync_vm *vm)
{
	if (!is_done(vm))
		return vm->result == SEED_RESYNC_FAILED ? OUT_BAD : OUT_DOUBTFUL;
	return vm->captured > SEED_CAPTURED_SNAPSHOT ? OUT_DOUBTFUL : OUT_GOOD;
}

static int print_table(const struct cli *cli, const struct seed_resync *run,
		       struct seed_error *err)
{
	const struct out_column columns[] = {
		{ "VM", false, OUT_CUT }, { "GENERATION", true, OUT_WHOLE },
		{ "CHANGED", true, OUT_WHOLE }, { "FETCHED", true, OUT_WHOLE },
		{ "COPY", false, OUT_WHOLE }, { "RESULT", false, OUT_WRAP },
	};
	SEED_AUTO(out_table_freep) struct out_table *table = NULL;

	if (out_table_new(&table, columns, sizeof(columns) / sizeof(columns[0]), err) < 0)
		return -1;
	out_table_colours(table, cli_colour(cli, STDOUT_FILENO));
	for (size_t i = 0; i < run->vms.count; i++) {
		const struct seed_resync_vm *vm = seed_vec_at(&run->vms, i);
		char name[SEED_QUOTED], gen[24], changed[32], fetched[32], result[640];
		bool done = is_done(vm);

		snprintf(gen, sizeof(gen), "%" PRIu64, vm->generation);
		out_table_row(table, (const char *[]){
			out_name(vm->name, name, sizeof(name)),
			done ? gen : NULL,
			done ? seed_size_text(vm->counts.changed * SEED_BLOCK_SIZE, changed) : NULL,
			done ? seed_size_text(vm->counts.fetched * SEED_BLOCK_SIZE, fetched) : NULL,
			done ? seed_captured_name(vm->captured) : NULL,
			vm->err.kind && !done ? verdict_text(&vm->err, result, sizeof(result)) :
						results[vm->result],
		});
		out_table_mood(table, 5, mood_of(vm));
	}
	return out_table_print(table, err);
}

/* ---- JSON ---- */

static struct seed_json *vm_json(const struct seed_resync_vm *vm)
{
	struct seed_json *o = seed_json_new_object();

	out_json_name(o, "name", vm->name);
	if (vm->has_uuid)
		seed_json_set_uuid(o, "uuid", &vm->uuid);
	else
		seed_json_set_null(o, "uuid");
	seed_json_set_text(o, "result", vm->result == SEED_RESYNC_WAITING ? "waiting" :
								results[vm->result]);
	if (is_done(vm)) {
		seed_json_set_uint(o, "generation", vm->generation);
		seed_json_set_text(o, "captured", seed_captured_name(vm->captured));
		seed_json_set_text(o, "proved", vm->proved_full ? "full" : "delta");
	}
	seed_json_set_uint(o, "disks", vm->disks);
	seed_json_set_uint(o, "changed_blocks", vm->counts.changed);
	seed_json_set_uint(o, "fetched_blocks", vm->counts.fetched);
	seed_json_set_uint(o, "local_blocks", vm->counts.local);
	seed_json_set_uint(o, "journal_blocks", vm->counts.journal);
	verdict_json(o, is_done(vm) ? &(struct seed_error){ 0 } : &vm->err);
	return o;
}

static int print_json(const struct seed_resync *run, const char *dest, bool pulled, uint64_t ms,
		      struct seed_error *err)
{
	struct seed_json *doc = out_json_new("resync"), *vms = seed_json_new_array();

	seed_json_set_text(doc, "message_type", "summary");
	out_json_name(doc, "destination", dest);
	out_json_name(doc, "peer", run->peer);
	seed_json_set_bool(doc, "pulled", pulled);
	seed_json_set_uint(doc, "attempts", run->attempts);
	seed_json_set_uint(doc, "bytes_sent", run->sent);
	seed_json_set_uint(doc, "bytes_received", run->received);
	seed_json_set_uint(doc, "hello_bytes", run->hello_bytes);
	seed_json_set_real(doc, "seconds", (double)ms / 1000);
	for (size_t i = 0; i < run->vms.count; i++)
		seed_json_append(vms, vm_json(seed_vec_at(&run->vms, i)));
	seed_json_set(doc, "vms", vms);
	return out_json_print(doc, err);
}

/* ---- both ---- */

static void warn_changed(struct cli *cli, const struct seed_resync *run)
{
	for (size_t i = 0; i < run->vms.count; i++) {
		const struct seed_resync_vm *vm = seed_vec_at(&run->vms, i);
		char name[SEED_QUOTED];

		if (is_done(vm) && vm->captured == SEED_CAPTURED_CHANGED)
			cli_warn(cli,
				 "%s changed while it was read: run it once more when it is still, "
				 "before its replica is started",
				 out_name(vm->name, name, sizeof(name)));
		else if (is_done(vm) && vm->captured == SEED_CAPTURED_UNPROVEN)
			cli_warn(cli,
				 "%s could not be held while it was read: make sure that it was "
				 "not running",
				 out_name(vm->name, name, sizeof(name)));
	}
}

/* -v: where the blocks came from. */
static void note_counts(struct cli *cli, const struct seed_resync *run)
{
	for (size_t i = 0; cli->verbose && i < run->vms.count; i++) {
		const struct seed_resync_vm *vm = seed_vec_at(&run->vms, i);
		char name[SEED_QUOTED];

		cli_note(cli,
			 "%s: %" PRIu64 " block%s differed; %" PRIu64 " fetched, %" PRIu64
			 " found at the destination, %" PRIu64 " there from an earlier run",
			 out_name(vm->name, name, sizeof(name)), vm->counts.changed,
			 vm->counts.changed == 1 ? "" : "s", vm->counts.fetched, vm->counts.local,
			 vm->counts.journal);
	}
}

/* What crossed says nothing of what was brought about: where a VM is not up to date, that comes
 * first. */
static void print_traffic(const struct seed_resync *run, const char *dest, bool pulled, uint64_t ms)
{
	char sent[32], received[32], where[SEED_QUOTED];
	size_t done = 0;

	for (size_t i = 0; i < run->vms.count; i++)
		done += is_done(seed_vec_at(&run->vms, i));
	if (!run->peer[0]) {
		printf("\nNothing was sent, and nobody was called.\n");
		return;
	}
	seed_size_text(run->sent, sent);
	seed_size_text(run->received, received);
	if (done == run->vms.count)
		printf("\n%s sent, %s received in %.1f s, %s %s (%s).\n", sent, received,
		       (double)ms / 1000, pulled ? "from" : "to", run->peer,
		       out_name(dest, where, sizeof(where)));
	else
		printf("\n%zu of %zu VMs up to date. It took %s sent, %s received and %.1f s, with "
		       "%s (%s).\n",
		       done, run->vms.count, sent, received, (double)ms / 1000, run->peer,
		       out_name(dest, where, sizeof(where)));
}

int resync_show(struct cli *cli, const struct seed_resync *run, const char *dest, bool pulled,
		uint64_t ms, struct seed_error *err)
{
	note_counts(cli, run);
	if (cli->json)
		return print_json(run, dest, pulled, ms, err);
	if (print_table(cli, run, err) < 0)
		return -1;
	print_traffic(run, dest, pulled, ms);
	warn_changed(cli, run);
	return 0;
}

/* Whose replica it is, as this site calls it. */
static const char *source_name(struct cli *cli, const struct seed_resync_vm *vm, char *buf)
{
	const struct seed_trusted *site;
	const struct seed_trust *trust;

	seed_id_text(&vm->source, buf);
	return cli_trust(cli, &trust, NULL) == 0 && seed_trust_find(&site, trust, buf, NULL) == 0 ?
		       site->name : buf;
}

static void print_planned(struct cli *cli, const struct seed_resync_vm *vm, const char *dest)
{
	char name[SEED_QUOTED], where[SEED_QUOTED], id[SEED_ID_TEXT], why[640];

	if (vm->result == SEED_RESYNC_FAILED)
		printf("%s would be left out: %s.\n", out_name(vm->name, name, sizeof(name)),
		       verdict_text(&vm->err, why, sizeof(why)));
	else if (vm->has_source)
		printf("%s would be resynced, if site %s is at %s: that is whom it follows.\n",
		       out_name(vm->name, name, sizeof(name)), source_name(cli, vm, id),
		       out_name(dest, where, sizeof(where)));
	else
		printf("%s would be resynced with %s.\n", out_name(vm->name, name, sizeof(name)),
		       out_name(dest, where, sizeof(where)));
}

int resync_show_plan(struct cli *cli, const struct seed_resync *run, const struct seed_dest *dest,
		     bool pulled, struct seed_error *err)
{
	const struct seed_resync_vm *first = NULL;
	size_t failed = 0;

	if (cli->json && print_json(run, dest->text, pulled, 0, err) < 0)
		return -1;
	for (size_t i = 0; i < run->vms.count; i++) {
		const struct seed_resync_vm *vm = seed_vec_at(&run->vms, i);

		if (!cli->json)
			print_planned(cli, vm, dest->text);
		if (vm->result != SEED_RESYNC_FAILED)
			continue;
		failed++;
		first = first ? first : vm;
	}
	if (!failed)
		return 0;
	*err = first->err;
	if (failed < run->vms.count)
		seed_error_set(err, SEED_ERR_PARTIAL, "%zu of %zu VMs would be left out", failed,
			       run->vms.count);
	return -1;
}
