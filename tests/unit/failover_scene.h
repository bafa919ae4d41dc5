/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A replica whose failovers are carried out by engine/failover*.c: what those call, the cluster,
 * the receiver and the job, is played here. */
#ifndef VMR_TESTS_FAILOVER_SCENE_H
#define VMR_TESTS_FAILOVER_SCENE_H

#include "engine/epoch.h"
#include "engine/failover.h"

#define ID	  "0b0e7d1c-5a4f-4c59-9d3e-2f1a6c7b8d90"
#define LINEAGE	  "11111111-2222-4333-8444-555555555555"
#define PLANNED	  VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_PLANNED
#define UNPLANNED VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_UNPLANNED

extern const struct epoch before, order;
extern struct engine engine;
extern struct replica replica;
extern Vmreplica__VmStatus status;
extern Vmreplica__Epoch stored;

struct failover_scene {
	char failover[FAILOVER_ORDER_LEN], refused[EPOCH_TEXT_LEN], epoch[EPOCH_TEXT_LEN];
	bool present;
	int taking, releasing; /* what the receiver answers */
	unsigned int taken, released, changes;
	uint64_t released_to;
	bool released_undo;
	int primary; /* what speaks against an unplanned one */
	unsigned int asked;
	int ended; /* how the job did; 1: it has not */
	char text[REASON_MAX];
};
extern struct failover_scene world;

/* As switch_role of the cluster: the settings of the order, the promise and the epoch change. */
int scene_switch_role(struct cluster *cluster, Vmreplica__Ipc__CibSwitch *request,
		      cluster_done_cb done, void *arg);

#endif
