// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A child with three pipes. posix_spawn and not fork: other threads of ours may hold locks. Its
 * stderr is read all the time by a thread, or a talkative child would stop at a full pipe; what may
 * outlive the child (a shared ssh connection) keeps its stderr open, so the end of the child ends
 * the thread, not the end of the file.
 */
#include "wire/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "wire/transport_internal.h"

#define KEPT 8192u		/* bytes of stderr */
#define TERM_MS 2000u		/* between asking to end and killing */
#define KILL_MS 5000u		/* stuck in the kernel beyond this: left to whoever reaps us */
#define NAP_NS 10000000L

struct seed_transport {
	pid_t pid;
	int in, out;			/* ours; -1 once taken */
	int said, stop;			/* its stderr or -1; eventfd */
	bool listens;			/* the thread runs */
	pthread_t listener;
	char *name;			/* of the program, for messages */
	int status;			/* of waitpid */
	bool known;			/* @status is */
	bool asked;			/* we ended it */
	pthread_mutex_t lock;		/* of what is below, and of reading @said */
	size_t kept;
	char text[KEPT];
};

int seed_argv_add(struct seed_argv *argv, const char *text, struct seed_error *err)
{
	if (argv->count == SEED_ARGV_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "too many ssh options");
	argv->arg[argv->count] = strdup(text);
	if (!argv->arg[argv->count])
		return seed_error_sys(err, ENOMEM, "arguments");
	argv->count++;
	return 0;
}

void seed_argv_clear(struct seed_argv *argv)
{
	for (size_t i = 0; i < argv->count; i++)
		free(argv->arg[i]);
	argv->count = 0;
}

/* Above 2, so that no dup2() onto the child's 0 to 2 hits the next one. */
static int pipe_above(int ends[2], struct seed_error *err)
{
	int low[2], errnum;

	if (pipe2(low, O_CLOEXEC) < 0)
		return seed_error_sys(err, errno, "pipe");
	ends[0] = fcntl(low[0], F_DUPFD_CLOEXEC, 3);
	ends[1] = fcntl(low[1], F_DUPFD_CLOEXEC, 3);
	errnum = errno;
	close(low[0]);
	close(low[1]);
	return ends[0] < 0 || ends[1] < 0 ? seed_error_sys(err, errnum, "pipe") : 0;
}

static int spawn(pid_t *pid, char *const *argv, int in, int out, int said, struct seed_error *err)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int rc;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn_file_actions_adddup2(&files, in, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&files, out, 1);
	if (!rc && said >= 0)
		rc = posix_spawn_file_actions_adddup2(&files, said, 2);
	if (!rc)
		rc = posix_spawn_file_actions_addclosefrom_np(&files, 3);
	if (!rc)
		rc = posix_spawnp(pid, argv[0], &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return rc ? seed_error_sys(err, rc, "%s", argv[0]) : 0;
}

/* The last KEPT bytes stay. */
static void keep(struct seed_transport *t, const char *data, size_t len)
{
	size_t over;

	if (len > KEPT) {
		data += len - KEPT;
		len = KEPT;
	}
	over = t->kept + len > KEPT ? t->kept + len - KEPT : 0;
	memmove(t->text, t->text + over, t->kept - over);
	t->kept -= over;
	memcpy(t->text + t->kept, data, len);
	t->kept += len;
}

/* Reads until the end, or until it is told to stop and nothing more is there. */
static void *listen_loop(void *arg)
{
	struct seed_transport *t = arg;
	char buf[4096];
	int errnum;
	bool full;
	ssize_t n;

	for (;;) {
		struct pollfd fds[2] = { { .fd = t->said, .events = POLLIN },
					 { .fd = t->stop, .events = POLLIN } };

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return NULL;
		pthread_mutex_lock(&t->lock);
		n = read(t->said, buf, sizeof(buf));
		errnum = errno;
		if (n > 0)
			keep(t, buf, (size_t)n);
		full = t->kept == KEPT;
		pthread_mutex_unlock(&t->lock);
		if (n == 0 || (n < 0 && ((errnum != EAGAIN && errnum != EINTR) || fds[1].revents)))
			return NULL;
		if (n > 0 && fds[1].revents && full)
			return NULL;	/* what outlives the child may never stop talking */
	}
}

void seed_transport_greeted(struct seed_transport *t)
{
	char buf[4096];
	ssize_t n = 1;

	if (!t->listens)
		return;
	/* What lies in the pipe was said before, too. One that never stops talking is not waited
	 * for. */
	pthread_mutex_lock(&t->lock);
	for (int i = 0; i < 64 && n > 0; i++)
		n = read(t->said, buf, sizeof(buf));
	t->kept = 0;
	pthread_mutex_unlock(&t->lock);
}

static int start_listener(struct seed_transport *t, struct seed_error *err)
{
	sigset_t all, old;
	int rc;

	t->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->stop < 0 || fcntl(t->said, F_SETFL, O_NONBLOCK) < 0)
		return seed_error_sys(err, errno, "pipe");
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&t->listener, NULL, listen_loop, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	t->listens = rc == 0;
	return rc ? seed_error_sys(err, rc, "thread") : 0;
}

