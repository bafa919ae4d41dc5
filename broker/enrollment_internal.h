/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What enrollment.c (the queue of jobs, ENROLL) and withdrawal.c (WITHDRAW) share. */
#ifndef VMR_BROKER_ENROLLMENT_INTERNAL_H
#define VMR_BROKER_ENROLLMENT_INTERNAL_H

#include <qb/qblist.h>

#include "broker/enroll.h"
#include "broker/enrollment.h"
#include "broker/withdraw.h"

#define ENROLLMENT_JOBS_MAX 256u
#define ENROLLMENT_RETRY_MS 2000u /* BUSY: ask again after this */
#define ENROLLMENT_STORAGE_TRIES                                                                   \
	6 /* an engine announces a directory soon after it was authorized */
#define ENROLLMENT_STORAGE_WAIT_MS 700
#define ENROLLMENT_SETTLE_TRIES	   50 /* until the changed configuration is back here */
#define ENROLLMENT_SETTLE_WAIT_MS  100
#define WITHDRAWAL_ANSWER_MS	   15000 /* the peer does not wait longer for the store's end */
#define WITHDRAWAL_DESTROY_MS	   60000 /* the resource stops, then the store goes */
#define WITHDRAWAL_DESTROY_WAIT_MS 1000

struct job;

/* Whether the VM would start here: enroll_fit.c's. */
struct job_fit {
	bool asked, force;
	char *warnings[WARNINGS_MAX]; /* owned */
	size_t warning_count;
	void (*next)(struct job *job);
};

/* One request under way. */
struct job {
	struct qb_list_head list;
	struct enrollment *enrollment;
	uint64_t session_id; /* whose answer; the session may be gone */
	bool answered;
	uint8_t *packed; /* owned: the request, decoded again at each try */
	size_t packed_len;
	char relationship[RELATIONSHIP_LEN + 1];
	char peer[DENIAL_PEER_LEN];    /* for the log */
	struct enroll_plan plan;       /* ENROLL */
	bool creating;		       /* ENROLL: the resource is being made */
	struct job_fit fit;	       /* ENROLL */
	struct withdraw_plan withdraw; /* WITHDRAW */
	int tries;
	int64_t since_ms;	       /* WITHDRAW: when the resource was deleted */
	void (*next)(struct job *job); /* what the timer does */
	qb_loop_timer_handle timer;
	bool timer_armed;
};

struct enrollment {
	struct broker *broker;
	struct qb_list_head jobs;
	size_t count;
	struct enroll_pending pending[ENROLLMENT_JOBS_MAX]; /* of the last job_world */
};

/* The one place where a job ends. */
void job_free(struct job *job);
/* Call next(job) in ms. Ends the job when that cannot be arranged. */
void job_later(struct job *job, int ms, void (*next)(struct job *job));
/* The session that waits for the answer; NULL when it is gone or has been answered. */
struct peer_session *job_session(struct job *job);
void job_answer(struct job *job, enum frame_type type, const ProtobufCMessage *message);
void job_deny(struct job *job, const char *code, const char *reason);
void job_busy(struct job *job, const char *code, const char *reason);
/* A change of the configuration failed: tell the peer whether to try again. */
void job_refuse_change(struct job *job, int error, const char *text);
void job_world(const struct job *job, struct enroll_world *ret_world);

/* Begin or go on with a WITHDRAW. */
void withdrawal_begin(struct job *job);

#endif
