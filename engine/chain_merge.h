/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chain of images that a failed-over VM stands on is made short: all layers between the image
 * that it writes to and the lowest one go into that, one by one from below, by the VM's own QEMU
 * while it runs, else by qemu-img. What was merged before a crash is found merged, by the images'
 * own headers. Blocking: workers only.
 *
 * Into what: the store's own base, or the VM's own disk where the store has only a link to it
 * (receiver/adopt.h), never anything below that.
 */
#ifndef VMR_ENGINE_CHAIN_MERGE_H
#define VMR_ENGINE_CHAIN_MERGE_H

#include <limits.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "engine/source.h"
#include "proto/ipc.pb-c.h"
#include "proto/limits.h"

struct chain_merge {
	struct source_connection *libvirt;
	char vm[RESOURCE_ID_MAX + 1];		 /* its name in libvirt */
	char store[PATH_LEN_MAX + 1];		 /* the store's directory */
	const Vmreplica__Ipc__StoreTaken *taken; /* borrowed: what COMMIT answered */
	uint64_t reserve_bytes;	 /* of the store's file system, to stay free under a running VM */
	bool running_only;	 /* Pacemaker may start the VM any moment: its images must be free */
	const atomic_bool *stop; /* set by another thread: give up */
	unsigned int merged;	 /* layers that went into the lowest one */
	char error[SOURCE_ERROR_LEN];
};

/* 0: nothing is left to merge. -ECANCELED: given up; -EAGAIN, -EBUSY, -ENOSPC (no room for
 * the next layer beside what stays), -ENOTCONN, -ETIMEDOUT, ...: not now; or an error that is
 * hopeless. With a sentence, and counted in merged how far it came. */
int chain_merge_run(struct chain_merge *merge);
/* Trying again changes nothing before somebody has seen to it. */
bool chain_merge_is_hopeless(int error);
/* The most layers of a disk that may be left to merge. */
size_t chain_merge_layers(const Vmreplica__Ipc__StoreTaken *taken);
/* Let uid, QEMU's user, write the layers of disk, once they are found to be files of the store and
 * nothing else on the way down: no link below the store, but for the lowest layer one to a disk
 * that was lent to receiver. 1 with the real path of the lowest in ret_base; 0: nothing is left to
 * merge, and nobody was let do anything; or as chain_merge_run. */
int chain_merge_admit(struct chain_merge *merge, const Vmreplica__Ipc__TakenDisk *disk,
		      uid_t receiver, uid_t uid, char ret_base[PATH_MAX]);
/* The layer above the lowest of chain (count files, lowest first) on the way down from the image at
 * path, by the headers: its index in *ret_lowest; and the first below the image in *ret_top. 0 is
 * the lowest itself: nothing is between. 0, -EBADMSG (another file is on the way) or the errno of
 * reading. */
int chain_merge_find(const char *path, char *const *chain, size_t count, size_t *ret_lowest,
		     size_t *ret_top);

#endif
