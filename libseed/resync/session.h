/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection with a peer that has proven who it is. Shared inside resync/ only.
 *
 * HELLO names site, role and a fresh nonce; PROOF is a signed document of type "hello" over both
 * sites, both nonces and the roles, so that it serves for no other connection. The called end
 * proves itself first; a caller learns nothing else before it has done so too.
 */
#ifndef SEED_RESYNC_SESSION_H
#define SEED_RESYNC_SESSION_H

#include "base/pool.h"
#include "resync/resync.h"

struct seed_known;

#define SEED_NOTES_MAX 128u		/* NOTE frames from one HEAD to the next */
#define SEED_PROGRESS_AHEAD 64u		/* PROGRESS frames at once ... */
#define SEED_PROGRESS_SECOND 2u		/* ... and a second, from the beginning on */

/* What a peer said by the way: it is shown, changes nothing, and so must end some time. */
struct seed_heard {
	unsigned int notes;			/* since the last HEAD */
	uint64_t progress;			/* frames */
	uint64_t waiting_ms;			/* when we began to wait for the next message */
	uint64_t advanced_ms;			/* when PROGRESS got on last, of this wait */
	struct seed_msg_progress last;
};

struct seed_session {
	struct seed_channel *ch;
	const struct seed_resync_options *opt;
	const struct seed_trusted *peer;	/* borrowed from the trust */
	bool sender, caller;			/* we */
	uint8_t nonce[SEED_NONCE_SIZE];		/* ours: an offer to us names it */
	uint8_t peer_nonce[SEED_NONCE_SIZE];
	struct seed_pool *pool;
	size_t depth;				/* chunks in flight while hashing */
	int store;				/* receiver: open store, -1 when there is none
						 * yet */
	struct seed_known *known;		/* receiver: blocks that are here; made when
						 * needed */
	int64_t began;				/* unix seconds */
	uint64_t progress_ms;			/* when PROGRESS was sent last */
	uint64_t opened_ms;			/* what the peer may say by the way is counted from
						 * here */
	unsigned int idle_ms;			/* PROGRESS alone keeps us waiting so long; 0: 6
						 * hours */
	struct seed_heard heard;
	struct seed_events relay;		/* seed_session_relay() */
	enum seed_wire_phase relay_phase;
};

/* Takes @in and @out. The session is closed by the caller, also after a failure. */
int seed_session_open(struct seed_session *s, int in, int out, bool sender, bool caller,
		      const struct seed_resync_options *opt, struct seed_error *err);
void seed_session_close(struct seed_session *s);

/* Sends and frees the buffer (also on failure). */
int seed_session_send(struct seed_session *s, uint8_t type, struct seed_buf *buf,
		      struct seed_error *err);
/* The next frame; PROGRESS and NOTE are shown and passed over, FAIL becomes the error "PEER says:
 * ...". FORMAT for more of the two than an honest peer sends, and before its proof; LINK for
 * PROGRESS that does not get on for @idle_ms, and after 90 days of it. */
int seed_session_next(struct seed_session *s, struct seed_frame *f, struct seed_error *err);
/* session_aside.c: for seed_session_next() and seed_session_take(). */
void seed_session_begin_wait(struct seed_session *s);
int seed_session_show_progress(struct seed_session *s, const struct seed_frame *f,
			       struct seed_error *err);
int seed_session_show_note(struct seed_session *s, const struct seed_frame *f,
			   struct seed_error *err);
/* What WANT or HEAD tells the peer of our options: SEED_WANT_ flags. */
uint8_t seed_session_flags(const struct seed_session *s);
/* Its name here; before its proof "the other end". */
const char *seed_session_peer_name(const struct seed_session *s);
/* A HEAD crosses: the NOTEs of the next VM begin. */
void seed_session_begin_vm(struct seed_session *s);
/* The same for a frame that was received otherwise: *@ours false when it was such a one. */
int seed_session_take(struct seed_session *s, const struct seed_frame *f, bool *ours,
		      struct seed_error *err);
/* FORMAT unless it is of @type. REFUSE instead of it is the refusal's error, with *@refused true
 * (@refused NULL: REFUSE is not allowed here). */
int seed_session_expect(struct seed_session *s, struct seed_frame *f, uint8_t type, bool *refused,
			struct seed_error *err);
/* What a REFUSE frame says, as the error. */
int seed_session_refused(struct seed_session *s, const struct seed_frame *f,
			 struct seed_error *err);
int seed_session_unexpected(const struct seed_frame *f, struct seed_error *err);
/* A line for the people at the other end, shown there as a warning; and here, when we called. */
int seed_session_note(struct seed_session *s, struct seed_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* This VM is not done, and why. */
int seed_session_refuse(struct seed_session *s, const struct seed_error *why,
			struct seed_error *err);
/* Says why the connection ends, as far as the peer still listens. */
void seed_session_fail(struct seed_session *s, const struct seed_error *why);
/* What the other end said before it went away is the better reason: replaces a LINK error by its
 * FAIL, if one waits. Returns -1. */
int seed_session_explain(struct seed_session *s, struct seed_error *err);
/* Tells the peer what we do meanwhile, at most every other second. */
int seed_session_progress(struct seed_session *s, enum seed_wire_phase phase, uint64_t done,
			  uint64_t total, struct seed_error *err);

/* A sink for what takes long: shown here, and told to the peer, so that it knows that we are at it.
 * Borrowed; one at a time. */
const struct seed_events *seed_session_relay(struct seed_session *s, enum seed_wire_phase phase);

/* A whole document whose first frame is @f (any of @f->type follow): bundle of text and
 * signature. */
int seed_session_document(struct seed_session *s, struct seed_frame *f, size_t max,
			  struct seed_buf *out, struct seed_error *err);
/* Sends text and signature as one document. */
int seed_session_send_document(struct seed_session *s, uint8_t type, const char *text, size_t len,
			       const char *signature, struct seed_error *err);

/* PARTIAL once opt->may_go_on says no: between blocks, so that what arrived is kept. */
int seed_session_may_go_on(const struct seed_session *s, struct seed_error *err);
/* May this peer, at this end, touch this VM? --vm, --peer's scope. */
int seed_session_allows(const struct seed_session *s, const struct seed_id *uuid, const char *name,
			struct seed_error *err);

#endif
