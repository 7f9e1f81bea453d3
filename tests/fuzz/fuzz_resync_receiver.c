// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The receiver of a resync behind the proofs: a trusted sender that is honest but for what the input
 * bends (bend.h). The first bytes choose what it has, what it knows of the replica and how that
 * stands. Afterwards the replica opens and is old or new, whatever was said.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bend.h"
#include "fake_channel.h"
#include "model_sender.h"
#include "replica/home_store.h"
#include "replica/missing.h"
#include "resync/receiver.h"
#include "support/fuzz_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OLD_GENERATION 3u

static const struct content contents[] = {
	{ { "AB.D", "x" }, { 1000, 60000 } },		/* the replica's */
	{ { "Ab.D", "x" }, { 1000, 60000 } },		/* a piece */
	{ { "A.CD", "y" }, { 1000, 60000 } },		/* a block, zeroes, the short end */
	{ { "DBDDEA", "xz" }, { 0, 512 } },		/* larger, with twins */
	{ { "A", "" }, { 1, 0 } },			/* smaller, and empty */
};
#define OLD (&contents[0])

static struct fixture {
	struct sites s;
	struct seed_resync_options opt;
	int store;
	char name[SEED_REPLICA_NAME];
	char *json;				/* replica.json as it was made */
	size_t json_len;
	bool ready;
} fix;

struct input {
	struct seed_cursor c;
	uint8_t head_field, size_disk;		/* what else than its frames is bent; 0: nothing */
	uint64_t size;
	bool other_vm, ends;
};

static void remove_all(void)
{
	char path[SEED_REPLICA_NAME + 8];

	snprintf(path, sizeof(path), "replicas");
	if (seed_path_remove_tree(fix.s.dr.home, path, NULL) < 0 ||
	    (seed_path_exists(fix.s.dr.home, "marks") &&
	     seed_path_remove_tree(fix.s.dr.home, "marks", NULL) < 0))
		abort();
}

static void make_replica(void)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_error err = { 0 };

	if (fix.ready) {
		close(fix.store);
		remove_all();
		free(fix.json);
	}
	sure(seed_store_open(&fix.store, fix.s.dr.home, NULL, true, NULL, &err), &err);
	replica_make(&fix.s, fix.store, OLD, OLD_GENERATION, fix.name);
	sure(seed_path_open_folder_at(&dir, fix.store, fix.name, &err), &err);
	sure(seed_file_read(dir, "replica.json", 1 << 20, &fix.json, &fix.json_len, &err), &err);
}

static void remove_home(void)
{
	close(fix.store);
	sites_close(&fix.s);
	(void)seed_path_remove_tree(fix.s.dir, "hq", NULL);
	(void)seed_path_remove_tree(fix.s.dir, "dr", NULL);
}

static void prepare(void)
{
	static const char *const none[] = { NULL };

	if (fix.ready)
		return;
	sites_make(&fix.s, fuzz_dir(none));
	atexit(remove_home);
	make_replica();
	fix.opt = (struct seed_resync_options){ .home = fix.s.dr.home, .own = fix.s.dr.own,
						.trust = fix.s.dr.trust, .memory = 1 << 16 };
	fix.ready = true;
}

/* As a run that was cut, or rot, leaves it: block 1 counts as missing, though it is there. */
static void lose_a_block(void)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
	const struct seed_run run = { 1, 1, SEED_BLOCK_MISSING };
	struct seed_replica_disk *disk;
	struct seed_error err = { 0 };

	sure(seed_replica_open(&r, fix.store, fix.name, true, &err), &err);
	disk = seed_vec_at(&r->disks, 0);
	if (!seed_vec_push(&runs, sizeof(run), &run))
		abort();
	sure(seed_missing_write(r->dir, disk->missing, &runs, &err), &err);
	disk->missing_blocks = 1;
	r->state = SEED_REPLICA_INCOMPLETE;
	sure(seed_replica_save(r, &err), &err);
}

/* ---- the sender ---- */

static bool bend(struct model_sender *m, uint8_t type, const uint8_t *data, size_t len)
{
	struct input *in = m->arg;

	return bend_frame(&in->c, in->ends, &m->out, type, data, len, fix.s.hq.own->sign);
}

static void tune_head(struct model_sender *m, struct seed_msg_head *head)
{
	const struct input *in = m->arg;

	if (in->other_vm) {
		head->uuid.bytes[9] = 1;
		head->flags |= SEED_WANT_OVER_WIRE;
	}
	if (in->size_disk)
		head->disks[in->size_disk % VM_DISKS].size = in->size;
	switch (in->head_field) {
	case 1: head->keep = 2; break;
	case 2: head->disk_count = 1; break;
	case 3: head->disks[0].root.bytes[0] ^= 1; break;
	case 4: snprintf(head->disks[1].slot, sizeof(head->disks[1].slot), "vdz"); break;
	case 5: head->files.bytes[0] ^= 1; break;
	case 6: head->flags |= SEED_WANT_FINAL | SEED_WANT_PARANOID; break;
	default: break;
	}
}

