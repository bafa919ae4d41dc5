/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Part of vmreplica-cib, and the only file pair that knows libcib: the connection to Pacemaker's
 * CIB manager, its change notifications, and changes in the three forms that the templates need.
 * One per process: libcib's notifications carry no pointer of ours.
 */
#ifndef VMR_CLUSTER_CIB_CONNECTION_H
#define VMR_CLUSTER_CIB_CONNECTION_H

#include <libxml/tree.h>
#include <stdbool.h>

#define CIB_CONNECTION_ERROR_LEN 256

struct cib_connection_callbacks {
	void (*changed_cb)(void *arg); /* something in the CIB changed; comes in bursts */
	void (*state_cb)(void *arg, bool connected, const char *text);
};

/* Connect from the GLib loop, and again with back-off whenever the connection is lost. */
void cib_connection_start(const struct cib_connection_callbacks *callbacks, void *arg);
void cib_connection_stop(void);
bool cib_connection_is_open(void);

/* The configuration as this node has it. Blocks on a local call (bounded by 30 s). 0 with an
 * element to give to cib_connection_free; -ENOTCONN or another negative errno with a sentence. */
int cib_connection_query(xmlNode **ret_configuration, char error[CIB_CONNECTION_ERROR_LEN]);
void cib_connection_free(xmlNode *configuration);

/* Merge fragment into <configuration>, in one step. Blocks until it is done cluster-wide (bounded
 * by 30 s). 0 or a negative errno with a sentence. */
int cib_connection_merge(xmlNode *fragment, char error[CIB_CONNECTION_ERROR_LEN]);
/* Merge fragment into the one element that xpath matches. */
int cib_connection_merge_at(const char *xpath, xmlNode *fragment,
			    char error[CIB_CONNECTION_ERROR_LEN]);
/* Delete all that xpath matches, in one step. Nothing matching is success. */
int cib_connection_delete(const char *xpath, char error[CIB_CONNECTION_ERROR_LEN]);

#endif
