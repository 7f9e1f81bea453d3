/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A temporary folder for one test, in $TMPDIR or /tmp: list tests as
 * cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown); *state is then a
 * struct tmpdir.
 */
#ifndef TESTS_TMPDIR_H
#define TESTS_TMPDIR_H

#include <stdbool.h>
#include <stddef.h>

struct tmpdir {
	char path[256];
	int fd;		/* the folder, open */
};

int tmpdir_setup(void **state);
int tmpdir_teardown(void **state);

/* A file in the folder with these bytes, as given, also over an old one. */
void tmpdir_put(const struct tmpdir *dir, const char *name, const void *data, size_t len);
/* Its bytes are these. */
bool tmpdir_holds(const struct tmpdir *dir, const char *name, const void *data, size_t len);
/* Names in the folder. */
unsigned int tmpdir_count(const struct tmpdir *dir);

#endif
