// SPDX-License-Identifier: LGPL-2.1-or-later
/* Two channels over a socket pair or pipes, and channels whose peer is this file, by hand. */
#include "cmocka_all.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "codec/zstd_stream.h"
#include "wire/channel.h"
#include "wire/frame.h"

#define MIB (1u << 20)
#define TEST_TYPE 9

/* --- two channels --- */

struct pair {
	struct seed_channel *a, *b;
};

struct opening {
	struct seed_channel_options opt;
	struct seed_channel *ch;
	struct seed_error err;
	int rc;
};

static void *open_one(void *arg)
{
	struct opening *o = arg;

	o->rc = seed_channel_open(&o->ch, &o->opt, &o->err);
	return NULL;
}

static struct pair pair_with(struct seed_channel_options a, struct seed_channel_options b)
{
	struct opening other = { .opt = b };
	struct seed_error err = { 0 };
	struct pair p = { NULL, NULL };
	pthread_t thread;
	int fds[2];

	if (!a.in) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		a.in = a.out = fds[0];
		other.opt.in = other.opt.out = fds[1];
	}
	assert_int_equal(pthread_create(&thread, NULL, open_one, &other), 0);
	assert_ok(seed_channel_open(&p.a, &a, &err), &err);
	pthread_join(thread, NULL);
	assert_ok(other.rc, &other.err);
	p.b = other.ch;
	return p;
}

static struct pair pair_of(unsigned int window_log)
{
	struct seed_channel_options opt = { .window_log = window_log };

	return pair_with(opt, opt);
}

static void pair_close(struct pair *p)
{
	seed_channel_close(p->a);
	seed_channel_close(p->b);
}

static void send_ok(struct seed_channel *ch, uint8_t type, const void *data, size_t len)
{
	struct seed_error err = { 0 };

	assert_ok(seed_channel_send(ch, type, data, len, &err), &err);
}

static void receive_ok(struct seed_channel *ch, struct seed_frame *frame)
{
	struct seed_error err = { 0 };

	assert_ok(seed_channel_receive(ch, frame, &err), &err);
}

static void receive_fails(struct seed_channel *ch, enum seed_error_kind kind, const char *text)
{
	struct seed_frame frame;
	struct seed_error err;

	assert_fails(seed_channel_receive(ch, &frame, &err), &err, kind);
	if (!strstr(err.text, text))
		fail_msg("%s", err.text);
}

static void fill(uint8_t *data, size_t len, uint64_t seed)
{
	seed = seed * 2654435761u + 88172645463325252u;
	for (size_t i = 0; i < len; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		data[i] = (uint8_t)(seed >> 29);
	}
}

struct stream {
	struct seed_channel *ch;
	size_t frames, len;	/* @len 0: many sizes */
	uint64_t seed;
	int rc;
	struct seed_error err;
};

static size_t size_of(const struct stream *s, size_t i)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 9, 100, 4096, 65535, 65536, 100000,
					SEED_FRAME_MAX - 1, SEED_FRAME_MAX };

	return s->len ? s->len : sizes[i % (sizeof(sizes) / sizeof(sizes[0]))];
}

static void *send_stream(void *arg)
{
	struct stream *s = arg;
	uint8_t *data = malloc(SEED_FRAME_MAX);

	for (size_t i = 0; i < s->frames && s->rc == 0; i++) {
		size_t len = size_of(s, i), head = len / 3;

		fill(data, len, s->seed + i);
		s->rc = i % 2 ? seed_channel_send(s->ch, (uint8_t)(8 + i % 200), data, len,
						  &s->err) :
				seed_channel_send2(s->ch, (uint8_t)(8 + i % 200), data, head,
						   data + head, len - head, &s->err);
	}
	free(data);
	return NULL;
}

