// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

static int open_as(struct fixture *f, int who, struct seed_medium *medium,
		   const struct seed_id *set, struct seed_volume **out, struct seed_error *err)
{
	return seed_volume_open(out, medium, set, f->trust[who], f->site[who], err);
}

static struct seed_medium *medium_for(struct fixture *f, int who)
{
	struct seed_medium *medium = NULL;
	struct seed_error err = { 0 };

	must(seed_medium_open(&medium, f->path, f->trust[who], &err), &err);
	return medium;
}

/* The only problem of the volume, which names this file and says this. */
static void assert_problem(const struct seed_volume *volume, const char *path, const char *says,
			   enum seed_error_kind kind)
{
	const struct seed_volume_problem *problem;

	assert_int_equal(volume->problems.count, 1);
	problem = seed_vec_at(&volume->problems, 0);
	assert_string_equal(problem->path, path);
	if (!strstr(problem->text, says))
		fail_msg("%s: %s", problem->path, problem->text);
	assert_int_equal(problem->kind, kind);
}

static void recipient_and_exporter_have_one_data_key(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_medium_closep) struct seed_medium *theirs = medium_for(f, DR);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *own = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *other = NULL;
	const struct seed_secret zero = { { 0 } };
	struct seed_error err = { 0 };
	struct seed_id set;

	made = create_set(f, medium, true, &set);
	own = reopen(f, medium, &set);
	must(open_as(f, DR, theirs, &set, &other, &err), &err);
	assert_true(made->data_key.known && own->data_key.known && other->data_key.known);
	assert_memory_equal(&own->data_key.key, &made->data_key.key, sizeof(zero));
	assert_memory_equal(&other->data_key.key, &made->data_key.key, sizeof(zero));
	assert_memory_not_equal(&made->data_key.key, &zero, sizeof(zero));
	assert_int_equal(other->recipients.count, 2);
	assert_true(other->sealed && other->data_key.sealed);
	assert_string_equal(other->signer->name, "hq");
	assert_int_equal(other->number, 1);
	assert_false(other->has_full);
	assert_int_equal(other->last_commit, 0);
}

static void without_a_receiving_key_it_stays_sealed(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *blind = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *third = NULL;
	struct seed_error err = { 0 };
	struct seed_id set;

	made = create_set(f, medium, true, &set);
	must(seed_volume_open(&blind, medium, &set, f->trust[HQ], NULL, &err), &err);
	assert_true(blind->sealed && blind->data_key.sealed && !blind->data_key.known);
	/* A third site that trusts hq but is no recipient. */
	pin(f, STRANGER, HQ);
	seed_trust_close(f->trust[STRANGER]);
	must(seed_trust_open(&f->trust[STRANGER], f->home[STRANGER], f->site[STRANGER], &err),
	     &err);
	must(open_as(f, STRANGER, medium, &set, &third, &err), &err);
	assert_false(third->data_key.known);
}

static void a_set_for_ourselves_is_wrapped_once(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_error err = { 0 };
	struct seed_card self;
	struct seed_id set;

	seed_card_of(&self, f->site[HQ]);
	must(seed_random_id(&set, &err), &err);
	must(seed_volume_create(&volume, medium, &set, f->trust[HQ], f->site[HQ], &self, &err),
	     &err);
	assert_int_equal(volume->recipients.count, 1);
	assert_true(volume->data_key.known);
}

static void a_plaintext_set_has_no_key(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_id set;

	volume = create_set(f, medium, false, &set);
	assert_false(volume->sealed || volume->data_key.sealed || volume->data_key.known);
	assert_int_equal(volume->recipients.count, 0);
}

