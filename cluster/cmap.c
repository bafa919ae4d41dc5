/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/cmap.h"

#include <corosync/cmap.h>
#include <corosync/corotypes.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/retry.h"
#include "common/cleanup.h"
#include "common/log.h"

#define RELOAD_KEY	 "config.totemconfig_reload_in_progress"
#define SETTLE_MS	 200 /* events of one change come in a bunch */
#define NODELIST_MAX	 1024u
#define NODELIST_PATTERN "nodelist.node.%u.%63s"

struct map_watch {
	qb_loop_t *loop;
	map_changed_cb changed;
	void *arg;
	struct retry connect_retry, read_retry;
	cmap_handle_t handle;
	int fd; /* -1: not connected */
	struct cluster_map map;
};

/* A string key into buf; "" when absent or longer than buf. */
static void map_get_string(cmap_handle_t handle, const char *key, char *buf, size_t size)
{
	cleanup_free char *value = NULL;

	buf[0] = '\0';
	if (cmap_get_string(handle, key, &value) == CS_OK && strlen(value) < size) {
		memcpy(buf, value, strlen(value) + 1);
	}
}

static bool map_get_flag(cmap_handle_t handle, const char *key)
{
	uint8_t value = 0;

	return cmap_get_uint8(handle, key, &value) == CS_OK && value != 0;
}

/* Entry number position of the nodelist. -ENOENT when it has no id. */
static int map_read_node(cmap_handle_t handle, uint32_t position, struct cluster_map_node *ret_node)
{
	struct cluster_map_node node = {0};
	char key[CMAP_KEYNAME_MAXLEN];

	(void)snprintf(key, sizeof(key), "nodelist.node.%u.nodeid", position);
	if (cmap_get_uint32(handle, key, &node.id) != CS_OK) {
		return -ENOENT;
	}
	(void)snprintf(key, sizeof(key), "nodelist.node.%u.ring0_addr", position);
	map_get_string(handle, key, node.address, sizeof(node.address));
	(void)snprintf(key, sizeof(key), "nodelist.node.%u.name", position);
	map_get_string(handle, key, node.name, sizeof(node.name));
	node.named = node.name[0] != '\0';
	if (node.name[0] == '\0' && node.address[0] != '\0' &&
	    strlen(node.address) < sizeof(node.name)) {
		memcpy(node.name, node.address, strlen(node.address) + 1);
	} else if (node.name[0] == '\0') {
		(void)snprintf(node.name, sizeof(node.name), "node %u", node.id);
	}
	*ret_node = node;
	return 0;
}

/* Add the node at position, unless its id is already there (its keys follow each other). */
static int map_add_node(cmap_handle_t handle, uint32_t position, uint32_t local_position,
			struct cluster_map *map)
{
	struct cluster_map_node node;
	struct cluster_map_node *grown;

	if (map_read_node(handle, position, &node) < 0) {
		return 0;
	}
	if (map->node_count >= NODELIST_MAX) {
		return -E2BIG;
	}
	grown = reallocarray(map->nodes, map->node_count + 1, sizeof(*grown));
	if (grown == NULL) {
		return -ENOMEM;
	}
	map->nodes = grown;
	if (position == local_position) {
		map->local = map->node_count;
	}
	grown[map->node_count++] = node;
	return 0;
}

static int map_read_nodes(cmap_handle_t handle, struct cluster_map *map)
{
	uint32_t local_position = UINT32_MAX;
	cmap_iter_handle_t iter;
	char key[CMAP_KEYNAME_MAXLEN + 1];
	int error = 0;

	(void)cmap_get_uint32(handle, "nodelist.local_node_pos", &local_position);
	map->local = SIZE_MAX;
	if (cmap_iter_init(handle, "nodelist.node.", &iter) != CS_OK) {
		return -EIO;
	}
	while (error == 0 && cmap_iter_next(handle, iter, key, NULL, NULL) == CS_OK) {
		char field[64];
		unsigned int position;

		if (sscanf(key, NODELIST_PATTERN, &position, field) == 2 &&
		    strcmp(field, "nodeid") == 0) {
			error = map_add_node(handle, position, local_position, map);
		}
	}
	(void)cmap_iter_finalize(handle, iter);
	if (map->local == SIZE_MAX) {
		map->local = map->node_count;
	}
	return error;
}

static void map_read_quorum(cmap_handle_t handle, struct cluster_map *map)
{
	map->wait_for_all = map_get_flag(handle, "runtime.votequorum.wait_for_all_status");
}

