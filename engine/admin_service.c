/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/admin_service.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/unix_socket.h"
#include "engine/vm_status.h"
#include "proto/link.h"

#define ADMIN_TEXT_LEN 1024

/* One connection. Calls that are not answered yet outlive it: they then answer into the void. */
struct admin_client {
	struct admin_client *next;
	struct admin_service *service;
	struct link *link;
	bool root;
};

struct admin_service {
	struct engine *engine; /* borrowed */
	int fd;
	uid_t daemon_uid; /* the receiver's: what parses peers' data gives no orders here */
	struct admin_client *clients; /* owned list */
	unsigned int client_count;
	struct admin_call *calls; /* all that wait for their answer */
	void (*stop_cb)(void *arg);
	void *stop_arg;
};

struct admin_call {
	struct admin_call *next, **link_from; /* in service->calls */
	struct engine *engine;
	struct admin_client
		*client; /* local; NULL when it is gone or the call came over the group */
	char from[NODE_NAME_MAX + 1]; /* over the group: who asks */
	uint64_t id;
	bool forwarded, root;
};

/* ---- calls ---- */

static struct admin_call *call_new(struct engine *engine)
{
	struct admin_call *call = calloc(1, sizeof(*call));
	struct admin_service *service = engine->admin;

	if (call == NULL) {
		return NULL;
	}
	call->engine = engine;
	call->next = service->calls;
	call->link_from = &service->calls;
	if (call->next != NULL) {
		call->next->link_from = &call->next;
	}
	service->calls = call;
	return call;
}

static void call_free(struct admin_call *call)
{
	*call->link_from = call->next;
	if (call->next != NULL) {
		call->next->link_from = call->link_from;
	}
	free(call);
}

struct engine *admin_call_engine(const struct admin_call *call)
{
	return call->engine;
}

bool admin_call_is_root(const struct admin_call *call)
{
	return call->root;
}

bool admin_call_is_trusted(const struct admin_call *call)
{
	return call->root || call->forwarded;
}

void admin_call_reply(struct admin_call *call, const Vmreplica__Admin__Response *response)
{
	if (call->forwarded) {
		forward_reply(call->engine->forward, call->from, call->id, response);
	} else if (call->client != NULL) {
		link_send(call->client->link, FRAME_ADMIN_RESPONSE, &response->base);
	}
	call_free(call);
}

static void call_reply_text(struct admin_call *call, int error, bool usage, const char *text,
			    const char *advice)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;

	response.error = error < 0 ? -error : error;
	response.usage = usage;
	response.text = vm_status_borrow(text);
	response.advice = vm_status_borrow(advice);
	admin_call_reply(call, &response);
}

