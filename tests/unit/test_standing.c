/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orders of an admin that stand in the cluster's settings: a relationship obeys them from its first
 * moment, and tells what hinders. The cluster is a list in memory; libvirt is its own test driver,
 * which knows VMs but no bitmaps. */
#include <errno.h>
#include <qb/qbloop.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "engine/announcer.h"
#include "engine/relationship.h"
#include "engine/standing.h"
#include "unit.h"

#define UUID "0b0c6a0e-3f1d-4c53-9d27-2f3f0d3f7a11"

/* ---- a cluster in memory ---- */

static Vmreplica__Ipc__CibNvpair pairs[4];
static Vmreplica__Ipc__CibNvpair *pointers[4] = {&pairs[0], &pairs[1], &pairs[2], &pairs[3]};
static Vmreplica__Ipc__CibSettings settings;
static char names[4][80], values[4][16];
static bool known, refuse;
static qb_loop_t *loop; /* of the workers */

static const Vmreplica__Ipc__CibSettings *fake_settings(struct cluster *cluster)
{
	(void)cluster;
	return known ? &settings : NULL;
}

static void settings_write(const char *name, const char *value)
{
	size_t i = 0;

	while (i < settings.n_settings && strcmp(names[i], name) != 0) {
		i++;
	}
	if (value == NULL && i < settings.n_settings) {
		settings.n_settings--;
		memcpy(names[i], names[settings.n_settings], sizeof(names[i]));
		memcpy(values[i], values[settings.n_settings], sizeof(values[i]));
	} else if (value != NULL && i < 4) {
		settings.n_settings += i == settings.n_settings;
		snprintf(names[i], sizeof(names[i]), "%s", name);
		snprintf(values[i], sizeof(values[i]), "%s", value);
	}
}

static int fake_set_setting(struct cluster *cluster, const char *name, const char *value,
			    cluster_done_cb done, void *arg)
{
	(void)cluster;
	if (refuse) {
		return -ENOTCONN;
	}
	settings_write(name, value);
	done(arg, 0, "");
	return 0;
}

static int fake_set_health(struct cluster *cluster, const char *vm, const char *value)
{
	(void)cluster;
	(void)vm;
	(void)value;
	return 0;
}

static const struct cluster_ops fake_ops = {
	.settings = fake_settings, .set_setting = fake_set_setting, .set_health = fake_set_health};

/* ---- an engine without a node ---- */

static char site[] = "a.example", node[] = "a1", scratch[] = "/nonexistent";
static struct config config = {.site = site, .node = node, .scratch_directory = scratch};

static void engine_make(struct engine *engine)
{
	memset(&settings, 0, sizeof(settings));
	vmreplica__ipc__cib_settings__init(&settings);
	settings.settings = pointers;
	for (size_t i = 0; i < 4; i++) {
		vmreplica__ipc__cib_nvpair__init(&pairs[i]);
		pairs[i].name = names[i];
		pairs[i].value = values[i];
	}
	known = true;
	refuse = false;
	loop = qb_loop_create();
	/* never run, so that what is due is done by hand */
	*engine = (struct engine){.loop = qb_loop_create(), .config = &config};
	engine->cluster.ops = &fake_ops;
	engine->cluster_started = true;
	event_ring_init(&engine->events, 1);
	engine->task_workers = workers_new(loop, "task", 1);
	engine->libvirt = source_connection_new("test:///default");
	engine->announcer = announcer_new(engine);
}

static struct relationship *relationship_make(struct engine *engine)
{
	static const char *const parameter_names[] = {"relationship", "vm",   "vm_resource",
						      "role",	      "peer", "frequency"};
	static const char *const parameter_values[] = {UUID,	  "test",      "test",
						       "primary", "192.0.2.1", "30"};
	struct vm_settings parsed = {0};
	char error[VM_SETTINGS_ERROR_LEN];

	CU_ASSERT_EQUAL_FATAL(vm_settings_parse("test-replica", parameter_names, parameter_values,
						6, &parsed, error),
			      0);
	return relationship_new(engine, &parsed);
}

static void engine_unmake(struct engine *engine)
{
	workers_free(engine->task_workers);
	engine_wake(engine); /* so that there is a timer to delete */
	qb_loop_timer_del(engine->loop, engine->tick_timer);
	while (engine->relationships != NULL) {
		relationship_free(engine->relationships);
	}
	announcer_free(engine->announcer);
	source_connection_free(engine->libvirt);
	cluster_table_destroy(&engine->table);
	qb_loop_destroy(engine->loop);
	qb_loop_destroy(loop);
}

