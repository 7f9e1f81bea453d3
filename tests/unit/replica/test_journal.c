// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/bytes.h"
#include "crypto/digest.h"
#include "replica/journal.h"

static const struct seed_id site = { { 0x11 } }, uuid = { { 0x22 } };

/* Block @n: odd lengths now and then; its digest to @digest. */
static uint32_t block_of(uint32_t n, uint8_t *out, struct seed_digest *digest)
{
	uint32_t len = n % 7 == 3 ? 1 + n % 1000 : SEED_BLOCK_SIZE;

	memset(out, (int)(n * 37 + 1), len);
	seed_put32(out, n);
	if (len < 4)
		len = 4;
	seed_digest_of(digest, out, len);
	return len;
}

static struct seed_journal *open_journal(int dir)
{
	struct seed_journal *j = NULL;
	struct seed_error err = { 0 };

	must(seed_journal_open(&j, dir, &site, &uuid, NULL, &err), &err);
	return j;
}

static void add(struct seed_journal *j, uint32_t n)
{
	uint8_t data[SEED_BLOCK_SIZE];
	struct seed_digest digest;
	struct seed_error err = { 0 };
	uint32_t len = block_of(n, data, &digest);

	must(seed_journal_add(j, &digest, data, len, &err), &err);
	assert_true(seed_journal_has(j, &digest));
}

static bool has(const struct seed_journal *j, uint32_t n)
{
	uint8_t data[SEED_BLOCK_SIZE];
	struct seed_digest digest;

	block_of(n, data, &digest);
	return seed_journal_has(j, &digest);
}

static void reads(struct seed_journal *j, uint32_t n)
{
	uint8_t want[SEED_BLOCK_SIZE], got[SEED_BLOCK_SIZE];
	struct seed_digest digest;
	struct seed_error err = { 0 };
	uint32_t len = block_of(n, want, &digest), got_len = 0;

	must(seed_journal_read(j, &digest, got, &got_len, &err), &err);
	assert_int_equal(got_len, len);
	assert_memory_equal(got, want, len);
}

static void blocks_are_there_again_after_reopening(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_journal_closep) struct seed_journal *j = open_journal(dir->fd);
	struct seed_error err = { 0 };

	for (uint32_t n = 0; n < 100; n++)
		add(j, n);
	add(j, 5);
	assert_int_equal(seed_journal_blocks(j), 100);
	for (uint32_t n = 0; n < 100; n++)	/* from the file, and from the buffer */
		reads(j, n);
	must(seed_journal_sync(j, &err), &err);
	seed_journal_close(j);
	j = open_journal(dir->fd);
	assert_int_equal(seed_journal_blocks(j), 100);
	for (uint32_t n = 100; n-- > 0;)
		reads(j, n);
	assert_false(has(j, 100));
	add(j, 100);
	reads(j, 100);
	seed_journal_close(j);
	j = open_journal(dir->fd);
	assert_int_equal(seed_journal_blocks(j), 101);
}

static void the_index_grows(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_journal_closep) struct seed_journal *j = open_journal(dir->fd);
	struct seed_error err = { 0 };

	for (uint32_t n = 0; n < 5000; n++) {
		struct seed_digest digest;

		seed_digest_of(&digest, &n, sizeof(n));
		must(seed_journal_add(j, &digest, &n, sizeof(n), &err), &err);
	}
	seed_journal_close(j);
	j = open_journal(dir->fd);
	assert_int_equal(seed_journal_blocks(j), 5000);
	for (uint32_t n = 0; n < 5000; n++) {
		uint8_t got[SEED_BLOCK_SIZE];
		struct seed_digest digest;
		uint32_t len;

		seed_digest_of(&digest, &n, sizeof(n));
		must(seed_journal_read(j, &digest, got, &len, &err), &err);
		assert_int_equal(len, 4);
		assert_int_equal(seed_get32(got), n);
	}
}

