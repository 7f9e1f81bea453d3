/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hq exports small VMs to a medium, dr imports them: whole operations in one process. */
#ifndef TESTS_IMPORT_FIXTURE_H
#define TESTS_IMPORT_FIXTURE_H

#include "unit/media/fixture.h"

#include "export/export.h"
#include "import/import.h"
#include "vmdef/adhoc.h"

#define B ((uint64_t)SEED_BLOCK_SIZE)

/* @blocks blocks of disk NAME.img in the fixture's folder; every third block is a hole. Contents depend
 * on @version and the block alone, so disks share blocks. */
static inline void make_image(struct fixture *f, const char *name, uint32_t blocks,
			      uint32_t version)
{
	SEED_AUTO(seed_freep) uint8_t *data = malloc(SEED_BLOCK_SIZE);
	char file[80];
	int fd;

	assert_non_null(data);
	snprintf(file, sizeof(file), "%s.img", name);
	unlinkat(f->dir->fd, file, 0);
	fd = openat(f->dir->fd, file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(blocks * B)), 0);
	for (uint32_t i = 0; i < blocks; i++) {
		uint64_t x = (uint64_t)version << 32 | (i + 1);

		if (i % 3 == 2)
			continue;
		for (uint32_t k = 0; k < SEED_BLOCK_SIZE; k += 8) {
			x = x * 6364136223846793005u + 1442695040888963407u;
			memcpy(data + k, &x, 8);
		}
		assert_int_equal(pwrite(fd, data, SEED_BLOCK_SIZE, (off_t)(i * B)),
				 SEED_BLOCK_SIZE);
	}
	close(fd);
}

/* NAME=NAME.img for each name, to a sealed set (or plaintext) of hq's on the medium at @path. */
static inline int export_vms(struct fixture *f, const char *path, bool sealed,
			     const char *const *names, struct seed_error *err)
{
	struct seed_card card;
	const struct seed_export_options opt = {
		.home = f->home[HQ], .own = f->site[HQ], .trust = f->trust[HQ],
		.recipient = sealed ? &card : NULL, .data = true, .jobs = 2, .memory = 1 << 20,
	};
	struct seed_medium *medium = NULL;
	struct seed_export plan;
	struct seed_vec defs = { 0 };
	int rc;

	seed_card_of(&card, f->site[DR]);
	for (; *names; names++) {
		struct seed_vmdef *def = NULL;
		char arg[400];

		snprintf(arg, sizeof(arg), "%s=%s/%s.img", *names, f->dir->path, *names);
		must(seed_adhoc_read(&def, arg, NULL, err), err);
		assert_non_null(seed_vec_push(&defs, sizeof(def), &def));
	}
	must(seed_medium_open(&medium, path, f->trust[HQ], err), err);
	rc = seed_export_plan(&plan, &defs, &opt, err);
	if (rc == 0)
		rc = seed_export_run(&plan, &medium, 1, &opt, err);
	seed_export_clear(&plan);
	seed_medium_close(medium);
	return rc;
}

static inline int open_store(struct fixture *f)
{
	struct seed_error err = { 0 };
	int store;

	must(seed_path_make_folder(f->home[DR], "replicas", 0700, &err), &err);
	must(seed_path_open_folder_at(&store, f->home[DR], "replicas", &err), &err);
	return store;
}

/* One import at dr from these media; the plan stays for the caller to look at and clear. */
static inline int import_media(struct fixture *f, int store, const char *const *paths,
			       const struct seed_cancel *cancel, struct seed_import *plan,
			       struct seed_error *err)
{
	const struct seed_import_options opt = {
		.home = f->home[DR], .store = store, .own = f->site[DR], .trust = f->trust[DR],
		.jobs = 2, .memory = 8 << 20, .cancel = cancel,
	};
	struct seed_vec media = { 0 };

	for (; *paths; paths++) {
		struct seed_medium *medium = NULL;

		must(seed_medium_open(&medium, *paths, f->trust[DR], err), err);
		assert_non_null(seed_vec_push(&media, sizeof(medium), &medium));
	}
	if (seed_import_plan(plan, &media, &opt, err) < 0)
		return -1;
	return seed_import_run(plan, &opt, err);
}

/* The replica's disk is NAME.img, byte for byte. */
static inline bool replica_is(struct fixture *f, int store, const char *folder, const char *name)
{
	SEED_AUTO(seed_freep) char *have = NULL;
	SEED_AUTO(seed_freep) char *want = NULL;
	char file[80], disk[80];
	struct seed_error err = { 0 };
	size_t have_len, want_len;

	snprintf(file, sizeof(file), "%s.img", name);
	snprintf(disk, sizeof(disk), "%s/vda.raw", folder);
	must(seed_file_read(f->dir->fd, file, 1 << 28, &want, &want_len, &err), &err);
	must(seed_file_read(store, disk, 1 << 28, &have, &have_len, &err), &err);
	return have_len == want_len && memcmp(have, want, want_len) == 0;
}

#endif