static void receive_stream(const struct stream *s)
{
	uint8_t *data = malloc(SEED_FRAME_MAX);
	struct seed_frame frame;

	for (size_t i = 0; i < s->frames; i++) {
		receive_ok(s->ch, &frame);
		assert_int_equal(frame.type, 8 + i % 200);
		assert_int_equal(frame.len, size_of(s, i));
		fill(data, frame.len, s->seed + i);
		assert_memory_equal(frame.data, data, frame.len);
	}
	free(data);
}

static void frames_of_every_size_arrive_in_order(void **state)
{
	const unsigned int windows[] = { 0, 20, 27 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct pair p = pair_of(27);
		struct stream out = { .ch = p.a, .frames = 60, .seed = i };
		struct stream in = { .ch = p.b, .frames = 60, .seed = i };
		struct seed_error err = { 0 };
		struct seed_channel_totals a, b;
		pthread_t thread;

		if (windows[i])
			assert_ok(seed_channel_start(p.a, windows[i], &err), &err);
		assert_int_equal(pthread_create(&thread, NULL, send_stream, &out), 0);
		receive_stream(&in);
		pthread_join(thread, NULL);
		assert_ok(out.rc, &out.err);
		assert_ok(seed_channel_drain(p.a, &err), &err);
		seed_channel_totals(p.a, &a);
		seed_channel_totals(p.b, &b);
		assert_int_equal(a.sent, b.received);
		assert_int_equal(a.sent_plain, b.received_plain);
		assert_true(windows[i] || a.sent == a.sent_plain);
		pair_close(&p);
	}
}

static void frames_cross_pipes_too(void **state)
{
	struct seed_channel_options a = { .window_log = 20 }, b = { .window_log = 20 };
	struct seed_error err = { 0 };
	int there[2], back[2];
	struct stream in = { .frames = 40 };
	struct stream out = { .frames = 40 };
	pthread_t thread;
	struct pair p;

	(void)state;
	assert_int_equal(pipe2(there, O_CLOEXEC) | pipe2(back, O_CLOEXEC), 0);
	a.out = there[1];
	b.in = there[0];
	b.out = back[1];
	a.in = back[0];
	p = pair_with(a, b);
	out.ch = p.a;
	in.ch = p.b;
	assert_ok(seed_channel_start(p.a, 20, &err), &err);
	assert_int_equal(pthread_create(&thread, NULL, send_stream, &out), 0);
	receive_stream(&in);
	pthread_join(thread, NULL);
	pair_close(&p);
}

static void a_small_frame_behind_start_is_flushed(void **state)
{
	struct pair p = pair_of(27);
	struct seed_error err = { 0 };
	struct seed_frame frame;

	(void)state;
	assert_ok(seed_channel_start(p.a, 27, &err), &err);
	assert_ok(seed_channel_start(p.b, 20, &err), &err);
	assert_fails(seed_channel_start(p.b, 20, &err), &err, SEED_ERR_USAGE);
	for (int i = 0; i < 20; i++) {
		send_ok(p.a, TEST_TYPE, "question", 8);
		receive_ok(p.b, &frame);
		assert_int_equal(frame.len, 8);
		send_ok(p.b, TEST_TYPE, "answer", 6);
		receive_ok(p.a, &frame);
		assert_memory_equal(frame.data, "answer", 6);
	}
	pair_close(&p);
}

static void both_send_at_once_and_both_receive(void **state)
{
	struct pair p = pair_of(27);
	struct stream a = { .ch = p.a, .frames = 256, .len = SEED_FRAME_MAX, .seed = 1 };
	struct stream b = { .ch = p.b, .frames = 256, .len = SEED_FRAME_MAX, .seed = 2 };
	struct stream at_a = b, at_b = a;
	struct seed_error err = { 0 };
	pthread_t threads[2];

	(void)state;
	at_a.ch = p.a;
	at_b.ch = p.b;
	assert_ok(seed_channel_start(p.a, 27, &err), &err);
	assert_int_equal(pthread_create(&threads[0], NULL, send_stream, &a), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, send_stream, &b), 0);
	receive_stream(&at_a);
	receive_stream(&at_b);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_ok(a.rc, &a.err);
	assert_ok(b.rc, &b.err);
	pair_close(&p);
}