/* The bytes as the header gives them. */
/* What begins alike is not the same: the index alone says nothing. */
static void digests_that_begin_alike_are_two_blocks(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_journal_closep) struct seed_journal *j = open_journal(dir->fd);
	struct seed_digest one = { { 1, 2, 3 } }, other = one;
	struct seed_error err = { 0 };
	uint32_t len = 0;

	other.bytes[SEED_DIGEST_SIZE - 1] = 1;
	must(seed_journal_add(j, &one, "a", 1, &err), &err);
	assert_true(seed_journal_has(j, &one));
	assert_false(seed_journal_has(j, &other));
	must(seed_journal_add(j, &other, "bcd", 3, &err), &err);
	for (int flushed = 0; flushed < 2; flushed++) {
		must(seed_journal_length(j, &other, &len, &err), &err);
		assert_int_equal(len, 3);
		must(seed_journal_length(j, &one, &len, &err), &err);
		assert_int_equal(len, 1);
		must(seed_journal_sync(j, &err), &err);
	}
	assert_int_equal(seed_journal_blocks(j), 2);
}

static size_t heap(void)
{
	struct mallinfo2 now = mallinfo2();	/* of a sanitizer: nothing but zeroes */

	return now.uordblks + now.hblkhd;
}

static void the_index_costs_what_its_header_says(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_journal_closep) struct seed_journal *j = open_journal(dir->fd);
	struct seed_digest digest = { { 0 } };
	struct seed_error err = { 0 };
	size_t before = heap(), count = 900;

	for (size_t n = 1; n <= 200000; n++) {
		seed_put64(digest.bytes, n * UINT64_C(0x9e3779b97f4a7c15));
		seed_put32(digest.bytes + 8, (uint32_t)n * 2654435761u);
		seed_put64(digest.bytes + 16, n);
		must(seed_journal_add(j, &digest, "x", 1, &err), &err);
		if (n == count) {	/* also where a table was just begun */
			assert_true(heap() < before + 30 * n + 4096);
			count *= 2;
		}
	}
	assert_int_equal(seed_journal_blocks(j), 200000);
	assert_true(heap() < before + 19 * 200000u);
	for (size_t n = 1; n <= 200000; n += 997) {
		seed_put64(digest.bytes, n * UINT64_C(0x9e3779b97f4a7c15));
		seed_put32(digest.bytes + 8, (uint32_t)n * 2654435761u);
		seed_put64(digest.bytes + 16, n);
		assert_true(seed_journal_has(j, &digest));
	}
}

static void the_file_is_as_specified(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_journal *j = open_journal(dir->fd);
	struct seed_digest digest;
	struct seed_error err = { 0 };
	uint8_t want[64 + 40 + 5] = "VMSEEDRJ\1";

	want[16] = 0x11;
	want[32] = 0x22;
	memcpy(want + 64, "VSRE\5\0\0\0", 8);
	memcpy(want + 104, "hello", 5);
	seed_digest_of(&digest, "hello", 5);
	memcpy(want + 72, digest.bytes, 32);
	must(seed_journal_add(j, &digest, "hello", 5, &err), &err);
	assert_int_equal(seed_journal_bytes(j), sizeof(want));
	seed_journal_close(j);
	assert_true(tmpdir_holds(dir, "journal", want, sizeof(want)));
}

static void a_torn_tail_is_cut_at_every_length(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *whole = NULL;
	struct seed_journal *j = open_journal(dir->fd);
	struct seed_error err = { 0 };
	size_t len, first, second;

	add(j, 3);
	first = (size_t)seed_journal_bytes(j);
	add(j, 10);
	second = (size_t)seed_journal_bytes(j);
	seed_journal_close(j);
	must(seed_file_read(dir->fd, "journal", 1 << 20, &whole, &len, &err), &err);
	assert_int_equal(len, second);
	for (size_t cut = 0; cut < second; cut++) {
		tmpdir_put(dir, "journal", whole, cut);
		j = open_journal(dir->fd);
		assert_int_equal(seed_journal_blocks(j), cut >= first);
		assert_int_equal(seed_journal_bytes(j), cut >= first ? first : 64);
		add(j, 10);
		reads(j, 10);
		seed_journal_close(j);
		j = open_journal(dir->fd);
		assert_true(has(j, 10));
		assert_int_equal(has(j, 3), cut >= first);
		seed_journal_close(j);
	}
}

