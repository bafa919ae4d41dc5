/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `vmreplica events` asks every node and shows one list. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/command_fixture.h"

/* Answers every request with what events_of says of the node asked, until none comes any more. */
static struct {
	response_t answers[2]; /* here, other */
	char asked[8][64];
	int count;
} events_server;

static void *events_run(void *arg)
{
	struct pollfd listener = {.fd = server.listener, .events = POLLIN};

	(void)arg;
	while (poll(&listener, 1, 500) == 1) {
		int fd = accept(server.listener, NULL, NULL);
		struct channel channel;
		struct frame frame;

		channel_init_fd(&channel, fd);
		if (channel_receive(&channel, &server.arena, &frame, NULL, 0, 5000) == 0) {
			const Vmreplica__Admin__Request *request =
				(const Vmreplica__Admin__Request *)frame.message;
			const response_t *answer = &events_server.answers[request->to[0] != '\0'];

			snprintf(events_server.asked[events_server.count++ % 8], 64, "%s",
				 request->to);
			channel_send(&channel, FRAME_ADMIN_RESPONSE, &answer->base, NULL, 0, 5000);
		}
		channel_destroy(&channel);
		close(fd);
	}
	return NULL;
}

static void test_events(void)
{
	char a1[] = "a1", a2[] = "a2", notice[] = "notice", vm[] = "web1", nothing[] = "";
	char first[] = "paused on a2", second[] = "resumed on a1", third[] = "health OK";
	Vmreplica__Event events[3], *here[] = {&events[1], &events[2]}, *there[] = {&events[0]};
	Vmreplica__Admin__EventsResponse lists[2];
	char *texts[] = {first, second, third}, *nodes[] = {a2}, *owners[] = {a2, a1, a1};
	pthread_t thread;

	for (size_t i = 0; i < 3; i++) {
		vmreplica__event__init(&events[i]);
		events[i].id = i + 1;
		events[i].time_ms = 1795343460000 + 1000 * (int64_t)i;
		events[i].node = owners[i];
		events[i].severity = notice;
		events[i].vm = i < 2 ? vm : nothing;
		events[i].text = texts[i];
	}
	for (size_t i = 0; i < 2; i++) {
		vmreplica__admin__events_response__init(&lists[i]);
		vmreplica__admin__response__init(&events_server.answers[i]);
		lists[i].events = i == 0 ? here : there;
		lists[i].n_events = i == 0 ? 2 : 1;
		events_server.answers[i].body_case = VMREPLICA__ADMIN__RESPONSE__BODY_EVENTS;
		events_server.answers[i].events = &lists[i];
	}
	lists[0].nodes = nodes;
	lists[0].n_nodes = 1;
	events_server.count = 0;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, events_run, NULL), 0);
	CU_ASSERT_EQUAL(run(command_events, "events", NULL), STATUS_DONE);
	CU_ASSERT_STRING_EQUAL(out_text, "2026-11-22T10:31:00.000Z a2 notice: web1: paused on a2\n"
					 "2026-11-22T10:31:01.000Z a1 notice: web1: resumed on a1\n"
					 "2026-11-22T10:31:02.000Z a1 notice: health OK\n");
	CU_ASSERT_EQUAL(run(command_events, "events", "--json", NULL), STATUS_DONE);
	CU_ASSERT_PTR_NOT_NULL(strstr(out_text, "\"text\": \"resumed on a1\""));
	events_server.answers[1].body_case = VMREPLICA__ADMIN__RESPONSE__BODY__NOT_SET;
	CU_ASSERT_EQUAL(run(command_events, "events", NULL), STATUS_DONE);
	CU_ASSERT_PTR_NULL(strstr(out_text, "paused on a2"));
	CU_ASSERT_STRING_EQUAL(err_text, "Warning: the engine of node a2 does not answer\n");
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(events_server.count, 6);
	CU_ASSERT_STRING_EQUAL(events_server.asked[0], "");
	CU_ASSERT_STRING_EQUAL(events_server.asked[1], "a2");
}

static const struct unit_test tests[] = {
	{"events", test_events},
};

int main(void)
{
	return command_suite_run("events command", tests, sizeof(tests) / sizeof(tests[0]));
}
