// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The part of set_record.h that tells a torn attempt from damage, and sweeps the one.
 *
 * Everything is looked at before anything is removed. Sweeping may itself be cut
 * short anywhere: what is left is still above the confirmed commit and named by no
 * valid one, so the next recovery goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "media/media_internal.h"

/* The way on when nothing may be added. */
#define AFRESH "export to another medium, or remove vmseed/ from this one and prepare it anew"

/* ---- damage ---- */

static bool sweepable(const struct seed_volume_problem *problem,
		      const struct seed_set_record *record)
{
	return record && problem->commit > record->confirmed && !problem->ours &&
	       problem->kind != SEED_ERR_MEDIUM;
}

void seed_volume_mark_torn(struct seed_volume *volume, const struct seed_set_record *record)
{
	for (size_t i = 0; i < volume->problems.count; i++) {
		struct seed_volume_problem *problem = seed_vec_at(&volume->problems, i);

		problem->torn = sweepable(problem, record);
	}
}

static int check_problems(const struct seed_volume *volume, const struct seed_set_record *record,
			  struct seed_error *err)
{
	for (size_t i = 0; i < volume->problems.count; i++) {
		const struct seed_volume_problem *problem = seed_vec_at(&volume->problems, i);

		if (!sweepable(problem, record))
			return seed_error_set(err, problem->kind == SEED_ERR_MEDIUM ?
					      SEED_ERR_MEDIUM : SEED_ERR_INTEGRITY,
					      "%s: %s; nothing is added to a damaged set: " AFRESH,
					      problem->path, problem->text);
	}
	return 0;
}

static int check_confirmed(const struct seed_volume *volume, const struct seed_set_record *record,
			   struct seed_error *err)
{
	if (!record->confirmed)
		return 0;
	if (volume->last_commit < record->confirmed)
		return seed_error_set(err, SEED_ERR_MEDIUM, "shows commit %u, and commit %u was "
				      "confirmed here: it has been rolled back, or is an older copy; "
				      "take the newest, or " AFRESH,
				      volume->last_commit, record->confirmed);
	for (size_t i = 0; i < volume->links.count; i++) {
		const struct seed_volume_link *link = seed_vec_at(&volume->links, i);

		if (link->number != record->confirmed)
			continue;
		if (seed_digest_equal(&link->digest, &record->confirmed_digest))
			return 0;
		return seed_error_set(err, SEED_ERR_INTEGRITY, "commit %u is not the one that was "
				      "confirmed here", link->number);
	}
	return seed_error_set(err, SEED_ERR_INTEGRITY, "commit %u, which was confirmed here, is "
			      "missing", record->confirmed);
}

static int check_length(const struct seed_volume *volume, const char *path, uint64_t length,
			struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	struct seed_error why = { 0 };
	struct stat st;

	if (seed_path_open(&fd, volume->dir, path, O_RDONLY, 0, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND || why.kind == SEED_ERR_FORMAT)
			why.kind = SEED_ERR_INTEGRITY;
		if (err)
			*err = why;
		return seed_media_failed(err);
	}
	if (fstat(fd, &st) < 0)
		return seed_error_sys(err, errno, "%s", path);
	if ((uint64_t)st.st_size != length)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%s: %jd bytes long, %ju were written",
				      path, (intmax_t)st.st_size, (uintmax_t)length);
	return 0;
}

