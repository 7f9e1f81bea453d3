// SPDX-License-Identifier: LGPL-2.1-or-later
/* Blocks into a set: what is stored, in which order, what a commit keeps, what a failure leaves. */
#include "unit/media/fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/buffer.h"
#include "base/vec.h"
#include "export/set_writer.h"
#include "pack/reader.h"

/* ---- a set on a medium, and a writer ---- */

struct set {
	struct fixture *f;
	struct seed_medium *medium;
	struct seed_volume *volume;
	struct seed_set_record record;
	struct seed_pool *pool;
	struct seed_cancel cancel;
	uint64_t commit_bytes;
};

static void *codec_new(void *arg, struct seed_error *err)
{
	struct seed_record_codec *codec;

	(void)arg;
	return seed_record_codec_new(&codec, 1, err) < 0 ? NULL : codec;
}

static void codec_free(void *codec)
{
	seed_record_codec_free(codec);
}

static void open_pool(struct set *s, unsigned int jobs)
{
	const struct seed_pool_options opt = { .workers = jobs, .scratch_new = codec_new,
					       .scratch_free = codec_free };
	struct seed_error err = { 0 };

	must(seed_pool_new(&s->pool, &opt, &err), &err);
}

static struct set begin_set(struct fixture *f, bool sealed, unsigned int jobs)
{
	struct set s = { .f = f, .medium = prepare(f, f->path), .commit_bytes = UINT64_MAX };
	struct seed_error err = { 0 };
	struct seed_id set;

	s.volume = create_set(f, s.medium, sealed, &set);
	s.record = (struct seed_set_record){ .set = set, .medium = s.medium->id, .volume = 1,
					     .sealed = sealed, .next_pack = 1 };
	must(seed_set_record_write(f->home[HQ], &s.record, &err), &err);
	open_pool(&s, jobs);
	return s;
}

static void end_set(struct set *s)
{
	seed_pool_free(s->pool);
	seed_volume_close(s->volume);
	seed_medium_close(s->medium);
}

static int try_writer(struct seed_set_writer **out, struct set *s, struct seed_error *err)
{
	const struct seed_set_writer_options opt = {
		.home = s->f->home[HQ], .volume = s->volume, .record = &s->record,
		.own = s->f->site[HQ], .pool = s->pool, .depth = 4, .map_bytes = 1 << 20,
		.level = 1, .commit_bytes = s->commit_bytes, .commit_ms = UINT64_MAX / 2,
		.cancel = &s->cancel,
	};

	return seed_set_writer_open(out, &opt, err);
}

static struct seed_set_writer *open_writer(struct set *s)
{
	struct seed_set_writer *w = NULL;
	struct seed_error err = { 0 };

	must(try_writer(&w, s, &err), &err);
	return w;
}

/* ---- blocks ---- */

#define SHORT 1000000u		/* blocks from here on have 512 bytes: many of them cost little */

/* Block @n: a third of them do not compress; every hundredth is a disk's short last one. */
static uint32_t make_block(uint8_t *out, uint32_t n)
{
	uint32_t length = n >= SHORT ? 512 : n % 100 == 99 ? 512 + n % 4096 * 8 : SEED_BLOCK_SIZE;
	uint64_t x = n * 0x9e3779b97f4a7c15u + 1;

	for (uint32_t i = 0; i < length; i += 8) {
		if (n % 3 == 0 || i % 4096 == 0) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
		}
		memcpy(out + i, &x, 8);
	}
	return length;
}

#define ZERO UINT32_MAX

/* A chunk of these blocks, as a scan would give it; ZERO is a block of zeroes. */
static void fill_chunk(struct seed_chunk *c, const uint32_t *blocks, uint32_t count)
{
	*c = (struct seed_chunk){ .count = count, .data = c->data };
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *data = c->data + (size_t)i * SEED_BLOCK_SIZE;

		c->lengths[i] = SEED_BLOCK_SIZE;
		c->kinds[i] = SEED_BLOCK_ZERO;
		if (blocks[i] == ZERO)
			continue;
		c->lengths[i] = make_block(data, blocks[i]);
		c->kinds[i] = SEED_BLOCK_DATA;
		seed_digest_of(&c->digests[i], data, c->lengths[i]);
	}
}

