/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Resync: replicas are brought up to date over a connection; only what changed since crosses it
 * (DESIGN 11; vmseed-wire(5) has the frames, vmseed-journal(5) what the receiver writes).
 *
 * Either end may call: pushing, the caller has the VMs; pulling, the caller has the replicas. The
 * other end is seed_resync_serve(). VMs go one after the other over one connection. What fails with
 * one VM is that VM's verdict; a connection that breaks is made anew with growing pauses, and goes
 * on with what arrived.
 */
#ifndef SEED_RESYNC_RESYNC_H
#define SEED_RESYNC_RESYNC_H

#include "base/cancel.h"
#include "base/event.h"
#include "base/vec.h"
#include "image/source.h"
#include "replica/replica.h"
#include "trust/trust.h"
#include "vmdef/vmdef.h"
#include "wire/message.h"
#include "wire/transport.h"

struct seed_resync_options {
	int home;
	const struct seed_site *own;
	const struct seed_trust *trust;
	bool pull;			/* the caller has the replicas */
	bool all;			/* pulling: all replicas here whose line is the peer's; no
					 * names are given */
	bool over_wire;			/* a VM without a replica is sent whole */
	bool final;			/* a planned switch-over: the source signs nothing after
					 * it */
	bool paranoid;			/* read whole what is proven unchanged; the peer is asked
					 * to do so, too */
	unsigned int keep;		/* recovery points to keep; 0: as it is */
	unsigned int retries;		/* connections made anew after one broke; 0: none */
	uint64_t limit;			/* bytes a second from sender to receiver; 0: none */
	unsigned int jobs;
	uint64_t memory;		/* bytes for knowing the receiver's blocks */
	/* Asked before each VM and between requests: false ends the run in good order. NULL:
	 * always. */
	bool (*may_go_on)(void *arg);
	void *arg;
	bool may_ask;			/* somebody may be typing a password for the other end's
					 * first word: it is waited for; else it has a minute */
	bool allow_final;		/* serve: a puller may end this site's line of a VM */
	/* serve: whom and what it is for. NULL: all that trust allows. */
	const char *only_peer;
	const char *const *only_vms;	/* NULL-terminated names or uuids */
	/* serve: the VM of a record, whose definition may be unknown (NULL). NULL:
	 * seed_vmdef_read() of the definition. */
	int (*find_def)(void *arg, const char *definition, const struct seed_id *uuid,
			struct seed_vmdef **out, struct seed_error *err);
	void *find_arg;
	const struct seed_events *events;
	const struct seed_cancel *cancel;
};

enum seed_resync_result {
	SEED_RESYNC_WAITING,		/* not reached */
	SEED_RESYNC_CURRENT,		/* nothing had changed */
	SEED_RESYNC_SYNCED,
	SEED_RESYNC_FAILED,
};

struct seed_resync_vm {
	struct seed_vmdef *def;		/* pushing: owned; NULL when pulling */
	char *name;			/* pulling: name or uuid asked for; then the VM's name */
	bool has_uuid;
	struct seed_id uuid;
	bool has_source;		/* in a plan of what would be pulled: ... */
	struct seed_id source;		/* ... the site that it would be pulled from */
	enum seed_resync_result result;
	struct seed_error err;		/* why, when FAILED */
	uint64_t generation;		/* that the replica has now */
	enum seed_captured captured;
	struct seed_msg_need counts;	/* blocks */
	bool proved_full;		/* the receipt says that all disks were read */
	uint32_t disks;
};

struct seed_resync {
	struct seed_vec vms;		/* struct seed_resync_vm */
	char peer[SEED_NAME_MAX + 1];	/* its local name, once known */
	uint64_t sent, received;	/* bytes on the wire, of all connections */
	uint64_t hello_bytes;		/* of both, before the first VM */
	unsigned int attempts;		/* connections */
};

/* Takes @def, also on failure. */
int seed_resync_add_def(struct seed_resync *run, struct seed_vmdef *def, struct seed_error *err);
int seed_resync_add_name(struct seed_resync *run, const char *name, struct seed_error *err);
/* One that could not even be begun has its verdict with the others. */
int seed_resync_add_failed(struct seed_resync *run, const char *name, const struct seed_error *why,
			   struct seed_error *err);
/* The site that a replica here follows, and that pulling all of them fetches it from; borrowed.
 * NULL: none, it is promoted, or a candidate that no site was chosen for. */
const struct seed_id *seed_resync_source(const struct seed_replica *replica);
void seed_resync_clear(struct seed_resync *run);

/**
 * seed_resync_run() - call the other end and do all VMs
 * @err: PARTIAL when some failed, the first one's kind when all did; LINK when the connection could
 * not
 *       be kept; TRUST, USAGE, FORMAT when the other end is not who it should be
 */
int seed_resync_run(struct seed_resync *run, const struct seed_dest *dest,
		    const struct seed_transport_options *how,
		    const struct seed_resync_options *opt, struct seed_error *err);

/**
 * seed_resync_serve() - the far end
 * @in, @out: taken
 *
 * A replica that a crash left with a decided journal is finished when its VM comes. Returns when
 * the caller says BYE or ends; errors of single VMs are the caller's to show.
 */
int seed_resync_serve(int in, int out, const struct seed_resync_options *opt,
		      struct seed_error *err);

#endif
