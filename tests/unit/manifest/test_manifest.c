// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "block/grid.h"
#include "manifest/manifest.h"
#include "manifest/manifest_internal.h"

struct fixture {
	struct seed_manifest m;
	struct seed_signing_key *key;
};

static struct seed_id id_of(char c)
{
	struct seed_id id;

	memset(id.bytes, c, sizeof(id.bytes));
	return id;
}

static void push_run(struct seed_vec *runs, uint64_t start, uint64_t count)
{
	struct seed_run run = { start, count, SEED_BLOCK_DATA };

	assert_non_null(seed_vec_push(runs, sizeof(run), &run));
}

static struct seed_manifest_disk *push_disk(struct seed_manifest *m, const char *slot, uint64_t size)
{
	struct seed_manifest_disk disk = {
		.slot = strdup(slot),
		.size = size,
		.sector_size = 512,
		.blocks = seed_grid_blocks(size),
		.data_blocks = seed_grid_blocks(size) / 2,
		.root = { { 7 } },
	};
	struct seed_manifest_part part = { 64 + 32, { { 9 } } };
	char *found = strdup("gpt-disk 1234");

	assert_non_null(seed_vec_push(&disk.parts, sizeof(part), &part));
	assert_non_null(seed_vec_push(&disk.found, sizeof(found), &found));
	return seed_vec_push(&m->disks, sizeof(disk), &disk);
}

static void fill(struct seed_manifest *m)
{
	struct seed_manifest_file definition = { "definition", { 800, { { 1 } } } };
	struct seed_manifest_file nvram = { "nvram", { 540672, { { 2 } } } };
	struct seed_manifest_excluded cdrom = { strdup("sda"), strdup("cdrom") };
	struct seed_id base = id_of('b');
	struct seed_manifest_disk *disk;

	seed_manifest_init(m);
	m->seed = id_of('s');
	m->set = id_of('t');
	m->has_recipient = true;
	m->recipient = id_of('r');
	m->site = id_of('o');
	m->site_name = strdup("hq");
	m->uuid = id_of('u');
	m->name = strdup("../../x\n\x1b[31m\xe2\x80\xae");
	m->lineage.count = 2;
	m->lineage.timelines[0].id = id_of('1');
	m->lineage.timelines[0].writer = id_of('o');
	m->lineage.timelines[1] = (struct seed_timeline){ id_of('2'), id_of('p'), id_of('1'), 41, true };
	m->generation = 42;
	m->data = true;
	m->created = 1767323045;
	m->captured = SEED_CAPTURED_CHANGED;
	assert_non_null(seed_vec_push(&m->relies_on, sizeof(base), &base));
	assert_non_null(seed_vec_push(&m->files, sizeof(definition), &definition));
	assert_non_null(seed_vec_push(&m->files, sizeof(nvram), &nvram));
	assert_non_null(seed_vec_push(&m->excluded, sizeof(cdrom), &cdrom));
	disk = push_disk(m, "vda", (100 << 16) + 1);
	disk->serial = strdup("abc");
	disk->wwn = strdup("5000c50015ea71aa");
	disk->own_blocks = 12;
	disk->compared = 3;
	push_run(&disk->own_runs, 0, 2);
	push_run(&disk->own_runs, 3, 5);
	push_run(&disk->own_runs, 100, 1);
	push_run(&disk->unreadable, 50, 2);
	disk = push_disk(m, "scsi0:0", 0);
	disk->captured = SEED_CAPTURED_CHANGED;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct seed_error err;

	if (!f || seed_signing_key_generate(&f->key, &err) < 0)
		return -1;
	fill(&f->m);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	seed_manifest_clear(&f->m);
	seed_signing_key_free(f->key);
	free(f);
	return 0;
}

static struct seed_manifest_disk *disk_of(struct fixture *f, size_t index)
{
	return seed_vec_at(&f->m.disks, index);
}

static void assert_runs_equal(const struct seed_vec *a, const struct seed_vec *b,
			      enum seed_block_kind kind)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		const struct seed_run *x = seed_vec_at(a, i), *y = seed_vec_at(b, i);

		assert_true(x->start == y->start && x->count == y->count && x->kind == kind);
	}
}