/* On another medium, for the same recipient: who can open one can open all. */
static void a_set_has_one_key_on_all_its_volumes(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_medium_closep) struct seed_medium *second = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *first = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *more = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *theirs = NULL;
	struct seed_volume_more what = { .number = 7 };
	struct seed_set_key unknown = { .sealed = true };
	struct seed_error err = { 0 };
	struct seed_card card;
	char path[320];

	snprintf(path, sizeof(path), "%s/red", f->dir->path);
	assert_int_equal(mkdirat(f->dir->fd, "red", 0755), 0);
	second = prepare(f, path);
	seed_card_of(&card, f->site[DR]);
	first = create_set(f, medium, true, &what.set);
	what.key = &unknown;
	assert_fails(seed_volume_create_more(&more, second, &what, f->trust[HQ], f->site[HQ], &card,
					     &err), &err, SEED_ERR_USAGE);
	what.key = &first->data_key;
	assert_fails(seed_volume_create_more(&more, second, &what, f->trust[HQ], f->site[HQ], NULL,
					     &err), &err, SEED_ERR_USAGE);
	must(seed_volume_create_more(&more, second, &what, f->trust[HQ], f->site[HQ], &card, &err),
	     &err);
	assert_int_equal(more->number, 7);
	assert_true(seed_id_equal(&more->set, &first->set));
	assert_true(seed_id_equal(&more->medium_id, &second->id));
	must(open_as(f, DR, second, &what.set, &theirs, &err), &err);
	assert_memory_equal(&theirs->data_key.key, &first->data_key.key, sizeof(theirs->data_key.key));
	for (size_t i = 0; i < 2; i++) {	/* wrapped anew */
		const struct seed_recipient *a = seed_vec_at(&first->recipients, i);
		const struct seed_recipient *b = seed_vec_at(&more->recipients, i);

		assert_true(seed_id_equal(&a->site, &b->site));
		assert_memory_not_equal(a->enc, b->enc, sizeof(a->enc));
	}
	assert_fails(seed_volume_create_more(&theirs, medium, &what, f->trust[HQ], f->site[HQ], &card,
					     &err), &err, SEED_ERR_USAGE);	/* volume 1 is there */
}

static void a_stranger_is_told_only_untrusted(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_error err = { 0 };
	struct seed_id set;

	made = create_set(f, medium, true, &set);
	assert_fails(open_as(f, STRANGER, medium, &set, &volume, &err), &err, SEED_ERR_TRUST);
	assert_null(volume);
}

static void every_flipped_byte_of_volume_json_is_refused(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_error err = { 0 };
	struct seed_id set;
	off_t size;

	made = create_set(f, medium, true, &set);
	size = size_of(made->dir, "volume.json");
	for (off_t at = 0; at < size; at += 7) {
		damage(made->dir, "volume.json", at, false);
		assert_fails(open_as(f, HQ, medium, &set, &volume, &err), &err, SEED_ERR_TRUST);
		damage(made->dir, "volume.json", at, false);
	}
	size = size_of(made->dir, "volume.json.minisig");
	for (off_t cut = size - 1; cut >= 0; cut -= 11) {
		damage(made->dir, "volume.json.minisig", cut, true);
		assert_fails(open_as(f, HQ, medium, &set, &volume, &err), &err, SEED_ERR_TRUST);
	}
	assert_int_equal(unlinkat(made->dir, "volume.json.minisig", 0), 0);
	assert_fails(open_as(f, HQ, medium, &set, &volume, &err), &err, SEED_ERR_TRUST);
}

static void a_header_of_another_set_is_refused(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *a = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *b = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_error err = { 0 };
	struct seed_id set_a, set_b;

	a = create_set(f, medium, true, &set_a);
	b = create_set(f, medium, true, &set_b);
	copy_file(a->dir, "volume.json", b->dir, "volume.json");
	copy_file(a->dir, "volume.json.minisig", b->dir, "volume.json.minisig");
	assert_fails(open_as(f, HQ, medium, &set_b, &volume, &err), &err, SEED_ERR_INTEGRITY);
	assert_non_null(strstr(err.text, "another set"));
}

static void a_volume_of_another_medium_is_refused(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_medium_closep) struct seed_medium *second = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_error err = { 0 };
	struct seed_id set;
	char path[320], name[SEED_ID_TEXT];

	made = create_set(f, medium, true, &set);
	must(seed_path_make_folder(f->dir->fd, "red", 0755, &err), &err);
	snprintf(path, sizeof(path), "%s/red", f->dir->path);
	second = prepare(f, path);
	seed_id_text(&set, name);
	assert_int_equal(renameat(medium->vmseed, name, second->vmseed, name), 0);
	assert_fails(open_as(f, HQ, second, &set, &volume, &err), &err, SEED_ERR_INTEGRITY);
	assert_non_null(strstr(err.text, "another medium"));
}

