// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmseed serve: the far end of a resync, on stdin and stdout. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "resync/resync.h"
#include "vm_arg.h"

/* The protocol has stdin and stdout for itself: whatever else would be printed goes to stderr. */
static int take_streams(int *in, int *out, struct seed_error *err)
{
	*in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	*out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (*in < 0 || *out < 0)
		return seed_error_sys(err, errno, "stdin and stdout");
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
	    close(STDIN_FILENO) < 0 || open("/dev/null", O_RDONLY) != STDIN_FILENO)
		return seed_error_sys(err, errno, "stdin and stdout");
	return 0;
}

/* NAME.ID is said to people; what a peer names is a name and a uuid. One that is not here yet stays
 * as it is. */
static int resolve_vms(struct cli *cli, const char **vms, struct seed_error *err)
{
	for (; vms && *vms; vms++) {
		char text[SEED_UUID_TEXT], *copy;
		struct seed_id uuid;
		bool found;

		if (vm_arg_by_id(cli, *vms, &uuid, &found, err) < 0)
			return -1;
		if (!found)
			continue;
		copy = strdup(seed_uuid_text(&uuid, text));
		if (!copy)
			return seed_error_sys(err, ENOMEM, "--vm");
		free((char *)*vms);
		*vms = copy;
	}
	return 0;
}

int cmd_serve(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(cli_list_freep) const char **vms = NULL;
	SEED_AUTO(seed_freep) char *peer = NULL;
	int final = 0, keep = 0;
	const struct poptOption table[] = {
		{ "vm", 0, POPT_ARG_ARGV, &vms, 0,
		  "serve this VM alone (name, NAME.ID or uuid)", "VM" },
		{ "peer", 0, POPT_ARG_STRING, &peer, 0, "serve this trusted site alone", "SITE" },
		{ "keep", 0, POPT_ARG_INT, &keep, 0,
		  "keep N recovery points at least, whatever a peer asks for", "N" },
		{ "allow-final", 0, POPT_ARG_NONE, &final, 0,
		  "a puller may ask for the last resync before a switch-over", NULL },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.about = "The far end of a resync, on stdin and stdout: what 'vmseed "
				 "resync' starts\n"
				 "over ssh, or what an authorized_keys file forces.",
			.examples = { "vmseed serve",
				      "vmseed --home /srv/dr serve --peer hq --vm web01" } });
	const struct seed_trusted *known;
	struct seed_resync_options opt = {
		.find_def = vm_arg_of_record,
		.find_arg = cli,
	};
	int in, out;

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 0, 0, err) < 0)
		return -1;
	/* What the other end asks for is written, and it would take the answer for the truth. */
	if (cli->dry_run)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "a dry run is for the end that calls: 'vmseed resync -n'");
	opt.jobs = cli->jobs;
	opt.memory = cli->memory;
	opt.cancel = cli->cancel;
	if (keep < 0 || keep > 1000)
		return seed_error_set(err, SEED_ERR_USAGE, "--keep %d: 0 to 1000 recovery points",
				      keep);
	opt.keep = (unsigned int)keep;
	opt.allow_final = final;
	opt.only_peer = peer;
	opt.only_vms = vms;
	if (isatty(STDIN_FILENO) || isatty(STDOUT_FILENO))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "speaks the protocol of 'vmseed resync' and not with people: "
				      "on the other site, run 'vmseed resync --to ssh://HOST "
				      "VM...'");
	if (cli_home(cli, &opt.home, err) < 0 || cli_site(cli, &opt.own, err) < 0 ||
	    cli_trust(cli, &opt.trust, err) < 0 || resolve_vms(cli, vms, err) < 0)
		return -1;
	if (peer && seed_trust_find(&known, opt.trust, peer, err) < 0)
		return cli_named(err);
	if (take_streams(&in, &out, err) < 0)
		return -1;
	return seed_resync_serve(in, out, &opt, err);
}