static void assert_disks_equal(const struct seed_manifest_disk *a, const struct seed_manifest_disk *b)
{
	assert_string_equal(a->slot, b->slot);
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->sector_size, b->sector_size);
	assert_int_equal(a->blocks, b->blocks);
	assert_int_equal(a->data_blocks, b->data_blocks);
	assert_true(seed_digest_equal(&a->root, &b->root));
	assert_int_equal(a->captured, b->captured);
	assert_int_equal(!a->serial, !b->serial);
	assert_int_equal(!a->wwn, !b->wwn);
	if (a->serial)
		assert_string_equal(a->serial, b->serial);
	if (a->wwn)
		assert_string_equal(a->wwn, b->wwn);
	assert_int_equal(a->found.count, b->found.count);
	for (size_t i = 0; i < a->found.count; i++)
		assert_string_equal(*(char **)seed_vec_at(&a->found, i),
				    *(char **)seed_vec_at(&b->found, i));
	assert_int_equal(a->own_blocks, b->own_blocks);
	assert_int_equal(a->compared, b->compared);
	assert_runs_equal(&a->own_runs, &b->own_runs, SEED_BLOCK_DATA);
	assert_runs_equal(&a->unreadable, &b->unreadable, SEED_BLOCK_MISSING);
	assert_int_equal(a->parts.count, b->parts.count);
	assert_memory_equal(a->parts.items, b->parts.items, a->parts.count * a->parts.size);
}

static void what_is_signed_is_read_again(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	const struct seed_manifest_excluded *excluded;
	struct seed_error err = { 0 };
	struct seed_manifest m;
	size_t len;

	assert_ok(seed_manifest_sign(&f->m, f->key, &text, &len, signature, &err), &err);
	assert_ok(seed_manifest_open(&m, text, len, signature, strlen(signature),
				     seed_signing_key_public(f->key), &err), &err);
	assert_memory_equal(&m.key, seed_signing_key_public(f->key), sizeof(m.key));
	assert_true(seed_id_equal(&m.seed, &f->m.seed) && seed_id_equal(&m.set, &f->m.set));
	assert_true(m.has_recipient && seed_id_equal(&m.recipient, &f->m.recipient));
	assert_true(seed_id_equal(&m.site, &f->m.site) && seed_id_equal(&m.uuid, &f->m.uuid));
	assert_string_equal(m.site_name, "hq");
	assert_string_equal(m.name, f->m.name);
	assert_int_equal(seed_lineage_compare(&m.lineage, 42, &f->m.lineage, 42), SEED_LINEAGE_SAME);
	assert_int_equal(m.generation, 42);
	assert_true(m.data);
	assert_int_equal(m.created, 1767323045);
	assert_int_equal(m.captured, SEED_CAPTURED_CHANGED);
	assert_int_equal(m.relies_on.count, 1);
	assert_memory_equal(m.relies_on.items, f->m.relies_on.items, SEED_ID_SIZE);
	assert_int_equal(m.files.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct seed_manifest_file *a = seed_vec_at(&m.files, i);
		const struct seed_manifest_file *b = seed_vec_at(&f->m.files, i);

		assert_string_equal(a->role, b->role);
		assert_int_equal(a->facts.length, b->facts.length);
		assert_true(seed_digest_equal(&a->facts.digest, &b->facts.digest));
	}
	assert_int_equal(m.disks.count, 2);
	assert_disks_equal(seed_vec_at(&m.disks, 0), disk_of(f, 0));
	assert_disks_equal(seed_vec_at(&m.disks, 1), disk_of(f, 1));
	assert_int_equal(m.excluded.count, 1);
	excluded = seed_vec_at(&m.excluded, 0);
	assert_string_equal(excluded->slot, "sda");
	assert_string_equal(excluded->reason, "cdrom");
	seed_manifest_clear(&m);
	assert_null(m.name);
}

static void an_order_form_without_recipient(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	struct seed_manifest m;
	size_t len;

	f->m.has_recipient = false;
	f->m.data = false;
	assert_ok(seed_manifest_sign(&f->m, f->key, &text, &len, signature, &err), &err);
	assert_ok(seed_manifest_open(&m, text, len, signature, strlen(signature),
				     seed_signing_key_public(f->key), &err), &err);
	assert_false(m.has_recipient);
	assert_false(m.data);
	seed_manifest_clear(&m);
}

