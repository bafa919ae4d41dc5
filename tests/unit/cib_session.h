/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A test's talk with the real vmreplica-cib, which works on a file in the place of the CIB
 * (environment CIB_file). */
#ifndef VMR_TESTS_CIB_SESSION_H
#define VMR_TESTS_CIB_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/frame.h"
#include "proto/ipc.pb-c.h"

#define CIB_EXAMPLE_RELATIONSHIP "11111111-2222-3333-4444-555555555555"

struct cib_session {
	pid_t pid;
	int fd;
	struct channel channel;
	struct arena arena;
	Vmreplica__Ipc__CibSettings *settings; /* the newest, owned */
	bool placed;			       /* a placement came */
};

/* Start the helper on a file. 0 or a negative errno. */
int cib_session_start(struct cib_session *session, const char *cib_file);
/* Send a request (its id 1) and wait for the answer: the helper's error, with its sentence in text
 * (256 bytes). */
int cib_session_request(struct cib_session *session, enum frame_type type,
			ProtobufCMessage *message, char *text);
/* Wait until the first settings and placement are here. False after 20 s of silence. */
bool cib_session_ready(struct cib_session *session);
/* Wait until the settings are as done(session, arg) wants them. False after 20 s of silence. */
bool cib_session_wait(struct cib_session *session,
		      bool (*done)(const struct cib_session *session, const void *arg),
		      const void *arg);
/* End the helper, which writes the file; its exit status, -1 for a signal. */
int cib_session_end(struct cib_session *session);

/* Examples of requests: 0 = primary side, 1 = replica side with local storage and awkward values.
 * Static storage. */
#define CIB_EXAMPLES 2
Vmreplica__Ipc__CibCreateVm *cib_example(unsigned int number);

#endif
