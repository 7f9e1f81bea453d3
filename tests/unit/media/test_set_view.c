// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include "media/set_view.h"

/* Volumes of one set on media of their own: "a", "b", ... in the fixture's folder. */
struct scene {
	struct fixture *f;
	struct seed_id set;
	struct seed_set_key key;
	struct seed_medium *media[8];
	struct seed_volume *open[8];
	size_t count;
	struct seed_vec volumes;	/* what is "given" */
	struct seed_vec views;
};

static void begin(struct scene *s, struct fixture *f)
{
	struct seed_error err = { 0 };

	*s = (struct scene){ .f = f };
	must(seed_random_id(&s->set, &err), &err);
}

static void forget(struct scene *s)
{
	seed_set_views_clear(&s->views);
	seed_vec_free(&s->volumes);
}

static void end(struct scene *s)
{
	forget(s);
	for (size_t i = 0; i < s->count; i++) {
		seed_volume_close(s->open[i]);
		seed_medium_close(s->media[i]);
	}
}

/* A new medium with volume @number on it, and one delta commit. */
static size_t add_volume(struct scene *s, uint32_t number)
{
	struct fixture *f = s->f;
	const char name[] = { (char)('a' + s->count), '\0' };
	const char label[] = { 'c', 'a', 'd', 'd', 'y', '-', name[0], '\0' };
	const struct seed_medium_prepare opt = { .label = label, .allow_internal = true };
	struct seed_error err = { 0 };
	struct seed_card card;
	char path[320];
	bool made;
	size_t at = s->count++;

	must(seed_path_make_folder(f->dir->fd, name, 0755, &err), &err);
	snprintf(path, sizeof(path), "%s/%s", f->dir->path, name);
	must(seed_medium_prepare(&s->media[at], &made, path, f->site[HQ], &opt, &err), &err);
	seed_card_of(&card, f->site[DR]);
	if (!s->key.known) {
		must(seed_volume_create(&s->open[at], s->media[at], &s->set, f->trust[HQ],
					f->site[HQ], &card, &err), &err);
		s->key = s->open[at]->data_key;
	} else {
		const struct seed_volume_more more = { .set = s->set, .number = number,
						       .key = &s->key };

		must(seed_volume_create_more(&s->open[at], s->media[at], &more, f->trust[HQ],
					     f->site[HQ], &card, &err), &err);
	}
	commit_pack(f, s->open[at], 1, false);
	return at;
}

/* A full commit on volume @on, with the set document that names @members (indices, -1 ends). */
static void finish(struct scene *s, size_t on, const int *members)
{
	struct seed_volume *carrier = s->open[on];
	struct seed_set_doc doc = { .set = s->set, .volume = carrier->number,
				    .number = carrier->highest_seen + 1 };
	struct seed_error err = { 0 };

	for (; *members >= 0; members++) {
		const struct seed_volume *v = s->open[*members];
		struct seed_set_member m = { .volume = v->number, .medium = v->medium_id,
					     .commit = v->last_commit, .has_digest = v != carrier,
					     .digest = v->last_digest };

		if (v == carrier) {
			m.commit = doc.number;
			m.digest = (struct seed_digest){ { 0 } };
		}
		snprintf(m.label, sizeof(m.label), "%s", v->medium->label);
		assert_non_null(seed_vec_push(&doc.members, sizeof(m), &m));
	}
	must(seed_set_doc_create(carrier, &doc, s->f->site[HQ], &err), &err);
	commit_pack(s->f, carrier, 20 + doc.number, true);
	seed_set_doc_clear(&doc);
}

/* These volumes are given, in this order; the view of the set. */
static const struct seed_set_view *look(struct scene *s, struct seed_volume *const *given,
					size_t count)
{
	struct seed_error err = { 0 };

	forget(s);
	for (size_t i = 0; i < count; i++)
		assert_non_null(seed_vec_push(&s->volumes, sizeof(given[i]), &given[i]));
	must(seed_set_views_build(&s->views, &s->volumes, &err), &err);
	return seed_set_view_of(&s->views, &s->set);
}