static int add_blocks(struct seed_set_writer *w, const uint32_t *blocks, uint32_t count,
		      struct seed_error *err)
{
	struct seed_chunk c = { .data = seed_buffer_new(SEED_CHUNK_SIZE, err) };
	int rc;

	assert_non_null(c.data);
	fill_chunk(&c, blocks, count);
	rc = seed_set_writer_add(w, &c, err);
	free(c.data);
	return rc;
}

static void add_range(struct seed_set_writer *w, uint32_t first, uint32_t count)
{
	struct seed_error err = { 0 };
	uint32_t blocks[SEED_CHUNK_BLOCKS];

	for (uint32_t n; count; first += n, count -= n) {
		n = count < SEED_CHUNK_BLOCKS ? count : SEED_CHUNK_BLOCKS;
		for (uint32_t i = 0; i < n; i++)
			blocks[i] = first + i;
		must(add_blocks(w, blocks, n, &err), &err);
	}
}

/* Entries of all packs in order, appended to @out; their number. */
static size_t read_index(struct set *s, const struct seed_vec *packs, struct seed_vec *out)
{
	struct seed_error err = { 0 };
	struct seed_record_codec *codec;

	must(seed_record_codec_new(&codec, 1, &err), &err);
	for (size_t i = 0; i < packs->count; i++) {
		const struct seed_pack_facts *facts = seed_vec_at(packs, i);
		const struct seed_pack_id id = { s->volume->set, s->volume->number,
						 facts->number };
		struct seed_pack_reader *r = NULL;

		must(seed_pack_reader_open(&r, s->volume->dir, &id, facts, &s->volume->data_key,
					   false, &err), &err);
		must(seed_pack_reader_index(r, codec, out, &err), &err);
		seed_pack_reader_close(r);
	}
	seed_record_codec_free(codec);
	return out->count;
}

static unsigned int count_commits(const struct set *s)
{
	unsigned int n = 0;

	for (uint32_t i = 1; i < 1000; i++) {
		char name[SEED_COMMIT_NAME];

		n += seed_path_exists(s->volume->dir, seed_commit_name(i, name));
	}
	return n;
}

/* ---- tests ---- */

static void a_block_is_stored_once(void **state)
{
	static const uint32_t blocks[] = { 1, 2, ZERO, 1, 3, ZERO, 2, 1 };
	struct set s = begin_set(*state, true, 2);
	SEED_AUTO(seed_set_writer_closep) struct seed_set_writer *w = open_writer(&s);
	SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
	struct seed_set_totals totals;
	struct seed_error err = { 0 };

	must(add_blocks(w, blocks, 8, &err), &err);
	must(add_blocks(w, blocks, 8, &err), &err);
	must(seed_set_writer_flush(w, &err), &err);
	seed_set_writer_totals(w, &totals);
	assert_int_equal(totals.new_blocks, 3);
	assert_int_equal(totals.held_blocks, 9);
	assert_int_equal(totals.packs, 1);
	assert_int_equal(read_index(&s, seed_set_writer_packs(w), &index), 3);
	seed_set_writer_close(seed_steal(&w));
	end_set(&s);
}

static void nothing_added_makes_no_pack(void **state)
{
	static const uint32_t zeroes[] = { ZERO, ZERO };
	struct set s = begin_set(*state, true, 2);
	SEED_AUTO(seed_set_writer_closep) struct seed_set_writer *w = open_writer(&s);
	struct seed_error err = { 0 };

	must(add_blocks(w, zeroes, 2, &err), &err);
	must(seed_set_writer_flush(w, &err), &err);
	assert_int_equal(seed_set_writer_packs(w)->count, 0);
	seed_set_writer_close(seed_steal(&w));
	assert_int_equal(count_commits(&s), 0);
	assert_false(seed_path_exists(s.volume->dir, "packs/00000001.pack"));
	end_set(&s);
}