static void try_receive_does_not_wait(void **state)
{
	struct pair p = pair_of(20);
	struct seed_error err = { 0 };
	struct seed_frame frame;
	bool got = true;

	(void)state;
	assert_ok(seed_channel_try_receive(p.b, &frame, &got, &err), &err);
	assert_false(got);
	send_ok(p.a, TEST_TYPE, "x", 1);
	for (int i = 0; i < 500 && !got; i++) {
		usleep(10000);
		assert_ok(seed_channel_try_receive(p.b, &frame, &got, &err), &err);
	}
	assert_true(got);
	assert_int_equal(frame.len, 1);
	pair_close(&p);
}

static void a_frame_too_large_is_not_sent(void **state)
{
	struct pair p = pair_of(20);
	uint8_t *data = calloc(1, SEED_FRAME_MAX + 1);
	struct seed_error err;

	(void)state;
	assert_fails(seed_channel_send(p.a, TEST_TYPE, data, SEED_FRAME_MAX + 1, &err), &err,
		     SEED_ERR_RANGE);
	assert_fails(seed_channel_send2(p.a, TEST_TYPE, data, 1, data, SEED_FRAME_MAX, &err), &err,
		     SEED_ERR_RANGE);
	assert_fails(seed_channel_start(p.a, 28, &err), &err, SEED_ERR_RANGE);
	free(data);
	pair_close(&p);
}

static void what_was_sent_before_the_end_is_received(void **state)
{
	struct pair p = pair_of(20);
	struct seed_error err = { 0 };
	struct seed_frame frame;

	(void)state;
	send_ok(p.a, TEST_TYPE, "last words", 10);
	assert_ok(seed_channel_drain(p.a, &err), &err);
	seed_channel_close(p.a);
	p.a = NULL;
	usleep(50000);
	/* Whoever sends meanwhile is told, and gets no SIGPIPE. */
	for (int i = 0; i < 100 && seed_channel_send(p.b, TEST_TYPE, "x", 1, &err) == 0; i++)
		usleep(10000);
	assert_int_equal(err.kind, SEED_ERR_LINK);
	receive_ok(p.b, &frame);
	assert_int_equal(frame.len, 10);
	receive_fails(p.b, SEED_ERR_LINK, "closed the connection");
	receive_fails(p.b, SEED_ERR_LINK, "closed the connection");
	pair_close(&p);
}

