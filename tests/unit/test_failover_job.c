/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs: what they say is told, kept over a restart, and never overtaken by an older word. */
#include <errno.h>
#include <qb/qbloop.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/admin_jobs.h"
#include "engine/announcer.h"
#include "engine/failover_job.h"
#include "engine/job_store.h"
#include "engine/job_table.h"
#include "tempdir.h"
#include "unit.h"

#define UUID "0b0c6a0e-3f1d-4c53-9d27-2f3f0d3f7a11"

static char node[] = "b1", other[] = "b2", site[] = "b.example";
static struct config config = {.site = site, .node = node};
static qb_loop_t *loop, *idle_loop; /* the engine's own is never run */
static Vmreplica__Job *told;	    /* what was multicast last */
static int told_count;

static int fake_multicast(struct cluster *cluster, const Vmreplica__Cluster__Message *message)
{
	(void)cluster;
	job_message_free(told);
	told = job_message_copy(message->job);
	told_count++;
	return 0;
}

static const struct cluster_ops fake_ops = {.multicast = fake_multicast};

static void quit_cb(void *data)
{
	qb_loop_stop(data);
}

static void loop_run_ms(uint64_t ms)
{
	qb_loop_timer_handle timer;

	qb_loop_timer_add(loop, QB_LOOP_LOW, ms * 1000000, loop, quit_cb, &timer);
	qb_loop_run(loop);
}

static void engine_make(struct engine *engine)
{
	*engine = (struct engine){.loop = idle_loop, .config = &config, .joined = true};
	engine->cluster.ops = &fake_ops;
	event_ring_init(&engine->events, 1);
	engine->task_workers = workers_new(loop, "task", 1);
	engine->announcer = announcer_new(engine);
	engine->jobs = job_table_new(tempdir(), &engine->task_workers);
	CU_ASSERT_PTR_NOT_NULL_FATAL(engine->jobs);
	told_count = 0;
}

static void engine_unmake(struct engine *engine)
{
	failover_job_free_all(engine);
	workers_free(engine->task_workers);
	engine->task_workers = NULL;
	job_table_free(engine->jobs);
	announcer_free(engine->announcer);
	cluster_table_destroy(&engine->table);
}