static void tune_offer(struct model_sender *m, struct seed_offer *offer)
{
	const struct input *in = m->arg;
	struct seed_offer_disk *d;

	if (in->other_vm)
		offer->uuid.bytes[9] = 1;
	if (in->size_disk) {
		d = seed_vec_at(&offer->disks, in->size_disk % VM_DISKS);
		d->size = in->size;
	}
	d = seed_vec_at(&offer->disks, 0);
	switch (in->head_field) {
	case 2: offer->disks.count = 1; break;
	case 3: d->root.bytes[0] ^= 1; break;
	case 4: snprintf(d[1].slot, sizeof(d[1].slot), "vdz"); break;
	case 7: offer->generation += 100; break;
	case 8: d->base_root.bytes[0] ^= 1; break;
	default: break;
	}
}

static void tune_manifest(struct model_sender *m, struct seed_manifest *manifest)
{
	const struct input *in = m->arg;

	if (in->other_vm)
		manifest->uuid.bytes[9] = 1;
	if (in->head_field == 7)
		manifest->generation += 100;
	if (in->head_field == 9)
		manifest->captured = SEED_CAPTURED_CHANGED;
}

/* ---- one run ---- */

static void exchange(struct model_sender *m, struct seed_resync_vm *vm)
{
	const struct fake_peer peer = { model_sender_take, model_sender_give, m };
	struct seed_session s = session_of(&fix.s, &fix.opt, false, fake_channel(&peer));
	struct seed_error err = { 0 };
	static struct seed_msg_head head;
	struct seed_frame f;

	sure(seed_store_open(&s.store, fix.s.dr.home, NULL, true, NULL, &err), &err);
	model_head(m, &head);
	{
		struct seed_buf buf = { 0 };

		if (seed_msg_head_put(&buf, &head, NULL) < 0)
			abort();
		model_say2(m, SEED_FRAME_HEAD, buf.data, buf.len, NULL, 0);
		seed_buf_free(&buf);
	}
	if (model_sender_give(m, &f) && seed_receiver_vm(&s, &f, vm, &err) < 0 && !err.text[0])
		abort();
	if (vm->result == SEED_RESYNC_FAILED && !vm->err.text[0])
		abort();
	s.pool = NULL;
	seed_session_close(&s);
	frames_clear(&m->out);
}

/* Old, or what the sender has, by what replica.json says; and put back as it was. */
static void check_replica(const struct model_sender *m, const struct seed_resync_vm *vm)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_freep) char *json = NULL;
	struct seed_error err = { 0 };
	bool fresh = ((struct input *)m->arg)->other_vm, done = vm->result == SEED_RESYNC_SYNCED;
	size_t len;

	sure(seed_replica_open(&r, fix.store, fix.name, true, &err), &err);
	if (!replica_disks_are(fix.store, fix.name, r->generation == OLD_GENERATION ? OLD : m->have) ||
	    (done && !fresh && m->have != OLD && r->generation == OLD_GENERATION) ||
	    (r->generation != OLD_GENERATION && !m->receipts))
		abort();
	sure(seed_file_read(r->dir, "replica.json", 1 << 20, &json, &len, &err), &err);
	if (fresh || len != fix.json_len || memcmp(json, fix.json, len) != 0 ||
	    seed_path_exists(fix.s.dr.home, "marks"))
		return make_replica();
	if (seed_path_exists(r->dir, "sync") && seed_path_remove_tree(r->dir, "sync", NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .c = seed_cursor_of(data, size) };
	struct model_sender m = { .s = &fix.s, .generation = OLD_GENERATION + 1, .bend = bend,
				  .tune_head = tune_head, .tune_offer = tune_offer,
				  .tune_manifest = tune_manifest, .arg = &in };
	struct seed_resync_vm vm = { 0 };
	uint8_t how = seed_cursor_u8(&in.c);

	prepare();
	m.have = &contents[seed_cursor_u8(&in.c) % (sizeof(contents) / sizeof(contents[0]))];
	m.base = how & 1 ? OLD : NULL;
	m.file = how & 2 ? "<domain/>" : NULL;
	in.other_vm = how & 8;
	in.ends = how & 128;
	in.head_field = how & 16 ? seed_cursor_u8(&in.c) % 10 : 0;
	in.size_disk = how & 32 ? seed_cursor_u8(&in.c) : 0;
	in.size = in.size_disk ? bend_number(&in.c) : 0;
	if (how & 4) {
		lose_a_block();
		if (how & 64) {		/* its own seed: only what is missing is fetched */
			m.have = OLD;
			m.generation = OLD_GENERATION;
		}
	}
	exchange(&m, &vm);
	free(vm.name);
	check_replica(&m, &vm);
	return 0;
}
