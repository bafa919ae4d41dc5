/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/cpg.h"

#include <corosync/cpg.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cluster/members.h"
#include "cluster/message_queue.h"
#include "cluster/retry.h"
#include "common/log.h"
#include "proto/arena.h"

#define SEND_RETRY_MS 10

struct group {
	qb_loop_t *loop;
	char *node, *member; /* owned: what we tell of ourselves */
	struct group_callbacks callbacks;
	void *arg;
	struct retry connect_retry, send_retry;
	cpg_handle_t handle;
	int fd;		 /* -1: not connected */
	uint32_t own_id; /* our node id, while connected */
	bool joined;	 /* the group's membership shows us */
	cs_error_t
		send_error; /* not CS_OK: sending failed for good, to be torn down from the loop */
	struct members members;
	struct message_queue queue;
};

static bool group_is_self(const struct group *group, uint32_t node_id, uint32_t pid)
{
	return node_id == group->own_id && pid == (uint32_t)getpid();
}

static void group_disconnect(struct group *group)
{
	struct member gone;

	retry_destroy(&group->send_retry);
	message_queue_clear(&group->queue);
	group->joined = false;
	group->send_error = CS_OK;
	if (group->fd >= 0) {
		(void)qb_loop_poll_del(group->loop, group->fd);
		(void)cpg_finalize(group->handle);
		group->fd = -1;
	}
	while (members_pop(&group->members, &gone)) {
		if (group->callbacks.member_cb != NULL) {
			group->callbacks.member_cb(group->arg, gone.node, gone.name, false);
		}
	}
}

/* Corosync has gone or refuses us: its descriptor would spin in HUP, so finalize and come back
 * later. */
static void group_lost(struct group *group, const char *what, cs_error_t error)
{
	log_warning("cluster group %s: %s: %s; connecting again", GROUP_NAME, what,
		    cs_strerror(error));
	group_disconnect(group);
	retry_later(&group->connect_retry);
}

/* Send what waits until Corosync says TRY_AGAIN. */
static void group_flush(struct group *group)
{
	struct queued_message *first;

	while (group->fd >= 0 && (first = message_queue_first(&group->queue)) != NULL) {
		struct iovec iov = {.iov_base = first->data, .iov_len = first->len};
		cs_error_t error = cpg_mcast_joined(group->handle, CPG_TYPE_AGREED, &iov, 1);

		if (error == CS_OK) {
			message_queue_drop_first(&group->queue);
			continue;
		}
		/* We may be inside a callback of cpg_dispatch: the timer takes it from here. */
		if (error != CS_ERR_TRY_AGAIN) {
			group->send_error = error;
		}
		retry_after(&group->send_retry, SEND_RETRY_MS);
		return;
	}
}

static void group_send_retry_cb(void *arg)
{
	struct group *group = arg;

	if (group->send_error != CS_OK) {
		group_lost(group, "sending", group->send_error);
	} else {
		group_flush(group);
	}
}

int group_send(struct group *group, const Vmreplica__Cluster__Message *message)
{
	int error;

	if (!group->joined) {
		return -ENOTCONN;
	}
	error = message_queue_push(&group->queue, message);
	if (error == 0 && group->send_retry.timer == 0) {
		group_flush(group);
	}
	return error;
}

static void group_send_presence(struct group *group)
{
	Vmreplica__Cluster__Presence presence = VMREPLICA__CLUSTER__PRESENCE__INIT;
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	int error;

	presence.node = group->node;
	presence.member = group->member;
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_PRESENCE;
	message.presence = &presence;
	error = group_send(group, &message);
	if (error < 0) {
		log_error("cluster group %s: cannot say that %s on %s is here: %s", GROUP_NAME,
			  group->member, group->node, strerror(-error));
	}
}

static void group_learn(struct group *group, uint32_t node_id, uint32_t pid,
			const Vmreplica__Cluster__Presence *presence)
{
	int outcome =
		members_learn(&group->members, node_id, pid, presence->node, presence->member);

	if (outcome < 0) {
		log_warning("cluster group %s: process %u of node id %u says unusable names: %s",
			    GROUP_NAME, pid, node_id, strerror(-outcome));
	} else if (outcome > 0 && group->callbacks.member_cb != NULL) {
		group->callbacks.member_cb(group->arg, presence->node, presence->member, true);
	}
}

static void group_deliver_cb(cpg_handle_t handle, const struct cpg_name *name, uint32_t node_id,
			     uint32_t pid, void *data, size_t len)
{
	Vmreplica__Cluster__Message *message;
	struct group *group = NULL;
	struct arena arena;

	(void)name;
	if (cpg_context_get(handle, (void **)&group) != CS_OK || group == NULL) {
		return;
	}
	message = message_unpack(data, len, &arena);
	if (message == NULL) {
		log_warning(
			"cluster group %s: dropped a malformed message (%zu bytes) from node id %u",
			GROUP_NAME, len, node_id);
	} else if (message->body_case == VMREPLICA__CLUSTER__MESSAGE__BODY_PRESENCE) {
		group_learn(group, node_id, pid, message->presence);
	} else if (group->callbacks.message_cb != NULL) {
		group->callbacks.message_cb(group->arg, message,
					    group_is_self(group, node_id, pid));
	}
	arena_reset(&arena);
}

