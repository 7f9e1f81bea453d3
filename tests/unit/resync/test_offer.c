// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "crypto/sign.h"
#include "resync/offer.h"

static struct seed_signing_key *key;

static int make_key(void **state)
{
	struct seed_error err;

	(void)state;
	return seed_signing_key_generate(&key, &err);
}

static int drop_key(void **state)
{
	(void)state;
	seed_signing_key_free(key);
	return 0;
}

static void add_run(struct seed_offer_disk *d, uint64_t start, uint64_t count)
{
	const struct seed_run run = { start, count, SEED_BLOCK_DATA };

	assert_non_null(seed_vec_push(&d->own_runs, sizeof(run), &run));
}

/* Every field is set. */
static void fill(struct seed_offer *o)
{
	struct seed_offer_disk d = {
		.slot = "vda", .size = 10 * (uint64_t)SEED_BLOCK_SIZE + 512, .sector_size = 4096,
		.root.bytes = { 1, 2 }, .has_base = true, .base_size = 512, .base_root.bytes = { 3 },
		.serial = strdup("S\"1"), .wwn = strdup("50014ee0"), .own_blocks = 7, .compared = 2,
	};
	struct seed_offer_disk bare = { .slot = "scsi0:1", .sector_size = 512 };
	struct seed_manifest_file f = { .role = "nvram", .facts = { 540672, { { 9 } } } };

	*o = (struct seed_offer){ .receiver.bytes = { 1 }, .origin.bytes = { 2 }, .uuid.bytes = { 3 },
				  .name = strdup("web \xc3\xa4"), .generation = 12,
				  .lineage.count = 2 };
	memset(o->nonce, 0xab, sizeof(o->nonce));
	o->lineage.timelines[0].id.bytes[0] = 4;
	o->lineage.timelines[0].writer.bytes[0] = 5;
	o->lineage.timelines[1].id.bytes[0] = 6;
	o->lineage.timelines[1].parent.bytes[0] = 4;
	o->lineage.timelines[1].parent_generation = 11;
	o->lineage.timelines[1].forked = true;
	add_run(&d, 0, 2);
	add_run(&d, 4, 1);
	add_run(&d, 7, 4);
	assert_non_null(seed_vec_push(&o->disks, sizeof(d), &d));
	assert_non_null(seed_vec_push(&o->disks, sizeof(bare), &bare));
	assert_non_null(seed_vec_push(&o->files, sizeof(f), &f));
}

static struct seed_offer_disk *disk(struct seed_offer *o, size_t i)
{
	return seed_vec_at(&o->disks, i);
}

/* Signed as it is, and opened again. */
static int pass(const struct seed_offer *o, struct seed_offer *out, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	size_t len;

	assert_ok(seed_offer_sign(o, key, &text, &len, signature, err), err);
	return seed_offer_open(out, text, len, signature, strlen(signature),
			       seed_signing_key_public(key), err);
}

static void every_field_makes_the_round(void **state)
{
	SEED_AUTO(seed_offer_clear) struct seed_offer o = { 0 }, out = { 0 };
	struct seed_error err = { 0 };
	const struct seed_offer_disk *d;
	const struct seed_run *run;
	const struct seed_manifest_file *f;

	(void)state;
	fill(&o);
	assert_ok(pass(&o, &out, &err), &err);
	assert_true(seed_id_equal(&out.receiver, &o.receiver) && seed_id_equal(&out.origin, &o.origin) &&
		    seed_id_equal(&out.uuid, &o.uuid));
	assert_memory_equal(out.nonce, o.nonce, sizeof(o.nonce));
	assert_string_equal(out.name, o.name);
	assert_int_equal(out.generation, 12);
	assert_int_equal(seed_lineage_compare(&o.lineage, 12, &out.lineage, 12), SEED_LINEAGE_SAME);
	assert_int_equal(out.disks.count, 2);
	d = disk(&out, 0);
	assert_string_equal(d->slot, "vda");
	assert_int_equal(d->size, disk(&o, 0)->size);
	assert_int_equal(d->sector_size, 4096);
	assert_true(d->has_base && d->base_size == 512 && d->base_root.bytes[0] == 3);
	assert_true(d->root.bytes[0] == 1 && d->root.bytes[1] == 2);
	assert_string_equal(d->serial, "S\"1");
	assert_string_equal(d->wwn, "50014ee0");
	assert_true(d->own_blocks == 7 && d->compared == 2);
	assert_int_equal(d->own_runs.count, 3);
	run = seed_vec_at(&d->own_runs, 2);
	assert_true(run->start == 7 && run->count == 4);
	d = disk(&out, 1);
	assert_true(!d->has_base && !d->serial && !d->wwn && d->size == 0 && !d->own_runs.count);
	f = seed_vec_at(&out.files, 0);
	assert_string_equal(f->role, "nvram");
	assert_true(f->facts.length == 540672 && f->facts.digest.bytes[0] == 9);
}

