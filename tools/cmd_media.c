// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmseed media: the table of its verbs. */
#include "cmd_media.h"
#include "commands.h"

int cmd_media(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	static const struct cli_command verbs[] = {
		{ "list", cmd_media_list, "the disks that may serve as media" },
		{ "prepare", cmd_media_prepare, "enrol a medium; never formats" },
		{ "show", cmd_media_show, "what a medium is and which sets are on it" },
		{ "prune", cmd_media_prune, "take old seeds off a medium" },
		{ NULL, NULL, NULL },
	};
	static const struct cli_usage use = {
		.args = "COMMAND [ARGUMENT...]",
		.about = "The media that sets of VMs travel on.",
		.examples = { "vmseed media list", "vmseed media prepare /media/caddy",
			      "vmseed media show /media/caddy" },
	};

	return cli_dispatch(cli, argc, argv, verbs, &use, err);
}