static void commits_add_up(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	const struct seed_pack_facts *pack;
	struct seed_id set;
	char name[SEED_ID_TEXT];

	made = create_set(f, medium, true, &set);
	commit_pack(f, made, 1, false);
	assert_false(made->has_full);
	commit_pack(f, made, 3, true);
	commit_pack(f, made, 2, false);		/* order of packs does not matter */
	volume = reopen(f, medium, &set);
	for (int i = 0; i < 2; i++) {
		const struct seed_volume *v = i ? volume : made;

		assert_int_equal(v->problems.count, 0);
		assert_true(v->has_full);
		assert_int_equal(v->last_full, 2);
		assert_int_equal(v->last_commit, 3);
		assert_int_equal(v->highest_seen, 3);
		assert_int_equal(v->packs.count, 3);
		assert_int_equal(v->seeds.count, 1);
		assert_int_equal(v->files.count, 1);
		assert_int_equal(v->links.count, 3);
		assert_memory_equal(&v->last_digest, &made->last_digest, sizeof(made->last_digest));
		for (uint32_t n = 1; n <= 3; n++) {
			pack = seed_volume_pack(v, n);
			assert_non_null(pack);
			assert_int_equal(pack->number, n);
		}
		assert_null(seed_volume_pack(v, 4));
		assert_null(seed_volume_file(v, "seeds/nothing"));
	}
	(void)seed_id_text(seed_vec_at(&volume->seeds, 0), name);
	assert_string_equal(name, "03000000000000000000000000000000");
	assert_non_null(seed_volume_file(volume,
					 "seeds/03000000000000000000000000000000/manifest.sealed"));
}

static void a_full_commit_begins_anew(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec packs = { 0 };
	const struct seed_vec none = { 0 };
	struct seed_error err = { 0 };
	struct seed_pack_facts pack;
	struct seed_id set;

	made = create_set(f, medium, false, &set);
	commit_pack(f, made, 1, true);
	pack = put_pack(made, 2);
	seed_vec_push(&packs, sizeof(pack), &pack);
	must(seed_volume_commit(made, 9, true, &packs, &none, &none, f->site[HQ], &err), &err);
	volume = reopen(f, medium, &set);
	assert_int_equal(volume->problems.count, 0);	/* 2 to 8 were reserved only */
	assert_int_equal(volume->last_commit, 9);
	assert_null(seed_volume_pack(volume, 1));
	assert_non_null(seed_volume_pack(volume, 2));
	assert_int_equal(volume->seeds.count, 0);
	assert_int_equal(volume->files.count, 0);
}

static void a_number_is_used_once_and_by_the_exporter(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_medium_closep) struct seed_medium *theirs = medium_for(f, DR);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *other = NULL;
	const struct seed_vec none = { 0 };
	struct seed_error err = { 0 };
	struct seed_id set;

	made = create_set(f, medium, true, &set);
	commit_pack(f, made, 1, true);
	assert_fails(seed_volume_commit(made, 1, false, &none, &none, NULL, f->site[HQ], &err),
		     &err, SEED_ERR_RANGE);
	tmpdir_put(f->dir, "x", "", 0);
	must(open_as(f, DR, theirs, &set, &other, &err), &err);
	assert_fails(seed_volume_commit(other, 2, false, &none, &none, NULL, f->site[DR], &err),
		     &err, SEED_ERR_TRUST);
	assert_int_equal(made->last_commit, 1);
}

/* Flip single bytes of the last commit and of its signature: the state is the one before. */
static void a_damaged_commit_leaves_the_state_before(void **state)
{
	static const char *const files[] = { "commits/00000003.json",
					     "commits/00000003.json.minisig" };
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	struct seed_id set;

	made = create_set(f, medium, true, &set);
	commit_pack(f, made, 1, true);
	commit_pack(f, made, 2, false);
	commit_pack(f, made, 3, true);
	for (int i = 0; i < 2; i++) {
		off_t size = size_of(made->dir, files[i]);

		for (off_t at = 0; at < size; at += 23) {
			SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;

			if (i == 1 && at < 65)
				continue;	/* minisign does not sign its untrusted comment */
			damage(made->dir, files[i], at, false);
			volume = reopen(f, medium, &set);
			assert_problem(volume, files[0], "", SEED_ERR_TRUST);
			assert_int_equal(volume->last_commit, 2);
			assert_int_equal(volume->last_full, 1);
			assert_int_equal(volume->highest_seen, 3);
			assert_int_equal(volume->packs.count, 2);
			damage(made->dir, files[i], at, false);
		}
	}
}

