// SPDX-License-Identifier: LGPL-2.1-or-later
/* What verify finds in media and replicas, and what it must not complain of. */
#include "unit/import/fixture.h"

#include "replica/missing.h"
#include "verify/verify.h"

#define DATA 47u	/* data blocks of an image of 70: every third is a hole */

struct scene {
	struct fixture *f;
	int store;
	char set[SEED_ID_TEXT + 8];	/* "vmseed/SETID" in the medium's folder */
	char folder[SEED_REPLICA_NAME];
	int medium;			/* the medium's folder */
};

/* web01 exported, sealed or not, and imported. */
static struct scene begin(struct fixture *f, bool sealed)
{
	struct scene s = { .f = f, .store = open_store(f) };
	const char *const media[] = { f->path, NULL };
	struct seed_import plan;
	struct seed_error err = { 0 };
	char id[SEED_ID_TEXT];

	make_image(f, "web01", 70, 2);
	seed_medium_close(prepare(f, f->path));
	must(export_vms(f, f->path, sealed, (const char *const[]){ "web01", NULL }, &err), &err);
	must(import_media(f, s.store, media, NULL, &plan, &err), &err);
	snprintf(s.folder, sizeof(s.folder), "%s",
		 ((struct seed_import_vm *)seed_vec_at(&plan.vms, 0))->folder);
	snprintf(s.set, sizeof(s.set), "vmseed/%s",
		 seed_id_text(&(*(struct seed_volume **)seed_vec_at(&plan.volumes, 0))->set, id));
	seed_import_clear(&plan);
	must(seed_path_open_folder(&s.medium, f->path, &err), &err);
	return s;
}

static void end(struct scene *s)
{
	close(s->store);
	close(s->medium);
}

/* What it says of volumes is gone with them. */
static int verify_with(struct scene *s, int who, const struct seed_verify_options *opt,
		       struct seed_verify *v, struct seed_error *err)
{
	struct seed_medium *medium = NULL;
	struct seed_vec media = { 0 };
	int rc;

	must(seed_medium_open(&medium, s->f->path, s->f->trust[who], err), err);
	assert_non_null(seed_vec_push(&media, sizeof(medium), &medium));
	rc = seed_verify_media(v, &media, opt, err);
	seed_set_views_clear(&v->views);
	seed_vec_free(&media);
	seed_medium_close(medium);
	return rc;
}

static struct seed_verify verify_at(struct scene *s, int who, bool key, unsigned int jobs)
{
	const struct seed_verify_options opt = {
		.own = key ? s->f->site[who] : NULL, .trust = s->f->trust[who],
		.scratch = s->f->dir->fd, .jobs = jobs, .memory = 8 << 20,
	};
	struct seed_verify v = { 0 };
	struct seed_error err = { 0 };

	must(verify_with(s, who, &opt, &v, &err), &err);
	return v;
}

/* The kind that a command would end with. */
static enum seed_error_kind verdict(struct seed_verify *v, const char *says)
{
	struct seed_error err = { 0 };

	seed_verify_conclude(&v->problems, &err);
	if (says) {
		bool found = false;

		for (size_t i = 0; i < v->problems.count; i++) {
			const struct seed_verify_problem *p = seed_vec_at(&v->problems, i);

			found |= strstr(p->what, says) || strstr(p->err.text, says);
		}
		if (!found)
			fail_msg("nothing says \"%s\": %s", says, err.text);
	}
	seed_verify_clear(v);
	return err.kind;
}

/* ---- media ---- */

static void a_sound_medium_is_sound(void **state)
{
	static const bool sealed[] = { true, false };

	for (size_t i = 0; i < 2; i++) {
		struct scene s;
		struct seed_verify v;
		const struct seed_verify_seed *seed;

		if (i == 1) {
			void *fresh;

			assert_int_equal(fixture_teardown(state), 0);
			assert_int_equal(fixture_setup(&fresh), 0);
			*state = fresh;
		}
		s = begin(*state, sealed[i]);
		for (unsigned int jobs = 0; jobs <= 4; jobs += 2) {
			v = verify_at(&s, DR, true, jobs);
			assert_int_equal(v.volumes, 1);
			assert_int_equal(v.packs, 1);
			assert_int_equal(v.blocks, DATA);
			assert_int_equal(v.unopened_records, 0);
			assert_int_equal(v.unfinished_files, 0);
			assert_int_equal(v.seeds.count, 1);
			seed = seed_vec_at(&v.seeds, 0);
			assert_true(seed->sound);
			assert_string_equal(seed->name, "web01");
			assert_int_equal(seed->blocks, DATA);
			assert_int_equal(seed->missing_blocks, 0);
			assert_int_equal(verdict(&v, NULL), 0);
		}
		end(&s);
	}
}

