// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "capture/receipts.h"
#include "tmpdir.h"

#define SITE(digit) digit digit digit digit digit digit digit digit
#define SITE_1 SITE("1111")
#define SITE_2 SITE("2222")

static struct seed_signing_key *key;

static int group_setup(void **state)
{
	(void)state;
	return seed_signing_key_generate(&key, NULL);
}

static int group_teardown(void **state)
{
	(void)state;
	seed_signing_key_free(key);
	return 0;
}

static struct seed_id site_of(uint8_t byte)
{
	struct seed_id site;

	memset(&site, byte, sizeof(site));
	return site;
}

/* The site of 32 times that digit acknowledges a generation. */
static void acknowledge(const struct tmpdir *vm, uint8_t byte, uint64_t generation)
{
	struct seed_receipt_disk disk = { .slot = "vda", .proved = "delta", .size = 65536 };
	struct seed_receipt r = {
		.site = site_of(byte), .generation = generation, .state = "current",
		.lineage = { .count = 1, .timelines[0].id.bytes[0] = 7 },
	};
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len;

	assert_non_null(seed_vec_push(&r.disks, sizeof(disk), &disk));
	assert_ok(seed_receipt_sign(&r, key, &text, &len, signature, &err), &err);
	assert_ok(seed_receipts_put(vm->fd, &r, text, len, signature, &err), &err);
	seed_receipt_clear(&r);
}

static int get(const struct tmpdir *vm, uint8_t byte, uint64_t *generation, struct seed_error *err)
{
	SEED_AUTO(seed_receipt_clear) struct seed_receipt r = { 0 };
	struct seed_id site = site_of(byte);
	int rc = seed_receipts_get(&r, vm->fd, &site, seed_signing_key_public(key), err);

	*generation = r.generation;
	return rc;
}

static int note(const struct seed_receipt_file *file, void *arg, struct seed_error *err)
{
	char *seen = arg;
	SEED_AUTO(seed_receipt_clear) struct seed_receipt r = { 0 };

	snprintf(seen + strlen(seen), 100 - strlen(seen), "%02x:", file->site.bytes[0]);
	if (seed_receipt_open(&r, file->text, file->len, file->signature, file->signature_len,
			      seed_signing_key_public(key), err) < 0)
		strcat(seen, "?;");
	else
		snprintf(seen + strlen(seen), 100 - strlen(seen), "%d;", (int)r.generation);
	return 0;
}

static void assert_each(const struct tmpdir *vm, const char *expected)
{
	struct seed_error err = { 0 };
	char seen[100] = "";

	assert_ok(seed_receipts_each(vm->fd, note, seen, &err), &err);
	assert_string_equal(seen, expected);
}

static void the_newest_of_each_destination_stays(void **state)
{
	const struct tmpdir *vm = *state;
	struct seed_error err = { 0 };
	uint64_t generation;
	struct stat st;

	assert_each(vm, "");
	assert_fails(get(vm, 0x11, &generation, &err), &err, SEED_ERR_NOTFOUND);
	acknowledge(vm, 0x22, 3);
	acknowledge(vm, 0x11, 4);
	acknowledge(vm, 0x22, 5);
	assert_each(vm, "11:4;22:5;");
	assert_ok(get(vm, 0x22, &generation, &err), &err);
	assert_int_equal(generation, 5);
	assert_fails(get(vm, 0x33, &generation, &err), &err, SEED_ERR_NOTFOUND);
	assert_int_equal(fstatat(vm->fd, "receipts/" SITE_1 ".json.minisig", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* What a crash between signature and text leaves, and what strangers leave. */
static void what_does_not_verify_counts_as_none(void **state)
{
	const struct tmpdir *vm = *state;
	struct seed_error err = { 0 };
	uint64_t generation;

	acknowledge(vm, 0x11, 4);
	acknowledge(vm, 0x22, 5);
	assert_int_equal(renameat(vm->fd, "receipts/" SITE_2 ".json.minisig", vm->fd,
				  "receipts/" SITE_1 ".json.minisig"), 0);
	tmpdir_put(vm, "receipts/stranger.json", "{", 1);
	assert_fails(get(vm, 0x11, &generation, &err), &err, SEED_ERR_TRUST);
	assert_fails(get(vm, 0x22, &generation, &err), &err, SEED_ERR_NOTFOUND);
	assert_each(vm, "11:?;");
	acknowledge(vm, 0x11, 6);
	assert_each(vm, "11:6;");
}

static void a_receipt_under_anothers_name_is_refused(void **state)
{
	const struct tmpdir *vm = *state;
	struct seed_error err = { 0 };
	uint64_t generation;

	acknowledge(vm, 0x11, 4);
	assert_int_equal(renameat(vm->fd, "receipts/" SITE_1 ".json", vm->fd,
				  "receipts/" SITE_2 ".json"), 0);
	assert_int_equal(renameat(vm->fd, "receipts/" SITE_1 ".json.minisig", vm->fd,
				  "receipts/" SITE_2 ".json.minisig"), 0);
	assert_fails(get(vm, 0x22, &generation, &err), &err, SEED_ERR_FORMAT);
}

#define IN_VM(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_VM(the_newest_of_each_destination_stays),
		IN_VM(what_does_not_verify_counts_as_none),
		IN_VM(a_receipt_under_anothers_name_is_refused),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
