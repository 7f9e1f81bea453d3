// SPDX-License-Identifier: LGPL-2.1-or-later
#include "wire/transport_internal.h"

int seed_transport_local(struct seed_argv *argv, const struct seed_dest *dest,
			 const struct seed_transport_options *opt, struct seed_error *err)
{
	const char *const words[] = { opt->program, "--home", dest->home, "serve",
					/* whoever runs this has both homes */
					"--allow-final" };

	if (!opt->program || opt->program[0] != '/' || !dest->home)
		return seed_error_set(err, SEED_ERR_USAGE, "no program to serve %s", dest->text);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (seed_argv_add(argv, words[i], err) < 0)
			return -1;
	return 0;
}
