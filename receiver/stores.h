/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stores that are open on this node, by relationship, and what the engine asks about them. */
#ifndef VMR_RECEIVER_STORES_H
#define VMR_RECEIVER_STORES_H

#include <stdbool.h>

#include "proto/ipc.pb-c.h"
#include "receiver/receiver.h"
#include "receiver/store.h"

/* 0 or -ENOMEM; fills receiver->stores. */
int stores_init(struct receiver *receiver);
void stores_destroy(struct receiver *receiver); /* all must be closed */

/* The open store of a relationship with a reference for the caller, or NULL. Any thread. */
struct store *stores_find(struct receiver *receiver, const char *relationship);

/* Requests of the engine; answered by STORE_OPENED, STORE_CLOSED. Control thread. */
void stores_open(struct receiver *receiver, const Vmreplica__Ipc__StoreOpen *request);
void stores_close(struct receiver *receiver, const char *relationship, bool destroy);
void stores_suspend(struct receiver *receiver, const char *relationship, bool suspended);

/* Kept until the store's open, which carries it out: a failure fails the open. Answered by
 * STORE_TAKEN when it has an id. */
void stores_adopt(struct receiver *receiver, const Vmreplica__Ipc__StoreAdopt *request);

/* Close all of them. Control thread; stores_count tells when it is done. */
void stores_close_all(struct receiver *receiver);
size_t stores_count(struct receiver *receiver);

/* Every second: statuses of what moves, failed applies tried again, dead daemons noticed. Control
 * thread. */
void stores_tick(struct receiver *receiver);
/* Something changed that the engine should see soon. Any thread. */
void stores_status_soon(struct receiver *receiver);

#endif
