/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/cib_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "cluster/cib_process.h"
#include "cluster/retry.h"
#include "common/clock.h"
#include "common/log.h"
#include "proto/link.h"
#include "proto/message_copy.h"

#define SWEEP_MS    1000
#define WATCHDOG_MS 30000
#define STEADY_MS   30000 /* a helper that lived this long is no crash loop */

struct pending {
	TAILQ_ENTRY(pending) entry;
	uint64_t id;
	int64_t deadline_ms;
	int refusal;	    /* not 0: the answer at the deadline, with refusal_text */
	char *refusal_text; /* owned */
	cluster_done_cb done;
	void *arg;
};

struct cib_client {
	qb_loop_t *loop;
	char *node; /* owned */
	struct cib_client_callbacks callbacks;
	void *arg;
	struct retry start_retry, sweep, watchdog;
	pid_t pid;	   /* of the helper; valid while link is */
	struct link *link; /* NULL: no helper */
	uint64_t last_id;
	size_t pending_count;
	TAILQ_HEAD(pending_list, pending) pending;
	struct placement *placement;	       /* a reference, or NULL */
	Vmreplica__Ipc__CibSettings *settings; /* owned, or NULL */
	int64_t started_ms, heard_ms;	       /* the helper's start and its last frame */
	bool connected;			       /* the helper says that Pacemaker answers */
	bool state_told;		       /* connected was logged as it is */
};

static void pending_answer(struct cib_client *client, struct pending *pending, int error,
			   const char *text)
{
	TAILQ_REMOVE(&client->pending, pending, entry);
	client->pending_count--;
	pending->done(pending->arg, error, text);
	free(pending->refusal_text);
	free(pending);
}

static void pending_fail_all(struct cib_client *client, int error, const char *text)
{
	while (!TAILQ_EMPTY(&client->pending)) {
		pending_answer(client, TAILQ_FIRST(&client->pending), error, text);
	}
}

/* Requests are few: a sweep each second while there are any. */
static void cib_client_sweep_cb(void *arg)
{
	struct cib_client *client = arg;
	int64_t now = clock_monotonic_ms();
	struct pending *first;

	while ((first = TAILQ_FIRST(&client->pending)) != NULL && first->deadline_ms <= now) {
		if (first->refusal != 0) {
			pending_answer(client, first, first->refusal, first->refusal_text);
			continue;
		}
		log_error("vmreplica-cib did not answer in %d s",
			  CIB_CLIENT_REQUEST_TIMEOUT_MS / 1000);
		pending_answer(client, first, -ETIMEDOUT,
			       "Pacemaker's configuration did not answer in time; see whether the "
			       "change was made (pcs config), then try again");
		if (client->link != NULL) {
			link_close(client->link); /* it hangs: the next one may not */
		}
	}
	if (first != NULL) {
		retry_after(&client->sweep, SWEEP_MS);
	}
}

static void cib_client_take_placement(struct cib_client *client,
				      const Vmreplica__Ipc__CibPlacement *message)
{
	struct placement *placement = NULL;
	const char *why = NULL;

	if (message->error[0] != '\0') {
		log_warning("placement is not known: %s", message->error);
		return;
	}
	if (placement_parse((const char *)message->crm_mon_xml.data, message->crm_mon_xml.len,
			    &placement, &why) < 0) {
		log_error("placement is not known: %s", why);
		return;
	}
	placement->read_ms = message->read_ms;
	if (client->placement != NULL && placement->read_ms < client->placement->read_ms) {
		placement_unref(placement); /* read before the one we have */
		return;
	}
	placement_unref(client->placement);
	client->placement = placement;
	client->callbacks.placement_cb(client->arg, placement);
}

/* The frame's message lives in its arena; ours is a copy of its own. */
static void cib_client_take_settings(struct cib_client *client,
				     const Vmreplica__Ipc__CibSettings *message)
{
	Vmreplica__Ipc__CibSettings *copy =
		(Vmreplica__Ipc__CibSettings *)message_copy(&message->base);

	if (copy == NULL) {
		log_error("no memory for the cluster's settings");
		return;
	}
	if (client->settings != NULL) {
		vmreplica__ipc__cib_settings__free_unpacked(client->settings, NULL);
	}
	client->settings = copy;
	client->callbacks.settings_cb(client->arg, copy);
}

