// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "manifest/lineage.h"

/* "a b@5 c@9": timeline a, forked to b at generation 5, forked to c at generation 9. */
static struct seed_lineage line(const char *text)
{
	struct seed_lineage lineage = { .count = 0 };

	for (; *text; text += strcspn(text, " "), text += *text == ' ') {
		struct seed_timeline *t = &lineage.timelines[lineage.count];

		memset(t->id.bytes, *text, sizeof(t->id.bytes));
		memset(t->writer.bytes, 'w', sizeof(t->writer.bytes));
		if (text[1] == '@') {
			t->forked = true;
			t->parent = t[-1].id;
			t->parent_generation = strtoull(text + 2, NULL, 10);
		}
		lineage.count++;
	}
	return lineage;
}

struct row {
	const char *a;
	uint64_t a_gen;
	const char *b;
	uint64_t b_gen;
	enum seed_lineage_relation relation, reverse;
};

#define SAME SEED_LINEAGE_SAME
#define NEWER SEED_LINEAGE_NEWER
#define OLDER SEED_LINEAGE_OLDER
#define DIVERGED SEED_LINEAGE_DIVERGED
#define UNRELATED SEED_LINEAGE_UNRELATED

static const struct row rows[] = {
	/* one timeline */
	{ "a", 7, "a", 7, SAME, SAME },
	{ "a", 7, "a", 8, NEWER, OLDER },
	{ "a", 1, "a", SEED_GENERATION_MAX, NEWER, OLDER },
	/* b was forked from a: after, at and before the generation that we hold */
	{ "a", 7, "a b@9", 10, NEWER, OLDER },
	{ "a", 7, "a b@7", 8, NEWER, OLDER },
	{ "a", 7, "a b@6", 7, DIVERGED, DIVERGED },
	{ "a", 7, "a b@6", 900, DIVERGED, DIVERGED },
	/* promoted, nothing signed on the new timeline yet */
	{ "a", 7, "a b@7", 7, NEWER, OLDER },
	/* on one forked timeline */
	{ "a b@7", 9, "a b@7", 9, SAME, SAME },
	{ "a b@7", 9, "a b@7", 12, NEWER, OLDER },
	/* deeper: the first fork that we do not have decides */
	{ "a", 5, "a b@5 c@20", 30, NEWER, OLDER },
	{ "a", 6, "a b@5 c@20", 30, DIVERGED, DIVERGED },
	{ "a b@5", 20, "a b@5 c@20", 21, NEWER, OLDER },
	{ "a b@5", 21, "a b@5 c@20", 22, DIVERGED, DIVERGED },
	{ "a b@5 c@20", 25, "a b@5 c@20 d@25 e@25", 26, NEWER, OLDER },
	/* forked twice from one timeline: both promoted */
	{ "a b@5", 6, "a c@5", 6, DIVERGED, DIVERGED },
	{ "a b@5", 6, "a c@9", 10, DIVERGED, DIVERGED },
	{ "a b@5 d@8", 9, "a b@5 c@8", 9, DIVERGED, DIVERGED },
	/* nothing in common */
	{ "a", 7, "b", 7, UNRELATED, UNRELATED },
	{ "a b@5", 6, "c d@5", 6, UNRELATED, UNRELATED },
	/* one id with two histories is a lie, not a stranger */
	{ "a b@5", 6, "a b@4", 6, DIVERGED, DIVERGED },
	{ "a b@5", 6, "b", 6, DIVERGED, DIVERGED },
};

static void relations_follow_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct seed_lineage a = line(rows[i].a), b = line(rows[i].b);

		if (seed_lineage_compare(&a, rows[i].a_gen, &b, rows[i].b_gen) != rows[i].relation ||
		    seed_lineage_compare(&b, rows[i].b_gen, &a, rows[i].a_gen) != rows[i].reverse)
			fail_msg("row %zu: (%s, %ju) and (%s, %ju)", i, rows[i].a,
				 (uintmax_t)rows[i].a_gen, rows[i].b, (uintmax_t)rows[i].b_gen);
	}
}

static void another_writer_is_another_timeline(void **state)
{
	struct seed_lineage a = line("a"), b = line("a");

	(void)state;
	b.timelines[0].writer.bytes[0] ^= 1;
	assert_int_equal(seed_lineage_compare(&a, 1, &b, 2), DIVERGED);
}

static void an_empty_lineage_is_unrelated(void **state)
{
	struct seed_lineage none = { .count = 0 }, a = line("a");

	(void)state;
	assert_int_equal(seed_lineage_compare(&none, 1, &a, 2), UNRELATED);
	assert_int_equal(seed_lineage_compare(&a, 1, &none, 2), UNRELATED);
}

