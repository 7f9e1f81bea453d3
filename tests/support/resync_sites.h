/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two sites that trust each other, hq with a VM and dr with its replica, and disks of known content:
 * a disk is a string, one character a block, '.' zeroes, anything else noise of that name. For unit
 * tests and fuzz targets: what goes wrong here aborts.
 */
#ifndef TESTS_RESYNC_SITES_H
#define TESTS_RESYNC_SITES_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "block/grid.h"
#include "block/merkle.h"
#include "crypto/digest.h"
#include "replica/proof.h"
#include "replica/replica.h"
#include "resync/session.h"
#include "trust/trust.h"

#define VM_DISKS 2u
#define VM_NAME "web"

static inline void sure(int rc, const struct seed_error *err)
{
	if (rc == 0)
		return;
	fprintf(stderr, "%s (errno %d)\n", err->text, err->sys_errno);
	abort();
}

/* ---- content ---- */

struct content {
	const char *blocks[VM_DISKS];
	uint32_t cut[VM_DISKS];		/* bytes that the last block is short of */
};

static const char *const content_slots[VM_DISKS] = { "vda", "vdb" };

static inline uint64_t content_size(const struct content *c, size_t disk)
{
	return strlen(c->blocks[disk]) * SEED_BLOCK_SIZE - c->cut[disk];
}

/* Bytes of a block; upper and lower case of one letter differ in one piece of 4 KiB. */
static inline const uint8_t *content_block(char name)
{
	static uint8_t blocks[128][SEED_BLOCK_SIZE];
	static bool made[128];
	uint32_t state = (uint32_t)(name & ~32) * 2654435761u + 1;
	uint8_t *out = blocks[name & 127];

	for (size_t i = 0; !made[name & 127] && name != '.' && i < SEED_BLOCK_SIZE; i++) {
		state = state * 1664525u + 1013904223u;
		out[i] = i == 100 ? (uint8_t)name : (uint8_t)(state >> 24);
	}
	made[name & 127] = true;
	return out;
}

/* As a list has it. */
static inline struct seed_digest content_digest(const struct content *c, size_t disk, uint64_t at)
{
	static struct { bool known; uint32_t len; struct seed_digest digest; } memory[128];
	uint32_t len = seed_grid_length(content_size(c, disk), at);
	char name = c->blocks[disk][at];

	if (name == '.')
		return seed_digest_zero;
	if (!memory[name & 127].known || memory[name & 127].len != len) {
		seed_digest_of(&memory[name & 127].digest, content_block(name), len);
		memory[name & 127].known = true;
		memory[name & 127].len = len;
	}
	return memory[name & 127].digest;
}

/* The hash over leaves [@first, @end), straight from merkle.h. */
static inline struct seed_digest content_node(const struct content *c, size_t disk, uint64_t first,
					      uint64_t end)
{
	struct seed_merkle m;
	struct seed_digest out;

	seed_merkle_begin(&m);
	for (; first < end; first++) {
		struct seed_digest d = content_digest(c, disk, first);

		if (c->blocks[disk][first] == '.')
			seed_zero_digest(&d, seed_grid_length(content_size(c, disk), first));
		seed_merkle_add(&m, &d);
	}
	seed_merkle_end(&m, &out);
	return out;
}

static inline struct seed_digest content_root(const struct content *c, size_t disk)
{
	return content_node(c, disk, 0, strlen(c->blocks[disk]));
}

static inline void content_write(const struct content *c, size_t disk, int dir, const char *name)
{
	SEED_AUTO(seed_fd_closep) int fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)content_size(c, disk)) < 0)
		abort();
	for (uint64_t i = 0; c->blocks[disk][i]; i++) {
		uint32_t len = seed_grid_length(content_size(c, disk), i);

		if (c->blocks[disk][i] != '.' &&
		    pwrite(fd, content_block(c->blocks[disk][i]), len,
			   (off_t)(i * SEED_BLOCK_SIZE)) != (ssize_t)len)
			abort();
	}
}

static inline bool content_is(const struct content *c, size_t disk, int dir, const char *name)
{
	SEED_AUTO(seed_fd_closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	uint8_t got[SEED_BLOCK_SIZE];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || (uint64_t)st.st_size != content_size(c, disk))
		return false;
	for (uint64_t i = 0; c->blocks[disk][i]; i++) {
		uint32_t len = seed_grid_length(content_size(c, disk), i);

		if (pread(fd, got, len, (off_t)(i * SEED_BLOCK_SIZE)) != (ssize_t)len ||
		    memcmp(got, content_block(c->blocks[disk][i]), len) != 0)
			return false;
	}
	return true;
}

/* ---- sites ---- */

struct site {
	int home;
	struct seed_site *own;
	struct seed_trust *trust;
};

struct sites {
	int dir;			/* borrowed */
	struct site hq, dr;
	struct seed_id uuid;		/* of the VM */
	struct seed_lineage lineage;
	struct seed_pool *pool;		/* without workers */
};

static inline void site_make(struct site *site, int dir, const char *name)
{
	struct seed_error err = { 0 };

	sure(seed_path_make_folder(dir, name, 0700, &err), &err);
	sure(seed_path_open_folder_at(&site->home, dir, name, &err), &err);
	sure(seed_site_create(site->home, name, NULL, &err), &err);
	sure(seed_site_open(&site->own, site->home, NULL, &err), &err);
	site->trust = NULL;
}

/* Pins @of's card at @site, for the VMs of @scope (NULL: all), and loads it. */
static inline void site_trust(struct site *site, const struct site *of, const char *scope)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_error err = { 0 };
	struct seed_card card;
	char fingerprint[SEED_FINGERPRINT_TEXT];
	size_t len;

	seed_card_of(&card, of->own);
	sure(seed_site_card(of->home, &text, &len, &err), &err);
	sure(seed_trust_add(site->home, of->own->name, text, len, seed_fingerprint(&card, fingerprint),
			    &scope, scope ? 1 : 0, &err), &err);
	seed_trust_close(site->trust);
	sure(seed_trust_open(&site->trust, site->home, site->own, &err), &err);
}

