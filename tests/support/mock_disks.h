/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks that are not there: umockdev shows the programs of a test a sysfs and a udev of its
 * own, filled from tests/support/umockdev/NAME.umockdev. The kernel's tables are files in the
 * test's folder.
 */
#ifndef TESTS_MOCK_DISKS_H
#define TESTS_MOCK_DISKS_H

#include <dlfcn.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <umockdev.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "base/cleanup.h"
#include "media/disks.h"
#include "tmpdir.h"

struct mock {
	struct tmpdir *dir;
	UMockdevTestbed *bed;
	char mountinfo[300], swaps[300];
	struct seed_disks *disks;
};

/* main() calls it first: the preloaded library has to be there from the start. */
static inline void mock_begin(char **argv)
{
	static const char library[] = "libumockdev-preload.so.0";
	const char *others = getenv("LD_PRELOAD");
	char preload[512];

	if (dlopen(library, RTLD_LAZY | RTLD_NOLOAD))
		return;
	if (others && strstr(others, library))
		_exit(77);	/* asked for, and not there */
	snprintf(preload, sizeof(preload), "%s%s%s", library, others ? ":" : "",
		 others ? others : "");
	setenv("LD_PRELOAD", preload, 1);
	/* Under the address sanitizer the preloaded library comes before its runtime. */
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
	execv("/proc/self/exe", argv);
	_exit(77);
}

static inline int mock_setup(void **state)
{
	struct mock *mock = calloc(1, sizeof(*mock));
	void *dir = NULL;

	if (!mock || tmpdir_setup(&dir) != 0)
		return -1;
	mock->dir = dir;
	mock->bed = umockdev_testbed_new();
	snprintf(mock->mountinfo, sizeof(mock->mountinfo), "%s/mountinfo", mock->dir->path);
	snprintf(mock->swaps, sizeof(mock->swaps), "%s/swaps", mock->dir->path);
	tmpdir_put(mock->dir, "mountinfo", "", 0);
	*state = mock;
	return 0;
}

static inline int mock_teardown(void **state)
{
	struct mock *mock = *state;
	void *dir = mock->dir;

	seed_disks_free(mock->disks);
	g_object_unref(mock->bed);
	free(mock);
	return tmpdir_teardown(&dir);
}

static inline void mock_plug(struct mock *mock, const char *name)
{
	char path[512];
	GError *error = NULL;

	snprintf(path, sizeof(path), "tests/support/umockdev/%s.umockdev", name);
	if (!umockdev_testbed_add_from_file(mock->bed, path, &error))
		fail_msg("%s: %s", path, error ? error->message : "?");
}

/* The tables as the kernel writes them; swaps without its heading. */
static inline void mock_mounts(struct mock *mock, const char *text)
{
	tmpdir_put(mock->dir, "mountinfo", text, strlen(text));
}

static inline void mock_swaps(struct mock *mock, const char *text)
{
	char all[1024];

	snprintf(all, sizeof(all), "Filename Type Size Used Priority\n%s", text);
	tmpdir_put(mock->dir, "swaps", all, strlen(all));
}

static inline void mock_read(struct mock *mock)
{
	const struct seed_disks_from from = { mock->mountinfo, mock->swaps };
	struct seed_error err = { 0 };

	seed_disks_free(mock->disks);
	mock->disks = NULL;
	assert_ok(seed_disks_read(&mock->disks, &from, &err), &err);
}

static inline const struct seed_disk *mock_disk(const struct mock *mock, const char *name)
{
	for (size_t i = 0; i < seed_disks_count(mock->disks); i++)
		if (strcmp(seed_disks_at(mock->disks, i)->name, name) == 0)
			return seed_disks_at(mock->disks, i);
	fail_msg("no disk %s", name);
	abort();
}

#define on_mock(name) cmocka_unit_test_setup_teardown(name, mock_setup, mock_teardown)

#endif
