/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room for a merge. The lower layer grows by what it has not got yet, and the merged one goes only
 * at the end. So a merge begins when all of that and the storage's reserve are free, and gives way
 * when somebody else takes that room meanwhile. One that takes no room makes some, and goes on far
 * below the reserve.
 */
#ifndef VMR_RECEIVER_MERGE_ROOM_H
#define VMR_RECEIVER_MERGE_ROOM_H

#include "receiver/image.h"
#include "receiver/merge_copy.h"
#include "receiver/store.h"

#define MERGE_ROOM_CODE "merge-waits-for-room"

struct merge_room {
	char disk[DISK_NAME_MAX + 1], from[MANIFEST_FILE_MAX + 1];
	char path[IMAGE_PATH_LEN]; /* what grows: the layer, or its data file; "" = nothing does */
	uint64_t layer_bytes;	   /* what the merged layer takes */
	uint64_t floor_bytes;	   /* what stays free beside path */
	uint64_t look_bytes;	   /* when so much is written the next look is due */
	int64_t walk_ms;	   /* how long it took to find out what the lower layer lacks */
};

/* May a merge be begun, or gone on with, as far as is known without opening anything? store->lock
 * is held. 0, or BUSY MERGE_ROOM_CODE. */
int merge_room_known(struct store *store, struct answer *answer);
/* For the merge that the manifest has. store->lock is held. */
void merge_room_init(struct merge_room *room, struct store *store);
/* Before the copy, which is open, without the lock: is there room for it? Blocks. 0; BUSY
 * MERGE_ROOM_CODE; MOVED (something else comes first); or BUSY storage-error. */
int merge_room_find(struct merge_room *room, struct store *store, const struct merge_copy *copy,
		    struct answer *answer);
/* Before each piece, without the lock: is it still there? 0, or BUSY MERGE_ROOM_CODE. */
int merge_room_look(struct merge_room *room, const struct merge_copy *copy, struct answer *answer);

#endif