static void without_the_key_ciphertext_is_checked_and_the_rest_counted(void **state)
{
	struct scene s = begin(*state, true);
	struct seed_verify v = verify_at(&s, DR, false, 2);
	char pack[80];

	assert_true(v.records > 0);
	assert_int_equal(v.unopened_records, v.records);
	assert_int_equal(v.blocks, 0);
	assert_int_equal(v.seeds.count, 1);
	assert_null(((struct seed_verify_seed *)seed_vec_at(&v.seeds, 0))->name);
	assert_int_equal(verdict(&v, NULL), 0);
	/* Damage shows all the same. */
	snprintf(pack, sizeof(pack), "%s/packs/00000001.pack", s.set);
	damage(s.medium, pack, 100000, false);
	v = verify_at(&s, DR, false, 2);
	assert_int_equal(verdict(&v, "pack 00000001: record"), SEED_ERR_INTEGRITY);
	end(&s);
}

static void a_stranger_to_the_set_learns_that_alone(void **state)
{
	struct scene s = begin(*state, true);
	struct seed_verify v = verify_at(&s, STRANGER, true, 2);

	assert_int_equal(v.records, 0);
	assert_int_equal(v.seeds.count, 0);
	assert_int_equal(verdict(&v, "set "), SEED_ERR_TRUST);
	end(&s);
}

/* Every part of a pack: header, records, index, table, trailer; by flipping and by cutting. */
static void damage_anywhere_in_a_pack_is_found(void **state)
{
	struct scene s = begin(*state, true);
	char pack[80], saved[] = "saved.pack";
	off_t size;

	snprintf(pack, sizeof(pack), "%s/packs/00000001.pack", s.set);
	size = size_of(s.medium, pack);
	for (int i = 0; i < 60; i++) {
		off_t at = i < 20 ? i * 5 : i < 40 ? size - 1 - (i - 20) * 37 : size * (i - 39) / 22;
		struct seed_verify v;

		copy_file(s.medium, pack, s.f->dir->fd, saved);
		damage(s.medium, pack, at, false);
		v = verify_at(&s, DR, true, 2);
		assert_int_equal(verdict(&v, "pack 00000001"), SEED_ERR_INTEGRITY);
		copy_file(s.f->dir->fd, saved, s.medium, pack);
		if (i % 6)
			continue;
		damage(s.medium, pack, at, true);
		v = verify_at(&s, DR, true, 2);
		assert_int_equal(verdict(&v, "pack 00000001"), SEED_ERR_INTEGRITY);
		copy_file(s.f->dir->fd, saved, s.medium, pack);
	}
	{
		struct seed_verify v = verify_at(&s, DR, true, 2);

		assert_int_equal(verdict(&v, NULL), 0);
	}
	end(&s);
}

/* One record: its blocks are missing from the seed, and no others. */
static void what_a_bad_record_costs_is_counted(void **state)
{
	struct scene s = begin(*state, true);
	const struct seed_verify_seed *seed;
	struct seed_verify v;
	char pack[80];

	snprintf(pack, sizeof(pack), "%s/packs/00000001.pack", s.set);
	damage(s.medium, pack, 1000, false);
	v = verify_at(&s, DR, true, 2);
	seed = seed_vec_at(&v.seeds, 0);
	assert_false(seed->sound);
	assert_in_range(seed->missing_blocks, 1, 16);
	assert_int_equal(v.blocks, DATA - seed->missing_blocks);
	assert_int_equal(verdict(&v, "in no sound pack"), SEED_ERR_INTEGRITY);
	end(&s);
}

static void a_pack_that_is_gone_is_named(void **state)
{
	struct scene s = begin(*state, true);
	struct seed_verify v;
	char pack[80];

	snprintf(pack, sizeof(pack), "%s/packs/00000001.pack", s.set);
	assert_int_equal(unlinkat(s.medium, pack, 0), 0);
	v = verify_at(&s, DR, true, 2);
	assert_int_equal(((struct seed_verify_seed *)seed_vec_at(&v.seeds, 0))->missing_blocks, DATA);
	assert_true(verdict(&v, "pack 00000001") != 0);
	end(&s);
}

static void an_interrupted_export_beside_it_is_no_damage(void **state)
{
	struct scene s = begin(*state, true);
	struct seed_verify v;
	char pack[80], dir[80];

	snprintf(dir, sizeof(dir), "%s/packs/00000001.pack", s.set);
	snprintf(pack, sizeof(pack), "%s/packs/00000002.pack", s.set);
	copy_file(s.medium, dir, s.medium, pack);
	v = verify_at(&s, DR, true, 2);
	assert_int_equal(v.unfinished_files, 1);
	assert_int_equal(verdict(&v, NULL), 0);
	end(&s);
}

