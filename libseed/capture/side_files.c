/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See side_files.h. */
#include "capture/side_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"

/* A file that the operator named: links on the way to it are the operator's business. */
static int read_operators_file(const char *path, char **data, size_t *len, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	SEED_AUTO(seed_freep) char *real = realpath(path, NULL);
	char *base;

	if (!real)
		return errno == ENOENT ? seed_error_set(err, SEED_ERR_NOTFOUND, "no such file")
				       : seed_error_sys(err, errno, "open");
	base = strrchr(real, '/');
	*base++ = '\0';
	if (seed_path_open_folder(&dir, *real ? real : "/", err) < 0)
		return -1;
	return seed_file_read(dir, base, SEED_SIDE_FILE_MAX, data, len, err);
}

/* NULL when it is not there and need not be. */
static int read_file(const struct seed_vmdef_file *def, const char *vm_name, char **data,
		     size_t *len, const struct seed_events *events, struct seed_error *err)
{
	char quoted[SEED_QUOTED], name[SEED_QUOTED];
	struct seed_error why = { 0 };

	*data = NULL;
	if (read_operators_file(def->path, data, len, &why) == 0)
		return 0;
	seed_quote(def->path, quoted, sizeof(quoted));
	if (why.kind != SEED_ERR_NOTFOUND || strcmp(def->role, "definition") == 0) {
		if (err)
			*err = why;
		return seed_error_prefix(err, "%s %s", def->role, quoted);
	}
	seed_event_note(events, SEED_EVENT_WARNING,
			"%s: %s file %s is not there and does not travel",
			seed_quote(vm_name, name, sizeof(name)), def->role, quoted);
	return 0;
}

int seed_side_files_read(struct seed_vec *out, const struct seed_vmdef *def,
			 const struct seed_events *events, struct seed_error *err)
{
	for (size_t i = 0; i < def->files.count; i++) {
		const struct seed_vmdef_file *from = seed_vec_at(&def->files, i);
		struct seed_side_file file = { 0 };

		if (read_file(from, def->name, &file.data, &file.len, events, err) < 0)
			return -1;
		if (!file.data)
			continue;
		snprintf(file.role, sizeof(file.role), "%s", from->role);
		if (!seed_vec_push(out, sizeof(file), &file)) {
			free(file.data);
			return seed_error_sys(err, ENOMEM, "%s", from->role);
		}
	}
	return 0;
}

void seed_side_files_clear(struct seed_vec *files)
{
	for (size_t i = 0; i < files->count; i++)
		free(((struct seed_side_file *)seed_vec_at(files, i))->data);
	seed_vec_free(files);
}
