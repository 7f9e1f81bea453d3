// SPDX-License-Identifier: LGPL-2.1-or-later
/* What becomes of a seed: by the replica that is there, its lineage, and the mark. */
#include "unit/replica/fixture.h"

#include "import/import_internal.h"
#include "replica/marks.h"

static struct seed_site site;	/* all that a mark needs of it is a key */

static int make_site(void **state)
{
	struct seed_error err = { 0 };

	(void)state;
	return seed_signing_key_generate(&site.sign, &err);
}

static int free_site(void **state)
{
	(void)state;
	seed_signing_key_free(site.sign);
	return 0;
}

enum line { MAIN, FORKED_AT_5, OTHER };

/* Generation @generation of web01 on a line of history; @seed tells two of one generation apart. */
static struct seed_manifest manifest_on(enum line line, uint8_t generation, uint8_t seed)
{
	struct seed_manifest m = manifest_of("web01", seed);
	struct seed_timeline *fork = &m.lineage.timelines[1];

	m.generation = generation;
	m.data = true;
	if (line == OTHER)
		m.lineage.timelines[0].id.bytes[0] = 0x99;
	if (line == FORKED_AT_5) {
		fork->id.bytes[0] = 0x88;
		fork->writer = m.site;
		fork->parent = m.lineage.timelines[0].id;
		fork->parent_generation = 5;
		fork->forked = true;
		m.lineage.count = 2;
	}
	return m;
}

static struct seed_import_vm judge(const struct tmpdir *dir, const struct seed_manifest *m)
{
	static struct seed_seed seed;
	const struct seed_import_options opt = { .home = dir->fd, .store = dir->fd, .own = &site };
	struct seed_import_vm vm = { .seed = &seed };
	struct seed_error err = { 0 };

	seed = (struct seed_seed){ .manifest = *m, .digest = { { m->seed.bytes[0] } } };
	must(seed_import_judge(&vm, &opt, &err), &err);
	return vm;
}

static void put_replica(const struct tmpdir *dir, const struct seed_manifest *m,
			enum seed_replica_state state)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error err = { 0 };

	must(seed_replica_create(&r, dir->fd, m, &err), &err);
	r->state = state;
	must(seed_replica_save(r, &err), &err);
}

static void put_mark(const struct tmpdir *dir, const struct seed_manifest *m)
{
	const struct seed_digest text = { { m->seed.bytes[0] } };
	struct seed_error err = { 0 };

	must(seed_mark_advance(dir->fd, m, &text, &site, &err), &err);
}

static void a_vm_never_seen_is_created(void **state)
{
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_on(MAIN, 3, 3);
	struct seed_import_vm vm = judge(*state, &m);
	char folder[SEED_REPLICA_NAME];

	assert_int_equal(vm.action, SEED_IMPORT_CREATE);
	assert_int_equal(vm.err.kind, 0);
	seed_replica_folder_name(&m.site, &m.uuid, m.name, folder);
	assert_string_equal(vm.folder, folder);
}

static void the_same_seed_goes_on_from_its_state(void **state)
{
	static const struct { enum seed_replica_state state; enum seed_import_action action; } t[] = {
		{ SEED_REPLICA_SEEDING, SEED_IMPORT_RESUME },
		{ SEED_REPLICA_INCOMPLETE, SEED_IMPORT_FILL },
		{ SEED_REPLICA_SEEDED, SEED_IMPORT_NOTHING },
		{ SEED_REPLICA_CURRENT, SEED_IMPORT_NOTHING },
		{ SEED_REPLICA_PROMOTED, SEED_IMPORT_REFUSE },
	};
	const struct tmpdir *dir = *state;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_on(MAIN, 3, 3);
		struct seed_import_vm vm;
		struct seed_error err = { 0 };

		put_replica(dir, &m, t[i].state);
		vm = judge(dir, &m);
		assert_int_equal(vm.action, t[i].action);
		assert_false(vm.older);
		assert_int_equal(vm.err.kind, t[i].action == SEED_IMPORT_REFUSE ?
						      SEED_ERR_IDENTITY : 0);
		must(seed_path_remove_tree(dir->fd, vm.folder, &err), &err);
	}
}

