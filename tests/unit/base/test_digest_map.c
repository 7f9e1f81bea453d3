// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/digest_map.h"

#define MIB (UINT64_C(1) << 20)

/* Digest number @n of a sequence: splitmix64 four times, as even as SHA-256 here. */
static struct seed_digest digest_of(uint64_t n)
{
	struct seed_digest d;

	for (unsigned int i = 0; i < 4; i++) {
		uint64_t z = (4 * n + i + 1) * UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		seed_put64(d.bytes + 8 * i, z ^ z >> 31);
	}
	return d;
}

static struct seed_digest_map *map_of(uint64_t max_bytes)
{
	struct seed_error err = { 0 };
	struct seed_digest_map *map = NULL;

	assert_ok(seed_digest_map_new(&map, max_bytes, &err), &err);
	return map;
}

static bool add(struct seed_digest_map *map, uint64_t n)
{
	struct seed_digest d = digest_of(n);
	struct seed_error err = { 0 };
	bool added = false;

	assert_ok(seed_digest_map_add(map, &d, &added, &err), &err);
	return added;
}

static bool has(const struct seed_digest_map *map, uint64_t n)
{
	struct seed_digest d = digest_of(n);

	return seed_digest_map_has(map, &d);
}

static void an_empty_set_has_nothing(void **state)
{
	SEED_AUTO(seed_digest_map_freep) struct seed_digest_map *map = map_of(MIB);
	struct seed_digest zero = { 0 };

	(void)state;
	assert_false(seed_digest_map_has(map, &zero));
	assert_int_equal(seed_digest_map_count(map), 0);
	assert_int_equal(seed_digest_map_mark(map), 0);
	seed_digest_map_cut(map, 0);
	seed_digest_map_free(NULL);
}

static void what_was_added_is_there_once(void **state)
{
	SEED_AUTO(seed_digest_map_freep) struct seed_digest_map *map = map_of(64 * MIB);

	(void)state;
	for (uint64_t n = 0; n < 50000; n++) {
		assert_false(has(map, n));
		assert_true(add(map, n));
		assert_true(has(map, n));
	}
	for (uint64_t n = 0; n < 50000; n++) {
		assert_true(has(map, n));
		assert_false(add(map, n));
		assert_false(has(map, n + 50000));
	}
	assert_int_equal(seed_digest_map_count(map), 50000);
	assert_int_equal(seed_digest_map_mark(map), 50000);
}

/* All 32 bytes count, not only those that choose a slot. */
static void digests_that_differ_in_one_bit_are_two(void **state)
{
	SEED_AUTO(seed_digest_map_freep) struct seed_digest_map *map = map_of(MIB);
	struct seed_digest d = digest_of(1), zero = { 0 };
	struct seed_error err = { 0 };
	bool added;

	(void)state;
	assert_true(add(map, 1));
	for (unsigned int bit = 0; bit < 256; bit++) {
		d.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(seed_digest_map_has(map, &d));
		assert_ok(seed_digest_map_add(map, &d, &added, &err), &err);
		assert_true(added);
		assert_true(seed_digest_map_has(map, &d));
		d.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_ok(seed_digest_map_add(map, &zero, &added, &err), &err);
	assert_true(added && seed_digest_map_has(map, &zero));
	assert_int_equal(seed_digest_map_count(map), 258);
}

/* Digests that agree in their first 16 bytes share slot and tag: slow, never wrong. */
static void digests_that_share_their_slot_are_told_apart(void **state)
{
	SEED_AUTO(seed_digest_map_freep) struct seed_digest_map *map = map_of(MIB);
	struct seed_digest d = digest_of(3);
	struct seed_error err = { 0 };
	bool added;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		seed_put32(d.bytes + 28, i);
		assert_ok(seed_digest_map_add(map, &d, &added, &err), &err);
		assert_true(added);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		seed_put32(d.bytes + 28, i);
		assert_int_equal(seed_digest_map_has(map, &d), i < 1000);
	}
	seed_digest_map_cut(map, 500);
	for (uint32_t i = 0; i < 2000; i++) {
		seed_put32(d.bytes + 28, i);
		assert_int_equal(seed_digest_map_has(map, &d), i < 500);
	}
}

static void a_digest_costs_at_most_40_bytes(void **state)
{
	SEED_AUTO(seed_digest_map_freep) struct seed_digest_map *map = map_of(1024 * MIB);

	(void)state;
	for (uint64_t n = 0; n < 1000000; n++) {
		add(map, n);
		if (n >= 100000)
			assert_true(seed_digest_map_bytes(map) <= 40 * (n + 1));
	}
	assert_int_equal(seed_digest_map_count(map), 1000000);
	for (uint64_t n = 0; n < 1000000; n += 7)
		assert_true(has(map, n));
}

static void at_the_cap_the_oldest_are_forgotten(void **state)
{
	const uint64_t cap = 2 * MIB;
	SEED_AUTO(seed_digest_map_freep) struct seed_digest_map *map = map_of(cap);
	uint64_t count, total = 400000;

	(void)state;
	for (uint64_t n = 0; n < total; n++) {
		assert_true(add(map, n));
		assert_true(has(map, n));
		assert_true(seed_digest_map_bytes(map) <= cap);
	}
	count = seed_digest_map_count(map);
	assert_int_equal(seed_digest_map_mark(map), total);
	assert_true(count >= cap / 50);		/* the cap is used, not feared */
	for (uint64_t n = 0; n < total; n++)
		assert_int_equal(has(map, n), n >= total - count);
	assert_true(add(map, 0));		/* forgotten: new again */
	assert_false(add(map, 0));
}

