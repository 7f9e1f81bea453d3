/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmseed key: this site's keys and card, and the sites that it trusts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd_key.h"
#include "commands.h"
#include "crypto/secret.h"
#include "out.h"

void cmd_key_describe(struct seed_json *object, const char *name, const struct seed_card *card)
{
	char fingerprint[SEED_FINGERPRINT_TEXT], key[SEED_PUBLIC_KEY_TEXT];

	seed_json_set_text(object, "name", name);
	seed_json_set_id(object, "site", &card->site);
	seed_json_set_text(object, "fingerprint", seed_fingerprint(card, fingerprint));
	seed_json_set_text(object, "key", seed_public_key_text(&card->key, key));
	seed_json_set_base64(object, "receiving_key", card->receiving_key, SEED_HPKE_KEY);
}

/* The home's own card: its text to pass on, and what it says. */
static int own_card(struct cli *cli, struct seed_card *card, char **text, size_t *len,
		    struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *own = NULL;
	int home;

	if (cli_home(cli, &home, err) < 0)
		return -1;
	if (seed_site_card(home, &own, len, err) < 0) {
		if (err->kind != SEED_ERR_NOTFOUND || seed_site_exists(home))
			return -1;
		return cli_no_keys(cli, err);
	}
	if (seed_card_read(card, own, *len, err) < 0)
		return seed_error_prefix(err, "site/card");
	*text = seed_steal(&own);
	return 0;
}

/* ---- new ---- */

static int print_new(struct cli *cli, struct seed_error *err)
{
	char fingerprint[SEED_FINGERPRINT_TEXT], id[SEED_ID_TEXT], quoted[SEED_QUOTED];
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_card card;
	size_t len;

	if (own_card(cli, &card, &text, &len, err) < 0)
		return -1;
	if (cli->json) {
		struct seed_json *doc = out_json_new("key");

		cmd_key_describe(doc, card.name, &card);
		out_json_name(doc, "home", cli_home_path(cli));
		seed_json_set_bool(doc, "dry_run", false);
		return out_json_print(doc, err);
	}
	printf("Made the keys of site %s in %s.\n\n"
	       "  site id      %s\n"
	       "  fingerprint  %s\n\n"
	       "Next: 'vmseed key card > %s.card'; take the card to the other site, and read the\n"
	       "fingerprint out to its people. They run 'vmseed key trust %s.card'.\n",
	       card.name, seed_quote(cli_home_path(cli), quoted, sizeof(quoted)),
	       seed_id_text(&card.site, id), seed_fingerprint(&card, fingerprint), card.name,
	       card.name);
	return 0;
}

static int create(struct cli *cli, int home, const char *name, bool prompt,
		  struct seed_error *err)
{
	char passphrase[SEED_PASSPHRASE_MAX];
	bool given;
	int status;

	if (cli_new_passphrase(cli, prompt, passphrase, &given, err) < 0)
		return -1;
	status = seed_site_create(home, name, given ? passphrase : NULL, err);
	seed_wipe(passphrase, sizeof(passphrase));
	return status;
}

static int would_create(struct cli *cli, const char *name, struct seed_error *err)
{
	const char *path = cli_home_path(cli);
	char quoted[SEED_QUOTED];
	int home;

	/* A home that is there must be fit for keys; one that is not would be made. */
	if (!path || access(path, F_OK) == 0) {
		if (cli_home(cli, &home, err) < 0)
			return -1;
		if (seed_site_exists(home))
			return seed_error_set(err, SEED_ERR_USAGE,
					      "this home has its keys already");
	}
	if (cli->json) {
		struct seed_json *doc = out_json_new("key");

		seed_json_set_text(doc, "name", name);
		out_json_name(doc, "home", path);
		seed_json_set_bool(doc, "dry_run", true);
		return out_json_print(doc, err);
	}
	printf("Would make the keys of site %s in %s.\n", name,
	       seed_quote(path, quoted, sizeof(quoted)));
	return 0;
}

