// SPDX-License-Identifier: LGPL-2.1-or-later
#include "status_receipts.h"

#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "capture/receipts.h"

struct walk {
	const struct seed_trust *trust;
	void (*visit)(void *arg, const char *peer, const struct seed_receipt *receipt);
	void *arg;
};

static int look(const struct seed_receipt_file *file, void *arg, struct seed_error *err)
{
	struct walk *walk = arg;
	SEED_AUTO(seed_receipt_clear) struct seed_receipt receipt = { 0 };
	const struct seed_trusted *peer;
	char id[SEED_ID_TEXT];

	(void)err;
	if (seed_trust_find(&peer, walk->trust, seed_id_text(&file->site, id), NULL) == 0 &&
	    seed_receipt_open(&receipt, file->text, file->len, file->signature,
			      file->signature_len, &peer->card.key, NULL) == 0 &&
	    seed_id_equal(&receipt.site, &file->site))
		walk->visit(walk->arg, peer->name, &receipt);
	return 0;
}

int status_receipts_each(struct cli *cli, int home, const struct seed_id *uuid,
			 void (*visit)(void *arg, const char *peer,
				       const struct seed_receipt *receipt), void *arg,
			 struct seed_error *err)
{
	struct walk walk = { .visit = visit, .arg = arg };
	char path[sizeof("vms/") + SEED_UUID_TEXT], text[SEED_UUID_TEXT];
	SEED_AUTO(seed_fd_closep) int dir = -1;

	snprintf(path, sizeof(path), "vms/%s", seed_uuid_text(uuid, text));
	if (cli_trust(cli, &walk.trust, err) < 0 ||
	    seed_path_open_folder_at(&dir, home, path, err) < 0)
		return -1;
	return seed_receipts_each(dir, look, &walk, err);
}

/* The least of its disks. */
const char *status_receipt_proved(const struct seed_receipt *receipt)
{
	const char *least = "full";

	for (size_t i = 0; i < receipt->disks.count; i++) {
		const struct seed_receipt_disk *disk = seed_vec_at(&receipt->disks, i);

		if (strcmp(disk->proved, "written") == 0)
			return "written";
		if (strcmp(disk->proved, "delta") == 0)
			least = "delta";
	}
	return least;
}
