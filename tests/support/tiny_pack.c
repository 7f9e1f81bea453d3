// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tiny_pack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "cmocka_all.h"
#include "crypto/digest.h"

struct tiny_pack tiny_pack_of(uint8_t tag, bool sealed)
{
	struct tiny_pack pack = { .id = { .volume = 1, .pack = 1 },
				  .key = { .sealed = sealed, .known = sealed } };

	for (uint8_t i = 0; i < SEED_ID_SIZE; i++)
		pack.id.set.bytes[i] = (uint8_t)(tag + i);
	for (uint8_t i = 0; sealed && i < sizeof(pack.key.key.bytes); i++)
		pack.key.key.bytes[i] = (uint8_t)(tag ^ (0xa0 + i));
	return pack;
}

uint32_t tiny_block(uint32_t n, uint8_t *out)
{
	uint32_t len = n % 3 == 2 ? 1 + n * 37 % 900 : 512, x = 2463534242u ^ n;

	for (uint32_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		out[i] = n % 2 ? (uint8_t)(x >> 11) : (uint8_t)("vmseed"[i % 6] + n);
	}
	return len;
}

static void add_record(struct seed_pack_writer *writer, struct seed_record_codec *codec,
		       uint32_t number, uint16_t blocks)
{
	static uint8_t plain[SEED_RECORD_PLAIN_MAX], stored[SEED_RECORD_PLAIN_MAX + 128];
	struct seed_digest digests[SEED_RECORD_BLOCKS];
	uint32_t lengths[SEED_RECORD_BLOCKS];
	struct seed_record_spec spec = { .number = number, .lengths = lengths, .blocks = blocks,
					 .plain = plain };
	struct seed_error err = { 0 };
	size_t len;

	for (uint16_t i = 0; i < blocks; i++) {
		lengths[i] = tiny_block(number * blocks + i, plain + spec.plain_len);
		seed_digest_of(&digests[i], plain + spec.plain_len, lengths[i]);
		spec.plain_len += lengths[i];
	}
	assert_ok(seed_record_encode(codec, seed_pack_writer_seal(writer), &spec, stored,
				     sizeof(stored), &len, &err), &err);
	assert_ok(seed_pack_writer_add(writer, stored, len, digests, lengths, blocks, &err), &err);
}

void tiny_pack_write(struct tiny_pack *pack, int dir, uint32_t records, uint16_t blocks,
		     const uint8_t *salt)
{
	SEED_AUTO(seed_pack_writer_closep) struct seed_pack_writer *writer = NULL;
	SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_path_make_folder(dir, "packs", 0755, &err), &err);
	assert_ok(seed_record_codec_new(&codec, 1, &err), &err);
	if (salt)
		assert_ok(seed_pack_writer_open_salted(&writer, dir, &pack->id, &pack->key, salt,
						       &err), &err);
	else
		assert_ok(seed_pack_writer_open(&writer, dir, &pack->id, &pack->key, &err), &err);
	for (uint32_t i = 0; i < records; i++)
		add_record(writer, codec, i, blocks);
	assert_ok(seed_pack_writer_finish(writer, codec, &pack->facts, &err), &err);
}

uint8_t *tiny_pack_bytes(const struct tiny_pack *pack, int dir, size_t *len)
{
	char name[SEED_PACK_NAME], *data;
	struct seed_error err = { 0 };

	assert_ok(seed_file_read(dir, seed_pack_name(pack->id.pack, name), SEED_PACK_MAX, &data,
				 len, &err), &err);
	return (uint8_t *)data;
}

void tiny_pack_put(const struct tiny_pack *pack, int dir, const void *data, size_t len)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	char name[SEED_PACK_NAME];

	/* Truncating instead makes ext4 write the file out at once, a thousand times over. */
	unlinkat(dir, seed_pack_name(pack->id.pack, name), 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
}