static void long_slot(struct seed_offer *o) { strcpy(disk(o, 0)->slot, "a/b"); }
static void no_slot(struct seed_offer *o) { disk(o, 0)->slot[0] = '\0'; }
static void dots(struct seed_offer *o) { strcpy(disk(o, 1)->slot, ".."); }
static void large(struct seed_offer *o) { disk(o, 0)->size = SEED_DISK_MAX + 1; }
static void sectors(struct seed_offer *o) { disk(o, 0)->sector_size = 65537; }
static void large_base(struct seed_offer *o) { disk(o, 0)->base_size = SEED_DISK_MAX + 1; }
static void own_past_end(struct seed_offer *o) { disk(o, 0)->own_blocks = 12; }
static void own_too_few(struct seed_offer *o) { disk(o, 0)->own_blocks = 6; }
static void run_past_end(struct seed_offer *o)
{
	((struct seed_run *)seed_vec_at(&disk(o, 0)->own_runs, 2))->count = 5;
}
static void run_behind(struct seed_offer *o)
{
	((struct seed_run *)seed_vec_at(&disk(o, 0)->own_runs, 2))->start = 11;
}
static void run_wraps(struct seed_offer *o)
{
	((struct seed_run *)seed_vec_at(&disk(o, 0)->own_runs, 2))->count = ((uint64_t)1 << 53) - 1;
}
static void run_empty(struct seed_offer *o)
{
	((struct seed_run *)seed_vec_at(&disk(o, 0)->own_runs, 0))->count = 0;
}
static void run_touches(struct seed_offer *o)
{
	((struct seed_run *)seed_vec_at(&disk(o, 0)->own_runs, 1))->start = 2;
}
static void run_falls(struct seed_offer *o)
{
	((struct seed_run *)seed_vec_at(&disk(o, 0)->own_runs, 1))->start = 0;
}
static void long_serial(struct seed_offer *o)
{
	char *text = malloc(SEED_MANIFEST_TEXT_MAX + 2);

	assert_non_null(text);
	memset(text, 's', SEED_MANIFEST_TEXT_MAX + 1);
	text[SEED_MANIFEST_TEXT_MAX + 1] = '\0';
	free(disk(o, 0)->serial);
	disk(o, 0)->serial = text;
}
static void no_name(struct seed_offer *o) { o->name[0] = '\0'; }
static void at_fork(struct seed_offer *o) { o->generation = 11; }
static void no_lineage(struct seed_offer *o) { o->lineage.count = 0; }
static void other_parent(struct seed_offer *o) { o->lineage.timelines[1].parent.bytes[0] = 0x44; }
static void large_file(struct seed_offer *o)
{
	((struct seed_manifest_file *)seed_vec_at(&o->files, 0))->facts.length =
		(uint64_t)SEED_MANIFEST_FILE_MAX + 1;
}
static void many_disks(struct seed_offer *o)
{
	const struct seed_offer_disk bare = { .slot = "x", .sector_size = 512 };

	while (o->disks.count <= SEED_WIRE_DISKS_MAX)
		assert_non_null(seed_vec_push(&o->disks, sizeof(bare), &bare));
}
static void many_files(struct seed_offer *o)
{
	const struct seed_manifest_file f = { .role = "tpm" };

	while (o->files.count <= SEED_MANIFEST_FILES_MAX)
		assert_non_null(seed_vec_push(&o->files, sizeof(f), &f));
}
static void many_runs(struct seed_offer *o)
{
	struct seed_offer_disk *d = disk(o, 0);

	d->size = (uint64_t)1 << 40;
	d->own_blocks = (uint64_t)1 << 24;
	for (uint64_t at = 20; d->own_runs.count <= SEED_MANIFEST_RUNS_MAX; at += 2)
		add_run(d, at, 1);
}

