/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The storage directories that authorization entries name, as this node sees them: there or not,
 * writable, free space, and the id of a marker file, by which two nodes know that they see the same
 * one. Looked at on a worker, because storage may hang.
 */
#ifndef VMR_ENGINE_STORAGE_PROBE_H
#define VMR_ENGINE_STORAGE_PROBE_H

#include "engine/engine.h"

#define STORAGE_MARKER	   ".vmreplica-storage-id"
#define STORAGE_PROBE_MS   60000
#define STORAGE_PROBES_MAX 64

struct storage_info {
	char path[PATH_LEN_MAX + 1];
	char id[RELATIONSHIP_LEN + 1];
	uint64_t free_bytes;
	bool writable;
	char error[REASON_MAX]; /* "" = none */
};

struct storage_probe *
storage_probe_new(struct engine *engine);	      /* engine borrowed; NULL when out of memory */
void storage_probe_free(struct storage_probe *probe); /* NULL allowed; no worker may be at it */
/* The paths to look at changed (settings). */
void storage_probe_configure(struct storage_probe *probe);
void storage_probe_tick(struct storage_probe *probe, int64_t now_ms);
bool storage_probe_is_busy(const struct storage_probe *probe);
/* What is known of a path, or NULL. */
const struct storage_info *storage_probe_find(const struct storage_probe *probe, const char *path);
/* Put the storages into an announcement; release afterwards frees what that took. */
void storage_probe_fill(const struct storage_probe *probe,
			Vmreplica__Cluster__Announcement *announcement);
void storage_probe_release(Vmreplica__Cluster__Announcement *announcement);

/* The receiver's user and group; root where there is no such user. May block. */
void storage_user(unsigned int *ret_uid, unsigned int *ret_gid);
/* Look at info->path and fill the rest. Makes the marker when it is missing. uid and gid: the
 * receiver's user, who must reach it. Blocking. */
void storage_examine(struct storage_info *info, unsigned int uid, unsigned int gid);

#endif
