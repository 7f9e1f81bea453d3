// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

static void folder_names_are_clean_whatever_the_vm_is_called(void **state)
{
	static const struct {
		const char *vm, *stem;
	} cases[] = {
		{ "web01", "web01" }, { "Web 01 (old)", "web-01-old" }, { "../../x", "x" },
		{ "a\nb\x1b[31mc", "a-b-31mc" }, { "", "vm" }, { "...", "vm" },
		{ "caf\xc3\xa9", "caf" }, { "--x--", "x" },
		{ "abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijklmnopqrstuvwxyz012345" },
		{ "abcdefghijklmnopqrstuvwxyz01234 6789", "abcdefghijklmnopqrstuvwxyz01234" },
	};
	struct seed_id site = { { 1 } }, uuid = { { 2 } }, other = { { 3 } };
	char name[SEED_REPLICA_NAME], second[SEED_REPLICA_NAME];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t stem = strlen(cases[i].stem);

		seed_replica_folder_name(&site, &uuid, cases[i].vm, name);
		assert_true(seed_replica_name_valid(name));
		assert_int_equal(strlen(name), stem + 9);
		assert_memory_equal(name, cases[i].stem, stem);
		seed_replica_folder_name(&site, &other, cases[i].vm, second);
		assert_memory_equal(name, second, stem + 1);
		assert_string_not_equal(name, second);
	}
	/* sha256 of 01 00.. 02 00.. (32 bytes) begins with e351f32b. */
	seed_replica_folder_name(&site, &uuid, "web01", name);
	assert_string_equal(name, "web01.e351f32b");
}

static void other_names_are_no_replicas(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", "web01", "web01.", "web01.1a2b3c4", "web01.1a2b3c4d5", "web01.1A2B3C4D",
		"Web01.1a2b3c4d", ".1a2b3c4d", "web01.1a2b3c4d/..", "../web01.1a2b3c4d",
		"web_01.1a2b3c4d", "abcdefghijklmnopqrstuvwxyz0123456.1a2b3c4d", "a.b.1a2b3c4d",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (seed_replica_name_valid(bad[i]))
			fail_msg("%s", bad[i]);
	assert_true(seed_replica_name_valid("web01.1a2b3c4d"));
}

static void slots_become_file_names(void **state)
{
	char stem[33];

	(void)state;
	assert_string_equal(seed_replica_slot_stem("vda", stem), "vda");
	assert_string_equal(seed_replica_slot_stem("scsi0:0", stem), "scsi0+0");
	assert_string_equal(seed_replica_slot_stem("../x", stem), "=.-x");
	assert_string_equal(seed_replica_slot_stem(".hidden", stem), "=hidden");
	assert_string_equal(seed_replica_slot_stem("A_b-c.9", stem), "A_b-c.9");
	assert_string_equal(seed_replica_slot_stem("12345678901234567890123456789012345", stem),
			    "12345678901234567890123456789012");
}

