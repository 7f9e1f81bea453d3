// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resync/vm_reading.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "block/merkle.h"
#include "capture/describe.h"
#include "capture/own.h"
#include "capture/own_kept.h"
#include "capture/side_files.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "image/raw_source.h"

#define TOUCHED_MAX (1u << 20)		/* blocks of one disk: 8 MiB */

static struct seed_vm_reading_disk *disk_at(const struct seed_vm_reading *r, size_t i)
{
	return seed_vec_at(&r->disks, i);
}

/* ---- opening ---- */

/* The reading before this one, which capturing is about to replace; its file stays ours while it is
 * open. Its size in bytes is that of the disk now, where the blocks are as many: should that be
 * wrong, the roots will not be equal, and nothing is lost but that. */
static void open_base(struct seed_vm_reading *r, struct seed_vm_reading_disk *d)
{
	char name[SEED_CAPTURE_LIST_NAME];
	struct stat st;
	uint64_t blocks;

	seed_capture_list_name(d->def->slot, name);
	if (fstatat(r->kept->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size < 0)
		return;
	blocks = (uint64_t)st.st_size / SEED_DIGEST_SIZE;
	if (blocks > seed_grid_blocks(SEED_DISK_MAX) ||
	    seed_list_open(&d->base, r->kept->dir, name, blocks, false, NULL) < 0)
		return;
	d->base_size = blocks == seed_grid_blocks(d->source->size) ? d->source->size :
								     blocks * SEED_BLOCK_SIZE;
	if (seed_merkle_of_list(&d->base_root, d->base, d->base_size, NULL, NULL, NULL) < 0) {
		seed_list_close(d->base);
		d->base = NULL;
	}
}

static bool held(void *arg, const struct seed_digest *digest)
{
	(void)arg;
	(void)digest;
	return true;			/* its bytes are not wanted yet */
}

static int hash_disk(struct seed_vm_reading *r, struct seed_vm_reading_disk *d,
		     struct seed_session *s, uint64_t *done, uint64_t total, struct seed_error *err)
{
	const struct seed_capture_options opt = {
		.vm = r->kept,
		.slot = d->def->slot,
		.source = d->source,
		.pool = s->pool,
		.depth = s->depth,
		.held = s->opt->paranoid ? NULL : held,
		.cancel = s->opt->cancel,
	};
	SEED_AUTO(seed_capture_closep) struct seed_capture *capture = NULL;

	if (seed_source_identity(d->source, &d->identity, err) < 0 ||
	    seed_capture_open(&capture, &opt, err) < 0)
		return -1;
	for (;;) {
		struct seed_chunk *chunk;

		if (seed_capture_next(capture, &chunk, err) < 0)
			return -1;
		if (!chunk)
			break;
		for (uint64_t i = 0; !chunk->hole && i < chunk->count; i++)
			*done += chunk->lengths[i];
		seed_capture_give_back(capture, chunk);
		seed_event_send(s->opt->events, &(struct seed_event){
			.kind = SEED_EVENT_PROGRESS, .phase = "reading", .vm = r->def->name,
			.disk = d->def->slot, .done = *done < total ? *done : total,
			.total = total });
		if (s->ch && seed_session_progress(s, SEED_PHASE_READING, *done, total, err) < 0)
			return -1;
	}
	if (seed_capture_finish(capture, &d->facts, err) < 0)
		return -1;
	r->bytes_read += d->facts.bytes_read;
	return 0;
}

static int open_disk(struct seed_vm_reading *r, const struct seed_vmdef_disk *def, uint64_t *total,
		     struct seed_error *err)
{
	struct seed_vm_reading_disk *d = seed_vec_push(&r->disks, sizeof(*d), NULL);
	uint64_t data;

	if (!d)
		return seed_error_sys(err, ENOMEM, "disk %s", def->slot);
	d->def = def;
	if (!def->raw)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "disk %s is %s, and only raw images can be read so far",
				      def->slot, def->format ? def->format : "of unknown format");
	if (seed_raw_source_open(&d->source, def->path, err) < 0 ||
	    seed_scan_measure(d->source, &data, err) < 0)
		return seed_error_prefix(err, "disk %s", def->slot);
	if (d->source->size > SEED_DISK_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "disk %s: larger than 1 PiB", def->slot);
	*total += data;
	return 0;
}

/* All disks are held before any of them is read. */
static int open_disks(struct seed_vm_reading *r, uint64_t *total, struct seed_error *err)
{
	for (size_t i = 0; i < r->def->disks.count; i++) {
		const struct seed_vmdef_disk *def = seed_vec_at(&r->def->disks, i);

		if (!def->excluded && open_disk(r, def, total, err) < 0)
			return -1;
	}
	if (r->disks.count == 0)
		return seed_error_set(err, SEED_ERR_USAGE, "no disk is left to resync");
	return 0;
}

