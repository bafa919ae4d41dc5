/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/quorum.h"

#include <corosync/corotypes.h>
#include <corosync/quorum.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/retry.h"
#include "common/log.h"

struct quorum_watch {
	qb_loop_t *loop;
	quorum_changed_cb changed;
	void *arg;
	struct retry connect_retry;
	quorum_handle_t handle;
	int fd; /* -1: not connected */
	struct quorum_state state;
};

const struct quorum_state *quorum_watch_state(const struct quorum_watch *watch)
{
	return &watch->state;
}

static void quorum_state_set(struct quorum_watch *watch, bool quorate, const uint32_t *nodes,
			     uint32_t count)
{
	uint32_t *copy = calloc(count == 0 ? 1 : count, sizeof(*copy));

	if (copy != NULL && count > 0) {
		memcpy(copy, nodes, count * sizeof(*copy));
	}
	free(watch->state.nodes);
	watch->state.nodes = copy;
	watch->state.node_count = copy != NULL ? count : 0;
	watch->state.quorate = quorate;
	watch->state.connected = true;
}

static void quorum_notify_cb(quorum_handle_t handle, uint32_t quorate, uint64_t ring_seq,
			     uint32_t count, uint32_t *nodes)
{
	const void *context = NULL;
	struct quorum_watch *watch;

	(void)ring_seq;
	if (quorum_context_get(handle, &context) != CS_OK || context == NULL) {
		return;
	}
	memcpy(&watch, &context, sizeof(watch));
	quorum_state_set(watch, quorate != 0, nodes, count);
	watch->changed(watch->arg, &watch->state);
}

/* Leave the descriptor before it is closed. Tells nobody. */
static void quorum_watch_disconnect(struct quorum_watch *watch)
{
	if (watch->fd >= 0) {
		(void)qb_loop_poll_del(watch->loop, watch->fd);
		(void)quorum_finalize(watch->handle);
		watch->fd = -1;
	}
	free(watch->state.nodes);
	watch->state = (struct quorum_state){0};
}

static int quorum_dispatch_cb(int fd, int revents, void *data)
{
	struct quorum_watch *watch = data;
	cs_error_t error = CS_ERR_LIBRARY;

	(void)fd;
	if ((revents & (POLLERR | POLLHUP | POLLNVAL)) == 0) {
		error = quorum_dispatch(watch->handle, CS_DISPATCH_ALL);
	}
	if (error != CS_OK && error != CS_ERR_TRY_AGAIN) {
		log_info("corosync's quorum: connection lost: %s; connecting again",
			 cs_strerror(error));
		quorum_watch_disconnect(watch);
		watch->changed(watch->arg, &watch->state);
		retry_later(&watch->connect_retry);
	}
	return 0;
}

static cs_error_t quorum_watch_begin(struct quorum_watch *watch, uint32_t type)
{
	int fd = -1;
	cs_error_t error = quorum_context_set(watch->handle, watch);

	if (error == CS_OK) {
		error = quorum_fd_get(watch->handle, &fd);
	}
	if (error == CS_OK &&
	    qb_loop_poll_add(watch->loop, QB_LOOP_MED, fd, POLLIN, watch, quorum_dispatch_cb) < 0) {
		error = CS_ERR_NO_MEMORY;
	}
	if (error != CS_OK) {
		return error;
	}
	watch->fd = fd;
	if (type == QUORUM_FREE) {
		/* No quorum provider in corosync.conf: Corosync lets every partition act, so do we.
		 */
		quorum_state_set(watch, true, NULL, 0);
		watch->changed(watch->arg, &watch->state);
		return CS_OK;
	}
	return quorum_trackstart(watch->handle, CS_TRACK_CURRENT | CS_TRACK_CHANGES);
}

static void quorum_connect_cb(void *arg)
{
	quorum_callbacks_t callbacks = {.quorum_notify_fn = quorum_notify_cb};
	struct quorum_watch *watch = arg;
	uint32_t type = QUORUM_FREE;
	cs_error_t error;

	error = quorum_initialize(&watch->handle, &callbacks, &type);
	if (error != CS_OK) {
		log_info("corosync's quorum does not answer: %s", cs_strerror(error));
		retry_later(&watch->connect_retry);
		return;
	}
	error = quorum_watch_begin(watch, type);
	if (error != CS_OK) {
		log_info("corosync's quorum: %s", cs_strerror(error));
		if (watch->fd < 0) {
			(void)quorum_finalize(watch->handle);
		}
		quorum_watch_disconnect(watch);
		retry_later(&watch->connect_retry);
		return;
	}
	retry_reset(&watch->connect_retry);
}

struct quorum_watch *quorum_watch_new(qb_loop_t *loop, quorum_changed_cb changed, void *arg)
{
	struct quorum_watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL) {
		return NULL;
	}
	watch->loop = loop;
	watch->changed = changed;
	watch->arg = arg;
	watch->fd = -1;
	retry_init(&watch->connect_retry, loop, quorum_connect_cb, watch);
	retry_after(&watch->connect_retry, 0);
	return watch;
}

void quorum_watch_free(struct quorum_watch *watch)
{
	if (watch == NULL) {
		return;
	}
	retry_destroy(&watch->connect_retry);
	quorum_watch_disconnect(watch);
	free(watch);
}
