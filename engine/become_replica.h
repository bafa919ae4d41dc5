/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The old primary's side becomes the replica: one change of the cluster's configuration. Control
 * thread only. */
#ifndef VMR_ENGINE_BECOME_REPLICA_H
#define VMR_ENGINE_BECOME_REPLICA_H

#include "cluster/epoch.h"
#include "engine/handover.h"
#include "engine/peer_contact.h"

/* role=replica of peer_site, in the storage of its authorization entry; the VM's resource Stopped,
 * no longer followed, and with the replica's definition for its config, so that to enable it starts
 * nothing on the disks; both bound to this node when the storage is its own, and to none when it is
 * shared (failover_place.h); epoch, adopt and the definition that names the disks stand, the
 * handover and the failover's order go: all in one change. stays: what STANDING_STAYS said when
 * this began ("" = nothing); NULL: whatever it says. done is called once, perhaps before this
 * returns; -ESTALE: a higher epoch than this one is known by now, or the promise to stay has been
 * given since. */
void become_replica_switch(struct engine *engine, const struct peer_contact *contact,
			   const char *peer_site, const struct epoch *epoch,
			   const struct adopt_order *adopt, const char *definition,
			   const char *stays, cluster_done_cb done, void *arg);

#endif
