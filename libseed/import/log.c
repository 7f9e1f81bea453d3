/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See log.h. */
#include "import/log.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/vec.h"
#include "crypto/digest.h"

#define ENTRY_SIZE 64u
#define CHECKED_SIZE 48u
#define CHECK_SIZE 16u

enum entry_type { ENTRY_PLAN = 1, ENTRY_PACK = 2, ENTRY_LOST = 3, ENTRY_FILLED = 4 };

struct pack_key {
	uint32_t place;			/* in the plan */
	uint8_t digest[16];		/* of the whole file, its first bytes */
};

struct seed_import_log {
	int fd;
	uint64_t end;			/* bytes that are whole entries */
	struct seed_vec packs;		/* struct pack_key of the current plan */
	uint64_t lost;			/* entries of the current plan that say so */
	bool filled;
	struct seed_id filled_with;	/* the seed */
};

static void check_of(const uint8_t entry[ENTRY_SIZE], uint8_t check[CHECK_SIZE])
{
	struct seed_digest digest;

	seed_digest_of(&digest, entry, CHECKED_SIZE);
	memcpy(check, digest.bytes, CHECK_SIZE);
}

static int append(struct seed_import_log *log, enum entry_type type, uint32_t a, uint32_t b,
		  const uint8_t c_d[16], struct seed_error *err)
{
	uint8_t e[ENTRY_SIZE] = { 0 };

	seed_put32(e, type);
	seed_put32(e + 4, a);
	seed_put32(e + 8, b);
	memcpy(e + 16, c_d, 16);
	check_of(e, e + CHECKED_SIZE);
	if (seed_fd_pwrite(log->fd, e, sizeof(e), log->end, err) < 0)
		return -1;
	log->end += sizeof(e);
	return 0;
}

/* Take in one entry; false at the end of what is whole. */
static bool take_entry(struct seed_import_log *log, const uint8_t e[ENTRY_SIZE],
		       const struct seed_id *plan, bool *current, bool *failed)
{
	uint8_t check[CHECK_SIZE];
	struct pack_key key;

	key.place = seed_get32(e + 4);
	memcpy(key.digest, e + 16, sizeof(key.digest));
	check_of(e, check);
	if (memcmp(check, e + CHECKED_SIZE, CHECK_SIZE) != 0)
		return false;
	switch (seed_get32(e)) {
	case ENTRY_PLAN:
		*current = memcmp(e + 16, plan->bytes, sizeof(plan->bytes)) == 0;
		log->packs.count = log->lost = 0;
		log->filled = false;
		return true;
	case ENTRY_FILLED:
		log->filled = true;
		memcpy(log->filled_with.bytes, e + 16, sizeof(log->filled_with.bytes));
		return true;
	case ENTRY_PACK:
		*failed |= *current && !seed_vec_push(&log->packs, sizeof(key), &key);
		return true;
	case ENTRY_LOST:
		log->lost++;
		return true;
	default:
		return false;
	}
}

static int read_entries(struct seed_import_log *log, const struct seed_id *plan, bool *current,
			struct seed_error *err)
{
	for (;;) {
		uint8_t e[ENTRY_SIZE];
		bool failed = false;
		size_t got;

		if (seed_fd_pread_some(log->fd, e, sizeof(e), log->end, &got, err) < 0)
			return -1;
		if (got < sizeof(e) || !take_entry(log, e, plan, current, &failed))
			return 0;
		if (failed)
			return seed_error_sys(err, ENOMEM, "entries");
		log->end += sizeof(e);
	}
}

static int begin_plan(struct seed_import_log *log, int dir, const struct seed_id *plan,
		      struct seed_error *err)
{
	if (append(log, ENTRY_PLAN, 0, 0, plan->bytes, err) < 0 || seed_fd_sync(log->fd, err) < 0)
		return -1;
	return seed_fd_sync(dir, err);
}

int seed_import_log_open(struct seed_import_log **out, int dir, const struct seed_id *plan,
			 bool *resumed, struct seed_error *err)
{
	SEED_AUTO(seed_import_log_closep) struct seed_import_log *log = calloc(1, sizeof(*log));
	bool current = false;

	if (!log)
		return seed_error_sys(err, ENOMEM, SEED_IMPORT_LOG);
	log->fd = -1;
	if (seed_path_open(&log->fd, dir, SEED_IMPORT_LOG, O_RDWR | O_CREAT, 0600, err) < 0)
		return -1;
	if (read_entries(log, plan, &current, err) < 0)
		return seed_error_prefix(err, SEED_IMPORT_LOG);
	/* With lost blocks the packs are read again: another try may find them whole. */
	current = current && log->lost == 0;
	if (!current) {
		/* Whatever stood there belongs to other packs or another seed. */
		log->end = 0;
		log->packs.count = log->lost = 0;
	}
	/* Nothing stands behind what counts, or an append would bring it back. */
	if (ftruncate(log->fd, (off_t)log->end) < 0)
		return seed_error_sys(err, errno, SEED_IMPORT_LOG);
	if (!current && begin_plan(log, dir, plan, err) < 0)
		return seed_error_prefix(err, SEED_IMPORT_LOG);
	*resumed = current;
	*out = seed_steal(&log);
	return 0;
}

void seed_import_log_close(struct seed_import_log *log)
{
	if (!log)
		return;
	seed_fd_closep(&log->fd);
	seed_vec_free(&log->packs);
	free(log);
}

bool seed_import_log_has_pack(const struct seed_import_log *log, uint32_t place,
			      const struct seed_pack_facts *pack)
{
	for (size_t i = 0; i < log->packs.count; i++) {
		const struct pack_key *key = seed_vec_at(&log->packs, i);

		if (key->place == place &&
		    memcmp(key->digest, pack->digest.bytes, sizeof(key->digest)) == 0)
			return true;
	}
	return false;
}

int seed_import_log_add_lost(struct seed_import_log *log, const struct seed_import_lost *lost,
			     struct seed_error *err)
{
	uint8_t c_d[16];

	seed_put64(c_d, lost->start);
	seed_put64(c_d + 8, lost->count);
	return append(log, ENTRY_LOST, lost->disk, 0, c_d, err) < 0 ?
		       seed_error_prefix(err, SEED_IMPORT_LOG) : 0;
}

int seed_import_log_pack(struct seed_import_log *log, uint32_t place,
			 const struct seed_pack_facts *pack, struct seed_error *err)
{
	if (append(log, ENTRY_PACK, place, pack->number, pack->digest.bytes, err) < 0 ||
	    seed_fd_sync(log->fd, err) < 0)
		return seed_error_prefix(err, SEED_IMPORT_LOG);
	return 0;
}

int seed_import_log_fill(struct seed_import_log *log, const struct seed_id *seed,
			 struct seed_error *err)
{
	if (append(log, ENTRY_FILLED, 0, 0, seed->bytes, err) < 0 ||
	    seed_fd_sync(log->fd, err) < 0)
		return seed_error_prefix(err, SEED_IMPORT_LOG);
	return 0;
}

bool seed_import_log_filled(int dir, const struct seed_id *seed)
{
	struct seed_import_log log = { .fd = -1 };
	const struct seed_id none = { { 0 } };
	bool current = false, filled;

	filled = seed_path_open(&log.fd, dir, SEED_IMPORT_LOG, O_RDONLY, 0, NULL) == 0 &&
		 read_entries(&log, &none, &current, NULL) == 0 && log.filled &&
		 seed_id_equal(&log.filled_with, seed);
	seed_fd_closep(&log.fd);
	seed_vec_free(&log.packs);
	return filled;
}
