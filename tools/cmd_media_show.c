// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vmseed media show: what a medium is, and which sets are on it. Only signed words
 * are shown, and packs are not read: 'vmseed verify' does that.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd_media.h"
#include "out.h"
#include "verdict.h"

struct shown_set {
	struct seed_id id;
	struct seed_volume *volume;	/* NULL: refused, @why says so */
	struct seed_error why;		/* also the first problem of a volume that opened */
	size_t problems;		/* torn attempts not counted */
};

struct show {
	struct cli *cli;
	struct seed_medium *medium;
	const struct seed_trust *trust;
	int home;
	struct seed_vec sets;		/* struct shown_set */
};

static void clear(struct show *show)
{
	for (size_t i = 0; i < show->sets.count; i++)
		seed_volume_close(((struct shown_set *)seed_vec_at(&show->sets, i))->volume);
	seed_vec_free(&show->sets);
	seed_medium_close(show->medium);
}

/* A site by the name that it has here, or by its id. */
static const char *site_name(const struct seed_trust *trust, const struct seed_id *site,
			     char id[SEED_ID_TEXT])
{
	for (size_t i = 0; i < seed_trust_count(trust); i++) {
		const struct seed_trusted *known = seed_trust_at(trust, i);

		if (seed_id_equal(&known->card.site, site) && !known->revoked)
			return known->name;
	}
	return seed_id_text(site, id);
}

/* ---- looking ---- */

static void judge(const struct show *show, struct shown_set *set)
{
	struct seed_set_record record;

	if (set->volume->signer->own &&
	    seed_set_record_read(&record, show->home, &set->id, set->volume->number, NULL) == 0)
		seed_volume_mark_torn(set->volume, &record);
	for (size_t i = 0; i < set->volume->problems.count; i++) {
		const struct seed_volume_problem *problem =
			seed_vec_at(&set->volume->problems, i);

		if (!problem->torn && set->problems++ == 0)
			seed_error_set(&set->why, problem->kind, "%s: %s", problem->path,
				       problem->text);
	}
}

static int look(struct show *show, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec ids = { 0 };

	if (seed_medium_sets(show->medium, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < ids.count; i++) {
		struct shown_set set = { .id = *(struct seed_id *)seed_vec_at(&ids, i) };

		if (seed_volume_open(&set.volume, show->medium, &set.id, show->trust, NULL,
				     &set.why) == 0)
			judge(show, &set);
		if (!seed_vec_push(&show->sets, sizeof(set), &set)) {
			seed_volume_close(set.volume);
			return seed_error_sys(err, ENOMEM, "sets");
		}
	}
	return 0;
}

/* All sets sound: 0. None: the first one's failure; some: PARTIAL. */
static int conclude(const struct show *show, struct seed_error *err)
{
	const struct seed_error *first = NULL;
	size_t bad = 0;

	for (size_t i = 0; i < show->sets.count; i++) {
		const struct shown_set *set = seed_vec_at(&show->sets, i);

		if (set->volume && !set->problems)
			continue;
		if (bad++ == 0)
			first = &set->why;
	}
	if (!bad)
		return 0;
	if (bad == show->sets.count)
		return seed_error_set(err, first->kind, "%s%s", bad > 1 ? "no set is sound; the first: "
				      : "", first->text);
	return seed_error_set(err, SEED_ERR_PARTIAL, "%zu of %zu sets are not sound", bad,
			      show->sets.count);
}

/* ---- figures ---- */

static uint64_t stored_bytes(const struct seed_volume *volume)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < volume->packs.count; i++)
		sum += ((struct seed_pack_facts *)seed_vec_at(&volume->packs, i))->length;
	for (size_t i = 0; i < volume->files.count; i++)
		sum += ((struct seed_commit_file *)seed_vec_at(&volume->files, i))->facts.length;
	return sum;
}

/* Does one of our receiving keys open it? */
static bool for_us(const struct show *show, const struct seed_volume *volume)
{
	for (size_t i = 0; i < seed_trust_count(show->trust); i++) {
		const struct seed_trusted *own = seed_trust_at(show->trust, i);

		for (size_t j = 0; own->own && j < volume->recipients.count; j++) {
			const struct seed_recipient *r = seed_vec_at(&volume->recipients, j);

			if (memcmp(r->receiving_key, own->card.receiving_key, SEED_HPKE_KEY) == 0)
				return true;
		}
	}
	return !volume->sealed;
}

/* For whom a set is: its recipients other than the exporter, who can always open it. */
static const char *recipients(const struct show *show, const struct seed_volume *volume, char *out,
			      size_t size)
{
	char id[SEED_ID_TEXT];
	size_t len = 0;

	if (!volume->sealed)
		return "plaintext";
	out[0] = '\0';
	for (size_t i = 0; i < volume->recipients.count; i++) {
		const struct seed_recipient *r = seed_vec_at(&volume->recipients, i);

		if (volume->recipients.count > 1 && seed_id_equal(&r->site, &volume->site))
			continue;
		len += (size_t)snprintf(out + len, size - len, "%s%s", len ? "," : "",
					site_name(show->trust, &r->site, id));
		if (len >= size)
			break;
	}
	return out;
}

