/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/cib_health.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "cluster/cib_child.h"
#include "common/log.h"

static struct {
	GHashTable *waiting;	 /* attribute -> value */
	struct cib_child *child; /* attrd_updater while it runs */
	char *attribute, *value; /* what it sets */
	unsigned int attempts;	 /* that failed in a row */
	guint retry_source;
} health;

static void health_next(void);

static gboolean health_retry_cb(gpointer data)
{
	(void)data;
	health.retry_source = 0;
	health_next();
	return G_SOURCE_REMOVE;
}

/* Pacemaker's attribute manager may be starting: try again, unless something newer waits for the
 * same attribute. */
static void health_failed(const char *why)
{
	health.attempts++;
	if (health.attempts >= HEALTH_ATTEMPTS) {
		log_error("node attribute %s cannot be set: attrd_updater: %s", health.attribute,
			  why);
		health.attempts = 0;
		return;
	}
	if (!g_hash_table_contains(health.waiting, health.attribute)) {
		g_hash_table_insert(health.waiting, g_strdup(health.attribute),
				    g_strdup(health.value));
	}
	health.retry_source = g_timeout_add(HEALTH_RETRY_MS, health_retry_cb, NULL);
}

static void health_done_cb(void *arg, int error, const char *output, size_t len, const char *why)
{
	(void)arg;
	(void)output;
	(void)len;
	health.child = NULL;
	if (error < 0) {
		health_failed(why);
	} else {
		health.attempts = 0;
	}
	g_clear_pointer(&health.attribute, g_free);
	g_clear_pointer(&health.value, g_free);
	health_next();
}

static void health_run(void)
{
	g_autofree char *name = g_strdup_printf("--name=%s", health.attribute);
	g_autofree char *update = g_strdup_printf("--update=%s", health.value);
	const char *argv[] = {"attrd_updater", "--quiet", name,
			      health.value[0] != '\0' ? update : "--delete", NULL};
	int error =
		cib_child_start(argv, 4096, HEALTH_TIMEOUT_MS, health_done_cb, NULL, &health.child);

	if (error < 0) {
		health_failed(strerror(-error));
		g_clear_pointer(&health.attribute, g_free);
		g_clear_pointer(&health.value, g_free);
	}
}

static void health_next(void)
{
	GHashTableIter iter;
	gpointer attribute, value;

	if (health.child != NULL || health.retry_source != 0 || health.waiting == NULL) {
		return;
	}
	g_hash_table_iter_init(&iter, health.waiting);
	if (!g_hash_table_iter_next(&iter, &attribute, &value)) {
		return;
	}
	g_hash_table_iter_steal(&iter);
	health.attribute = attribute;
	health.value = value;
	health_run();
}

void cib_health_set(const char *attribute, const char *value)
{
	if (health.waiting == NULL) {
		health.waiting = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	}
	g_hash_table_replace(health.waiting, g_strdup(attribute), g_strdup(value));
	health_next();
}

void cib_health_stop(void)
{
	if (health.retry_source != 0) {
		g_source_remove(health.retry_source);
		health.retry_source = 0;
	}
	cib_child_cancel(health.child);
	health.child = NULL;
	g_clear_pointer(&health.attribute, g_free);
	g_clear_pointer(&health.value, g_free);
	g_clear_pointer(&health.waiting, g_hash_table_unref);
}