/* Closing without a full commit keeps what was read back; the next writer knows it. */
static void what_the_medium_holds_is_not_stored_again(void **state)
{
	struct set s = begin_set(*state, true, 2);
	struct seed_set_writer *w = open_writer(&s);
	struct seed_set_totals totals;
	struct seed_error err = { 0 };
	struct seed_chunk c = { .data = seed_buffer_new(SEED_CHUNK_SIZE, NULL) };
	struct seed_id set = s.volume->set;

	add_range(w, 0, 40);
	must(seed_set_writer_flush(w, &err), &err);
	seed_set_writer_close(w);
	assert_int_equal(count_commits(&s), 1);

	seed_volume_close(s.volume);
	s.volume = reopen(s.f, s.medium, &set);
	assert_int_equal(s.volume->problems.count, 0);
	assert_int_equal(s.volume->packs.count, 1);
	must(seed_volume_recover(s.volume, &s.record, &err), &err);
	w = open_writer(&s);
	fill_chunk(&c, (const uint32_t[]){ 7, 4000 }, 2);
	assert_true(seed_set_writer_has(w, &c.digests[0]));
	assert_false(seed_set_writer_has(w, &c.digests[1]));
	add_range(w, 20, 40);
	must(seed_set_writer_flush(w, &err), &err);
	seed_set_writer_totals(w, &totals);
	assert_int_equal(totals.new_blocks, 20);
	assert_int_equal(totals.held_blocks, 20);
	assert_int_equal(((const struct seed_pack_facts *)
				  seed_vec_at(seed_set_writer_packs(w), 0))->number, 2);
	seed_set_writer_close(w);
	free(c.data);
	end_set(&s);
}

/* Known blocks are the caller's word that the set has them: counted, never stored. */
static void a_known_block_is_not_looked_at(void **state)
{
	struct set s = begin_set(*state, false, 0);
	SEED_AUTO(seed_set_writer_closep) struct seed_set_writer *w = open_writer(&s);
	struct seed_chunk c = { .data = seed_buffer_new(SEED_CHUNK_SIZE, NULL) };
	SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
	struct seed_set_totals totals;
	struct seed_error err = { 0 };

	fill_chunk(&c, (const uint32_t[]){ 1, 2, 3 }, 3);
	c.known[1] = true;
	memset(c.data + SEED_BLOCK_SIZE, 0xee, SEED_BLOCK_SIZE);
	must(seed_set_writer_add(w, &c, &err), &err);
	must(seed_set_writer_flush(w, &err), &err);
	seed_set_writer_totals(w, &totals);
	assert_int_equal(totals.new_blocks, 2);
	assert_int_equal(totals.held_blocks, 1);
	assert_int_equal(read_index(&s, seed_set_writer_packs(w), &index), 2);
	assert_memory_equal(&((struct seed_index_entry *)seed_vec_at(&index, 1))->digest,
			    &c.digests[2], SEED_DIGEST_SIZE);
	free(c.data);
	seed_set_writer_close(seed_steal(&w));
	end_set(&s);
}

/* 300 chunks with all shapes of new, old and zero blocks. */
static void add_pattern(struct seed_set_writer *w, uint64_t x)
{
	struct seed_error err = { 0 };
	uint32_t fresh = 0;

	for (int i = 0; i < 300; i++) {
		uint32_t blocks[SEED_CHUNK_BLOCKS], count;

		x = x * 6364136223846793005u + 1442695040888963407u;
		count = 1 + (uint32_t)(x >> 60);
		for (uint32_t k = 0; k < count; k++) {
			uint32_t old = (uint32_t)(x >> 33) % 8;

			x = x * 6364136223846793005u + 1442695040888963407u;
			/* Runs of whole chunks that are new, and others that are mixed. */
			if (i % 5 == 0 || (x >> 61) > 2)
				blocks[k] = fresh++;
			else
				blocks[k] = old == 0 || !fresh ? ZERO :
					    (uint32_t)(x >> 35) % fresh;
		}
		must(add_blocks(w, blocks, count, &err), &err);
	}
}

