// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which set an export adds to, and where it goes on. */
#include "unit/media/fixture.h"

#include "base/text.h"
#include "export/target.h"

/* Media of hq's in folders of these names, as an export is given them. */
struct given {
	struct fixture *f;
	struct seed_medium *media[4];
	size_t count;
	struct seed_card card;
	struct seed_export plan;
	struct seed_export_options opt;
	struct seed_target target;
	char notes[2000];
	const char *next;		/* folder of the medium that is given when asked */
	unsigned int asked;
	struct seed_error refused;
};

static void note(void *arg, const struct seed_event *event)
{
	struct given *g = arg;
	size_t len = strlen(g->notes);

	if (event->text)
		snprintf(g->notes + len, sizeof(g->notes) - len, "%s\n", event->text);
}

static struct seed_medium *open_medium(struct fixture *f, const char *name)
{
	struct seed_medium *medium = NULL;
	struct seed_medium_prepare opt = { .label = name, .allow_internal = true };
	struct seed_error err = { 0 };
	char path[330];
	bool made;

	snprintf(path, sizeof(path), "%s/%s", f->dir->path, name);
	mkdirat(f->dir->fd, name, 0755);
	must(seed_medium_prepare(&medium, &made, path, f->site[HQ], &opt, &err), &err);
	seed_medium_close(medium);
	must(seed_medium_open(&medium, path, f->trust[HQ], &err), &err);
	return medium;
}

static int give_next(void *arg, const struct seed_export *plan, const char *full,
		     const struct seed_error *refused, struct seed_medium **out,
		     struct seed_error *err)
{
	struct given *g = arg;

	(void)err;
	assert_true(plan->volumes.count > 0);
	assert_non_null(strstr(full, "is full"));
	g->asked++;
	if (refused)
		g->refused = *refused;
	*out = g->next ? open_medium(g->f, g->next) : NULL;
	g->next = refused || !g->next || strcmp(g->next, "green") == 0 ? NULL : "green";
	return 0;
}

static int try_target(struct given *g, struct fixture *f, const char *const *names,
		      struct seed_error *err)
{
	static struct seed_events events;

	*g = (struct given){ .f = f };
	seed_card_of(&g->card, f->site[DR]);
	events = (struct seed_events){ note, g };
	g->opt = (struct seed_export_options){
		.home = f->home[HQ], .own = f->site[HQ], .trust = f->trust[HQ], .recipient = &g->card,
		.data = true, .events = &events, .next_medium = give_next, .next_arg = g,
	};
	for (; *names; names++)
		g->media[g->count++] = open_medium(f, *names);
	return seed_target_open(&g->target, &g->plan, g->media, g->count, &g->opt, err);
}

static void open_target(struct given *g, struct fixture *f, const char *const *names)
{
	struct seed_error err = { 0 };

	must(try_target(g, f, names, &err), &err);
}

static void end(struct given *g)
{
	seed_target_close(&g->target);
	seed_vec_free(&g->plan.volumes);
	for (size_t i = 0; i < g->count; i++)
		seed_medium_close(g->media[i]);
}

#define names(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* A pack on the volume that is being written, committed by a delta, or by a full commit with the
 * set document. */
static void add_pack(struct given *g, bool full)
{
	struct seed_target_volume *v = g->target.now;
	SEED_AUTO(seed_vec_free) struct seed_vec packs = { 0 };
	SEED_AUTO(seed_vec_free) struct seed_vec others = { 0 };
	const struct seed_vec none = { 0 };
	const struct seed_set_change change = { .full = full, .packs = &packs, .files = &none,
						.seeds = &none, .others = &others };
	struct seed_pack_facts pack = put_pack(v->volume, (uint32_t)v->volume->packs.count + 1);
	struct seed_error err = { 0 };

	for (size_t i = 0; full && i < v->volume->packs.count; i++)
		seed_vec_push(&packs, sizeof(pack), seed_vec_at(&v->volume->packs, i));
	seed_vec_push(&packs, sizeof(pack), &pack);
	must(seed_target_others(&g->target, &others, &err), &err);
	must(seed_set_commit(g->f->home[HQ], v->volume, &v->record, g->f->site[HQ], &change, &err),
	     &err);
}

static void go_on(struct given *g)
{
	struct seed_error err = { 0 };

	must(seed_target_next(&g->target, &err), &err);
}

/* Three media, the first two with packs; the set's id. */
static struct seed_id make_three(struct fixture *f)
{
	struct seed_id set;
	struct given g;

	open_target(&g, f, names("red", "blue", "white"));
	assert_true(g.target.new_set);
	add_pack(&g, false);
	go_on(&g);
	add_pack(&g, false);
	go_on(&g);
	add_pack(&g, true);
	set = g.target.set;
	end(&g);
	return set;
}

