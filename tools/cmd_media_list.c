// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmseed media list: the disks that may serve as media, and why the others may not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd_media.h"
#include "media/disks.h"
#include "out.h"

struct list {
	struct cli *cli;
	struct seed_disks *disks;
	const struct seed_trust *trust;	/* NULL: this site has no home yet */
};

static void clear(struct list *list)
{
	seed_disks_free(list->disks);
}

/* ---- what is on a file system ---- */

struct on_it {
	struct seed_medium *medium;	/* NULL: not mounted, or no medium that can be read */
	struct seed_vec sets;		/* struct seed_id */
};

static void close_on_it(struct on_it *it)
{
	seed_medium_close(it->medium);
	seed_vec_free(&it->sets);
}

/* Whatever is wrong with a medium is for 'vmseed media show' to say. */
static void look(const struct list *list, const struct seed_disk_fs *fs, struct on_it *it)
{
	if (fs->mount && seed_medium_open(&it->medium, fs->mount->point, list->trust, NULL) == 0 &&
	    seed_medium_sets(it->medium, &it->sets, NULL) < 0)
		it->sets.count = 0;
}

/* "4dfee522,91c0a7d3", "none yet", or NULL: no medium. */
static const char *sets_text(const struct on_it *it, char *out, size_t size)
{
	char id[SEED_ID_TEXT];
	size_t len = 0;

	if (!it->medium)
		return NULL;
	snprintf(out, size, "none yet");
	for (size_t i = 0; i < it->sets.count && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%.8s", i ? "," : "",
					seed_id_text(seed_vec_at(&it->sets, i), id));
	return out;
}

/* ---- text ---- */

/* A device's own word in a table: NULL when there is none. */
static const char *word(const char *text, char *buf)
{
	return *text ? seed_quote(text, buf, SEED_QUOTED) : NULL;
}

/* The same without the quotes where nothing had to be escaped: models have blanks in them. */
static const char *bare(const char *text, char *buf)
{
	size_t len = strlen(text);

	if (!word(text, buf))
		return NULL;
	if (strlen(buf) == len + 2 && memcmp(buf + 1, text, len) == 0)
		return text;
	return buf;
}

static const char *short_node(const char *node)
{
	return strncmp(node, "/dev/mapper/", 12) == 0 ? node + 12 :
	       strncmp(node, "/dev/", 5) == 0 ? node + 5 : node;
}

static void add_fit(const struct list *list, struct out_table *table, const struct seed_disk *disk,
		    const struct seed_disk_fs *fs)
{
	SEED_AUTO(close_on_it) struct on_it it = { 0 };
	char node[SEED_QUOTED], model[SEED_QUOTED], serial[SEED_QUOTED], type[SEED_QUOTED],
	     label[SEED_QUOTED], size[32], avail[32], sets[256];
	const char *room = NULL;

	if (fs)
		look(list, fs, &it);
	if (fs && fs->mount)
		room = fs->mount->read_only || disk->read_only ? "read-only" :
		       seed_size_text(fs->free, avail);
	out_table_row(table, (const char *[]){
		bare(short_node(fs ? fs->node : disk->node), node), bare(disk->model, model),
		bare(disk->serial, serial), seed_size_text(fs ? fs->bytes : disk->bytes, size),
		*disk->bus ? disk->bus : NULL, fs ? bare(fs->type, type) : NULL,
		fs ? bare(fs->label, label) : NULL, room, sets_text(&it, sets, sizeof(sets)) });
}

static int print_fit(const struct list *list, size_t *rows, struct seed_error *err)
{
	static const struct out_column columns[] = {
		{ "DEVICE", false, OUT_CUT }, { "MODEL", false, OUT_SQUEEZE },
		{ "SERIAL", false, OUT_SQUEEZE }, { "SIZE", true, OUT_WHOLE },
		{ "BUS", false, OUT_WHOLE }, { "FSTYPE", false, OUT_WHOLE },
		{ "LABEL", false, OUT_SQUEEZE }, { "FREE", true, OUT_WHOLE },
		{ "SET", false, OUT_WRAP },
	};
	SEED_AUTO(out_table_freep) struct out_table *table = NULL;

	if (out_table_new(&table, columns, sizeof(columns) / sizeof(columns[0]), err) < 0)
		return -1;
	for (size_t i = 0; i < seed_disks_count(list->disks); i++) {
		const struct seed_disk *disk = seed_disks_at(list->disks, i);

		if (disk->verdict != SEED_DISK_FIT)
			continue;
		for (size_t k = 0; k < disk->filesystems.count; k++, ++*rows)
			add_fit(list, table, disk, seed_vec_at(&disk->filesystems, k));
		if (disk->filesystems.count == 0) {
			add_fit(list, table, disk, NULL);
			++*rows;
		}
	}
	return out_table_print(table, err);
}

static int print_unfit(const struct list *list, bool after, struct seed_error *err)
{
	static const struct out_column columns[] = {
		{ "DEVICE", false, OUT_CUT }, { "MODEL", false, OUT_SQUEEZE },
		{ "SERIAL", false, OUT_SQUEEZE }, { "SIZE", true, OUT_WHOLE },
		{ "BUS", false, OUT_WHOLE }, { "WHY NOT", false, OUT_WRAP },
	};
	SEED_AUTO(out_table_freep) struct out_table *table = NULL;

	if (out_table_new(&table, columns, sizeof(columns) / sizeof(columns[0]), err) < 0)
		return -1;
	for (size_t i = 0; i < seed_disks_count(list->disks); i++) {
		const struct seed_disk *disk = seed_disks_at(list->disks, i);
		char node[SEED_QUOTED], model[SEED_QUOTED], serial[SEED_QUOTED], size[32];

		if (disk->verdict == SEED_DISK_FIT)
			continue;
		if (after)
			putchar('\n');
		after = false;
		out_table_row(table, (const char *[]){
			bare(short_node(disk->node), node), bare(disk->model, model),
			bare(disk->serial, serial), seed_size_text(disk->bytes, size),
			*disk->bus ? disk->bus : NULL, disk->why });
		out_table_mood(table, 5,
			       disk->verdict == SEED_DISK_SYSTEM ? OUT_BAD : OUT_DOUBTFUL);
	}
	out_table_colours(table, cli_colour(list->cli, STDOUT_FILENO));
	return out_table_print(table, err);
}