static int check_files(const struct seed_volume *volume, struct seed_error *err)
{
	char name[SEED_PACK_NAME];

	for (size_t i = 0; i < volume->packs.count; i++) {
		const struct seed_pack_facts *pack = seed_vec_at(&volume->packs, i);

		if (check_length(volume, seed_pack_name(pack->number, name), pack->length, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < volume->files.count; i++) {
		const struct seed_commit_file *file = seed_vec_at(&volume->files, i);

		if (check_length(volume, file->path, file->facts.length, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- what no commit names ---- */

struct sweep {
	const struct seed_volume *volume;
	const struct seed_set_record *record;
	const struct seed_vec *kept;		/* struct seed_pack_facts that stay all the same, or NULL */
	bool remove;				/* else the first one is an error */
	char folder[SEED_FILE_NAME];		/* of the seed being looked at */
	bool removed;
};

static int drop(struct sweep *sweep, const char *path, struct seed_error *err)
{
	if (!sweep->remove)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%s: no commit names it, and this "
				      "home has no record that would tell why", path);
	sweep->removed = true;
	return seed_path_unlink(sweep->volume->dir, path, err);
}

static bool is_kept(const struct sweep *sweep, uint32_t number)
{
	for (size_t i = 0; sweep->kept && i < sweep->kept->count; i++) {
		if (((const struct seed_pack_facts *)seed_vec_at(sweep->kept, i))->number == number)
			return true;
	}
	return false;
}

static int visit_pack(const char *name, void *arg, struct seed_error *err)
{
	struct sweep *sweep = arg;
	uint32_t number = seed_media_number(name, ".pack");
	char path[SEED_PACK_NAME];

	if (!number || seed_volume_pack(sweep->volume, number) || is_kept(sweep, number))
		return 0;
	return drop(sweep, seed_pack_name(number, path), err);
}

/* A set document, or its signature, is of the commit whose number it has. */
static int visit_set_doc(const char *name, void *arg, struct seed_error *err)
{
	struct sweep *sweep = arg;
	const struct seed_vec *links = &sweep->volume->links;
	uint32_t number = seed_media_number(name, ".json");
	char path[SEED_SET_DOC_NAME + 8];

	if (!number)
		number = seed_media_number(name, ".json.minisig");
	/* At or below the confirmed commit it is nothing that an interrupted run left. */
	if (!number || (sweep->record && number <= sweep->record->confirmed))
		return 0;
	for (size_t i = 0; i < links->count; i++)
		if (((const struct seed_volume_link *)seed_vec_at(links, i))->number == number)
			return 0;
	snprintf(path, sizeof(path), "sets/%s", name);
	return drop(sweep, path, err);
}

static int visit_seed_file(const char *name, void *arg, struct seed_error *err)
{
	struct sweep *sweep = arg;
	char path[SEED_FILE_NAME];
	bool sealed;

	if (snprintf(path, sizeof(path), "%s/%s", sweep->folder, name) >= (int)sizeof(path) ||
	    !seed_commit_path_valid(path, &sealed) || seed_volume_file(sweep->volume, path))
		return 0;
	return drop(sweep, path, err);
}

static int visit_seed(const char *name, void *arg, struct seed_error *err)
{
	struct sweep *sweep = arg;
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_id id;

	if (seed_id_parse(&id, name, NULL) < 0)
		return 0;
	snprintf(sweep->folder, sizeof(sweep->folder), "seeds/%s", name);
	if (seed_path_open_folder_at(&dir, sweep->volume->dir, sweep->folder, NULL) < 0)
		return 0;	/* not a folder: none of ours */
	sweep->removed = false;
	if (seed_path_each(dir, ".", SEED_MEDIA_NAMES_MAX, visit_seed_file, sweep, err) < 0)
		return -1;
	if (sweep->removed && seed_fd_sync(dir, err) < 0)
		return -1;
	if (sweep->remove)	/* stays when anything is left in it */
		unlinkat(sweep->volume->dir, sweep->folder, AT_REMOVEDIR);
	return 0;
}

static int sync_folder(const struct seed_volume *volume, const char *path, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;

	return seed_path_open_folder_at(&dir, volume->dir, path, err) < 0 ? -1 :
	       seed_fd_sync(dir, err);
}

static int sweep_set_docs(struct sweep *sweep, struct seed_error *err)
{
	const struct seed_volume *volume = sweep->volume;

	if (!seed_path_exists(volume->dir, "sets"))	/* most volumes have none */
		return 0;
	sweep->removed = false;
	if (seed_path_each(volume->dir, "sets", SEED_MEDIA_NAMES_MAX, visit_set_doc, sweep, err) < 0)
		return -1;
	return sweep->removed ? sync_folder(volume, "sets", err) : 0;
}

static int sweep_unnamed(struct sweep *sweep, struct seed_error *err)
{
	const struct seed_volume *volume = sweep->volume;

	if (seed_path_each(volume->dir, "packs", SEED_MEDIA_NAMES_MAX, visit_pack, sweep,
			   err) < 0 ||
	    seed_path_each(volume->dir, "seeds", SEED_MEDIA_NAMES_MAX, visit_seed, sweep,
			   err) < 0 || sweep_set_docs(sweep, err) < 0)
		return -1;
	if (!sweep->remove)
		return 0;
	return sync_folder(volume, "packs", err) < 0 ? -1 : sync_folder(volume, "seeds", err);
}

int seed_volume_sweep(const struct seed_volume *volume, const struct seed_vec *kept,
		      struct seed_error *err)
{
	struct sweep sweep = { .volume = volume, .kept = kept, .remove = true };

	return sweep_unnamed(&sweep, err) < 0 ? seed_media_failed(err) : 0;
}

static int sweep_commits(struct seed_volume *volume, struct seed_error *err)
{
	char path[SEED_COMMIT_NAME], signature[SEED_COMMIT_NAME + 16];

	for (size_t i = 0; i < volume->problems.count; i++) {
		const struct seed_volume_problem *problem = seed_vec_at(&volume->problems, i);

		seed_commit_name(problem->commit, path);
		snprintf(signature, sizeof(signature), "%s.minisig", path);
		if (seed_path_unlink(volume->dir, path, err) < 0 ||
		    seed_path_unlink(volume->dir, signature, err) < 0)
			return -1;
	}
	if (volume->problems.count && sync_folder(volume, "commits", err) < 0)
		return -1;
	seed_vec_free(&volume->problems);
	return 0;
}

int seed_volume_recover(struct seed_volume *volume, const struct seed_set_record *record,
			struct seed_error *err)
{
	struct sweep sweep = { .volume = volume, .record = record, .remove = record != NULL };

	if (record && (!seed_id_equal(&record->set, &volume->set) ||
		       !seed_id_equal(&record->medium, &volume->medium_id) ||
		       record->volume != volume->number))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "the record of this home is of another volume");
	if (seed_medium_check_writable(volume->medium, err) < 0 ||
	    check_problems(volume, record, err) < 0 ||
	    (record && check_confirmed(volume, record, err) < 0) ||
	    check_files(volume, err) < 0)
		return seed_media_failed(err);
	if (record && sweep_commits(volume, err) < 0)
		return seed_media_failed(err);
	if (sweep_unnamed(&sweep, err) < 0)
		return seed_media_failed(err);
	return 0;
}
