// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One VM at the receiver. What is wrong with it before BASE, or with its manifest, is a REFUSE: the
 * sender waits for our word then, and the next VM may follow. Between the two the sender is
 * busy sending, and a fault ends the connection.
 */
#include "resync/receiver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "replica/home_store.h"
#include "replica/missing.h"
#include "replica/points.h"

static int check_names(const struct seed_msg_head *head, struct seed_error *err)
{
	if (!seed_vm_name_valid(head->name))
		return seed_error_set(err, SEED_ERR_FORMAT, "HEAD: not a VM's name");
	for (uint32_t i = 0; i < head->disk_count; i++)
		if (!seed_slot_valid(head->disks[i].slot))
			return seed_error_set(err, SEED_ERR_FORMAT, "HEAD: not a disk's slot");
	if (head->disk_count == 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "HEAD: a VM without disks");
	return 0;
}

/* ---- HEAD ---- */

/* Where the replica is what the sender has, down to its name. */
static int say_current(struct seed_receiving *r, struct seed_error *err)
{
	enum seed_proved proved[SEED_WIRE_DISKS_MAX];

	/* HEAD's disks are the manifest's, in its order. */
	for (uint32_t i = 0; i < r->head.disk_count; i++)
		proved[i] = r->disks[i].proof.result;
	if (seed_receiver_receipt(r, proved, err) < 0)
		return -1;
	r->vm->result = SEED_RESYNC_CURRENT;
	return 0;
}

/* Rotten blocks are written down as missing, so that the replica says what it is. */
static int note_rotten(struct seed_receiving *r, struct seed_error *err)
{
	struct seed_replica *replica = r->replica;

	for (uint32_t i = 0; i < r->head.disk_count; i++) {
		struct seed_proof *proof = &r->disks[i].proof;

		for (size_t k = 0; proof->differ.count && k < replica->disks.count; k++) {
			struct seed_replica_disk *disk = seed_vec_at(&replica->disks, k);

			if (strcmp(disk->slot, r->head.disks[i].slot) != 0)
				continue;
			if (seed_missing_note(replica->dir, disk, &proof->differ, err) < 0)
				return -1;
			replica->state = SEED_REPLICA_INCOMPLETE;
		}
	}
	return seed_replica_save(replica, err);
}

/* Everything that HEAD alone decides. *@done: the VM is done with. */
static int look_at_head(struct seed_receiving *r, bool *done, struct seed_error *err)
{
	bool rotten;

	if (seed_session_allows(r->s, &r->head.uuid, r->head.name, err) < 0 ||
	    seed_receiver_find(r, err) < 0 || seed_receiver_prove(r, &rotten, err) < 0)
		return -1;
	if (rotten && r->replica->state != SEED_REPLICA_CANDIDATE && note_rotten(r, err) < 0)
		return -1;
	if (!seed_receiver_has_all(r))
		return 0;
	if (seed_replica_missing(r->replica)) {
		r->fill = true;
		return 0;
	}
	*done = true;
	return 0;
}

/* ---- OFFER ---- */

/* Enough of a manifest for a folder that says what is on its way there. */
static int draft_manifest(const struct seed_receiving *r, struct seed_manifest *m,
			  struct seed_error *err)
{
	const struct seed_offer *o = &r->offer;

	seed_manifest_init(m);
	m->site = o->origin;
	m->uuid = o->uuid;
	m->name = strdup(o->name);
	m->lineage = o->lineage;
	m->generation = o->generation;
	m->captured = SEED_CAPTURED_UNPROVEN;
	if (!m->name)
		return seed_error_sys(err, ENOMEM, "replica");
	return 0;		/* no disks: none of them is there yet */
}

static int make_replica(struct seed_receiving *r, struct seed_error *err)
{
	struct seed_manifest m;
	int rc = 0;

	if (r->s->store < 0)
		rc = seed_store_open(&r->s->store, r->s->opt->home, NULL, true, NULL, err);
	if (rc == 0)
		rc = draft_manifest(r, &m, err);
	if (rc == 0) {
		rc = seed_replica_create(&r->replica, r->s->store, &m, err);
		seed_manifest_clear(&m);
	}
	return rc;
}