static const char *state_of(const struct shown_set *set)
{
	if (!set->volume)
		return "refused";
	if (set->problems)
		return "damaged";
	return set->volume->has_full ? "ok" : "unfinished";
}

/* ---- text ---- */

static void print_medium(const struct show *show)
{
	const struct seed_medium *medium = show->medium;
	char quoted[SEED_QUOTED], id[SEED_ID_TEXT], size[32], avail[32];
	struct statvfs st;

	printf("medium       %s\n", seed_medium_name(medium, quoted));
	printf("in           %s\n", seed_quote(medium->path, quoted, sizeof(quoted)));
	if (medium->known_signer) {
		printf("id           %s\n", seed_id_text(&medium->id, id));
		printf("prepared by  %s\n", site_name(show->trust, &medium->site, id));
	} else {
		printf("prepared by  unknown: %s\n", medium->unknown.text);
	}
	if (medium->model)
		printf("model        %s\n", seed_quote(medium->model, quoted, sizeof(quoted)));
	if (medium->serial)
		printf("serial       %s\n", seed_quote(medium->serial, quoted, sizeof(quoted)));
	if (fstatvfs(medium->root, &st) == 0)
		printf("room         %s of %s free%s\n",
		       seed_size_text((uint64_t)st.f_bavail * st.f_frsize, avail),
		       seed_size_text((uint64_t)st.f_blocks * st.f_frsize, size),
		       medium->writable ? "" : ", read-only");
}

static void add_row(const struct show *show, struct out_table *table, const struct shown_set *set)
{
	char id[SEED_ID_TEXT], sites[SEED_QUOTED], commit[16], seeds[24], packs[24], size[32];
	const struct seed_volume *volume = set->volume;

	seed_id_text(&set->id, id);
	id[8] = '\0';
	if (!volume) {
		out_table_row(table, (const char *[]){ id, NULL, NULL, NULL, NULL, NULL, NULL,
						       state_of(set) });
		out_table_mood(table, 7, OUT_BAD);
		return;
	}
	snprintf(commit, sizeof(commit), "%u", volume->last_commit);
	snprintf(seeds, sizeof(seeds), "%zu", volume->seeds.count);
	snprintf(packs, sizeof(packs), "%zu", volume->packs.count);
	out_table_row(table, (const char *[]){
		id, volume->signer->name, recipients(show, volume, sites, sizeof(sites)), seeds,
		packs, seed_size_text(stored_bytes(volume), size), commit, state_of(set) });
	out_table_mood(table, 7, set->problems ? OUT_BAD : volume->has_full ? OUT_GOOD : OUT_DOUBTFUL);
}

/* What the table has no room for. */
static void warn_of(const struct show *show, const struct shown_set *set)
{
	char id[SEED_ID_TEXT];

	seed_id_text(&set->id, id);
	if (!set->volume)
		cli_warn(show->cli, "%s", set->why.text);
	for (size_t i = 0; set->volume && i < set->volume->problems.count; i++) {
		const struct seed_volume_problem *problem =
			seed_vec_at(&set->volume->problems, i);

		if (problem->torn)
			cli_note(show->cli, "set %.8s: %s: %s; an export was cut short there, and the "
				 "next one sweeps it", id, problem->path, problem->text);
		else
			cli_warn(show->cli, "set %.8s: %s: %s", id, problem->path, problem->text);
	}
}

static int print_text(const struct show *show, struct seed_error *err)
{
	static const struct out_column columns[] = {
		{ "SET", false, OUT_WHOLE }, { "FROM", false, OUT_CUT },
		{ "FOR", false, OUT_CUT }, { "SEEDS", true, OUT_WHOLE },
		{ "PACKS", true, OUT_WHOLE }, { "SIZE", true, OUT_WHOLE },
		{ "COMMIT", true, OUT_WHOLE }, { "STATE", false, OUT_WHOLE },
	};
	SEED_AUTO(out_table_freep) struct out_table *table = NULL;

	if (out_table_new(&table, columns, sizeof(columns) / sizeof(columns[0]), err) < 0)
		return -1;
	out_table_colours(table, cli_colour(show->cli, STDOUT_FILENO));
	print_medium(show);
	printf(show->sets.count ? "\n" : "\nNo sets yet.\n");
	for (size_t i = 0; i < show->sets.count; i++)
		add_row(show, table, seed_vec_at(&show->sets, i));
	if (out_table_print(table, err) < 0)
		return -1;
	for (size_t i = 0; i < show->sets.count; i++)
		warn_of(show, seed_vec_at(&show->sets, i));
	return 0;
}

/* ---- JSON ---- */

