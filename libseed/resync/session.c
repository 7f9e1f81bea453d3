// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resync/session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"
#include "crypto/random.h"
#include "doc/signed_doc.h"
#include "manifest/manifest.h"
#include "resync/known.h"

#define PROOF_MAX 8192u			/* bytes of PROOF with its signature */
#define DEPTH_PER_WORKER 4u
#define PROOF_MS 60000u			/* that a peer has to prove who it is */
#define NONCE_TEXT (2 * SEED_NONCE_SIZE + 1)

/* ---- frames ---- */

int seed_session_send(struct seed_session *s, uint8_t type, struct seed_buf *buf,
		      struct seed_error *err)
{
	int rc = seed_channel_send(s->ch, type, buf->data, buf->len, err);

	seed_buf_free(buf);
	return rc;
}

uint8_t seed_session_flags(const struct seed_session *s)
{
	return (uint8_t)((s->opt->over_wire ? SEED_WANT_OVER_WIRE : 0) |
			 (s->opt->final ? SEED_WANT_FINAL : 0) |
			 (s->opt->paranoid ? SEED_WANT_PARANOID : 0));
}

const char *seed_session_peer_name(const struct seed_session *s)
{
	return s->peer ? s->peer->name : "the other end";
}

static int peer_failed(const struct seed_session *s, const struct seed_frame *f,
		       struct seed_error *err)
{
	struct seed_error said = { 0 };

	if (seed_msg_error_get(&said, f, err) < 0)
		return -1;
	return seed_error_set(err, said.kind, "%s says: %s", seed_session_peer_name(s), said.text);
}

int seed_session_take(struct seed_session *s, const struct seed_frame *f, bool *ours,
		      struct seed_error *err)
{
	*ours = false;
	switch (f->type) {
	case SEED_FRAME_FAIL:
		return peer_failed(s, f, err);
	case SEED_FRAME_PROGRESS:	/* what somebody says who has proven nothing is not shown */
		return s->peer ? seed_session_show_progress(s, f, err) :
				 seed_session_unexpected(f, err);
	case SEED_FRAME_NOTE:
		return s->peer ? seed_session_show_note(s, f, err) :
				 seed_session_unexpected(f, err);
	default:
		*ours = true;
		return 0;
	}
}

int seed_session_next(struct seed_session *s, struct seed_frame *f, struct seed_error *err)
{
	bool ours = false;
	int rc = 0;

	seed_session_begin_wait(s);
	while (rc == 0 && !ours)
		if (seed_channel_receive(s->ch, f, err) < 0 ||
		    seed_session_take(s, f, &ours, err) < 0)
			rc = -1;
	s->heard.waiting_ms = 0;
	return rc;
}

int seed_session_refused(struct seed_session *s, const struct seed_frame *f,
			 struct seed_error *err)
{
	return peer_failed(s, f, err);
}

int seed_session_unexpected(const struct seed_frame *f, struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_FORMAT, "a %s frame (type %u) where none may come",
			      seed_frame_name(f->type), f->type);
}

int seed_session_expect(struct seed_session *s, struct seed_frame *f, uint8_t type, bool *refused,
			struct seed_error *err)
{
	if (seed_session_next(s, f, err) < 0)
		return -1;
	if (f->type == type)
		return 0;
	if (f->type != SEED_FRAME_REFUSE || !refused)
		return seed_session_unexpected(f, err);
	*refused = true;
	return peer_failed(s, f, err);
}

int seed_session_refuse(struct seed_session *s, const struct seed_error *why,
			struct seed_error *err)
{
	struct seed_buf buf = { 0 };

	if (seed_msg_error_put(&buf, why, err) < 0) {
		seed_buf_free(&buf);
		return -1;
	}
	return seed_session_send(s, SEED_FRAME_REFUSE, &buf, err);
}

