// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "block/list_part.h"
#include "capture/describe.h"
#include "capture/side_files.h"
#include "crypto/digest.h"
#include "tmpdir.h"

struct bytes {
	struct seed_buf buf;
};

static int gather(void *arg, const void *data, size_t len, struct seed_error *err)
{
	return seed_buf_add(&((struct bytes *)arg)->buf, data, len, err);
}

static struct seed_list *new_list(const struct tmpdir *dir, const char *name, uint64_t blocks)
{
	struct seed_list *list = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_list_create(&list, dir->fd, name, blocks, &err), &err);
	return list;
}

static void set(struct seed_list *list, uint64_t first, uint64_t count, uint64_t value)
{
	struct seed_digest d;
	struct seed_error err = { 0 };

	for (uint64_t i = 0; i < count; i++, value++) {
		seed_digest_of(&d, &value, sizeof(value));
		assert_ok(seed_list_set(list, first + i, &d, 1, &err), &err);
	}
}

/* ---- parts ---- */

static void parts_are_those_that_would_be_written(void **state)
{
	static const uint64_t blocks[] = { 0, 1, 1000, 100000 };

	for (size_t i = 0; i < 4; i++) {
		SEED_AUTO(seed_list_closep) struct seed_list *list =
			new_list(*state, "l", blocks[i]);
		struct seed_manifest_disk disk = { .blocks = blocks[i] };
		struct seed_manifest_part *part;
		struct seed_digest digest;
		struct bytes written = { 0 };
		struct seed_error err = { 0 };
		uint64_t next;

		set(list, blocks[i] / 3, blocks[i] / 2, 1);
		assert_ok(seed_describe_parts(&disk, list, 5, &err), &err);
		assert_ok(seed_list_part_write(list, 5, 1, 0, &next, SEED_LIST_PART_MAX, gather,
					       &written, &err), &err);
		assert_int_equal(next, blocks[i]);
		assert_int_equal(disk.parts.count, 1);
		part = disk.parts.items;
		seed_digest_of(&digest, written.buf.data, written.buf.len);
		assert_int_equal(part->length, written.buf.len);
		assert_true(seed_digest_equal(&part->digest, &digest));
		seed_buf_free(&written.buf);
		seed_vec_free(&disk.parts);
	}
}

/* ---- a manifest without a medium ---- */

static char *words(const char *text)
{
	char *out;

	memcpy(&out, &text, sizeof(out));
	return out;
}

static void what_was_captured_makes_a_manifest_that_is_signed(void **state)
{
	static const struct seed_id origin = { { 8 } }, seed = { { 4 } };
	SEED_AUTO(seed_list_closep) struct seed_list *list = new_list(*state, "l", 3);
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_site own = { .name = "dr", .id = { { 9 } } };
	struct seed_source_vm vm = { .dir = -1, .generation = 7, .origin = origin, .site = own.id,
				     .lineage = { .count = 1, .timelines[0].id.bytes[0] = 1 } };
	struct seed_vmdef def = { .name = words("web01") };
	struct seed_vmdef_disk disks[] = {
		{ .slot = words("vda"), .serial = words("S1") },
		{ .slot = words("hdc"), .excluded = words("cdrom") },
	};
	struct seed_describe_vm from = { .own = &own, .vm = &vm, .def = &def, .seed = &seed,
					 .site_name = "hq", .data = true,
					 .captured = SEED_CAPTURED_SNAPSHOT };
	struct seed_describe_disk disk = {
		.def = &disks[0], .size = 3 * 65536 - 512, .sector_size = 512,
		.facts = { .blocks = 3, .data_blocks = 2, .captured = SEED_CAPTURED_SNAPSHOT },
		.own_blocks = 1, .compared = 2,
	};
	struct seed_side_file file = { .role = "definition", .data = words("<domain/>"), .len = 9 };
	struct seed_run run = { .start = 1, .count = 1, .kind = SEED_BLOCK_DATA };
	struct seed_vec files = { 0 };
	struct seed_manifest_disk *out;
	struct seed_manifest_file *side;
	struct seed_manifest m;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len;

	def.disks = (struct seed_vec){ disks, 2, 2, sizeof(disks[0]) };
	assert_ok(seed_signing_key_generate(&own.sign, &err), &err);
	assert_non_null(seed_vec_push(&files, sizeof(file), &file));
	assert_non_null(seed_vec_push(&disk.own_runs, sizeof(run), &run));
	set(list, 1, 2, 1);
	seed_manifest_init(&m);
	assert_ok(seed_describe_vm(&m, &from, &err), &err);
	assert_ok(seed_describe_disk(&m, &disk, &out, &err), &err);
	assert_ok(seed_describe_parts(out, list, 0, &err), &err);
	assert_ok(seed_describe_files(&m, &files, &err), &err);
	assert_int_equal(disk.own_runs.count, 0);
	assert_int_equal(out->own_runs.count, 1);
	assert_string_equal(out->serial, "S1");
	assert_null(out->wwn);
	side = m.files.items;
	assert_string_equal(side->role, "definition");
	assert_int_equal(side->facts.length, 9);
	assert_true(seed_id_equal(&m.site, &origin));
	assert_string_equal(m.site_name, "hq");
	assert_int_equal(m.generation, 7);
	assert_int_equal(m.excluded.count, 1);
	assert_ok(seed_manifest_sign(&m, own.sign, &text, &len, signature, &err), &err);
	seed_manifest_clear(&m);
	seed_vec_free(&files);
	seed_signing_key_free(own.sign);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(parts_are_those_that_would_be_written),
		IN_DIR(what_was_captured_makes_a_manifest_that_is_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
