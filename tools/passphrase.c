/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "terminal.h"

void passphrase_source_clear(struct passphrase_source *source)
{
	free(source->file);
	free(source->command);
	*source = (struct passphrase_source){ .fd = -1 };
}

/* The options, or without any the variables. Strings are borrowed. */
static struct passphrase_source effective(const struct passphrase_source *source)
{
	struct passphrase_source use = *source;
	char *file = getenv("VMSEED_PASSPHRASE_FILE");
	char *command = getenv("VMSEED_PASSPHRASE_COMMAND");

	if (use.file || use.command || use.fd >= 0)
		return use;
	use.file = file && *file ? file : NULL;
	use.command = command && *command ? command : NULL;
	return use;
}

bool passphrase_source_given(const struct passphrase_source *source)
{
	struct passphrase_source use = effective(source);

	return use.file || use.command || use.fd >= 0;
}

/* The first line of what @fd gives; @out is @size bytes and wiped by the caller on failure. */
static int read_phrase(int fd, const struct seed_cancel *cancel, char *out, size_t size,
		       struct seed_error *err)
{
	size_t len = 0;
	ssize_t got;
	char *end;

	do {
		if (seed_cancelled(cancel, err) < 0)
			return -1;
		got = read(fd, out + len, size - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return seed_error_sys(err, errno, "read");
		len += (size_t)got;
	} while (got != 0 && len < size && !memchr(out, '\n', len));
	end = memchr(out, '\n', len);
	if (!end && len == size)
		return seed_error_set(err, SEED_ERR_USAGE, "longer than %zu bytes", size - 1);
	len = end ? (size_t)(end - out) : len;
	if (memchr(out, '\0', len))
		return seed_error_set(err, SEED_ERR_USAGE, "not text");
	if (len == 0)
		return seed_error_set(err, SEED_ERR_USAGE, "it is empty");
	out[len] = '\0';
	return 0;
}

static int from_file(const char *path, const struct seed_cancel *cancel, char *out, size_t size,
		     struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char quoted[SEED_QUOTED];

	seed_quote(path, quoted, sizeof(quoted));
	if (fd < 0)
		return seed_error_sys(err, errno, "passphrase file %s", quoted);
	if (read_phrase(fd, cancel, out, size, err) < 0)
		return seed_error_prefix(err, "passphrase file %s", quoted);
	return 0;
}

/* The child has its own signals back; its stdout is the pipe and its stdin is ours, so that it
 * may itself ask at the terminal. */
static int spawn_shell(pid_t *out, const char *command, int to, struct seed_error *err)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)command, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t defaults;
	int code;

	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return seed_error_sys(err, ENOMEM, "passphrase command");
	if (posix_spawnattr_init(&attr) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return seed_error_sys(err, ENOMEM, "passphrase command");
	}
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	code = posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
	if (code == 0)
		code = posix_spawn(out, "/bin/sh", &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return code ? seed_error_sys(err, code, "passphrase command") : 0;
}

static int from_command(const char *command, const struct seed_cancel *cancel, char *out,
			size_t size, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int from = -1;
	SEED_AUTO(seed_fd_closep) int to = -1;
	int pipes[2], status = 0, read_status;
	pid_t child;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return seed_error_sys(err, errno, "passphrase command");
	from = pipes[0];
	to = pipes[1];
	if (spawn_shell(&child, command, to, err) < 0)
		return -1;
	seed_fd_closep(&to);
	read_status = read_phrase(from, cancel, out, size, err);
	/* A command that still writes meets a closed pipe; one that waits is asked to end. */
	seed_fd_closep(&from);
	if (seed_cancelled(cancel, NULL) < 0)
		kill(child, SIGTERM);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return seed_error_sys(err, errno, "passphrase command");
	if (seed_cancelled(cancel, err) < 0)
		return -1;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return seed_error_set(err, SEED_ERR_USAGE, "passphrase command failed (%s %d)",
				      WIFEXITED(status) ? "status" : "signal",
				      WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	return read_status < 0 ? seed_error_prefix(err, "passphrase command") : 0;
}

int passphrase_get(const struct passphrase_source *source, const char *prompt,
		   const struct seed_cancel *cancel, char *out, size_t size,
		   struct seed_error *err)
{
	struct passphrase_source use = effective(source);
	char line[200];
	int status;

	if (!!use.file + !!use.command + (use.fd >= 0) > 1)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "the passphrase has more than one source");
	if (use.file) {
		status = from_file(use.file, cancel, out, size, err);
	} else if (use.command) {
		status = from_command(use.command, cancel, out, size, err);
	} else if (use.fd >= 0) {
		status = read_phrase(use.fd, cancel, out, size, err);
		if (status < 0)
			seed_error_prefix(err, "passphrase from descriptor %d", use.fd);
	} else if (!terminal_present()) {
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s: there is no terminal to ask at; give --passphrase-file, "
				      "--passphrase-fd or --passphrase-command", prompt);
	} else {
		snprintf(line, sizeof(line), "%s: ", prompt);
		status = terminal_ask(line, true, cancel, out, size, err);
	}
	if (status < 0)
		seed_wipe(out, size);
	return status;
}

static int choose(const struct seed_cancel *cancel, char *out, char *again, size_t size,
		  struct seed_error *err)
{
	if (terminal_ask("New passphrase: ", true, cancel, out, size, err) < 0 ||
	    terminal_ask("The same again: ", true, cancel, again, size, err) < 0)
		return -1;
	if (!*out)
		return seed_error_set(err, SEED_ERR_USAGE, "the passphrase is empty");
	if (strcmp(out, again) != 0)
		return seed_error_set(err, SEED_ERR_USAGE, "the two passphrases differ");
	return 0;
}

int passphrase_choose(const struct seed_cancel *cancel, char *out, size_t size,
		      struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *again = calloc(1, size);
	int status;

	if (!again)
		return seed_error_sys(err, ENOMEM, "passphrase");
	status = choose(cancel, out, again, size, err);
	seed_wipe(again, size);
	if (status < 0)
		seed_wipe(out, size);
	return status;
}