static void descriptors_are_blocking_again_at_the_end(void **state)
{
	struct pair p;
	int fds[2], kept;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	kept = dup(fds[0]);
	p = pair_with((struct seed_channel_options){ .in = fds[0], .out = fds[0] },
		      (struct seed_channel_options){ .in = fds[1], .out = fds[1] });
	assert_true(fcntl(kept, F_GETFL) & O_NONBLOCK);
	pair_close(&p);
	assert_false(fcntl(kept, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(fds[0], F_GETFL), -1);
	close(kept);
}

/* --- limit and cancelling --- */

static void *drop_all(void *arg)
{
	struct seed_frame frame;

	while (seed_channel_receive(arg, &frame, NULL) == 0)
		;
	return NULL;
}

/* Bytes on the wire in one second from now. */
static uint64_t second_of(struct seed_channel *ch)
{
	struct seed_channel_totals before, after;
	uint64_t until = seed_clock_ms() + 1000;

	seed_channel_totals(ch, &before);
	while (seed_clock_ms() < until)
		usleep(1000);
	seed_channel_totals(ch, &after);
	return after.sent - before.sent;
}

static void the_limit_is_kept_within_5_percent(void **state)
{
	const uint64_t limits[] = { 3000000, 20000 };
	struct seed_channel_options opt = { .limit = limits[0], .window_log = 27 };
	struct pair p = pair_with(opt, opt);
	struct stream out = { .ch = p.a, .frames = 4000, .len = 4096 };
	pthread_t sender, receiver;

	(void)state;
	assert_int_equal(pthread_create(&sender, NULL, send_stream, &out), 0);
	assert_int_equal(pthread_create(&receiver, NULL, drop_all, p.b), 0);
	usleep(100000);
	for (size_t i = 0; i < 2; i++) {
		uint64_t sent = 0;

		seed_channel_limit(p.a, limits[i]);
		usleep(150000);
		/* Never more; less only where the machine lets us sleep for longer. */
		for (int tries = 0; tries < 5 && sent < limits[i] * 95 / 100; tries++)
			sent = second_of(p.a);
		if (sent < limits[i] * 95 / 100 || sent > limits[i] * 105 / 100)
			fail_msg("%llu bytes in a second, limit %llu", (unsigned long long)sent,
				 (unsigned long long)limits[i]);
	}
	seed_channel_limit(p.a, 0);	/* lifted at once, or this takes minutes */
	pthread_join(sender, NULL);
	assert_ok(seed_channel_drain(p.a, &out.err), &out.err);
	seed_channel_close(p.a);
	pthread_join(receiver, NULL);
	seed_channel_close(p.b);
}

struct canceller {
	struct seed_cancel cancel;
	uint64_t at_ms;
};

static void *cancel_soon(void *arg)
{
	struct canceller *c = arg;

	usleep(50000);
	c->at_ms = seed_clock_ms();
	atomic_store(&c->cancel.signal, SIGINT);
	return NULL;
}

/* --- a peer by hand --- */

struct raw {
	struct seed_channel *ch;
	int fd;		/* the peer's end */
};

static void put(int fd, const void *data, size_t len)
{
	if (write(fd, data, len) != (ssize_t)len)
		fail_msg("short write");
}

static int raw_socket(struct seed_channel_options *opt)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	opt->in = opt->out = fds[0];
	return fds[1];
}

static struct raw raw_of(struct seed_channel_options opt)
{
	uint8_t preamble[SEED_PREAMBLE_SIZE];
	struct seed_error err = { 0 };
	struct raw raw = { .fd = raw_socket(&opt) };

	seed_preamble_put(preamble);
	put(raw.fd, preamble, sizeof(preamble));
	assert_ok(seed_channel_open(&raw.ch, &opt, &err), &err);
	return raw;
}

static void raw_close(struct raw *raw)
{
	seed_channel_close(raw->ch);
	if (raw->fd >= 0)
		close(raw->fd);
}

static void open_fails(const void *data, size_t len, bool end, enum seed_error_kind kind,
		       const char *text)
{
	struct seed_channel_options opt = { .first_ms = 200, .quiet_ms = 200 };
	int fd = raw_socket(&opt);
	struct seed_channel *ch = NULL;
	struct seed_error err;

	if (len)
		put(fd, data, len);
	if (end)
		shutdown(fd, SHUT_WR);
	assert_fails(seed_channel_open(&ch, &opt, &err), &err, kind);
	if (!strstr(err.text, text))
		fail_msg("%s", err.text);
	assert_null(ch);
	assert_int_equal(fcntl(opt.in, F_GETFL), -1);	/* taken */
	close(fd);
}

/* Alive it may be: who proves nothing in time is let go, and none of its stream is read. */
static void a_peer_that_proves_nothing_is_let_go(void **state)
{
	struct raw raw = raw_of((struct seed_channel_options){ .window_log = 27, .proof_ms = 100 });
	const uint8_t alive[8] = { 0 };

	(void)state;
	put(raw.fd, alive, sizeof(alive));
	usleep(150000);
	put(raw.fd, alive, sizeof(alive));
	receive_fails(raw.ch, SEED_ERR_LINK, "did not prove who it is");
	raw_close(&raw);
}

