/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

bool terminal_present(void)
{
	SEED_AUTO(seed_fd_closep) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	return fd >= 0;
}

/* read() and not stdio: a signal must end the wait, and a secret must not stay in a buffer. */
static int read_line(int fd, const struct seed_cancel *cancel, char *out, size_t size,
		     struct seed_error *err)
{
	size_t len = 0;
	ssize_t got;
	char c;

	for (;;) {
		if (seed_cancelled(cancel, err) < 0)
			return -1;
		got = read(fd, &c, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return seed_error_sys(err, errno, "read from the terminal");
		if (got == 0)
			return seed_error_set(err, SEED_ERR_USAGE, "no answer");
		if (c == '\n')
			break;
		if (len + 1 >= size)
			return seed_error_set(err, SEED_ERR_USAGE, "the answer is too long");
		out[len++] = c;
	}
	out[len] = '\0';
	return 0;
}

int terminal_ask(const char *prompt, bool secret, const struct seed_cancel *cancel, char *out,
		 size_t size, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios shown, hidden;
	int status;

	if (fd < 0)
		return seed_error_set(err, SEED_ERR_USAGE, "there is no terminal to ask at");
	if (secret) {
		if (tcgetattr(fd, &shown) < 0)
			return seed_error_sys(err, errno, "terminal");
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		/* A secret that would be shown is not asked for. */
		if (tcsetattr(fd, TCSAFLUSH, &hidden) < 0)
			return seed_error_sys(err, errno, "terminal");
	}
	status = seed_fd_write(fd, prompt, strlen(prompt), err);
	if (status == 0)
		status = read_line(fd, cancel, out, size, err);
	if (secret) {
		tcsetattr(fd, TCSAFLUSH, &shown);
		seed_fd_write(fd, "\n", 1, NULL);
	}
	return status;
}