static void map_watch_read(struct map_watch *watch)
{
	struct cluster_map map = {0};
	int error;

	/* A reload in progress: its end is an event of its own. */
	if (watch->fd < 0 || map_get_flag(watch->handle, RELOAD_KEY)) {
		return;
	}
	error = map_read_nodes(watch->handle, &map);
	if (error < 0) {
		free(map.nodes);
		log_warning("corosync's nodelist cannot be read: %s; trying again",
			    strerror(-error));
		retry_after(&watch->read_retry, RETRY_LAST_MS);
		return;
	}
	map_read_quorum(watch->handle, &map);
	free(watch->map.nodes);
	watch->map = map;
	watch->changed(watch->arg);
}

static void map_watch_read_cb(void *arg)
{
	map_watch_read(arg);
}

void map_watch_refresh(struct map_watch *watch)
{
	if (watch->fd >= 0) {
		map_read_quorum(watch->handle, &watch->map);
	}
}

const struct cluster_map *map_watch_map(const struct map_watch *watch)
{
	return &watch->map;
}

static void map_notify_cb(cmap_handle_t handle, cmap_track_handle_t track, int32_t event,
			  const char *key, struct cmap_notify_value new_value,
			  struct cmap_notify_value old_value, void *data)
{
	struct map_watch *watch = data;

	(void)handle;
	(void)track;
	(void)event;
	(void)key;
	(void)new_value;
	(void)old_value;
	retry_after(&watch->read_retry, SETTLE_MS);
}

static void map_watch_disconnect(struct map_watch *watch)
{
	retry_destroy(&watch->read_retry);
	if (watch->fd >= 0) {
		(void)qb_loop_poll_del(watch->loop, watch->fd);
		(void)cmap_finalize(watch->handle);
		watch->fd = -1;
	}
}

static int map_dispatch_cb(int fd, int revents, void *data)
{
	struct map_watch *watch = data;
	cs_error_t error = CS_ERR_LIBRARY;

	(void)fd;
	if ((revents & (POLLERR | POLLHUP | POLLNVAL)) == 0) {
		error = cmap_dispatch(watch->handle, CS_DISPATCH_ALL);
	}
	if (error != CS_OK && error != CS_ERR_TRY_AGAIN) {
		log_info("corosync's map: connection lost: %s; connecting again",
			 cs_strerror(error));
		map_watch_disconnect(watch);
		retry_later(&watch->connect_retry);
	}
	return 0;
}

static cs_error_t map_watch_track(struct map_watch *watch)
{
	const int32_t changes = CMAP_TRACK_ADD | CMAP_TRACK_DELETE | CMAP_TRACK_MODIFY;
	cmap_track_handle_t track;
	cs_error_t error;

	error = cmap_track_add(watch->handle, "nodelist.", changes | CMAP_TRACK_PREFIX,
			       map_notify_cb, watch, &track);
	if (error == CS_OK) {
		error = cmap_track_add(watch->handle, RELOAD_KEY, changes, map_notify_cb, watch,
				       &track);
	}
	return error;
}

static void map_connect_cb(void *arg)
{
	struct map_watch *watch = arg;
	cs_error_t error;
	int fd = -1;

	error = cmap_initialize(&watch->handle);
	if (error != CS_OK) {
		log_info("corosync's map does not answer: %s", cs_strerror(error));
		retry_later(&watch->connect_retry);
		return;
	}
	error = map_watch_track(watch);
	if (error == CS_OK) {
		error = cmap_fd_get(watch->handle, &fd);
	}
	if (error == CS_OK &&
	    qb_loop_poll_add(watch->loop, QB_LOOP_MED, fd, POLLIN, watch, map_dispatch_cb) < 0) {
		error = CS_ERR_NO_MEMORY;
	}
	if (error != CS_OK) {
		(void)cmap_finalize(watch->handle);
		log_info("corosync's map: %s", cs_strerror(error));
		retry_later(&watch->connect_retry);
		return;
	}
	watch->fd = fd;
	retry_reset(&watch->connect_retry);
	map_watch_read(watch);
}

struct map_watch *map_watch_new(qb_loop_t *loop, map_changed_cb changed, void *arg)
{
	struct map_watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL) {
		return NULL;
	}
	watch->loop = loop;
	watch->changed = changed;
	watch->arg = arg;
	watch->fd = -1;
	retry_init(&watch->connect_retry, loop, map_connect_cb, watch);
	retry_init(&watch->read_retry, loop, map_watch_read_cb, watch);
	retry_after(&watch->connect_retry, 0);
	return watch;
}

void map_watch_free(struct map_watch *watch)
{
	if (watch == NULL) {
		return;
	}
	retry_destroy(&watch->connect_retry);
	map_watch_disconnect(watch);
	free(watch->map.nodes);
	free(watch);
}
