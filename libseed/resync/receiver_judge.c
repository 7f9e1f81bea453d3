// SPDX-License-Identifier: LGPL-2.1-or-later
/* What the receiver looks at before anything is written. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "replica/find.h"
#include "replica/manifest_file.h"
#include "replica/marks.h"
#include "resync/receiver.h"

#define GENERATION_JUMP 10000u

static bool is_promoted_elsewhere(const struct seed_receiving *r)
{
	const struct seed_lineage *l = &r->replica->lineage;

	return l->count &&
	       seed_id_equal(&l->timelines[l->count - 1].writer, &r->s->peer->card.site);
}

/* A site speaks for VMs of its own origin. For another's only where somebody here decided so: by
 * adopting what lies here as a candidate, or by having followed that site's line already. */
static int check_origin(const struct seed_receiving *r, struct seed_error *err)
{
	/* A fork is the word of who made it. Whose word counts, adopting it has said. */
	if (r->replica && r->replica->state == SEED_REPLICA_CANDIDATE) {
		if (r->replica->has_follows &&
		    seed_id_equal(&r->replica->follows, &r->s->peer->card.site))
			return 0;
		return seed_error_set(err, SEED_ERR_TRUST,
				      "it was adopted at %s to follow another site than %s: "
				      "'vmseed adopt --follow %s ...' there says otherwise",
				      r->s->opt->own->name, r->s->peer->name, r->s->peer->name);
	}
	if (seed_id_equal(&r->head.origin, &r->s->peer->card.site))
		return 0;
	if (r->replica && is_promoted_elsewhere(r))
		return 0;
	return seed_error_set(err, SEED_ERR_TRUST,
			      "%s is not the site that this VM comes from, and may send it only "
			      "where it was adopted ('vmseed adopt' at %s)",
			      r->s->peer->name, r->s->opt->own->name);
}

int seed_receiver_find(struct seed_receiving *r, struct seed_error *err)
{
	/* What a crash left decided of it, and of it alone, is finished now that its turn has
	 * come. */
	const struct seed_replica_watch watch = {
		.events = seed_session_relay(r->s, SEED_PHASE_APPLYING),
		.cancel = r->s->opt->cancel,
	};
	char folder[SEED_REPLICA_NAME];
	struct seed_error why = { 0 };

	if (r->s->store >= 0 &&
	    seed_replica_find_vm(folder, r->s->store, &r->head.origin, &r->head.uuid, &why) < 0 &&
	    why.kind != SEED_ERR_NOTFOUND) {
		*err = why;
		return -1;
	}
	if (r->s->store >= 0 && !why.kind &&
	    seed_replica_open_watched(&r->replica, r->s->store, folder, &watch, err) < 0)
		return -1;
	if (check_origin(r, err) < 0)
		return -1;
	if (!r->replica)
		return 0;
	/* HEAD's name is what the peer says; the replica's is what it is called here. Who may touch
	 * web01 alone does not reach db01 by calling it so. */
	if (seed_session_allows(r->s, &r->head.uuid, r->replica->vm_name, err) < 0)
		return -1;
	if (r->replica->state == SEED_REPLICA_PROMOTED)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "its replica %s was promoted and is the VM now; to make it a "
				      "replica again: 'vmseed adopt %s' at %s",
				      r->replica->name, r->replica->name, r->s->opt->own->name);
	/* One whose manifest cannot be read is compared block by block. */
	r->has_manifest = seed_replica_manifest(&r->manifest, &r->manifest_text, r->replica,
						r->s->opt->trust, NULL) == 0;
	return 0;
}

bool seed_receiver_has_all(const struct seed_receiving *r)
{
	struct seed_digest files;

	if (!r->replica || !r->has_manifest || r->replica->state == SEED_REPLICA_CANDIDATE ||
	    r->replica->state == SEED_REPLICA_SEEDING ||
	    strcmp(r->manifest.name, r->head.name) != 0 ||
	    r->manifest.disks.count != r->head.disk_count)
		return false;
	for (uint32_t i = 0; i < r->head.disk_count; i++) {
		const struct seed_msg_disk *d = &r->head.disks[i];
		const struct seed_manifest_disk *m = seed_vec_at(&r->manifest.disks, i);

		/* In another order they are another VM: the order is what its firmware boots
		 * from. */
		if (strcmp(m->slot, d->slot) != 0 || m->size != d->size ||
		    !seed_digest_equal(&m->root, &d->root))
			return false;
	}
	seed_offer_files_digest(&files, &r->manifest.files);
	return seed_digest_equal(&files, &r->head.files);
}

/* ---- is the replica what it should be ---- */

