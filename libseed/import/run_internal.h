/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of an import's ordered pass share: see run.c for the whole of it. */
#ifndef SEED_IMPORT_RUN_INTERNAL_H
#define SEED_IMPORT_RUN_INTERNAL_H

#include <pthread.h>

#include "base/pool.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "import/import_internal.h"
#include "pack/reader.h"

struct import_item {				/* one position that a block goes to */
	uint64_t block;
	uint32_t disk;			/* over all builds */
	uint16_t slot;
	uint16_t build;			/* index */
};

struct import_pack {				/* one that the plan reads from */
	const struct seed_volume *volume;
	const struct seed_pack_facts *facts;
	uint32_t place;			/* its ordinal among all of them */
	struct seed_vec table;		/* struct seed_table_entry: worked out, when the tail is
					 * damaged */
	struct seed_vec twins;		/* const struct seed_volume *: others that hold the very
					 * same pack */
	struct seed_pack_reader *reader;	/* while it is read */
};

struct import_batch {				/* stored bytes of neighbouring records */
	uint8_t *data;
	_Atomic unsigned int users;
};

struct import_record {
	struct seed_job job;		/* must be first */
	struct import_run *run;
	struct import_pack *pack;
	uint32_t number;
	bool ends_pack;
	struct import_batch *batch;
	const uint8_t *stored;		/* NULL: it could not be read, see @why */
	const struct seed_volume *twin;	/* it was damaged, and taken from this one */
	struct seed_vec items;		/* struct import_item, by (slot, disk, block) as planned */
	uint16_t bad;			/* slots whose block is not what it should be */
	struct seed_error why;
};

struct import_run {
	struct seed_import *plan;
	const struct seed_import_options *opt;
	struct seed_build *builds;
	size_t count;
	struct seed_vec packs;		/* struct import_pack, by ordinal */
	struct seed_vec disks;		/* struct import_item: which build and disk an ordinal is */
	struct seed_locate *locate;
	struct seed_pool *pool;
	struct seed_lane *lane;
	pthread_t collector;
	pthread_mutex_t lock;		/* guards failed and vm->err of builds */
	_Atomic uint64_t total_bytes;	/* to write; the reading thread takes off what is done
					 * already */
	uint64_t done_bytes;		/* collector's */
	struct seed_error err;		/* the collector's, fatal */
	bool failed;
};

/* A build that failed is skipped from then on; any thread. */
void seed_import_fail_build(struct import_run *run, struct seed_build *b,
			    const struct seed_error *err);
bool seed_import_build_failed(struct import_run *run, struct seed_build *b);

static inline struct seed_build_disk *seed_import_disk_of(struct import_run *run,
							  const struct import_item *item)
{
	struct seed_build *b = &run->builds[item->build];

	return &b->disks[item->disk - b->first_disk];
}

/* sources.c: what the packs hold, what the builds need, what an earlier run of this plan did. @name
 * gathers what the plan is known by. */
int seed_import_add_packs(struct import_run *run, struct seed_digest_stream *name,
			  struct seed_error *err);
int seed_import_add_needs(struct import_run *run, struct seed_error *err);
/* A log that cannot be used fails its VM alone. */
void seed_import_open_logs(struct import_run *run, const struct seed_digest_stream *packs);

/* reading.c: hands every record that the plan needs to the workers, in order. */
int seed_import_read_packs(struct import_run *run, struct seed_error *err);

/* twin.c: open the pack for reading, from whichever copy can be opened; and read a record from
 * another copy than the one that is being read (any thread): its bytes are the right ones then. */
int seed_import_open_pack(struct import_pack *pack, struct seed_error *err);
bool seed_import_ask_twins(struct import_record *r);

/* record.c: a worker's part, and its scratch. */
int seed_import_use_record(struct seed_job *job, void *scratch, struct seed_error *err);
void *seed_import_worker_new(void *arg, struct seed_error *err);
void seed_import_worker_free(void *scratch);
void seed_import_free_record(struct import_record *r);
void seed_import_release_batch(struct import_batch *batch);	/* NULL is fine */
/* "" when there is one medium, else its name and a blank: before "pack 00000001" in messages. */
const char *seed_import_medium_prefix(const struct import_run *run, const struct seed_volume *v,
				      char out[SEED_QUOTED + 2]);

/* collect.c: the collector thread; @arg is the struct import_run. */
void *seed_import_collect(void *arg);

#endif