static void bounds_are_kept(void **state)
{
	static const struct {
		void (*spoil)(struct seed_offer *o);
		const char *text;
	} bad[] = {
		{ long_slot, "slot" }, { no_slot, "slot" }, { dots, "slot" }, { large, "size" },
		{ sectors, "sector_size" }, { large_base, "base_size" }, { own_past_end, "own_blocks" },
		{ own_too_few, "own_runs" }, { run_past_end, "own_runs" }, { run_behind, "own_runs" },
		{ run_wraps, "own_runs" }, { run_empty, "own_runs" }, { run_touches, "own_runs" },
		{ run_falls, "own_runs" }, { long_serial, "serial" }, { no_name, "name" },
		{ at_fork, "not above its fork" },
		{ no_lineage, "lineage" }, { other_parent, "lineage" }, { large_file, "length" },
		{ many_disks, "disks" }, { many_files, "files" }, { many_runs, "own_runs" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		SEED_AUTO(seed_offer_clear) struct seed_offer o = { 0 }, out = { 0 };
		struct seed_error err;

		fill(&o);
		bad[i].spoil(&o);
		assert_fails(pass(&o, &out, &err), &err, SEED_ERR_FORMAT);
		if (!strstr(err.text, bad[i].text) || strncmp(err.text, "offer: ", 7) != 0)
			fail_msg("%zu: %s (not %s)", i, err.text, bad[i].text);
	}
}

static void other_bytes_and_keys_are_not_believed(void **state)
{
	SEED_AUTO(seed_offer_clear) struct seed_offer o = { 0 }, out = { 0 };
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *other = NULL;
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len;

	(void)state;
	fill(&o);
	assert_ok(seed_signing_key_generate(&other, &err), &err);
	assert_ok(seed_offer_sign(&o, key, &text, &len, signature, &err), &err);
	assert_fails(seed_offer_open(&out, text, len, signature, strlen(signature),
				     seed_signing_key_public(other), &err), &err, SEED_ERR_TRUST);
	for (size_t i = 0; i < len; i += 7) {
		text[i] ^= 1;
		assert_fails(seed_offer_open(&out, text, len, signature, strlen(signature),
					     seed_signing_key_public(key), &err), &err, SEED_ERR_TRUST);
		text[i] ^= 1;
	}
	assert_fails(seed_offer_open(&out, text, SEED_OFFER_MAX + 1, signature, strlen(signature),
				     seed_signing_key_public(key), &err), &err, SEED_ERR_RANGE);
}

static void the_digest_of_files_is_of_role_length_and_bytes_in_order(void **state)
{
	struct seed_manifest_file f[2] = { { .role = "tpm", .facts = { 1, { { 1 } } } },
					   { .role = "nvram", .facts = { 2, { { 2 } } } } };
	struct seed_vec files = { .items = f, .count = 2, .room = 2, .size = sizeof(f[0]) };
	struct seed_digest all, other;
	struct seed_manifest_file swap = f[0];

	(void)state;
	seed_offer_files_digest(&all, &files);
	f[0].facts.length++;
	seed_offer_files_digest(&other, &files);
	assert_false(seed_digest_equal(&all, &other));
	f[0] = swap;
	f[0].role[0] = 'T';
	seed_offer_files_digest(&other, &files);
	assert_false(seed_digest_equal(&all, &other));
	f[0] = f[1];
	f[1] = swap;
	seed_offer_files_digest(&other, &files);
	assert_false(seed_digest_equal(&all, &other));
}

/* A VM of many large disks, each in as many pieces as are kept. */
static void many_disks_in_many_pieces_are_no_offer_too_long(void **state)
{
	enum { DISKS = 16 };
	SEED_AUTO(seed_offer_clear) struct seed_offer o = { 0 }, out = { 0 };
	struct seed_error err = { 0 };
	size_t sum = 0;

	(void)state;
	fill(&o);
	for (int i = 0; i < DISKS; i++) {
		struct seed_offer_disk d = { .size = (uint64_t)16 << 40, .sector_size = 512,
					     .own_blocks = 5u * SEED_MANIFEST_RUNS_MAX };

		snprintf(d.slot, sizeof(d.slot), "x%d", i);
		for (uint64_t k = 0; k < SEED_MANIFEST_RUNS_MAX; k++)
			add_run(&d, ((uint64_t)1 << 27) + 8000 * k, 5);
		assert_non_null(seed_vec_push(&o.disks, sizeof(d), &d));
	}
	assert_ok(pass(&o, &out, &err), &err);
	assert_int_equal(out.disks.count, DISKS + 2);
	for (size_t i = 0; i < out.disks.count; i++)
		sum += disk(&out, i)->own_runs.count;
	assert_in_range(sum, SEED_MANIFEST_OWN_RUNS - 2 * DISKS, SEED_MANIFEST_OWN_RUNS);
	assert_int_equal(disk(&out, DISKS + 1)->own_blocks, 5u * SEED_MANIFEST_RUNS_MAX);
	assert_in_range(disk(&out, DISKS + 1)->own_runs.count, SEED_MANIFEST_OWN_RUNS / DISKS - 2,
			SEED_MANIFEST_OWN_RUNS / DISKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_disks_in_many_pieces_are_no_offer_too_long),
		cmocka_unit_test(every_field_makes_the_round),
		cmocka_unit_test(bounds_are_kept),
		cmocka_unit_test(other_bytes_and_keys_are_not_believed),
		cmocka_unit_test(the_digest_of_files_is_of_role_length_and_bytes_in_order),
	};

	return cmocka_run_group_tests(tests, make_key, drop_key);
}