static const struct seed_replica_disk *own_disk(const struct seed_receiving *r, const char *slot)
{
	for (size_t i = 0; i < r->replica->disks.count; i++) {
		const struct seed_replica_disk *d = seed_vec_at(&r->replica->disks, i);

		if (strcmp(d->slot, slot) == 0)
			return d;
	}
	return NULL;
}

static int begin_sync(struct seed_receiving *r, struct seed_error *err)
{
	struct seed_sync_disk disks[SEED_WIRE_DISKS_MAX];
	const struct seed_replica_watch watch = {
		.events = seed_session_relay(r->s, SEED_PHASE_PROVING),
		.cancel = r->s->opt->cancel,
	};

	if (seed_sync_open(&r->sync, r->replica, &watch, err) < 0)
		return -1;
	if (r->fill)
		return seed_sync_begin_fill(r->sync, err);
	for (uint32_t i = 0; i < r->head.disk_count; i++)
		disks[i] = (struct seed_sync_disk){
			.slot = r->head.disks[i].slot,
			.size = r->head.disks[i].size,
			.rotten = r->disks[i].proof.differ.count ? &r->disks[i].proof.differ : NULL,
		};
	return seed_sync_begin(r->sync, disks, r->head.disk_count, err);
}

static int open_disk(struct seed_receiving *r, uint32_t i, struct seed_error *err)
{
	struct seed_receiving_disk *d = &r->disks[i];
	const struct seed_replica_disk *own = own_disk(r, r->head.disks[i].slot);
	char stem[33];

	d->size = r->head.disks[i].size;
	d->blocks = seed_grid_blocks(d->size);
	d->base = seed_sync_base(r->sync, i);
	d->next = seed_sync_next(r->sync, i);
	snprintf(d->file, sizeof(d->file), "%s.raw",
		 seed_replica_slot_stem(r->head.disks[i].slot, stem));
	if (!own || r->replica->state == SEED_REPLICA_SEEDING)
		return 0;
	d->own_size = own->size;
	return seed_list_open(&d->own, r->replica->dir, own->list, seed_grid_blocks(own->size),
			      false, err);
}

/* What the operator at the other end should know, and cannot see from there. */
static int note_oddities(struct seed_receiving *r, struct seed_error *err)
{
	struct seed_error why = { 0 };

	for (size_t i = 0; i < r->replica->disks.count; i++) {
		const struct seed_replica_disk *own = seed_vec_at(&r->replica->disks, i);
		bool gone = true;

		for (uint32_t k = 0; k < r->head.disk_count; k++)
			gone &= strcmp(own->slot, r->head.disks[k].slot) != 0;
		if (gone && seed_session_note(r->s, err,
					      "disk %s is no longer one of the VM's: its file %s "
					      "stays in replica %s",
					      own->slot, own->file, r->replica->name) < 0)
			return -1;
	}
	r->keep = r->head.keep > r->s->opt->keep ? r->head.keep : r->s->opt->keep;
	if (!r->keep || r->replica->state == SEED_REPLICA_SEEDING ||
	    seed_points_may(r->replica, &why) == 0)
		return 0;
	r->keep = 0;
	return seed_session_note(r->s, err, "no recovery point is kept of replica %s: %s",
				 r->replica->name, why.text);
}

/* Up to the answer to OFFER. */
static int prepare(struct seed_receiving *r, const struct seed_buf *bundle,
		   struct seed_msg_base *base, struct seed_error *err)
{
	if (seed_receiver_take_offer(r, bundle, err) < 0 ||
	    (!r->fill && seed_receiver_judge(r, err) < 0) ||
	    (!r->replica && make_replica(r, err) < 0) || begin_sync(r, err) < 0)
		return -1;
	for (uint32_t i = 0; i < r->head.disk_count; i++)
		if (open_disk(r, i, err) < 0)
			return seed_error_prefix(err, "disk %s", r->head.disks[i].slot);
	if (!r->fill && note_oddities(r, err) < 0)
		return -1;
	return seed_receiver_choose(r, base, err);
}

static int send_base(struct seed_receiving *r, const struct seed_msg_base *base,
		     struct seed_error *err)
{
	struct seed_buf buf = { 0 };

	if (seed_msg_base_put(&buf, base, err) < 0) {
		seed_buf_free(&buf);
		return -1;
	}
	return seed_session_send(r->s, SEED_FRAME_BASE, &buf, err);
}

