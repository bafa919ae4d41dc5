/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From any thread to the engine: events and calls on the control thread. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "proto/ipc.pb-c.h"
#include "receiver/receiver.h"

struct event {
	struct receiver *receiver;
	int64_t time_ms;
	char severity[16], vm[VM_NAME_MAX + 1], text[REASON_MAX + 1];
};

static void event_send_cb(void *arg)
{
	Vmreplica__Ipc__ReceiverEvent message = VMREPLICA__IPC__RECEIVER_EVENT__INIT;
	Vmreplica__Event body = VMREPLICA__EVENT__INIT;
	struct event *event = arg;

	body.time_ms = event->time_ms;
	body.node = event->receiver->node;
	body.severity = event->severity;
	body.vm = event->vm;
	body.text = event->text;
	message.event = &body;
	if (event->receiver->link != NULL) {
		link_send(event->receiver->link, FRAME_RECEIVER_EVENT, &message.base);
	}
	free(event);
}

int receiver_post(struct receiver *receiver, void (*fn)(void *arg), void *arg)
{
	return workers_post(receiver->stream_workers, fn, arg);
}

void receiver_event(struct receiver *receiver, const char *severity, const char *vm,
		    const char *format, ...)
{
	struct event *event = calloc(1, sizeof(*event));
	va_list args;

	if (event == NULL) {
		return;
	}
	event->receiver = receiver;
	event->time_ms = clock_wall_ms();
	snprintf(event->severity, sizeof(event->severity), "%s", severity);
	snprintf(event->vm, sizeof(event->vm), "%s", vm);
	va_start(args, format);
	vsnprintf(event->text, sizeof(event->text), format, args);
	va_end(args);
	if (strcmp(severity, "error") == 0) {
		log_error("%s%s%s", vm, vm[0] == '\0' ? "" : ": ", event->text);
	} else if (strcmp(severity, "warning") == 0) {
		log_warning("%s%s%s", vm, vm[0] == '\0' ? "" : ": ", event->text);
	} else {
		log_notice("%s%s%s", vm, vm[0] == '\0' ? "" : ": ", event->text);
	}
	if (receiver->stream_workers == NULL) { /* still starting: this is the control thread */
		event_send_cb(event);
	} else if (receiver_post(receiver, event_send_cb, event) < 0) {
		free(event);
	}
}
