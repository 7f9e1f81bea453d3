/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See receipts_in.h. */
#include "receipts_in.h"

#include <stdio.h>

#include "base/path.h"
#include "base/text.h"
#include "capture/receipts_in.h"
#include "out.h"
#include "verdict.h"

static void taken(void *arg, const struct seed_trusted *site, const char *vm,
		  const struct seed_receipt *receipt)
{
	char name[SEED_QUOTED];

	cli_note(arg, "%s acknowledges generation %llu of %s", site->name,
		 (unsigned long long)receipt->generation, out_name(vm, name, sizeof(name)));
}

static int take_set(struct cli *cli, struct seed_medium *medium, const struct seed_id *set,
		    struct seed_error *err)
{
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_receipts_in in = { .events = cli_events(cli), .taken = taken, .arg = cli };
	char folder[SEED_ID_TEXT + sizeof("/receipts")], id[SEED_ID_TEXT];
	const struct seed_site *own;

	snprintf(folder, sizeof(folder), "%s/receipts", seed_id_text(set, id));
	if (!seed_path_exists(medium->vmseed, folder))
		return 0;
	if (cli_home(cli, &in.home, err) < 0 || cli_trust(cli, &in.trust, err) < 0)
		return -1;
	/* Whose it is, before any key is asked for. A set that does not open is others' to
	 * report. */
	if (seed_volume_open(&volume, medium, set, in.trust, NULL, NULL) < 0 ||
	    !volume->signer->own)
		return 0;
	seed_volume_close(seed_steal(&volume));
	if (cli_site(cli, &own, err) < 0 ||
	    seed_volume_open(&volume, medium, set, in.trust, own, err) < 0)
		return -1;
	return seed_receipts_take_in(volume, &in, err);
}

void receipts_in(struct cli *cli, struct seed_medium *medium)
{
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };
	struct seed_error why = { 0 };
	char text[600], id[SEED_ID_TEXT];

	if (cli->dry_run || seed_medium_sets(medium, &sets, &why) < 0)
		return;		/* sets that cannot be listed are the command's own to report */
	for (size_t i = 0; i < sets.count; i++) {
		const struct seed_id *set = seed_vec_at(&sets, i);

		if (take_set(cli, medium, set, &why) < 0)
			cli_warn(cli, "set %.8s: receipts could not be taken in: %s",
				 seed_id_text(set, id), verdict_text(&why, text, sizeof(text)));
	}
}