static void a_new_replica_is_seeding_and_explains_itself(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web\n\"01\"", 4);
	SEED_AUTO(seed_replica_closep) struct seed_replica *made = NULL;
	SEED_AUTO(seed_replica_closep) struct seed_replica *seen = NULL;
	const struct seed_replica_disk *disk;
	struct seed_error err = { 0 };
	struct stat st;

	must(seed_replica_create(&made, dir->fd, &m, &err), &err);
	assert_int_equal(made->build, made->dir);
	assert_int_equal(fstatat(dir->fd, made->name, &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	must(seed_replica_open(&seen, dir->fd, made->name, false, &err), &err);
	assert_int_equal(seen->state, SEED_REPLICA_SEEDING);
	assert_string_equal(seen->vm_name, "web\n\"01\"");
	assert_true(seed_id_equal(&seen->seed, &m.seed) && seed_id_equal(&seen->set, &m.set));
	assert_true(seed_id_equal(&seen->site, &m.site) && seed_id_equal(&seen->uuid, &m.uuid));
	assert_int_equal(seen->generation, 4);
	assert_int_equal(seen->lineage.count, 1);
	assert_memory_equal(&seen->lineage.timelines[0].id, &m.lineage.timelines[0].id, 16);
	assert_null(seen->from);
	assert_false(seen->switching);
	assert_int_equal(seen->disks.count, 1);
	disk = seed_vec_at(&seen->disks, 0);
	assert_string_equal(disk->slot, "vda");
	assert_string_equal(disk->file, "vda.raw");
	assert_string_equal(disk->list, "vda.list");
	assert_string_equal(disk->missing, "vda.missing");
	assert_int_equal(disk->size, 10 * SEED_BLOCK_SIZE + 512);
}

static void what_is_saved_is_read_again(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", 4);
	SEED_AUTO(seed_replica_closep) struct seed_replica *made = NULL;
	struct seed_error err = { 0 };

	must(seed_replica_create(&made, dir->fd, &m, &err), &err);
	made->from = strdup("blue caddy");
	made->imported = 1700000000;
	made->captured = SEED_CAPTURED_CHANGED;
	((struct seed_replica_disk *)seed_vec_at(&made->disks, 0))->missing_blocks = 3;
	for (int s = SEED_REPLICA_CANDIDATE; s <= SEED_REPLICA_PROMOTED; s++) {
		SEED_AUTO(seed_replica_closep) struct seed_replica *seen = NULL;

		made->state = (enum seed_replica_state)s;
		must(seed_replica_save(made, &err), &err);
		must(seed_replica_open(&seen, dir->fd, made->name, false, &err), &err);
		assert_int_equal(seen->state, s);
		assert_string_equal(seen->from, "blue caddy");
		assert_int_equal(seen->imported, 1700000000);
		assert_int_equal(seen->captured, SEED_CAPTURED_CHANGED);
		assert_int_equal(((struct seed_replica_disk *)seed_vec_at(&seen->disks, 0))->
				 missing_blocks, 3);
	}
}

static void no_two_slots_share_files(void **state)
{
	static const char *const slots[] = { "scsi0:0", "scsi0-0", "scsi0_0", "scsi0.0", ".a", ":a",
					     "-a", "_a", "a.", "a:", "a-" };
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", 4);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest bad = manifest_of("web02", 4);
	SEED_AUTO(seed_replica_closep) struct seed_replica *made = NULL;
	SEED_AUTO(seed_replica_closep) struct seed_replica *other = NULL;
	struct seed_error err = { 0 };

	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		add_slot(&m, slots[i], 512);
	must(seed_replica_create(&made, dir->fd, &m, &err), &err);
	assert_int_equal(made->disks.count, 12);
	for (size_t i = 0; i < made->disks.count; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(
				((struct seed_replica_disk *)seed_vec_at(&made->disks, i))->file,
				((struct seed_replica_disk *)seed_vec_at(&made->disks, j))->file);
	assert_string_equal(((struct seed_replica_disk *)seed_vec_at(&made->disks, 1))->list,
			    "scsi0+0.list");
	/* Slots that no manifest can have. */
	add_slot(&bad, "a/b", 512);
	add_slot(&bad, "a-b", 512);
	assert_fails(seed_replica_create(&other, dir->fd, &bad, &err), &err, SEED_ERR_FORMAT);
}

static void a_replica_is_held_by_one_run(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", 4);
	SEED_AUTO(seed_replica_closep) struct seed_replica *made = NULL;
	SEED_AUTO(seed_replica_closep) struct seed_replica *second = NULL;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];

	must(seed_replica_create(&made, dir->fd, &m, &err), &err);
	memcpy(name, made->name, sizeof(name));
	assert_fails(seed_replica_open(&second, dir->fd, name, true, &err), &err,
		     SEED_ERR_LOCKED);
	assert_fails(seed_replica_create(&second, dir->fd, &m, &err), &err, SEED_ERR_LOCKED);
	seed_replica_close(seed_steal(&made));
	must(seed_replica_open(&second, dir->fd, name, true, &err), &err);
	assert_int_equal(second->state, SEED_REPLICA_SEEDING);
}

static void nothing_that_is_there_is_created_over(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", 4);
	SEED_AUTO(seed_replica_closep) struct seed_replica *made = NULL;
	SEED_AUTO(seed_replica_closep) struct seed_replica *second = NULL;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME], path[80];

	seed_replica_folder_name(&m.site, &m.uuid, m.name, name);
	must(seed_path_make_folder(dir->fd, name, 0700, &err), &err);
	snprintf(path, sizeof(path), "%s/vda.raw", name);
	tmpdir_put(dir, path, "precious", 8);
	assert_fails(seed_replica_create(&made, dir->fd, &m, &err), &err, SEED_ERR_USAGE);
	assert_true(tmpdir_holds(dir, path, "precious", 8));
	assert_int_equal(unlinkat(dir->fd, path, 0), 0);
	/* A creation cut short left a temporary file: taken over. */
	snprintf(path, sizeof(path), "%s/.tmp-0123456789abcdef", name);
	tmpdir_put(dir, path, "{", 1);
	must(seed_replica_create(&made, dir->fd, &m, &err), &err);
	assert_false(seed_path_exists(dir->fd, path));
	seed_replica_close(seed_steal(&made));
	assert_fails(seed_replica_create(&second, dir->fd, &m, &err), &err, SEED_ERR_USAGE);
	assert_non_null(strstr(err.text, "exists already"));
}