static void cib_client_take_done(struct cib_client *client, const Vmreplica__Ipc__CibDone *message)
{
	struct pending *pending;

	TAILQ_FOREACH(pending, &client->pending, entry)
	{
		if (pending->id == message->id) {
			pending_answer(client, pending, message->error, message->text);
			return;
		}
	}
}

static void cib_client_take_state(struct cib_client *client,
				  const Vmreplica__Ipc__CibState *message)
{
	if (message->connected != client->connected || !client->state_told) {
		log_notice("Pacemaker's configuration %s%s%s",
			   message->connected ? "answers" : "does not answer",
			   message->text[0] != '\0' ? ": " : "", message->text);
	}
	client->connected = message->connected;
	client->state_told = true;
}

static void cib_client_frame_cb(void *arg, struct link *link, const struct frame *frame,
				const uint8_t *payload)
{
	struct cib_client *client = arg;

	(void)payload;
	client->heard_ms = clock_monotonic_ms();
	switch (frame->type) {
	case FRAME_CIB_PLACEMENT:
		cib_client_take_placement(client, (const void *)frame->message);
		break;
	case FRAME_CIB_SETTINGS:
		cib_client_take_settings(client, (const void *)frame->message);
		break;
	case FRAME_CIB_DONE:
		cib_client_take_done(client, (const void *)frame->message);
		break;
	case FRAME_CIB_STATE:
		cib_client_take_state(client, (const void *)frame->message);
		break;
	default:
		log_error("vmreplica-cib sent an unexpected %s", frame_type_to_string(frame->type));
		link_close(link);
		break;
	}
}

static void cib_client_closed_cb(void *arg, struct link *link, int error)
{
	struct cib_client *client = arg;

	(void)link;
	log_error("vmreplica-cib ended (%s); starting it again",
		  error < 0 ? strerror(-error) : "closed its socket");
	client->link = NULL;
	client->connected = false;
	client->state_told = false;
	if (clock_monotonic_ms() - client->started_ms > STEADY_MS) {
		retry_reset(&client->start_retry);
	}
	cib_process_end(client->pid);
	pending_fail_all(client, -ECONNRESET,
			 "the helper that changes Pacemaker's configuration ended; see whether the "
			 "change was "
			 "made (pcs config), then try again");
	retry_later(&client->start_retry);
}

static void cib_client_start_cb(void *arg)
{
	Vmreplica__Ipc__CibWatch watch = VMREPLICA__IPC__CIB_WATCH__INIT;
	struct cib_client *client = arg;
	int fd = -1;
	int error;

	error = cib_process_start(&client->pid, &fd);
	if (error < 0) {
		log_error("vmreplica-cib cannot be started: %s", strerror(-error));
		retry_later(&client->start_retry);
		return;
	}
	client->link =
		link_new(client->loop, fd, cib_client_frame_cb, cib_client_closed_cb, client);
	if (client->link == NULL) {
		log_error("vmreplica-cib cannot be talked to: %s", strerror(errno));
		cib_process_end(client->pid);
		retry_later(&client->start_retry);
		return;
	}
	client->started_ms = clock_monotonic_ms();
	client->heard_ms = client->started_ms;
	watch.node = client->node;
	(void)link_send(client->link, FRAME_CIB_WATCH, &watch.base);
}

/* The helper says something every minute at least; one that is silent hangs (its libcib calls are
 * bounded). */
static void cib_client_watchdog_cb(void *arg)
{
	struct cib_client *client = arg;

	if (client->link != NULL &&
	    clock_monotonic_ms() - client->heard_ms > CIB_CLIENT_PLACEMENT_STALE_MS) {
		log_error("vmreplica-cib has been silent for %d s: ending it",
			  CIB_CLIENT_PLACEMENT_STALE_MS / 1000);
		link_close(client->link);
	}
	retry_after(&client->watchdog, WATCHDOG_MS);
}