/* What is there, what comes, and what becomes of it. */
static const struct {
	enum line have_line;
	uint8_t have;
	enum line line;
	uint8_t generation;
	enum seed_import_action action;
	bool older;
	const char *says;
} by_lineage[] = {
	{ MAIN, 3, MAIN, 4, SEED_IMPORT_REPLACE, false, NULL },
	{ MAIN, 3, MAIN, 200, SEED_IMPORT_REPLACE, false, NULL },
	{ MAIN, 3, MAIN, 2, SEED_IMPORT_NOTHING, true, NULL },
	{ MAIN, 3, MAIN, 3, SEED_IMPORT_REFUSE, false, "two manifests with one number" },
	{ MAIN, 5, FORKED_AT_5, 6, SEED_IMPORT_REPLACE, false, NULL },
	{ MAIN, 4, FORKED_AT_5, 6, SEED_IMPORT_REPLACE, false, NULL },
	{ MAIN, 6, FORKED_AT_5, 7, SEED_IMPORT_REFUSE, false, "parted" },
	{ FORKED_AT_5, 6, MAIN, 5, SEED_IMPORT_NOTHING, true, NULL },
	{ FORKED_AT_5, 6, MAIN, 6, SEED_IMPORT_REFUSE, false, "parted" },
	{ MAIN, 3, OTHER, 4, SEED_IMPORT_REFUSE, false, "parted" },
	{ MAIN, 3, OTHER, 2, SEED_IMPORT_REFUSE, false, "parted" },
};

static void another_seed_is_judged_by_its_lineage(void **state)
{
	const struct tmpdir *dir = *state;

	for (size_t i = 0; i < sizeof(by_lineage) / sizeof(by_lineage[0]); i++) {
		SEED_AUTO(seed_manifest_clear) struct seed_manifest have =
			manifest_on(by_lineage[i].have_line, by_lineage[i].have, 100);
		SEED_AUTO(seed_manifest_clear) struct seed_manifest comes =
			manifest_on(by_lineage[i].line, by_lineage[i].generation, 101);
		struct seed_error err = { 0 };
		struct seed_import_vm vm;

		put_replica(dir, &have, SEED_REPLICA_SEEDED);
		vm = judge(dir, &comes);
		if (vm.action != by_lineage[i].action || vm.older != by_lineage[i].older)
			fail_msg("case %zu: action %d, older %d: %s", i, vm.action, vm.older,
				 vm.err.text);
		assert_int_equal(vm.have_generation, by_lineage[i].have);
		if (by_lineage[i].says) {
			assert_int_equal(vm.err.kind, SEED_ERR_IDENTITY);
			assert_non_null(strstr(vm.err.text, by_lineage[i].says));
		} else {
			assert_int_equal(vm.err.kind, 0);
		}
		must(seed_path_remove_tree(dir->fd, vm.folder, &err), &err);
	}
}

/* The replica was forgotten; the mark remembers. */
static void without_a_replica_the_mark_stands(void **state)
{
	static const struct {
		enum line line;
		uint8_t generation, seed;
		const char *says;	/* NULL: created */
	} t[] = {
		{ MAIN, 6, 6, NULL },
		{ MAIN, 5, 5, NULL },			/* the very seed that was accepted */
		{ MAIN, 5, 55, "two manifests with one number" },
		{ MAIN, 4, 4, "rollback" },
		{ FORKED_AT_5, 6, 6, NULL },
		{ OTHER, 9, 9, "parted" },
	};
	SEED_AUTO(seed_manifest_clear) struct seed_manifest accepted = manifest_on(MAIN, 5, 5);

	put_mark(*state, &accepted);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		SEED_AUTO(seed_manifest_clear) struct seed_manifest m =
			manifest_on(t[i].line, t[i].generation, t[i].seed);
		struct seed_import_vm vm = judge(*state, &m);

		assert_int_equal(vm.action, t[i].says ? SEED_IMPORT_REFUSE : SEED_IMPORT_CREATE);
		if (t[i].says) {
			assert_int_equal(vm.err.kind, SEED_ERR_IDENTITY);
			assert_non_null(strstr(vm.err.text, t[i].says));
		}
	}
}

