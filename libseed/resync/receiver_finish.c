// SPDX-License-Identifier: LGPL-2.1-or-later
/* The end of a VM at the receiver: the signed manifest, the commit, the mark, the receipt. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "crypto/digest.h"
#include "manifest/receipt.h"
#include "replica/marks.h"
#include "resync/receiver.h"

/* ---- the manifest ---- */

static int match_disk(const struct seed_manifest_disk *m, const struct seed_offer_disk *o,
		      struct seed_error *err)
{
	if (strcmp(m->slot, o->slot) != 0 || m->size != o->size)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "disk %s is not the one that was offered", m->slot);
	return 0;
}

static int match_offer(const struct seed_receiving *r, const struct seed_manifest *m,
		       struct seed_error *err)
{
	const struct seed_offer *o = &r->offer;
	struct seed_digest theirs, offered;

	if (!seed_id_equal(&m->site, &o->origin) || !seed_id_equal(&m->uuid, &o->uuid) ||
	    strcmp(m->name, o->name) != 0)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "it is of another VM than was offered");
	if (!m->has_recipient || !seed_id_equal(&m->recipient, &r->s->opt->own->id))
		return seed_error_set(err, SEED_ERR_IDENTITY, "it is for another site");
	if (m->generation != o->generation || !m->data || m->relies_on.count ||
	    seed_lineage_compare(&o->lineage, o->generation, &m->lineage, m->generation) !=
		    SEED_LINEAGE_SAME)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "it is of another generation or history than was offered");
	seed_offer_files_digest(&theirs, &m->files);
	seed_offer_files_digest(&offered, &o->files);
	if (m->disks.count != o->disks.count || !seed_digest_equal(&theirs, &offered))
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "its disks or side files are not those that were offered");
	for (size_t i = 0; i < m->disks.count; i++)
		if (match_disk(seed_vec_at(&m->disks, i), seed_vec_at(&o->disks, i), err) < 0)
			return -1;
	return 0;
}

/* ---- the receipt ---- */

static int add_disks(struct seed_receipt *receipt, const struct seed_vec *disks,
		     const enum seed_proved *proved, struct seed_error *err)
{
	for (size_t i = 0; i < disks->count; i++) {
		const struct seed_manifest_disk *m = seed_vec_at(disks, i);
		struct seed_receipt_disk d = { .size = m->size, .root = m->root };

		snprintf(d.slot, sizeof(d.slot), "%s", m->slot);
		snprintf(d.proved, sizeof(d.proved), "%s",
			 proved[i] == SEED_PROVED_FULL ? "full" : "delta");
		if (!seed_vec_push(&receipt->disks, sizeof(d), &d))
			return seed_error_sys(err, ENOMEM, "receipt");
	}
	return 0;
}

static int send_receipt(struct seed_receiving *r, const struct seed_manifest *m,
			const enum seed_proved *proved, struct seed_error *err)
{
	SEED_AUTO(seed_receipt_clear) struct seed_receipt receipt = {
		.site = r->s->opt->own->id,
		.origin = m->site,
		.uuid = m->uuid,
		.seed = m->seed,
		.generation = m->generation,
		.lineage = m->lineage,
		.state = "current",
		.at = seed_clock_wall(),
	};
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	size_t len;

	r->vm->generation = m->generation;
	r->vm->captured = m->captured;
	r->vm->counts = r->counts;
	r->vm->proved_full = true;
	for (size_t i = 0; i < m->disks.count; i++)
		r->vm->proved_full &= proved[i] == SEED_PROVED_FULL;
	if (add_disks(&receipt, &m->disks, proved, err) < 0 ||
	    seed_receipt_sign(&receipt, r->s->opt->own->sign, &text, &len, signature, err) < 0)
		return -1;
	return seed_session_send_document(r->s, SEED_FRAME_RECEIPT, text, len, signature, err);
}

int seed_receiver_receipt(struct seed_receiving *r, const enum seed_proved *proved,
			  struct seed_error *err)
{
	const struct seed_resync_options *opt = r->s->opt;
	bool was;

	if (r->replica->state != SEED_REPLICA_CURRENT) {
		r->replica->state = SEED_REPLICA_CURRENT;
		if (seed_replica_save(r->replica, err) < 0)
			return -1;
	}
	/* What a run that was cut behind its commit did not get to: the mark, and the end of
	 * sync/. */
	if (seed_mark_advance(opt->home, &r->manifest, &r->manifest_text, opt->own, err) < 0 ||
	    (!r->sync && seed_sync_abort(r->replica, &was, err) < 0))
		return -1;
	return send_receipt(r, &r->manifest, proved, err);
}

/* ---- committing ---- */

static size_t gather_files(struct seed_receiving *r, struct seed_sync_file *out)
{
	size_t count = 0;

	for (uint32_t i = 0; i < r->offer.files.count; i++)
		if (r->files[i].wanted)
			out[count++] = (struct seed_sync_file){
				.index = i,
				.data = r->files[i].data.data ? r->files[i].data.data : "",
				.len = r->files[i].data.len,
			};
	return count;
}