/* ---- tests ---- */

static void test_names(void)
{
	struct engine engine;
	char name[STANDING_NAME_LEN];

	engine_make(&engine);
	standing_name(STANDING_SUSPENDED, UUID, name);
	CU_ASSERT_STRING_EQUAL(name, "vmreplica-suspended-" UUID);
	CU_ASSERT(!standing_is_suspended(&engine, UUID));
	settings_write(name, "1");
	CU_ASSERT(standing_is_suspended(&engine, UUID));
	CU_ASSERT(!standing_is_released(&engine, UUID));
	settings_write(name, STANDING_RELEASED);
	CU_ASSERT(standing_is_suspended(&engine, UUID));
	CU_ASSERT(standing_is_released(&engine, UUID));
	CU_ASSERT_PTR_NULL(standing_get(&engine, STANDING_RESYNC, UUID));
	engine_unmake(&engine);
}

static void test_obeyed_at_attach(void)
{
	struct engine engine;
	struct relationship *rel;

	engine_make(&engine);
	settings_write("vmreplica-suspended-" UUID, STANDING_RELEASED);
	settings_write("vmreplica-resync-" UUID, "1");
	rel = relationship_make(&engine);
	CU_ASSERT(rel->suspended);
	CU_ASSERT(rel->released);
	CU_ASSERT(rel->release_wanted);
	CU_ASSERT(rel->force_resync);
	CU_ASSERT_EQUAL(rel->state.state, VMREPLICA__STATE__STATE_RESYNCHRONIZE_SUSPENDED);
	CU_ASSERT_EQUAL(rel->verdict.health, VMREPLICA__HEALTH__HEALTH_WARNING);
	CU_ASSERT_STRING_EQUAL(rel->verdict.code, "suspended-releasing");
	/* resumed on another node: its settings tell */
	settings_write("vmreplica-suspended-" UUID, NULL);
	relationship_note_standing(rel);
	CU_ASSERT(!rel->suspended);
	CU_ASSERT(!rel->release_wanted);
	CU_ASSERT(rel->force_resync);
	CU_ASSERT_EQUAL(rel->state.state, VMREPLICA__STATE__STATE_WAITING_FOR_RESYNCHRONIZE);
	engine_unmake(&engine);
}

/* Before the settings were read no cycle may begin: it might be paused, its bitmaps released. */
static void test_not_before_known(void)
{
	struct engine engine;
	struct relationship *rel;

	engine_make(&engine);
	settings_write("vmreplica-suspended-" UUID, "1");
	known = false;
	rel = relationship_make(&engine);
	rel->busy = false;
	rel->ready = true;
	relationship_tick(rel, clock_monotonic_ms());
	CU_ASSERT(!rel->suspended);
	CU_ASSERT(!rel->schedule.eligible);
	known = true;
	relationship_note_standing(rel);
	CU_ASSERT(rel->suspended);
	settings_write("vmreplica-suspended-" UUID, NULL);
	relationship_note_standing(rel);
	rel->busy = false;
	relationship_tick(rel, clock_monotonic_ms());
	CU_ASSERT(rel->schedule.eligible);
	engine_unmake(&engine);
}

static void test_resync_order_ends(void)
{
	struct engine engine;
	struct relationship *rel;

	engine_make(&engine);
	settings_write("vmreplica-resync-" UUID, "1");
	rel = relationship_make(&engine);
	CU_ASSERT(rel->force_resync);
	refuse = true; /* the order stays, and is taken away later */
	relationship_finish_resync(rel);
	CU_ASSERT(!rel->force_resync);
	CU_ASSERT(rel->resync_stored);
	CU_ASSERT_EQUAL(settings.n_settings, 1);
	refuse = false;
	relationship_clear_resync(rel, clock_monotonic_ms());
	CU_ASSERT_EQUAL(settings.n_settings, 1);
	relationship_clear_resync(rel, clock_monotonic_ms() + 31000);
	CU_ASSERT_EQUAL(settings.n_settings, 0);
	relationship_clear_resync(rel, clock_monotonic_ms() + 62000);
	CU_ASSERT(!rel->resync_stored);
	/* an order that is read once is not read again from a list that lags */
	settings_write("vmreplica-resync-" UUID, "1");
	relationship_note_standing(rel);
	CU_ASSERT(!rel->force_resync);
	engine_unmake(&engine);
}

