/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/engine_absent.h"
#include "common/cleanup.h"
#include "common/unix_socket.h"
#include "proto/frame.h"
#include "proto/limits.h"

void client_init(struct client *client)
{
	arena_init(&client->arena, ARENA_LOCAL_MAX);
	client->lost = false;
}

void client_destroy(struct client *client)
{
	arena_reset(&client->arena);
}

char *client_socket_path(const char *daemon, char *buf, size_t size)
{
	const char *path = getenv("VMREPLICA_SOCKET");
	const char *directory = getenv("VMREPLICA_RUNDIR");

	if (path != NULL && path[0] != '\0') {
		snprintf(buf, size, "%s", path);
	} else {
		snprintf(buf, size, "%s/%s.sock", directory != NULL ? directory : VMR_RUNDIR,
			 daemon);
	}
	return buf;
}

int client_exchange(struct client *client, const char *path,
		    const Vmreplica__Admin__Request *request, int timeout_ms,
		    const Vmreplica__Admin__Response **ret_response)
{
	cleanup_close int fd = unix_connect(path, timeout_ms);
	struct channel channel;
	struct frame frame;
	int rc;

	if (fd < 0) {
		return fd;
	}
	channel_init_fd(&channel, fd);
	rc = channel_send(&channel, FRAME_ADMIN_REQUEST, &request->base, NULL, 0, timeout_ms);
	if (rc == 0) {
		rc = channel_receive(&channel, &client->arena, &frame, NULL, 0, timeout_ms);
	}
	if (rc == 0 && frame.type != FRAME_ADMIN_RESPONSE) {
		rc = -EPROTO;
	}
	if (rc == 0) {
		*ret_response = (const Vmreplica__Admin__Response *)(const void *)frame.message;
	}
	channel_destroy(&channel);
	return rc;
}

static char *engine_path(const struct common_options *common, char *buf, size_t size)
{
	if (common->socket == NULL) {
		return client_socket_path("engine", buf, size);
	}
	snprintf(buf, size, "%s", common->socket);
	return buf;
}

bool client_engine_listens(const struct common_options *common)
{
	char path[256];
	cleanup_close int fd = unix_connect(engine_path(common, path, sizeof(path)), 1000);

	return fd >= 0;
}

int client_exchange_engine(struct client *client, const struct common_options *common,
			   const Vmreplica__Admin__Request *request, int timeout_ms,
			   const Vmreplica__Admin__Response **ret_response)
{
	char path[256];

	return client_exchange(client, engine_path(common, path, sizeof(path)), request, timeout_ms,
			       ret_response);
}

static int exchange_failed(int error, const char *path)
{
	char text[512], advice[1024];

	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		snprintf(text, sizeof(text), "vmreplica-engine does not run on this node (%s)",
			 path);
		return command_failed(text, engine_absent_advice(advice, sizeof(advice)));
	case -EACCES:
	case -EPERM:
		return command_failed("you may not use vmreplica on this node",
				      "Only root and members of the group vmreplica may: use sudo, "
				      "or `usermod -aG vmreplica USER`.");
	case -ETIMEDOUT:
		return command_failed(
			"vmreplica-engine does not answer",
			"It may hang: see /var/log/vmreplica/vmreplica-engine.log; Pacemaker "
			"restarts an engine that stays silent.");
	case -ECONNRESET:
		return command_failed("vmreplica-engine closed the connection",
				      "It was stopped, or you are neither root nor in the group "
				      "vmreplica. Try again.");
	case -EBADMSG:
	case -EPROTO:
		return command_failed(
			"vmreplica-engine answered what this vmreplica does not "
			"understand",
			"Tool and engine are of different versions: restart the engine "
			"after an upgrade.");
	default:
		snprintf(text, sizeof(text), "no answer over %s: %s", path, strerror(-error));
		return command_failed(text, NULL);
	}
}

int client_judge(struct client *client, const struct common_options *common, int rc,
		 const Vmreplica__Admin__Response *response,
		 Vmreplica__Admin__Response__BodyCase expected)
{
	char path[256];

	engine_path(common, path, sizeof(path));
	client->lost = rc < 0;
	if (client->lost) {
		return common->quiet ? STATUS_FAILED : exchange_failed(rc, path);
	}
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): rc 0 comes with an answer */
	if (response->error != 0 || response->usage) {
		const char *text =
			response->text[0] != '\0' ? response->text : strerror(response->error);

		if (response->usage) {
			fprintf(stderr, "vmreplica: %s\n", text);
			return STATUS_USAGE;
		}
		return command_failed(text, response->advice);
	}
	return response->body_case == expected ? STATUS_DONE : exchange_failed(-EPROTO, path);
}

int client_ask(struct client *client, const struct common_options *common,
	       const Vmreplica__Admin__Request *request, int timeout_ms,
	       Vmreplica__Admin__Response__BodyCase expected,
	       const Vmreplica__Admin__Response **ret_response)
{
	const Vmreplica__Admin__Response *response = NULL;
	int rc = client_exchange_engine(client, common, request, timeout_ms, &response);
	int result = client_judge(client, common, rc, response, expected);

	if (result == STATUS_DONE) {
		*ret_response = response;
	}
	return result;
}