static void the_same_input_gives_the_same_records_at_any_number_of_workers(void **state)
{
	static const unsigned int jobs[] = { 0, 1, 2, 8 };
	struct seed_vec first = { 0 };
	struct set s = begin_set(*state, true, 0);

	for (size_t i = 0; i < 4; i++) {
		SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
		SEED_AUTO(seed_set_writer_closep) struct seed_set_writer *w = NULL;
		struct seed_error err = { 0 };
		struct seed_id set;

		/* A set of its own for each, or nothing would be new. */
		seed_volume_close(s.volume);
		s.volume = create_set(s.f, s.medium, true, &set);
		s.record = (struct seed_set_record){ .set = set, .medium = s.medium->id,
						     .volume = 1, .sealed = true, .next_pack = 1 };
		seed_pool_free(s.pool);
		open_pool(&s, jobs[i]);
		w = open_writer(&s);
		add_pattern(w, 42);
		must(seed_set_writer_flush(w, &err), &err);
		assert_true(read_index(&s, seed_set_writer_packs(w), &index) > 500);
		seed_set_writer_close(seed_steal(&w));
		if (i == 0) {
			first = index;
			index = (struct seed_vec){ 0 };
			continue;
		}
		assert_int_equal(index.count, first.count);
		for (size_t k = 0; k < index.count; k++) {
			const struct seed_index_entry *a = seed_vec_at(&first, k);
			const struct seed_index_entry *b = seed_vec_at(&index, k);

			assert_memory_equal(&a->digest, &b->digest, SEED_DIGEST_SIZE);
			assert_int_equal(a->record, b->record);
			assert_int_equal(a->slot, b->slot);
			assert_int_equal(a->length, b->length);
		}
	}
	seed_vec_free(&first);
	end_set(&s);
}

/* A pack holds 512 records; records of few blocks fill it soon enough. */
static void a_full_pack_is_committed_as_the_export_goes_on(void **state)
{
	struct set s = begin_set(*state, true, 2);
	struct seed_set_writer *w;
	struct seed_error err = { 0 };
	struct seed_id set = s.volume->set;
	struct seed_set_totals totals;
	uint32_t next = SHORT;

	s.commit_bytes = 1;
	w = open_writer(&s);
	/* Twelve of a chunk make a record of their own. */
	for (uint32_t i = 0; i < 2 * SEED_PACK_RECORDS + 10; i++, next += 12)
		add_range(w, next, 12);
	must(seed_set_writer_flush(w, &err), &err);
	seed_set_writer_totals(w, &totals);
	assert_int_equal(totals.packs, 3);
	assert_int_equal(seed_set_writer_commits(w), 3);
	assert_int_equal(seed_set_writer_packs(w)->count, 0);
	seed_set_writer_close(w);
	assert_int_equal(count_commits(&s), 3);
	assert_int_equal(s.record.confirmed, 3);
	assert_int_equal(s.volume->packs.count, 3);
	seed_volume_close(s.volume);
	s.volume = reopen(s.f, s.medium, &set);
	assert_int_equal(s.volume->problems.count, 0);
	assert_int_equal(s.volume->last_commit, 3);
	assert_int_equal(s.volume->packs.count, 3);
	assert_false(s.volume->has_full);
	assert_int_equal(((struct seed_pack_facts *)seed_vec_at(&s.volume->packs, 0))->records,
			 SEED_PACK_RECORDS + 1);
	must(seed_volume_recover(s.volume, &s.record, &err), &err);
	end_set(&s);
}