static void the_stream_of_an_admitted_peer_is_read(void **state)
{
	struct seed_channel_options opt = { .window_log = 27, .proof_ms = 60000 };
	struct pair p = pair_with(opt, opt);
	struct seed_error err = { 0 };
	struct seed_frame frame;

	(void)state;
	send_ok(p.a, TEST_TYPE, "proof", 5);
	assert_ok(seed_channel_start(p.a, 27, &err), &err);
	send_ok(p.a, TEST_TYPE, "more", 4);
	receive_ok(p.b, &frame);
	assert_memory_equal(frame.data, "proof", 5);
	usleep(20000);		/* its START is there by now */
	seed_channel_admit(p.b);
	receive_ok(p.b, &frame);
	assert_memory_equal(frame.data, "more", 4);
	assert_ok(seed_channel_start(p.b, 20, &err), &err);
	receive_fails(p.a, SEED_ERR_FORMAT, "before it has proven who it is");
	pair_close(&p);
}

static void other_preambles_are_refused_by_name(void **state)
{
	uint8_t p[SEED_PREAMBLE_SIZE];

	(void)state;
	open_fails("Welcome to dr.example.org!\r\nHave a nice day", 43, false, SEED_ERR_FORMAT,
		   "it says \"Welcome to dr.example.org!\"");
	open_fails("SSH-2.0-OpenSSH_9.2\r\n", 21, true, SEED_ERR_FORMAT, "SSH-2.0-OpenSSH_9.2");
	open_fails("\0\1\2\3", 4, true, SEED_ERR_FORMAT, "does not speak");
	open_fails("VMSEEDxx", 8, true, SEED_ERR_FORMAT, "VMSEEDxx");
	seed_preamble_put(p);
	seed_put16(p + 8, 2);
	seed_put16(p + 10, 3);
	p[12] = 1;	/* a newer one may use them */
	open_fails(p, sizeof(p), false, SEED_ERR_FORMAT, "this vmseed only 1: it is too old");
	seed_put16(p + 8, 0);
	seed_put16(p + 10, 0);
	open_fails(p, sizeof(p), false, SEED_ERR_FORMAT, "the other one is too old");
	seed_put16(p + 8, 3);
	seed_put16(p + 10, 1);
	open_fails(p, sizeof(p), false, SEED_ERR_FORMAT, "versions 3 to 1");
	seed_put16(p + 8, 1);
	open_fails(p, sizeof(p), false, SEED_ERR_FORMAT, "should be zero");
	open_fails(p, 0, false, SEED_ERR_LINK, "said nothing");
	open_fails(p, 0, true, SEED_ERR_LINK, "before it said anything");
	open_fails(p, 9, false, SEED_ERR_LINK, "in the middle of its greeting");
}

static void a_newer_peer_that_speaks_ours_is_taken(void **state)
{
	struct seed_channel_options opt = { .first_ms = 1000 };
	int fd = raw_socket(&opt);
	uint8_t p[SEED_PREAMBLE_SIZE];
	struct seed_channel *ch = NULL;
	struct seed_error err = { 0 };

	(void)state;
	seed_preamble_put(p);
	seed_put16(p + 10, 9);
	put(fd, p, sizeof(p));
	assert_ok(seed_channel_open(&ch, &opt, &err), &err);
	seed_channel_close(ch);
	close(fd);
}

static void frame_refused(uint32_t len, uint32_t type, unsigned int body, const char *text)
{
	struct raw raw = raw_of((struct seed_channel_options){ .window_log = 20 });
	uint8_t head[12] = { 0 };

	seed_put32(head, len);
	seed_put32(head + 4, type);
	head[8] = (uint8_t)body;
	put(raw.fd, head, sizeof(head));
	receive_fails(raw.ch, SEED_ERR_FORMAT, text);
	raw_close(&raw);
}

