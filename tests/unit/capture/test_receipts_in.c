// SPDX-License-Identifier: LGPL-2.1-or-later
/* hq exports, dr imports and acknowledges, the medium comes back. */
#include "unit/import/fixture.h"

#include "capture/receipts_in.h"
#include "media/receipt_file.h"
#include "media/seed.h"

static const char *const web[] = { "web01", NULL };

static int acknowledge(struct fixture *f, int store, const char *path, unsigned int *written,
		       struct seed_error *err)
{
	const struct seed_import_options opt = {
		.home = f->home[DR], .store = store, .own = f->site[DR], .trust = f->trust[DR],
	};
	const char *const paths[] = { path, NULL };
	struct seed_import plan;
	int rc;

	must(import_media(f, store, paths, NULL, &plan, err), err);
	rc = seed_import_acknowledge(&plan, &opt, written, err);
	seed_import_clear(&plan);
	return rc;
}

/* web01 went to dr, who has acknowledged it on the medium. */
static int prepared(struct fixture *f, bool sealed)
{
	struct seed_error err = { 0 };
	unsigned int written;
	int store = open_store(f);

	seed_medium_close(prepare(f, f->path));
	make_image(f, "web01", 5, 1);
	must(export_vms(f, f->path, sealed, web, &err), &err);
	must(acknowledge(f, store, f->path, &written, &err), &err);
	assert_int_equal(written, 1);
	return store;
}

/* The one volume, as hq opens it. */
struct stand {
	struct seed_medium *medium;
	struct seed_volume *volume;
};

static struct stand come_back(struct fixture *f, int who)
{
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };
	struct seed_error err = { 0 };
	struct stand s;

	must(seed_medium_open(&s.medium, f->path, f->trust[who], &err), &err);
	must(seed_medium_sets(s.medium, &sets, &err), &err);
	must(seed_volume_open(&s.volume, s.medium, seed_vec_at(&sets, 0), f->trust[who],
			      f->site[who], &err), &err);
	return s;
}

static void leave(struct stand *s)
{
	seed_volume_close(s->volume);
	seed_medium_close(s->medium);
}

struct heard {
	unsigned int taken, warnings;
	uint64_t generation;
	char last[300];
};

static void hear(void *arg, const struct seed_event *event)
{
	struct heard *heard = arg;

	assert_int_equal(event->kind, SEED_EVENT_WARNING);
	heard->warnings++;
	snprintf(heard->last, sizeof(heard->last), "%s", event->text);
}

static void taken(void *arg, const struct seed_trusted *site, const char *vm,
		  const struct seed_receipt *receipt)
{
	struct heard *heard = arg;

	assert_string_equal(site->name, "dr");
	assert_string_equal(vm, "web01");
	heard->taken++;
	heard->generation = receipt->generation;
}

static struct heard take_in(struct fixture *f)
{
	struct stand s = come_back(f, HQ);
	struct heard heard = { 0 };
	const struct seed_events events = { .report = hear, .arg = &heard };
	const struct seed_receipts_in in = {
		.home = f->home[HQ], .trust = f->trust[HQ], .events = &events, .taken = taken,
		.arg = &heard,
	};
	struct seed_error err = { 0 };

	must(seed_receipts_take_in(s.volume, &in, &err), &err);
	leave(&s);
	return heard;
}

/* What dr said, to be changed and said again. */
struct said {
	struct fixture *f;
	struct seed_receipt receipt;
};

static int copy_receipt(const struct seed_receipt_text *file, void *arg, struct seed_error *err)
{
	struct said *out = arg;

	seed_receipt_clear(&out->receipt);
	return seed_receipt_open(&out->receipt, file->text, file->len, file->signature,
				 file->signature_len,
				 seed_signing_key_public(out->f->site[DR]->sign), err);
}

/* @who says of the medium's only receipt what @change makes of it. */
static void say_too(struct fixture *f, int who, void (*change)(struct seed_receipt *receipt))
{
	struct said said = { .f = f };
	struct stand s = come_back(f, DR);
	struct seed_error err = { 0 };

	must(seed_receipt_file_each(s.volume, copy_receipt, &said, &err), &err);
	change(&said.receipt);
	must(seed_receipt_file_add(s.volume, &said.receipt, f->site[who], &err), &err);
	seed_receipt_clear(&said.receipt);
	leave(&s);
}

/* ---- tests ---- */

static void what_is_acknowledged_comes_back(void **state)
{
	struct fixture *f = *state;
	int store = prepared(f, true);
	struct heard heard = take_in(f);

	assert_int_equal(heard.taken, 1);
	assert_int_equal(heard.generation, 1);
	assert_int_equal(heard.warnings, 0);
	heard = take_in(f);
	assert_int_equal(heard.taken, 0);
	assert_int_equal(heard.warnings, 0);
	close(store);
}

static void a_plaintext_set_comes_back_too(void **state)
{
	struct fixture *f = *state;
	int store = prepared(f, false);
	struct stand s = come_back(f, HQ);

	assert_true(seed_path_exists(s.volume->dir, "receipts/00000001.json.minisig"));
	leave(&s);
	assert_int_equal(take_in(f).taken, 1);
	close(store);
}

static void an_import_again_says_it_once(void **state)
{
	struct fixture *f = *state;
	struct seed_error err = { 0 };
	int store = prepared(f, true);
	unsigned int written;

	must(acknowledge(f, store, f->path, &written, &err), &err);
	assert_int_equal(written, 0);
	close(store);
}