static void damage_ends_the_pool_where_it_is(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *whole = NULL;
	struct seed_journal *j = open_journal(dir->fd);
	struct seed_error err = { 0 };
	size_t len, ends[3];

	for (size_t i = 0; i < 3; i++) {
		add(j, (uint32_t)(i * 7 + 3));
		ends[i] = (size_t)seed_journal_bytes(j);
	}
	seed_journal_close(j);
	must(seed_file_read(dir->fd, "journal", 1 << 20, &whole, &len, &err), &err);
	for (size_t at = ends[0]; at < ends[1]; at++) {
		whole[at] ^= 0x40;
		tmpdir_put(dir, "journal", whole, len);
		whole[at] ^= 0x40;
		j = open_journal(dir->fd);
		assert_int_equal(seed_journal_blocks(j), 1);
		assert_int_equal(seed_journal_bytes(j), ends[0]);
		seed_journal_close(j);
	}
}

static void each_byte_of_the_header_counts(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *whole = NULL;
	struct seed_journal *j = open_journal(dir->fd);
	struct seed_error err = { 0 };
	uint8_t zero[80] = { 0 };
	size_t len;

	add(j, 3);
	seed_journal_close(j);
	must(seed_file_read(dir->fd, "journal", 1 << 20, &whole, &len, &err), &err);
	for (size_t at = 0; at < 64; at++) {
		whole[at] ^= 0x40;
		tmpdir_put(dir, "journal", whole, len);
		whole[at] ^= 0x40;
		assert_fails(seed_journal_open(&j, dir->fd, &site, &uuid, NULL, &err), &err,
			     SEED_ERR_FORMAT);
	}
	/* A crash of some file systems leaves zeroes: no journal was begun. */
	tmpdir_put(dir, "journal", zero, sizeof(zero));
	j = open_journal(dir->fd);
	assert_int_equal(seed_journal_bytes(j), 64);
	seed_journal_close(j);
}

static void a_journal_of_another_vm_is_refused(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_journal *j = open_journal(dir->fd);
	struct seed_error err = { 0 };

	seed_journal_close(j);
	assert_fails(seed_journal_open(&j, dir->fd, &uuid, &site, NULL, &err), &err,
		     SEED_ERR_FORMAT);
	assert_non_null(strstr(err.text, "journal: is of another replica"));
}

static void what_rots_later_is_noticed_on_reading(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_journal_closep) struct seed_journal *j = open_journal(dir->fd);
	uint8_t data[SEED_BLOCK_SIZE], byte = 0xee;
	struct seed_digest digest;
	struct seed_error err = { 0 };
	uint32_t len;
	int fd;

	add(j, 1);
	must(seed_journal_sync(j, &err), &err);
	fd = openat(dir->fd, "journal", O_WRONLY);
	assert_int_equal(pwrite(fd, &byte, 1, 64 + 40 + 500), 1);
	close(fd);
	block_of(1, data, &digest);
	assert_fails(seed_journal_read(j, &digest, data, &len, &err), &err, SEED_ERR_INTEGRITY);
	block_of(2, data, &digest);
	assert_fails(seed_journal_read(j, &digest, data, &len, &err), &err, SEED_ERR_NOTFOUND);
}

