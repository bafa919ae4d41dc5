/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/store_release.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "engine/store_lock.h"

struct release_job {
	const char *node; /* the configuration's */
	char directory[PATH_LEN_MAX + 1];
	bool closed;
	int timeout_ms;
	void (*done)(void *arg, int error, const char *text);
	void *arg;
	char error[STORE_LOCK_ERROR_LEN];
};

static int release_run(void *arg)
{
	struct release_job *job = arg;

	return store_lock_release(job->directory, job->node, 0, job->timeout_ms, job->error);
}

static void release_done(void *arg, int result)
{
	struct release_job *job = arg;

	if (result == -ECANCELED) {
		snprintf(job->error, sizeof(job->error), "the engine is stopping");
	} else if (result < 0 && result != -EBUSY && job->closed) {
		log_warning("%s; the receiver has closed it, so it is taken for let go",
			    job->error);
		result = 0;
	}
	job->done(job->arg, result, result < 0 ? job->error : "");
	free(job);
}

void store_release(struct engine *engine, const char *directory, bool closed, int64_t timeout_ms,
		   void (*done)(void *arg, int error, const char *text), void *arg)
{
	struct release_job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		done(arg, -ENOMEM, "out of memory");
		return;
	}
	job->node = engine->config->node;
	snprintf(job->directory, sizeof(job->directory), "%s", directory);
	job->closed = closed;
	job->timeout_ms = timeout_ms < STORE_RELEASE_MIN_MS ? STORE_RELEASE_MIN_MS
			  : timeout_ms > INT_MAX	    ? INT_MAX
							    : (int)timeout_ms;
	job->done = done;
	job->arg = arg;
	if (workers_submit(engine->storage_workers, release_run, release_done, job) < 0) {
		done(arg, -ENOMEM, "out of memory");
		free(job);
	}
}
