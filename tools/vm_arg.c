// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vm_arg.h"

#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "handover/promote.h"
#include "replica/home_store.h"

bool vm_arg_is_name(const char *arg)
{
	return !strchr(arg, '=') && access(arg, F_OK) != 0;
}

int vm_arg_read(struct cli *cli, struct seed_vmdef **out, const char *arg,
		const struct seed_id *uuid, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *path = NULL;
	SEED_AUTO(seed_fd_closep) int store = -1;
	struct seed_error why = { 0 };
	int home;

	if (uuid || !vm_arg_is_name(arg) || cli_home(cli, &home, NULL) < 0 ||
	    seed_store_open(&store, home, NULL, false, &path, NULL) < 0)
		return seed_vmdef_read(out, arg, uuid, err);
	if (seed_promoted_vmdef(out, store, path, arg, &why) == 0)
		return 0;
	/* No such replica: then it was meant as a file. */
	if (why.kind == SEED_ERR_NOTFOUND)
		return seed_vmdef_read(out, arg, uuid, err);
	*err = why;
	return -1;
}
