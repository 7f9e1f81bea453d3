/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The layout of digest lists in media form, for its writer and its reader. */
#ifndef SEED_BLOCK_LIST_PART_INTERNAL_H
#define SEED_BLOCK_LIST_PART_INTERNAL_H

#include <stdint.h>

#include "base/id.h"

#define PART_MAGIC "VMSEEDLS"
#define SEGMENT_MAGIC "VSSG"
#define PART_VERSION 1u

struct part_header {
	uint8_t magic[8];
	uint8_t version[2], zero[2];
	uint8_t block_size[4];
	uint8_t disk[4], part[4];
	uint8_t first[8], blocks[8], digests[8];
	uint8_t more[16];
};

struct part_segment {
	uint8_t magic[4];
	uint8_t runs[4], digests[4];
	uint8_t zero[4];
	uint8_t first[8], blocks[8];
};

struct part_run {
	uint8_t start[8], count[8];
	uint8_t kind[4], zero[4];
};

_Static_assert(sizeof(struct part_header) == 64, "header as specified");
_Static_assert(sizeof(struct part_segment) == 32, "segment as specified");
_Static_assert(sizeof(struct part_run) == 24, "run as specified");

#endif