static void a_small_cap_still_works(void **state)
{
	SEED_AUTO(seed_digest_map_freep) struct seed_digest_map *map = map_of(0);

	(void)state;
	for (uint64_t n = 0; n < 100000; n++) {
		assert_true(add(map, n));
		assert_true(has(map, n));
	}
	assert_true(seed_digest_map_count(map) >= 4096);
	assert_true(seed_digest_map_bytes(map) <= MIB);
}

static void a_cut_takes_back_the_tail(void **state)
{
	SEED_AUTO(seed_digest_map_freep) struct seed_digest_map *map = map_of(64 * MIB);
	uint64_t mark;

	(void)state;
	for (uint64_t n = 0; n < 10000; n++)
		add(map, n);
	mark = seed_digest_map_mark(map);
	for (uint64_t n = 10000; n < 30000; n++)
		add(map, n);
	seed_digest_map_cut(map, mark);
	assert_int_equal(seed_digest_map_mark(map), mark);
	assert_int_equal(seed_digest_map_count(map), 10000);
	for (uint64_t n = 0; n < 30000; n++)
		assert_int_equal(has(map, n), n < 10000);
	for (uint64_t n = 29999; n >= 10000; n--)
		assert_true(add(map, n));
	for (uint64_t n = 0; n < 30000; n++)
		assert_true(has(map, n));
	seed_digest_map_cut(map, 50000);	/* past the end: nothing to cut */
	assert_int_equal(seed_digest_map_count(map), 30000);
	seed_digest_map_cut(map, 0);
	assert_int_equal(seed_digest_map_count(map), 0);
	assert_true(add(map, 5));
	assert_int_equal(seed_digest_map_mark(map), 1);
}

static void a_cut_before_what_was_forgotten_empties_the_set(void **state)
{
	SEED_AUTO(seed_digest_map_freep) struct seed_digest_map *map = map_of(MIB);

	(void)state;
	for (uint64_t n = 0; n < 100000; n++)
		add(map, n);
	seed_digest_map_cut(map, 777);
	assert_int_equal(seed_digest_map_count(map), 0);
	assert_int_equal(seed_digest_map_mark(map), 777);
	for (uint64_t n = 0; n < 100000; n++)
		assert_true(add(map, n));
	assert_true(has(map, 99999));
	assert_int_equal(seed_digest_map_mark(map), 100777);
}

/* Against a plain model: numbers added, in order; the set holds the last of them. */
struct model {
	uint64_t *log;		/* digest at each insertion number */
	uint64_t *where;	/* last insertion number + 1 of each digest, 0 none */
	uint64_t mark;
};

static bool model_has(const struct model *m, const struct seed_digest_map *map, uint64_t n)
{
	return m->where[n] && m->where[n] > m->mark - seed_digest_map_count(map);
}

static void random_use_agrees_with_a_model(void **state)
{
	enum { universe = 60000, steps = 1000000 };
	SEED_AUTO(seed_digest_map_freep) struct seed_digest_map *map = map_of(MIB);
	struct model m = { .log = calloc(steps, sizeof(uint64_t)),
			   .where = calloc(universe, sizeof(uint64_t)) };

	(void)state;
	srand(3);
	for (uint64_t i = 0; i < steps; i++) {
		uint64_t n = (uint64_t)rand() % universe;

		if (rand() % 20000 == 0) {
			uint64_t back = (uint64_t)rand() % (rand() % 8 ? 5000 : 40000);
			uint64_t to = back < m.mark ? m.mark - back : 0;

			seed_digest_map_cut(map, to);
			for (; m.mark > to; m.mark--)
				if (m.where[m.log[m.mark - 1]] == m.mark)
					m.where[m.log[m.mark - 1]] = 0;
			assert_int_equal(seed_digest_map_mark(map), m.mark);
			continue;
		}
		assert_int_equal(has(map, n), model_has(&m, map, n));
		if (rand() % 4 == 0) {
			bool there = model_has(&m, map, n);

			assert_int_equal(add(map, n), !there);
			if (!there) {
				m.log[m.mark++] = n;
				m.where[n] = m.mark;
			}
		}
	}
	for (uint64_t n = 0; n < universe; n++)
		assert_int_equal(has(map, n), model_has(&m, map, n));
	free(m.log);
	free(m.where);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_set_has_nothing),
		cmocka_unit_test(what_was_added_is_there_once),
		cmocka_unit_test(digests_that_differ_in_one_bit_are_two),
		cmocka_unit_test(digests_that_share_their_slot_are_told_apart),
		cmocka_unit_test(a_digest_costs_at_most_40_bytes),
		cmocka_unit_test(at_the_cap_the_oldest_are_forgotten),
		cmocka_unit_test(a_small_cap_still_works),
		cmocka_unit_test(a_cut_takes_back_the_tail),
		cmocka_unit_test(a_cut_before_what_was_forgotten_empties_the_set),
		cmocka_unit_test(random_use_agrees_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
