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
	char set[SEED_ID_TEXT], medium[SEED_QUOTED + 2];
	struct seed_error why = { 0 };

	seed_import_medium_prefix(run, pack->volume, medium);
	if (seed_pack_reindex(pack->volume->dir, id, &pack->volume->data_key, &pack->table, index,
			      &why) < 0 || pack->table.count == 0) {
		seed_event_note(run->opt->events, SEED_EVENT_WARNING, "%s%s", medium, tail->text);
		return seed_import_note_problem(run->plan, tail, "%.48sset %.8s pack %08u", medium,
						seed_id_text(&id->set, set), id->pack) < 0 ?
			       seed_error_sys(err, ENOMEM, "plan") : 0;
	}
	seed_event_note(run->opt->events, SEED_EVENT_WARNING,
			"%s%s: found %zu of its %u records without it", medium, tail->text,
			pack->table.count, pack->facts->records - 1);
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

/* What add_pack() works with. */
struct sources {
	struct import_run *run;
	struct seed_record_codec *codec;
	struct seed_digest_stream *name;
	struct seed_vec volumes;	/* const struct seed_volume *, in the order of their
					 * places */
};

static bool holds_same(const struct seed_volume *v, const struct seed_volume *of,
		       const struct seed_pack_facts *facts)
{
	const struct seed_pack_facts *own;

	if (!seed_id_equal(&v->set, &of->set) || v->number != of->number)
		return false;
	own = seed_volume_pack(v, facts->number);
	return own && own->length == facts->length && own->records == facts->records &&
	       own->blocks == facts->blocks && seed_digest_equal(&own->digest, &facts->digest) &&
	       seed_digest_equal(&own->table, &facts->table) &&
	       seed_digest_equal(&own->index, &facts->index);
}

/* The volumes from @at on that hold this very pack; none when one before does: it is added then. */
static int find_holders(struct seed_vec *out, const struct sources *s, size_t at,
			const struct seed_pack_facts *facts, struct seed_error *err)
{
	const struct seed_volume *of = *(const struct seed_volume **)seed_vec_at(&s->volumes, at);

	for (size_t i = 0; i < s->volumes.count; i++) {
		const struct seed_volume *v =
			*(const struct seed_volume **)seed_vec_at(&s->volumes, i);

		if (i != at && !holds_same(v, of, facts))
			continue;
		if (i < at)
			return 0;
		if (!seed_vec_push(out, sizeof(v), &v))
			return seed_error_sys(err, ENOMEM, "plan");
	}
	return 0;
}

static int read_index(const struct sources *s, const struct seed_volume *v,
		      const struct seed_pack_facts *facts, struct seed_vec *index,
		      struct seed_error *why)
{
	const struct seed_pack_id id = { v->set, v->number, facts->number };
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *reader = NULL;

	if (seed_pack_reader_open(&reader, v->dir, &id, facts, &v->data_key, false, why) < 0)
		return -1;
	return seed_pack_reader_index(reader, s->codec, index, why);
}

/* The pack goes into the join, and into the name of the plan. */
static int join_pack(const struct sources *s, struct import_pack *pack,
		     const struct seed_vec *index, struct seed_error *err)
{
	name_pack(s->name, pack);
	return seed_locate_pack(s->run->locate, index, &pack->place, err);
}

static struct import_pack *push_pack(const struct sources *s, const struct seed_volume *v,
				     const struct seed_pack_facts *facts, struct seed_error *err)
{
	struct import_pack *pack = seed_vec_push(&s->run->packs, sizeof(*pack), NULL);

	if (!pack)
		seed_error_sys(err, ENOMEM, "plan");
	else
		*pack = (struct import_pack){ .volume = v, .facts = facts };
	return pack;
}

/* No copy has a tail that is whole: each is walked for itself, for each may have lost other
 * records. One that cannot be used is reported; whatever only it holds comes out missing. */
static int add_damaged(const struct sources *s, const struct seed_vec *holders,
		       const struct seed_pack_facts *facts, struct seed_error *err)
{
	for (size_t i = 0; i < holders->count; i++) {
		const struct seed_volume *v =
			*(const struct seed_volume **)seed_vec_at(holders, i);
		const struct seed_pack_id id = { v->set, v->number, facts->number };
		struct import_pack *pack = push_pack(s, v, facts, err);
		SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
		struct seed_error why = { 0 };

		if (!pack)
			return -1;
		if (read_index(s, v, facts, &index, &why) < 0) {
			seed_vec_free(&index);
			if (mend_pack(s->run, pack, &id, &why, &index, err) < 0)
				return -1;
		}
		if (join_pack(s, pack, &index, err) < 0)
			return -1;
	}
	return 0;
}

static int add_pack(const struct sources *s, size_t at, const struct seed_pack_facts *facts,
		    struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec holders = { 0 };
	struct import_pack *pack = NULL;

	if (find_holders(&holders, s, at, facts, err) < 0)
		return -1;
	for (size_t i = 0; i < holders.count && !pack; i++) {
		const struct seed_volume *v =
			*(const struct seed_volume **)seed_vec_at(&holders, i);
		SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
		struct seed_error why = { 0 };

		if (read_index(s, v, facts, &index, &why) < 0)
			continue;
		pack = push_pack(s, v, facts, err);
		if (!pack || join_pack(s, pack, &index, err) < 0)
			return -1;
	}
	if (!pack)
		return add_damaged(s, &holders, facts, err);
	for (size_t i = 0; i < holders.count; i++) {
		const struct seed_volume *v =
			*(const struct seed_volume **)seed_vec_at(&holders, i);

		if (v != pack->volume && !seed_vec_push(&pack->twins, sizeof(v), &v))
			return seed_error_sys(err, ENOMEM, "plan");
	}
	return 0;
}

/* The volumes that may hold something, set by set: first those that the set counts on, then
 * copies, then what is of another attempt, so that a block is taken from the best place. */
static int order_volumes(struct sources *s, struct seed_error *err)
{
	const struct seed_vec *views = &s->run->plan->views;

	for (size_t i = 0; i < views->count; i++) {
		const struct seed_set_view *view = seed_vec_at(views, i);

		for (size_t k = 0; k < view->places.count; k++) {
			const struct seed_set_place *place = seed_vec_at(&view->places, k);

			if (!place->volume || !volume_is_needed(s->run, place->volume))
				continue;
			if (!seed_vec_push(&s->volumes, sizeof(place->volume), &place->volume))
				return seed_error_sys(err, ENOMEM, "plan");
		}
	}
	return 0;
}

static int add_packs(struct sources *s, struct seed_error *err)
{
	if (order_volumes(s, err) < 0)
		return -1;
	for (size_t i = 0; i < s->volumes.count; i++) {
		const struct seed_volume *v =
			*(const struct seed_volume **)seed_vec_at(&s->volumes, i);

		for (size_t k = 0; k < v->packs.count; k++) {
			if (seed_cancelled(s->run->opt->cancel, err) < 0 ||
			    add_pack(s, i, seed_vec_at(&v->packs, k), err) < 0)
				return -1;
		}
	}
	return 0;
}

int seed_import_add_packs(struct import_run *run, struct seed_digest_stream *name,
			  struct seed_error *err)
{
	struct sources s = { .run = run, .name = name };
	int rc = seed_record_codec_new(&s.codec, 1, err);

	if (rc == 0)
		rc = add_packs(&s, err);
	seed_record_codec_free(s.codec);
	seed_vec_free(&s.volumes);
	return rc;
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
