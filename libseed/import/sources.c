/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Before the pass: what the packs hold, what the builds need, and what was done already. */
#include <errno.h>
#include <string.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "import/run_internal.h"
#include "pack/scrub.h"

static bool volume_is_needed(const struct import_run *run, const struct seed_volume *v)
{
	for (size_t i = 0; i < run->count; i++) {
		if (seed_id_equal(&run->builds[i].vm->seed->manifest.set, &v->set))
			return true;
	}
	return false;
}

/* A pack whose tail is damaged still has its records: they are walked, which reads all of it once
 * more. What cannot be walked either is as good as not there. */
static int mend_pack(struct import_run *run, struct import_pack *pack,
		     const struct seed_pack_id *id, const struct seed_error *tail,
		     struct seed_vec *index, struct seed_error *err)
{
	struct seed_error why = { 0 };
	char set[SEED_ID_TEXT];

	if (seed_pack_reindex(pack->volume->dir, id, &pack->volume->data_key, &pack->table, index,
			      &why) < 0 || pack->table.count == 0) {
		seed_event_note(run->opt->events, SEED_EVENT_WARNING, "%s", tail->text);
		return seed_import_note_problem(run->plan, tail, "set %.8s pack %08u",
						seed_id_text(&id->set, set), id->pack) < 0 ?
			       seed_error_sys(err, ENOMEM, "plan") : 0;
	}
	seed_event_note(run->opt->events, SEED_EVENT_WARNING,
			"%s: found %zu of its %u records without it", tail->text, pack->table.count,
			pack->facts->records - 1);
	return 0;
}

/* What a plan takes from a pack depends on the index that it has of it. */
static void name_pack(struct seed_digest_stream *name, const struct import_pack *pack)
{
	seed_digest_add(name, pack->facts->index.bytes, SEED_DIGEST_SIZE);
	for (size_t i = 0; i < pack->table.count; i++) {
		const struct seed_table_entry *entry = seed_vec_at(&pack->table, i);

		seed_digest_add(name, entry->digest.bytes, SEED_DIGEST_SIZE);
	}
}

/* The pack's index goes into the join, and into the name of the plan. A pack that cannot be
 * used is reported; whatever only it holds comes out missing. */
static int add_pack(struct import_run *run, const struct seed_volume *v,
		    const struct seed_pack_facts *facts, struct seed_record_codec *codec,
		    struct seed_digest_stream *name, struct seed_error *err)
{
	const struct seed_pack_id id = { v->set, v->number, facts->number };
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *reader = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
	struct import_pack *pack = seed_vec_push(&run->packs, sizeof(*pack), NULL);
	struct seed_error why = { 0 };

	if (!pack)
		return seed_error_sys(err, ENOMEM, "plan");
	*pack = (struct import_pack){ .volume = v, .facts = facts };
	if (seed_pack_reader_open(&reader, v->dir, &id, facts, &v->data_key, false, &why) < 0 ||
	    seed_pack_reader_index(reader, codec, &index, &why) < 0) {
		if (mend_pack(run, pack, &id, &why, &index, err) < 0)
			return -1;
	}
	name_pack(name, pack);
	return seed_locate_pack(run->locate, &index, &pack->place, err);
}

int seed_import_add_packs(struct import_run *run, struct seed_digest_stream *name,
			  struct seed_error *err)
{
	SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec = NULL;

	if (seed_record_codec_new(&codec, 1, err) < 0)
		return -1;
	for (size_t i = 0; i < run->plan->volumes.count; i++) {
		const struct seed_volume *v =
			*(struct seed_volume **)seed_vec_at(&run->plan->volumes, i);

		if (!volume_is_needed(run, v))
			continue;
		for (size_t k = 0; k < v->packs.count; k++) {
			if (seed_cancelled(run->opt->cancel, err) < 0 ||
			    add_pack(run, v, seed_vec_at(&v->packs, k), codec, name, err) < 0)
				return -1;
		}
	}
	return 0;
}

static uint64_t runs_bytes(const struct seed_vec *runs)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < runs->count; i++)
		blocks += ((const struct seed_run *)seed_vec_at(runs, i))->count;
	return blocks * SEED_BLOCK_SIZE;
}

int seed_import_add_needs(struct import_run *run, struct seed_error *err)
{
	for (size_t i = 0; i < run->count; i++) {
		struct seed_build *b = &run->builds[i];

		b->first_disk = (uint32_t)run->disks.count;
		for (uint32_t k = 0; k < b->disk_count; k++) {
			struct import_item place = {
				.disk = b->first_disk + k, .build = (uint16_t)i
			};
			struct seed_build_disk *disk = &b->disks[k];
			const struct seed_manifest_disk *d =
				seed_vec_at(&b->vm->seed->manifest.disks, k);

			if (!seed_vec_push(&run->disks, sizeof(place), &place))
				return seed_error_sys(err, ENOMEM, "plan");
			if (seed_locate_list(run->locate, disk->list, place.disk,
					     b->fill ? &disk->runs : NULL, err) < 0)
				return -1;
			run->total_bytes += b->fill ? runs_bytes(&disk->runs)
						    : d->data_blocks * SEED_BLOCK_SIZE;
		}
	}
	return 0;
}

/* A plan is known by its seed and the packs it may take from: the same plan takes each block from
 * the same pack, so packs noted under it need not be read again. */
void seed_import_open_logs(struct import_run *run, const struct seed_digest_stream *packs)
{
	for (size_t i = 0; i < run->count; i++) {
		struct seed_build *b = &run->builds[i];
		struct seed_digest_stream name = *packs;
		struct seed_error err = { 0 };
		struct seed_digest digest;
		struct seed_id plan;

		seed_digest_add(&name, b->vm->seed->manifest.seed.bytes, SEED_ID_SIZE);
		seed_digest_add(&name, b->fill ? "fill" : "all ", 4);
		seed_digest_end(&name, &digest);
		memcpy(plan.bytes, digest.bytes, SEED_ID_SIZE);
		if (seed_import_log_open(&b->log, b->replica->build, &plan, &b->resumed, &err) <
		    0) {
			seed_import_fail_build(run, b, &err);
			continue;
		}
		/* The new plan's log forgot it. Until here a crash costs filling it anew. */
		if (b->fill && !b->resumed && b->replica->build != b->replica->dir &&
		    seed_import_log_fill(b->log, &b->vm->seed->manifest.seed, &err) < 0)
			seed_import_fail_build(run, b, &err);
	}
}