static void group_confchg_cb(cpg_handle_t handle, const struct cpg_name *name,
			     const struct cpg_address *members, size_t member_count,
			     const struct cpg_address *left, size_t left_count,
			     const struct cpg_address *joined, size_t joined_count)
{
	struct group *group = NULL;
	struct member gone;

	(void)name;
	(void)joined;
	if (cpg_context_get(handle, (void **)&group) != CS_OK || group == NULL) {
		return;
	}
	for (size_t i = 0; i < left_count; i++) {
		if (members_forget(&group->members, left[i].nodeid, left[i].pid, &gone) &&
		    group->callbacks.member_cb != NULL) {
			group->callbacks.member_cb(group->arg, gone.node, gone.name, false);
		}
	}
	for (size_t i = 0; i < member_count && !group->joined; i++) {
		group->joined = group_is_self(group, members[i].nodeid, members[i].pid);
	}
	if (joined_count > 0 && group->joined) {
		group_send_presence(group);
	}
}

static int group_dispatch_cb(int fd, int revents, void *data)
{
	struct group *group = data;
	cs_error_t error = CS_ERR_LIBRARY;

	(void)fd;
	if ((revents & (POLLERR | POLLHUP | POLLNVAL)) == 0) {
		error = cpg_dispatch(group->handle, CS_DISPATCH_ALL);
	}
	if (error != CS_OK && error != CS_ERR_TRY_AGAIN) {
		group_lost(group, "connection lost", error);
	}
	return 0;
}

static cs_error_t group_join(struct group *group)
{
	static const char name[] = GROUP_NAME;
	struct cpg_name cpg_name = {.length = sizeof(name) - 1};
	unsigned int own_id;
	cs_error_t error = cpg_local_get(group->handle, &own_id);

	if (error != CS_OK) {
		return error;
	}
	group->own_id = own_id;
	memcpy(cpg_name.value, name, sizeof(name) - 1);
	return cpg_join(group->handle, &cpg_name);
}

static void group_connect_cb(void *arg)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1,
		.cpg_deliver_fn = group_deliver_cb,
		.cpg_confchg_fn = group_confchg_cb,
	};
	struct group *group = arg;
	cs_error_t error;
	int fd = -1;

	error = cpg_model_initialize(&group->handle, CPG_MODEL_V1, (cpg_model_data_t *)&model,
				     group);
	if (error != CS_OK) {
		log_info("cluster group %s: corosync does not answer: %s", GROUP_NAME,
			 cs_strerror(error));
		retry_later(&group->connect_retry);
		return;
	}
	error = cpg_fd_get(group->handle, &fd);
	if (error == CS_OK) {
		error = group_join(group);
	}
	if (error == CS_OK &&
	    qb_loop_poll_add(group->loop, QB_LOOP_MED, fd, POLLIN, group, group_dispatch_cb) < 0) {
		error = CS_ERR_NO_MEMORY;
	}
	if (error != CS_OK) {
		(void)cpg_finalize(group->handle);
		log_info("cluster group %s: joining: %s", GROUP_NAME, cs_strerror(error));
		retry_later(&group->connect_retry);
		return;
	}
	group->fd = fd;
	retry_reset(&group->connect_retry);
}

struct group *group_new(qb_loop_t *loop, const char *node, const char *member,
			const struct group_callbacks *callbacks, void *arg)
{
	struct group *group = calloc(1, sizeof(*group));

	if (group == NULL) {
		return NULL;
	}
	group->loop = loop;
	group->callbacks = *callbacks;
	group->arg = arg;
	group->fd = -1;
	group->send_error = CS_OK;
	message_queue_init(&group->queue);
	retry_init(&group->connect_retry, loop, group_connect_cb, group);
	retry_init(&group->send_retry, loop, group_send_retry_cb, group);
	group->node = strdup(node);
	group->member = strdup(member);
	if (group->node == NULL || group->member == NULL) {
		group_free(group);
		return NULL;
	}
	/* From the loop, so that no callback comes before the caller has its pointer. */
	retry_after(&group->connect_retry, 0);
	return group;
}

void group_free(struct group *group)
{
	if (group == NULL) {
		return;
	}
	group->callbacks = (struct group_callbacks){0};
	retry_destroy(&group->connect_retry);
	group_disconnect(group);
	members_destroy(&group->members);
	free(group->node);
	free(group->member);
	free(group);
}
