/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a verification has found so far. Pure. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cycle_verify.h"

int verify_state_init(struct verify_state *verify, int64_t slice_ms, bool one_cut)
{
	verify->slice_ms = slice_ms;
	verify->one_cut = one_cut;
	verify->differences = calloc(VERIFY_DIFFERENCES_MAX, sizeof(*verify->differences));
	return verify->differences == NULL ? -ENOMEM : 0;
}

void verify_state_destroy(struct verify_state *verify)
{
	free(verify->differences);
	verify->differences = NULL;
}

void verify_state_restart(struct verify_state *verify)
{
	atomic_store(&verify->done_bytes, 0);
	verify->disk = 0;
	verify->offset = 0;
	verify->first_seq = verify->last_seq = 0;
	verify->cuts = 0;
	verify->difference_count = 0;
	verify->differing_bytes = 0;
}

void verify_state_end_slice(struct verify_state *verify, uint64_t seq, uint64_t before_bytes,
			    bool confirmed, bool cancelled)
{
	uint64_t done = atomic_load(&verify->done_bytes);
	bool complete = done == atomic_load(&verify->total_bytes);

	if (!confirmed || (verify->one_cut && !complete)) {
		verify_state_restart(verify);
	} else if (done > before_bytes) {
		verify->first_seq = verify->first_seq == 0 ? seq : verify->first_seq;
		verify->last_seq = seq;
		verify->cuts++;
		verify->fruitless = 0;
		verify->complete = complete;
		return;
	}
	verify->fruitless += !cancelled;
}

void verify_state_take_disks(struct verify_state *verify, const struct verify_disk *disks,
			     uint32_t disk_count)
{
	bool same = disk_count == verify->disk_count;
	uint64_t total = 0;

	for (uint32_t i = 0; i < disk_count; i++) {
		same = same && strcmp(disks[i].name, verify->disks[i].name) == 0 &&
		       disks[i].size_bytes == verify->disks[i].size_bytes;
		total += disks[i].size_bytes;
	}
	if (same) {
		return;
	}
	verify_state_restart(verify);
	memcpy(verify->disks, disks, disk_count * sizeof(*disks));
	verify->disk_count = disk_count;
	atomic_store(&verify->total_bytes, total);
}

static void note_range(struct verify_state *verify, uint32_t disk, uint64_t offset, uint64_t length)
{
	struct verify_difference *last =
		verify->difference_count > 0 ? &verify->differences[verify->difference_count - 1]
					     : NULL;

	assert(verify->differences != NULL); /* verify_state_init has succeeded */
	verify->differing_bytes += length;
	if (last != NULL && strcmp(last->disk, verify->disks[disk].name) == 0 &&
	    last->offset + last->length == offset) {
		last->length += length;
	} else if (verify->difference_count < VERIFY_DIFFERENCES_MAX) {
		last = &verify->differences[verify->difference_count++];
		memcpy(last->disk, verify->disks[disk].name, sizeof(last->disk));
		last->offset = offset;
		last->length = length;
	}
}

void verify_state_note(struct verify_state *verify, uint32_t disk, uint64_t offset, uint64_t end,
		       uint32_t block_bytes, const uint8_t *map, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t start = offset + (uint64_t)i * block_bytes;

		if ((map[i / 8] >> (i % 8) & 1) != 0 && start < end) {
			note_range(verify, disk, start,
				   end - start < block_bytes ? end - start : block_bytes);
		}
	}
}