static void asked_to_stop_verify_stops(void **state)
{
	struct scene s = begin(*state, true);
	struct seed_cancel cancel = { 0 };
	const struct seed_verify_options opt = {
		.own = s.f->site[DR], .trust = s.f->trust[DR], .scratch = s.f->dir->fd,
		.jobs = 2, .memory = 8 << 20, .cancel = &cancel,
	};
	struct seed_verify v = { 0 };
	struct seed_error err = { 0 };

	atomic_store(&cancel.signal, 2);
	assert_fails(verify_with(&s, DR, &opt, &v, &err), &err, SEED_ERR_CANCELLED);
	seed_verify_clear(&v);
	end(&s);
}

/* ---- replicas ---- */

static int try_replica(struct scene *s, struct seed_verify_replica *v, struct seed_error *err)
{
	const struct seed_verify_options opt = { .own = s->f->site[DR], .trust = s->f->trust[DR],
						 .jobs = 2 };

	*v = (struct seed_verify_replica){ 0 };
	return seed_verify_replica(v, s->store, s->folder, &opt, err);
}

static struct seed_verify_replica verify_replica(struct scene *s)
{
	struct seed_verify_replica v;
	struct seed_error err = { 0 };

	must(try_replica(s, &v, &err), &err);
	return v;
}

static void expect_bad(const struct seed_verify_replica *v, uint64_t start, uint64_t count)
{
	const struct seed_verify_disk *d = seed_vec_at(&v->disks, 0);
	const struct seed_run *run;

	assert_int_equal(d->bad.count, 1);
	run = seed_vec_at(&d->bad, 0);
	assert_int_equal(run->start, start);
	assert_int_equal(run->count, count);
	assert_int_equal(v->bad_blocks, count);
	assert_int_equal(v->problems.count, 1);
}

static int open_in_replica(struct scene *s, const char *name)
{
	char path[100];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", s->folder, name);
	fd = openat(s->store, path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void a_sound_replica_is_sound(void **state)
{
	struct scene s = begin(*state, true);
	struct seed_verify_replica v = verify_replica(&s);

	assert_int_equal(v.problems.count, 0);
	assert_int_equal(v.bad_blocks, 0);
	assert_int_equal(v.bytes, DATA * B);
	seed_verify_replica_clear(&v);
	end(&s);
}

static void bad_blocks_of_a_replica_are_named(void **state)
{
	struct scene s = begin(*state, true);
	struct seed_verify_replica v;
	int fd = open_in_replica(&s, "vda.raw");
	char saved[4096], zeroes[4096] = { 0 };

	/* One byte of block 6; two blocks from 9 on made a hole; a hole, block 14, written to. */
	assert_int_equal(pread(fd, saved, 1, 6 * B + 77), 1);
	assert_int_equal(pwrite(fd, saved[0] ? zeroes : "x", 1, 6 * B + 77), 1);
	v = verify_replica(&s);
	expect_bad(&v, 6, 1);
	seed_verify_replica_clear(&v);
	assert_int_equal(pwrite(fd, saved, 1, 6 * B + 77), 1);

	assert_int_equal(pwrite(fd, "x", 1, 14 * B + 500), 1);
	v = verify_replica(&s);
	expect_bad(&v, 14, 1);
	seed_verify_replica_clear(&v);
	assert_int_equal(pwrite(fd, zeroes, 1, 14 * B + 500), 1);
	v = verify_replica(&s);
	assert_int_equal(v.problems.count, 0);
	seed_verify_replica_clear(&v);

	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 9 * B, 2 * B), 0);
	v = verify_replica(&s);
	expect_bad(&v, 9, 2);
	seed_verify_replica_clear(&v);
	close(fd);
	end(&s);
}

static void missing_blocks_are_not_bad_ones(void **state)
{
	struct scene s = begin(*state, true);
	SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
	const struct seed_run run = { 9, 2, SEED_BLOCK_MISSING };
	struct seed_replica *r = NULL;
	struct seed_verify_replica v;
	struct seed_error err = { 0 };
	int fd = open_in_replica(&s, "vda.raw");

	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 9 * B, 2 * B), 0);
	close(fd);
	seed_vec_push(&runs, sizeof(run), &run);
	must(seed_replica_open(&r, s.store, s.folder, true, &err), &err);
	must(seed_missing_write(r->dir, "vda.missing", &runs, &err), &err);
	((struct seed_replica_disk *)seed_vec_at(&r->disks, 0))->missing_blocks = 2;
	r->state = SEED_REPLICA_INCOMPLETE;
	must(seed_replica_save(r, &err), &err);
	seed_replica_close(r);
	v = verify_replica(&s);
	assert_int_equal(v.problems.count, 0);
	assert_int_equal(v.bad_blocks, 0);
	assert_int_equal(v.missing_blocks, 2);
	seed_verify_replica_clear(&v);
	end(&s);
}

