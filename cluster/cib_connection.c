/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/cib_connection.h"

#include <crm/cib.h>
#include <crm/common/results.h>
#include <crm/common/xml.h>
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

#define CALL_TIMEOUT_S	 30
#define RETRY_FIRST_MS	 250
#define RETRY_LAST_MS	 2000
#define EVERYTHING_BELOW "configuration"

static struct {
	cib_t *cib; /* NULL: not connected */
	struct cib_connection_callbacks callbacks;
	void *arg;
	guint retry_source;
	unsigned int pause_ms;
} connection;

static void connection_retry_later(void);

static void connection_close(void)
{
	if (connection.cib != NULL) {
		cib_t *cib = connection.cib;

		connection.cib = NULL;
		(void)cib->cmds->set_connection_dnotify(cib, NULL);
		(void)cib->cmds->signoff(cib);
		cib_delete(cib);
	}
}

static void connection_changed_cb(const char *event, xmlNode *message)
{
	(void)event;
	(void)message;
	connection.callbacks.changed_cb(connection.arg);
}

static gboolean connection_lost_cb(gpointer data)
{
	(void)data;
	connection.retry_source = 0;
	connection_close();
	connection.callbacks.state_cb(connection.arg, false, "the connection to the CIB was lost");
	connection_retry_later();
	return G_SOURCE_REMOVE;
}

/* Called by libcib while it tears its side down: ours follows from the loop. */
static void connection_dropped_cb(gpointer data)
{
	(void)data;
	if (connection.retry_source == 0) {
		connection.retry_source = g_idle_add(connection_lost_cb, NULL);
	}
}

static int connection_open(void)
{
	cib_t *cib = cib_new();
	int rc;

	if (cib == NULL) {
		return ENOMEM;
	}
	cib->call_timeout = CALL_TIMEOUT_S;
	rc = cib->cmds->signon(cib, "vmreplica-cib", cib_command);
	if (rc == pcmk_ok && cib->variant == cib_native) {
		rc = cib->cmds->set_connection_dnotify(cib, connection_dropped_cb);
		if (rc == pcmk_ok) {
			rc = cib->cmds->add_notify_callback(cib, T_CIB_DIFF_NOTIFY,
							    connection_changed_cb);
		}
	}
	if (rc != pcmk_ok) {
		(void)cib->cmds->signoff(cib);
		cib_delete(cib);
		return pcmk_legacy2rc(rc);
	}
	connection.cib = cib;
	return pcmk_rc_ok;
}

static gboolean connection_open_cb(gpointer data)
{
	int rc = connection_open();

	(void)data;
	connection.retry_source = 0;
	if (rc != pcmk_rc_ok) {
		connection.callbacks.state_cb(connection.arg, false, pcmk_rc_str(rc));
		connection_retry_later();
	} else {
		connection.pause_ms = RETRY_FIRST_MS;
		connection.callbacks.state_cb(connection.arg, true, "");
	}
	return G_SOURCE_REMOVE;
}

static void connection_retry_later(void)
{
	connection.retry_source = g_timeout_add(connection.pause_ms, connection_open_cb, NULL);
	connection.pause_ms *= 2;
	if (connection.pause_ms > RETRY_LAST_MS) {
		connection.pause_ms = RETRY_LAST_MS;
	}
}

void cib_connection_start(const struct cib_connection_callbacks *callbacks, void *arg)
{
	crm_xml_init();
	connection.callbacks = *callbacks;
	connection.arg = arg;
	connection.pause_ms = RETRY_FIRST_MS;
	connection.retry_source = g_idle_add(connection_open_cb, NULL);
}

void cib_connection_stop(void)
{
	if (connection.retry_source != 0) {
		g_source_remove(connection.retry_source);
		connection.retry_source = 0;
	}
	connection_close();
	crm_xml_cleanup();
}

bool cib_connection_is_open(void)
{
	return connection.cib != NULL;
}

static int connection_result(int legacy_rc, char error[CIB_CONNECTION_ERROR_LEN])
{
	int rc = pcmk_legacy2rc(legacy_rc);

	if (rc == pcmk_rc_ok) {
		return 0;
	}
	(void)snprintf(error, CIB_CONNECTION_ERROR_LEN,
		       "Pacemaker did not make the change of its configuration: %s",
		       pcmk_rc_str(rc));
	/* Positive codes are errnos, Pacemaker's own ones are negative. */
	return rc > 0 ? -rc : -EIO;
}

static int connection_absent(char error[CIB_CONNECTION_ERROR_LEN])
{
	(void)snprintf(
		error, CIB_CONNECTION_ERROR_LEN,
		"Pacemaker does not run on this node: start the cluster here, then try again");
	return -ENOTCONN;
}

int cib_connection_query(xmlNode **ret_configuration, char error[CIB_CONNECTION_ERROR_LEN])
{
	cib_t *cib = connection.cib;
	xmlNode *configuration = NULL;
	int rc;

	if (cib == NULL) {
		return connection_absent(error);
	}
	rc = cib->cmds->query(cib, EVERYTHING_BELOW, &configuration,
			      cib_sync_call | cib_scope_local);
	if (rc != pcmk_ok || configuration == NULL) {
		free_xml(configuration);
		(void)snprintf(error, CIB_CONNECTION_ERROR_LEN,
			       "Pacemaker's configuration cannot be read: %s",
			       pcmk_rc_str(pcmk_legacy2rc(rc)));
		return -EIO;
	}
	*ret_configuration = configuration;
	return 0;
}

void cib_connection_free(xmlNode *configuration)
{
	free_xml(configuration);
}

int cib_connection_merge(xmlNode *fragment, char error[CIB_CONNECTION_ERROR_LEN])
{
	cib_t *cib = connection.cib;

	if (cib == NULL) {
		return connection_absent(error);
	}
	return connection_result(
		cib->cmds->modify(cib, EVERYTHING_BELOW, fragment, cib_sync_call | cib_can_create),
		error);
}

int cib_connection_merge_at(const char *xpath, xmlNode *fragment,
			    char error[CIB_CONNECTION_ERROR_LEN])
{
	cib_t *cib = connection.cib;

	if (cib == NULL) {
		return connection_absent(error);
	}
	return connection_result(
		cib->cmds->modify(cib, xpath, fragment, cib_sync_call | cib_can_create | cib_xpath),
		error);
}

int cib_connection_delete(const char *xpath, char error[CIB_CONNECTION_ERROR_LEN])
{
	cib_t *cib = connection.cib;
	int rc;

	if (cib == NULL) {
		return connection_absent(error);
	}
	rc = cib->cmds->remove(cib, xpath, NULL, cib_sync_call | cib_xpath | cib_multiple);
	return rc == -ENXIO ? 0 : connection_result(rc, error);
}
