// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * HELLO and PROOF over a socket: who is who he says, and for which connection that holds. The other
 * end is a second session, or a script that lies in one place.
 */
#include "cmocka_all.h"

#include <pthread.h>
#include <sys/socket.h>

#include "resync_sites.h"
#include "base/text.h"
#include "doc/signed_doc.h"
#include "manifest/manifest.h"
#include "tmpdir.h"

struct place {
	struct sites s;
	struct site third;		/* whom nobody trusts at first */
	void *dir;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p || tmpdir_setup(&p->dir) != 0)
		return -1;
	sites_make(&p->s, ((struct tmpdir *)p->dir)->fd);
	site_make(&p->third, p->s.dir, "third");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	void *dir = p->dir;

	site_close(&p->third);
	sites_close(&p->s);
	free(p);
	return tmpdir_teardown(&dir);
}

/* One end, opened on a thread of its own. */
struct end {
	struct seed_session s;
	struct seed_resync_options opt;
	int fd, rc;
	bool sender, caller;
	struct seed_error err;
	pthread_t thread;
};

static void *open_end(void *arg)
{
	struct end *e = arg;

	e->rc = seed_session_open(&e->s, e->fd, e->fd, e->sender, e->caller, &e->opt, &e->err);
	if (e->rc < 0)		/* so that the script sees the end */
		seed_session_close(&e->s);
	return NULL;
}

static void begin(struct end *e, const struct site *site, int fd, bool sender, bool caller)
{
	e->opt.home = site->home;
	e->opt.own = site->own;
	e->opt.trust = site->trust;
	e->opt.jobs = 1;
	e->fd = fd;
	e->sender = sender;
	e->caller = caller;
	assert_int_equal(pthread_create(&e->thread, NULL, open_end, e), 0);
}

static void sockets(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

/* ---- two honest ends ---- */

static void pair(struct place *p, bool push)
{
	struct end hq = { .rc = 0 }, dr = { .rc = 0 };
	int fds[2];

	sockets(fds);
	begin(&hq, &p->s.hq, fds[0], push, push);
	begin(&dr, &p->s.dr, fds[1], false, !push);
	pthread_join(hq.thread, NULL);
	pthread_join(dr.thread, NULL);
	assert_ok(hq.rc, &hq.err);
	assert_ok(dr.rc, &dr.err);
	assert_true(hq.s.sender && !dr.s.sender);
	assert_string_equal(hq.s.peer->name, "dr");
	assert_string_equal(dr.s.peer->name, "hq");
	assert_memory_equal(hq.s.nonce, dr.s.peer_nonce, SEED_NONCE_SIZE);
	assert_memory_equal(dr.s.nonce, hq.s.peer_nonce, SEED_NONCE_SIZE);
	assert_memory_not_equal(hq.s.nonce, dr.s.nonce, SEED_NONCE_SIZE);
	seed_session_close(&hq.s);
	seed_session_close(&dr.s);
}

static void either_end_may_call(void **state)
{
	pair(*state, true);
	pair(*state, false);
}

/* ---- a script ---- */

struct proof {
	struct seed_id site, peer;
	const char *role;
	bool caller;
	uint8_t nonce[SEED_NONCE_SIZE], peer_nonce[SEED_NONCE_SIZE];
};

struct script {
	const struct site *site;	/* who it says it is */
	const struct seed_signing_key *key;	/* that signs; NULL: its own */
	bool sender, caller;
	bool echo;			/* says the nonce that it was told */
	void (*tune)(struct proof *proof);
	enum seed_doc_type type;	/* of the proof; 0: hello */
	const struct seed_buf *replay;	/* this PROOF instead of one */
	struct seed_buf proof;		/* that it sent */
	bool other_first;		/* begins with a frame that is no HELLO */
	size_t pad;			/* bytes more in its PROOF */
	bool leaves;			/* without waiting for a FAIL, once the other end is done */
	struct seed_channel *open;	/* until then */
	/* What came back. */
	bool proven;			/* the other end sent its PROOF */
	struct seed_error said;		/* FAIL */
};

static void sign(struct script *x, const struct proof *m)
{
	const struct seed_signing_key *key = x->key ? x->key : x->site->own->sign;
	enum seed_doc_type type = x->type ? x->type : SEED_DOC_HELLO;
	SEED_AUTO(seed_json_freep) struct seed_json *doc =
		seed_doc_new(type, seed_signing_key_public(key));
	SEED_AUTO(seed_freep) char *text = NULL;
	SEED_AUTO(seed_freep) char *bundle = NULL;
	char nonce[2 * SEED_NONCE_SIZE + 1], signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len, size;

	seed_json_set_id(doc, "site", &m->site);
	seed_json_set_id(doc, "peer", &m->peer);
	seed_json_set_text(doc, "role", m->role);
	seed_json_set_bool(doc, "caller", m->caller);
	seed_json_set_text(doc, "nonce", seed_hex(m->nonce, SEED_NONCE_SIZE, nonce));
	seed_json_set_text(doc, "peer_nonce", seed_hex(m->peer_nonce, SEED_NONCE_SIZE, nonce));
	assert_ok(seed_doc_sign(doc, key, type, &text, &len, signature, &err), &err);
	assert_ok(seed_manifest_bundle(text, len, signature, &bundle, &size, &err), &err);
	assert_ok(seed_buf_add(&x->proof, bundle, size, &err), &err);
}

static void send_hello(struct seed_channel *ch, const struct script *x, const uint8_t *nonce)
{
	struct seed_msg_hello m = { .site = x->site->own->id, .sender = x->sender,
				    .caller = x->caller };
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };

	memcpy(m.nonce, nonce, SEED_NONCE_SIZE);
	assert_ok(seed_msg_hello_put(&buf, &m, &err), &err);
	(void)seed_channel_send(ch, x->other_first ? SEED_FRAME_HEAD : SEED_FRAME_HELLO, buf.data,
				buf.len, NULL);
	seed_buf_free(&buf);
}