static void set_text_or_null(struct seed_json *doc, const char *key, const char *text)
{
	if (text && *text)
		seed_json_set_text(doc, key, text);
	else
		seed_json_set_null(doc, key);
}

static struct seed_json *recipients_json(const struct show *show, const struct seed_volume *volume)
{
	struct seed_json *array = seed_json_new_array();
	char id[SEED_ID_TEXT];

	for (size_t i = 0; i < volume->recipients.count; i++) {
		const struct seed_recipient *r = seed_vec_at(&volume->recipients, i);
		struct seed_json *item = seed_json_new_object();

		seed_json_set_id(item, "site", &r->site);
		seed_json_set_text(item, "name", site_name(show->trust, &r->site, id));
		seed_json_append(array, item);
	}
	return array;
}

static struct seed_json *problems_json(const struct seed_volume *volume)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < volume->problems.count; i++) {
		const struct seed_volume_problem *problem = seed_vec_at(&volume->problems, i);
		struct seed_json *item = seed_json_new_object();

		seed_json_set_text(item, "path", problem->path);
		seed_json_set_text(item, "text", problem->text);
		seed_json_set_bool(item, "torn", problem->torn);
		seed_json_append(array, item);
	}
	return array;
}

static struct seed_json *set_json(const struct show *show, const struct shown_set *set)
{
	const struct seed_volume *volume = set->volume;
	struct seed_json *item = seed_json_new_object();

	seed_json_set_id(item, "set", &set->id);
	seed_json_set_text(item, "state", state_of(set));
	verdict_json(item, &set->why);
	if (!volume)
		return item;
	seed_json_set_id(item, "site", &volume->site);
	seed_json_set_text(item, "from", volume->signer->name);
	seed_json_set_uint(item, "volume", volume->number);
	seed_json_set_bool(item, "sealed", volume->sealed);
	seed_json_set_bool(item, "readable", for_us(show, volume));
	seed_json_set(item, "recipients", recipients_json(show, volume));
	seed_json_set_uint(item, "commit", volume->last_commit);
	seed_json_set_uint(item, "full_commit", volume->last_full);
	seed_json_set_uint(item, "seeds", volume->seeds.count);
	seed_json_set_uint(item, "packs", volume->packs.count);
	seed_json_set_uint(item, "files", volume->files.count);
	seed_json_set_uint(item, "bytes", stored_bytes(volume));
	seed_json_set(item, "problems", problems_json(volume));
	return item;
}

static int print_json(const struct show *show, struct seed_error *err)
{
	const struct seed_medium *medium = show->medium;
	struct seed_json *doc = out_json_new("medium"), *sets = seed_json_new_array();
	char id[SEED_ID_TEXT];
	struct statvfs st;

	out_json_name(doc, "path", medium->path);
	seed_json_set_bool(doc, "known", medium->known_signer);
	set_text_or_null(doc, "unknown", medium->known_signer ? NULL : medium->unknown.text);
	set_text_or_null(doc, "label", medium->label);
	set_text_or_null(doc, "id", medium->known_signer ? seed_id_text(&medium->id, id) : NULL);
	set_text_or_null(doc, "site",
			 medium->known_signer ? seed_id_text(&medium->site, id) : NULL);
	set_text_or_null(doc, "prepared_by", medium->known_signer ?
			 site_name(show->trust, &medium->site, id) : NULL);
	set_text_or_null(doc, "model", medium->model);
	set_text_or_null(doc, "serial", medium->serial);
	seed_json_set_bool(doc, "writable", medium->writable);
	if (fstatvfs(medium->root, &st) == 0) {
		seed_json_set_uint(doc, "bytes", (uint64_t)st.f_blocks * st.f_frsize);
		seed_json_set_uint(doc, "bytes_free", (uint64_t)st.f_bavail * st.f_frsize);
	}
	for (size_t i = 0; i < show->sets.count; i++)
		seed_json_append(sets, set_json(show, seed_vec_at(&show->sets, i)));
	seed_json_set(doc, "sets", sets);
	return out_json_print(doc, err);
}

int cmd_media_show(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(clear) struct show show = { .cli = cli };
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, NULL,
		&(struct cli_usage){
			.args = "DIR",
			.about = "Show what the medium in DIR is, who prepared it, and which sets are "
				 "on it.\nPacks are not read: 'vmseed verify' does that.",
			.examples = { "vmseed media show /media/caddy",
				      "vmseed media show --json /media/caddy" } });

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 1, 1, err) < 0 ||
	    cli_home(cli, &show.home, err) < 0 || cli_trust(cli, &show.trust, err) < 0 ||
	    seed_medium_open(&show.medium, cli_rest(ctx)[0], show.trust, err) < 0 ||
	    look(&show, err) < 0)
		return -1;
	if ((cli->json ? print_json(&show, err) : print_text(&show, err)) < 0)
		return -1;
	return conclude(&show, err);
}
