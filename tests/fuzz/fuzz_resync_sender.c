// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The sender of a resync behind the proofs: a trusted receiver that is honest but for what the input
 * bends (bend.h). Whatever is asked, no block comes that was not asked for, none is another than the
 * disk's, and the VM's record can be read afterwards.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bend.h"
#include "fake_channel.h"
#include "model_receiver.h"
#include "resync/sender.h"
#include "support/fuzz_dir.h"
#include "vmdef/adhoc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct content disks = { { "AB.DEB.", "x" }, { 1000, 60000 } };

static struct fixture {
	struct sites s;
	struct seed_resync_options opt;
	struct seed_vmdef *def;
	bool ready;
} fix;

struct input {
	struct seed_cursor c;
	uint8_t field;			/* of the receipt: which one lies; 0: none */
	bool ends;
};

static void remove_home(void)
{
	seed_vmdef_free(fix.def);
	sites_close(&fix.s);
	(void)seed_path_remove_tree(fix.s.dir, "hq", NULL);
	(void)seed_path_remove_tree(fix.s.dir, "dr", NULL);
	for (size_t i = 0; i < VM_DISKS; i++)
		(void)unlinkat(fix.s.dir, content_slots[i], 0);
}

static void prepare(void)
{
	static const char *const none[] = { NULL };
	struct seed_error err = { 0 };
	char arg[256];
	int dir = fuzz_dir(none);

	if (fix.ready)
		return;
	sites_make(&fix.s, dir);
	atexit(remove_home);
	for (size_t i = 0; i < VM_DISKS; i++)
		content_write(&disks, i, dir, content_slots[i]);
	snprintf(arg, sizeof(arg), "%s=%s/vda,%s/vdb", VM_NAME, fuzz_dir_path, fuzz_dir_path);
	sure(seed_adhoc_read(&fix.def, arg, &fix.s.uuid, &err), &err);
	fix.opt = (struct seed_resync_options){ .home = fix.s.hq.home, .own = fix.s.hq.own,
						.trust = fix.s.hq.trust };
	sleep(3);	/* what was just written is never taken as unchanged */
	fix.ready = true;
}

static bool bend(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	struct input *in = m->arg;

	return bend_frame(&in->c, in->ends, &m->out, type, data, len, fix.s.dr.own->sign);
}

static void tune_receipt(struct model_receiver *m, struct seed_receipt *receipt)
{
	struct seed_receipt_disk *d = seed_vec_at(&receipt->disks, 1);

	switch (((struct input *)m->arg)->field) {
	case 1: receipt->uuid.bytes[0] ^= 1; break;
	case 2: receipt->origin.bytes[0] ^= 1; break;
	case 3: receipt->seed.bytes[0] ^= 1; break;
	case 4: receipt->generation++; break;
	case 5: d->root.bytes[0] ^= 1; break;
	case 6: d->size++; break;
	case 7: receipt->disks.count = 1; break;
	case 8: receipt->site = receipt->origin; break;
	case 9: snprintf(d->slot, sizeof(d->slot), "vdz"); break;
	default: break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .c = seed_cursor_of(data, size) };
	static struct model_receiver m;
	const struct fake_peer peer = { model_receiver_take, model_receiver_give, &m };
	struct seed_resync_vm vm = { 0 };
	struct seed_error err = { 0 };
	struct seed_session s;
	uint8_t how = seed_cursor_u8(&in.c);
	int rc;

	prepare();
	m = (struct model_receiver){ .s = &fix.s, .disks = &disks, .current = how & 1,
				     .hints = how & 2, .mode = (how >> 2 & 3) % 3, .bend = bend,
				     .tune_receipt = tune_receipt, .arg = &in,
				     .lineage = fix.s.lineage, .generation = 1 };
	in.ends = how & 128;
	in.field = how & 16 ? seed_cursor_u8(&in.c) % 10 : 0;
	s = session_of(&fix.s, &fix.opt, true, fake_channel(&peer));
	rc = seed_sender_vm(&s, fix.def, &vm, &err);
	if ((rc < 0 && !err.text[0]) || (vm.result == SEED_RESYNC_FAILED && !vm.err.text[0]) ||
	    (in.field && (vm.result == SEED_RESYNC_SYNCED && m.done)))
		abort();
	s.pool = NULL;
	seed_session_close(&s);
	frames_clear(&m.out);
	free(vm.name);
	return 0;
}