static int commit_manifest(struct seed_receiving *r, const struct seed_manifest *m,
			   const char *text, size_t len, const char *signature,
			   struct seed_error *err)
{
	const struct seed_resync_options *opt = r->s->opt;
	struct seed_sync_file files[SEED_MANIFEST_FILES_MAX];
	enum seed_proved proved[SEED_WIRE_DISKS_MAX];
	const struct seed_sync_commit commit = {
		.manifest = m,
		.text = text,
		.len = len,
		.signature = signature,
		.files = files,
		.file_count = gather_files(r, files),
		.from = r->s->peer->name,
		.keep = r->keep,
		.jobs = opt->jobs,
		.events = seed_session_relay(r->s, SEED_PHASE_APPLYING),
	};
	struct seed_digest digest;

	if (match_offer(r, m, err) < 0)
		return seed_error_prefix(err, "manifest");
	seed_event_send(opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "applying", .vm = r->head.name });
	if (seed_sync_commit(r->sync, &commit, proved, err) < 0)
		return -1;
	/* The mark only after the replica is durable: ahead of it, the replica's own next step
	 * would be a rollback. A crash between leaves it behind by one, which the next resync
	 * mends. */
	seed_digest_of(&digest, text, len);
	if (seed_mark_advance(opt->home, m, &digest, opt->own, err) < 0)
		return -1;
	return send_receipt(r, m, proved, err);
}

int seed_receiver_commit(struct seed_receiving *r, struct seed_error *err)
{
	SEED_AUTO(seed_buf_free) struct seed_buf bundle = { 0 };
	SEED_AUTO(seed_freep) char *end = NULL;
	const char *text, *signature;
	size_t len, signature_len;
	struct seed_manifest m;
	struct seed_error why = { 0 };
	struct seed_frame f;
	int rc;

	if (seed_session_expect(r->s, &f, SEED_FRAME_MANIFEST, NULL, err) < 0 ||
	    seed_session_document(r->s, &f, SEED_MANIFEST_MAX + SEED_SIGNATURE_MAX + 4, &bundle,
				  err) < 0 ||
	    seed_manifest_unbundle(bundle.data, bundle.len, &text, &len, &signature,
				   &signature_len, err) < 0)
		return -1;
	end = strndup(signature, signature_len);
	if (!end)
		return seed_error_sys(err, ENOMEM, "manifest");
	rc = seed_manifest_open(&m, text, len, signature, signature_len, &r->s->peer->card.key,
				&why);
	if (rc == 0)
		rc = commit_manifest(r, &m, text, len, end, &why);
	seed_manifest_clear(&m);
	if (rc == 0) {
		r->vm->result = SEED_RESYNC_SYNCED;
		return 0;
	}
	r->vm->err = why;
	if (why.kind == SEED_ERR_LINK || why.kind == SEED_ERR_CANCELLED) {
		*err = why;
		return -1;
	}
	return seed_session_refuse(r->s, &why, err);
}

/* Other blocks than those that were missing may have been written by somebody meanwhile: nothing is
 * certified that was not read. */
static int prove_filled(struct seed_receiving *r, struct seed_error *err)
{
	const struct seed_proof_options opt = {
		.paranoid = true,
		.pool = r->s->pool,
		.depth = r->s->depth,
		.events = seed_session_relay(r->s, SEED_PHASE_PROVING),
		.cancel = r->s->opt->cancel,
	};

	for (size_t i = 0; i < r->replica->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&r->replica->disks, i);
		struct seed_proof proof = { 0 };
		int rc = seed_replica_prove(&proof, r->replica, i, &opt, err);

		if (rc == 0 && proof.differ_blocks)
			rc = seed_error_set(err, SEED_ERR_BUSY,
					    "%llu blocks were written to by somebody while others "
					    "came: 'vmseed adopt %s --discard-changes' at %s, then "
					    "resync again",
					    (unsigned long long)proof.differ_blocks,
					    r->replica->name, r->s->opt->own->name);
		seed_proof_clear(&proof);
		if (rc < 0)
			return seed_error_prefix(err, "replica %s: disk %s", r->replica->name,
						 disk->slot);
	}
	return 0;
}

int seed_receiver_finish_fill(struct seed_receiving *r, struct seed_error *err)
{
	enum seed_proved proved[SEED_WIRE_DISKS_MAX];
	uint64_t missing;

	if (seed_sync_finish_fill(r->sync, &missing, err) < 0)
		return -1;
	if (missing)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%llu blocks are still missing",
				      (unsigned long long)missing);
	for (uint32_t i = 0; i < SEED_WIRE_DISKS_MAX; i++)
		proved[i] = SEED_PROVED_FULL;
	seed_sync_close(r->sync);	/* its descriptors and locks go before the disks are held to
					 * be read */
	r->sync = NULL;
	if (prove_filled(r, err) < 0 || seed_receiver_receipt(r, proved, err) < 0)
		return -1;
	r->vm->result = SEED_RESYNC_SYNCED;
	return 0;
}