static void deltas_behind_a_lost_one_do_not_count(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_id set;

	made = create_set(f, medium, true, &set);
	commit_pack(f, made, 1, true);
	commit_pack(f, made, 2, false);
	commit_pack(f, made, 3, false);
	commit_pack(f, made, 4, false);
	assert_int_equal(unlinkat(made->dir, "commits/00000002.json", 0), 0);
	assert_int_equal(unlinkat(made->dir, "commits/00000002.json.minisig", 0), 0);
	volume = reopen(f, medium, &set);
	assert_int_equal(volume->last_commit, 1);
	assert_int_equal(volume->packs.count, 1);
	assert_int_equal(volume->problems.count, 2);
	assert_int_equal(volume->highest_seen, 4);
}

static void a_full_commit_stands_without_the_lost_one(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	struct seed_id set;

	made = create_set(f, medium, true, &set);
	commit_pack(f, made, 1, false);
	commit_pack(f, made, 2, false);
	commit_pack(f, made, 3, true);
	commit_pack(f, made, 4, false);
	for (int lost = 2; lost >= 1; lost--) {		/* then also the first */
		SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
		char name[SEED_COMMIT_NAME + 8];

		seed_commit_name((uint32_t)lost, name);
		assert_int_equal(unlinkat(made->dir, name, 0), 0);
		strcat(name, ".minisig");
		assert_int_equal(unlinkat(made->dir, name, 0), 0);
		volume = reopen(f, medium, &set);
		assert_problem(volume, "commits/00000003.json", "missing or damaged",
			       SEED_ERR_INTEGRITY);
		assert_int_equal(volume->last_commit, 4);
		assert_int_equal(volume->packs.count, 4);
	}
}

/* Two histories of one number: a copy of the medium from before, gone on with elsewhere. */
static void a_full_commit_of_another_history_is_refused(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *a = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *b = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_id set;

	a = create_set(f, medium, true, &set);
	commit_pack(f, a, 1, true);
	b = reopen(f, medium, &set);
	commit_pack(f, a, 2, false);
	commit_pack(f, a, 3, true);
	copy_file(a->dir, "commits/00000003.json", f->dir->fd, "kept");
	copy_file(a->dir, "commits/00000003.json.minisig", f->dir->fd, "kept.minisig");
	for (int n = 2; n <= 3; n++) {
		char name[64];

		snprintf(name, sizeof(name), "commits/0000000%d.json", n);
		assert_int_equal(unlinkat(a->dir, name, 0), 0);
		strcat(name, ".minisig");
		assert_int_equal(unlinkat(a->dir, name, 0), 0);
	}
	commit_pack(f, b, 4, false);		/* commit 2 again, otherwise */
	copy_file(f->dir->fd, "kept", a->dir, "commits/00000003.json");
	copy_file(f->dir->fd, "kept.minisig", a->dir, "commits/00000003.json.minisig");
	volume = reopen(f, medium, &set);
	assert_problem(volume, "commits/00000003.json", "does not follow", SEED_ERR_INTEGRITY);
	assert_int_equal(volume->last_commit, 2);
	assert_non_null(seed_volume_pack(volume, 4));
	assert_null(seed_volume_pack(volume, 3));
}

static void commits_of_others_are_refused(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *a = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *b = NULL;
	struct seed_id set_a, set_b;
	struct {
		const char *from, *to, *says;
	} cases[] = {
		{ "commits/00000001.json", "commits/00000002.json", "another set" },
		{ "commits/00000001.json", "commits/00000001.json", "another set" },
	};

	a = create_set(f, medium, true, &set_a);
	b = create_set(f, medium, true, &set_b);
	commit_pack(f, a, 1, true);
	for (size_t i = 0; i < 2; i++) {
		SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
		char from[64], to[64];

		snprintf(from, sizeof(from), "%s.minisig", cases[i].from);
		snprintf(to, sizeof(to), "%s.minisig", cases[i].to);
		copy_file(a->dir, cases[i].from, b->dir, cases[i].to);
		copy_file(a->dir, from, b->dir, to);
		volume = reopen(f, medium, &set_b);
		assert_true(volume->problems.count >= 1);
		assert_int_equal(volume->last_commit, 0);
		assert_false(volume->has_full);
		assert_int_equal(unlinkat(b->dir, cases[i].to, 0), 0);
		assert_int_equal(unlinkat(b->dir, to, 0), 0);
	}
	copy_file(a->dir, "commits/00000001.json", a->dir, "commits/00000005.json");
	copy_file(a->dir, "commits/00000001.json.minisig", a->dir,
		  "commits/00000005.json.minisig");
	{
		SEED_AUTO(seed_volume_closep) struct seed_volume *volume =
			reopen(f, medium, &set_a);

		assert_problem(volume, "commits/00000005.json", "another name",
			       SEED_ERR_INTEGRITY);
		assert_int_equal(volume->last_commit, 1);
	}
}