static void the_base_is_where_the_last_timeline_was_forked(void **state)
{
	struct seed_lineage a = line("a"), b = line("a b@5 c@9"), none = { .count = 0 };

	(void)state;
	assert_int_equal(seed_lineage_base(&a), 0);
	assert_int_equal(seed_lineage_base(&b), 9);
	assert_int_equal(seed_lineage_base(&none), 0);
}

static void malformed_lineages_are_refused(void **state)
{
	struct seed_lineage lineage = { .count = 0 };
	struct seed_error err;

	(void)state;
	assert_fails(seed_lineage_check(&lineage, &err), &err, SEED_ERR_FORMAT);
	lineage = line("a b@5 a@6");
	assert_fails(seed_lineage_check(&lineage, &err), &err, SEED_ERR_FORMAT);
	lineage = line("a b@5 c@4");
	assert_fails(seed_lineage_check(&lineage, &err), &err, SEED_ERR_FORMAT);
	lineage = line("a b");
	assert_fails(seed_lineage_check(&lineage, &err), &err, SEED_ERR_FORMAT);
	lineage = line("a b@5 c@5");
	assert_ok(seed_lineage_check(&lineage, &err), &err);
	lineage.timelines[2].parent = lineage.timelines[0].id;
	assert_fails(seed_lineage_check(&lineage, &err), &err, SEED_ERR_FORMAT);
	lineage = line("a");
	lineage.timelines[0].forked = true;
	assert_fails(seed_lineage_check(&lineage, &err), &err, SEED_ERR_FORMAT);
	lineage.count = SEED_TIMELINES_MAX + 1;
	assert_fails(seed_lineage_check(&lineage, &err), &err, SEED_ERR_FORMAT);
}

static int take(struct seed_lineage *out, const char *text, size_t len, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;

	if (seed_json_parse(&doc, text, len, err) < 0)
		return -1;
	seed_json_begin(&r, doc, "vm.json", err);
	seed_lineage_take(&r, "lineage", out);
	return seed_json_done(&r);
}

static void what_is_written_is_read_again(void **state)
{
	struct seed_lineage before = line("a b@5 c@9"), after;
	SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_json_new_object();
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_error err = { 0 };
	size_t len;

	(void)state;
	seed_json_set(doc, "lineage", seed_lineage_to_json(&before));
	assert_ok(seed_json_dump(doc, 0, &text, &len, &err), &err);
	assert_ok(take(&after, text, len, &err), &err);
	assert_int_equal(after.count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_true(seed_id_equal(&after.timelines[i].id, &before.timelines[i].id));
		assert_true(seed_id_equal(&after.timelines[i].writer, &before.timelines[i].writer));
		assert_int_equal(after.timelines[i].forked, i > 0);
	}
	assert_int_equal(after.timelines[2].parent_generation, 9);
	assert_int_equal(seed_lineage_compare(&before, 10, &after, 10), SAME);
}

#define ID_A "\"61616161616161616161616161616161\""
#define ID_B "\"62626262626262626262626262626262\""
#define FIRST "{\"id\": " ID_A ", \"writer\": " ID_B ", \"forked_from\": null}"

static void malformed_json_names_its_timeline(void **state)
{
	static const char *const cases[][2] = {
		{ "{\"lineage\": []}", "lineage: 0 timelines" },
		{ "{\"lineage\": 5}", "lineage" },
		{ "{\"lineage\": [7]}", "lineage[0]" },
		{ "{\"lineage\": [{}]}", "lineage[0].id" },
		{ "{\"lineage\": [" FIRST ", " FIRST "]}", "lineage[1]: timeline 0 again" },
		{ "{\"lineage\": [{\"id\": " ID_A ", \"writer\": " ID_B ", \"x\": 1}]}",
		  "lineage[0]" },
		{ "{\"lineage\": [" FIRST ", {\"id\": " ID_B ", \"writer\": " ID_B
		  ", \"forked_from\": {\"id\": " ID_A ", \"generation\": -1}}]}",
		  "lineage[1].forked_from.generation" },
		{ "{\"lineage\": [" FIRST ", {\"id\": " ID_B ", \"writer\": " ID_B
		  ", \"forked_from\": {\"id\": " ID_B ", \"generation\": 1}}]}",
		  "lineage[1]: not forked from the one before it" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seed_lineage out;
		struct seed_error err;

		assert_fails(take(&out, cases[i][0], strlen(cases[i][0]), &err), &err,
			     SEED_ERR_FORMAT);
		if (!strstr(err.text, cases[i][1]))
			fail_msg("case %zu: %s", i, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(relations_follow_the_table),
		cmocka_unit_test(another_writer_is_another_timeline),
		cmocka_unit_test(an_empty_lineage_is_unrelated),
		cmocka_unit_test(the_base_is_where_the_last_timeline_was_forked),
		cmocka_unit_test(malformed_lineages_are_refused),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(malformed_json_names_its_timeline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
