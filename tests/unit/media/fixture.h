/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two sites that trust each other, a third that nobody trusts, and a folder for a medium. */
#ifndef TESTS_MEDIA_FIXTURE_H
#define TESTS_MEDIA_FIXTURE_H

#include "cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "media/set_record.h"
#include "media/volume.h"
#include "tmpdir.h"

struct fixture {
	struct tmpdir *dir;
	int home[3];				/* hq, dr, stranger */
	struct seed_site *site[3];
	struct seed_trust *trust[3];
	char path[300];				/* of the medium's folder */
};
enum { HQ, DR, STRANGER };

static inline void must(int rc, const struct seed_error *err)
{
	if (rc < 0)
		fail_msg("%s (errno %d)", err->text, err->sys_errno);
}

/* @who pins the card of @whom. */
static inline void pin(struct fixture *f, int who, int whom)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	char fingerprint[SEED_FINGERPRINT_TEXT];
	struct seed_error err = { 0 };
	struct seed_card card;
	size_t len;

	must(seed_card_write(f->site[whom], &text, &len, &err), &err);
	seed_card_of(&card, f->site[whom]);
	must(seed_trust_add(f->home[who], f->site[whom]->name, text, len,
			    seed_fingerprint(&card, fingerprint), NULL, 0, &err), &err);
}

static inline int fixture_setup(void **state)
{
	static const char *const names[] = { "hq", "dr", "stranger" };
	struct fixture *f = calloc(1, sizeof(*f));
	struct seed_error err = { 0 };
	void *dir = NULL;

	if (!f || tmpdir_setup(&dir) < 0)
		return -1;
	f->dir = dir;
	for (int i = 0; i < 3; i++) {
		must(seed_path_make_folder(f->dir->fd, names[i], 0700, &err), &err);
		must(seed_path_open_folder_at(&f->home[i], f->dir->fd, names[i], &err), &err);
		must(seed_site_create(f->home[i], names[i], NULL, &err), &err);
		must(seed_site_open(&f->site[i], f->home[i], NULL, &err), &err);
	}
	pin(f, HQ, DR);
	pin(f, DR, HQ);
	for (int i = 0; i < 3; i++)
		must(seed_trust_open(&f->trust[i], f->home[i], f->site[i], &err), &err);
	must(seed_path_make_folder(f->dir->fd, "caddy", 0755, &err), &err);
	snprintf(f->path, sizeof(f->path), "%s/caddy", f->dir->path);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	void *dir = f->dir;
	int rc;

	for (int i = 0; i < 3; i++) {
		seed_trust_close(f->trust[i]);
		seed_site_close(f->site[i]);
		close(f->home[i]);
	}
	rc = tmpdir_teardown(&dir);
	free(f);
	return rc;
}

/* hq's medium, prepared and open. */
static inline struct seed_medium *prepare(struct fixture *f, const char *path)
{
	const struct seed_medium_prepare opt = { .label = "blue caddy", .allow_internal = true };
	struct seed_medium *medium = NULL;
	struct seed_error err = { 0 };
	bool made;

	must(seed_medium_prepare(&medium, &made, path, f->site[HQ], &opt, &err), &err);
	return medium;
}

/* A new set of hq's; sealed for dr or plaintext. */
static inline struct seed_volume *create_set(struct fixture *f, struct seed_medium *medium,
					     bool sealed, struct seed_id *set)
{
	struct seed_volume *volume = NULL;
	struct seed_error err = { 0 };
	struct seed_card card;

	seed_card_of(&card, f->site[DR]);
	must(seed_random_id(set, &err), &err);
	must(seed_volume_create(&volume, medium, set, f->trust[HQ], f->site[HQ],
				sealed ? &card : NULL, &err), &err);
	return volume;
}

static inline struct seed_volume *reopen(struct fixture *f, struct seed_medium *medium,
					 const struct seed_id *set)
{
	struct seed_volume *volume = NULL;
	struct seed_error err = { 0 };

	must(seed_volume_open(&volume, medium, set, f->trust[HQ], f->site[HQ], &err), &err);
	return volume;
}