static void many_are_read_at_once_and_each_is_checked(void **state)
{
	enum { COUNT = 21, ROTTEN = 2, SHORT = 5, MISSING = 18 };
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_journal_closep) struct seed_journal *j = open_journal(dir->fd);
	SEED_AUTO(seed_freep) uint8_t *got = malloc((size_t)COUNT * SEED_BLOCK_SIZE);
	uint8_t want[SEED_BLOCK_SIZE], byte = 0xee;
	struct seed_digest digests[COUNT];
	uint32_t lens[COUNT];
	bool there[COUNT];
	struct seed_error err = { 0 };
	int fd;

	for (uint32_t n = 0; n < COUNT; n++) {
		lens[n] = block_of(n, want, &digests[n]);
		if (n != MISSING)
			add(j, n);
	}
	must(seed_journal_sync(j, &err), &err);
	fd = openat(dir->fd, "journal", O_WRONLY);
	assert_int_equal(pwrite(fd, &byte, 1, 64 + ROTTEN * (40 + SEED_BLOCK_SIZE) + 50), 1);
	close(fd);
	lens[SHORT]--;
	must(seed_journal_read_many(j, digests, lens, COUNT, got, there, &err), &err);
	for (uint32_t n = 0; n < COUNT; n++) {
		assert_int_equal(there[n], n != ROTTEN && n != SHORT && n != MISSING);
		block_of(n, want, &digests[n]);
		if (there[n])
			assert_memory_equal(got + (size_t)n * SEED_BLOCK_SIZE, want, lens[n]);
	}
}

static void a_full_disk_costs_nothing_that_was_taken(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_journal_closep) struct seed_journal *j = open_journal(dir->fd);
	struct rlimit old, limit;
	uint8_t data[SEED_BLOCK_SIZE];
	struct seed_digest digest;
	struct seed_error err = { 0 };
	uint32_t n = 0, len;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = (struct rlimit){ 2000000, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (;; n++) {
		len = block_of(n, data, &digest);
		if (seed_journal_add(j, &digest, data, len, &err) < 0)
			break;
		assert_true(n < 100);
	}
	assert_int_equal(err.kind, SEED_ERR_MEDIUM);
	assert_false(seed_journal_has(j, &digest));
	for (uint32_t i = 0; i < n; i++)
		reads(j, i);
	assert_fails(seed_journal_sync(j, &err), &err, SEED_ERR_MEDIUM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	add(j, n);		/* there is room again */
	must(seed_journal_sync(j, &err), &err);
	seed_journal_close(j);
	j = open_journal(dir->fd);
	assert_int_equal(seed_journal_blocks(j), n + 1);
	for (uint32_t i = 0; i <= n; i++)
		reads(j, i);
}

static void blocks_of_no_length_are_refused(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_journal_closep) struct seed_journal *j = open_journal(dir->fd);
	struct seed_error err = { 0 };

	assert_fails(seed_journal_add(j, &seed_digest_missing, "", 0, &err), &err,
		     SEED_ERR_RANGE);
	assert_fails(seed_journal_add(j, &seed_digest_missing, "", SEED_BLOCK_SIZE + 1, &err),
		     &err, SEED_ERR_RANGE);
	assert_int_equal(seed_journal_blocks(j), 0);
}

static void opening_can_be_stopped(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_cancel cancel = { .signal = 15 };
	struct seed_journal *j = open_journal(dir->fd);
	struct seed_error err = { 0 };

	add(j, 1);
	seed_journal_close(j);
	assert_fails(seed_journal_open(&j, dir->fd, &site, &uuid, &cancel, &err), &err,
		     SEED_ERR_CANCELLED);
	j = open_journal(dir->fd);
	assert_int_equal(seed_journal_blocks(j), 1);
	seed_journal_close(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(blocks_are_there_again_after_reopening),
		on_tmpdir(the_index_grows),
		on_tmpdir(digests_that_begin_alike_are_two_blocks),
		on_tmpdir(the_index_costs_what_its_header_says),
		on_tmpdir(the_file_is_as_specified),
		on_tmpdir(a_torn_tail_is_cut_at_every_length),
		on_tmpdir(damage_ends_the_pool_where_it_is),
		on_tmpdir(each_byte_of_the_header_counts),
		on_tmpdir(a_journal_of_another_vm_is_refused),
		on_tmpdir(what_rots_later_is_noticed_on_reading),
		on_tmpdir(many_are_read_at_once_and_each_is_checked),
		on_tmpdir(a_full_disk_costs_nothing_that_was_taken),
		on_tmpdir(blocks_of_no_length_are_refused),
		on_tmpdir(opening_can_be_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
