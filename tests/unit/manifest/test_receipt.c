// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "block/grid.h"
#include "manifest/receipt.h"

static struct seed_signing_key *key, *other_key;

static int setup(void **state)
{
	(void)state;
	return seed_signing_key_generate(&key, NULL) || seed_signing_key_generate(&other_key, NULL);
}

static int teardown(void **state)
{
	(void)state;
	seed_signing_key_free(key);
	seed_signing_key_free(other_key);
	return 0;
}

static void push_disk(struct seed_receipt *r, const char *slot, const char *proved)
{
	struct seed_receipt_disk disk = { .size = (uint64_t)8 << 40 };

	snprintf(disk.slot, sizeof(disk.slot), "%s", slot);
	snprintf(disk.proved, sizeof(disk.proved), "%s", proved);
	memset(&disk.root, 0xab, sizeof(disk.root));
	assert_non_null(seed_vec_push(&r->disks, sizeof(disk), &disk));
}

static struct seed_receipt receipt_of(size_t timelines, size_t disks)
{
	struct seed_receipt r = {
		.site = { { 1 } }, .origin = { { 2 } }, .uuid = { { 3 } }, .seed = { { 4 } },
		.generation = SEED_GENERATION_MAX, .state = "current", .at = 1767409445,
		.lineage = { .count = timelines },
	};
	char slot[33];

	for (size_t i = 0; i < timelines; i++) {
		struct seed_timeline *t = &r.lineage.timelines[i];

		t->id.bytes[0] = (uint8_t)(i + 1);
		t->writer.bytes[0] = 2;
		t->forked = i > 0;
		if (!t->forked)
			continue;
		t->parent = t[-1].id;
		t->parent_generation = SEED_GENERATION_MAX - 1;
	}
	for (size_t i = 0; i < disks; i++) {
		snprintf(slot, sizeof(slot), "%032zu", i);
		push_disk(&r, disks == 1 ? "vda" : slot, i % 2 ? "full" : "delta");
	}
	return r;
}

static void assert_same(const struct seed_receipt *a, const struct seed_receipt *b)
{
	assert_true(seed_id_equal(&a->site, &b->site) && seed_id_equal(&a->origin, &b->origin));
	assert_true(seed_id_equal(&a->uuid, &b->uuid) && seed_id_equal(&a->seed, &b->seed));
	assert_int_equal(a->generation, b->generation);
	assert_int_equal(seed_lineage_compare(&a->lineage, 1, &b->lineage, 1), SEED_LINEAGE_SAME);
	assert_string_equal(a->state, b->state);
	assert_int_equal(a->at, b->at);
	assert_int_equal(a->disks.count, b->disks.count);
	for (size_t i = 0; i < a->disks.count; i++) {
		const struct seed_receipt_disk *x = seed_vec_at(&a->disks, i);
		const struct seed_receipt_disk *y = seed_vec_at(&b->disks, i);

		assert_string_equal(x->slot, y->slot);
		assert_string_equal(x->proved, y->proved);
		assert_int_equal(x->size, y->size);
		assert_true(seed_digest_equal(&x->root, &y->root));
	}
}

/* Signs, opens, and compares; returns the bytes of both. */
static size_t round_trip(struct seed_receipt *r)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	SEED_AUTO(seed_receipt_clear) struct seed_receipt out = { 0 };
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len;

	assert_ok(seed_receipt_sign(r, key, &text, &len, signature, &err), &err);
	assert_ok(seed_receipt_open(&out, text, len, signature, strlen(signature),
				    seed_signing_key_public(key), &err), &err);
	assert_same(r, &out);
	return len + strlen(signature);
}

static void what_is_signed_is_read_and_small(void **state)
{
	struct seed_receipt r = receipt_of(1, 1);
	size_t one, two;

	(void)state;
	r.generation = 123456;
	one = round_trip(&r);
	assert_in_range(one, 1, 999);
	push_disk(&r, "vdb", "full");
	snprintf(r.state, sizeof(r.state), "seeded");
	two = round_trip(&r);
	assert_in_range(two - one, 1, 200);
	seed_receipt_clear(&r);
}

static void the_largest_one_fits(void **state)
{
	struct seed_receipt r = receipt_of(SEED_TIMELINES_MAX, SEED_RECEIPT_DISKS_MAX);

	(void)state;
	assert_in_range(round_trip(&r), 1, SEED_RECEIPT_MAX);
	seed_receipt_clear(&r);
}

static void only_its_signers_key_opens_it(void **state)
{
	struct seed_receipt r = receipt_of(1, 1), out;
	SEED_AUTO(seed_freep) char *text = NULL;
	SEED_AUTO(seed_freep) char *huge = calloc(1, SEED_RECEIPT_MAX + 1);
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len;

	(void)state;
	assert_ok(seed_receipt_sign(&r, key, &text, &len, signature, &err), &err);
	assert_fails(seed_receipt_open(&out, text, len, signature, strlen(signature),
				       seed_signing_key_public(other_key), &err), &err,
		     SEED_ERR_TRUST);
	text[len / 2]++;
	assert_fails(seed_receipt_open(&out, text, len, signature, strlen(signature),
				       seed_signing_key_public(key), &err), &err, SEED_ERR_TRUST);
	assert_fails(seed_receipt_open(&out, huge, SEED_RECEIPT_MAX + 1, signature,
				       strlen(signature), seed_signing_key_public(key), &err),
		     &err, SEED_ERR_RANGE);
	seed_receipt_clear(&out);
	seed_receipt_clear(&r);
}

static void refuses(struct seed_receipt *r, const char *says)
{
	char signature[SEED_SIGNATURE_MAX], *text = NULL;
	struct seed_error err = { 0 };
	size_t len;

	assert_fails(seed_receipt_sign(r, key, &text, &len, signature, &err), &err,
		     SEED_ERR_FORMAT);
	if (!strstr(err.text, says))
		fail_msg("\"%s\" and not \"%s\"", err.text, says);
	assert_null(text);
	seed_receipt_clear(r);
	*r = receipt_of(2, 2);
}

static void what_is_not_consistent_is_not_signed(void **state)
{
	struct seed_receipt r = receipt_of(2, 2);
#define DISK ((struct seed_receipt_disk *)seed_vec_at(&r.disks, 1))

	(void)state;
	r.generation = SEED_GENERATION_MAX - 1;
	refuses(&r, "generation");
	r.generation = SEED_GENERATION_MAX + 1;
	refuses(&r, "generation");
	r.lineage.timelines[1].parent.bytes[5]++;
	refuses(&r, "lineage[1]");
	r.state[0] = '\0';
	refuses(&r, "state");
	r.at = -1;
	refuses(&r, "at");
	strcpy(DISK->slot, "a/b");
	refuses(&r, "disks[1]: slot");
	memcpy(DISK->slot, ((struct seed_receipt_disk *)r.disks.items)->slot, 33);
	refuses(&r, "disks[1]: slot");
	DISK->size = SEED_DISK_MAX + 1;
	refuses(&r, "disks[1]: size");
	strcpy(DISK->proved, "some");
	refuses(&r, "disks[1]: proved");
	r.disks.count = 0;
	refuses(&r, "disks: not 1 to 64");
	seed_receipt_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_signed_is_read_and_small),
		cmocka_unit_test(the_largest_one_fits),
		cmocka_unit_test(only_its_signers_key_opens_it),
		cmocka_unit_test(what_is_not_consistent_is_not_signed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