/* Pipes, child, listener; the child's ends are closed here. */
static int start(struct seed_transport *t, char *const *argv, bool capture, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int child_in = -1, child_out = -1, child_said = -1;
	int ends[2] = { -1, -1 }, rc;

	rc = pipe_above(ends, err);
	child_in = ends[0];
	t->out = ends[1];
	if (rc < 0)
		return -1;
	ends[0] = ends[1] = -1;
	rc = pipe_above(ends, err);
	t->in = ends[0];
	child_out = ends[1];
	if (rc < 0)
		return -1;
	if (capture) {
		ends[0] = ends[1] = -1;
		rc = pipe_above(ends, err);
		t->said = ends[0];
		child_said = ends[1];
		if (rc < 0)
			return -1;
	}
	if (spawn(&t->pid, argv, child_in, child_out, child_said, err) < 0)
		return -1;
	return capture ? start_listener(t, err) : 0;
}

int seed_transport_open(struct seed_transport **out, const struct seed_dest *dest,
			const struct seed_transport_options *opt, struct seed_error *err)
{
	SEED_AUTO(seed_argv_clearp) struct seed_argv argv = { .count = 0 };
	SEED_AUTO(seed_transport_closep) struct seed_transport *t = NULL;
	const char *slash;

	if ((dest->local ? seed_transport_local(&argv, dest, opt, err) :
			   seed_transport_ssh(&argv, dest, opt, err)) < 0)
		return -1;
	t = calloc(1, sizeof(*t));
	if (!t)
		return seed_error_sys(err, ENOMEM, "child");
	pthread_mutex_init(&t->lock, NULL);
	t->pid = -1;
	t->in = t->out = t->said = t->stop = -1;
	slash = strrchr(argv.arg[0], '/');
	t->name = strdup(slash ? slash + 1 : argv.arg[0]);
	if (!t->name)
		return seed_error_sys(err, ENOMEM, "child");
	if (start(t, argv.arg, dest->local || !opt->may_ask, err) < 0)
		return -1;
	*out = seed_steal(&t);
	return 0;
}

int seed_transport_take_in(struct seed_transport *t)
{
	int fd = t->in;

	t->in = -1;
	return fd;
}

int seed_transport_take_out(struct seed_transport *t)
{
	int fd = t->out;

	t->out = -1;
	return fd;
}

/* It is gone. Not by a pidfd: this is once a run, and old kernels have none. */
static bool wait_child(struct seed_transport *t, unsigned int ms)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	uint64_t until = seed_clock_ms() + ms;
	pid_t pid;

	for (;;) {
		pid = waitpid(t->pid, &t->status, WNOHANG);
		t->known = pid == t->pid;
		if (pid == t->pid || (pid < 0 && errno != EINTR))
			return true;	/* or somebody else reaped it */
		if (seed_clock_ms() >= until)
			return false;
		nanosleep(&nap, NULL);
	}
}

static void end_child(struct seed_transport *t, unsigned int grace_ms)
{
	if (t->pid < 0 || wait_child(t, grace_ms))
		return;
	t->asked = true;
	kill(t->pid, SIGTERM);
	if (wait_child(t, TERM_MS))
		return;
	kill(t->pid, SIGKILL);
	wait_child(t, KILL_MS);
}

static void end_listener(struct seed_transport *t)
{
	uint64_t one = 1;

	/* A counter of 0 always takes 1. */
	if (t->listens && write(t->stop, &one, sizeof(one)) == (ssize_t)sizeof(one))
		pthread_join(t->listener, NULL);
	t->listens = false;
}

/* The last line that says something, in place; NULL: none. */
static char *last_line(struct seed_transport *t)
{
	size_t end = t->kept < KEPT ? t->kept : KEPT - 1, at;

	if (t->kept == KEPT)	/* room for the NUL */
		memmove(t->text, t->text + 1, KEPT - 1);
	t->text[end] = '\0';
	for (size_t i = 0; i < end; i++)
		if (t->text[i] == '\0' || t->text[i] == '\r')
			t->text[i] = ' ';
	for (;;) {
		while (end && strchr(" \t\n", t->text[end - 1]))
			end--;
		if (!end)
			return NULL;
		t->text[end] = '\0';
		for (at = end; at && t->text[at - 1] != '\n'; at--)
			;
		/* ssh's answer to our own signal is no reason. */
		if (!t->asked || strncmp(t->text + at, "Killed by signal", 16) != 0)
			return t->text + at;
		end = at;
	}
}

static void add(struct seed_error *why, const char *what)
{
	struct seed_error before = *why;

	seed_error_set(why, SEED_ERR_LINK, "%s: %s", before.text, what);
}

static void tell_death(struct seed_transport *t, struct seed_error *why)
{
	char *line = last_line(t), text[128];
	bool exited = t->known && WIFEXITED(t->status);

	if (exited && WEXITSTATUS(t->status) == 127) {
		add(why, "vmseed is not installed there, or not in PATH "
			 "(--remote-program names it)");
	} else if (line) {
		add(why, line);
	} else if (exited && !t->asked) {
		snprintf(text, sizeof(text), "%.80s exited with %d", t->name,
			 WEXITSTATUS(t->status));
		add(why, text);
	} else if (t->known && !t->asked && WIFSIGNALED(t->status)) {
		snprintf(text, sizeof(text), "%.80s was ended by signal %d", t->name,
			 WTERMSIG(t->status));
		add(why, text);
	}
}

void seed_transport_close(struct seed_transport *t, unsigned int grace_ms, struct seed_error *why)
{
	if (!t)
		return;
	seed_fd_closep(&t->in);
	seed_fd_closep(&t->out);
	end_child(t, grace_ms);
	end_listener(t);
	if (why && why->kind == SEED_ERR_LINK)
		tell_death(t, why);
	seed_fd_closep(&t->said);
	seed_fd_closep(&t->stop);
	pthread_mutex_destroy(&t->lock);
	free(t->name);
	free(t);
}
