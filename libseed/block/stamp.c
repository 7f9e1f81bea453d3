// SPDX-License-Identifier: LGPL-2.1-or-later
/* See stamp.h. */
#include "block/stamp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "block/grid.h"
#include "doc/home_doc.h"

#define STAMP_SCHEMA "vmseed-stamp"
#define STAMP_MAX 4096u
#define STAMP_NAME (SEED_STAMP_STEM_MAX + sizeof(".stamp"))
#define NUMBER_MAX 24			/* bytes of a 64-bit number in decimal, sign and NUL */

static int stamp_name(char out[STAMP_NAME], const char *stem, struct seed_error *err)
{
	size_t len = strspn(stem, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789:._+=-");

	if (len == 0 || len > SEED_STAMP_STEM_MAX || stem[len] || strcmp(stem, ".") == 0 ||
	    strcmp(stem, "..") == 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "no name for a stamp");
	snprintf(out, STAMP_NAME, "%s.stamp", stem);
	return 0;
}

/* Nanoseconds and some inode numbers do not fit a JSON number: they are decimal texts. */
static void set_number(struct seed_json *doc, const char *key, bool negative, uint64_t magnitude)
{
	char text[NUMBER_MAX];

	snprintf(text, sizeof(text), "%s%" PRIu64, negative ? "-" : "", magnitude);
	seed_json_set_text(doc, key, text);
}

static void set_time(struct seed_json *doc, const char *key, int64_t ns)
{
	set_number(doc, key, ns < 0, ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns);
}

static uint64_t take_digits(struct seed_json_reader *r, const char *key, const char *digits)
{
	size_t len = strlen(digits);
	uint64_t value;

	errno = 0;
	value = strtoull(digits, NULL, 10);
	if (len < 1 || strspn(digits, "0123456789") != len || errno)
		seed_json_refuse(r, key, "not a decimal number");
	return value;
}

static uint64_t take_number(struct seed_json_reader *r, const char *key)
{
	return take_digits(r, key, seed_json_take_text(r, key, NUMBER_MAX - 1));
}

static int64_t take_time(struct seed_json_reader *r, const char *key)
{
	const char *text = seed_json_take_text(r, key, NUMBER_MAX - 1);
	bool negative = *text == '-';
	uint64_t magnitude = take_digits(r, key, text + negative);

	if (magnitude > INT64_MAX) {
		seed_json_refuse(r, key, "out of range");
		return 0;
	}
	return negative ? -(int64_t)magnitude : (int64_t)magnitude;
}

int seed_stamp_write(int dir, const char *stem, const struct seed_stamp *stamp,
		     struct seed_error *err)
{
	const struct seed_source_identity *identity = &stamp->identity;
	SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_home_doc_new(STAMP_SCHEMA);
	char name[STAMP_NAME];

	if (stamp_name(name, stem, err) < 0)
		return -1;
	set_number(doc, "device", false, identity->device);
	set_number(doc, "inode", false, identity->inode);
	set_number(doc, "size", false, identity->size);
	set_time(doc, "mtime_ns", identity->mtime_ns);
	set_time(doc, "ctime_ns", identity->ctime_ns);
	seed_json_set_bool(doc, "provable", identity->provable);
	set_time(doc, "recorded", stamp->recorded);
	seed_json_set_uint(doc, "blocks", stamp->blocks);
	return seed_home_doc_replace(dir, name, doc, err);
}

static int take_members(struct seed_stamp *stamp, struct seed_json_reader *r)
{
	stamp->identity.device = take_number(r, "device");
	stamp->identity.inode = take_number(r, "inode");
	stamp->identity.size = take_number(r, "size");
	stamp->identity.mtime_ns = take_time(r, "mtime_ns");
	stamp->identity.ctime_ns = take_time(r, "ctime_ns");
	stamp->identity.provable = seed_json_take_bool(r, "provable");
	stamp->recorded = take_time(r, "recorded");
	stamp->blocks = seed_json_take_uint(r, "blocks", SEED_JSON_INT_MAX);
	if (seed_json_done(r) < 0)
		return -1;
	if (stamp->blocks > seed_grid_blocks(stamp->identity.size))
		return seed_error_set(r->err, SEED_ERR_FORMAT, "blocks: more than the size has");
	return 0;
}

int seed_stamp_read(struct seed_stamp *out, int dir, const char *stem, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_stamp stamp = { 0 };
	struct seed_json_reader r;
	char name[STAMP_NAME];

	if (stamp_name(name, stem, err) < 0 ||
	    seed_home_doc_read(&doc, &r, dir, name, STAMP_MAX, STAMP_SCHEMA, err) < 0)
		return -1;
	if (take_members(&stamp, &r) < 0)
		return seed_error_prefix(err, "%s", name);
	*out = stamp;
	return 0;
}

/* Seconds, rounded up below zero: later is the safe side. */
static bool long_before(int64_t ns, int64_t recorded)
{
	return recorded > INT64_MIN + 2 && ns / 1000000000 < recorded - 2;
}

bool seed_stamp_proves(const struct seed_stamp *stamp, const struct seed_source_identity *now)
{
	return seed_source_identity_equal(&stamp->identity, now) &&
	       long_before(stamp->identity.mtime_ns, stamp->recorded) &&
	       long_before(stamp->identity.ctime_ns, stamp->recorded);
}

bool seed_stamp_proves_set_back(const struct seed_stamp *stamp,
				const struct seed_source_identity *now)
{
	return seed_source_identity_equal(&stamp->identity, now) &&
	       long_before(stamp->identity.mtime_ns, stamp->recorded);
}