/* ---- the exchange ---- */

static bool ends_connection(const struct seed_error *why)
{
	return why->kind == SEED_ERR_LINK || why->kind == SEED_ERR_CANCELLED;
}

/* The sender waits for our word: this VM is not done, and the connection goes on. */
static int decline(struct seed_receiving *r, const struct seed_error *why, struct seed_error *err)
{
	r->vm->err = *why;
	if (ends_connection(why)) {
		*err = *why;
		return -1;
	}
	return seed_session_refuse(r->s, why, err);
}

static int receive_offer(struct seed_receiving *r, struct seed_buf *bundle, bool *refused,
			 struct seed_error *err)
{
	struct seed_buf none = { 0 };
	struct seed_frame f;

	if (seed_session_send(r->s, SEED_FRAME_MORE, &none, err) < 0 ||
	    seed_session_expect(r->s, &f, SEED_FRAME_OFFER, refused, err) < 0)
		return -1;
	return seed_session_document(r->s, &f, SEED_OFFER_MAX + SEED_SIGNATURE_MAX + 4, bundle,
				     err);
}

/* The replica is durable; that the sender knows it, too, matters to who pulled. */
static int await_done(struct seed_receiving *r, struct seed_error *err)
{
	struct seed_frame f;

	if (seed_session_expect(r->s, &f, SEED_FRAME_DONE, NULL, err) < 0)
		return -1;
	return f.len ? seed_session_unexpected(&f, err) : 0;
}

static int transfer(struct seed_receiving *r, const struct seed_msg_base *base,
		    struct seed_error *err)
{
	if (send_base(r, base, err) < 0 || seed_receiver_lists(r, err) < 0 ||
	    seed_receiver_fetch(r, err) < 0)
		return -1;
	if ((r->fill ? seed_receiver_finish_fill(r, err) : seed_receiver_commit(r, err)) < 0)
		return -1;
	return r->vm->result == SEED_RESYNC_SYNCED ? await_done(r, err) : 0;
}

static int exchange(struct seed_receiving *r, struct seed_frame *f, struct seed_error *err)
{
	SEED_AUTO(seed_buf_free) struct seed_buf bundle = { 0 };
	struct seed_error why = { 0 };
	struct seed_msg_base base;
	bool done = false, refused = false;

	if (seed_msg_head_get(&r->head, f, err) < 0 || check_names(&r->head, err) < 0)
		return -1;
	free(r->vm->name);
	r->vm->name = strdup(r->head.name);
	r->vm->uuid = r->head.uuid;
	r->vm->has_uuid = true;
	r->vm->disks = r->head.disk_count;
	if (look_at_head(r, &done, &why) < 0)
		return decline(r, &why, err);
	if (done)
		return say_current(r, &why) < 0 ? decline(r, &why, err) : await_done(r, err);
	if (receive_offer(r, &bundle, &refused, err) < 0) {
		if (!refused)
			return -1;
		r->vm->err = *err;
		return 0;
	}
	if (prepare(r, &bundle, &base, &why) < 0)
		return decline(r, &why, err);
	return transfer(r, &base, err);
}

static void clear(struct seed_receiving *r)
{
	for (uint32_t i = 0; i < SEED_WIRE_DISKS_MAX; i++) {
		seed_list_close(r->disks[i].own);
		seed_proof_clear(&r->disks[i].proof);
	}
	for (size_t i = 0; i < SEED_MANIFEST_FILES_MAX; i++)
		seed_buf_free(&r->files[i].data);
	seed_sync_close(r->sync);
	if (r->has_manifest)
		seed_manifest_clear(&r->manifest);
	seed_offer_clear(&r->offer);
	seed_replica_close(r->replica);
	free(r);
}

int seed_receiver_vm(struct seed_session *s, struct seed_frame *f, struct seed_resync_vm *vm,
		     struct seed_error *err)
{
	struct seed_receiving *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return seed_error_sys(err, ENOMEM, "VM");
	seed_session_begin_vm(s);
	r->s = s;
	r->vm = vm;
	vm->result = SEED_RESYNC_FAILED;
	rc = exchange(r, f, err);
	if (rc < 0) {
		vm->result = SEED_RESYNC_FAILED;
		vm->err = *err;
	}
	clear(r);
	return rc;
}