static void a_disk_of_another_length_is_refused(void **state)
{
	struct scene s = begin(*state, true);
	struct seed_verify_replica v;
	int fd = open_in_replica(&s, "vda.raw");

	assert_int_equal(ftruncate(fd, 70 * B - 512), 0);
	v = verify_replica(&s);
	assert_int_equal(v.problems.count, 1);
	assert_int_equal(((struct seed_verify_problem *)seed_vec_at(&v.problems, 0))->err.kind,
			 SEED_ERR_INTEGRITY);
	seed_verify_replica_clear(&v);
	close(fd);
	end(&s);
}

/* The digest list is held against the signed root before it is believed. */
static void a_list_that_was_edited_to_fit_the_disk_is_found(void **state)
{
	struct scene s = begin(*state, true);
	struct seed_digest digest;
	struct seed_verify_replica v;
	int fd = open_in_replica(&s, "vda.raw"), list = open_in_replica(&s, "vda.list");
	SEED_AUTO(seed_freep) char *block = malloc(SEED_BLOCK_SIZE);

	assert_int_equal(pwrite(fd, "evil", 4, 6 * B), 4);
	assert_int_equal(pread(fd, block, SEED_BLOCK_SIZE, 6 * B), SEED_BLOCK_SIZE);
	seed_digest_of(&digest, block, SEED_BLOCK_SIZE);
	assert_int_equal(pwrite(list, &digest, 32, 6 * 32), 32);
	v = verify_replica(&s);
	assert_int_equal(v.problems.count, 1);
	assert_non_null(strstr(((struct seed_verify_problem *)seed_vec_at(&v.problems, 0))->err.text,
			       "root"));
	seed_verify_replica_clear(&v);
	close(fd);
	close(list);
	end(&s);
}

static void an_edited_manifest_is_not_believed(void **state)
{
	struct scene s = begin(*state, true);
	struct seed_verify_replica v;
	struct seed_error err = { 0 };
	char path[100];

	snprintf(path, sizeof(path), "%s/manifest.json", s.folder);
	damage(s.store, path, 200, false);
	assert_fails(try_replica(&s, &v, &err), &err, SEED_ERR_TRUST);
	assert_non_null(strstr(err.text, s.folder));
	assert_non_null(strstr(err.text, "manifest.json"));
	seed_verify_replica_clear(&v);
	end(&s);
}

static void an_unfinished_replica_is_not_judged(void **state)
{
	struct scene s = begin(*state, true);
	struct seed_replica *r = NULL;
	struct seed_verify_replica v;
	struct seed_error err = { 0 };

	must(seed_replica_open(&r, s.store, s.folder, true, &err), &err);
	/* Held by another run: its name is in the message. */
	assert_fails(try_replica(&s, &v, &err), &err, SEED_ERR_LOCKED);
	seed_verify_replica_clear(&v);
	r->state = SEED_REPLICA_SEEDING;
	must(seed_replica_save(r, &err), &err);
	seed_replica_close(r);
	assert_fails(try_replica(&s, &v, &err), &err, SEED_ERR_BUSY);
	assert_non_null(strstr(err.text, "seeding"));
	seed_verify_replica_clear(&v);
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_sound_medium_is_sound),
		fixture_test(without_the_key_ciphertext_is_checked_and_the_rest_counted),
		fixture_test(a_stranger_to_the_set_learns_that_alone),
		fixture_test(damage_anywhere_in_a_pack_is_found),
		fixture_test(what_a_bad_record_costs_is_counted),
		fixture_test(a_pack_that_is_gone_is_named),
		fixture_test(an_interrupted_export_beside_it_is_no_damage),
		fixture_test(asked_to_stop_verify_stops),
		fixture_test(a_sound_replica_is_sound),
		fixture_test(bad_blocks_of_a_replica_are_named),
		fixture_test(missing_blocks_are_not_bad_ones),
		fixture_test(a_disk_of_another_length_is_refused),
		fixture_test(a_list_that_was_edited_to_fit_the_disk_is_found),
		fixture_test(an_edited_manifest_is_not_believed),
		fixture_test(an_unfinished_replica_is_not_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