static void test_life(void)
{
	char id[JOB_ID_LEN + 1];
	struct failover_job *job;
	struct engine engine;
	const Vmreplica__Job *kept;

	engine_make(&engine);
	job = failover_job_begin(&engine, JOB_KIND_TEST, "web1", UUID, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(job);
	snprintf(id, sizeof(id), "%s", failover_job_id(job));
	CU_ASSERT_PTR_EQUAL(failover_job_find(&engine, UUID), job);
	CU_ASSERT_STRING_EQUAL(failover_job_running_id(&engine, UUID), id);
	failover_job_note(job, "nothing is under way yet"); /* no step: no word */
	CU_ASSERT_EQUAL(told_count, 1);
	failover_job_step(job, "takeover", "cycle %d", 7);
	failover_job_note(job, "3 MiB left");
	failover_job_note(job, "3 MiB left"); /* nothing new */
	CU_ASSERT_EQUAL(told_count, 3);
	failover_job_step(job, "start", "web1-test");
	CU_ASSERT_EQUAL(told->n_steps, 2);
	CU_ASSERT_STRING_EQUAL(told->steps[0]->text, "3 MiB left");
	CU_ASSERT_NOT_EQUAL(told->steps[0]->end_ms, 0);
	CU_ASSERT_EQUAL(told->steps[1]->end_ms, 0);
	failover_job_finish(job, -EIO, "look at its log", "web1-test did not %s", "start");
	CU_ASSERT_STRING_EQUAL(told->state, JOB_FAILED);
	CU_ASSERT(told->steps[1]->failed);
	CU_ASSERT_FALSE(told->steps[0]->failed);
	CU_ASSERT_PTR_NULL(failover_job_find(&engine, UUID));
	CU_ASSERT_STRING_EQUAL(failover_job_running_id(&engine, UUID), "");
	kept = job_table_find(engine.jobs, id);
	CU_ASSERT_PTR_NOT_NULL_FATAL(kept);
	CU_ASSERT_STRING_EQUAL(kept->advice, "look at its log");
	loop_run_ms(200); /* the worker writes */
	engine_unmake(&engine);

	engine_make(&engine); /* another start */
	kept = job_table_find(engine.jobs, id);
	CU_ASSERT_PTR_NOT_NULL_FATAL(kept);
	CU_ASSERT_STRING_EQUAL(kept->text, "web1-test did not start");
	CU_ASSERT_EQUAL(kept->n_steps, 2);
	CU_ASSERT(kept->steps[1]->failed);
	CU_ASSERT_EQUAL(kept->version, told->version);
	engine_unmake(&engine);
	CU_ASSERT_EQUAL(job_store_remove(tempdir(), id), 0);
}

/* What another node's engine had under way goes on here, with its steps. */
static void test_goes_on(void)
{
	Vmreplica__Job heard = VMREPLICA__JOB__INIT, *copy;
	char id[] = "00c0ffee", kind[] = JOB_KIND_UNPLANNED, vm[] = "web1", relationship[] = UUID;
	char running[] = JOB_RUNNING;
	struct failover_job *job;
	struct engine engine;

	engine_make(&engine);
	heard.id = id;
	heard.kind = kind;
	heard.vm = vm;
	heard.relationship = relationship;
	heard.node = other;
	heard.state = running;
	heard.begin_ms = 1795343460000;
	heard.version = UINT64_MAX / 2; /* its clock is ahead of ours */
	copy = job_message_copy(&heard);
	CU_ASSERT_EQUAL(job_step_begin(copy, "takeover", "", 1795343460001), 0);
	failover_job_heard(&engine, copy);
	CU_ASSERT_STRING_EQUAL(failover_job_running_id(&engine, UUID), id);
	job = failover_job_begin(&engine, JOB_KIND_UNPLANNED, "web1", UUID, id);
	CU_ASSERT_PTR_NOT_NULL_FATAL(job);
	CU_ASSERT_STRING_EQUAL(told->node, node);
	CU_ASSERT_EQUAL(told->n_steps, 1);
	CU_ASSERT_EQUAL(told->begin_ms, 1795343460000);
	CU_ASSERT(told->version > copy->version);
	failover_job_heard(&engine, copy); /* late: nothing changes */
	CU_ASSERT_STRING_EQUAL(job_table_find(engine.jobs, id)->node, node);
	failover_job_finish(job, 0, "", "done");
	CU_ASSERT_STRING_EQUAL(job_table_find(engine.jobs, id)->state, JOB_DONE);
	job_message_free(copy);
	loop_run_ms(100);
	engine_unmake(&engine);
	job_store_remove(tempdir(), id);
}

static bool everything(void *arg, const Vmreplica__Job *job)
{
	(void)arg;
	(void)job;
	return true;
}

/* More than are kept: the oldest that have ended go, what is under way stays; newcomers hear all.
 */
static void test_history(void)
{
	char id[16], done[] = JOB_DONE, running[] = JOB_RUNNING;
	Vmreplica__Job job = VMREPLICA__JOB__INIT;
	struct engine engine;
	int again = 0;

	engine_make(&engine);
	job.id = id;
	for (unsigned int i = 0; i < JOB_TABLE_MAX + 10; i++) {
		snprintf(id, sizeof(id), "%08x", i);
		job.begin_ms = 1000 + i;
		job.version = 1;
		job.state = i == 0 ? running : done;
		CU_ASSERT(job_table_note(engine.jobs, &job));
	}
	CU_ASSERT_EQUAL(job_table_count(engine.jobs), JOB_TABLE_MAX);
	CU_ASSERT_STRING_EQUAL(job_table_at(engine.jobs, 0)->id, "00000000");
	CU_ASSERT_STRING_EQUAL(job_table_at(engine.jobs, 1)->id, "0000000b");
	job_table_tell_again(engine.jobs, everything, NULL);
	while (job_table_next_untold(engine.jobs) != NULL) {
		again++;
	}
	CU_ASSERT_EQUAL(again, JOB_TABLE_MAX);
	loop_run_ms(1500);
	engine_unmake(&engine);
	engine_make(&engine);
	CU_ASSERT_EQUAL(job_table_count(engine.jobs), JOB_TABLE_MAX);
	CU_ASSERT_STRING_EQUAL(job_table_at(engine.jobs, 1)->id, "0000000b");
	engine_unmake(&engine);
}

static void test_wrong(void)
{
	char text[2 * JOB_TEXT_MAX], id[] = "00c0ffee", running[] = JOB_RUNNING,
				     wrong[] = "../../x1";
	Vmreplica__Job job = VMREPLICA__JOB__INIT, *copy;

	CU_ASSERT_PTR_NULL(job_message_from_json("{", 1));
	CU_ASSERT_PTR_NULL(job_message_from_json("{\"id\": \"00c0ffee\"}", 18));
	job.id = id;
	job.state = running;
	CU_ASSERT(job_message_is_valid(&job));
	job.id = wrong; /* it becomes a file's name */
	CU_ASSERT_FALSE(job_message_is_valid(&job));
	job.id = id;
	job.state = id;
	CU_ASSERT_FALSE(job_message_is_valid(&job));
	job.state = running;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	memcpy(text + JOB_TEXT_MAX - 1, "\xc3\xa9", 2); /* not cut in its middle */
	copy = job_message_copy(&job);
	for (unsigned int i = 0; i < JOB_STEPS_MAX + 5; i++) {
		char name[32];

		snprintf(name, sizeof(name), "step %u", i);
		CU_ASSERT_EQUAL(job_step_begin(copy, name, text, i + 1), 0);
	}
	CU_ASSERT_EQUAL(copy->n_steps, JOB_STEPS_MAX);
	CU_ASSERT_STRING_EQUAL(job_step_current(copy)->name, "step 36");
	CU_ASSERT_EQUAL(strlen(job_step_current(copy)->text), JOB_TEXT_MAX - 1);
	CU_ASSERT(job_message_is_valid(copy)); /* so it fits into one message of the group */
	job_message_free(copy);
}

static const struct unit_test tests[] = {
	{"life", test_life},
	{"goes on elsewhere", test_goes_on},
	{"history", test_history},
	{"wrong", test_wrong},
};

int main(void)
{
	int status;

	loop = qb_loop_create();
	idle_loop = qb_loop_create();
	status = unit_run("failover-job", tests, sizeof(tests) / sizeof(tests[0]));
	job_message_free(told);
	qb_loop_destroy(loop);
	qb_loop_destroy(idle_loop);
	tempdir_remove();
	return status;
}
