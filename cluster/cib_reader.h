/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Part of vmreplica-cib: reads placement (crm_mon) and settings (the configuration) after a change.
 * CIB notifications come in bursts of dozens, so that there is at most one read in READER_PAUSE_MS,
 * and always one after the last notification. Every READER_RESYNC_MS it reads anyway.
 */
#ifndef VMR_CLUSTER_CIB_READER_H
#define VMR_CLUSTER_CIB_READER_H

#include <stddef.h>

#include "proto/ipc.pb-c.h"

#define READER_GATHER_MS  20
#define READER_PAUSE_MS	  100
#define READER_RESYNC_MS  60000
#define READER_RETRY_MS	  2000
#define READER_TIMEOUT_MS 20000
#define READER_XML_MAX	  (4u * 1024u * 1024u - 1024u) /* one frame to the daemon */

struct cib_reader_callbacks {
	void (*placement_cb)(void *arg, const Vmreplica__Ipc__CibPlacement *placement);
	void (*settings_cb)(void *arg, const Vmreplica__Ipc__CibSettings *settings);
};

void cib_reader_start(const struct cib_reader_callbacks *callbacks, void *arg);
void cib_reader_stop(void);
/* Something changed: read soon. */
void cib_reader_mark(void);

#endif