/* Stopped in its third pack: the first two stay, the third is swept by the next run. */
static void closing_early_keeps_whole_packs(void **state)
{
	struct set s = begin_set(*state, true, 2);
	struct seed_set_writer *w = open_writer(&s);
	struct seed_set_totals totals;
	struct seed_error err = { 0 };
	struct seed_id set = s.volume->set;
	uint32_t next = SHORT;

	for (uint32_t i = 0; i < 2 * SEED_PACK_RECORDS + 100; i++, next += 12)
		add_range(w, next, 12);
	/* The caller is at most a few records ahead of the writer; the read-back has no such
	 * bound, and only what was read back may be kept. */
	do
		seed_set_writer_totals(w, &totals);
	while (totals.packs < 2 && usleep(1000) == 0);
	seed_set_writer_close(w);
	seed_volume_close(s.volume);
	s.volume = reopen(s.f, s.medium, &set);
	assert_int_equal(s.volume->packs.count, 2);
	assert_true(seed_path_exists(s.volume->dir, "packs/00000003.pack"));
	must(seed_volume_recover(s.volume, &s.record, &err), &err);
	assert_false(seed_path_exists(s.volume->dir, "packs/00000003.pack"));
	end_set(&s);
}

static void a_packs_folder_that_is_gone_surfaces(void **state)
{
	static const uint32_t block = 1;
	struct set s = begin_set(*state, true, 2);
	SEED_AUTO(seed_set_writer_closep) struct seed_set_writer *w = open_writer(&s);
	struct seed_error err = { 0 };

	assert_int_equal(unlinkat(s.volume->dir, "packs", AT_REMOVEDIR), 0);
	must(add_blocks(w, &block, 1, &err), &err);	/* gathered only */
	assert_fails(seed_set_writer_flush(w, &err), &err, SEED_ERR_MEDIUM);
	assert_non_null(strstr(err.text, "pack 00000001"));
	seed_set_writer_close(seed_steal(&w));
	assert_int_equal(count_commits(&s), 0);
	end_set(&s);
}

/* The file system says no in the middle of the second pack. */
static void a_write_that_fails_ends_the_export_and_keeps_earlier_packs(void **state)
{
	struct set s = begin_set(*state, true, 2);
	struct seed_set_writer *w = open_writer(&s);
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit limit = { 0, RLIM_INFINITY };
	struct seed_set_totals totals;
	struct seed_error err = { 0 };
	struct seed_id set = s.volume->set;
	uint32_t next = SHORT / 12 + 1;
	int rc = 0;

	signal(SIGXFSZ, SIG_IGN);
	for (uint32_t i = 0; i < SEED_PACK_RECORDS; i++, next++)
		add_range(w, 12 * next, 12);
	do
		seed_set_writer_totals(w, &totals);
	while (totals.packs < 1 && usleep(1000) == 0);
	limit.rlim_cur = 1 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (uint32_t i = 0; rc == 0 && i < SEED_PACK_RECORDS; i++, next++) {
		uint32_t blocks[12];

		for (uint32_t k = 0; k < 12; k++)
			blocks[k] = 12 * next + k;
		rc = add_blocks(w, blocks, 12, &err);
	}
	if (rc == 0)
		rc = seed_set_writer_flush(w, &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, SEED_ERR_MEDIUM);
	assert_int_equal(err.sys_errno, EFBIG);
	assert_non_null(strstr(err.text, "pack 00000002"));
	/* The same error again, whatever is called. */
	err = (struct seed_error){ 0 };
	assert_int_equal(seed_set_writer_flush(w, &err), -1);
	assert_int_equal(err.sys_errno, EFBIG);
	seed_set_writer_close(w);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	seed_volume_close(s.volume);
	s.volume = reopen(s.f, s.medium, &set);
	assert_int_equal(s.volume->packs.count, 1);
	must(seed_volume_recover(s.volume, &s.record, &err), &err);
	end_set(&s);
}

/* A commit that failed may still lie there whole: a second one beside it would be damage. */
static void after_a_failed_commit_no_other_follows(void **state)
{
	struct set s = begin_set(*state, true, 2);
	struct seed_set_writer *w;
	struct seed_error err = { 0 };

	s.commit_bytes = 1;
	w = open_writer(&s);
	/* Where the first commit's signature goes there is a folder. */
	assert_int_equal(mkdirat(s.volume->dir, "commits/00000001.json.minisig", 0700), 0);
	add_range(w, 0, 12);
	assert_int_equal(seed_set_writer_flush(w, &err), -1);
	seed_set_writer_close(w);
	assert_false(seed_path_exists(s.volume->dir, "commits/00000002.json"));
	assert_int_equal(s.record.reserved, 1);
	assert_int_equal(s.record.confirmed, 0);
	end_set(&s);
}