static void a_newer_generation_is_taken_and_an_older_ignored(void **state)
{
	struct fixture *f = *state;
	struct seed_error err = { 0 };
	int store = prepared(f, true);
	struct heard heard;
	unsigned int written;

	make_image(f, "web01", 5, 2);
	must(export_vms(f, f->path, true, web, &err), &err);
	must(acknowledge(f, store, f->path, &written, &err), &err);
	assert_int_equal(written, 1);
	/* Both lie there: the first is taken, and the second after it. */
	heard = take_in(f);
	assert_int_equal(heard.taken, 2);
	assert_int_equal(heard.generation, 2);
	assert_int_equal(heard.warnings, 0);
	heard = take_in(f);
	assert_int_equal(heard.taken, 0);
	assert_int_equal(heard.warnings, 0);
	close(store);
}

/* An incomplete replica is nothing to acknowledge. */
static void a_replica_that_lacks_blocks_is_not_acknowledged(void **state)
{
	struct fixture *f = *state;
	struct seed_error err = { 0 };
	int store = open_store(f);
	struct stand s;
	unsigned int written;

	seed_medium_close(prepare(f, f->path));
	make_image(f, "web01", 5, 1);
	must(export_vms(f, f->path, true, web, &err), &err);
	s = come_back(f, HQ);
	damage(s.volume->dir, "packs/00000001.pack", 4096, false);
	leave(&s);
	{
		const struct seed_import_options opt = {
			.home = f->home[DR], .store = store, .own = f->site[DR],
			.trust = f->trust[DR],
		};
		const char *const paths[] = { f->path, NULL };
		struct seed_import plan;

		assert_int_equal(import_media(f, store, paths, NULL, &plan, &err), -1);
		must(seed_import_acknowledge(&plan, &opt, &written, &err), &err);
		seed_import_clear(&plan);
	}
	assert_int_equal(written, 0);
	close(store);
}

static void same(struct seed_receipt *receipt)
{
	(void)receipt;
}

static void another_seed(struct seed_receipt *receipt)
{
	receipt->seed.bytes[0] ^= 1;
}

static void another_vm(struct seed_receipt *receipt)
{
	receipt->uuid.bytes[0] ^= 1;
}

static void another_generation(struct seed_receipt *receipt)
{
	receipt->generation += 5;
}

static void another_origin(struct seed_receipt *receipt)
{
	receipt->origin.bytes[0] ^= 1;
}

static void another_root(struct seed_receipt *receipt)
{
	((struct seed_receipt_disk *)seed_vec_at(&receipt->disks, 0))->root.bytes[0] ^= 1;
}

static void another_site(struct seed_receipt *receipt)
{
	receipt->site.bytes[0] ^= 1;
}

static void what_does_not_hold_is_warned_of_and_not_taken(void **state)
{
	static const struct {
		int who;
		void (*change)(struct seed_receipt *receipt);
		const char *says;
	} cases[] = {
		{ STRANGER, same, "not trusted" },
		{ HQ, same, "names another site" },
		{ DR, another_seed, "not on this volume" },
		{ DR, another_vm, "another VM" },
		{ DR, another_generation, "generation" },
		{ DR, another_origin, "another VM" },
		{ DR, another_root, "disk vda" },
		{ DR, another_site, "names another site" },
	};
	struct fixture *f = *state;
	int store = prepared(f, true);

	assert_int_equal(take_in(f).taken, 1);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stand s = come_back(f, HQ);
		struct heard heard;

		say_too(f, cases[i].who, cases[i].change);
		heard = take_in(f);
		assert_int_equal(heard.taken, 0);
		assert_int_equal(heard.warnings, 1);
		if (!strstr(heard.last, cases[i].says))
			fail_msg("case %u: %s", i, heard.last);
		assert_int_equal(unlinkat(s.volume->dir, "receipts/00000002.sealed", 0), 0);
		leave(&s);
	}
	close(store);
}

/* hq itself is a recipient of what it seals, and acknowledges nothing to itself. */
static void our_own_receipt_is_none(void **state)
{
	struct fixture *f = *state;
	int store = prepared(f, true);
	struct said said = { .f = f };
	struct stand s = come_back(f, HQ);
	struct seed_error err = { 0 };
	struct heard heard;

	must(seed_receipt_file_each(s.volume, copy_receipt, &said, &err), &err);
	said.receipt.site = f->site[HQ]->id;
	must(seed_receipt_file_add(s.volume, &said.receipt, f->site[HQ], &err), &err);
	seed_receipt_clear(&said.receipt);
	leave(&s);
	heard = take_in(f);
	assert_int_equal(heard.taken, 1);
	assert_int_equal(heard.warnings, 1);
	assert_non_null(strstr(heard.last, "for whom the set is not"));
	close(store);
}

static void a_receipt_that_is_cut_or_damaged_is_passed_by(void **state)
{
	struct fixture *f = *state;
	int store = prepared(f, true);
	struct stand s = come_back(f, HQ);
	struct heard heard;

	say_too(f, DR, same);
	damage(s.volume->dir, "receipts/00000001.sealed", 100, true);
	damage(s.volume->dir, "receipts/00000002.sealed", 200, false);
	heard = take_in(f);
	assert_int_equal(heard.taken, 0);
	assert_int_equal(heard.warnings, 0);
	leave(&s);
	close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(what_is_acknowledged_comes_back),
		fixture_test(a_plaintext_set_comes_back_too),
		fixture_test(an_import_again_says_it_once),
		fixture_test(a_newer_generation_is_taken_and_an_older_ignored),
		fixture_test(a_replica_that_lacks_blocks_is_not_acknowledged),
		fixture_test(what_does_not_hold_is_warned_of_and_not_taken),
		fixture_test(our_own_receipt_is_none),
		fixture_test(a_receipt_that_is_cut_or_damaged_is_passed_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