struct answer {
	int count, error;
	char text[SOURCE_ERROR_LEN];
};

static void answered_cb(void *arg, int error, const char *text)
{
	struct answer *answer = arg;

	answer->count++;
	answer->error = error;
	snprintf(answer->text, sizeof(answer->text), "%s", text);
}

static void quit_cb(void *data)
{
	qb_loop_stop(data);
}

/* Let the loop take the workers' results for a while. */
static void loop_run_ms(uint64_t ms)
{
	qb_loop_timer_handle timer;

	qb_loop_timer_add(loop, QB_LOOP_LOW, ms * 1000000, loop, quit_cb, &timer);
	qb_loop_run(loop);
}

/* The test driver has no bitmaps to ask for: the answer waits, and says what failed. */
static void test_release_waits(void)
{
	struct engine engine;
	struct relationship *rel;
	struct answer answer = {0}, other = {0};

	engine_make(&engine);
	settings_write("vmreplica-suspended-" UUID, "1");
	rel = relationship_make(&engine);
	relationship_release(rel, 600000, answered_cb, &answer);
	for (int i = 0; i < 100 && rel->release_error[0] == '\0'; i++) {
		loop_run_ms(50);
	}
	CU_ASSERT(rel->release_error[0] != '\0');
	CU_ASSERT(rel->release_wanted);
	CU_ASSERT_EQUAL(answer.count, 0);
	relationship_tick(rel, clock_monotonic_ms() + 600000);
	CU_ASSERT_EQUAL(answer.count, 1);
	CU_ASSERT_EQUAL(answer.error, -ETIMEDOUT);
	CU_ASSERT_STRING_EQUAL(answer.text, rel->release_error);
	/* one who waits is told when another takes over, or takes it back */
	relationship_release(rel, 600000, answered_cb, &answer);
	relationship_release(rel, 600000, answered_cb, &other);
	CU_ASSERT_EQUAL(answer.count, 2);
	CU_ASSERT_EQUAL(answer.error, -EALREADY);
	relationship_resume(rel);
	CU_ASSERT_EQUAL(other.count, 1);
	CU_ASSERT_EQUAL(other.error, -ECANCELED);
	CU_ASSERT(!rel->release_wanted);
	engine_unmake(&engine);
}

/* ---- what is shown while a cycle hangs ---- */

static void test_overdue(void)
{
	int64_t now = clock_monotonic_ms();
	struct vm_status_frame frame;
	struct engine engine;
	struct relationship *rel;

	engine_make(&engine);
	rel = relationship_make(&engine); /* every 30 s */
	rel->busy = rel->running = rel->schedule.running = true;
	rel->schedule.bulk = false;
	rel->last_replicated_ms = clock_wall_ms() - 95000;
	rel->schedule.tick_ms = now - 95000;
	relationship_tick(rel, now);
	relationship_fill_status(rel, &frame);
	CU_ASSERT_EQUAL(frame.status.cycles->missed, 3);
	CU_ASSERT(frame.status.behind_s >= 95);
	relationship_tick(rel, now + 30000);
	relationship_fill_status(rel, &frame);
	CU_ASSERT_EQUAL(frame.status.cycles->missed, 4);
	/* between two attempts as well */
	rel->busy = rel->running = rel->schedule.running = false;
	rel->ready = rel->schedule.eligible = true;
	rel->schedule.retry_ms = now + 600000;
	relationship_tick(rel, now + 60000);
	CU_ASSERT_EQUAL(rel->cycles.missed, 5);
	/* but what waits for its turn keeps its rank, and a pause misses nothing */
	rel->schedule.retry_ms = 0;
	relationship_tick(rel, now + 90000);
	rel->schedule.retry_ms = now + 600000;
	rel->schedule.eligible = false;
	relationship_tick(rel, now + 120000);
	CU_ASSERT_EQUAL(rel->cycles.missed, 5);
	engine_unmake(&engine);
}

static const struct unit_test tests[] = {
	{"names and values", test_names},
	{"obeyed from the first moment", test_obeyed_at_attach},
	{"no cycle before they are known", test_not_before_known},
	{"an order to resynchronize ends", test_resync_order_ends},
	{"removing bitmaps is waited for", test_release_waits},
	{"overdue while a cycle hangs", test_overdue},
};
UNIT_MAIN("standing", tests)
