/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VM keeps beside its disks, in its replica's store: `gen-<N>/<seq>.state` holds an archive
 * (proto/vm_state.h) as the cycle seq brought it, because it had changed. The state of a cycle, and
 * so of a recovery point, is the newest one that is not younger (manifest_state_find); the manifest
 * keeps those that a recoverable cycle has.
 *
 * For a failover: the state to place before the first boot from cycle seq is
 *
 *   states_path(store, seq, path)       here; its path travels to the engine
 *   replica_state_place(path, ...)      engine/replica_state.h; reads it as a stranger's
 */
#ifndef VMR_RECEIVER_STATES_H
#define VMR_RECEIVER_STATES_H

#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"
#include "receiver/answer.h"
#include "receiver/store.h"

#define STATE_SUFFIX ".state"

struct cycle;

/* VM_STATE of the sender: payload is in buffer (FRAME_PAYLOAD_MAX, and room for CHUNK_MAX behind
 * it). Checked whole and kept in cycle. 0 or the answer. */
int states_take(struct cycle *cycle, const Vmreplica__Wire__VmState *message, void *buffer,
		uint32_t payload_len, struct answer *answer);
/* At the commit of cycle, before the manifest names it: write what it brought, durably, and have
 * next list it. What is the state already is not kept twice. Blocks on storage; store->lock is
 * held. 0 or the answer. */
int states_commit(const struct cycle *cycle, struct manifest *next, struct answer *answer);
/* The same for an archive that did not come with a cycle (adopt.h), as that of cycle seq. It is
 * checked whole. */
int states_keep(struct store *store, struct manifest *next, uint64_t seq, const uint8_t *archive,
		size_t len, struct answer *answer);
/* The manifest was replaced: remove the files of states that only before lists. */
void states_unlink(const struct store *store, const struct manifest *before);
/* Absolute path of the archive that a VM starting from cycle seq needs, into path. 0, or -ENOENT:
 * it has none (a BIOS, no TPM, or a sender that sends none). store->lock is held. */
int states_path(const struct store *store, uint64_t seq, char *path, size_t size);

#endif
