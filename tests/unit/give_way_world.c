/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "give_way_world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/switch_condition.h"
#include "engine/give_way.h"
#include "engine/give_way_keep.h"
#include "engine/standing.h"
#include "tempdir.h"
#include "unit.h"

struct cluster_world world;
const struct epoch world_first = {3, LINEAGE, "a.example"},
		   world_theirs = {4, LINEAGE, "b.example"},
		   world_given = {5, LINEAGE, "a.example"};

/* ---- the configuration ---- */

bool world_definition_is_there(void)
{
	char path[TEMP_PATH_LEN];

	return access(temp_path(path, "web1.xml"), F_OK) == 0;
}

static size_t find(const char *name)
{
	size_t i = 0;

	while (i < world.count && strcmp(world.names[i], name) != 0) {
		i++;
	}
	return i;
}

static const char *value_of(void *arg, const char *name)
{
	size_t i = find(name);

	(void)arg;
	return i < world.count ? world.values[i] : NULL;
}

static void put(const char *name, const char *value)
{
	size_t i = find(name);
	struct epoch before, after;

	if (value[0] == '\0') {
		if (i < world.count && i != --world.count) {
			strcpy(world.names[i], world.names[world.count]);
			strcpy(world.values[i], world.values[world.count]);
		}
		return;
	}
	if (i == world.count) {
		CU_ASSERT_FATAL(world.count < 16);
		strcpy(world.names[world.count++], name);
		world.values[i][0] = '\0';
	}
	if (strncmp(name, EPOCH_SETTING, strlen(EPOCH_SETTING)) == 0 &&
	    epoch_parse(world.values[i], &before) == 0 && epoch_parse(value, &after) == 0) {
		world.lowered = world.lowered || after.number < before.number;
	}
	snprintf(world.values[i], sizeof(world.values[i]), "%s", value);
}

void world_set(const char *prefix, const char *value)
{
	char name[STANDING_NAME_LEN];

	standing_name(prefix, ID, name);
	put(name, value);
}

const char *world_get(const char *prefix)
{
	char name[STANDING_NAME_LEN];

	standing_name(prefix, ID, name);
	return value_of(NULL, name);
}

static int set_setting(struct cluster *cluster, const char *name, const char *value,
		       cluster_done_cb done, void *arg)
{
	char error[VM_RESOURCE_ERROR_LEN] = "";
	int result = 0;

	(void)cluster;
	value = value != NULL ? value : "";
	if (value[0] != '\0') {
		result = switch_condition_setting(name, value, value_of(NULL, name), error);
	}
	if (result == 0) {
		put(name, value);
	}
	done(arg, result, error);
	return 0;
}

/* Whoever starts the VM here while the other side holds it has two of them. */
void world_target_becomes(const char *target)
{
	strcpy(world.target, target);
	if (strcmp(target, "Started") == 0) {
		world.ran_on_both = world.ran_on_both || world.peer.number != world_given.number;
		world.runs = strcmp(world.config, "replica's") != 0 && world_definition_is_there();
	} else {
		world.runs = world.runs && world.hangs;
	}
}

static void switch_make(const Vmreplica__Ipc__CibSwitch *request)
{
	for (size_t i = 0; i < request->n_settings; i++) {
		put(request->settings[i]->name, request->settings[i]->value);
	}
	for (size_t i = 0; i < request->n_parameters; i++) {
		if (strcmp(request->parameters[i]->name, "role") == 0) {
			strcpy(world.role, request->parameters[i]->value);
			world.out_of_date = !epoch_equal(&world.told, &world_theirs);
			world.unread = world.wrote;
		}
	}
	if (request->n_vm_parameters > 0) {
		strcpy(world.config, "replica's");
	}
	if (request->follow != VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_KEEP) {
		world.follows = request->follow == VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_ADD;
	}
	if (request->target != VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_KEEP) {
		world_target_becomes(request->target ==
						     VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STARTED
					     ? "Started"
					     : "Stopped");
	}
}

static int switch_role(struct cluster *cluster, Vmreplica__Ipc__CibSwitch *request,
		       cluster_done_cb done, void *arg)
{
	char error[VM_RESOURCE_ERROR_LEN] = "";
	int result;

	(void)cluster;
	CU_ASSERT(!world.standalone || request->vm_resource[0] == '\0');
	if (world.before_change != NULL && request->n_parameters > 0) {
		world.before_change();
		world.before_change = NULL;
	}
	result = switch_condition_check(request, world.role, value_of, NULL, error);
	if (result == 0) {
		switch_make(request);
	}
	if (world.answer_lost && result == 0 && request->n_parameters > 0) {
		world.answer_lost = false;
		done(arg, -ETIMEDOUT, "its answer is lost");
	} else {
		done(arg, result, error);
	}
	return 0;
}

const struct placement_resource *engine_find_place(struct engine *engine, const char *resource)
{
	static struct placement_resource place;

	(void)engine;
	CU_ASSERT_STRING_EQUAL(resource, "web1");
	place.state = world.runs ? PLACEMENT_RUNNING : PLACEMENT_STOPPED;
	return &place;
}

static const struct cluster_ops ops = {.set_setting = set_setting, .switch_role = switch_role};
static struct config config = {.site = (char *)(uintptr_t) "a.example",
			       .node = (char *)(uintptr_t) "a1"};
struct engine world_engine = {.config = &config, .cluster = {.ops = &ops}};