static int key_new(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	int prompt = 0, home;
	const struct poptOption table[] = {
		{ "passphrase", 0, POPT_ARG_NONE, &prompt, 0,
		  "protect the keys with a passphrase asked for at the terminal", NULL },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.args = "NAME",
			.about = "Make this site's keys: a signing key, a receiving key and a "
				 "random site id.\nNAME is what other sites will call it.",
			.examples = { "vmseed key new hq",
				      "vmseed key new --passphrase-file /etc/vmseed.pass dr" } });
	char quoted[SEED_QUOTED];
	const char *name;

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 1, 1, err) < 0)
		return -1;
	name = cli_rest(ctx)[0];
	if (!seed_site_name_valid(name))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s: a site's name is 1 to %d of A-Z a-z 0-9 . _ -, not "
				      "beginning with . or -",
				      seed_quote(name, quoted, sizeof(quoted)), SEED_NAME_MAX);
	if (cli->dry_run)
		return would_create(cli, name, err);
	if (cli_home_make(cli, &home, err) < 0)
		return -1;
	/* Before a passphrase is asked for in vain; seed_site_create() decides. */
	if (seed_site_exists(home))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "this home has its keys already ('vmseed key list' shows "
				      "them)");
	if (create(cli, home, name, prompt, err) < 0)
		return -1;
	return print_new(cli, err);
}

/* ---- list ---- */

static const char *state_of(const struct seed_trusted *site)
{
	return site->revoked ? "revoked" : site->own ? "own" : "trusted";
}

static int list_json(const struct seed_trust *trust, struct seed_error *err)
{
	struct seed_json *doc = out_json_new("key-list"), *sites = seed_json_new_array();

	for (size_t i = 0; i < seed_trust_count(trust); i++) {
		const struct seed_trusted *site = seed_trust_at(trust, i);
		struct seed_json *item = seed_json_new_object(), *scope = seed_json_new_array();

		cmd_key_describe(item, site->name, &site->card);
		seed_json_set_text(item, "card_name", site->card.name);
		seed_json_set_text(item, "state", state_of(site));
		for (size_t j = 0; j < site->scope.count; j++)
			seed_json_append_text(scope, *(char **)seed_vec_at(&site->scope, j));
		seed_json_set(item, "scope", scope);
		seed_json_append(sites, item);
	}
	seed_json_set(doc, "sites", sites);
	return out_json_print(doc, err);
}

/* "any VM", or the names, separated by commas. The caller frees it. */
static int scope_text(const struct seed_trusted *site, char **out, struct seed_error *err)
{
	SEED_AUTO(seed_buf_free) struct seed_buf text = { 0 };
	char quoted[SEED_QUOTED];

	if (site->own || site->scope.count == 0)
		return seed_buf_addf(&text, err, "%s", site->own ? "-" : "any VM") < 0 ? -1 :
		       (*out = seed_steal(&text.data), 0);
	for (size_t i = 0; i < site->scope.count; i++)
		if (seed_buf_addf(&text, err, "%s%s", i ? "," : "",
				  out_name(*(char **)seed_vec_at(&site->scope, i), quoted,
					   sizeof(quoted))) < 0)
			return -1;
	*out = seed_steal(&text.data);
	return 0;
}

static int add_row(struct out_table *table, const struct seed_trusted *site,
		   struct seed_error *err)
{
	char fingerprint[SEED_FINGERPRINT_TEXT], key[SEED_PUBLIC_KEY_TEXT], id[SEED_ID_TEXT];
	SEED_AUTO(seed_freep) char *scope = NULL;

	if (scope_text(site, &scope, err) < 0)
		return -1;
	out_table_row(table, (const char *const[]){
		site->name, state_of(site), seed_fingerprint(&site->card, fingerprint),
		seed_id_text(&site->card.site, id), seed_public_key_text(&site->card.key, key),
		scope });
	return 0;
}

