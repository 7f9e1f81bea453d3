/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames of a peer that is a model, on their way to us. */
#ifndef TESTS_FRAME_QUEUE_H
#define TESTS_FRAME_QUEUE_H

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "manifest/manifest.h"
#include "wire/message.h"

struct queued {
	struct queued *next;
	uint8_t type;
	size_t len;
	uint8_t data[];
};

struct frames {
	struct queued *first, *last, *lent;
	unsigned long given;
};

static inline void frames_put2(struct frames *q, uint8_t type, const void *head, size_t head_len,
			       const void *data, size_t len)
{
	struct queued *f = malloc(sizeof(*f) + head_len + len);

	if (!f)
		abort();
	*f = (struct queued){ .type = type, .len = head_len + len };
	if (head_len)
		memcpy(f->data, head, head_len);
	if (len)
		memcpy(f->data + head_len, data, len);
	if (q->last)
		q->last->next = f;
	else
		q->first = f;
	q->last = f;
}

static inline void frames_put(struct frames *q, uint8_t type, const void *data, size_t len)
{
	frames_put2(q, type, NULL, 0, data, len);
}

static inline void frames_put_buf(struct frames *q, uint8_t type, struct seed_buf *buf)
{
	frames_put(q, type, buf->data, buf->len);
	seed_buf_free(buf);
}

/* A document that fits one frame. */
static inline void frames_put_doc(struct frames *q, uint8_t type, const char *text, size_t len,
				  const char *signature)
{
	const uint8_t head[8] = { 1 };
	struct seed_error err = { 0 };
	char *bundle;
	size_t size;

	if (seed_manifest_bundle(text, len, signature, &bundle, &size, &err) < 0 ||
	    size > SEED_DOC_PART)
		abort();
	frames_put2(q, type, head, sizeof(head), bundle, size);
	free(bundle);
}

/* The oldest one, lent until the next call. */
static inline bool frames_take(struct frames *q, struct seed_frame *out)
{
	struct queued *f = q->first;

	free(q->lent);
	q->lent = f;
	if (!f)
		return false;
	q->first = f->next;
	if (!q->first)
		q->last = NULL;
	q->given++;
	*out = (struct seed_frame){ .type = f->type, .len = (uint32_t)f->len, .data = f->data };
	return true;
}

static inline void frames_clear(struct frames *q)
{
	struct seed_frame f;

	while (frames_take(q, &f))
		;
	*q = (struct frames){ 0 };
}

#endif