static inline void site_close(struct site *site)
{
	seed_trust_close(site->trust);
	seed_site_close(site->own);
	close(site->home);
}

static inline void sites_make(struct sites *s, int dir)
{
	const struct seed_pool_options pool = { .workers = 0 };
	struct seed_error err = { 0 };

	*s = (struct sites){ .dir = dir, .uuid.bytes = { 0x5e, 0xed } };
	site_make(&s->hq, dir, "hq");
	site_make(&s->dr, dir, "dr");
	site_trust(&s->hq, &s->dr, NULL);
	site_trust(&s->dr, &s->hq, NULL);
	s->lineage.count = 1;
	s->lineage.timelines[0].id.bytes[0] = 0x77;
	s->lineage.timelines[0].writer = s->hq.own->id;
	sure(seed_pool_new(&s->pool, &pool, &err), &err);
}

static inline void sites_close(struct sites *s)
{
	seed_pool_free(s->pool);
	site_close(&s->hq);
	site_close(&s->dr);
}

/* ---- the VM and its replica ---- */

static inline void vm_manifest(struct seed_manifest *m, const struct sites *s,
			       const struct content *c, uint64_t generation)
{
	seed_manifest_init(m);
	m->name = strdup(VM_NAME);
	m->site_name = strdup("hq");
	m->key = *seed_signing_key_public(s->hq.own->sign);
	m->seed.bytes[0] = (uint8_t)generation;
	m->seed.bytes[1] = 0x5e;
	m->site = s->hq.own->id;
	m->uuid = s->uuid;
	m->has_recipient = true;
	m->recipient = s->dr.own->id;
	m->generation = generation;
	m->lineage = s->lineage;
	m->data = true;
	for (size_t i = 0; i < VM_DISKS; i++) {
		const struct seed_manifest_part part = { .length = 64 };
		struct seed_manifest_disk d = {
			.slot = strdup(content_slots[i]),
			.size = content_size(c, i),
			.sector_size = 512,
			.blocks = strlen(c->blocks[i]),
			.root = content_root(c, i),
		};

		for (uint64_t k = 0; k < d.blocks; k++)
			d.data_blocks += c->blocks[i][k] != '.';
		if (!seed_vec_push(&d.parts, sizeof(part), &part) ||
		    !seed_vec_push(&m->disks, sizeof(d), &d))
			abort();
	}
}

static inline void replica_put(const struct seed_replica *r, const struct content *c)
{
	struct seed_error err = { 0 };

	for (size_t i = 0; i < VM_DISKS; i++) {
		const struct seed_replica_disk *d = seed_vec_at(&r->disks, i);
		struct seed_list *list;
		char stem[33];

		content_write(c, i, r->dir, d->file);
		sure(seed_list_create(&list, r->dir, d->list, strlen(c->blocks[i]), &err), &err);
		for (uint64_t k = 0; c->blocks[i][k]; k++) {
			struct seed_digest digest = content_digest(c, i, k);

			sure(seed_list_set(list, k, &digest, 1, &err), &err);
		}
		seed_list_close(list);
		sure(seed_replica_stamp(r->dir, seed_replica_slot_stem(d->slot, stem), d->file,
					strlen(c->blocks[i]), &err), &err);
	}
}

/* dr's replica at @generation, proven; @name receives its folder's. */
static inline void replica_make(const struct sites *s, int store, const struct content *c,
				uint64_t generation, char name[SEED_REPLICA_NAME])
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	struct seed_manifest m;
	size_t len;

	vm_manifest(&m, s, c, generation);
	sure(seed_replica_create(&r, store, &m, &err), &err);
	replica_put(r, c);
	sure(seed_manifest_sign(&m, s->hq.own->sign, &text, &len, signature, &err), &err);
	sure(seed_file_replace(r->dir, "manifest.json", text, len, 0600, &err), &err);
	sure(seed_file_replace(r->dir, "manifest.json.minisig", signature, strlen(signature), 0600,
			       &err), &err);
	r->state = SEED_REPLICA_SEEDED;
	sure(seed_replica_switch(r, &err), &err);
	memcpy(name, r->name, SEED_REPLICA_NAME);
	seed_manifest_clear(&m);
}

static inline bool replica_disks_are(int store, const char *name, const struct content *c)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	char file[16];

	if (seed_path_open_folder_at(&dir, store, name, NULL) < 0)
		return false;
	for (size_t i = 0; i < VM_DISKS; i++) {
		snprintf(file, sizeof(file), "%s.raw", content_slots[i]);
		if (!content_is(c, i, dir, file))
			return false;
	}
	return true;
}

/* A session behind its proofs, with fixed nonces. @ch is taken. */
static inline struct seed_session session_of(const struct sites *s, const struct seed_resync_options *opt,
					     bool sender, struct seed_channel *ch)
{
	struct seed_session out = { .ch = ch, .opt = opt, .sender = sender, .pool = s->pool,
				    .depth = 4, .store = -1 };
	const struct seed_site *other = sender ? s->dr.own : s->hq.own;
	struct seed_error err = { 0 };

	out.opened_ms = seed_clock_ms();
	sure(seed_trust_find(&out.peer, opt->trust, other->name, &err), &err);
	memset(out.nonce, sender ? 0x51 : 0x52, sizeof(out.nonce));
	memset(out.peer_nonce, sender ? 0x52 : 0x51, sizeof(out.peer_nonce));
	return out;
}

#endif
