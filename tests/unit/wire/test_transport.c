// SPDX-License-Identifier: LGPL-2.1-or-later
/* Children that are shell scripts of this test, in place of ssh and of vmseed. */
#include "cmocka_all.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "tmpdir.h"
#include "wire/transport.h"

static char program[512];

/* A script in the folder; its argument vector goes to "argv", one a line. */
static void script(const struct tmpdir *dir, const char *name, const char *body)
{
	char text[4096];
	int n = snprintf(text, sizeof(text),
			 "#!/bin/sh\nfor a; do printf '%%s\\n' \"$a\"; done >'%s/argv'\n%s\n",
			 dir->path, body);

	tmpdir_put(dir, name, text, (size_t)n);
	assert_int_equal(fchmodat(dir->fd, name, 0755, 0), 0);
	snprintf(program, sizeof(program), "%s/%s", dir->path, name);
}

static struct seed_dest dest_of(const char *text)
{
	struct seed_error err = { 0 };
	struct seed_dest dest;

	assert_ok(seed_dest_parse(&dest, text, &err), &err);
	return dest;
}

static struct seed_transport *open_ok(const char *to, struct seed_transport_options opt)
{
	struct seed_dest dest = dest_of(to);
	struct seed_transport *t = NULL;
	struct seed_error err = { 0 };

	if (dest.local)
		opt.program = program;
	else
		opt.ssh = program;
	assert_ok(seed_transport_open(&t, &dest, &opt, &err), &err);
	seed_dest_clear(&dest);
	return t;
}

static void close_says(struct seed_transport *t, unsigned int grace_ms, const char *text)
{
	struct seed_error why = { .kind = SEED_ERR_LINK, .text = "link" };

	seed_transport_close(t, grace_ms, &why);
	assert_int_equal(why.kind, SEED_ERR_LINK);
	assert_string_equal(why.text, text);
}

static void argv_is(const struct tmpdir *dir, const char *lines)
{
	if (!tmpdir_holds(dir, "argv", lines, strlen(lines)))
		fail_msg("the argument vector is not %s", lines);
}

#define OURS "-T\n-a\n-x\n-e\nnone\n-o\nRequestTTY=no\n-o\nClearAllForwardings=yes\n"	\
	     "-o\nServerAliveInterval=15\n-o\nServerAliveCountMax=4\n"

static void ssh_gets_an_argument_vector(void **state)
{
	const char *const options[] = { "IdentityFile=/a b/key", "Compression=no", NULL };

	script(*state, "ssh", "exit 0");
	seed_transport_close(open_ok("ssh://dr", (struct seed_transport_options){ .ssh = NULL }),
			     5000, NULL);
	argv_is(*state, OURS "-o\nBatchMode=yes\n-o\nConnectTimeout=30\n--\ndr\nvmseed serve\n");
	seed_transport_close(open_ok("ssh://ann@[::1]:2222/srv/seed",
				     (struct seed_transport_options){
					     .ssh_options = options, .may_ask = true,
					     .remote_program = "/opt/bin/vmseed" }), 5000, NULL);
	argv_is(*state, OURS "-o\nIdentityFile=/a b/key\n-o\nCompression=no\n-o\nConnectTimeout=30\n-p\n2222\n-l\nann\n"
			"--\n::1\n/opt/bin/vmseed --home /srv/seed serve\n");
}

static void a_directory_is_served_by_a_child(void **state)
{
	script(*state, "vmseed", "exit 0");
	seed_transport_close(open_ok("/srv/a; b", (struct seed_transport_options){ .ssh = NULL }),
			     5000, NULL);
	argv_is(*state, "--home\n/srv/a; b\nserve\n--allow-final\n");
}

static void what_a_far_shell_would_look_at_is_refused(void **state)
{
	const char *const programs[] = { "", "-x", "vm seed", "vmseed;reboot", "$(x)", "a'b" };
	struct seed_transport_options opt = { .ssh = "/bin/false" };
	struct seed_dest dest = dest_of("ssh://dr"), odd = dest_of("ssh://dr");
	struct seed_transport *t = NULL;
	struct seed_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		opt.remote_program = programs[i];
		assert_fails(seed_transport_open(&t, &dest, &opt, &err), &err, SEED_ERR_USAGE);
	}
	/* Made by hand, not parsed: as strict. */
	opt.remote_program = NULL;
	free(odd.host);
	odd.host = strdup("-oProxyCommand=touch x");
	assert_fails(seed_transport_open(&t, &odd, &opt, &err), &err, SEED_ERR_USAGE);
	seed_dest_clear(&odd);
	odd = dest_of("/srv/x");
	assert_fails(seed_transport_open(&t, &odd, &opt, &err), &err, SEED_ERR_USAGE);
	assert_null(t);
	seed_dest_clear(&odd);
	seed_dest_clear(&dest);
}

