/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmseed key trust: pin another site's card, once a person has compared its fingerprint. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "cmd_key.h"
#include "out.h"
#include "terminal.h"

struct request {
	char *name;		/* --name; NULL: the card's own */
	char *fingerprint;	/* --fingerprint, or as typed */
	const char **scope;
	const char *file;	/* the card, as it was named */
	char text[SEED_CARD_MAX + 1];
	size_t len;
	struct seed_card card;
};

static void request_clear(struct request *r)
{
	free(r->name);
	free(r->fingerprint);
	cli_list_freep(&r->scope);
}

/* At most one byte more than a card may have: a file of any size costs no more. */
static int read_card(struct request *r, const struct seed_cancel *cancel, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	ssize_t got = 1;

	if (strcmp(r->file, "-") == 0)
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		fd = open(r->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		seed_error_sys(err, errno, "open");
		if (err->sys_errno == ENOENT)	/* named on the command line: the user's slip */
			err->kind = SEED_ERR_USAGE;
		seed_cancelled(cancel, err);	/* woken up by a signal */
		return -1;
	}
	while (got != 0 && r->len < sizeof(r->text)) {
		if (seed_cancelled(cancel, err) < 0)
			return -1;
		got = read(fd, r->text + r->len, sizeof(r->text) - r->len);
		if (got < 0 && errno != EINTR)
			return seed_error_sys(err, errno, "read");
		r->len += got > 0 ? (size_t)got : 0;
	}
	if (r->len == 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "it is empty");
	if (r->len > SEED_CARD_MAX)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "longer than %d bytes: not a site's card", SEED_CARD_MAX);
	return seed_card_read(&r->card, r->text, r->len, err);
}

/*
 * The fingerprint has to come from the other site by another way than the card, so ours is never
 * shown before it was typed: copying it from here would prove nothing. A yes is no answer.
 */
static int ask_fingerprint(struct request *r, struct cli *cli, struct seed_error *err)
{
	char id[SEED_ID_TEXT], prompt[512], typed[256];

	if ((strcmp(r->file, "-") != 0 && !isatty(STDIN_FILENO)) || !terminal_present())
		return seed_error_set(err, SEED_ERR_TRUST,
				      "its fingerprint was not compared: have it read out by the "
				      "other site ('vmseed key list' shows it there) and give it "
				      "with --fingerprint");
	snprintf(prompt, sizeof(prompt),
		 "The card names site %s (%s).\n"
		 "Ask its people, by telephone say, for the fingerprint that 'vmseed key list' "
		 "shows them.\nFingerprint: ",
		 r->card.name, seed_id_text(&r->card.site, id));
	if (terminal_ask(prompt, false, cli->cancel, typed, sizeof(typed), err) < 0)
		return -1;
	r->fingerprint = strdup(typed);
	return r->fingerprint ? 0 : seed_error_sys(err, ENOMEM, "fingerprint");
}

static int pin(struct request *r, struct cli *cli, struct seed_error *err)
{
	const char *const *scope = (const char *const *)r->scope;
	const char *path = cli_home_path(cli);
	int home = -1;

	if (!cli->dry_run)
		return cli_home_make(cli, &home, err) < 0 ? -1 :
		       seed_trust_add(home, r->name, r->text, r->len, r->fingerprint, scope,
				      cli_list_count(scope), err);
	if ((!path || access(path, F_OK) == 0) && cli_home(cli, &home, err) < 0)
		return -1;
	return seed_trust_check(home, r->name, r->text, r->len, r->fingerprint, scope,
				cli_list_count(scope), err);
}

static int print_trusted(const struct request *r, const struct cli *cli, struct seed_error *err)
{
	char fingerprint[SEED_FINGERPRINT_TEXT], id[SEED_ID_TEXT], quoted[SEED_QUOTED];

	if (cli->json) {
		struct seed_json *doc = out_json_new("key-trust"), *scope = seed_json_new_array();

		cmd_key_describe(doc, r->name, &r->card);
		seed_json_set_text(doc, "card_name", r->card.name);
		seed_json_set_bool(doc, "dry_run", cli->dry_run);
		for (size_t i = 0; r->scope && r->scope[i]; i++)
			seed_json_append_text(scope, r->scope[i]);
		seed_json_set(doc, "scope", scope);
		return out_json_print(doc, err);
	}
	printf("%s site %s as %s\n\n  site id      %s\n  fingerprint  %s\n  scope        ",
	       cli->dry_run ? "Would trust" : "Trusted", r->card.name, r->name,
	       seed_id_text(&r->card.site, id), seed_fingerprint(&r->card, fingerprint));
	for (size_t i = 0; r->scope && r->scope[i]; i++)
		printf("%s%s", i ? ", " : "", out_name(r->scope[i], quoted, sizeof(quoted)));
	printf("%s\n", r->scope ? "" : "any VM of its own");
	return 0;
}

static int trust_card(struct request *r, struct cli *cli, struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	seed_quote(r->file, quoted, sizeof(quoted));
	if (read_card(r, cli->cancel, err) < 0)
		return seed_error_prefix(err, "card %s", quoted);
	if (!r->name && !(r->name = strdup(r->card.name)))
		return seed_error_sys(err, ENOMEM, "card %s", quoted);
	if ((!r->fingerprint && ask_fingerprint(r, cli, err) < 0) || pin(r, cli, err) < 0)
		return seed_error_prefix(err, "card %s", quoted);
	return print_trusted(r, cli, err);
}

int cmd_key_trust(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(request_clear) struct request r = { 0 };
	const struct poptOption table[] = {
		{ "fingerprint", 0, POPT_ARG_STRING, &r.fingerprint, 0,
		  "the card's fingerprint, as the other site read it out", "F" },
		{ "name", 0, POPT_ARG_STRING, &r.name, 0,
		  "call the site NAME here; default: the card's own name", "NAME" },
		{ "scope", 0, POPT_ARG_ARGV, &r.scope, 0,
		  "trust it for this VM alone (name or uuid); may be repeated", "VM" },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.args = "CARD",
			.about = "Trust another site: pin its card, a file or '-' for stdin, "
				 "after\n"
				 "comparing its fingerprint.",
			.examples = { "vmseed key trust dr.card",
				      "vmseed key trust dr.card --fingerprint "
				      "4K7QF-ABCDE-FGHIJ-KLMNO-PQRST",
				      "vmseed key trust --scope web01 --scope db01 dr.card" } });

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 1, 1, err) < 0)
		return -1;
	r.file = cli_rest(ctx)[0];
	return trust_card(&r, cli, err);
}