static const struct seed_target_volume *volume_at(const struct given *g, size_t i)
{
	return *(struct seed_target_volume **)seed_vec_at(&g->target.volumes, i);
}

static void a_new_set_begins_on_the_first_medium_alone(void **state)
{
	struct given g;
	char set[SEED_ID_TEXT];

	open_target(&g, *state, names("red", "blue"));
	assert_true(g.target.new_set);
	assert_int_equal(g.target.volumes.count, 1);
	assert_int_equal(g.target.now->record.volume, 1);
	assert_string_equal(g.target.now->record.label, "red");
	seed_id_text(&g.target.set, set);
	assert_true(seed_path_exists(g.media[0]->vmseed, set));
	assert_false(seed_path_exists(g.media[1]->vmseed, set));
	end(&g);
}

static void the_next_medium_becomes_the_next_volume(void **state)
{
	SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = { 0 };
	struct seed_error err = { 0 };
	const struct seed_set_member *m;
	struct given g;

	open_target(&g, *state, names("red", "blue"));
	add_pack(&g, false);
	go_on(&g);
	assert_int_equal(g.target.now->record.volume, 2);
	assert_true(g.target.now->made);
	assert_memory_equal(&g.target.now->volume->data_key.key, &volume_at(&g, 0)->volume->data_key.key,
			    sizeof(g.target.key.key));
	add_pack(&g, true);
	must(seed_set_doc_open(&doc, g.target.now->volume, &err), &err);
	assert_int_equal(doc.members.count, 2);
	m = seed_set_doc_member(&doc, 1);
	assert_string_equal(m->label, "red");
	assert_int_equal(m->commit, 1);
	assert_true(m->has_digest);
	assert_true(seed_digest_equal(&m->digest, &volume_at(&g, 0)->volume->last_digest));
	end(&g);
}

/* In whatever order they are given, the last volume is written first. */
static void the_set_is_gone_on_with_on_its_last_volume(void **state)
{
	struct seed_id set = make_three(*state);
	struct given g;

	open_target(&g, *state, names("white", "red", "blue"));
	assert_false(g.target.new_set);
	assert_true(seed_id_equal(&g.target.set, &set));
	assert_int_equal(g.target.volumes.count, 3);
	assert_int_equal(g.target.now->record.volume, 3);
	go_on(&g);
	assert_int_equal(g.target.now->record.volume, 2);
	go_on(&g);
	assert_int_equal(g.target.now->record.volume, 1);
	assert_string_equal(g.notes, "");
	end(&g);
}

static void a_volume_that_is_not_there_is_said_and_stays_in_the_document(void **state)
{
	SEED_AUTO(seed_vec_free) struct seed_vec others = { 0 };
	struct seed_error err = { 0 };
	struct given g;

	make_three(*state);
	open_target(&g, *state, names("red", "white"));
	assert_non_null(strstr(g.notes, "volume 2 of set "));
	assert_non_null(strstr(g.notes, "\"blue\", was not given"));
	must(seed_target_others(&g.target, &others, &err), &err);
	assert_int_equal(others.count, 2);
	assert_string_equal(((struct seed_set_member *)seed_vec_at(&others, 1))->label, "blue");
	end(&g);
}

static void a_number_is_never_used_for_another_medium(void **state)
{
	struct fixture *f = *state;
	struct given g;

	open_target(&g, f, names("red", "blue"));
	add_pack(&g, true);
	go_on(&g);			/* volume 2, of which nothing comes */
	end(&g);
	open_target(&g, f, names("red", "white", "blue"));
	assert_int_equal(g.target.volumes.count, 2);	/* blue has its volume.json already */
	assert_int_equal(g.target.now->record.volume, 2);
	go_on(&g);
	assert_int_equal(g.target.now->record.volume, 1);
	go_on(&g);
	assert_string_equal(g.target.now->record.label, "white");
	assert_int_equal(g.target.now->record.volume, 3);
	end(&g);
}

/* Cut after the record was written and before the volume was. */
static void a_torn_volume_is_made_again_under_its_number(void **state)
{
	struct fixture *f = *state;
	struct seed_error err = { 0 };
	char set[SEED_ID_TEXT];
	struct given g;

	open_target(&g, f, names("red", "blue", "white"));
	add_pack(&g, true);
	go_on(&g);
	go_on(&g);
	seed_id_text(&g.target.set, set);
	must(seed_path_remove_tree(g.media[1]->vmseed, set, &err), &err);
	end(&g);
	open_target(&g, f, names("red", "blue"));
	assert_int_equal(g.target.volumes.count, 1);
	go_on(&g);
	assert_int_equal(g.target.now->record.volume, 2);
	assert_string_equal(g.target.now->record.label, "blue");
	end(&g);
}