/* Frames until one of @type; a FAIL, or the end, ends it. */
static bool await(struct seed_channel *ch, struct script *x, uint8_t type, struct seed_frame *f)
{
	while (seed_channel_receive(ch, f, NULL) == 0) {
		if (f->type == SEED_FRAME_FAIL)
			assert_int_equal(seed_msg_error_get(&x->said, f, NULL), 0);
		if (f->type == type)
			return true;
	}
	return false;
}

static void send_proof(struct seed_channel *ch, struct script *x, const struct seed_msg_hello *to,
		       const uint8_t *nonce)
{
	struct proof m = { .site = x->site->own->id, .peer = to->site,
			   .role = x->sender ? "sender" : "receiver", .caller = x->caller };

	memcpy(m.nonce, nonce, SEED_NONCE_SIZE);
	memcpy(m.peer_nonce, to->nonce, SEED_NONCE_SIZE);
	if (x->tune)
		x->tune(&m);
	sign(x, &m);
	for (size_t i = 0; i < x->pad; i++)
		assert_int_equal(seed_buf_add(&x->proof, "x", 1, NULL), 0);
	if (x->replay)
		(void)seed_doc_send(ch, SEED_FRAME_PROOF, x->replay->data, x->replay->len, NULL);
	else
		(void)seed_doc_send(ch, SEED_FRAME_PROOF, x->proof.data, x->proof.len, NULL);
}

/* The other side of a connection with @e, which runs. */
static void play(struct script *x, int fd)
{
	const struct seed_channel_options opt = { .in = fd, .out = fd, .first_ms = 10000,
						  .window_log = SEED_WIRE_WINDOW_MAX };
	uint8_t nonce[SEED_NONCE_SIZE] = { 9, 9, 9 };
	struct seed_channel *ch;
	struct seed_msg_hello to = { .caller = false };
	struct seed_error err = { 0 };
	struct seed_frame f;

	assert_ok(seed_channel_open(&ch, &opt, &err), &err);
	if (!x->echo)
		send_hello(ch, x, nonce);
	if (await(ch, x, SEED_FRAME_HELLO, &f)) {
		assert_ok(seed_msg_hello_get(&to, &f, &err), &err);
		if (x->echo) {
			memcpy(nonce, to.nonce, SEED_NONCE_SIZE);
			send_hello(ch, x, nonce);
		}
		if (!x->caller)
			send_proof(ch, x, &to, nonce);
		if (await(ch, x, SEED_FRAME_PROOF, &f)) {
			x->proven = true;
			if (x->caller)
				send_proof(ch, x, &to, nonce);
			if (x->leaves)
				(void)seed_channel_drain(ch, NULL);
			else
				(void)await(ch, x, SEED_FRAME_FAIL, &f);
		}
	}
	if (x->leaves)
		x->open = ch;
	else
		seed_channel_close(ch);
}