static void a_program_that_is_not_there_is_an_error_at_once(void **state)
{
	struct seed_transport_options opt = { .ssh = "/nonexistent/ssh" };
	struct seed_dest dest = dest_of("ssh://dr");
	struct seed_transport *t = NULL;
	const char *preload = getenv("LD_PRELOAD");
	struct seed_error err;

	(void)state;
	if (preload && strstr(preload, "vgpreload")) {
		seed_dest_clear(&dest);
		skip();		/* valgrind's vfork is a fork: what exec said is lost */
	}
	assert_fails(seed_transport_open(&t, &dest, &opt, &err), &err, SEED_ERR_SYSTEM);
	assert_non_null(strstr(err.text, "/nonexistent/ssh"));
	seed_dest_clear(&dest);
}

static void bytes_go_through_the_child_and_back(void **state)
{
	struct seed_transport *t;
	char buf[6] = "";
	int in, out;

	script(*state, "ssh", "exec cat");
	t = open_ok("ssh://dr", (struct seed_transport_options){ .ssh = NULL });
	in = seed_transport_take_in(t);
	out = seed_transport_take_out(t);
	assert_int_equal(seed_transport_take_in(t), -1);
	assert_int_equal(seed_transport_take_out(t), -1);
	assert_int_equal(write(out, "hello", 5), 5);
	assert_int_equal(read(in, buf, 5), 5);
	assert_string_equal(buf, "hello");
	close(out);
	assert_int_equal(read(in, buf, 5), 0);
	close(in);
	close_says(t, 5000, "link: ssh exited with 0");
}

static void the_child_has_no_descriptor_and_no_signal_state_of_ours(void **state)
{
	struct seed_transport *t;
	sigset_t usr, old;
	char buf[400] = "", number[16];
	ssize_t n, len = 0;
	int in, stray = open("/dev/null", O_RDONLY);	/* without O_CLOEXEC */

	sigemptyset(&usr);
	sigaddset(&usr, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr, &old);
	signal(SIGPIPE, SIG_IGN);
	script(*state, "ssh",
	       "for f in /proc/self/fd/*; do [ ! -e $f ] || printf '%s ' ${f##*/}; done\n"
	       "exec sed -n 's/^Sig\\(Blk\\|Ign\\):.*[1-9a-f][0-9a-f]\\{0,6\\}$/state/p' "
	       "/proc/self/status");
	t = open_ok("ssh://dr", (struct seed_transport_options){ .ssh = NULL });
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
	in = seed_transport_take_in(t);
	while ((n = read(in, buf + len, sizeof(buf) - 1 - (size_t)len)) > 0)
		len += n;
	close(in);
	close(stray);
	seed_transport_close(t, 5000, NULL);
	/* Others may be the shell's own. Signals 32 and 33 are libc's, which ignores them. */
	snprintf(number, sizeof(number), " %d ", stray);
	if (strncmp(buf, "0 1 ", 4) != 0 || strstr(buf, number) || strstr(buf, "state"))
		fail_msg("%s", buf);
}

static void the_childs_last_line_says_why(void **state)
{
	const struct seed_transport_options opt = { .ssh = NULL };
	struct seed_error why = { .kind = SEED_ERR_FORMAT, .text = "other" };

	script(*state, "ssh", "echo 'ssh: connect to host dr port 22: Connection refused' >&2\n"
			      "exit 255");
	close_says(open_ok("ssh://dr", opt), 5000,
		   "link: ssh: connect to host dr port 22: Connection refused");
	script(*state, "ssh", "printf 'banner\\n\\nlast\\033[1m words\\r\\n  \\n\\n' >&2\n"
			      "exit 255");
	close_says(open_ok("ssh://dr", opt), 5000, "link: last?[1m words");
	script(*state, "ssh", "exit 255");
	close_says(open_ok("ssh://dr", opt), 5000, "link: ssh exited with 255");
	script(*state, "ssh", "kill -9 $$");
	close_says(open_ok("ssh://dr", opt), 5000, "link: ssh was ended by signal 9");
	script(*state, "ssh", "echo 'sh: 1: vmseed: not found' >&2; exit 127");
	close_says(open_ok("ssh://dr", opt), 5000, "link: vmseed is not installed there, or not in "
		   "PATH (--remote-program names it)");
	seed_transport_close(open_ok("ssh://dr", opt), 5000, &why);
	assert_string_equal(why.text, "other");		/* no broken link: not asked */
}

