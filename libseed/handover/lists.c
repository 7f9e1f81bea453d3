// SPDX-License-Identifier: LGPL-2.1-or-later
/* Copies of digest lists. (no .h: handover_internal.h) */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clone.h"
#include "base/fd.h"
#include "base/path.h"
#include "handover/handover_internal.h"

/* Swept by whoever opens the folder with its lock, as seed_file_replace()'s are. */
static const char temporary[] = ".tmp-handover";

static int copy(int from_dir, const char *from, int to_dir, struct seed_error *err)
{
	static const struct seed_copy_options plain = { 0 };
	SEED_AUTO(seed_fd_closep) int in = -1;
	SEED_AUTO(seed_fd_closep) int out = -1;
	bool shared;

	if (seed_path_open(&in, from_dir, from, O_RDONLY, 0, err) < 0 ||
	    seed_path_unlink(to_dir, temporary, err) < 0 ||
	    seed_path_open(&out, to_dir, temporary, O_WRONLY | O_CREAT | O_EXCL, 0600, err) < 0 ||
	    seed_clone(in, out, &shared, err) < 0 ||
	    (!shared && seed_copy(in, out, &plain, err) < 0) || seed_fd_sync(out, err) < 0)
		return -1;
	return seed_fd_close(&out, err);
}

int seed_handover_copy(int from_dir, const char *from, int to_dir, const char *to,
		       struct seed_error *err)
{
	if (copy(from_dir, from, to_dir, err) < 0)
		return seed_error_prefix(err, "copy %s", from);
	if (renameat(to_dir, temporary, to_dir, to) < 0)
		return seed_error_sys(err, errno, "rename to %s", to);
	return seed_fd_sync(to_dir, err);
}
