/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the threads of a set writer share: see set_writer.h for who does what. */
#ifndef SEED_EXPORT_SET_WRITER_INTERNAL_H
#define SEED_EXPORT_SET_WRITER_INTERNAL_H

#include <pthread.h>

#include "base/digest_map.h"
#include "export/set_writer.h"
#include "pack/writer.h"

struct pending_pack {				/* one being written */
	struct seed_pack_writer *writer;
	struct seed_pack_facts facts;	/* once finished */
	uint64_t end_mark;		/* of the map: what came before lies in this pack or in one
					 * before it */
	struct pending_pack *next;		/* keeper's queue */
	struct pending_pack *next_live;
};

struct pending_record {
	struct seed_job job;		/* must be first */
	struct pending_pack *pack;
	uint32_t number;
	bool ends_pack;			/* finish the pack behind this record */
	uint16_t blocks;		/* 0: no record, only the end of a pack */
	uint32_t lengths[SEED_RECORD_BLOCKS];
	struct seed_digest digests[SEED_RECORD_BLOCKS];
	uint8_t *plain;			/* SEED_CHUNK_SIZE, aligned */
	size_t plain_len;
	uint8_t *stored;		/* SEED_RECORD_MAX */
	size_t stored_len;
	struct pending_record *next_free;
};

struct seed_set_writer {
	struct seed_set_writer_options opt;
	struct pending_record *records;		/* @depth + 1: one is being filled */
	size_t made;

	/* Caller's thread. */
	struct seed_digest_map *map, *own_map;	/* one and the same, or @own_map NULL */
	struct pending_record *filling;
	struct pending_pack *pack;		/* that new records belong to */
	uint32_t pack_records, pack_limit;
	uint32_t next_pack;
	uint64_t waiting;		/* bytes of new blocks that no submitted record has yet */
	uint64_t chunk_mark, filling_mark;	/* of the map, when this chunk came; when @filling began */

	struct seed_lane *lane;		/* caller -> workers -> writer thread */
	pthread_t writer, keeper;
	bool writer_runs, keeper_runs;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct pending_record *free;
	struct pending_pack *live;		/* every pack that exists; freed by the keeper or by close */
	struct pending_pack *finished, **finished_tail;	/* writer -> keeper */
	uint32_t unkept;		/* packs begun and not read back yet */
	bool no_more_packs;
	struct seed_error err;		/* the first one */
	bool failed;
	struct seed_set_totals totals;
	uint32_t commits;
	uint64_t kept_mark, committed_mark;	/* of the map: what came before is read back; committed */

	/* Keeper's thread, until it is joined; the caller's while nothing is unkept. */
	struct seed_vec packs;		/* read back, not committed */
	uint64_t uncommitted_bytes, last_commit_ms;
	uint32_t reserved;		/* the record's, after the last commit that went well */
};

/* set_threads.c. The first failure is kept and stops all three. */
void seed_set_fail(struct seed_set_writer *w, const struct seed_error *err);
/* -1 with *@err what was kept. */
int seed_set_failure(struct seed_set_writer *w, struct seed_error *err);
void seed_set_release_record(struct seed_set_writer *w, struct pending_record *r);
void seed_set_free_pack(struct seed_set_writer *w, struct pending_pack *p);
/* The writer thread and the keeper thread; @arg is the writer. */
void *seed_set_write_packs(void *arg);
void *seed_set_keep_packs(void *arg);
/* What was read back and is not committed yet becomes a delta commit. Keeper's, until it is joined. */
int seed_set_commit_delta(struct seed_set_writer *w, struct seed_error *err);

/* set_roll.c. How many records the pack that begins now may have; goes on to the next volume when
 * there is no room for a few. */
int seed_set_pack_limit(struct seed_set_writer *w, uint32_t *out, struct seed_error *err);
/* The volume that new packs go to; nothing is under way. */
void seed_set_use_volume(struct seed_set_writer *w, struct seed_volume *volume,
			 struct seed_set_record *record);

#endif