static void a_greeting_is_no_reason_of_a_death_that_comes_later(void **state)
{
	const struct seed_transport_options opt = { .ssh = NULL };
	struct seed_transport *t;
	char byte;

	for (int words = 0; words < 2; words++) {
		script(*state, "ssh", words ? "echo 'authorised use only' >&2; printf x; read -r line\n"
					      "echo 'Connection to dr closed.' >&2; exit 255" :
					      "echo 'authorised use only' >&2; printf x; read -r line\n"
					      "exit 255");
		t = open_ok("ssh://dr", opt);
		SEED_AUTO(seed_fd_closep) int in = seed_transport_take_in(t);
		SEED_AUTO(seed_fd_closep) int out = seed_transport_take_out(t);

		assert_int_equal(read(in, &byte, 1), 1);
		seed_transport_greeted(t);
		assert_int_equal(write(out, "\n", 1), 1);
		close_says(t, 5000, words ? "link: Connection to dr closed." :
					    "link: ssh exited with 255");
	}
}

static void a_talkative_child_is_not_held(void **state)
{
	struct seed_transport *t;
	int in;
	char byte;

	script(*state, "ssh", "i=0; while [ $i -lt 3000 ]; do i=$((i + 1))\n"
			      "echo 'a line of stderr that is read by nobody for long' >&2; done\n"
			      "echo the end >&2; printf x; exit 3");
	t = open_ok("ssh://dr", (struct seed_transport_options){ .ssh = NULL });
	in = seed_transport_take_in(t);
	assert_int_equal(read(in, &byte, 1), 1);
	close(in);
	close_says(t, 5000, "link: the end");
}

static void a_child_that_hangs_is_ended(void **state)
{
	const struct seed_transport_options opt = { .ssh = NULL };
	struct seed_transport *t;
	uint64_t begun;
	int in;
	char byte;

	script(*state, "ssh", "echo before >&2; printf x; exec sleep 60");
	begun = seed_clock_ms();
	close_says(open_ok("ssh://dr", opt), 300, "link: before");
	assert_true(seed_clock_ms() - begun < 2000);
	script(*state, "ssh", "trap '' TERM; printf x; while :; do sleep 0.1; done");
	t = open_ok("ssh://dr", opt);
	in = seed_transport_take_in(t);
	assert_int_equal(read(in, &byte, 1), 1);
	begun = seed_clock_ms();
	seed_transport_close(t, 100, NULL);
	assert_true(seed_clock_ms() - begun < 5000);
	close(in);
	seed_transport_close(NULL, 0, NULL);
}

/* As a shared ssh connection does: it has our stderr pipe for as long as it likes. */
static void what_outlives_the_child_does_not_hold_us(void **state)
{
	uint64_t begun;

	script(*state, "ssh", "sleep 5 </dev/null >/dev/null & echo gone >&2; exit 1");
	begun = seed_clock_ms();
	close_says(open_ok("ssh://dr", (struct seed_transport_options){ .ssh = NULL }), 4000,
		   "link: gone");
	assert_true(seed_clock_ms() - begun < 3000);
}

static void who_may_ask_has_our_stderr(void **state)
{
	struct seed_transport *t;
	char path[512], text[8] = "";
	int kept = dup(2), fd;

	snprintf(path, sizeof(path), "%s/stderr", ((struct tmpdir *)*state)->path);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	script(*state, "ssh", "echo asked >&2; exit 255");
	dup2(fd, 2);
	t = open_ok("ssh://dr", (struct seed_transport_options){ .may_ask = true });
	dup2(kept, 2);
	close(kept);
	close_says(t, 5000, "link: ssh exited with 255");
	assert_int_equal(pread(fd, text, 6, 0), 6);
	assert_string_equal(text, "asked\n");
	close(fd);
}

#define WITH_FOLDER(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(ssh_gets_an_argument_vector),
		WITH_FOLDER(a_directory_is_served_by_a_child),
		cmocka_unit_test(what_a_far_shell_would_look_at_is_refused),
		cmocka_unit_test(a_program_that_is_not_there_is_an_error_at_once),
		WITH_FOLDER(bytes_go_through_the_child_and_back),
		WITH_FOLDER(the_child_has_no_descriptor_and_no_signal_state_of_ours),
		WITH_FOLDER(the_childs_last_line_says_why),
		WITH_FOLDER(a_greeting_is_no_reason_of_a_death_that_comes_later),
		WITH_FOLDER(a_talkative_child_is_not_held),
		WITH_FOLDER(a_child_that_hangs_is_ended),
		WITH_FOLDER(what_outlives_the_child_does_not_hold_us),
		WITH_FOLDER(who_may_ask_has_our_stderr),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
