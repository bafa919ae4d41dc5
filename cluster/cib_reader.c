/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/cib_reader.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cib_child.h"
#include "cluster/cib_connection.h"
#include "cluster/cib_settings.h"
#include "common/clock.h"
#include "common/log.h"

static struct {
	struct cib_reader_callbacks callbacks;
	void *arg;
	struct cib_child *child; /* crm_mon while it runs */
	guint read_source, resync_source;
	int64_t started_ms; /* the last read */
	bool dirty;	    /* marked while a read ran */
	GBytes *settings;   /* packed, as told last */
} reader;

static void reader_arm(unsigned int delay_ms);

/* Tell of the settings when they are not what was told last. */
static void reader_tell_settings(void)
{
	Vmreplica__Ipc__CibSettings *settings;
	char error[CIB_CONNECTION_ERROR_LEN];
	xmlNode *configuration;
	GBytes *packed;
	size_t len;
	uint8_t *data;

	if (cib_connection_query(&configuration, error) < 0) {
		log_warning("%s", error);
		return;
	}
	settings = cib_settings_read(configuration);
	cib_connection_free(configuration);
	if (settings == NULL) {
		log_error("no memory for the settings of the cluster");
		return;
	}
	len = vmreplica__ipc__cib_settings__get_packed_size(settings);
	data = g_malloc(len + 1);
	vmreplica__ipc__cib_settings__pack(settings, data);
	packed = g_bytes_new_take(data, len);
	if (reader.settings == NULL || !g_bytes_equal(reader.settings, packed)) {
		reader.callbacks.settings_cb(reader.arg, settings);
		g_clear_pointer(&reader.settings, g_bytes_unref);
		reader.settings = g_bytes_ref(packed);
	}
	g_bytes_unref(packed);
	vmreplica__ipc__cib_settings__free_unpacked(settings, NULL);
}

static void reader_tell_placement(int error, const char *output, size_t len, const char *why)
{
	Vmreplica__Ipc__CibPlacement placement = VMREPLICA__IPC__CIB_PLACEMENT__INIT;
	char text[256] = "";
	uint8_t *xml = NULL;

	placement.read_ms = reader.started_ms;
	placement.error = text;
	if (error < 0) {
		(void)snprintf(text, sizeof(text),
			       "crm_mon -1 --output-as=xml failed (%s): run it by hand", why);
	} else {
		xml = g_memdup2(output, len);
		placement.crm_mon_xml.data = xml;
		placement.crm_mon_xml.len = len;
	}
	reader.callbacks.placement_cb(reader.arg, &placement);
	g_free(xml);
}

static void reader_done_cb(void *arg, int error, const char *output, size_t len, const char *why)
{
	(void)arg;
	reader.child = NULL;
	/* Lost in the middle of the read: what came out is about a Pacemaker that stops. The next
	 * connection reads. */
	if (!cib_connection_is_open()) {
		return;
	}
	reader_tell_placement(error, output, len, why);
	reader_tell_settings();
	if (error < 0) {
		reader_arm(READER_RETRY_MS);
	} else if (reader.dirty) {
		reader_arm(READER_PAUSE_MS);
	}
}

static gboolean reader_read_cb(gpointer data)
{
	/* Resources, also stopped ones, with node attributes; without the history, bans and
	 * failures that nobody reads. Pending operations are shown by default. */
	static const char *const argv[] = {"crm_mon",
					   "-1",
					   "--output-as=xml",
					   "--inactive",
					   "--include=none,dc,options,nodes,resources,attributes",
					   NULL};
	int error;

	(void)data;
	reader.read_source = 0;
	if (!cib_connection_is_open() || reader.child != NULL) {
		return G_SOURCE_REMOVE;
	}
	reader.dirty = false;
	reader.started_ms = clock_monotonic_ms();
	error = cib_child_start(argv, READER_XML_MAX, READER_TIMEOUT_MS, reader_done_cb, NULL,
				&reader.child);
	if (error < 0) {
		reader_tell_placement(error, NULL, 0, strerror(-error));
		reader_arm(READER_RETRY_MS);
	}
	return G_SOURCE_REMOVE;
}

static void reader_arm(unsigned int delay_ms)
{
	if (reader.read_source == 0) {
		reader.read_source = g_timeout_add(delay_ms, reader_read_cb, NULL);
	}
}

void cib_reader_mark(void)
{
	int64_t since_ms = clock_monotonic_ms() - reader.started_ms;

	reader.dirty = true;
	if (reader.child != NULL) {
		return; /* read again when this one is done */
	}
	reader_arm(since_ms >= READER_PAUSE_MS ? READER_GATHER_MS
					       : (unsigned int)(READER_PAUSE_MS - since_ms));
}

static gboolean reader_resync_cb(gpointer data)
{
	(void)data;
	cib_reader_mark();
	return G_SOURCE_CONTINUE;
}

void cib_reader_start(const struct cib_reader_callbacks *callbacks, void *arg)
{
	reader.callbacks = *callbacks;
	reader.arg = arg;
	reader.started_ms = clock_monotonic_ms() - READER_PAUSE_MS;
	reader.resync_source = g_timeout_add(READER_RESYNC_MS, reader_resync_cb, NULL);
}

void cib_reader_stop(void)
{
	cib_child_cancel(reader.child);
	reader.child = NULL;
	if (reader.read_source != 0) {
		g_source_remove(reader.read_source);
	}
	if (reader.resync_source != 0) {
		g_source_remove(reader.resync_source);
	}
	g_clear_pointer(&reader.settings, g_bytes_unref);
}