static void a_changed_byte_or_another_key_is_not_trusted(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *other = NULL;
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	struct seed_manifest m;
	size_t len;

	assert_ok(seed_signing_key_generate(&other, &err), &err);
	assert_ok(seed_manifest_sign(&f->m, f->key, &text, &len, signature, &err), &err);
	assert_fails(seed_manifest_open(&m, text, len, signature, strlen(signature),
					seed_signing_key_public(other), &err),
		     &err, SEED_ERR_TRUST);
	seed_manifest_clear(&m);
	for (size_t i = 0; i < len; i += 37) {
		text[i] ^= 1;
		assert_fails(seed_manifest_open(&m, text, len, signature, strlen(signature),
						seed_signing_key_public(f->key), &err),
			     &err, SEED_ERR_TRUST);
		assert_null(m.name);
		text[i] ^= 1;
	}
	assert_fails(seed_manifest_open(&m, text, len - 1, signature, strlen(signature),
					seed_signing_key_public(f->key), &err), &err, SEED_ERR_TRUST);
}

static void an_oversized_text_is_not_looked_at(void **state)
{
	struct fixture *f = *state;
	struct seed_error err;
	struct seed_manifest m;

	assert_fails(seed_manifest_open(&m, "", SEED_MANIFEST_MAX + 1, "", 0,
					seed_signing_key_public(f->key), &err), &err, SEED_ERR_RANGE);
}

/* ---- inconsistent manifests: each edit must be found, at signing and at opening alike ---- */

static void edit_text(char **text, const char *to)
{
	free(*text);
	*text = strdup(to);
}

#define EDIT(name, statement)								\
	static void name(struct fixture *f)						\
	{										\
		struct seed_manifest_disk *vda = disk_of(f, 0), *empty = disk_of(f, 1);	\
											\
		(void)vda;								\
		(void)empty;								\
		statement;								\
	}

static char long_text[257];	/* one byte more than any text may have */

EDIT(site_name, edit_text(&f->m.site_name, "-hq"))
EDIT(name_empty, edit_text(&f->m.name, ""))
EDIT(name_long, edit_text(&f->m.name, long_text))
EDIT(name_utf8, edit_text(&f->m.name, "a\xff"))
EDIT(generation_zero, f->m.generation = 0)
EDIT(generation_fork, f->m.generation = 41)
EDIT(generation_high, f->m.generation = SEED_GENERATION_MAX + 1)
EDIT(lineage_none, f->m.lineage.count = 0)
EDIT(relies_on_itself, *(struct seed_id *)f->m.relies_on.items = f->m.seed)
EDIT(created_before, f->m.created = -1)
EDIT(captured_better, f->m.captured = SEED_CAPTURED_OFFLINE)
EDIT(captured_worse, f->m.captured = SEED_CAPTURED_UNPROVEN)
EDIT(role, strcpy(((struct seed_manifest_file *)f->m.files.items)->role, "bios"))
EDIT(file_long, ((struct seed_manifest_file *)f->m.files.items)->facts.length = (1 << 30) + 1)
EDIT(slot_dots, edit_text(&vda->slot, ".."))
EDIT(slot_slash, edit_text(&vda->slot, "a/b"))
EDIT(slot_twice, edit_text(&empty->slot, "vda"))
EDIT(slot_excluded, edit_text(&vda->slot, "sda"))
EDIT(reason_empty, edit_text(&((struct seed_manifest_excluded *)f->m.excluded.items)->reason, ""))
EDIT(excluded_slot, edit_text(&((struct seed_manifest_excluded *)f->m.excluded.items)->slot, "a b"))
EDIT(size_pib, (vda->size = ((uint64_t)1 << 50) + 1, vda->blocks = seed_grid_blocks(vda->size)))
EDIT(sector_odd, vda->sector_size = 520)
EDIT(sector_none, vda->sector_size = 0)
EDIT(blocks_few, vda->blocks--)
EDIT(blocks_many, vda->blocks++)
EDIT(data_many, vda->data_blocks = vda->blocks + 1)
EDIT(own_many, vda->own_blocks = vda->data_blocks + 1)
EDIT(own_few, vda->own_blocks = 7)
EDIT(run_past, ((struct seed_run *)vda->own_runs.items)[2].count = 2)
EDIT(run_wraps, ((struct seed_run *)vda->own_runs.items)[2].count = UINT64_MAX)
EDIT(run_empty, ((struct seed_run *)vda->own_runs.items)[0].count = 0)
EDIT(run_touches, ((struct seed_run *)vda->own_runs.items)[0].count = 3)
EDIT(run_falls, ((struct seed_run *)vda->own_runs.items)[0].start = 90)
EDIT(unreadable_past, ((struct seed_run *)vda->unreadable.items)[0].start = 101)
EDIT(unreadable_many, ((struct seed_run *)vda->unreadable.items)[0] = (struct seed_run){ .count = 52 })
EDIT(parts_none, vda->parts.count = 0)
EDIT(part_empty, ((struct seed_manifest_part *)vda->parts.items)->length = 0)
EDIT(part_long, ((struct seed_manifest_part *)vda->parts.items)->length = (1 << 30) + 1)
EDIT(serial_empty, edit_text(&vda->serial, ""))
EDIT(wwn_long, edit_text(&vda->wwn, long_text))
EDIT(found_utf8, edit_text(vda->found.items, "\xc0\x80"))