void seed_session_fail(struct seed_session *s, const struct seed_error *why)
{
	struct seed_buf buf = { 0 };

	/* A connection that broke has nobody at its other end, and what the peer itself said need
	 * not be said back to it. */
	if (!s->ch || why->kind == SEED_ERR_LINK)
		return;
	if (seed_msg_error_put(&buf, why, NULL) == 0 &&
	    seed_channel_send(s->ch, SEED_FRAME_FAIL, buf.data, buf.len, NULL) == 0)
		seed_channel_drain(s->ch, NULL);
	seed_buf_free(&buf);
}

int seed_session_explain(struct seed_session *s, struct seed_error *err)
{
	struct seed_error why = { 0 };
	struct seed_frame f;
	bool got;

	if (!err || err->kind != SEED_ERR_LINK)
		return -1;
	while (seed_channel_try_receive(s->ch, &f, &got, NULL) == 0 && got)
		if (f.type == SEED_FRAME_FAIL || f.type == SEED_FRAME_REFUSE) {
			peer_failed(s, &f, &why);
			*err = why;
			break;
		}
	return -1;
}

/* ---- documents ---- */

int seed_session_document(struct seed_session *s, struct seed_frame *f, size_t max,
			  struct seed_buf *out, struct seed_error *err)
{
	struct seed_doc_parts parts = { 0 };
	uint8_t type = f->type;
	int rc = seed_doc_add(&parts, f, max, err);

	while (rc == 0 && !parts.whole) {
		rc = seed_session_expect(s, f, type, NULL, err);
		if (rc == 0)
			rc = seed_doc_add(&parts, f, max, err);
	}
	if (rc < 0)
		seed_buf_free(&parts.buf);
	else
		*out = parts.buf;
	return rc;
}

int seed_session_send_document(struct seed_session *s, uint8_t type, const char *text, size_t len,
			       const char *signature, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *bundle = NULL;
	size_t size;

	if (seed_manifest_bundle(text, len, signature, &bundle, &size, err) < 0)
		return -1;
	return seed_doc_send(s->ch, type, bundle, size, err);
}

/* ---- hello ---- */

static const char *role_text(bool sender)
{
	return sender ? "sender" : "receiver";
}

/* What @site says of itself to @peer: the same members on both ends, so that the verifier can
 * compare them one by one. */
static int sign_proof(const struct seed_session *s, const struct seed_id *peer, char **text,
		      size_t *len, char *signature, struct seed_error *err)
{
	const struct seed_site *own = s->opt->own;
	SEED_AUTO(seed_json_freep) struct seed_json *doc =
		seed_doc_new(SEED_DOC_HELLO, seed_signing_key_public(own->sign));
	char nonce[NONCE_TEXT];

	seed_json_set_id(doc, "site", &own->id);
	seed_json_set_id(doc, "peer", peer);
	seed_json_set_text(doc, "role", role_text(s->sender));
	seed_json_set_bool(doc, "caller", s->caller);
	seed_json_set_text(doc, "nonce", seed_hex(s->nonce, SEED_NONCE_SIZE, nonce));
	seed_json_set_text(doc, "peer_nonce", seed_hex(s->peer_nonce, SEED_NONCE_SIZE, nonce));
	return seed_doc_sign(doc, own->sign, SEED_DOC_HELLO, text, len, signature, err);
}

static int send_proof(struct seed_session *s, const struct seed_id *peer, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	size_t len;

	if (sign_proof(s, peer, &text, &len, signature, err) < 0)
		return -1;
	return seed_session_send_document(s, SEED_FRAME_PROOF, text, len, signature, err);
}

static bool is_hex_of(const char *text, const uint8_t nonce[SEED_NONCE_SIZE])
{
	char wanted[NONCE_TEXT];

	return strcmp(text, seed_hex(nonce, SEED_NONCE_SIZE, wanted)) == 0;
}