static void what_is_no_frame_is_refused(void **state)
{
	(void)state;
	frame_refused(SEED_FRAME_MAX + 1, TEST_TYPE, 0, "262145 bytes");
	frame_refused(UINT32_MAX, TEST_TYPE, 0, "4294967295 bytes");
	frame_refused(1, TEST_TYPE | 1 << 8, 0, "should be zero");
	frame_refused(1, TEST_TYPE | 1u << 31, 0, "should be zero");
	frame_refused(1, 2, 0, "unknown type 2");
	frame_refused(1, 7, 0, "unknown type 7");
	frame_refused(1, SEED_FRAME_ALIVE, 0, "type 0 with 1 bytes");
	frame_refused(0, SEED_FRAME_START, 0, "type 1 with 0 bytes");
	frame_refused(2, SEED_FRAME_START, 20, "type 1 with 2 bytes");
	frame_refused(1, SEED_FRAME_START, 21, "window of 2^21");
	frame_refused(1, SEED_FRAME_START, 9, "window of 2^9");
	frame_refused(1, SEED_FRAME_START, 255, "window of 2^255");
}

static void put_start(int fd, uint8_t window_log)
{
	const uint8_t start[9] = { 1, 0, 0, 0, SEED_FRAME_START, 0, 0, 0, window_log };

	put(fd, start, sizeof(start));
}

static void a_stream_with_another_window_is_refused(void **state)
{
	static const uint8_t large[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x0e, 0, 0 };
	struct raw raw = raw_of((struct seed_channel_options){ .window_log = 20 });

	(void)state;
	put_start(raw.fd, 20);
	put(raw.fd, large, sizeof(large));	/* 2^21 */
	receive_fails(raw.ch, SEED_ERR_FORMAT, "window above 2^20");
	raw_close(&raw);
}

static void a_stream_inside_a_stream_is_refused(void **state)
{
	static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50, 0x48, 0, 0,
					 1, 0, 0, 0, SEED_FRAME_START, 0, 0, 0, 20 };
	struct raw raw = raw_of((struct seed_channel_options){ .window_log = 20 });

	(void)state;
	put_start(raw.fd, 20);
	put(raw.fd, frame, sizeof(frame));
	receive_fails(raw.ch, SEED_ERR_FORMAT, "inside a zstd stream");
	raw_close(&raw);
}

static void bytes_that_trickle_past_the_deadline_are_a_broken_link(void **state)
{
	struct raw raw = raw_of((struct seed_channel_options){ .quiet_ms = 300 });
	const uint8_t head[8] = { 200, 0, 0, 0, TEST_TYPE };
	uint64_t begun = seed_clock_ms();
	struct seed_frame frame;
	struct seed_error err = { 0 };
	bool got = false;
	int i = 0;

	(void)state;
	signal(SIGPIPE, SIG_IGN);	/* the peer by hand */
	while (seed_channel_try_receive(raw.ch, &frame, &got, &err) == 0 && i < 200) {
		if (write(raw.fd, i < 8 ? head + i : head, 1) < 0)
			break;
		i++;
		usleep(20000);
	}
	signal(SIGPIPE, SIG_DFL);
	receive_fails(raw.ch, SEED_ERR_LINK, "in the middle of a frame");
	assert_true(seed_clock_ms() - begun < 2000);
	raw_close(&raw);
}

static void a_silent_peer_is_a_broken_link(void **state)
{
	struct raw raw = raw_of((struct seed_channel_options){ .quiet_ms = 200 });

	(void)state;
	receive_fails(raw.ch, SEED_ERR_LINK, "went silent");
	raw_close(&raw);
}

static void alive_frames_keep_a_busy_peer(void **state)
{
	struct seed_channel_options quick = { .quiet_ms = 800, .alive_ms = 50, .window_log = 27 };
	struct pair p = pair_with(quick, quick);
	struct seed_error err = { 0 };
	struct seed_frame frame;

	(void)state;
	assert_ok(seed_channel_start(p.a, 27, &err), &err);
	usleep(2000000);	/* longer than silence may last */
	send_ok(p.a, TEST_TYPE, "done", 4);
	receive_ok(p.b, &frame);
	assert_memory_equal(frame.data, "done", 4);
	send_ok(p.b, TEST_TYPE, "done", 4);
	receive_ok(p.a, &frame);
	pair_close(&p);
}

