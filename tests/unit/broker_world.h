/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole broker in this process: real sockets and TLS, and a cluster of one node (b1 of b.example)
 * that a fake plays. It replaces cluster_init, so that no cluster library is asked.
 */
#ifndef VMR_TESTS_BROKER_WORLD_H
#define VMR_TESTS_BROKER_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/broker.h"
#include "proto/frame.h"

#define WORLD_WAIT_MS 8000

/* Set before world_begin: broker_options.request_rate. */
extern unsigned world_request_rate;

struct world {
	struct broker broker;
	struct config config;
	qb_loop_t *loop;
	uint16_t port; /* of the access point */
	int owner_fd;  /* listening: the owner's receiver */
	uint16_t owner_port;
	char socket_path[128];
	/* what the fake cluster does */
	bool engine_has_storage, engine_has_vm, store_busy;
	const char *refusal, *warning; /* what the engine says of a VM's definition */
	bool engine_is_deaf;	       /* it says nothing of it */
	uint64_t engine_epoch;	       /* of the replica's status; 0: it does not answer that */
	int order_error;	       /* its answer to an order; 0: it is done */
	int create_error;	       /* next create_vm fails with it */
	/* what it was told */
	unsigned fit_asked;
	unsigned ordered; /* orders passed on */
	int ordered_kind; /* the last one's */
	char event[700];  /* the last that it told the engines: "NODE SEVERITY: TEXT" */
	unsigned created, deleted, updated, destroyed, announced_active, announced_inactive;
	char created_domain[512]; /* the VM's own resource: its id and its definition */
	char created_resource[160], created_location[64], created_parameters[512],
		updated_parameters[64];
	char deleted_resource[160], setting_name[64], setting_value[512];
	bool ready, failed;
};

/* Make certificates once, then a broker that serves. */
struct world *world_begin(enum relay_mode relay);
void world_end(struct world *world);
void world_set_quorum(struct world *world, bool quorate, const char *missing);
/* The resource of REL_1, as if it had been enrolled; and where it runs. */
void world_add_replica(struct world *world);
void world_announce(struct world *world);
/* A setting of the cluster's, before the broker reads it. */
void world_set(const char *name, const char *value);
/* Run fn(arg) in a thread while the broker's loop runs, until it returns. */
void world_run(struct world *world, void (*fn)(void *arg), void *arg);
void world_run_ms(struct world *world, unsigned ms);

/* A peer's connection; for world_run's thread. */
struct client {
	struct tls_conn *conn;
	struct channel channel;
	struct arena arena;
	struct frame frame; /* the last answer */
	int result;	    /* of the last step */
};
/* Dial port of loopback with the certificate pair, expecting name; sni may be NULL. */
void client_open(struct client *client, uint16_t port, const char *pair, const char *expected,
		 const char *sni);
/* Send and wait for the answer: client->result 0 and client->frame, or the error. */
void client_ask(struct client *client, enum frame_type type, const ProtobufCMessage *message);
void client_close(struct client *client);
int dial_loopback(uint16_t port);

/* One request on the admin socket; the answer's owner is arena. NULL when none came. For
 * world_run's thread. */
Vmreplica__Admin__Response *admin_ask(struct world *world, Vmreplica__Admin__Request *request,
				      struct arena *arena);

#endif