static int check_proof(struct seed_session *s, const struct seed_trusted *peer,
		       const struct seed_buf *bundle, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;
	struct seed_id site, to;
	const char *text, *signature, *role, *nonce, *peer_nonce;
	size_t len, signature_len;
	bool caller;

	if (seed_manifest_unbundle(bundle->data, bundle->len, &text, &len, &signature,
				   &signature_len, err) < 0 ||
	    seed_doc_open(&doc, &r, SEED_DOC_HELLO, text, len, signature, signature_len,
			  &peer->card.key, err) < 0)
		return -1;
	seed_json_take_id(&r, "site", &site);
	seed_json_take_id(&r, "peer", &to);
	role = seed_json_take_text(&r, "role", 16);
	caller = seed_json_take_bool(&r, "caller");
	nonce = seed_json_take_text(&r, "nonce", NONCE_TEXT);
	peer_nonce = seed_json_take_text(&r, "peer_nonce", NONCE_TEXT);
	if (seed_json_done(&r) < 0)
		return -1;
	if (!seed_id_equal(&site, &peer->card.site) || !seed_id_equal(&to, &s->opt->own->id) ||
	    strcmp(role, role_text(!s->sender)) != 0 || caller == s->caller ||
	    !is_hex_of(nonce, s->peer_nonce) || !is_hex_of(peer_nonce, s->nonce))
		return seed_error_set(err, SEED_ERR_TRUST, "the proof is of another connection");
	return 0;
}

/* Whose site id the peer names. That it is theirs, the proof must show. */
static int find_peer(struct seed_session *s, const struct seed_id *site,
		     const struct seed_trusted **out, struct seed_error *err)
{
	char id[SEED_ID_TEXT];
	struct seed_error why = { 0 };

	if (seed_trust_find(out, s->opt->trust, seed_id_text(site, id), &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND)
			return seed_error_set(err, SEED_ERR_TRUST,
					      "site %.8s is not trusted by %s: 'vmseed key trust' "
					      "its card there",
					      id, s->opt->own->name);
		*err = why;
		return -1;
	}
	if ((*out)->own)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "both ends are one site (%s): give the other home",
				      (*out)->name);
	if (s->opt->only_peer && strcmp(s->opt->only_peer, (*out)->name) != 0)
		return seed_error_set(err, SEED_ERR_TRUST,
				      "%s may not come in here: this end is for %s alone",
				      (*out)->name, s->opt->only_peer);
	return 0;
}

static int send_hello(struct seed_session *s, struct seed_error *err)
{
	struct seed_msg_hello m = { .site = s->opt->own->id, .sender = s->sender,
				    .caller = s->caller };
	struct seed_buf buf = { 0 };

	memcpy(m.nonce, s->nonce, SEED_NONCE_SIZE);
	if (seed_msg_hello_put(&buf, &m, err) < 0) {
		seed_buf_free(&buf);
		return -1;
	}
	return seed_session_send(s, SEED_FRAME_HELLO, &buf, err);
}

static int receive_hello(struct seed_session *s, struct seed_id *site, struct seed_error *err)
{
	struct seed_msg_hello m;
	struct seed_frame f;

	if (seed_session_expect(s, &f, SEED_FRAME_HELLO, NULL, err) < 0 ||
	    seed_msg_hello_get(&m, &f, err) < 0)
		return -1;
	if (m.caller == s->caller)
		return seed_error_set(err, SEED_ERR_FORMAT, "both ends say that they called");
	if (s->caller && m.sender == s->sender)
		return seed_error_set(err, SEED_ERR_FORMAT, "both ends say that they have the VMs");
	if (!s->caller)
		s->sender = !m.sender;	/* who is called takes the other part */
	if (memcmp(m.nonce, s->nonce, SEED_NONCE_SIZE) == 0)
		return seed_error_set(err, SEED_ERR_TRUST, "our own greeting came back");
	*site = m.site;
	memcpy(s->peer_nonce, m.nonce, SEED_NONCE_SIZE);
	return 0;
}

static int receive_proof(struct seed_session *s, const struct seed_trusted *peer,
			 struct seed_error *err)
{
	SEED_AUTO(seed_buf_free) struct seed_buf bundle = { 0 };
	struct seed_frame f;