static void a_peer_that_is_only_alive_is_given_up(void **state)
{
	struct seed_channel_options opt = { .quiet_ms = 2000, .alive_ms = 50, .idle_ms = 500 };
	struct pair p = pair_with(opt, opt);

	(void)state;
	receive_fails(p.a, SEED_ERR_LINK, "did nothing");
	pair_close(&p);
}

static void an_end_inside_a_frame_is_told(void **state)
{
	struct raw raw = raw_of((struct seed_channel_options){ .quiet_ms = 5000 });
	const uint8_t head[9] = { 2, 0, 0, 0, TEST_TYPE };

	(void)state;
	put(raw.fd, head, sizeof(head));
	close(raw.fd);
	raw.fd = -1;
	receive_fails(raw.ch, SEED_ERR_LINK, "inside a frame");
	raw_close(&raw);
}

/* The thread sanitizer's shadow is not ours. */
#if defined(__SANITIZE_THREAD__)
#define SHADOW 8
#else
#define SHADOW 1
#endif

#define BOUND_KIB (64 << 10)	/* queues and what a checker adds; unbounded is 150 MiB and more */

static long memory_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long pages = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	return pages * 4 / SHADOW;
}

/* It reads nothing and says nothing: sending waits until silence is a broken link. */
static void a_peer_that_never_reads_does_not_hold_us(void **state)
{
	struct raw raw = raw_of((struct seed_channel_options){ .quiet_ms = 600 });
	struct stream out = { .ch = raw.ch, .frames = 1000, .len = SEED_FRAME_MAX };
	long before = memory_kib();
	uint64_t begun = seed_clock_ms();

	(void)state;
	send_stream(&out);
	assert_int_equal(out.rc, -1);
	assert_int_equal(out.err.kind, SEED_ERR_LINK);
	assert_non_null(strstr(out.err.text, "went silent"));
	assert_true(seed_clock_ms() - begun < 5000);
	assert_true(memory_kib() - before < BOUND_KIB);
	begun = seed_clock_ms();
	raw_close(&raw);	/* 4 MiB are still queued */
	assert_true(seed_clock_ms() - begun < 1000);
}

static void a_peer_that_is_alive_and_never_reads_is_given_up(void **state)
{
	struct raw raw = raw_of((struct seed_channel_options){ .quiet_ms = 60000, .idle_ms = 500 });
	struct stream out = { .ch = raw.ch, .frames = 1000, .len = SEED_FRAME_MAX };

	(void)state;
	send_stream(&out);
	assert_int_equal(out.err.kind, SEED_ERR_LINK);
	assert_non_null(strstr(out.err.text, "reads nothing"));
	raw_close(&raw);
}

/* 128 KiB of empty frames, or of one large one, out of four bytes, without end. */
static void bomb(const uint8_t *head, size_t head_len, uint8_t fill_byte)
{
	struct raw raw = raw_of((struct seed_channel_options){ .window_log = 20 });
	const uint8_t block[4] = { 0x02, 0x00, 0x10, fill_byte };
	uint8_t blocks[4000];
	long before = memory_kib();
	struct seed_frame frame;

	for (size_t i = 0; i < sizeof(blocks); i += 4)
		memcpy(blocks + i, block, 4);
	put_start(raw.fd, 20);
	put(raw.fd, head, head_len);
	for (int i = 0; i < 10; i++)
		put(raw.fd, blocks, sizeof(blocks));	/* 1.3 GiB */
	usleep(300000);
	assert_true(memory_kib() - before < BOUND_KIB);
	(void)seed_channel_try_receive(raw.ch, &frame, &(bool){ false }, NULL);
	raw_close(&raw);
}

static void a_bomb_is_bounded_by_the_queue(void **state)
{
	static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50 };

	(void)state;
	bomb(zstd, sizeof(zstd), 0);			/* ALIVE for ever */
	bomb(zstd, sizeof(zstd), 0xff);			/* no frame */
}

