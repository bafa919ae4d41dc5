/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a merge does to the sums (sums.h) of the layer that it writes. They are void from before its
 * first write until it is done; each block that is copied gets the sum of what was read from the
 * merged layer, not of what the lower one holds then. Where the merged layer has sums of its own,
 * theirs are taken over, and data that is not as they say is damage: it is told of, and stays so.
 *
 * Order: head names the merge, durable; the merge in the manifest; data; at each mark the sums
 * before the manifest's offset; at the end the layer's new fingerprint in the head before it is in
 * the manifest. So after a kill anywhere the sums hold, or go on from a mark that is not behind the
 * manifest's, or are void. Sums that cannot be written are given up, never a merge for them.
 */
#ifndef VMR_RECEIVER_MERGE_SUMS_H
#define VMR_RECEIVER_MERGE_SUMS_H

#include "receiver/merge.h"
#include "receiver/sums.h"

struct merge_sums {
	struct store *store; /* borrowed */
	struct sums *sums;   /* owned; NULL = given up, or there are none */
	struct sums *from;   /* owned; of the merged layer; NULL = it has none that hold */
	char into_file[MANIFEST_FILE_MAX + 1], from_file[MANIFEST_FILE_MAX + 1];
	char disk[DISK_NAME_MAX + 1];
	uint64_t disk_bytes;
	uint64_t damaged_blocks, damaged_offset; /* of the merged layer; where the first one is */
};

/* For the merge that the manifest has, or else for the planned one, which is going to be recorded.
 * store->lock is held. */
void merge_sums_begin(struct merge_sums *sums, struct store *store, const struct merge_plan *plan);
/* [offset, offset + length) is copied: data, or (NULL) zeros. sums may be NULL. */
void merge_sums_data(struct merge_sums *sums, const void *data, uint64_t offset, uint64_t length);
/* All before offset is durable in the lower layer, and going to be recorded so. */
void merge_sums_mark(struct merge_sums *sums, uint64_t offset);
/* The merge is done, and image is what the manifest is going to say. sums may be NULL. */
void merge_sums_finish(struct merge_sums *sums, const struct manifest_image *image);
/* 0, or when what is recorded as copied of the merged layer was damaged, as answer_busy, once a
 * resynchronization is asked for. Whatever ended the copying. store->lock is held. */
int merge_sums_judge(struct merge_sums *sums, struct answer *answer);
void merge_sums_end(struct merge_sums *sums);

#endif
