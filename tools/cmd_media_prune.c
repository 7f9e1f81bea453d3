// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmseed media prune: old seeds, and the packs that only they needed, leave the media. */
#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "cmd_media.h"
#include "export/prune.h"
#include "media_args.h"
#include "out.h"
#include "scratch.h"

static int print_table(struct cli *cli, const struct seed_prune *p, struct seed_error *err)
{
	static const struct out_column columns[] = {
		{ "VM", false, OUT_CUT }, { "GENERATION", true, OUT_WHOLE },
		{ "SET", false, OUT_WHOLE }, { "SEED", false, OUT_WHOLE },
	};
	SEED_AUTO(out_table_freep) struct out_table *table = NULL;

	if (out_table_new(&table, columns, sizeof(columns) / sizeof(columns[0]), err) < 0)
		return -1;
	out_table_colours(table, cli_colour(cli, STDOUT_FILENO));
	for (size_t i = 0; i < p->seeds.count; i++) {
		const struct seed_prune_seed *s = seed_vec_at(&p->seeds, i);
		char name[SEED_QUOTED], gen[24], set[SEED_ID_TEXT];

		snprintf(gen, sizeof(gen), "%" PRIu64, s->generation);
		seed_id_text(&s->set, set)[8] = '\0';
		out_table_row(table, (const char *[]){
			out_name(s->name, name, sizeof(name)), gen, set,
			!s->drops ? "stays" : cli->dry_run ? "would go" : "gone" });
	}
	return out_table_print(table, err);
}

static void print_volumes(const struct cli *cli, const struct seed_prune *p)
{
	char text[32];

	putchar('\n');
	for (size_t i = 0; i < p->volumes.count; i++) {
		const struct seed_prune_volume *v = seed_vec_at(&p->volumes, i);

		if (v->packs)
			printf("%s: %" PRIu32 " of %" PRIu32 " packs %s, %s.\n", v->label, v->packs,
			       v->packs + v->kept_packs, cli->dry_run ? "would go" : "gone",
			       seed_size_text(v->bytes, text));
	}
	if (!p->bytes)
		printf("Nothing to prune.\n");
	else
		printf("%s %s.\n", cli->dry_run ? "It would free" : "Freed",
		       seed_size_text(p->bytes, text));
	if (p->foreign)
		printf("%zu set%s of other sites left alone.\n", p->foreign,
		       p->foreign == 1 ? "" : "s");
}

static int print_json(const struct cli *cli, const struct seed_prune *p, struct seed_error *err)
{
	struct seed_json *doc = out_json_new("media-prune");
	struct seed_json *seeds = seed_json_new_array(), *volumes = seed_json_new_array();

	seed_json_set_bool(doc, "dry_run", cli->dry_run);
	for (size_t i = 0; i < p->seeds.count; i++) {
		const struct seed_prune_seed *s = seed_vec_at(&p->seeds, i);
		struct seed_json *o = seed_json_new_object();

		seed_json_set_id(o, "set", &s->set);
		seed_json_set_id(o, "seed", &s->seed);
		seed_json_set_text(o, "name", s->name);
		seed_json_set_uuid(o, "uuid", &s->uuid);
		seed_json_set_uint(o, "generation", s->generation);
		seed_json_set_bool(o, "pruned", s->drops);
		seed_json_append(seeds, o);
	}
	for (size_t i = 0; i < p->volumes.count; i++) {
		const struct seed_prune_volume *v = seed_vec_at(&p->volumes, i);
		struct seed_json *o = seed_json_new_object();

		seed_json_set_id(o, "set", &v->set);
		seed_json_set_uint(o, "volume", v->number);
		seed_json_set_text(o, "label", v->label);
		seed_json_set_uint(o, "packs_pruned", v->packs);
		seed_json_set_uint(o, "packs_kept", v->kept_packs);
		seed_json_set_uint(o, "bytes", v->bytes);
		seed_json_append(volumes, o);
	}
	seed_json_set(doc, "seeds", seeds);
	seed_json_set(doc, "volumes", volumes);
	seed_json_set_uint(doc, "bytes", p->bytes);
	return out_json_print(doc, err);
}

static int lock_media(const struct seed_vec *media, struct seed_error *err)
{
	for (size_t i = 0; i < media->count; i++)
		if (seed_medium_lock(*(struct seed_medium **)seed_vec_at(media, i), err) < 0)
			return -1;
	return 0;
}

static int prune(struct cli *cli, const char **dirs, unsigned int keep, struct seed_error *err)
{
	struct seed_prune_options opt = {
		.keep = keep, .memory = cli->memory, .dry_run = cli->dry_run,
		.events = cli_events(cli), .cancel = cli->cancel,
	};
	struct seed_vec media = { 0 };
	struct seed_prune out = { 0 };
	struct scratch scratch;
	int rc;

	if (cli_home(cli, &opt.home, err) < 0 || cli_site(cli, &opt.own, err) < 0 ||
	    cli_trust(cli, &opt.trust, err) < 0 || scratch_make(&scratch, err) < 0)
		return -1;
	opt.scratch = scratch.fd;
	rc = media_args_open(cli, &media, dirs, opt.trust, err);
	if (rc == 0 && !cli->dry_run)
		rc = lock_media(&media, err);
	if (rc == 0)
		rc = seed_prune(&out, &media, &opt, err);
	cli_end_progress(cli);
	if (rc == 0)
		rc = cli->json ? print_json(cli, &out, err) : print_table(cli, &out, err);
	if (rc == 0 && !cli->json)
		print_volumes(cli, &out);
	seed_prune_clear(&out);
	media_args_close(&media);
	scratch_remove(&scratch);
	return rc;
}

int cmd_media_prune(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	int keep = 1;
	const struct poptOption table[] = {
		{ "keep", 0, POPT_ARG_INT, &keep, 0,
		  "seeds of each VM that stay, the newest (1)", "N" },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.args = "DIR...",
			.about = "Take old seeds off the media in DIR, with the packs that only "
				 "they needed.\n"
				 "The newest of each VM always stays. All media of a set are given "
				 "together.",
			.examples = { "vmseed media prune -n /media/caddy",
				      "vmseed media prune --keep 2 /media/caddy-1 "
				      "/media/caddy-2" } });

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 1, CLI_ANY, err) < 0)
		return -1;
	if (keep < 1 || keep > 10000)
		return seed_error_set(err, SEED_ERR_USAGE, "--keep: 1 to 10000");
	return prune(cli, cli_rest(ctx), (unsigned int)keep, err);
}