/* The replica is behind the mark (it was put back from a backup, say): what is newer than the
 * replica and older than the mark is a rollback all the same. */
static void an_older_replica_does_not_lower_the_mark(void **state)
{
	SEED_AUTO(seed_manifest_clear) struct seed_manifest there = manifest_on(MAIN, 2, 2);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest marked = manifest_on(MAIN, 9, 9);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest between = manifest_on(MAIN, 5, 5);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest newer = manifest_on(MAIN, 10, 10);
	struct seed_import_vm vm;

	put_replica(*state, &there, SEED_REPLICA_SEEDED);
	put_mark(*state, &marked);
	vm = judge(*state, &between);
	assert_int_equal(vm.action, SEED_IMPORT_REFUSE);
	assert_non_null(strstr(vm.err.text, "rollback"));
	assert_int_equal(judge(*state, &newer).action, SEED_IMPORT_REPLACE);
}

static void a_replica_keeps_its_folder_when_its_vm_is_renamed(void **state)
{
	SEED_AUTO(seed_manifest_clear) struct seed_manifest before = manifest_on(MAIN, 2, 2);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest after = manifest_on(MAIN, 3, 3);
	char folder[SEED_REPLICA_NAME];
	struct seed_import_vm vm;

	put_replica(*state, &before, SEED_REPLICA_SEEDED);
	seed_replica_folder_name(&before.site, &before.uuid, before.name, folder);
	free(after.name);
	after.name = strdup("shop-front");
	vm = judge(*state, &after);
	assert_int_equal(vm.action, SEED_IMPORT_REPLACE);
	assert_string_equal(vm.folder, folder);
}

static void a_folder_that_is_no_replica_is_refused_and_named(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_on(MAIN, 2, 2);
	char folder[SEED_REPLICA_NAME];
	struct seed_import_vm vm;
	int fd;

	seed_replica_folder_name(&m.site, &m.uuid, m.name, folder);
	assert_int_equal(mkdirat(dir->fd, folder, 0700), 0);
	fd = openat(dir->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(fd, "replica.json", "{\"schema\": 7}\n");
	vm = judge(dir, &m);
	assert_int_equal(vm.action, SEED_IMPORT_REFUSE);
	assert_non_null(strstr(vm.err.text, folder));
	assert_true(holds(fd, "replica.json", "{\"schema\": 7}\n"));
	close(fd);
}

static void a_seed_without_data_is_refused(void **state)
{
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_on(MAIN, 2, 2);
	struct seed_import_vm vm;

	m.data = false;
	vm = judge(*state, &m);
	assert_int_equal(vm.action, SEED_IMPORT_REFUSE);
	assert_non_null(strstr(vm.err.text, "--no-data"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_vm_never_seen_is_created),
		on_tmpdir(the_same_seed_goes_on_from_its_state),
		on_tmpdir(another_seed_is_judged_by_its_lineage),
		on_tmpdir(without_a_replica_the_mark_stands),
		on_tmpdir(an_older_replica_does_not_lower_the_mark),
		on_tmpdir(a_replica_keeps_its_folder_when_its_vm_is_renamed),
		on_tmpdir(a_folder_that_is_no_replica_is_refused_and_named),
		on_tmpdir(a_seed_without_data_is_refused),
	};

	return cmocka_run_group_tests(tests, make_site, free_site);
}