static void a_commit_that_contradicts_does_not_count(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec packs = { 0 };
	const struct seed_vec none = { 0 };
	struct seed_pack_facts pack;
	struct seed_error err = { 0 };
	struct seed_id set;

	made = create_set(f, medium, true, &set);
	commit_pack(f, made, 1, true);
	pack = *seed_volume_pack(made, 1);
	pack.digest.bytes[3] ^= 1;
	seed_vec_push(&packs, sizeof(pack), &pack);
	must(seed_volume_commit(made, 2, false, &packs, &none, NULL, f->site[HQ], &err), &err);
	volume = reopen(f, medium, &set);
	assert_problem(volume, "commits/00000002.json", "otherwise", SEED_ERR_INTEGRITY);
	assert_int_equal(volume->last_commit, 1);
	assert_memory_equal(&seed_volume_pack(volume, 1)->index, &pack.index, sizeof(pack.index));
	assert_memory_not_equal(&seed_volume_pack(volume, 1)->digest, &pack.digest,
				sizeof(pack.digest));
}

static void plaintext_never_goes_into_a_sealed_set(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec files = { 0 };
	const struct seed_vec none = { 0 };
	struct seed_commit_file file = {
		.path = "seeds/03000000000000000000000000000000/manifest.json",
	};
	struct seed_error err = { 0 };
	struct seed_id set;

	volume = create_set(f, medium, true, &set);
	seed_vec_push(&files, sizeof(file), &file);
	assert_fails(seed_volume_commit(volume, 1, true, &none, &files, &none, f->site[HQ], &err),
		     &err, SEED_ERR_FORMAT);
	assert_false(seed_path_exists(volume->dir, "commits/00000001.json"));
}

static void junk_in_the_folders_is_ignored(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };
	struct seed_error err = { 0 };
	struct seed_id set;
	char name[64];

	made = create_set(f, medium, true, &set);
	commit_pack(f, made, 1, true);
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "commits/junk-%d", i);
		assert_int_equal(mknodat(made->dir, name, S_IFREG | 0644, 0), 0);
	}
	assert_int_equal(mkfifoat(made->dir, "commits/00000001.json.bak", 0600), 0);
	assert_int_equal(symlinkat("/etc/passwd", medium->vmseed, "README"), 0);
	volume = reopen(f, medium, &set);
	assert_int_equal(volume->problems.count, 0);
	assert_int_equal(volume->last_commit, 1);
	must(seed_medium_sets(medium, &sets, &err), &err);
	assert_int_equal(sets.count, 1);
}

static void links_and_fifos_in_place_of_commits_are_problems(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_error err = { 0 };
	struct seed_id set;

	made = create_set(f, medium, true, &set);
	commit_pack(f, made, 1, true);
	commit_pack(f, made, 2, false);
	assert_int_equal(renameat(made->dir, "commits/00000002.json", made->dir, "kept"), 0);
	assert_int_equal(symlinkat("../kept", made->dir, "commits/00000002.json"), 0);
	volume = reopen(f, medium, &set);
	assert_problem(volume, "commits/00000002.json", "link", SEED_ERR_INTEGRITY);
	assert_int_equal(volume->last_commit, 1);
	seed_volume_close(seed_steal(&volume));
	assert_int_equal(unlinkat(made->dir, "commits/00000002.json", 0), 0);
	assert_int_equal(mkfifoat(made->dir, "commits/00000002.json", 0600), 0);
	volume = reopen(f, medium, &set);
	assert_problem(volume, "commits/00000002.json", "regular", SEED_ERR_INTEGRITY);
	seed_volume_close(seed_steal(&volume));
	assert_int_equal(renameat(made->dir, "commits", made->dir, "elsewhere"), 0);
	assert_int_equal(symlinkat("elsewhere", made->dir, "commits"), 0);
	assert_fails(seed_volume_open(&volume, medium, &set, f->trust[HQ], f->site[HQ], &err),
		     &err, SEED_ERR_INTEGRITY);
}