int cib_client_tell(struct cib_client *client, enum frame_type type,
		    const ProtobufCMessage *message)
{
	return client->link == NULL ? -ENOTCONN : link_send(client->link, type, message);
}

int cib_client_request(struct cib_client *client, enum frame_type type, ProtobufCMessage *message,
		       uint64_t *id, cluster_done_cb done, void *arg)
{
	struct pending *pending;
	int error;

	if (client->link == NULL) {
		return -ENOTCONN;
	}
	if (client->pending_count >= CIB_CLIENT_REQUESTS_MAX) {
		return -ENOBUFS;
	}
	pending = calloc(1, sizeof(*pending));
	if (pending == NULL) {
		return -ENOMEM;
	}
	*id = ++client->last_id;
	error = link_send(client->link, type, message);
	if (error < 0) {
		free(pending);
		return error;
	}
	pending->id = *id;
	pending->deadline_ms = clock_monotonic_ms() + CIB_CLIENT_REQUEST_TIMEOUT_MS;
	pending->done = done;
	pending->arg = arg;
	TAILQ_INSERT_TAIL(&client->pending, pending, entry);
	client->pending_count++;
	retry_after(&client->sweep, SWEEP_MS);
	return 0;
}

int cib_client_refuse(struct cib_client *client, int error, const char *text, cluster_done_cb done,
		      void *arg)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (pending == NULL) {
		return -ENOMEM;
	}
	pending->refusal = error;
	pending->refusal_text = strdup(text);
	if (pending->refusal_text == NULL) {
		free(pending);
		return -ENOMEM;
	}
	pending->done = done;
	pending->arg = arg;
	/* Due at once, so before the others; the sweep may be armed for later. */
	TAILQ_INSERT_HEAD(&client->pending, pending, entry);
	client->pending_count++;
	retry_destroy(&client->sweep);
	retry_after(&client->sweep, 0);
	return 0;
}

const struct placement *cib_client_placement(const struct cib_client *client)
{
	const struct placement *placement = client->placement;

	if (placement == NULL ||
	    clock_monotonic_ms() - placement->read_ms > CIB_CLIENT_PLACEMENT_STALE_MS) {
		return NULL;
	}
	return placement;
}

const Vmreplica__Ipc__CibSettings *cib_client_settings(const struct cib_client *client)
{
	return client->settings;
}

struct cib_client *cib_client_new(qb_loop_t *loop, const char *node,
				  const struct cib_client_callbacks *callbacks, void *arg)
{
	struct cib_client *client = calloc(1, sizeof(*client));

	if (client == NULL) {
		return NULL;
	}
	client->loop = loop;
	client->callbacks = *callbacks;
	client->arg = arg;
	TAILQ_INIT(&client->pending);
	retry_init(&client->start_retry, loop, cib_client_start_cb, client);
	retry_init(&client->sweep, loop, cib_client_sweep_cb, client);
	retry_init(&client->watchdog, loop, cib_client_watchdog_cb, client);
	client->node = strdup(node);
	if (client->node == NULL) {
		free(client);
		return NULL;
	}
	retry_after(&client->start_retry, 0);
	retry_after(&client->watchdog, WATCHDOG_MS);
	return client;
}

void cib_client_free(struct cib_client *client)
{
	if (client == NULL) {
		return;
	}
	retry_destroy(&client->start_retry);
	retry_destroy(&client->sweep);
	retry_destroy(&client->watchdog);
	if (client->link != NULL) {
		link_free(client->link);
		client->link = NULL; /* an answer below may ask again */
		cib_process_end(client->pid);
	}
	pending_fail_all(client, -ECANCELED, "the daemon is stopping");
	placement_unref(client->placement);
	if (client->settings != NULL) {
		vmreplica__ipc__cib_settings__free_unpacked(client->settings, NULL);
	}
	free(client->node);
	free(client);
}
