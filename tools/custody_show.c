/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See custody_show.h. */
#include "custody_show.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "verdict.h"

static const char *standing_name(enum seed_custody_standing standing)
{
	static const char *const names[] = {
		[SEED_CUSTODY_TRUSTED] = "trusted", [SEED_CUSTODY_UNTRUSTED] = "untrusted",
		[SEED_CUSTODY_UNSIGNED] = "unsigned", [SEED_CUSTODY_BAD] = "bad",
	};

	return names[standing];
}

/* Does the chain break here? */
static bool breaks(const struct seed_custody_seen *seen)
{
	return seen->standing == SEED_CUSTODY_BAD ||
	       (seen->standing == SEED_CUSTODY_TRUSTED && !seen->follows);
}

/* ---- as a table ---- */

struct out_table *custody_table_new(struct seed_error *err)
{
	static const struct out_column columns[] = {
		{ "SET", false, OUT_WHOLE }, { "ENTRY", true, OUT_WHOLE },
		{ "WHEN", false, OUT_WHOLE }, { "WHO", false, OUT_CUT },
		{ "WHAT", false, OUT_WHOLE }, { "VERDICT", false, OUT_WHOLE },
		{ "SEEDS", true, OUT_WHOLE }, { "COMMIT", true, OUT_WHOLE },
		{ "CHAIN", false, OUT_WHOLE },
	};
	struct out_table *table;

	return out_table_new(&table, columns, sizeof(columns) / sizeof(columns[0]), err) < 0 ?
		       NULL : table;
}

struct rows {
	struct cli *cli;
	struct out_table *table;
	char set[SEED_ID_TEXT];
};

static void add_row(const struct rows *rows, const struct seed_custody_seen *seen)
{
	const struct seed_custody *e = seen->entry;
	char number[16], time[SEED_TIME_TEXT], seeds[24], commit[16];

	snprintf(number, sizeof(number), "%u", seen->number);
	if (!e) {
		out_table_row(rows->table, (const char *[]){
			rows->set, number, NULL, standing_name(seen->standing), NULL, NULL, NULL,
			NULL, breaks(seen) ? "broken" : NULL });
	} else {
		snprintf(seeds, sizeof(seeds), "%" PRIu64, e->seed_count);
		snprintf(commit, sizeof(commit), "%u", e->commit);
		out_table_row(rows->table, (const char *[]){
			rows->set, number, seed_clock_text(e->at, time), seen->signer->name,
			seed_custody_action_name(e->action), seed_custody_verdict_name(e->verdict),
			e->seed_count ? seeds : NULL, e->commit ? commit : NULL,
			breaks(seen) ? "broken" : "ok" });
		out_table_mood(rows->table, 5, e->verdict == SEED_CUSTODY_DAMAGED ? OUT_BAD :
			       e->verdict == SEED_CUSTODY_PARTIAL ? OUT_DOUBTFUL : OUT_GOOD);
	}
	out_table_mood(rows->table, 8, breaks(seen) ? OUT_BAD : OUT_GOOD);
}

static int show_entry(const struct seed_custody_seen *seen, void *arg, struct seed_error *err)
{
	const struct rows *rows = arg;

	(void)err;
	add_row(rows, seen);
	if (breaks(seen))
		cli_warn(rows->cli, "set %s: the chain of custody is broken at entry %u: %s",
			 rows->set, seen->number, seen->why.text);
	return 0;
}

void custody_show(struct cli *cli, struct out_table *table, const struct seed_volume *volume,
		  const struct seed_trust *trust)
{
	struct rows rows = { .cli = cli, .table = table };
	struct seed_error why = { 0 };
	char text[600];

	seed_id_text(&volume->set, rows.set);
	rows.set[8] = '\0';
	if (seed_custody_each(volume, trust, show_entry, &rows, &why) < 0)
		cli_warn(cli, "set %s: custody cannot be read: %s", rows.set,
			 verdict_text(&why, text, sizeof(text)));
}

/* ---- as JSON ---- */

struct members {
	struct seed_json *entries;
	uint32_t broken_at;
};

static struct seed_json *seeds_json(const struct seed_custody *entry)
{
	struct seed_json *array = seed_json_new_array();
	char id[SEED_ID_TEXT];

	for (size_t i = 0; i < entry->seeds.count; i++)
		seed_json_append_text(array, seed_id_text(seed_vec_at(&entry->seeds, i), id));
	return array;
}

static int add_entry(const struct seed_custody_seen *seen, void *arg, struct seed_error *err)
{
	struct members *members = arg;
	const struct seed_custody *e = seen->entry;
	struct seed_json *item = seed_json_new_object();
	char time[SEED_TIME_TEXT];

	(void)err;
	if (breaks(seen) && !members->broken_at)
		members->broken_at = seen->number;
	seed_json_set_uint(item, "entry", seen->number);
	seed_json_set_text(item, "standing", standing_name(seen->standing));
	verdict_json(item, &seen->why);
	if (e) {
		seed_json_set_text(item, "signer", seen->signer->name);
		seed_json_set_id(item, "site", &e->site);
		seed_json_set_text(item, "site_name", e->site_name);
		seed_json_set_text(item, "action", seed_custody_action_name(e->action));
		seed_json_set_text(item, "verdict", seed_custody_verdict_name(e->verdict));
		seed_json_set_uint(item, "commit", e->commit);
		seed_json_set_uint(item, "seed_count", e->seed_count);
		seed_json_set(item, "seeds", seeds_json(e));
		seed_json_set_text(item, "at", seed_clock_text(e->at, time));
		seed_json_set_text(item, "tool", e->tool);
	}
	seed_json_append(members->entries, item);
	return 0;
}

void custody_json(struct seed_json *item, const struct seed_volume *volume,
		  const struct seed_trust *trust)
{
	struct seed_json *custody = seed_json_new_object();
	struct members members = { .entries = seed_json_new_array() };
	struct seed_error why = { 0 };

	seed_custody_each(volume, trust, add_entry, &members, &why);
	verdict_json(custody, &why);
	if (members.broken_at)
		seed_json_set_uint(custody, "broken_at", members.broken_at);
	else
		seed_json_set_null(custody, "broken_at");
	seed_json_set(custody, "entries", members.entries);
	seed_json_set(item, "custody", custody);
}