static const struct seed_set_place *place_of(const struct seed_set_view *view,
					     const struct seed_volume *v)
{
	for (size_t i = 0; i < view->places.count; i++) {
		const struct seed_set_place *place = seed_vec_at(&view->places, i);

		if (place->volume == v)
			return place;
	}
	fail_msg("a volume that was given has no place");
	return NULL;
}

static void all_of_a_set_is_current(void **state)
{
	SEED_AUTO(end) struct scene s;
	const struct seed_set_view *view;
	char text[SEED_PLACES_TEXT];

	begin(&s, *state);
	for (uint32_t n = 1; n <= 3; n++)
		add_volume(&s, n);
	finish(&s, 2, (const int[]){ 0, 1, 2, -1 });
	view = look(&s, (struct seed_volume *const[]){ s.open[1], s.open[2], s.open[0] }, 3);
	assert_true(view->has_doc);
	assert_int_equal(view->highest, 3);
	assert_int_equal(seed_set_view_count(view, SEED_PLACE_CURRENT), 3);
	for (uint32_t n = 1; n <= 3; n++)
		assert_int_equal(((struct seed_set_place *)seed_vec_at(&view->places, n - 1))->number, n);
	assert_string_equal(seed_set_view_lacking(view, text), "");
}

static void what_is_not_given_is_named(void **state)
{
	SEED_AUTO(end) struct scene s;
	const struct seed_set_view *view;
	char text[SEED_PLACES_TEXT];

	begin(&s, *state);
	for (uint32_t n = 1; n <= 7; n++)
		add_volume(&s, n + (n == 7));	/* number 7 came to nothing */
	finish(&s, 6, (const int[]){ 0, 1, 2, 3, 4, 5, 6, -1 });
	view = look(&s, (struct seed_volume *const[]){ s.open[6], s.open[0], s.open[2], s.open[3],
						       s.open[4], s.open[5] }, 6);
	assert_string_equal(seed_set_view_lacking(view, text),
			    "caddy-b, volume 2 of 8, which was not given");
	view = look(&s, (struct seed_volume *const[]){ s.open[6], s.open[0], s.open[3], s.open[4],
						       s.open[5] }, 5);
	assert_string_equal(seed_set_view_lacking(view, text),
			    "caddy-b and caddy-c, volumes 2 and 3 of 8, which were not given");
	view = look(&s, (struct seed_volume *const[]){ s.open[6] }, 1);
	assert_string_equal(seed_set_view_text(view, SEED_PLACE_MISSING, text),
			    "caddy-a, caddy-b, caddy-c, caddy-d and 2 more, volumes 1, 2, 3, 4 and "
			    "more of 8");
	/* Without the last one nobody knows of the others. */
	view = look(&s, (struct seed_volume *const[]){ s.open[1] }, 1);
	assert_false(view->has_doc);
	assert_string_equal(seed_set_view_lacking(view, text), "");
}

/* The later run ended on the first volume: its document is the newer one, whichever comes first. */
static void the_newest_document_counts(void **state)
{
	SEED_AUTO(end) struct scene s;

	begin(&s, *state);
	for (uint32_t n = 1; n <= 2; n++)
		add_volume(&s, n);
	finish(&s, 1, (const int[]){ 0, 1, -1 });
	add_volume(&s, 3);
	finish(&s, 0, (const int[]){ 0, 1, 2, -1 });
	for (int i = 0; i < 2; i++) {
		const struct seed_set_view *view;

		view = look(&s, (struct seed_volume *const[]){ s.open[i], s.open[1 - i] }, 2);
		assert_int_equal(view->highest, 3);
		assert_int_equal(seed_set_view_count(view, SEED_PLACE_CURRENT), 2);
		assert_int_equal(seed_set_view_count(view, SEED_PLACE_MISSING), 1);
	}
}

static struct seed_volume *again(struct scene *s, size_t at)
{
	return reopen(s->f, s->media[at], &s->set);
}

