/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cluster as the daemons see it: one struct of function pointers, implemented by pacemaker.c (Corosync and
 * Pacemaker) and standalone.c (a host without a cluster). All calls and callbacks are on the control thread,
 * and none of them blocks.
 */
#ifndef VMR_CLUSTER_CLUSTER_H
#define VMR_CLUSTER_CLUSTER_H

#include <qb/qbloop.h>
#include <stdbool.h>
#include <stdint.h>

#include "cluster/placement.h"
#include "common/config.h"
#include "proto/admin.pb-c.h"
#include "proto/cluster.pb-c.h"
#include "proto/ipc.pb-c.h"

struct cluster;

#define CLUSTER_MEMBER_ENGINE "engine"
#define CLUSTER_MEMBER_BROKER "broker"

/* What a daemon is told. Every pointer is borrowed for the call. */
struct cluster_callbacks {
	/* A new snapshot of placement; also after a cluster's first connection. */
	void (*placement_cb)(void *arg, const struct placement *placement);
	/* Settings (name/value) and the ocf:vmreplica:* and VM resources of the configuration changed. */
	void (*settings_cb)(void *arg, const Vmreplica__Ipc__CibSettings *settings);
	/* A message of the group from another node, or our own come back (from_self). AGREED order. */
	void (*message_cb)(void *arg, const Vmreplica__Cluster__Message *message, bool from_self);
	/*
	 * A process joined the group or left it: node is its node's name, member its member_name ("engine" or "broker";
	 * both of one node are members of their own). Also called for ourselves: joined = the group hears us now, left =
	 * the connection is lost. Every join that was told is followed by its leave.
	 */
	void (*member_cb)(void *arg, const char *node, const char *member, bool joined);
	/* Quorum or the connection changed; missing says which nodes are absent and what to do ("" when quorate). */
	void (*quorum_cb)(void *arg, bool quorate, const char *missing);
};

/* The outcome of a change of the configuration: 0 or a negative errno with a sentence. Called once per request. */
typedef void (*cluster_done_cb)(void *arg, int error, const char *text);

/*
 * Before start and after stop there is nothing: placement, settings and node_address are NULL, quorum is missing,
 * everything else is -ENOTCONN. stop is not for callbacks.
 */
struct cluster_ops {
	const char *name; /* "pacemaker" or "standalone" */
	/* Connect and keep connected (backs off and retries by itself). member_name: "engine" or "broker", shown to others. */
	int (*start)(struct cluster *cluster);
	void (*stop)(struct cluster *cluster); /* leave the group; frees everything */
	/* Multicast; queued and retried on TRY_AGAIN. -EMSGSIZE above CPG_MESSAGE_MAX, -ENOTCONN, -ENOBUFS. */
	int (*multicast)(struct cluster *cluster, const Vmreplica__Cluster__Message *message);
	bool (*is_quorate)(struct cluster *cluster);
	/* The newest snapshot; NULL before the first, and when it could not be read again for 150 s. Take a reference to
	 * keep it (placement_ref). */
	const struct placement *(*placement)(struct cluster *cluster);
	const Vmreplica__Ipc__CibSettings *(*settings)(struct cluster *cluster); /* NULL before the first */
	/* This node's replication address: its attribute, [node] replication-address, Corosync's; NULL if unknown. */
	const char *(*node_address)(struct cluster *cluster);
	/* The changes. Without quorum they are refused: done gets -EHOSTUNREACH and the sentence of quorum_cb. */
	int (*create_vm)(struct cluster *cluster, Vmreplica__Ipc__CibCreateVm *request, cluster_done_cb done, void *arg);
	int (*delete_vm)(struct cluster *cluster, const char *resource, cluster_done_cb done, void *arg);
	int (*update_vm)(struct cluster *cluster, Vmreplica__Ipc__CibUpdateVm *request, cluster_done_cb done, void *arg);
	int (*set_setting)(struct cluster *cluster, const char *name, const char *value, cluster_done_cb done, void *arg);
	/* The replica VM's own resource (ipc.proto); standalone has none: the engine starts the VM through libvirt. */
	int (*create_domain)(struct cluster *cluster, Vmreplica__Ipc__CibCreateDomain *request, cluster_done_cb done, void *arg);
	int (*delete_domain)(struct cluster *cluster, Vmreplica__Ipc__CibDeleteDomain *request, cluster_done_cb done, void *arg);
	/* A change of role, or of whether the VM runs. Standalone: parameters and settings only. */
	int (*switch_role)(struct cluster *cluster, Vmreplica__Ipc__CibSwitch *request, cluster_done_cb done, void *arg);
	/* Node attribute vmreplica-<vm>; NULL deletes. Fire and forget; the caller limits the rate. */
	int (*set_health)(struct cluster *cluster, const char *vm, const char *value);
};

struct cluster {
	const struct cluster_ops *ops;
	qb_loop_t *loop;
	const struct config *config;
	const char *member_name;
	struct cluster_callbacks callbacks;
	void *arg;
	void *private_data; /* the implementation's */
};

/* Fill *cluster for the host's kind (config->standalone) without starting anything. 0 or negative errno. */
int cluster_init(struct cluster *cluster, qb_loop_t *loop, const struct config *config, const char *member_name,
		 const struct cluster_callbacks *callbacks, void *arg);

#endif