static int print_text(const struct list *list, bool all, struct seed_error *err)
{
	size_t rows = 0;

	if (print_fit(list, &rows, err) < 0)
		return -1;
	if (!rows)
		printf("No disk here may serve as a medium: plug one in and mount it%s.\n",
		       all ? "" : "; 'list -a' shows the others");
	return all ? print_unfit(list, true, err) : 0;
}

/* ---- JSON ---- */

static void name_or_null(struct seed_json *object, const char *key, const char *text)
{
	if (*text)
		out_json_name(object, key, text);
	else
		seed_json_set_null(object, key);
}

static struct seed_json *medium_json(const struct on_it *it)
{
	struct seed_json *item = seed_json_new_object(), *sets = seed_json_new_array();
	char id[SEED_ID_TEXT];

	seed_json_set_bool(item, "known", it->medium->known_signer);
	name_or_null(item, "label", it->medium->label);
	if (it->medium->known_signer)
		seed_json_set_id(item, "id", &it->medium->id);
	else
		seed_json_set_null(item, "id");
	for (size_t i = 0; i < it->sets.count; i++)
		seed_json_append_text(sets, seed_id_text(seed_vec_at(&it->sets, i), id));
	seed_json_set(item, "sets", sets);
	return item;
}

static struct seed_json *filesystem_json(const struct list *list, const struct seed_disk_fs *fs)
{
	SEED_AUTO(close_on_it) struct on_it it = { 0 };
	struct seed_json *item = seed_json_new_object();

	look(list, fs, &it);
	out_json_name(item, "device", fs->node);
	name_or_null(item, "type", fs->type);
	name_or_null(item, "label", fs->label);
	name_or_null(item, "uuid", fs->uuid);
	seed_json_set_uint(item, "bytes", fs->bytes);
	name_or_null(item, "mounted_on", fs->mount ? fs->mount->point : "");
	if (fs->mount) {
		seed_json_set_bool(item, "read_only", fs->mount->read_only);
		seed_json_set_uint(item, "bytes_free", fs->free);
	} else {
		seed_json_set_null(item, "read_only");
		seed_json_set_null(item, "bytes_free");
	}
	if (it.medium)
		seed_json_set(item, "medium", medium_json(&it));
	else
		seed_json_set_null(item, "medium");
	return item;
}

static struct seed_json *disk_json(const struct list *list, const struct seed_disk *disk)
{
	static const char *const verdicts[] = {
		[SEED_DISK_FIT] = "fit", [SEED_DISK_EMPTY] = "empty",
		[SEED_DISK_UNKNOWN] = "unknown", [SEED_DISK_INTERNAL] = "internal",
		[SEED_DISK_IN_USE] = "in-use", [SEED_DISK_SYSTEM] = "system",
	};
	struct seed_json *item = seed_json_new_object(), *all = seed_json_new_array();

	out_json_name(item, "device", disk->node);
	name_or_null(item, "model", disk->model);
	name_or_null(item, "serial", disk->serial);
	name_or_null(item, "bus", disk->bus);
	seed_json_set_uint(item, "bytes", disk->bytes);
	seed_json_set_bool(item, "external", disk->external);
	seed_json_set_bool(item, "read_only", disk->read_only);
	seed_json_set_text(item, "verdict", verdicts[disk->verdict]);
	name_or_null(item, "why", disk->why);
	for (size_t i = 0; i < disk->filesystems.count; i++)
		seed_json_append(all, filesystem_json(list, seed_vec_at(&disk->filesystems, i)));
	seed_json_set(item, "file_systems", all);
	return item;
}

static int print_json(const struct list *list, bool all, struct seed_error *err)
{
	struct seed_json *doc = out_json_new("media-list"), *disks = seed_json_new_array();

	for (size_t i = 0; i < seed_disks_count(list->disks); i++) {
		const struct seed_disk *disk = seed_disks_at(list->disks, i);

		if (all || disk->verdict == SEED_DISK_FIT)
			seed_json_append(disks, disk_json(list, disk));
	}
	seed_json_set(doc, "disks", disks);
	return out_json_print(doc, err);
}

int cmd_media_list(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(clear) struct list list = { .cli = cli };
	int all = 0, home;
	const struct poptOption table[] = {
		{ "all", 'a', POPT_ARG_NONE, &all, 0,
		  "also the disks that may not, and why", NULL },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.about = "List the disks that may serve as media: those that can be taken "
				 "away "
				 "and that\nnothing of this system lies on.",
			.examples = { "vmseed media list", "vmseed media list -a" } });

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 0, 0, err) < 0 ||
	    seed_disks_read(&list.disks, NULL, err) < 0)
		return -1;
	/* Without keys of its own a site can look at its disks all the same. */
	if (cli_home(cli, &home, NULL) == 0 && cli_trust(cli, &list.trust, NULL) < 0)
		list.trust = NULL;
	return cli->json ? print_json(&list, all, err) : print_text(&list, all, err);
}