static void two_sets_are_refused_and_both_named(void **state)
{
	struct seed_error err = { 0 };
	struct given g;

	make_three(*state);
	open_target(&g, *state, names("green"));
	add_pack(&g, true);
	end(&g);
	assert_fails(try_target(&g, *state, names("blue", "green"), &err), &err, SEED_ERR_USAGE);
	assert_non_null(strstr(err.text, "\"blue\" has volume 2"));
	assert_non_null(strstr(err.text, "\"green\" volume 1"));
	end(&g);
}

/* A home that was restored: what it forgot is found on the media. */
static void forgotten_volumes_are_found(void **state)
{
	struct fixture *f = *state;
	struct seed_id set = make_three(f);
	struct seed_error err = { 0 };
	struct given g;

	must(seed_path_remove_tree(f->home[HQ], "sets", &err), &err);
	open_target(&g, f, names("white", "green", "red"));
	assert_true(seed_id_equal(&g.target.set, &set));
	assert_int_equal(g.target.volumes.count, 2);
	assert_int_equal(g.target.now->record.volume, 3);
	assert_int_equal(g.target.now->record.confirmed, 1);
	assert_non_null(strstr(g.notes, "\"blue\", was not given"));	/* the set document says so */
	go_on(&g);
	go_on(&g);
	assert_int_equal(g.target.now->record.volume, 4);
	end(&g);
}

/* Its signature was never written, or it lies there whole: either way the volume is as it says. */
static void after_a_failed_commit_what_lies_there_decides(void **state)
{
	struct fixture *f = *state;
	struct given g;

	open_target(&g, f, names("red"));
	add_pack(&g, false);
	g.target.now->record.reserved = 2;
	put_pack(g.target.now->volume, 2);
	put_file(g.target.now->volume, "commits/00000002.json", 100);
	seed_target_recover(&g.target);
	assert_int_equal(g.target.now->record.confirmed, 1);
	assert_int_equal(g.target.now->volume->packs.count, 1);
	assert_false(seed_path_exists(g.target.now->volume->dir, "packs/00000002.pack"));
	assert_false(seed_path_exists(g.target.now->volume->dir, "commits/00000002.json"));
	add_pack(&g, false);
	assert_int_equal(g.target.now->record.confirmed, 3);
	g.target.now->record.confirmed = 1;		/* as if the end was not seen */
	g.target.now->record.confirmed_digest =
		((struct seed_volume_link *)seed_vec_at(&g.target.now->volume->links, 0))->digest;
	seed_target_recover(&g.target);
	assert_int_equal(g.target.now->record.confirmed, 3);
	assert_int_equal(g.target.now->volume->packs.count, 2);
	end(&g);
}

static void when_all_are_full_another_one_is_asked_for(void **state)
{
	struct fixture *f = *state;
	struct given g;

	open_target(&g, f, names("red"));
	add_pack(&g, true);
	g.next = "red";			/* then "green" */
	go_on(&g);
	assert_int_equal(g.asked, 2);
	assert_non_null(strstr(g.refused.text, "it is full: volume 1 of this set is on it"));
	assert_int_equal(g.target.now->record.volume, 2);
	assert_string_equal(g.target.now->record.label, "green");
	assert_int_equal(g.media[0]->root, -1);		/* it can be unmounted */
	end(&g);
}

static void without_another_one_the_way_on_is_said(void **state)
{
	struct seed_error err = { 0 };
	struct given g;

	open_target(&g, *state, names("red"));
	assert_fails(seed_target_next(&g.target, &err), &err, SEED_ERR_MEDIUM);
	assert_string_equal(err.text, "medium \"red\" is full: nothing of this run fits on it; to go "
			    "on, run the same command with one more --media DIR");
	end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_new_set_begins_on_the_first_medium_alone),
		fixture_test(the_next_medium_becomes_the_next_volume),
		fixture_test(the_set_is_gone_on_with_on_its_last_volume),
		fixture_test(a_volume_that_is_not_there_is_said_and_stays_in_the_document),
		fixture_test(a_number_is_never_used_for_another_medium),
		fixture_test(a_torn_volume_is_made_again_under_its_number),
		fixture_test(two_sets_are_refused_and_both_named),
		fixture_test(forgotten_volumes_are_found),
		fixture_test(after_a_failed_commit_what_lies_there_decides),
		fixture_test(when_all_are_full_another_one_is_asked_for),
		fixture_test(without_another_one_the_way_on_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
