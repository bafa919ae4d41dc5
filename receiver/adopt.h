/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An old primary's own disks as the base layers of a store: what comes from the new primary goes
 * over them, and is merged into them. A disk outside the store is named by a symbolic link in the
 * generation's directory, so that nothing of the store ever removes the disk itself.
 *
 * The first cycle is a delta on the cut that both sides know, and carries also where the disks
 * differ from it (EXTENTS behind WELCOME, from a file that the engine made). Until it is applied
 * the image is no point in time, unless they differ nowhere: then the disks themselves are a
 * recovery point, that of the final cycle, for the case that the new primary is lost before its
 * first one. When the differences are not known, everything is compared.
 */
#ifndef VMR_RECEIVER_ADOPT_H
#define VMR_RECEIVER_ADOPT_H

#include "proto/dirty_map.h"
#include "proto/ipc.pb-c.h"
#include "receiver/plan.h"
#include "receiver/session.h"
#include "receiver/store.h"

struct adopt_disk {
	char name[DISK_NAME_MAX + 1];
	char path[PATH_LEN_MAX + 1];
	uint64_t size_bytes; /* 0 = whatever the image says */
};

/* A STORE_ADOPT that waits for its store to be opened. */
struct adopt_request {
	uint64_t id;
	char relationship[RELATIONSHIP_LEN + 1];
	struct adopt_disk *disks; /* owned */
	size_t disk_count;
	struct manifest_epoch epoch;
	uint64_t seq;
	char cut_id[CUT_ID_LEN + 1];
	char extents[PATH_LEN_MAX + 1];
	bool digest;
};

/* A checked copy of the engine's request. NULL with a sentence. */
struct adopt_request *adopt_request_new(const Vmreplica__Ipc__StoreAdopt *request,
					char error[STORE_ERROR_LEN]);
void adopt_request_free(struct adopt_request *request); /* NULL allowed */

/* Carry it out on a store that is just being opened: its manifest is taken, no image is open. What
 * was carried out before is left as it is. store->lock is held; blocks. 0 or a negative errno with
 * a sentence. */
int adopt_carry_out(struct store *store, const struct adopt_request *request,
		    char error[STORE_ERROR_LEN]);

/* In the file of that name in the store's directory the engine leaves what the VM kept beside the
 * disks (proto/vm_state.h). */
#define ADOPT_STATE_NAME "adopted.state"
/* In next, whose current image are the adopted disks: when nobody wrote to them since the cut, they
 * are a recovery point, with what the VM kept beside them. store->lock is held. 0 or a negative
 * errno. */
int adopt_point_make(struct store *store, struct manifest *next,
		     const struct adopt_request *request);

/* Some of the current image's files are a VM's own disks, and lie in the store itself. */
bool adopt_holds_disks(const struct store *store);

/* Once the first cycle is applied: remove our bitmaps from the adopted images, which nobody will
 * ask for any more. store->lock is held, nothing is being applied or merged. Blocks. */
void adopt_tidy(struct store *store);

/* ---- EXTENTS ---- */
struct adopt_extents {
	struct dirty_map *maps[DISKS_MAX]; /* owned; in the order of HELLO's disks */
	uint64_t sizes[DISKS_MAX];
	size_t disk_count; /* 0 = there are none to tell */
	uint32_t frames;
};

/* What the first cycle must carry besides, for a sender with these disks. A list that is lost makes
 * it a resynchronization. store->lock is held. 0 or the answer. */
int adopt_extents_load(struct store *store, const struct plan_disk *disks, size_t disk_count,
		       struct adopt_extents *ret_extents, struct answer *answer);
/* Behind WELCOME. 0 or the answer. */
int adopt_extents_send(struct session *session, const struct adopt_extents *extents,
		       struct answer *answer);
void adopt_extents_destroy(struct adopt_extents *extents);

#endif