/* dr is called, or calls (@dr_calls), and is told what @x says. */
static int meet(struct place *p, struct script *x, bool dr_calls, struct end *e)
{
	int fds[2];

	sockets(fds);
	x->caller = x->caller || !dr_calls;
	begin(e, &p->s.dr, fds[0], false, dr_calls);
	play(x, fds[1]);
	pthread_join(e->thread, NULL);
	if (x->open)
		seed_channel_close(x->open);
	x->open = NULL;
	return e->rc;
}

static void is_refused(struct place *p, struct script *x, bool dr_calls, enum seed_error_kind kind,
		       const char *text)
{
	struct end e = { .rc = 0 };

	x->sender = true;
	if (!x->site)
		x->site = &p->s.hq;
	assert_int_equal(meet(p, x, dr_calls, &e), -1);
	if (e.err.kind != kind || !strstr(e.err.text, text))
		fail_msg("kind %d, not %d: %s (not %s)", (int)e.err.kind, (int)kind, e.err.text, text);
	if (!strstr(x->said.text, text))
		fail_msg("told: %s (not %s)", x->said.text, text);
	seed_buf_free(&x->proof);
}

/* ---- lies ---- */

static void a_proof_by_another_key_is_refused(void **state)
{
	struct place *p = *state;

	for (int calls = 0; calls < 2; calls++) {
		struct script x = { .key = p->third.own->sign };

		is_refused(p, &x, calls, SEED_ERR_TRUST, "");
		assert_int_equal(x.proven, !calls);	/* a caller proves nothing to such a one */
	}
}

static void other_nonce(struct proof *m)
{
	m->nonce[0] ^= 1;
}

static void other_peer_nonce(struct proof *m)
{
	m->peer_nonce[31] ^= 1;
}

static void other_role(struct proof *m)
{
	m->role = "receiver";
}

static void no_role(struct proof *m)
{
	m->role = "";
}

static void other_part(struct proof *m)
{
	m->caller = !m->caller;
}

static void for_another(struct proof *m)
{
	m->peer.bytes[3] ^= 1;
}

static void of_another(struct proof *m)
{
	m->site.bytes[3] ^= 1;
}

static void a_proof_of_another_connection_is_refused(void **state)
{
	void (*const lies[])(struct proof *) = { other_nonce, other_peer_nonce, other_role, no_role,
						 other_part, for_another, of_another };

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		for (int calls = 0; calls < 2; calls++) {
			struct script x = { .tune = lies[i] };

			is_refused(*state, &x, calls, SEED_ERR_TRUST, "of another connection");
		}
}

/* A proof that was good on one connection is heard again on the next. */
static void a_replayed_proof_is_refused(void **state)
{
	struct place *p = *state;
	struct script good = { .site = &p->s.hq, .sender = true, .leaves = true }, again = { .site = NULL };
	struct end e = { .rc = 0 };

	assert_ok(meet(p, &good, false, &e), &e.err);
	assert_string_equal(e.s.peer->name, "hq");
	seed_session_close(&e.s);
	again.replay = &good.proof;
	is_refused(p, &again, false, SEED_ERR_TRUST, "of another connection");
	seed_buf_free(&good.proof);
}

static void documents_of_another_type_prove_nothing(void **state)
{
	struct script x = { .type = SEED_DOC_RECEIPT };

	is_refused(*state, &x, false, SEED_ERR_FORMAT, "");
}

static void a_proof_without_end_is_cut_off(void **state)
{
	struct script x = { .pad = 10000 };

	is_refused(*state, &x, false, SEED_ERR_RANGE, "PROOF of more than 8192 bytes");
}

