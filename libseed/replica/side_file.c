// SPDX-License-Identifier: LGPL-2.1-or-later
#include "replica/side_file.h"

#include <stdio.h>
#include <string.h>

void seed_side_file_name(const struct seed_manifest *m, size_t index, char out[SEED_SIDE_FILE_NAME])
{
	const struct seed_manifest_file *f = seed_vec_at(&m->files, index);
	unsigned int before = 0;

	for (size_t i = 0; i < index; i++) {
		const struct seed_manifest_file *other = seed_vec_at(&m->files, i);

		before += strcmp(other->role, f->role) == 0;
	}
	if (before)
		snprintf(out, SEED_SIDE_FILE_NAME, "%s.%u", f->role, before + 1);
	else
		snprintf(out, SEED_SIDE_FILE_NAME, "%s", f->role);
}

/* A disk may be called "nvram", too: its files end in letters. */
bool seed_side_file_is(const char *name)
{
	static const char *const roles[] = { "definition", "nvram", "loader", "tpm" };
	static const char *const others[] = { "manifest.json", "manifest.json.minisig",
					      "import.log" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(name, others[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		size_t len = strlen(roles[i]);

		if (strncmp(name, roles[i], len) != 0)
			continue;
		if (name[len] == '\0')
			return true;
		if (name[len] == '.' && name[len + 1] &&
		    name[len + 1 + strspn(name + len + 1, "0123456789")] == '\0')
			return true;
	}
	return false;
}
