/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A subcommand in this process against a daemon made of one thread. One suite a program. */
#ifndef VMR_TESTS_COMMAND_FIXTURE_H
#define VMR_TESTS_COMMAND_FIXTURE_H

#include <pthread.h>

#include "admin/command.h"
#include "proto/admin.pb-c.h"
#include "proto/frame.h"
#include "tests/unit/unit.h"

typedef Vmreplica__Admin__Response response_t;

/* The daemon: answers one request with answer (NULL = hangs up), keeps what was asked. */
struct command_server {
	int listener;
	const response_t *answer;
	struct arena arena;
	Vmreplica__Admin__Request *request;
};
extern struct command_server server;

/* What the last run printed. */
extern char out_text[16384], err_text[4096];

/* Listen, run the suite, clean up. Returns main's exit status. */
int command_suite_run(const char *suite, const struct unit_test *tests, size_t count);

/* Run a subcommand with the words given up to NULL; its status. */
int run(command_run command, ...) __attribute__((sentinel));
/* Answer the next request with this. */
pthread_t serve(const response_t *answer);

#define RUN_SERVED(answer_, status_, ...)                                                          \
	do {                                                                                       \
		pthread_t thread_ = serve(answer_);                                                \
		CU_ASSERT_EQUAL(run(__VA_ARGS__, NULL), status_);                                  \
		pthread_join(thread_, NULL);                                                       \
		CU_ASSERT_PTR_NOT_NULL_FATAL(server.request);                                      \
	} while (0)

#endif