static int hash_disks(struct seed_vm_reading *r, struct seed_session *s, uint64_t total,
		      struct seed_error *err)
{
	char name[SEED_CAPTURE_LIST_NAME];
	uint64_t done = 0;

	seed_event_send(s->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "reading", .total = total,
		.vm = r->def->name });
	for (size_t i = 0; i < r->disks.count; i++) {
		struct seed_vm_reading_disk *d = disk_at(r, i);

		open_base(r, d);
		if (hash_disk(r, d, s, &done, total, err) < 0 ||
		    seed_list_open(&d->list, r->kept->dir,
				   seed_capture_list_name(d->def->slot, name), d->facts.blocks,
				   true, err) < 0)
			return seed_error_prefix(err, "disk %s", d->def->slot);
	}
	return 0;
}

static int note_files(struct seed_vm_reading *r, struct seed_error *err)
{
	for (size_t i = 0; i < r->files.count; i++) {
		const struct seed_side_file *file = seed_vec_at(&r->files, i);
		struct seed_manifest_file *f = seed_vec_push(&r->facts, sizeof(*f), NULL);

		if (!f)
			return seed_error_sys(err, ENOMEM, "side files");
		memcpy(f->role, file->role, sizeof(f->role));
		f->facts.length = file->len;
		seed_digest_of(&f->facts.digest, file->data, file->len);
	}
	return 0;
}

int seed_vm_reading_open(struct seed_vm_reading **out, const struct seed_vmdef *def,
		      struct seed_session *s, struct seed_error *err)
{
	SEED_AUTO(seed_vm_reading_closep) struct seed_vm_reading *r = calloc(1, sizeof(*r));
	uint64_t total = 0;

	if (!r)
		return seed_error_sys(err, ENOMEM, "VM");
	r->def = def;
	if (seed_source_vm_open(&r->kept, s->opt->home, def, s->opt->own, 0, err) < 0 ||
	    seed_source_vm_note_definition(r->kept, def, err) < 0 ||
	    seed_side_files_read(&r->files, def, s->opt->events, err) < 0 ||
	    note_files(r, err) < 0 || open_disks(r, &total, err) < 0 ||
	    hash_disks(r, s, total, err) < 0)
		return -1;
	*out = seed_steal(&r);
	return 0;
}

void seed_vm_reading_close(struct seed_vm_reading *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->disks.count; i++) {
		struct seed_vm_reading_disk *d = disk_at(r, i);

		seed_tree_free(d->tree);
		seed_list_close(d->list);
		seed_list_close(d->base);
		seed_source_close(d->source);
		seed_vec_free(&d->own_runs);
		seed_vec_free(&d->touched_at);
	}
	seed_vec_free(&r->disks);
	seed_vec_free(&r->facts);
	seed_side_files_clear(&r->files);
	seed_source_vm_close(r->kept);
	free(r);
}

/* ---- saying ---- */

static void set_slot(char out[33], const char *slot)
{
	snprintf(out, 33, "%s", slot);
}

int seed_vm_reading_head(const struct seed_vm_reading *r, struct seed_session *s,
		      struct seed_msg_head *out, struct seed_error *err)
{
	*out = (struct seed_msg_head){
		.origin = r->kept->origin,
		.uuid = r->kept->uuid,
		.flags = seed_session_flags(s),
		.keep = (uint16_t)(s->opt->keep < UINT16_MAX ? s->opt->keep : UINT16_MAX),
		.disk_count = (uint32_t)r->disks.count,
	};
	if (r->disks.count > SEED_WIRE_DISKS_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "more than %u disks",
				      SEED_WIRE_DISKS_MAX);
	snprintf(out->name, sizeof(out->name), "%s", r->def->name);
	seed_offer_files_digest(&out->files, &r->facts);
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_vm_reading_disk *d = disk_at(r, i);

		set_slot(out->disks[i].slot, d->def->slot);
		out->disks[i].size = d->source->size;
		out->disks[i].root = d->facts.root;
	}
	return 0;
}