static void two_callers_are_refused(void **state)
{
	struct script x = { .caller = true };

	is_refused(*state, &x, true, SEED_ERR_FORMAT, "both ends say that they called");
}

static void our_own_greeting_is_known(void **state)
{
	struct script x = { .echo = true };

	is_refused(*state, &x, true, SEED_ERR_TRUST, "our own greeting came back");
}

static void our_own_site_is_no_peer(void **state)
{
	struct place *p = *state;
	struct script x = { .site = &p->s.dr };

	is_refused(p, &x, false, SEED_ERR_USAGE, "both ends are one site");
	assert_false(x.proven);
}

static void whom_nobody_trusts_learns_nothing(void **state)
{
	struct place *p = *state;
	struct script x = { .site = &p->third };

	is_refused(p, &x, false, SEED_ERR_TRUST, "is not trusted by dr");
	assert_false(x.proven);
}

static void who_was_revoked_is_refused(void **state)
{
	struct place *p = *state;
	struct script x = { .site = NULL };
	struct seed_error err = { 0 };

	assert_ok(seed_trust_revoke(p->s.dr.home, "hq", &err), &err);
	seed_trust_close(p->s.dr.trust);
	p->s.dr.trust = NULL;
	assert_ok(seed_trust_open(&p->s.dr.trust, p->s.dr.home, p->s.dr.own, &err), &err);
	is_refused(p, &x, false, SEED_ERR_TRUST, "revoked");
	assert_false(x.proven);
}

static void an_end_for_one_peer_takes_no_other(void **state)
{
	struct place *p = *state;
	struct script x = { .site = &p->s.hq, .sender = true };
	struct end e = { .opt.only_peer = "third" };

	assert_int_equal(meet(p, &x, false, &e), -1);
	assert_int_equal(e.err.kind, SEED_ERR_TRUST);
	assert_non_null(strstr(e.err.text, "this end is for third alone"));
	assert_false(x.proven);
	seed_buf_free(&x.proof);
}

static void what_is_no_hello_is_refused(void **state)
{
	struct script x = { .other_first = true };

	is_refused(*state, &x, false, SEED_ERR_FORMAT, "a HEAD frame");
	assert_false(x.proven);
}

/* ---- which VMs ---- */

static void scope_and_list_both_bound_the_vms(void **state)
{
	static const char *const names[] = { "web", "5eed0000-0000-0000-0000-000000000000", NULL };
	struct place *p = *state;
	struct seed_resync_options opt = { .own = p->s.dr.own, .trust = p->s.dr.trust };
	struct seed_session s = { .opt = &opt };
	const struct seed_id other = { { 1 } };
	struct seed_error err = { 0 };

	assert_ok(seed_trust_find(&s.peer, p->s.dr.trust, "hq", &err), &err);
	assert_ok(seed_session_allows(&s, &other, "db", &err), &err);
	opt.only_vms = names;
	assert_ok(seed_session_allows(&s, &other, "web", &err), &err);
	assert_ok(seed_session_allows(&s, &p->s.uuid, "db", &err), &err);
	assert_fails(seed_session_allows(&s, &other, "db", &err), &err, SEED_ERR_TRUST);
	site_trust(&p->s.dr, &p->s.hq, "db");
	opt.trust = p->s.dr.trust;
	assert_ok(seed_trust_find(&s.peer, p->s.dr.trust, "hq", &err), &err);
	assert_fails(seed_session_allows(&s, &other, "web", &err), &err, SEED_ERR_TRUST);
	opt.only_vms = NULL;
	assert_ok(seed_session_allows(&s, &other, "db", &err), &err);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(either_end_may_call),
		T(a_proof_by_another_key_is_refused),
		T(a_proof_of_another_connection_is_refused),
		T(a_replayed_proof_is_refused),
		T(documents_of_another_type_prove_nothing),
		T(a_proof_without_end_is_cut_off),
		T(two_callers_are_refused),
		T(our_own_greeting_is_known),
		T(our_own_site_is_no_peer),
		T(whom_nobody_trusts_learns_nothing),
		T(who_was_revoked_is_refused),
		T(an_end_for_one_peer_takes_no_other),
		T(what_is_no_hello_is_refused),
		T(scope_and_list_both_bound_the_vms),
	};

	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
