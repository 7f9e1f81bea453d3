// SPDX-License-Identifier: LGPL-2.1-or-later
/* Every message of a resync: the first byte chooses which. What is read is written as it was read. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

static void same(struct seed_buf *out, const struct seed_frame *f)
{
	assert(out->len == f->len && memcmp(out->data, f->data, f->len) == 0);
	seed_buf_free(out);
}

#define TRY(name) do {								\
	static struct seed_msg_##name m;					\
	struct seed_buf out = { 0 };						\
	if (seed_msg_##name##_get(&m, f, &err) == 0 &&				\
	    seed_msg_##name##_put(&out, &m, NULL) == 0)				\
		same(&out, f);							\
} while (0)

static void take(const struct seed_frame *f)
{
	struct seed_error err = { 0 }, said;
	struct seed_doc_parts parts = { 0 };
	struct seed_msg_block block;

	switch (f->type % 12) {
	case 0: TRY(hello); break;
	case 1: TRY(want); break;
	case 2: TRY(head); break;
	case 3: TRY(base); break;
	case 4: TRY(descend); break;
	case 5: TRY(need); break;
	case 6: TRY(request); break;
	case 7: TRY(progress); break;
	case 8:
		if (seed_msg_block_get(&block, f, &err) == 0) {
			uint8_t head[SEED_BLOCK_HEAD_MAX];
			size_t len = seed_msg_block_head(head, &block);

			assert(len + block.len == f->len && memcmp(head, f->data, len) == 0);
		}
		break;
	case 9: seed_msg_error_get(&said, f, &err); break;
	default:
		seed_doc_add(&parts, f, 1 << 20, &err);
		seed_buf_free(&parts.buf);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && size <= SEED_FRAME_MAX)
		take(&(struct seed_frame){ .type = data[0], .len = (uint32_t)size - 1,
					   .data = data + 1 });
	return 0;
}