static int work_out_own(struct seed_vm_reading *r, struct seed_session *s, struct seed_error *err)
{
	SEED_AUTO(seed_freep) struct seed_own_wanted *wanted = calloc(r->disks.count,
								       sizeof(*wanted));
	/* Mostly what is kept does. Otherwise it takes minutes, and the peer is told. */
	const struct seed_own_search search = {
		.home = s->opt->home, .began = s->began, .now = seed_clock_wall(),
		.events = seed_session_relay(s, SEED_PHASE_PROVING), .cancel = s->opt->cancel,
	};
	int rc;

	if (!wanted)
		return seed_error_sys(err, ENOMEM, "own blocks");
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_vm_reading_disk *d = disk_at(r, i);

		wanted[i] = (struct seed_own_wanted){ .uuid = &r->kept->uuid, .slot = d->def->slot,
						      .size = d->source->size,
						      .root = d->facts.root };
	}
	rc = seed_capture_own_blocks(&search, wanted, r->disks.count, err);
	for (size_t i = 0; i < r->disks.count; i++) {
		struct seed_vm_reading_disk *d = disk_at(r, i);

		seed_vec_free(&d->own_runs);
		d->own_runs = wanted[i].runs;
		d->own_blocks = wanted[i].blocks;
		d->compared = wanted[i].compared;
	}
	return rc;
}

static int copy_runs(struct seed_vec *to, const struct seed_vec *from, struct seed_error *err)
{
	for (size_t i = 0; i < from->count; i++)
		if (!seed_vec_push(to, sizeof(struct seed_run), seed_vec_at(from, i)))
			return seed_error_sys(err, ENOMEM, "offer");
	return 0;
}

static int offer_disk(const struct seed_vm_reading_disk *d, struct seed_offer *out,
		      struct seed_error *err)
{
	struct seed_offer_disk *o = seed_vec_push(&out->disks, sizeof(*o), NULL);

	if (!o)
		return seed_error_sys(err, ENOMEM, "offer");
	set_slot(o->slot, d->def->slot);
	o->size = d->source->size;
	o->sector_size = d->source->sector_size;
	o->root = d->facts.root;
	o->has_base = d->base != NULL;
	o->base_size = d->base_size;
	o->base_root = d->base_root;
	o->own_blocks = d->own_blocks;
	o->compared = d->compared;
	o->serial = d->def->serial ? strdup(d->def->serial) : NULL;
	o->wwn = d->def->wwn ? strdup(d->def->wwn) : NULL;
	if ((d->def->serial && !o->serial) || (d->def->wwn && !o->wwn))
		return seed_error_sys(err, ENOMEM, "offer");
	return copy_runs(&o->own_runs, &d->own_runs, err);
}

int seed_vm_reading_offer(struct seed_vm_reading *r, struct seed_session *s, struct seed_offer *out,
		       struct seed_error *err)
{
	*out = (struct seed_offer){
		.receiver = s->peer->card.site,
		.origin = r->kept->origin,
		.uuid = r->kept->uuid,
		.name = strdup(r->def->name),
		.lineage = r->kept->lineage,
		.generation = r->kept->generation + 1,
	};
	memcpy(out->nonce, s->peer_nonce, SEED_NONCE_SIZE);
	if (!out->name)
		return seed_error_sys(err, ENOMEM, "offer");
	if (work_out_own(r, s, err) < 0)
		return -1;
	for (size_t i = 0; i < r->disks.count; i++)
		if (offer_disk(disk_at(r, i), out, err) < 0)
			return -1;
	for (size_t i = 0; i < r->facts.count; i++)
		if (!seed_vec_push(&out->files, sizeof(struct seed_manifest_file),
				   seed_vec_at(&r->facts, i)))
			return seed_error_sys(err, ENOMEM, "offer");
	return 0;
}

/* ---- changes ---- */

/* A list of mixed times is nobody's reading: its stamp goes before it changes, durably. */
static int drop_stamp(struct seed_vm_reading *r, struct seed_vm_reading_disk *d,
		      struct seed_error *err)
{
	char name[SEED_CAPTURE_LIST_NAME];

	snprintf(name, sizeof(name), "%s.stamp", d->def->slot);
	return seed_path_unlink(r->kept->dir, name, err) < 0 ? -1 :
	       seed_fd_sync(r->kept->dir, err);
}

int seed_vm_reading_changed(struct seed_vm_reading *r, uint32_t disk, uint64_t index,
			 const struct seed_digest *digest, struct seed_error *err)
{
	struct seed_vm_reading_disk *d = disk_at(r, disk);

	if (!d->touched) {
		if (drop_stamp(r, d, err) < 0)
			return -1;
		d->follows = seed_own_reading(&d->was, d->list, d->source->size, &d->facts.root,
					      NULL) == 0;
	}
	d->touched = true;
	d->follows = d->follows && d->touched_at.count < TOUCHED_MAX &&
		     seed_vec_push(&d->touched_at, sizeof(index), &index);
	return seed_list_set(d->list, index, digest, 1, err);
}