static int say_edited(const struct seed_receiving *r, const struct seed_replica_disk *disk,
		      const struct seed_proof *proof, struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_BUSY,
			      "replica %s was written to since its last sync: %" PRIu64
			      " blocks of disk %s differ. Was it started? To give up what was "
			      "written: 'vmseed adopt %s --discard-changes' at %s, then resync "
			      "again",
			      r->replica->name, proof->differ_blocks, disk->slot, r->replica->name,
			      r->s->opt->own->name);
}

/* Which of the VM's disks as offered this is; -1: it has left the VM. */
static int64_t head_disk(const struct seed_receiving *r, const char *slot)
{
	for (uint32_t i = 0; i < r->head.disk_count; i++)
		if (strcmp(r->head.disks[i].slot, slot) == 0)
			return i;
	return -1;
}

int seed_receiver_prove(struct seed_receiving *r, bool *rotten, struct seed_error *err)
{
	const struct seed_proof_options opt = {
		.paranoid = r->s->opt->paranoid || r->head.flags & SEED_WANT_PARANOID,
		.pool = r->s->pool,
		.depth = r->s->depth,
		.events = seed_session_relay(r->s, SEED_PHASE_PROVING),
		.cancel = r->s->opt->cancel,
	};

	*rotten = false;
	if (!r->replica || r->replica->state == SEED_REPLICA_SEEDING)
		return 0;
	for (size_t i = 0; i < r->replica->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&r->replica->disks, i);
		int64_t at = head_disk(r, disk->slot);
		struct seed_proof *proof;

		if (at < 0)
			continue;
		proof = &r->disks[at].proof;
		if (seed_replica_prove(proof, r->replica, i, &opt, err) < 0)
			return seed_error_prefix(err, "replica %s: disk %s", r->replica->name,
						 disk->slot);
		if (proof->result == SEED_PROVED_EDITED)
			return say_edited(r, disk, proof, err);
		*rotten |= proof->result == SEED_PROVED_ROTTEN;
	}
	return 0;
}

/* ---- the offer ---- */

static int match_head(const struct seed_receiving *r, struct seed_error *err)
{
	const struct seed_offer *o = &r->offer;
	struct seed_digest files;

	seed_offer_files_digest(&files, &o->files);
	if (!seed_id_equal(&o->origin, &r->head.origin) ||
	    !seed_id_equal(&o->uuid, &r->head.uuid) || strcmp(o->name, r->head.name) != 0 ||
	    o->disks.count != r->head.disk_count || !seed_digest_equal(&files, &r->head.files))
		return seed_error_set(err, SEED_ERR_FORMAT, "the offer is of another VM than HEAD");
	for (uint32_t i = 0; i < r->head.disk_count; i++) {
		const struct seed_offer_disk *d = seed_vec_at(&o->disks, i);

		if (strcmp(d->slot, r->head.disks[i].slot) != 0 ||
		    d->size != r->head.disks[i].size ||
		    !seed_digest_equal(&d->root, &r->head.disks[i].root))
			return seed_error_set(err, SEED_ERR_FORMAT,
					      "the offer's disk %s is not that of HEAD", d->slot);
	}
	return 0;
}

int seed_receiver_take_offer(struct seed_receiving *r, const struct seed_buf *bundle,
			     struct seed_error *err)
{
	const char *text, *signature;
	size_t len, signature_len;

	if (seed_manifest_unbundle(bundle->data, bundle->len, &text, &len, &signature,
				   &signature_len, err) < 0 ||
	    seed_offer_open(&r->offer, text, len, signature, signature_len,
			    &r->s->peer->card.key, err) < 0)
		return -1;
	if (!seed_id_equal(&r->offer.receiver, &r->s->opt->own->id) ||
	    memcmp(r->offer.nonce, r->s->nonce, SEED_NONCE_SIZE) != 0)
		return seed_error_set(err, SEED_ERR_TRUST, "the offer is for another connection");
	return match_head(r, err);
}

/* ---- lineage ---- */

/* "1b2c3d4e at 12, then 5f6a7b8c": a history in few words. */
static void history_text(const struct seed_lineage *l, uint64_t generation, char *out, size_t size)
{
	char id[SEED_ID_TEXT];
	size_t len = 0;

	for (size_t i = 0; i < l->count && len < size; i++) {
		const struct seed_timeline *t = &l->timelines[i];

		if (t->forked)
			len += (size_t)snprintf(out + len, size - len, " forked at %" PRIu64 ": ",
						t->parent_generation);
		if (len < size)
			len += (size_t)snprintf(out + len, size - len, "%.8s",
						seed_id_text(&t->id, id));
	}
	if (len < size)
		snprintf(out + len, size - len, " up to %" PRIu64, generation);
}

