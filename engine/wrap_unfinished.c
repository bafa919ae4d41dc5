/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/wrap_unfinished.h"

#include <stdio.h>
#include <string.h>

#include "cluster/nvpair_list.h"
#include "cluster/vm_resource.h"
#include "common/log.h"
#include "engine/epoch.h"
#include "engine/peer_contact.h"
#include "engine/source_power.h"
#include "engine/standing.h"
#include "engine/wrap_job.h"

#define RETRY_MS   10000
#define TIMEOUT_MS 60000

/* One at a time; the control thread's but for error, which a worker writes. */
static struct {
	bool busy;
	int64_t retry_ms; /* monotonic */
	char name[WRAP_UNFINISHED_LEN], vm[RESOURCE_ID_MAX + 1];
	char error[SOURCE_ERROR_LEN];
} unfinished;

void wrap_unfinished_name(const char *node, char name[WRAP_UNFINISHED_LEN])
{
	snprintf(name, WRAP_UNFINISHED_LEN, WRAP_UNFINISHED "%s", node);
}

/* ---- whose it is ---- */

/* Ours, from before a restart; or of a node that is gone and sees to nothing any more. */
static bool is_orphaned(struct engine *engine, const char *node)
{
	struct cluster *cluster = &engine->cluster;
	const struct placement *placement;
	const struct placement_node *found;

	if (strcmp(node, engine->config->node) == 0) {
		return true;
	}
	if (engine->config->standalone) {
		return false;
	}
	placement = cluster->ops->placement(cluster);
	found = placement != NULL ? placement_find_node(placement, node) : NULL;
	return placement != NULL && (found == NULL || !found->online);
}

/* A VM that has gone over to the other side since then, or is about to, is not this side's. */
static bool is_this_sides(const struct engine *engine, const Vmreplica__Ipc__CibSettings *settings)
{
	const char *parameter = engine->config->standalone ? "vm" : "vm_resource";

	for (size_t i = 0; i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *one = settings->resources[i];
		const char *vm = nvpair_find(one->parameters, one->n_parameters, parameter);
		const char *id = nvpair_find(one->parameters, one->n_parameters, "relationship");
		struct peer_contact contact;
		struct epoch known;

		if (strcmp(one->type, VM_RESOURCE_AGENT) != 0 || vm == NULL || id == NULL ||
		    strcmp(vm, unfinished.vm) != 0 || peer_contact_find(engine, id, &contact) < 0) {
			continue;
		}
		engine_epoch_known(engine, id,
				   contact.role == VMREPLICA__ROLE__ROLE_PRIMARY
					   ? engine->config->site
					   : contact.site,
				   &known);
		if (!epoch_is_held_by(&known, engine->config->site) ||
		    standing_get(engine, STANDING_HANDOVER, id) != NULL) {
			return false;
		}
	}
	return true;
}

static bool is_there(const struct engine *engine, const Vmreplica__Ipc__CibSettings *settings)
{
	for (size_t i = 0; i < settings->n_resources; i++) {
		if (strcmp(settings->resources[i]->id, unfinished.vm) == 0) {
			return true;
		}
	}
	return engine->config->standalone;
}

/* ---- starting ---- */

static void started_cb(void *arg, int error, const char *text)
{
	struct engine *engine = arg;

	unfinished.busy = false;
	if (error < 0) {
		log_warning("%s was shut off for wrap or unwrap, which was interrupted, and cannot "
			    "be started again now: %s",
			    unfinished.vm, text);
		return;
	}
	engine_event(engine, "warning", unfinished.vm,
		     "it was shut off for wrap or unwrap, which was interrupted, and is started "
		     "again; give the command again");
}

static void dropped_cb(void *arg, int error, const char *text)
{
	(void)arg;
	unfinished.busy = false;
	if (error < 0) {
		log_warning("the setting %s stays for now: %s", unfinished.name, text);
	}
}

static int power_run(void *arg)
{
	struct engine *engine = arg;

	return source_power(engine->libvirt, unfinished.vm, true, TIMEOUT_MS, unfinished.error);
}

static void forget(struct engine *engine, cluster_done_cb done)
{
	struct cluster *cluster = &engine->cluster;

	if (cluster->ops->set_setting(cluster, unfinished.name, NULL, done, engine) < 0) {
		unfinished.busy = false;
	}
}

static void power_done(void *arg, int result)
{
	struct engine *engine = arg;

	if (result < 0) {
		started_cb(engine, result, unfinished.error);
	} else {
		forget(engine, started_cb);
	}
}

static void start(struct engine *engine)
{
	struct cluster *cluster = &engine->cluster;
	Vmreplica__Ipc__CibSwitch change = VMREPLICA__IPC__CIB_SWITCH__INIT;
	Vmreplica__Ipc__CibNvpair gone = VMREPLICA__IPC__CIB_NVPAIR__INIT, *settings[] = {&gone};
	int result;

	if (engine->config->standalone) {
		result = workers_submit(engine->task_workers, power_run, power_done, engine);
	} else {
		gone.name = unfinished.name;
		change.vm_resource = unfinished.vm;
		change.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STARTED;
		change.settings = settings;
		change.n_settings = 1;
		result = cluster->ops->switch_role(cluster, &change, started_cb, engine);
	}
	if (result < 0) {
		unfinished.busy = false;
	}
}

void wrap_unfinished_tick(struct engine *engine, int64_t now_ms)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);
	const size_t prefix = sizeof(WRAP_UNFINISHED) - 1;

	if (unfinished.busy || now_ms < unfinished.retry_ms || wrap_job_is_under_way() ||
	    !engine->quorate || engine->stopping) {
		return;
	}
	for (size_t i = 0; settings != NULL && i < settings->n_settings; i++) {
		const Vmreplica__Ipc__CibNvpair *pair = settings->settings[i];

		if (strncmp(pair->name, WRAP_UNFINISHED, prefix) != 0 ||
		    !is_orphaned(engine, pair->name + prefix)) {
			continue;
		}
		unfinished.busy = true;
		unfinished.retry_ms = now_ms + RETRY_MS;
		snprintf(unfinished.name, sizeof(unfinished.name), "%s", pair->name);
		snprintf(unfinished.vm, sizeof(unfinished.vm), "%s", pair->value);
		if (is_there(engine, settings) && is_this_sides(engine, settings)) {
			start(engine);
		} else {
			forget(engine, dropped_cb);
		}
		return;
	}
}