/* As the engine is told: rebuilt at each look. */
const Vmreplica__Ipc__CibSettings *engine_settings(const struct engine *engine)
{
	static Vmreplica__Ipc__CibSettings settings = VMREPLICA__IPC__CIB_SETTINGS__INIT;
	static Vmreplica__Ipc__CibNvpair pairs[16], *list[16], target, *meta[] = {&target};
	static Vmreplica__Ipc__CibResource vm = VMREPLICA__IPC__CIB_RESOURCE__INIT,
					   ours = VMREPLICA__IPC__CIB_RESOURCE__INIT,
					   *resources[] = {&vm, &ours};
	static char target_name[] = "target-role", vm_id[] = "web1", our_id[] = "web1-replica";

	(void)engine;
	for (size_t i = 0; i < world.count; i++) {
		vmreplica__ipc__cib_nvpair__init(&pairs[i]);
		pairs[i].name = world.names[i];
		pairs[i].value = world.values[i];
		list[i] = &pairs[i];
	}
	vmreplica__ipc__cib_nvpair__init(&target);
	target.name = target_name;
	target.value = world.target;
	vm.id = vm_id;
	vm.meta = meta;
	vm.n_meta = 1;
	ours.id = our_id;
	settings.settings = list;
	settings.n_settings = world.count;
	settings.resources = resources;
	settings.n_resources = 2;
	return &settings;
}

const char *engine_setting(const struct engine *engine, const char *name)
{
	(void)engine;
	return value_of(NULL, name);
}

/* ---- work ---- */

static struct {
	worker_run_cb run;
	worker_done_cb done;
	void *arg;
} queue[8];
static size_t queued;

int workers_submit(struct workers *workers, worker_run_cb run, worker_done_cb done, void *arg)
{
	(void)workers;
	CU_ASSERT_FATAL(queued < 8);
	queue[queued].run = run;
	queue[queued].done = done;
	queue[queued++].arg = arg;
	return 0;
}

bool world_works(void)
{
	worker_run_cb run = queue[0].run;
	worker_done_cb done = queue[0].done;
	void *arg = queue[0].arg;

	if (queued == 0) {
		return false;
	}
	memmove(&queue[0], &queue[1], --queued * sizeof(queue[0]));
	done(arg, run(arg));
	return true;
}

void world_ticks(void)
{
	static int64_t now_ms = (int64_t)1 << 50;

	give_way_tick(&world_engine, now_ms += 3600000);
}

/* What workers were at comes to nothing, or to its end; nobody remembers why. */
void world_engine_dies(void)
{
	while (world_works()) {
	}
	give_way_free_all(&world_engine);
	world_engine.way_watches = 0;
	world.jobs = 0;
}

/* ---- orders ---- */

void world_order(void (*give)(struct peer_order *order), const char *job)
{
	Vmreplica__Wire__Order message = VMREPLICA__WIRE__ORDER__INIT;
	Vmreplica__Cut cut = VMREPLICA__CUT__INIT;
	Vmreplica__Epoch epoch;
	struct peer_order order = {.engine = &world_engine, .order = &message};

	epoch_to_message(&world_theirs, &epoch);
	cut.seq = 7;
	cut.cut_id = (char *)(uintptr_t) "00000000deadbeef";
	message.site = (char *)(uintptr_t) "b.example";
	message.epoch = &epoch;
	message.cut = &cut;
	message.job = (char *)(uintptr_t)job;
	peer_contact_find(&world_engine, ID, &order.contact);
	world.answer[0] = '\0';
	give(&order);
}

void peer_order_answer(struct admin_call *call, const Vmreplica__Wire__Ordered *ordered)
{
	(void)call;
	strcpy(world.answer, ordered->done ? "done" : "?");
}

void peer_order_later(struct admin_call *call, const char *job, const char *text)
{
	(void)call;
	(void)job;
	snprintf(world.answer, sizeof(world.answer), "later: %s", text);
}

void peer_order_refuse(struct admin_call *call, const char *format, ...)
{
	va_list args;

	(void)call;
	strcpy(world.answer, "refused: ");
	va_start(args, format);
	vsnprintf(world.answer + 9, sizeof(world.answer) - 9, format, args);
	va_end(args);
}

void peer_order_refuse_far(const struct peer_order *order, const struct epoch *known,
			   const struct epoch *theirs)
{
	(void)known;
	(void)theirs;
	peer_order_refuse(order->call, "far");
}

/* ---- its beginning and end ---- */

void world_begin(bool standalone)
{
	char path[TEMP_PATH_LEN], text[EPOCH_TEXT_LEN];

	memset(&world, 0, sizeof(world));
	memset(queue, 0, sizeof(queue));
	queued = 0;
	config.standalone = world.standalone = standalone;
	strcpy(world.role, "primary");
	strcpy(world.target, "Started");
	strcpy(world.config, "its own");
	world.follows = world.runs = true;
	world.peer = world_theirs;
	world_set(EPOCH_SETTING, epoch_format(&world_first, text));
	temp_file(path, "web1.xml", "<domain/>");
	unlink(temp_path(path, "web1.xml" GIVE_WAY_KEPT_SUFFIX));
}

void world_end(void)
{
	world_engine_dies();
	CU_ASSERT_FALSE(world.lowered);
	CU_ASSERT_FALSE(world.out_of_date);
	CU_ASSERT_FALSE(world.ran_on_both);
}