static void more_broken_commits_than_sense_end_it(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_error err = { 0 };
	struct seed_id set;
	char name[64];

	made = create_set(f, medium, true, &set);
	for (int i = 1; i <= 4100; i++) {
		snprintf(name, sizeof(name), "commits/%08d.json", i);
		assert_int_equal(mknodat(made->dir, name, S_IFREG | 0644, 0), 0);
	}
	assert_fails(seed_volume_open(&volume, medium, &set, f->trust[HQ], f->site[HQ], &err),
		     &err, SEED_ERR_INTEGRITY);
}

/* What creation leaves when it is cut short behind each of its steps. */
static void a_half_made_set_is_nobodys_and_swept(void **state)
{
	static const char *const steps[] = { "commits", "seeds", "packs", "volume.json.minisig",
					     "volume.json" };
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);

	for (size_t cut = 1; cut <= 5; cut++) {
		SEED_AUTO(seed_volume_closep) struct seed_volume *half = NULL;
		SEED_AUTO(seed_volume_closep) struct seed_volume *next = NULL;
		SEED_AUTO(seed_volume_closep) struct seed_volume *none = NULL;
		SEED_AUTO(seed_vec_free) struct seed_vec before = { 0 };
		SEED_AUTO(seed_vec_free) struct seed_vec after = { 0 };
		struct seed_error err = { 0 };
		struct seed_id set, other;
		char name[SEED_ID_TEXT];

		must(seed_medium_sets(medium, &before, &err), &err);
		half = create_set(f, medium, true, &set);
		for (size_t i = 0; i < cut; i++)
			assert_int_equal(unlinkat(half->dir, steps[i], i < 3 ? AT_REMOVEDIR : 0), 0);
		must(seed_medium_sets(medium, &after, &err), &err);
		assert_int_equal(after.count, before.count);
		assert_fails(seed_volume_open(&none, medium, &set, f->trust[HQ], f->site[HQ],
					      &err), &err, SEED_ERR_NOTFOUND);
		next = create_set(f, medium, true, &other);
		assert_false(seed_path_exists(medium->vmseed, seed_id_text(&set, name)));
	}
}

static void a_set_that_lost_its_commits_is_not_swept(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *made = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *next = NULL;
	struct seed_id set, other;

	made = create_set(f, medium, true, &set);
	commit_pack(f, made, 1, true);
	assert_int_equal(renameat(made->dir, "commits", made->dir, "commits-gone"), 0);
	next = create_set(f, medium, true, &other);
	assert_true(seed_path_exists(made->dir, "volume.json"));
	assert_true(seed_path_exists(made->dir, "packs/00000001.pack"));
}

static void a_set_needs_a_known_medium(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *made = prepare(f, f->path);
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = medium_for(f, STRANGER);
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_error err = { 0 };
	struct seed_id set = { { 1 } };

	assert_non_null(made);
	assert_fails(seed_volume_create(&volume, medium, &set, f->trust[STRANGER],
					f->site[STRANGER], NULL, &err), &err, SEED_ERR_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(recipient_and_exporter_have_one_data_key),
		fixture_test(without_a_receiving_key_it_stays_sealed),
		fixture_test(a_set_for_ourselves_is_wrapped_once),
		fixture_test(a_plaintext_set_has_no_key),
		fixture_test(a_set_has_one_key_on_all_its_volumes),
		fixture_test(a_stranger_is_told_only_untrusted),
		fixture_test(every_flipped_byte_of_volume_json_is_refused),
		fixture_test(a_header_of_another_set_is_refused),
		fixture_test(a_volume_of_another_medium_is_refused),
		fixture_test(commits_add_up),
		fixture_test(a_full_commit_begins_anew),
		fixture_test(a_number_is_used_once_and_by_the_exporter),
		fixture_test(a_damaged_commit_leaves_the_state_before),
		fixture_test(deltas_behind_a_lost_one_do_not_count),
		fixture_test(a_full_commit_stands_without_the_lost_one),
		fixture_test(a_full_commit_of_another_history_is_refused),
		fixture_test(commits_of_others_are_refused),
		fixture_test(a_commit_that_contradicts_does_not_count),
		fixture_test(plaintext_never_goes_into_a_sealed_set),
		fixture_test(junk_in_the_folders_is_ignored),
		fixture_test(links_and_fifos_in_place_of_commits_are_problems),
		fixture_test(more_broken_commits_than_sense_end_it),
		fixture_test(a_half_made_set_is_nobodys_and_swept),
		fixture_test(a_set_that_lost_its_commits_is_not_swept),
		fixture_test(a_set_needs_a_known_medium),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
