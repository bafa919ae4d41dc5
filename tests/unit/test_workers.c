/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pthread.h>

#include "common/clock.h"
#include "common/workers.h"
#include "tests/unit/unit.h"

#define JOBS 200

static qb_loop_t *loop;
static pthread_t control;
static int done_count, done_sum;
static _Atomic int wrong_thread;

static int square_run(void *arg)
{
	const int *number = arg;

	wrong_thread += pthread_equal(pthread_self(), control) != 0;
	return *number * *number;
}

static void square_done(void *arg, int result)
{
	const int *number = arg;

	wrong_thread += pthread_equal(pthread_self(), control) == 0;
	done_sum += result - *number * *number;
	if (++done_count == JOBS) {
		qb_loop_stop(loop);
	}
}

static void test_jobs_come_back(void)
{
	struct workers *workers;
	int numbers[JOBS];

	loop = qb_loop_create();
	control = pthread_self();
	workers = workers_new(loop, "test", 3);
	CU_ASSERT_PTR_NOT_NULL_FATAL(workers);
	for (int i = 0; i < JOBS; i++) {
		numbers[i] = i;
		CU_ASSERT_EQUAL_FATAL(workers_submit(workers, square_run, square_done, &numbers[i]),
				      0);
	}
	qb_loop_run(loop);
	CU_ASSERT_EQUAL(done_count, JOBS);
	CU_ASSERT_EQUAL(done_sum, 0);
	CU_ASSERT_EQUAL(wrong_thread, 0);
	workers_free(workers);
	qb_loop_destroy(loop);
}

struct poster {
	struct workers *workers;
	pthread_t seen_on;
};

static void post_cb(void *arg)
{
	struct poster *poster = arg;

	poster->seen_on = pthread_self();
	qb_loop_stop(loop);
}

static void *poster_main(void *arg)
{
	struct poster *poster = arg;

	CU_ASSERT_EQUAL(workers_post(poster->workers, post_cb, poster), 0);
	return NULL;
}

static void test_post_from_foreign_thread(void)
{
	struct poster poster;
	pthread_t thread;

	loop = qb_loop_create();
	poster.workers = workers_new(loop, "test", 1);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, poster_main, &poster), 0);
	qb_loop_run(loop);
	pthread_join(thread, NULL);
	CU_ASSERT_TRUE(pthread_equal(poster.seen_on, pthread_self()));
	workers_free(poster.workers);
	qb_loop_destroy(loop);
}

static int slow_run(void *arg)
{
	(void)arg;
	clock_sleep_ms(50);
	return 7;
}

static struct workers *freed;
static int results[3], result_count, late_submit;

static void collect_done(void *arg, int result)
{
	(void)arg;
	results[result_count++] = result;
	late_submit = workers_submit(freed, slow_run, NULL, NULL);
}

static void test_free_waits_and_cancels(void)
{
	loop = qb_loop_create();
	freed = workers_new(loop, "test", 1);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(workers_submit(freed, slow_run, collect_done, NULL), 0);
	}
	clock_sleep_ms(20); /* the first one runs by now */
	workers_free(freed);
	CU_ASSERT_EQUAL(result_count, 3);
	CU_ASSERT_EQUAL(results[0], 7);
	CU_ASSERT_EQUAL(results[1], -ECANCELED);
	CU_ASSERT_EQUAL(results[2], -ECANCELED);
	CU_ASSERT_EQUAL(late_submit, -ESHUTDOWN);
	workers_free(NULL);
	qb_loop_destroy(loop);
}

static void test_refuses(void)
{
	loop = qb_loop_create();
	errno = 0;
	CU_ASSERT_PTR_NULL(workers_new(loop, "test", 0));
	CU_ASSERT_EQUAL(errno, EINVAL);
	qb_loop_destroy(loop);
}

static const struct unit_test tests[] = {
	{"jobs run on workers and end on the control thread", test_jobs_come_back},
	{"any thread may post", test_post_from_foreign_thread},
	{"free waits for the running and cancels the queued", test_free_waits_and_cancels},
	{"a pool of none is refused", test_refuses},
};

UNIT_MAIN("workers", tests)
