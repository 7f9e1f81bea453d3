/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk as blocks of 64 KiB at multiples of 64 KiB; the last may be short. */
#ifndef SEED_BLOCK_GRID_H
#define SEED_BLOCK_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEED_BLOCK_SIZE 65536u
#define SEED_DISK_MAX ((uint64_t)1 << 50)	/* 1 PiB: larger sizes are refused as nonsense */

static inline uint64_t seed_grid_blocks(uint64_t size)
{
	return size / SEED_BLOCK_SIZE + (size % SEED_BLOCK_SIZE != 0);
}

/* Bytes of block @index of a disk of @size bytes; @index is below seed_grid_blocks(). */
static inline uint32_t seed_grid_length(uint64_t size, uint64_t index)
{
	uint64_t left = size - index * SEED_BLOCK_SIZE;

	return left < SEED_BLOCK_SIZE ? (uint32_t)left : SEED_BLOCK_SIZE;
}

/* All zero? Stops at the first byte that is not. */
bool seed_block_is_zero(const void *data, size_t len);

#endif