void admin_call_fail(struct admin_call *call, int error, const char *advice, const char *format,
		     ...)
{
	char text[ADMIN_TEXT_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	call_reply_text(call, error, false, text, advice);
}

void admin_call_misused(struct admin_call *call, const char *format, ...)
{
	char text[ADMIN_TEXT_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	call_reply_text(call, EINVAL, true, text, "");
}

void admin_call_done(struct admin_call *call, const char *format, ...)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__DoneResponse done = VMREPLICA__ADMIN__DONE_RESPONSE__INIT;
	char text[ADMIN_TEXT_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	done.text = text;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_DONE;
	response.done = &done;
	admin_call_reply(call, &response);
}

/* ---- passing on ---- */

static void forward_answered_cb(void *arg, int error, const Vmreplica__Admin__Response *response)
{
	struct admin_call *call = arg;

	if (error == 0) {
		admin_call_reply(call, response);
	} else if (error == -ETIMEDOUT) {
		admin_call_fail(
			call, ETIMEDOUT,
			"look at vmreplica-engine and the broker's resource there (pcs status)",
			"nobody answered in time");
	} else {
		admin_call_fail(call, error, "try again", "the request was not answered: %s",
				strerror(-error));
	}
}

void admin_call_forward(struct admin_call *call, const char *to,
			const Vmreplica__Admin__Request *request, int timeout_ms)
{
	Vmreplica__Admin__Request copy = *request;
	int result;

	copy.to = vm_status_borrow(to);
	result = forward_request(call->engine->forward, to, &copy, timeout_ms, forward_answered_cb,
				 call);
	if (result < 0) {
		admin_call_fail(call, result, "look at corosync on this node",
				"the request cannot be passed on to %s: %s", to, strerror(-result));
	}
}

void admin_service_forwarded_cb(void *arg, const char *from, uint64_t id,
				const Vmreplica__Admin__Request *request)
{
	struct engine *engine = arg;
	struct admin_call *call = call_new(engine);

	if (call == NULL) {
		return; /* the asker times out */
	}
	call->forwarded = true;
	call->id = id;
	snprintf(call->from, sizeof(call->from), "%s", from);
	admin_route(call, request);
}

/* ---- connections ---- */

static void client_frame_cb(void *arg, struct link *link, const struct frame *frame,
			    const uint8_t *payload)
{
	struct admin_client *client = arg;
	struct admin_call *call;

	(void)payload;
	if (frame->type != FRAME_ADMIN_REQUEST) {
		link_close(link);
		return;
	}
	call = call_new(client->service->engine);
	if (call == NULL) {
		link_close(link);
		return;
	}
	call->client = client;
	call->root = client->root;
	admin_route(call, (const Vmreplica__Admin__Request *)frame->message);
}

static void client_remove(struct admin_client *client)
{
	struct admin_service *service = client->service;
	struct admin_client **from = &service->clients;

	while (*from != client) {
		from = &(*from)->next;
	}
	*from = client->next;
	service->client_count--;
	for (struct admin_call *call = service->calls; call != NULL; call = call->next) {
		if (call->client == client) {
			call->client = NULL;
		}
	}
	free(client);
}

static void client_closed_cb(void *arg, struct link *link, int error)
{
	(void)link;
	(void)error;
	client_remove(arg);
}

static void service_add_client(struct admin_service *service, int fd, uid_t uid)
{
	struct admin_client *client = calloc(1, sizeof(*client));

	if (client == NULL) {
		close(fd);
		return;
	}
	client->service = service;
	client->root = uid == 0;
	client->link =
		link_new(service->engine->loop, fd, client_frame_cb, client_closed_cb, client);
	if (client->link == NULL) {
		free(client);
		return;
	}
	client->next = service->clients;
	service->clients = client;
	service->client_count++;
}

static int32_t accept_cb(int32_t listen_fd, int32_t revents, void *data)
{
	struct admin_service *service = data;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	uid_t uid = (uid_t)-1;

	(void)revents;
	if (fd < 0) {
		return 0;
	}
	if (service->client_count >= ADMIN_CONNECTIONS_MAX ||
	    !unix_peer_is_allowed(fd, ENGINE_GROUP, &uid) ||
	    (uid != 0 && uid == service->daemon_uid)) {
		log_info("admin connection of user %u refused", (unsigned int)uid);
		close(fd);
		return 0;
	}
	service_add_client(service, fd, uid);
	return 0;
}

int admin_service_open(struct engine *engine, struct admin_service **ret_service)
{
	struct admin_service *service = calloc(1, sizeof(*service));
	const struct passwd *user = getpwnam(ENGINE_GROUP);
	int result;

	if (service == NULL) {
		return -ENOMEM;
	}
	service->engine = engine;
	service->daemon_uid = user != NULL ? user->pw_uid : 0;
	service->fd = unix_listen(ENGINE_SOCKET,
				  getgrnam(ENGINE_GROUP) != NULL ? ENGINE_GROUP : NULL, 0660);
	if (service->fd < 0) {
		result = service->fd;
		free(service);
		return result;
	}
	result = qb_loop_poll_add(engine->loop, QB_LOOP_MED, service->fd, POLLIN, service,
				  accept_cb);
	if (result < 0) {
		close(service->fd);
		free(service);
		return result;
	}
	*ret_service = service;
	return 0;
}

void admin_service_close(struct admin_service *service)
{
	if (service == NULL) {
		return;
	}
	qb_loop_poll_del(service->engine->loop, service->fd);
	close(service->fd);
	unlink(ENGINE_SOCKET);
	while (service->clients != NULL) {
		link_free(service->clients->link);
		client_remove(service->clients);
	}
	while (service->calls != NULL) {
		call_free(service->calls);
	}
	free(service);
}

void admin_service_on_stop(struct admin_service *service, void (*stop_cb)(void *arg), void *arg)
{
	service->stop_cb = stop_cb;
	service->stop_arg = arg;
}

void admin_service_stop_daemon(struct admin_service *service)
{
	if (service->stop_cb != NULL) {
		service->stop_cb(service->stop_arg);
	}
}