static int key_list(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	static const struct out_column columns[] = {
		{ "NAME", false, OUT_WHOLE }, { "STATE", false, OUT_WHOLE },
		{ "FINGERPRINT", false, OUT_WHOLE }, { "SITE", false, OUT_CUT },
		{ "KEY", false, OUT_CUT }, { "SCOPE", false, OUT_CUT },
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, NULL,
		&(struct cli_usage){
			.about = "List this site and the sites that it trusts, with their\n"
				 "fingerprints and minisign keys.",
			.examples = { "vmseed key list", "vmseed key list --json" } });
	SEED_AUTO(out_table_freep) struct out_table *table = NULL;
	const struct seed_trust *trust;

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 0, 0, err) < 0 ||
	    cli_trust(cli, &trust, err) < 0)
		return -1;
	if (cli->json)
		return list_json(trust, err);
	if (out_table_new(&table, columns, sizeof(columns) / sizeof(columns[0]), err) < 0)
		return -1;
	for (size_t i = 0; i < seed_trust_count(trust); i++)
		if (add_row(table, seed_trust_at(trust, i), err) < 0)
			return -1;
	return out_table_print(table, err);
}

/* ---- card ---- */

static int key_card(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, NULL,
		&(struct cli_usage){
			.about = "Print this site's card, which other sites trust; its "
				 "fingerprint\n"
				 "goes to stderr.",
			.examples = { "vmseed key card > hq.card",
				      "vmseed key card | ssh dr tee hq.card" } });
	SEED_AUTO(seed_freep) char *text = NULL;
	char fingerprint[SEED_FINGERPRINT_TEXT];
	struct seed_card card;
	size_t len;

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 0, 0, err) < 0 ||
	    own_card(cli, &card, &text, &len, err) < 0)
		return -1;
	if (cli->json) {
		struct seed_json *doc = out_json_new("key-card");

		cmd_key_describe(doc, card.name, &card);
		seed_json_set_text(doc, "card", text);
		return out_json_print(doc, err);
	}
	fwrite(text, 1, len, stdout);
	cli_note(cli, "the fingerprint of %s, to read out: %s", card.name,
		 seed_fingerprint(&card, fingerprint));
	return 0;
}

/* ---- revoke ---- */

static int revoke_key(struct cli *cli, int home, const char *name, struct seed_error *err)
{
	const struct seed_trusted *site;
	const struct seed_trust *trust;

	if (!cli->dry_run)
		return seed_trust_revoke(home, name, err);
	if (cli_trust(cli, &trust, err) < 0 || seed_trust_find(&site, trust, name, err) < 0)
		return -1;
	if (site->own)
		return seed_error_set(err, SEED_ERR_USAGE, "%s is this site itself", name);
	return 0;
}

static int key_revoke(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, NULL,
		&(struct cli_usage){
			.args = "NAME",
			.about = "Trust the key of a site no more, under any name, for good.",
			.examples = { "vmseed key revoke dr", "vmseed key revoke --dry-run dr" } });
	const char *name;
	int home;

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 1, 1, err) < 0 ||
	    cli_home(cli, &home, err) < 0)
		return -1;
	name = cli_rest(ctx)[0];
	if (revoke_key(cli, home, name, err) < 0)
		return cli_named(err);
	if (cli->json) {
		struct seed_json *doc = out_json_new("key-revoke");

		seed_json_set_text(doc, "name", name);
		seed_json_set_text(doc, "state", "revoked");
		seed_json_set_bool(doc, "dry_run", cli->dry_run);
		return out_json_print(doc, err);
	}
	if (cli->dry_run)
		printf("Would revoke the key of %s.\n", name);
	else
		printf("Revoked the key of %s: nothing it signed is trusted here any more.\n",
		       name);
	return 0;
}

int cmd_key(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	static const struct cli_command verbs[] = {
		{ "new", key_new, "make this site's keys" },
		{ "list", key_list, "this site and whom it trusts" },
		{ "card", key_card, "print this site's card" },
		{ "trust", cmd_key_trust, "trust another site by its card" },
		{ "revoke", key_revoke, "trust a site's key no more" },
		{ NULL, NULL, NULL },
	};
	static const struct cli_usage use = {
		.args = "COMMAND [ARGUMENT...]",
		.about = "This site's keys and card, and the sites that it trusts.",
		.examples = { "vmseed key new hq",
			      "vmseed key trust dr.card --fingerprint 4K7QF-..." },
	};

	return cli_dispatch(cli, argc, argv, verbs, &use, err);
}
