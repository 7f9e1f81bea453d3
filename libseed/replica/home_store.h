/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a home keeps its replicas: HOME/replicas, or the folder that the file HOME/store names
 * (one absolute path and a newline), which the first import with --store wrote.
 */
#ifndef SEED_REPLICA_HOME_STORE_H
#define SEED_REPLICA_HOME_STORE_H

#include <stdbool.h>

#include "base/error.h"

/**
 * seed_store_open() - open the store
 * @path: as given by the operator, or NULL for the remembered one
 * @make: make HOME/replicas when it is missing, and remember @path; else NOTFOUND
 * @where: receives its absolute path, freed by the caller; NULL when not wanted
 *
 * A home has one store. Another @path than the remembered one is USAGE as long as replicas lie
 * there: they would be lost from sight.
 */
int seed_store_open(int *out, int home, const char *path, bool make, char **where,
		    struct seed_error *err);

#endif
