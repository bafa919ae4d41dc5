/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How standing orders are called in the cluster's settings: a prefix, then the relationship. What
 * they are: engine/standing.h. */
#ifndef VMR_CLUSTER_STANDING_ORDER_H
#define VMR_CLUSTER_STANDING_ORDER_H

#include "proto/limits.h"

/* Paused, on either side; the value says how: "1", or STANDING_RELEASED when our bitmaps shall not
 * stand on the VM's disks meanwhile. */
#define STANDING_SUSPENDED "vmreplica-suspended-"
#define STANDING_RELEASED  "release"
/* The next cycle is a resynchronization. Taken away when one is committed. */
#define STANDING_RESYNC "vmreplica-resync-"
/* Initial replication begins then: milliseconds of wall clock, in decimal. */
#define STANDING_START_AT "vmreplica-start-at-"
/* "<epoch number> <seq> <cut id>": this site has handed the VM over, or is about to: it may not
 * start here without the other side's word. Set durably before the VM is stopped for a planned
 * failover. */
#define STANDING_HANDOVER "vmreplica-handover-"
/* "<path>": a list of extents (proto/extent_file.h) on the owner's storage that the first cycle
 * after a change of direction carries besides what changed. Taken away when that is committed. */
#define STANDING_EXTENTS "vmreplica-extents-"
/* "<seq> <cut id> delta|digest <path or ->": this side's disks become the base of a replica: what
 * its store begins from. Taken away when the store has its first cycle. */
#define STANDING_ADOPT "vmreplica-adopt-"
/* "<path>": the definition that names those disks: the resource's config is the replica's from then
 * on, which names none. Taken away behind it. */
#define STANDING_DEFINED "vmreplica-defined-"
/* "<host>:<port>": the other side's broker, as this side knew it when it was the primary. A replica
 * hears it with its first cycle; until then this is all there is. */
#define STANDING_BROKER "vmreplica-broker-"
/* "<number> <lineage> <site>": an epoch that this side has promised never to take: a planned
 * failover that was cancelled. */
#define STANDING_REFUSED "vmreplica-refused-"
/* The guard let the VM start while the other side was silent. Taken away when it is heard again. */
#define STANDING_BLIND "vmreplica-blind-"
/* A failover job under way: what it was ordered (engine/failover_order.h). */
#define STANDING_FAILOVER "vmreplica-failover-"
/* Nothing is sent before a copy was imported on the other side. Taken away with the first commit.
 */
#define STANDING_COPY "vmreplica-copy-"
/* "<directory>": the store whose layers the VM's images stand on since its failover: they are put
 * in order (engine/chain_keeper.h). Set with the change of roles, taken away when it is done. */
#define STANDING_CHAIN "vmreplica-chain-"
/* "<job> Started|Stopped": this side makes way for the other's failover, as that side's job (its
 * id, or "-") has ordered, and its VM was to run before. Stands from before the VM is stopped until
 * the change of role, or until the VM is given back to this side. */
#define STANDING_WAY	 "vmreplica-way-"
#define STANDING_WAY_RUN "Started"
/* "<job>": this side has promised not to carry out that job's order to make way any more. Taken
 * away as STANDING_WAY. */
#define STANDING_STAYS "vmreplica-stays-"
/* "<job>": this side, which has failed over, has ordered the old primary's to make way. Taken away
 * with the change of role, and by a cancel, which needs the other side's word first. */
#define STANDING_REVERSING "vmreplica-reversing-"
/* A host without a cluster starts the VM itself when it boots, after it has asked the other side
 * (engine/host_start.h): "yes", or "no" once an admin said so. libvirt's own mark is off then. */
#define STANDING_AUTOSTART     "vmreplica-autostart-"
#define STANDING_AUTOSTART_YES "yes"
/* All of them, for who takes a relationship apart: what stays would grow without end. */
#define STANDING_ALL                                                                               \
	STANDING_SUSPENDED, STANDING_RESYNC, STANDING_START_AT, STANDING_HANDOVER,                 \
		STANDING_EXTENTS, STANDING_ADOPT, STANDING_REFUSED, STANDING_BLIND,                \
		STANDING_FAILOVER, STANDING_COPY, STANDING_AUTOSTART, STANDING_CHAIN,              \
		STANDING_DEFINED, STANDING_BROKER, STANDING_WAY, STANDING_STAYS,                   \
		STANDING_REVERSING
#define STANDING_NAME_LEN (sizeof(STANDING_SUSPENDED) + RELATIONSHIP_LEN)

#endif