/* A file of @length bytes beneath a volume, with folders as needed, and its digest. */
static inline struct seed_digest put_file(const struct seed_volume *volume, const char *path,
					  size_t length)
{
	SEED_AUTO(seed_freep) char *data = calloc(1, length + 1);
	struct seed_digest digest;
	struct seed_error err = { 0 };
	char folder[SEED_FILE_NAME];

	assert_non_null(data);
	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = '\0';
	must(seed_path_make_folder(volume->dir, folder, 0755, &err), &err);
	memset(data, path[strlen(path) - 6], length);
	must(seed_file_create(volume->dir, path, data, length, 0644, &err), &err);
	seed_digest_of(&digest, data, length);
	return digest;
}

#define PACK_LENGTH 4096u
/* A pack that lies there and what a commit says of it (its inside is nobody's business here). */
static inline struct seed_pack_facts put_pack(const struct seed_volume *volume, uint32_t number)
{
	struct seed_pack_facts pack = { .number = number, .length = PACK_LENGTH, .records = 3,
					.blocks = 20 };
	char name[SEED_PACK_NAME];

	pack.digest = put_file(volume, seed_pack_name(number, name), PACK_LENGTH);
	pack.table = pack.index = pack.digest;
	pack.table.bytes[0] ^= 1;
	pack.index.bytes[0] ^= 2;
	return pack;
}

/* Commit pack @number alone, or with everything before it when @full. */
static inline void commit_pack(struct fixture *f, struct seed_volume *volume, uint32_t number,
			       bool full)
{
	SEED_AUTO(seed_vec_free) struct seed_vec packs = { 0 };
	SEED_AUTO(seed_vec_free) struct seed_vec files = { 0 };
	SEED_AUTO(seed_vec_free) struct seed_vec seeds = { 0 };
	struct seed_commit_file file = { .path = "" };
	struct seed_pack_facts pack = put_pack(volume, number);
	struct seed_error err = { 0 };
	struct seed_id seed = { { (uint8_t)number } };
	char id[SEED_ID_TEXT];

	for (size_t i = 0; full && i < volume->packs.count; i++)
		seed_vec_push(&packs, sizeof(pack), seed_vec_at(&volume->packs, i));
	for (size_t i = 0; full && i < volume->files.count; i++)
		seed_vec_push(&files, sizeof(file), seed_vec_at(&volume->files, i));
	seed_vec_push(&packs, sizeof(pack), &pack);
	if (full) {
		snprintf(file.path, sizeof(file.path), "seeds/%s/manifest.%s",
			 seed_id_text(&seed, id), volume->sealed ? "sealed" : "json");
		file.facts.length = 100;
		file.facts.digest = put_file(volume, file.path, 100);
		seed_vec_push(&files, sizeof(file), &file);
		for (size_t i = 0; i < volume->seeds.count; i++)
			seed_vec_push(&seeds, sizeof(seed), seed_vec_at(&volume->seeds, i));
		seed_vec_push(&seeds, sizeof(seed), &seed);
	}
	must(seed_volume_commit(volume, volume->highest_seen + 1, full, &packs, &files, &seeds,
				f->site[HQ], &err), &err);
}

/* Change a file in place: flip one byte at @offset, or cut it there when @cut. */
static inline void damage(int dir, const char *path, off_t offset, bool cut)
{
	int fd = openat(dir, path, O_RDWR | O_CLOEXEC);
	char byte;

	assert_true(fd >= 0);
	if (cut) {
		assert_int_equal(ftruncate(fd, offset), 0);
	} else {
		assert_int_equal(pread(fd, &byte, 1, offset), 1);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	}
	close(fd);
}

static inline void copy_file(int from_dir, const char *from, int to_dir, const char *to)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_error err = { 0 };
	size_t len;

	must(seed_file_read(from_dir, from, 1 << 24, &text, &len, &err), &err);
	unlinkat(to_dir, to, 0);
	must(seed_file_create(to_dir, to, text, len, 0644, &err), &err);
}

static inline off_t size_of(int dir, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_size;
}

#define fixture_test(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
