/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * list_sets HOME DIR: the sets on a medium, as a home sees them. A small program
 * against libseed: open, look, say, and let scopes close what they own.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "media/volume.h"

static void print_set(struct seed_medium *medium, const struct seed_id *set,
		      const struct seed_trust *trust)
{
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_error why = { 0 };
	char id[SEED_ID_TEXT];

	/* Without keys of our own (NULL) a sealed set is still judged by its signatures. */
	if (seed_volume_open(&volume, medium, set, trust, NULL, &why) < 0) {
		printf("%s  %s\n", seed_id_text(set, id), why.text);
		return;
	}
	printf("%s  from %s, %s, %zu seeds in %zu packs, commit %u\n", seed_id_text(set, id),
	       volume->signer->name, volume->sealed ? "sealed" : "plaintext", volume->seeds.count,
	       volume->packs.count, volume->last_commit);
}

static int list_sets(const char *home_path, const char *dir, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int home = -1;
	SEED_AUTO(seed_trust_closep) struct seed_trust *trust = NULL;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };

	if (seed_path_open_folder(&home, home_path, err) < 0 ||
	    seed_trust_open(&trust, home, NULL, err) < 0 ||
	    seed_medium_open(&medium, dir, trust, err) < 0 ||
	    seed_medium_sets(medium, &sets, err) < 0)
		return -1;
	for (size_t i = 0; i < sets.count; i++)
		print_set(medium, seed_vec_at(&sets, i), trust);
	return 0;
}

int main(int argc, char **argv)
{
	struct seed_error err = { 0 };

	if (argc != 3) {
		fprintf(stderr, "usage: list_sets HOME DIR\n");
		return 2;
	}
	if (list_sets(argv[1], argv[2], &err) < 0) {
		fprintf(stderr, "list_sets: %s\n", err.text);
		return 1;
	}
	return 0;
}
