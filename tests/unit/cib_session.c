/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/cib_session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/cib_process.h"
#include "cluster/vm_resource.h"
#include "proto/limits.h"

#define ANSWER_MS 20000

int cib_session_start(struct cib_session *session, const char *cib_file)
{
	int error;

	*session = (struct cib_session){.fd = -1};
	if (setenv("CIB_file", cib_file, 1) < 0) {
		return -errno;
	}
	error = cib_process_start(&session->pid, &session->fd);
	if (error < 0) {
		return error;
	}
	channel_init_fd(&session->channel, session->fd);
	arena_init(&session->arena, ARENA_LOCAL_MAX);
	return 0;
}

static void keep_settings(struct cib_session *session, const struct frame *frame)
{
	if (session->settings != NULL) {
		vmreplica__ipc__cib_settings__free_unpacked(session->settings, NULL);
	}
	session->settings = vmreplica__ipc__cib_settings__unpack(NULL, frame->raw_message_len,
								 frame->raw_message);
}

/* The next frame, of which placement and settings are kept. */
static int session_receive(struct cib_session *session, struct frame *ret_frame)
{
	int error =
		channel_receive(&session->channel, &session->arena, ret_frame, NULL, 0, ANSWER_MS);

	if (error < 0) {
		return error;
	}
	if (ret_frame->type == FRAME_CIB_SETTINGS) {
		keep_settings(session, ret_frame);
	} else if (ret_frame->type == FRAME_CIB_PLACEMENT) {
		const Vmreplica__Ipc__CibPlacement *placement = (const void *)ret_frame->message;

		session->placed = placement->error[0] == '\0' && placement->crm_mon_xml.len > 0;
	}
	return 0;
}

int cib_session_request(struct cib_session *session, enum frame_type type,
			ProtobufCMessage *message, char *text)
{
	struct frame frame = {0};
	int error = channel_send(&session->channel, type, message, NULL, 0, ANSWER_MS);

	while (error == 0) {
		error = session_receive(session, &frame);
		if (error == 0 && frame.type == FRAME_CIB_DONE) {
			const Vmreplica__Ipc__CibDone *done = (const void *)frame.message;

			(void)snprintf(text, VM_RESOURCE_ERROR_LEN, "%s", done->text);
			return done->error;
		}
	}
	(void)snprintf(text, VM_RESOURCE_ERROR_LEN, "no answer: %s", strerror(-error));
	return error;
}

bool cib_session_wait(struct cib_session *session,
		      bool (*done)(const struct cib_session *session, const void *arg),
		      const void *arg)
{
	struct frame frame;

	while (!done(session, arg)) {
		if (session_receive(session, &frame) < 0) {
			return false;
		}
	}
	return true;
}

static bool is_ready(const struct cib_session *session, const void *arg)
{
	(void)arg;
	return session->placed && session->settings != NULL;
}

bool cib_session_ready(struct cib_session *session)
{
	return cib_session_wait(session, is_ready, NULL);
}

int cib_session_end(struct cib_session *session)
{
	int status = 0;

	channel_destroy(&session->channel);
	arena_reset(&session->arena);
	close(session->fd);
	if (session->settings != NULL) {
		vmreplica__ipc__cib_settings__free_unpacked(session->settings, NULL);
		session->settings = NULL;
	}
	while (waitpid(session->pid, &status, 0) < 0 && errno == EINTR) {
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct example {
	const char *resource, *vm_resource, *location_node;
	const char *parameters[9][2];
};

static const struct example examples[CIB_EXAMPLES] = {
	{"web1-replica",
	 "web1",
	 "",
	 {{"relationship", CIB_EXAMPLE_RELATIONSHIP},
	  {"vm", "web1"},
	  {"vm_resource", "web1"},
	  {"role", "primary"},
	  {"peer", "[2001:db8::1]:8650"},
	  {"frequency", "30"},
	  {"bandwidth", ""}}},
	{"db.1-a-replica",
	 "",
	 "a2",
	 {{"relationship", CIB_EXAMPLE_RELATIONSHIP},
	  {"vm", "db.1"},
	  {"role", "replica"},
	  {"peer", "a.example"},
	  {"storage", "/srv/it's here & <there>/\"r\""},
	  {"exclude_disks", "vdb vdc"},
	  {"frequency", "900"},
	  {"priority", "-1"}}},
};

Vmreplica__Ipc__CibCreateVm *cib_example(unsigned int number)
{
	static Vmreplica__Ipc__CibCreateVm request;
	static Vmreplica__Ipc__CibNvpair pairs[9];
	static Vmreplica__Ipc__CibNvpair *list[9];
	static char clone[] = CIB_ENGINE_CLONE_DEFAULT;
	const struct example *example = &examples[number];

	vmreplica__ipc__cib_create_vm__init(&request);
	request.id = 1;
	request.resource = (char *)example->resource;
	request.vm_resource = (char *)example->vm_resource;
	request.location_node = (char *)example->location_node;
	request.engine_clone = clone;
	request.parameters = list;
	for (size_t i = 0; i < 9 && example->parameters[i][0] != NULL; i++) {
		vmreplica__ipc__cib_nvpair__init(&pairs[i]);
		pairs[i].name = (char *)example->parameters[i][0];
		pairs[i].value = (char *)example->parameters[i][1];
		list[i] = &pairs[i];
		request.n_parameters = i + 1;
	}
	return &request;
}