/* As when own blocks or manifests cannot be written after the data. */
static void a_run_that_fails_after_the_flush_keeps_its_packs(void **state)
{
	struct set s = begin_set(*state, true, 2);
	struct seed_set_writer *w = open_writer(&s);
	struct seed_error err = { 0 };

	add_range(w, 0, 12);
	must(seed_set_writer_flush(w, &err), &err);
	assert_int_equal(seed_set_writer_packs(w)->count, 1);
	assert_int_equal(count_commits(&s), 0);
	seed_set_writer_close(w);
	assert_int_equal(count_commits(&s), 1);
	assert_int_equal(s.volume->packs.count, 1);
	end_set(&s);
}

static void after_the_full_commit_closing_adds_none(void **state)
{
	const struct seed_vec none = { 0 };
	struct set s = begin_set(*state, true, 2);
	struct seed_set_writer *w = open_writer(&s);
	struct seed_error err = { 0 };

	add_range(w, 0, 12);
	must(seed_set_writer_flush(w, &err), &err);
	must(seed_set_commit(s.f->home[HQ], s.volume, &s.record, s.f->site[HQ],
			     &(struct seed_set_change){ .full = true,
							.packs = seed_set_writer_packs(w),
							.files = &none, .seeds = &none }, &err), &err);
	seed_set_writer_close(w);
	assert_int_equal(count_commits(&s), 1);
	end_set(&s);
}

static void cancelled_while_reading_back_it_says_so(void **state)
{
	struct set s = begin_set(*state, true, 2);
	struct seed_set_writer *w = open_writer(&s);
	struct seed_error err = { 0 };

	atomic_store(&s.cancel.signal, SIGINT);
	add_range(w, 0, 12);
	assert_fails(seed_set_writer_flush(w, &err), &err, SEED_ERR_CANCELLED);
	seed_set_writer_close(w);
	assert_int_equal(count_commits(&s), 0);
	end_set(&s);
}

/* A committed pack that is damaged is named, and nothing is added. */
static void a_damaged_pack_of_the_set_is_named(void **state)
{
	struct set s = begin_set(*state, true, 2);
	struct seed_set_writer *w = open_writer(&s);
	struct seed_error err = { 0 };

	add_range(w, 0, 12);
	must(seed_set_writer_flush(w, &err), &err);
	seed_set_writer_close(w);
	damage(s.volume->dir, "packs/00000001.pack",
	       size_of(s.volume->dir, "packs/00000001.pack") - 40, false);
	w = NULL;
	assert_fails(try_writer(&w, &s, &err), &err, SEED_ERR_INTEGRITY);
	assert_non_null(strstr(err.text, "pack 00000001"));
	assert_null(w);
	end_set(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_block_is_stored_once),
		fixture_test(nothing_added_makes_no_pack),
		fixture_test(what_the_medium_holds_is_not_stored_again),
		fixture_test(a_known_block_is_not_looked_at),
		fixture_test(the_same_input_gives_the_same_records_at_any_number_of_workers),
		fixture_test(a_full_pack_is_committed_as_the_export_goes_on),
		fixture_test(closing_early_keeps_whole_packs),
		fixture_test(a_packs_folder_that_is_gone_surfaces),
		fixture_test(a_write_that_fails_ends_the_export_and_keeps_earlier_packs),
		fixture_test(after_a_failed_commit_no_other_follows),
		fixture_test(a_run_that_fails_after_the_flush_keeps_its_packs),
		fixture_test(after_the_full_commit_closing_adds_none),
		fixture_test(cancelled_while_reading_back_it_says_so),
		fixture_test(a_damaged_pack_of_the_set_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
