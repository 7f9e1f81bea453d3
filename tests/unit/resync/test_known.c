// SPDX-License-Identifier: LGPL-2.1-or-later
/* Blocks of replicas here, found by digest: whose, and only as long as they are what they were. */
#include "cmocka_all.h"

#include "resync_sites.h"
#include "replica/home_store.h"
#include "resync/known.h"
#include "tmpdir.h"

static const struct content here = { { "ABC.DEF", "xyz" }, { 1000, 0 } };

struct place {
	struct sites s;
	int store;
	char name[SEED_REPLICA_NAME];
	void *dir;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct seed_error err = { 0 };

	if (!p || tmpdir_setup(&p->dir) != 0)
		return -1;
	sites_make(&p->s, ((struct tmpdir *)p->dir)->fd);
	sure(seed_store_open(&p->store, p->s.dr.home, NULL, true, NULL, &err), &err);
	replica_make(&p->s, p->store, &here, 3, p->name);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	void *dir = p->dir;

	close(p->store);
	sites_close(&p->s);
	free(p);
	return tmpdir_teardown(&dir);
}

static struct seed_known *known_of(struct place *p, const struct seed_id *site, uint64_t memory)
{
	struct seed_known *known = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_known_new(&known, p->store, site, memory, NULL, &err), &err);
	return known;
}

static bool reads(struct seed_known *known, const struct content *c, size_t disk, uint64_t at)
{
	struct seed_digest digest = content_digest(c, disk, at);
	uint32_t len = seed_grid_length(content_size(c, disk), at);
	uint8_t buf[SEED_BLOCK_SIZE];

	return seed_known_read(known, &digest, buf, len) &&
	       memcmp(buf, content_block(c->blocks[disk][at]), len) == 0;
}

static void blocks_of_the_peers_replicas_are_read(void **state)
{
	struct place *p = *state;
	SEED_AUTO(seed_known_freep) struct seed_known *known = known_of(p, &p->s.hq.own->id, 1 << 20);
	const struct seed_digest none = { { 1, 2, 3 } };
	uint8_t buf[SEED_BLOCK_SIZE];

	for (size_t i = 0; i < VM_DISKS; i++)
		for (uint64_t k = 0; here.blocks[i][k]; k++)
			assert_int_equal(reads(known, &here, i, k), here.blocks[i][k] != '.');
	assert_false(seed_known_read(known, &none, buf, sizeof(buf)));
}

static void blocks_of_another_sites_line_are_not(void **state)
{
	struct place *p = *state;
	SEED_AUTO(seed_known_freep) struct seed_known *known = known_of(p, &p->s.dr.own->id, 1 << 20);

	assert_false(reads(known, &here, 0, 0));
}

static void a_replica_can_be_added(void **state)
{
	struct place *p = *state;
	SEED_AUTO(seed_known_freep) struct seed_known *known = known_of(p, &p->s.dr.own->id, 1 << 20);
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_replica_open(&r, p->store, p->name, false, &err), &err);
	seed_known_add_replica(known, r);
	assert_true(reads(known, &here, 0, 1));
	assert_true(reads(known, &here, 1, 2));
}

static int replica_dir(struct place *p)
{
	struct seed_error err = { 0 };
	int dir = -1;

	assert_ok(seed_path_open_folder_at(&dir, p->store, p->name, &err), &err);
	return dir;
}

static void a_block_that_is_another_by_now_is_not_given(void **state)
{
	struct place *p = *state;
	SEED_AUTO(seed_known_freep) struct seed_known *known = known_of(p, &p->s.hq.own->id, 1 << 20);
	SEED_AUTO(seed_fd_closep) int dir = replica_dir(p);
	SEED_AUTO(seed_fd_closep) int fd = openat(dir, "vda.raw", O_RDWR | O_CLOEXEC);

	assert_true(reads(known, &here, 0, 1));
	assert_int_equal(pwrite(fd, "x", 1, SEED_BLOCK_SIZE + 5), 1);
	assert_false(reads(known, &here, 0, 1));
	assert_true(reads(known, &here, 0, 2));
	assert_int_equal(ftruncate(fd, 2 * SEED_BLOCK_SIZE + 100), 0);
	assert_false(reads(known, &here, 0, 2));
	assert_int_equal(unlinkat(dir, "vdb.raw", 0), 0);
	assert_false(reads(known, &here, 1, 0));
}

/* What has just arrived is found where it lies, also beneath sync/ for a while. */
static void blocks_that_arrived_are_found(void **state)
{
	struct place *p = *state;
	SEED_AUTO(seed_known_freep) struct seed_known *known = known_of(p, &p->s.hq.own->id, 1 << 20);
	static const struct content new = { { "PQ", "R" }, { 0, 0 } };
	SEED_AUTO(seed_fd_closep) int dir = replica_dir(p);
	struct seed_digest digest = content_digest(&new, 0, 1);

	assert_false(reads(known, &new, 0, 1));
	seed_known_add(known, p->name, "vdq.raw", 1, &digest);
	assert_false(reads(known, &new, 0, 1));
	assert_int_equal(mkdirat(dir, "sync", 0700), 0);
	content_write(&new, 0, dir, "sync/vdq.raw");
	assert_true(reads(known, &new, 0, 1));
	assert_int_equal(renameat(dir, "sync/vdq.raw", dir, "vdq.raw"), 0);
	assert_true(reads(known, &new, 0, 1));
	seed_known_add(NULL, p->name, "vdq.raw", 1, &digest);
	assert_false(seed_known_read(NULL, &digest, NULL, 0));
}

/* At its cap it forgets, and what it says is right. */
static void a_full_table_takes_no_more(void **state)
{
	struct place *p = *state;
	SEED_AUTO(seed_known_freep) struct seed_known *known = known_of(p, &p->s.hq.own->id, 1);
	struct seed_digest digest = { { 0 } };

	for (uint64_t i = 1; i < 300000; i++) {
		memcpy(digest.bytes, &i, sizeof(i));
		seed_known_add(known, p->name, "none.raw", i, &digest);
	}
	assert_true(reads(known, &here, 0, 0));
	assert_true(reads(known, &here, 1, 1));
}

/* Two digests with one beginning share a place: the later one may hide the other, which is fetched
 * then; a wrong block never comes of it. */
static void equal_beginnings_give_no_wrong_block(void **state)
{
	struct place *p = *state;
	SEED_AUTO(seed_known_freep) struct seed_known *known = known_of(p, &p->s.hq.own->id, 1 << 20);
	struct seed_digest twin = content_digest(&here, 0, 0);
	uint8_t buf[SEED_BLOCK_SIZE];

	twin.bytes[31] ^= 1;
	assert_false(seed_known_read(known, &twin, buf, sizeof(buf)));
	seed_known_add(known, p->name, "vda.raw", 1, &twin);
	assert_false(seed_known_read(known, &twin, buf, sizeof(buf)));
	assert_false(reads(known, &here, 0, 0));
	assert_true(reads(known, &here, 0, 2));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(blocks_of_the_peers_replicas_are_read),
		T(blocks_of_another_sites_line_are_not),
		T(a_replica_can_be_added),
		T(a_block_that_is_another_by_now_is_not_given),
		T(blocks_that_arrived_are_found),
		T(a_full_table_takes_no_more),
		T(equal_beginnings_give_no_wrong_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