static int by_index(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* A block that was hashed anew may not be own any more: it leaves what is said and what is kept. */
static void settle_own(struct seed_vm_reading *r, struct seed_vm_reading_disk *d)
{
	struct seed_own_runs own = { .runs = d->own_runs, .blocks = d->own_blocks };
	struct seed_digest is;

	if (d->follows)
		qsort(d->touched_at.items, d->touched_at.count, d->touched_at.size, by_index);
	if (d->follows &&
	    seed_own_reading(&is, d->list, d->source->size, &d->facts.root, NULL) == 0)
		seed_own_kept_touched(r->kept->dir, d->def->slot, &d->was, &is, &d->touched_at);
	else
		seed_own_kept_forget(r->kept->dir, d->def->slot);
	if (!d->follows || seed_own_runs_without(&own, &d->touched_at, NULL) < 0)
		seed_own_runs_free(&own);
	d->own_runs = own.runs;
	d->own_blocks = own.blocks;
}

/* The disk as it is in the manifest: its list now, and whether it changed since hashing began. */
static int settle_disk(struct seed_vm_reading *r, struct seed_vm_reading_disk *d,
		       struct seed_error *err)
{
	struct seed_source_identity now;
	bool same;

	if (seed_source_identity(d->source, &now, err) < 0)
		return -1;
	same = !d->touched && (seed_source_identity_equal(&now, &d->identity) || !now.provable);
	if (same)
		return 0;
	if (!d->touched && drop_stamp(r, d, err) < 0)
		return -1;
	d->facts.captured = SEED_CAPTURED_CHANGED;
	if (seed_merkle_of_list(&d->facts.root, d->list, d->source->size, &d->facts.data_blocks,
				NULL, err) < 0)
		return -1;
	if (d->touched)
		settle_own(r, d);
	return 0;
}

static int describe_disk(struct seed_vm_reading *r, uint32_t i, struct seed_manifest *m,
			 struct seed_error *err)
{
	struct seed_vm_reading_disk *d = disk_at(r, i);
	struct seed_describe_disk about = {
		.def = d->def,
		.size = d->source->size,
		.sector_size = d->source->sector_size,
		.facts = d->facts,
		.own_runs = d->own_runs,
		.own_blocks = d->own_blocks,
		.compared = d->compared,
	};
	struct seed_manifest_disk *out;
	int rc;

	/* Own blocks were counted before blocks changed; a count above the data would be
	 * refused. */
	if (about.own_blocks > about.facts.data_blocks) {
		seed_vec_free(&about.own_runs);
		about.own_blocks = 0;
	}
	rc = seed_describe_disk(m, &about, &out, err);
	d->own_runs = about.own_runs;	/* what did not move */
	return rc < 0 ? -1 : seed_describe_parts(out, d->list, i, err);
}

/* How the copy was taken: as its least disk. */
static enum seed_captured worst(const struct seed_vm_reading *r)
{
	enum seed_captured least = SEED_CAPTURED_OFFLINE;

	for (size_t i = 0; i < r->disks.count; i++)
		if (disk_at(r, i)->facts.captured > least)
			least = disk_at(r, i)->facts.captured;
	return least;
}

static int describe(struct seed_vm_reading *r, struct seed_session *s, const struct seed_id *seed,
		    struct seed_manifest *m, struct seed_error *err)
{
	struct seed_describe_vm about = {
		.own = s->opt->own, .vm = r->kept, .def = r->def, .seed = seed, .data = true,
	};

	about.captured = worst(r);
	if (seed_describe_vm(m, &about, err) < 0)
		return -1;
	/* No set has it: it went over the wire, to this site. */
	m->set = (struct seed_id){ { 0 } };
	m->has_recipient = true;
	m->recipient = s->peer->card.site;
	for (uint32_t i = 0; i < r->disks.count; i++)
		if (describe_disk(r, i, m, err) < 0)
			return -1;
	return seed_describe_files(m, &r->files, err);
}

int seed_vm_reading_sign(struct seed_vm_reading *r, struct seed_session *s,
			 struct seed_manifest *out, char **text, size_t *len,
			 char signature[SEED_SIGNATURE_MAX], struct seed_error *err)
{
	seed_manifest_init(out);
	for (size_t i = 0; i < r->disks.count; i++)
		if (settle_disk(r, disk_at(r, i), err) < 0)
			return seed_error_prefix(err, "disk %s", disk_at(r, i)->def->slot);
	if (s->opt->final && worst(r) > SEED_CAPTURED_SNAPSHOT)
		return seed_error_set(err, SEED_ERR_BUSY,
				      "it changed, or could not be held, while it was read: for "
				      "--final shut it down first");
	if (seed_random_id(&r->seed, err) < 0 || seed_source_vm_next_generation(r->kept, err) < 0 ||
	    describe(r, s, &r->seed, out, err) < 0)
		return -1;
	r->is_signed = true;
	return seed_manifest_sign(out, s->opt->own->sign, text, len, signature, err);
}
