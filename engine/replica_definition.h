/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the definition of a replica VM up to date beside its store: made anew from what the peer
 * sent last (replica_domain.h) whenever a cycle was committed, the top images or the map of
 * networks changed, and written when it differs. Until a failover its disks are files in the store
 * that never exist, so that nobody starts the VM by hand on images that are being written; from a
 * failover on it is written by the failover, with the images that the VM has then. Control thread
 * only; the work is a worker's.
 */
#ifndef VMR_ENGINE_REPLICA_DEFINITION_H
#define VMR_ENGINE_REPLICA_DEFINITION_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

#define DEFINITION_NOTES_MAX 8 /* that a status carries: it goes round the cluster */

struct replica;
struct replica_definition;

typedef void (*replica_definition_cb)(void *arg, int error, const char *text);

/* replica is borrowed. NULL when out of memory. */
struct replica_definition *replica_definition_new(struct replica *replica);
/* Not while it is busy, unless the workers have ended. NULL allowed. */
void replica_definition_free(struct replica_definition *definition);
bool replica_definition_is_busy(const struct replica_definition *definition); /* NULL: no */
/* A stop must wait: what is written here may not come after what the next owner writes. Not so long
 * that the replica's deadline_ms leaves no time for its lock: storage that hangs is no reason to
 * have this node fenced. */
bool replica_definition_holds(const struct replica_definition *definition, int64_t now_ms);
/* Begin when something changed. NULL allowed. */
void replica_definition_tick(struct replica_definition *definition, int64_t now_ms);

/* Images for a VM. */
struct definition_images {
	struct {
		char target[DISK_NAME_MAX + 1];
		char path[PATH_LEN_MAX + 1];
	} disks[DISKS_MAX];
	size_t count;
	char state[PATH_LEN_MAX + 1]; /* StoreTaken's: what the VM keeps beside them (UEFI
					 variables, TPM), placed before the definition is written;
					 "" = it has none */
};
/* A test failover's VM (replica_domain.h). */
struct definition_test {
	char name[VM_NAME_MAX + 16];
	char uuid[RELATIONSHIP_LEN + 1];
	char network[NETWORK_NAME_MAX + 1]; /* "" = cables pulled */
	char directory[PATH_LEN_MAX + 1];   /* of its images; its definition is domain.xml there */
};
/* Write a definition that names these images: the VM's own, for a failover, or with test (borrowed)
 * that of a test's VM. done gets 0, or a negative errno with a sentence: once, from the loop. 0,
 * -EBUSY (a worker is at it: try again), -ENOMEM. */
int replica_definition_write(struct replica_definition *definition,
			     const struct definition_images *images,
			     const struct definition_test *test, replica_definition_cb done,
			     void *arg);
/* The name that libvirt runs the VM under here (RESOURCE_ID_MAX + 1 bytes): its own, or where that
 * is somebody else's, its resource's. Returns buf. */
char *replica_definition_vm(const struct replica *replica, char *buf);

/* What it knows, borrowed until the next tick. NULL allowed. */
void replica_definition_fill_status(struct replica_definition *definition,
				    Vmreplica__VmStatus *status);

#endif