static int say_diverged(const struct seed_receiving *r, const struct seed_lineage *have,
			uint64_t generation, struct seed_error *err)
{
	char ours[160], theirs[160];

	history_text(have, generation, ours, sizeof(ours));
	history_text(&r->offer.lineage, r->offer.generation, theirs, sizeof(theirs));
	return seed_error_set(err, SEED_ERR_IDENTITY,
			      "split brain: both sites went on since their histories parted. Here: "
			      "%s; offered: %s. Decide which one counts; the other is given up by "
			      "'vmseed adopt ... --discard-changes' where it is",
			      ours, theirs);
}

static int say_rollback(const struct seed_receiving *r, const char *what, uint64_t generation,
			struct seed_error *err)
{
	const char *peer = r->s->peer->name;

	/* The same number for other content: signed twice, by two copies of one home. */
	if (r->offer.generation == generation)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "a rollback: %s signed generation %" PRIu64
				      " twice: %s is one with that number, and another is offered. "
				      "Was %s's home restored from a backup? Take the newest there "
				      "is, or export "
				      "there until its generation is above %" PRIu64,
				      peer, generation, what, peer, generation);
	return seed_error_set(err, SEED_ERR_IDENTITY,
			      "a rollback: %s is generation %" PRIu64 " and generation %" PRIu64
			      " is offered. Was %s's home restored from a backup? Take the newest "
			      "there is, or export there until its generation is above %" PRIu64,
			      what, generation, r->offer.generation, peer, generation);
}

static int check_line(const struct seed_receiving *r, const char *what,
		      enum seed_lineage_relation relation, const struct seed_lineage *have,
		      uint64_t generation, struct seed_error *err)
{
	switch (relation) {
	case SEED_LINEAGE_NEWER:
		if (r->offer.generation > generation &&
		    r->offer.generation - generation > GENERATION_JUMP)
			return seed_error_set(err, SEED_ERR_IDENTITY,
					      "a jump from generation %" PRIu64 " to %" PRIu64
					      ": was that meant? Carry a seed of it over once "
					      "('vmseed export')",
					      generation, r->offer.generation);
		return 0;
	case SEED_LINEAGE_SAME:
	case SEED_LINEAGE_OLDER:
		return say_rollback(r, what, generation, err);
	case SEED_LINEAGE_DIVERGED:
		return say_diverged(r, have, generation, err);
	case SEED_LINEAGE_UNRELATED:
		break;
	}
	return seed_error_set(err, SEED_ERR_IDENTITY,
			      "%s has another history: no timeline is common with what is offered. "
			      "If %s lost its record of the VM, import a new seed into another "
			      "store",
			      what, r->s->peer->name);
}

/* A candidate that gives up what came after a fork gives up its mark with it. */
static enum seed_lineage_relation mark_relation(const struct seed_receiving *r,
						const struct seed_mark *mark)
{
	enum seed_lineage_relation relation =
		seed_lineage_compare(&mark->lineage, mark->generation, &r->offer.lineage,
				     r->offer.generation);

	return relation == SEED_LINEAGE_DIVERGED && r->replica && r->replica->discard ?
		       SEED_LINEAGE_NEWER : relation;
}

int seed_receiver_judge(struct seed_receiving *r, struct seed_error *err)
{
	const struct seed_offer *o = &r->offer;
	const struct seed_lineage *line = &o->lineage;
	struct seed_mark mark = { 0 };

	if (!seed_id_equal(&line->timelines[line->count - 1].writer, &r->s->peer->card.site))
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "its last timeline is another site's than %s's",
				      r->s->peer->name);
	if (r->replica && r->replica->state != SEED_REPLICA_SEEDING &&
	    check_line(r, "the replica",
		       seed_replica_relation(r->replica, line, o->generation),
		       &r->replica->lineage, r->replica->generation, err) < 0)
		return -1;
	if (seed_mark_read(&mark, r->s->opt->home, &o->origin, &o->uuid, err) < 0)
		return -1;
	if (mark.known && check_line(r, "what was accepted here", mark_relation(r, &mark),
				     &mark.lineage, mark.generation, err) < 0)
		return -1;
	/* One that is being imported has disks by now; one that comes over the wire has none
	 * yet. */
	if (r->replica && r->replica->state == SEED_REPLICA_SEEDING && r->replica->disks.count &&
	    !(r->head.flags & SEED_WANT_OVER_WIRE))
		return seed_error_set(err, SEED_ERR_NOTFOUND,
				      "its import at %s was not finished: run 'vmseed import' "
				      "there again, or send it whole with --seed-over-wire",
				      r->s->opt->own->name);
	if (!r->replica && !(r->head.flags & SEED_WANT_OVER_WIRE))
		return seed_error_set(err, SEED_ERR_NOTFOUND,
				      "there is no replica of it at %s: carry a seed there, or "
				      "send it whole with --seed-over-wire",
				      r->s->opt->own->name);
	return 0;
}
