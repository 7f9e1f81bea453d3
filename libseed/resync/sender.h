/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end that has the VM. Shared inside resync/ only. */
#ifndef SEED_RESYNC_SENDER_H
#define SEED_RESYNC_SENDER_H

#include "resync/vm_reading.h"

/**
 * seed_sender_vm() - bring the peer's replica of one VM up to date
 * @vm: receives the result, also its error when the peer refused it
 * @err: only what ends the connection
 */
int seed_sender_vm(struct seed_session *s, const struct seed_vmdef *def, struct seed_resync_vm *vm,
		   struct seed_error *err);

/* sender_blocks.c: answers the receiver's questions until it says ARRIVED (*@counts), or sends a
 * RECEIPT, which is left in @f. */
int seed_sender_answer(struct seed_session *s, struct seed_vm_reading *reading,
		       const struct seed_msg_base *base, struct seed_frame *f,
		       struct seed_msg_need *counts, struct seed_error *err);

#endif
