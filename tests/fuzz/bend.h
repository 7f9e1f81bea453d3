/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How an input bends the frames of a model that else is honest: for each frame, one byte says what
 * becomes of it, and more say how. An input that is used up is an honest peer, so that what it bent
 * early is followed to its end; or one that is gone, which is quicker.
 */
#ifndef FUZZ_BEND_H
#define FUZZ_BEND_H

#include "base/bytes.h"
#include "crypto/sign.h"
#include "frame_queue.h"
#include "manifest/manifest.h"

#define BEND_FRAMES 512u	/* that one run says at most */

static inline uint64_t bend_number(struct seed_cursor *in)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 7, 63, 64, 96, 255, 256, 4095, 4096, 65535, 65536, UINT32_MAX,
		(uint64_t)1 << 34, (uint64_t)1 << 40, (uint64_t)1 << 50, ((uint64_t)1 << 50) + 1,
		((uint64_t)1 << 53) - 1, (uint64_t)1 << 63, UINT64_MAX,
	};
	uint8_t which = seed_cursor_u8(in);

	return which < 128 ? edges[which % (sizeof(edges) / sizeof(edges[0]))] : seed_cursor_u8(in);
}

/* Other bytes somewhere in @data: one, or an integer of 1, 2, 4 or 8. */
static inline void bend_bytes(struct seed_cursor *in, uint8_t *data, size_t len)
{
	uint64_t value;
	uint8_t bytes[8], width = (uint8_t)(1u << (seed_cursor_u8(in) & 3));
	size_t at = seed_cursor_u16(in);

	value = bend_number(in);
	if (len < width)
		return;
	seed_put64(bytes, value);
	memcpy(data + at % (len - width + 1), bytes, width);
}

/* The same inside a document, which is signed anew: its signer is who lies. */
static inline bool bend_document(struct seed_cursor *in, struct frames *out, uint8_t type,
				 const uint8_t *data, size_t len,
				 const struct seed_signing_key *key)
{
	char signature[SEED_SIGNATURE_MAX];
	const char *text, *old;
	size_t text_len, old_len;
	char *copy;

	if (len < 8 || seed_manifest_unbundle((const char *)data + 8, len - 8, &text, &text_len, &old,
					      &old_len, NULL) < 0 || !text_len)
		return false;
	copy = malloc(text_len + 1);
	if (!copy)
		abort();
	memcpy(copy, text, text_len);
	for (unsigned int n = seed_cursor_u8(in) % 4 + 1; n; n--) {
		size_t at = seed_cursor_u16(in);

		copy[at % text_len] = (char)seed_cursor_u8(in);
	}
	if (seed_sign(key, copy, text_len, "bent", signature, NULL) < 0)
		abort();
	frames_put_doc(out, type, copy, text_len, signature);
	free(copy);
	return true;
}

/* For a model's @bend. @ends: it is gone when the input is used up. */
static inline bool bend_frame(struct seed_cursor *in, bool ends, struct frames *out, uint8_t type,
			      const uint8_t *data, size_t len, const struct seed_signing_key *key)
{
	uint8_t *copy;

	if (out->given > BEND_FRAMES || (ends && !in->left))
		return true;
	copy = malloc(len + 256);
	if (!copy)
		abort();
	if (len)
		memcpy(copy, data, len);
	switch (seed_cursor_u8(in)) {
	case 1:				/* not at all */
		break;
	case 2:				/* twice */
		frames_put(out, type, copy, len);
		frames_put(out, type, copy, len);
		break;
	case 3:				/* with other bytes, near its head or anywhere */
		bend_bytes(in, copy, len < 64 ? len : 64);
		frames_put(out, type, copy, len);
		break;
	case 4:
		for (unsigned int n = seed_cursor_u8(in) % 8 + 1; n; n--)
			bend_bytes(in, copy, len);
		frames_put(out, type, copy, len);
		break;
	case 5:				/* shorter */
		frames_put(out, type, copy, len ? seed_cursor_u16(in) % len : 0);
		break;
	case 6: {			/* longer */
		size_t more = seed_cursor_u8(in);

		memset(copy + len, seed_cursor_u8(in), more);
		frames_put(out, type, copy, len + more);
		break;
	}
	case 7:				/* as another */
		frames_put(out, (uint8_t)(SEED_FRAME_FIRST + seed_cursor_u8(in) % 40), copy, len);
		break;
	case 8: {			/* behind one of the input's own */
		uint8_t own = (uint8_t)(SEED_FRAME_FIRST + seed_cursor_u8(in) % 40);
		size_t n = seed_cursor_u8(in);
		const uint8_t *bytes;

		n = n < in->left ? n : in->left;
		bytes = seed_cursor_take(in, n);
		frames_put(out, own, bytes, bytes ? n : 0);
		frames_put(out, type, copy, len);
		break;
	}
	case 9:
		if (!bend_document(in, out, type, copy, len, key))
			frames_put(out, type, copy, len);
		break;
	default:
		frames_put(out, type, copy, len);
	}
	free(copy);
	return true;
}

#endif