static const struct {
	const char *text;
	void (*edit)(struct fixture *f);
} edits[] = {
	{ "site.name", site_name }, { "vm.name", name_empty }, { "vm.name", name_long },
	{ "vm.name", name_utf8 }, { "generation", generation_zero },
	{ "generation", generation_fork }, { "generation", generation_high },
	{ "lineage", lineage_none }, { "relies_on[0]", relies_on_itself },
	{ "created", created_before }, { "captured: offline", captured_better },
	{ "captured: unproven", captured_worse }, { "files[0].role", role },
	{ "files[0].length", file_long }, { "disks[0]: slot: \"..\"", slot_dots },
	{ "disks[0]: slot", slot_slash }, { "disks[1]: slot: a second vda", slot_twice },
	{ "excluded[0]: slot: a second sda", slot_excluded }, { "excluded[0].reason", reason_empty },
	{ "excluded[0]: slot", excluded_slot }, { "disks[0]: size", size_pib },
	{ "sector_size", sector_odd }, { "sector_size", sector_none },
	{ "disks[0]: blocks", blocks_few }, { "disks[0]: blocks", blocks_many },
	{ "data_blocks", data_many }, { "own_blocks.count", own_many }, { "own_blocks.runs", own_few },
	{ "own_blocks.runs[2]", run_past }, { "own_blocks.runs[2]", run_wraps },
	{ "own_blocks.runs[0]", run_empty }, { "own_blocks.runs[1]: not behind", run_touches },
	{ "own_blocks.runs[1]: not behind", run_falls }, { "unreadable[0]", unreadable_past },
	{ "unreadable: more", unreadable_many }, { "disks[0]: list: no parts", parts_none },
	{ "list[0].length", part_empty }, { "list[0].length", part_long },
	{ "evidence.declared", serial_empty }, { "evidence.declared", wwn_long },
	{ "evidence.found[0]", found_utf8 },
};

static void inconsistent_manifests_are_never_signed(void **state)
{
	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		SEED_AUTO(seed_freep) char *text = NULL;
		char signature[SEED_SIGNATURE_MAX];
		struct seed_error err = { 0 };
		struct fixture *f = NULL;
		size_t len;

		assert_int_equal(setup((void **)&f), 0);
		assert_ok(seed_manifest_check(&f->m, &err), &err);
		edits[i].edit(f);
		assert_fails(seed_manifest_sign(&f->m, f->key, &text, &len, signature, &err), &err,
			     SEED_ERR_FORMAT);
		assert_null(text);
		if (!strstr(err.text, edits[i].text))
			fail_msg("edit %zu, %s: %s", i, edits[i].text, err.text);
		teardown((void **)&f);
	}
}

/* Read @text, which has no signature, as the members of a manifest. */
static int take(const char *text, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;
	struct seed_manifest m;
	int rc;

	if (seed_json_parse(&doc, text, strlen(text), err) < 0)
		return -1;
	seed_json_begin(&r, doc, "", err);
	seed_json_take_text(&r, "type", 16);
	seed_json_take_uint(&r, "version", 1);
	seed_json_take_text(&r, "key", 100);
	seed_manifest_init(&m);
	rc = seed_manifest_take_members(&m, &r);
	seed_manifest_clear(&m);
	return rc;
}

