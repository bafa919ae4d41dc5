/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How large the cluster's replicas are, and what their receivers are told of it: an authorization
 * entry limits the sum (--max-size), wherever in the cluster they lie. Control thread. */
#ifndef VMR_ENGINE_REPLICA_SIZES_H
#define VMR_ENGINE_REPLICA_SIZES_H

#include "cluster/authorize.h"
#include "engine/engine.h"
#include "proto/ipc.pb-c.h"

/* An authorization_size_cb (cluster/authorize.h): of a replica's disks together, as its owner
 * announced them last; 0 = not known. arg: the engine. */
uint64_t replica_sizes_of(void *arg, const char *relationship);

/* The authorization entries for the receiver, with the replicas that count for one with a limit,
 * packed into memory of the caller's. 0 or -ENOMEM. */
int replica_sizes_pack(struct engine *engine, uint8_t **ret_packed, size_t *ret_len);

/* May the replica of a site's VM have so many bytes of disks here? 0, or -EACCES with a sentence
 * that names the entry (or that there is none). */
int replica_sizes_admit(struct engine *engine, const char *site, const char *relationship,
			uint64_t size_bytes, char text[AUTHORIZATION_ROOM_LEN]);

#endif