	if (seed_session_expect(s, &f, SEED_FRAME_PROOF, NULL, err) < 0 ||
	    seed_session_document(s, &f, PROOF_MAX, &bundle, err) < 0 ||
	    check_proof(s, peer, &bundle, err) < 0)
		return -1;
	s->peer = peer;
	seed_channel_admit(s->ch);
	return 0;
}

static int greet(struct seed_session *s, struct seed_error *err)
{
	const struct seed_trusted *peer;
	struct seed_id site;

	if (seed_random(s->nonce, sizeof(s->nonce), err) < 0)
		return -1;
	if (s->caller) {
		if (send_hello(s, err) < 0 || receive_hello(s, &site, err) < 0 ||
		    find_peer(s, &site, &peer, err) < 0 || receive_proof(s, peer, err) < 0)
			return -1;
		return send_proof(s, &site, err);
	}
	if (receive_hello(s, &site, err) < 0 || send_hello(s, err) < 0 ||
	    find_peer(s, &site, &peer, err) < 0 || send_proof(s, &site, err) < 0)
		return -1;
	return receive_proof(s, peer, err);
}

int seed_session_open(struct seed_session *s, int in, int out, bool sender, bool caller,
		      const struct seed_resync_options *opt, struct seed_error *err)
{
	const struct seed_channel_options channel = {
		.in = in,
		.out = out,
		.first_ms = caller && opt->may_ask ? 0 : 60000,
		.window_log = SEED_WIRE_WINDOW_MAX,
		.proof_ms = PROOF_MS,
		.limit = caller && sender ? opt->limit : 0,
		.cancel = opt->cancel,
	};
	const struct seed_pool_options pool = { .workers = opt->jobs };

	*s = (struct seed_session){
		.opt = opt, .sender = sender, .caller = caller, .store = -1,
		.began = seed_clock_wall(), .opened_ms = seed_clock_ms(),
		.depth = (size_t)DEPTH_PER_WORKER * (opt->jobs ? opt->jobs : 1),
	};
	if (seed_channel_open(&s->ch, &channel, err) < 0)
		return -1;
	if (greet(s, err) < 0) {
		seed_session_explain(s, err);
		seed_session_fail(s, err);
		return -1;
	}
	if (seed_channel_start(s->ch, s->sender ? SEED_WIRE_WINDOW_MAX : SEED_WIRE_WINDOW_BACK,
			       err) < 0)
		return -1;
	return seed_pool_new(&s->pool, &pool, err);
}

void seed_session_close(struct seed_session *s)
{
	seed_channel_close(s->ch);
	seed_pool_free(s->pool);
	seed_known_free(s->known);
	if (s->store >= 0)
		seed_fd_closep(&s->store);
	s->ch = NULL;
	s->pool = NULL;
	s->known = NULL;
}

/* ---- what may be ---- */

int seed_session_may_go_on(const struct seed_session *s, struct seed_error *err)
{
	if (!s->opt->may_go_on || s->opt->may_go_on(s->opt->arg))
		return 0;
	return seed_error_set(err, SEED_ERR_PARTIAL,
			      "the window closed before it was done: the next run goes on where "
			      "this one stopped");
}

static bool is_named(const char *const *names, const char *uuid, const char *name)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0 || strcasecmp(*names, uuid) == 0)
			return true;
	return false;
}

int seed_session_allows(const struct seed_session *s, const struct seed_id *uuid, const char *name,
			struct seed_error *err)
{
	char text[SEED_UUID_TEXT], quoted[SEED_QUOTED];

	if (s->opt->only_vms && !is_named(s->opt->only_vms, seed_uuid_text(uuid, text), name))
		return seed_error_set(err, SEED_ERR_TRUST,
				      "VM %s (%s) is not one that this end serves",
				      seed_quote(name, quoted, sizeof(quoted)), text);
	return seed_trust_allows(s->peer, uuid, name, err);
}
