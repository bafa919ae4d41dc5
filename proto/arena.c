/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/arena.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK 4096u
#define ARENA_ALIGN 16u

struct arena_block {
	struct arena_block *next;
	size_t used, size; /* of data */
	_Alignas(ARENA_ALIGN) unsigned char data[];
};

static struct arena_block *arena_block_new(struct arena *arena, size_t size)
{
	size_t room = size > ARENA_BLOCK ? size : ARENA_BLOCK;
	struct arena_block *block;

	if (room > arena->limit - arena->used) {
		room = size; /* near the end of the budget only what is needed */
	}
	if (room > arena->limit - arena->used) {
		return NULL;
	}
	/* Zeroed, so that a decoder's mistake shows zeros and never another message. */
	block = calloc(1, sizeof(*block) + room);
	if (block != NULL) {
		block->size = room;
		block->next = arena->blocks;
		arena->blocks = block;
		arena->used += room;
	}
	return block;
}

static void *arena_alloc_cb(void *data, size_t size)
{
	struct arena *arena = data;
	struct arena_block *block = arena->blocks;
	void *memory;

	if (size > arena->limit) {
		return NULL;
	}
	size = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
	if (block == NULL || size > block->size - block->used) {
		block = arena_block_new(arena, size);
	}
	if (block == NULL) {
		return NULL;
	}
	memory = block->data + block->used;
	block->used += size;
	return memory;
}

static void arena_free_cb(void *data, void *memory)
{
	/* All goes at once in arena_reset. */
	(void)data;
	(void)memory;
}

void arena_init(struct arena *arena, size_t limit_bytes)
{
	memset(arena, 0, sizeof(*arena));
	arena->limit = limit_bytes;
	arena->allocator.alloc = arena_alloc_cb;
	arena->allocator.free = arena_free_cb;
	arena->allocator.allocator_data = arena;
}

void arena_reset(struct arena *arena)
{
	struct arena_block *block = arena->blocks;

	while (block != NULL) {
		struct arena_block *next = block->next;

		free(block);
		block = next;
	}
	arena->blocks = NULL;
	arena->used = 0;
}