/* @text with its first @from replaced. */
static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *out = malloc(strlen(text) + strlen(to) + 1);

	if (!at || !out)
		fail_msg("no %s in the text", from);
	memcpy(out, text, (size_t)(at - text));
	strcpy(out + (at - text), to);
	strcat(out, at + strlen(from));
	return out;
}

static void malformed_members_are_named_by_their_path(void **state)
{
	static const char *const cases[][3] = {
		{ "\"seed\": \"7", "\"seed\": \"g", "seed: not an id" },
		{ "\"set\":", "\"sett\":", "set: missing" },
		{ "\"generation\": 42", "\"generation\": 42, \"x\\u001b\": 1", "unknown key \"x%1B\"" },
		{ "\"generation\": 42", "\"generation\": 4.2", "generation: not a whole number" },
		{ "\"generation\": 42", "\"generation\": -42", "generation" },
		{ "\"data\": true", "\"data\": 1", "data: " },
		{ "\"name\": \"hq\"", "\"name\": null", "site.name" },
		{ "\"role\": \"nvram\"", "\"role\": \"nvram-of-the-machine\"", "files[1].role" },
		{ "\"captured\": \"changed\"", "\"captured\": \"live\"", "captured: \"live\" is not known" },
		{ "\"block_size\": 65536", "\"block_size\": 4096", "disks[0].block_size: not 65536" },
		{ "\"block_size\": 65536", "\"block_size\": 65536, \"more\": []",
		  "disks[0]: unknown key" },
		{ "\"wwn\": \"5000c50015ea71aa\"", "\"wwn\": 5", "disks[0].evidence.declared.wwn" },
		{ "\"found\": [", "\"found\": [ 5, ", "disks[0].evidence.found: element 0" },
		{ "\"runs\": [", "\"runs\": [ 5, ", "disks[0].own_blocks.runs: element 0" },
		{ "\"runs\": [", "\"runs\": [ [1, 2, 3], ", "disks[0].own_blocks.runs: element 0" },
		{ "\"runs\": [", "\"runs\": [ [1, -2], ", "disks[0].own_blocks.runs: element 0" },
		{ "\"compared\": 3", "\"compared\": 4294967296", "disks[0].own_blocks.compared" },
		{ "\"list\": [", "\"list\": [ 7, ", "disks[0].list[0]: not an object" },
		{ "\"unreadable\": [", "\"unreadable\": [ [] , ", "disks[0].unreadable: element 0" },
		{ "\"relies_on\": [", "\"relies_on\": [ \"x\", ", "relies_on: element 0 is not an id" },
		{ "\"excluded\": [", "\"excluded\": [ {}, ", "excluded[0].slot: missing" },
		{ "\"blocks\": 101", "\"blocks\": 102", "disks[0]: blocks" },
		{ "\"uuid\": \"7", "\"uuid\": \"x", "vm.uuid: not a UUID" },
	};
	struct fixture *f = *state;
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len;

	assert_ok(seed_manifest_sign(&f->m, f->key, &text, &len, signature, &err), &err);
	assert_ok(take(text, &err), &err);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		SEED_AUTO(seed_freep) char *bad = replaced(text, cases[i][0], cases[i][1]);

		assert_fails(take(bad, &err), &err, SEED_ERR_FORMAT);
		if (!strstr(err.text, cases[i][2]))
			fail_msg("case %zu: %s", i, err.text);
	}
}