static void queued_frames_are_bounded(void **state)
{
	struct raw raw = raw_of((struct seed_channel_options){ .window_log = 20 });
	static uint8_t heads[8 * 8192];
	long before = memory_kib();

	(void)state;
	for (size_t i = 0; i < sizeof(heads); i += 8)
		heads[i + 4] = TEST_TYPE;
	fcntl(raw.fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 300; i++) {
		if (write(raw.fd, heads, sizeof(heads)) < 0)
			usleep(1000);	/* it does not read more */
	}
	assert_true(write(raw.fd, heads, sizeof(heads)) < (ssize_t)sizeof(heads));
	assert_true(memory_kib() - before < BOUND_KIB);
	raw_close(&raw);
}

static void cancelling_ends_every_wait(void **state)
{
	(void)state;
	for (int what = 0; what < 4; what++) {
		struct canceller c = { .at_ms = 0 };
		struct seed_channel_options opt = { .cancel = &c.cancel };
		struct stream out = { .frames = 1000, .len = SEED_FRAME_MAX };
		struct seed_frame frame;
		struct seed_error err = { 0 };
		struct raw raw = { .fd = -1 };
		pthread_t thread;

		if (what < 3)
			raw = raw_of(opt);
		else
			raw.fd = raw_socket(&opt);
		out.ch = raw.ch;
		if (what == 2)	/* more than the socket holds, less than the queue */
			for (int i = 0; i < 10; i++)
				send_ok(raw.ch, TEST_TYPE, &(uint8_t[100000]){ 0 }, 100000);
		assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &c), 0);
		if (what == 0)
			assert_int_equal(seed_channel_receive(raw.ch, &frame, &err), -1);
		else if (what == 1)
			send_stream(&out);
		else if (what == 2)
			assert_int_equal(seed_channel_drain(raw.ch, &err), -1);
		else
			assert_int_equal(seed_channel_open(&raw.ch, &opt, &err), -1);
		pthread_join(thread, NULL);
		assert_int_equal(what == 1 ? out.err.kind : err.kind, SEED_ERR_CANCELLED);
		assert_true(seed_clock_ms() - c.at_ms < 1000);
		raw_close(&raw);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_every_size_arrive_in_order),
		cmocka_unit_test(frames_cross_pipes_too),
		cmocka_unit_test(a_small_frame_behind_start_is_flushed),
		cmocka_unit_test(both_send_at_once_and_both_receive),
		cmocka_unit_test(try_receive_does_not_wait),
		cmocka_unit_test(a_frame_too_large_is_not_sent),
		cmocka_unit_test(what_was_sent_before_the_end_is_received),
		cmocka_unit_test(descriptors_are_blocking_again_at_the_end),
		cmocka_unit_test(the_limit_is_kept_within_5_percent),
		cmocka_unit_test(a_peer_that_proves_nothing_is_let_go),
		cmocka_unit_test(the_stream_of_an_admitted_peer_is_read),
		cmocka_unit_test(other_preambles_are_refused_by_name),
		cmocka_unit_test(a_newer_peer_that_speaks_ours_is_taken),
		cmocka_unit_test(what_is_no_frame_is_refused),
		cmocka_unit_test(a_stream_with_another_window_is_refused),
		cmocka_unit_test(a_stream_inside_a_stream_is_refused),
		cmocka_unit_test(bytes_that_trickle_past_the_deadline_are_a_broken_link),
		cmocka_unit_test(a_silent_peer_is_a_broken_link),
		cmocka_unit_test(alive_frames_keep_a_busy_peer),
		cmocka_unit_test(a_peer_that_is_only_alive_is_given_up),
		cmocka_unit_test(an_end_inside_a_frame_is_told),
		cmocka_unit_test(a_peer_that_never_reads_does_not_hold_us),
		cmocka_unit_test(a_peer_that_is_alive_and_never_reads_is_given_up),
		cmocka_unit_test(a_bomb_is_bounded_by_the_queue),
		cmocka_unit_test(queued_frames_are_bounded),
		cmocka_unit_test(cancelling_ends_every_wait),
	};

	alarm(300);	/* a deadlock is a failure */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
