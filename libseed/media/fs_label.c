// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/fs_label.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"

/* FAT and exFAT have no way to be labelled by their driver: the tools write to the device under it,
 * and udisks too refuses that while it is mounted. */
static const struct kind {
	const char *type, *program;
	size_t max;			/* bytes of a label */
	bool while_mounted, fat;
} kinds[] = {
	{ "ext2", "e2label", 16, true, false }, { "ext3", "e2label", 16, true, false },
	{ "ext4", "e2label", 16, true, false }, { "xfs", "xfs_io", 12, true, false },
	{ "btrfs", "btrfs", 255, true, false }, { "vfat", "fatlabel", 11, false, true },
	{ "exfat", "exfatlabel", 11, false, false },
};

/* The programs of the system and no others, whatever PATH says: this runs as root. */
static bool find_program(char out[64], const char *name)
{
	static const char *const folders[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(out, 64, "%s/%s", folders[i], name);
		if (access(out, X_OK) == 0)
			return true;
	}
	snprintf(out, 64, "%s", name);
	return false;
}

/* A label of ours holds A-Z a-z 0-9 . _ - and blanks. What begins with a dash would be an option,
 * xfs_io cuts at blanks, FAT has no small letters and no dots. */
static void fit_label(struct seed_fs_label *out, const struct kind *kind, const char *label)
{
	size_t len;

	snprintf(out->label, kind->max + 1, "%s", label);
	for (len = strlen(out->label); len && out->label[len - 1] == ' '; len--)
		out->label[len - 1] = '\0';
	for (char *p = out->label; *p; p++) {
		if ((p == out->label && *p == '-') || (kind->fat && *p == '.') ||
		    (strcmp(kind->type, "xfs") == 0 && *p == ' '))
			*p = '_';
		if (kind->fat)
			*p = (char)toupper((unsigned char)*p);
	}
}

bool seed_fs_label_plan(struct seed_fs_label *out, const char *type, const char *node,
			const char *point, const char *label)
{
	const struct kind *kind = NULL;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].type, type) == 0)
			kind = &kinds[i];
	if (!kind)
		return false;
	*out = (struct seed_fs_label){ .while_mounted = kind->while_mounted };
	out->installed = find_program(out->program, kind->program);
	fit_label(out, kind, label);
	out->argv[0] = out->program;
	if (strcmp(kind->program, "btrfs") == 0) {
		out->argv[1] = "filesystem";
		out->argv[2] = "label";
		out->argv[3] = point;
		out->argv[4] = out->label;
	} else if (strcmp(kind->program, "xfs_io") == 0) {
		/* xfs_admin works on unmounted ones alone; the kernel labels this one. */
		snprintf(out->command, sizeof(out->command), "label -s %s", out->label);
		out->argv[1] = "-c";
		out->argv[2] = out->command;
		out->argv[3] = point;
	} else {
		out->argv[1] = node;
		out->argv[2] = out->label;
	}
	return true;
}

/* posix_spawn and not fork: other threads of ours may hold locks. stdout is our result's. */
static int spawn(pid_t *pid, const struct seed_fs_label *plan, struct seed_error *err)
{
	char folders[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
	char *environment[] = { folders, locale, NULL };
	char *argv[SEED_FS_LABEL_ARGS + 1];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int rc;

	memcpy(argv, plan->argv, sizeof(argv));
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", 0, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&files, 2, 1);
	if (!rc)
		rc = posix_spawn_file_actions_addclosefrom_np(&files, 3);
	if (!rc)
		rc = posix_spawn(pid, plan->program, &files, &attr, argv, environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return rc ? seed_error_sys(err, rc, "%s", plan->program) : 0;
}

int seed_fs_label_run(const struct seed_fs_label *plan, struct seed_error *err)
{
	pid_t pid;
	int status;

	if (!plan->while_mounted)
		return seed_error_set(err, SEED_ERR_USAGE, "%s works on a file system that is not "
				      "mounted: unmount it first", plan->program);
	if (!plan->installed)
		return seed_error_set(err, SEED_ERR_USAGE, "%s is not installed", plan->program);
	if (spawn(&pid, plan, err) < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return seed_error_sys(err, errno, "%s", plan->program);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return seed_error_set(err, SEED_ERR_MEDIUM, "%s failed (%s %d)", plan->program,
			      WIFEXITED(status) ? "exit status" : "signal",
			      WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}