static void too_many_own_runs_are_thinned_evenly(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	struct seed_manifest m;
	const struct seed_run *runs;
	size_t len, sum = 0;

	for (int d = 0; d < 4; d++) {
		char slot[16];
		struct seed_manifest_disk *disk;

		snprintf(slot, sizeof(slot), "x%d", d);
		disk = push_disk(&f->m, slot, (uint64_t)100000 << 16);
		disk->own_blocks = SEED_MANIFEST_RUNS_MAX;
		for (uint64_t i = 0; i < SEED_MANIFEST_RUNS_MAX; i++)
			push_run(&disk->own_runs, 3 * i, 1);
	}
	assert_ok(seed_manifest_sign(&f->m, f->key, &text, &len, signature, &err), &err);
	assert_true(len <= SEED_MANIFEST_MAX);
	assert_ok(seed_manifest_open(&m, text, len, signature, strlen(signature),
				     seed_signing_key_public(f->key), &err), &err);
	for (size_t d = 0; d < m.disks.count; d++) {
		const struct seed_manifest_disk *disk = seed_vec_at(&m.disks, d);

		sum += disk->own_runs.count;
		if (d < 2)
			continue;
		assert_int_equal(disk->own_blocks, SEED_MANIFEST_RUNS_MAX);
		assert_in_range(disk->own_runs.count, SEED_MANIFEST_RUNS_MAX / 2 - 2,
				SEED_MANIFEST_RUNS_MAX / 2);
		runs = disk->own_runs.items;
		assert_true(runs[disk->own_runs.count - 1].start >= 3 * (SEED_MANIFEST_RUNS_MAX - 4));
	}
	assert_in_range(sum, SEED_MANIFEST_OWN_RUNS - 16, SEED_MANIFEST_OWN_RUNS);
	seed_manifest_clear(&m);
}

static void too_much_to_say_is_a_range_error(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len;

	for (int d = 0; d < 16; d++) {
		char slot[16];
		struct seed_manifest_disk *disk;

		snprintf(slot, sizeof(slot), "x%d", d);
		disk = push_disk(&f->m, slot, (uint64_t)100000 << 16);
		for (uint64_t i = 0; i < SEED_MANIFEST_RUNS_MAX; i++)
			push_run(&disk->unreadable, 3 * i, 1);
	}
	assert_ok(seed_manifest_check(&f->m, &err), &err);
	assert_fails(seed_manifest_sign(&f->m, f->key, &text, &len, signature, &err), &err,
		     SEED_ERR_RANGE);
	assert_null(text);
}

static void a_bundle_comes_apart_again(void **state)
{
	SEED_AUTO(seed_freep) char *bundle = NULL;
	const char *text = NULL, *signature = NULL;
	size_t bundle_len, len, signature_len;
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_manifest_bundle("{}\n", 3, "sig\n", &bundle, &bundle_len, &err), &err);
	assert_int_equal(bundle_len, 11);
	assert_memory_equal(bundle, "\3\0\0\0{}\nsig\n", 11);
	assert_ok(seed_manifest_unbundle(bundle, bundle_len, &text, &len, &signature,
					 &signature_len, &err), &err);
	assert_int_equal(len, 3);
	assert_memory_equal(text, "{}\n", 3);
	assert_int_equal(signature_len, 4);
	assert_memory_equal(signature, "sig\n", 4);
	/* Cut anywhere before the signature's first byte: refused. */
	for (size_t cut = 0; cut <= 7; cut++)
		assert_fails(seed_manifest_unbundle(bundle, cut, &text, &len, &signature,
						    &signature_len, &err), &err, SEED_ERR_FORMAT);
	bundle[3] = '\xff';
	assert_fails(seed_manifest_unbundle(bundle, bundle_len, &text, &len, &signature,
					    &signature_len, &err), &err, SEED_ERR_FORMAT);
}

static void a_bundle_with_a_long_tail_is_refused(void **state)
{
	char bundle[4 + 2 + SEED_SIGNATURE_MAX + 1] = { 2, 0, 0, 0, '{', '}' };
	const char *text, *signature;
	size_t len, signature_len;
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_manifest_unbundle(bundle, sizeof(bundle) - 1, &text, &len, &signature,
					 &signature_len, &err), &err);
	assert_fails(seed_manifest_unbundle(bundle, sizeof(bundle), &text, &len, &signature,
					    &signature_len, &err), &err, SEED_ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_signed_is_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(an_order_form_without_recipient, setup, teardown),
		cmocka_unit_test_setup_teardown(a_changed_byte_or_another_key_is_not_trusted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_oversized_text_is_not_looked_at, setup, teardown),
		cmocka_unit_test(inconsistent_manifests_are_never_signed),
		cmocka_unit_test_setup_teardown(malformed_members_are_named_by_their_path, setup,
						teardown),
		cmocka_unit_test_setup_teardown(too_many_own_runs_are_thinned_evenly, setup, teardown),
		cmocka_unit_test_setup_teardown(too_much_to_say_is_a_range_error, setup, teardown),
		cmocka_unit_test(a_bundle_comes_apart_again),
		cmocka_unit_test(a_bundle_with_a_long_tail_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