/* Replace the first @from in replica.json by @to. */
static int open_changed(const struct tmpdir *dir, const char *name, const char *from,
			const char *to, struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *seen = NULL;
	SEED_AUTO(seed_freep) char *text = NULL;
	SEED_AUTO(seed_freep) char *changed = NULL;
	struct seed_error inner = { 0 };
	char path[80], *at;
	size_t len;
	int rc;

	snprintf(path, sizeof(path), "%s/replica.json", name);
	must(seed_file_read(dir->fd, path, 1 << 20, &text, &len, &inner), &inner);
	at = strstr(text, from);
	if (!at)
		fail_msg("replica.json does not hold %s", from);
	changed = malloc(len + strlen(to) + 1);
	assert_non_null(changed);
	sprintf(changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	tmpdir_put(dir, path, changed, strlen(changed));
	rc = seed_replica_open(&seen, dir->fd, name, false, err);
	tmpdir_put(dir, path, text, len);
	return rc;
}

static void a_malformed_replica_json_is_refused_and_named(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} cases[] = {
		{ "vmseed-replica", "vmseed-set", "schema" },
		{ "\"schema_version\": 1", "\"schema_version\": 2", "schema_version" },
		{ "\"seeding\"", "\"sleeping\"", "state" },
		{ "\"seeding\"", "7", "state" },
		{ "\"switching\": false", "\"switching\": 0", "switching" },
		{ "\"switching\": false", "\"switching\": false, \"more\": 1", "more" },
		{ "\"generation\": 4", "\"generation\": -1", "generation" },
		{ "\"generation\": 4", "\"generation\": 1e3", "generation" },
		{ "\"offline\"", "\"sometime\"", "captured" },
		{ "\"vda.raw\"", "\"../vda.raw\"", "disks[0]" },
		{ "\"vda.list\"", "\"\"", "disks[0]" },
		{ "\"vda.missing\"", "\".vda\"", "disks[0]" },
		{ "\"size\": 655872", "\"size\": 655872.5", "disks[0]" },
		{ "\"missing_blocks\": 0", "\"missing_blocks\": 12", "disks[0]" },
		{ "\"drop\": []", "\"drop\": [\"a/b\"]", "drop[0]" },
		{ "\"drop\": []", "\"drop\": [\"replica.json\"]", "drop[0]" },
		{ "\"site\": \"11", "\"site\": \"12", "another VM" },
		{ "\"disks\": [", "\"disks\": [7, ", "disks[0]" },
		{ "{", "[", "" },
	};
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", 4);
	SEED_AUTO(seed_replica_closep) struct seed_replica *made = NULL;
	struct seed_error err = { 0 };

	must(seed_replica_create(&made, dir->fd, &m, &err), &err);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (open_changed(dir, made->name, cases[i].from, cases[i].to, &err) == 0)
			fail_msg("%s as %s was taken", cases[i].from, cases[i].to);
		assert_int_equal(err.kind, SEED_ERR_FORMAT);
		if (!strstr(err.text, cases[i].says) || !strstr(err.text, made->name))
			fail_msg("%s as %s says: %s", cases[i].from, cases[i].to, err.text);
	}
	must(open_changed(dir, made->name, "web01", "web02", &err), &err);	/* a new name is fine */
}

static void what_is_not_there_is_not_found(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_replica_closep) struct seed_replica *seen = NULL;
	struct seed_error err = { 0 };

	assert_fails(seed_replica_open(&seen, dir->fd, "web01.1a2b3c4d", true, &err), &err,
		     SEED_ERR_NOTFOUND);
	assert_fails(seed_replica_open(&seen, dir->fd, "../etc", true, &err), &err,
		     SEED_ERR_NOTFOUND);
	/* As a creation that was cut short leaves it, without and with a temporary file. */
	must(seed_path_make_folder(dir->fd, "web01.1a2b3c4d", 0700, &err), &err);
	assert_fails(seed_replica_open(&seen, dir->fd, "web01.1a2b3c4d", false, &err), &err,
		     SEED_ERR_NOTFOUND);
	must(seed_file_create(dir->fd, "web01.1a2b3c4d/.tmp-1", "{", 1, 0600, &err), &err);
	assert_fails(seed_replica_open(&seen, dir->fd, "web01.1a2b3c4d", false, &err), &err,
		     SEED_ERR_NOTFOUND);
	must(seed_file_create(dir->fd, "web01.1a2b3c4d/vda.raw", "x", 1, 0600, &err), &err);
	assert_fails(seed_replica_open(&seen, dir->fd, "web01.1a2b3c4d", false, &err), &err,
		     SEED_ERR_FORMAT);
	assert_int_equal(symlinkat("web01.1a2b3c4d", dir->fd, "web02.1a2b3c4d"), 0);
	assert_fails(seed_replica_open(&seen, dir->fd, "web02.1a2b3c4d", true, &err), &err,
		     SEED_ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folder_names_are_clean_whatever_the_vm_is_called),
		cmocka_unit_test(other_names_are_no_replicas),
		cmocka_unit_test(slots_become_file_names),
		on_tmpdir(a_new_replica_is_seeding_and_explains_itself),
		on_tmpdir(what_is_saved_is_read_again),
		on_tmpdir(no_two_slots_share_files),
		on_tmpdir(a_replica_is_held_by_one_run),
		on_tmpdir(nothing_that_is_there_is_created_over),
		on_tmpdir(a_malformed_replica_json_is_refused_and_named),
		on_tmpdir(what_is_not_there_is_not_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