static void an_older_state_is_told_from_a_copy(void **state)
{
	SEED_AUTO(seed_volume_closep) struct seed_volume *before = NULL;
	SEED_AUTO(seed_volume_closep) struct seed_volume *same = NULL;
	SEED_AUTO(end) struct scene s;
	const struct seed_set_view *view;
	enum seed_error_kind kind;
	char text[SEED_PLACES_TEXT];

	begin(&s, *state);
	for (uint32_t n = 1; n <= 2; n++)
		add_volume(&s, n);
	before = again(&s, 0);			/* as a copy made now would show it */
	commit_pack(s.f, s.open[0], 2, false);
	same = again(&s, 0);
	finish(&s, 1, (const int[]){ 0, 1, -1 });

	view = look(&s, (struct seed_volume *const[]){ before, s.open[0], same, s.open[1] }, 4);
	assert_int_equal(place_of(view, before)->role, SEED_PLACE_OLDER_COPY);
	assert_int_equal(place_of(view, s.open[0])->role, SEED_PLACE_CURRENT);
	assert_int_equal(place_of(view, same)->role, SEED_PLACE_COPY);
	assert_string_equal(seed_set_view_lacking(view, text), "");
	seed_set_place_remark(place_of(view, before), &kind, text);
	assert_int_equal(kind, SEED_ERR_NONE);
	assert_non_null(strstr(text, "older copy"));

	view = look(&s, (struct seed_volume *const[]){ before, s.open[1] }, 2);
	assert_int_equal(place_of(view, before)->role, SEED_PLACE_OLDER);
	seed_set_place_remark(place_of(view, before), &kind, text);
	assert_int_equal(kind, SEED_ERR_IDENTITY);
	assert_non_null(strstr(text, "rolled back"));
	assert_string_equal(seed_set_view_lacking(view, text), "caddy-a, volume 1 of 2, of which what was "
			    "given is an older state");
}

/* The home was restored and gave number 2 to another medium. */
static void another_attempt_is_not_listed(void **state)
{
	SEED_AUTO(end) struct scene s;
	const struct seed_set_view *view;
	enum seed_error_kind kind;
	char text[SEED_PLACES_TEXT];

	begin(&s, *state);
	add_volume(&s, 1);
	add_volume(&s, 2);
	add_volume(&s, 2);
	finish(&s, 2, (const int[]){ 0, 2, -1 });
	view = look(&s, s.open, 3);
	assert_int_equal(place_of(view, s.open[1])->role, SEED_PLACE_UNLISTED);
	assert_int_equal(place_of(view, s.open[2])->role, SEED_PLACE_CURRENT);
	assert_int_equal(seed_set_view_count(view, SEED_PLACE_MISSING), 0);
	seed_set_place_remark(place_of(view, s.open[1]), &kind, text);
	assert_int_equal(kind, SEED_ERR_NONE);
	assert_non_null(strstr(text, "another attempt"));
}

/* A commit with the number that the document names, and of other content. */
static void another_history_is_damage(void **state)
{
	SEED_AUTO(seed_volume_closep) struct seed_volume *parted = NULL;
	SEED_AUTO(end) struct scene s;
	const struct seed_set_view *view;
	enum seed_error_kind kind;
	char text[SEED_PLACES_TEXT];

	begin(&s, *state);
	for (uint32_t n = 1; n <= 2; n++)
		add_volume(&s, n);
	finish(&s, 1, (const int[]){ 0, 1, -1 });
	parted = again(&s, 0);
	((struct seed_volume_link *)seed_vec_at(&parted->links, 0))->digest.bytes[0] ^= 1;
	view = look(&s, (struct seed_volume *const[]){ parted, s.open[1] }, 2);
	assert_true(place_of(view, parted)->other_history);
	seed_set_place_remark(place_of(view, parted), &kind, text);
	assert_int_equal(kind, SEED_ERR_INTEGRITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(all_of_a_set_is_current),
		fixture_test(what_is_not_given_is_named),
		fixture_test(the_newest_document_counts),
		fixture_test(an_older_state_is_told_from_a_copy),
		fixture_test(another_attempt_is_not_listed),
		fixture_test(another_history_is_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
