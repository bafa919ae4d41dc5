/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/host_start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/nvpair_list.h"
#include "cluster/vm_resource.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/epoch.h"
#include "engine/host_start_private.h"
#include "engine/standing.h"

/* Gone with a boot: a file for each VM that has been started, or seen, since. */
#define STARTED_DIR VMR_RUNDIR "/started"

/* ---- once a boot ---- */

static void started_path(const struct host_start *start, char path[PATH_LEN_MAX + 1])
{
	snprintf(path, PATH_LEN_MAX + 1, STARTED_DIR "/%s", start->contact.relationship);
}

void host_start_note(const struct host_start *start)
{
	char path[PATH_LEN_MAX + 1];
	int fd;

	started_path(start, path);
	fd = mkdir(STARTED_DIR, 0700) < 0 && errno != EEXIST
		     ? -1
		     : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_warning("%s: %s: %s; should the engine start again while the VM is shut off, "
			    "it starts the VM",
			    start->contact.vm, path, strerror(errno));
		return;
	}
	close(fd);
}

static bool was_started(const struct host_start *start)
{
	char path[PATH_LEN_MAX + 1];

	started_path(start, path);
	return access(path, F_OK) == 0;
}

bool host_start_is_ours(const struct engine *engine, const char *relationship)
{
	const char *value = standing_get(engine, STANDING_AUTOSTART, relationship);

	return value != NULL && strcmp(value, STANDING_AUTOSTART_YES) == 0;
}

/* ---- is it ours to start? ---- */

/* The primary's, and a replica's that has failed over to here; while a failover is under way that
 * one sees to its VM. What replicates a replica on has no VM of its own. */
static bool is_wanted(const struct engine *engine, const struct peer_contact *contact)
{
	struct epoch known;

	if (contact->vm_resource[0] != '\0' ||
	    standing_get(engine, STANDING_FAILOVER, contact->relationship) != NULL) {
		return false;
	}
	if (contact->role == VMREPLICA__ROLE__ROLE_PRIMARY) {
		return true;
	}
	engine_epoch_known(engine, contact->relationship, contact->site, &known);
	return epoch_is_held_by(&known, engine->config->site);
}

/* Is it still, after a worker was at it? */
bool host_start_is_wanted(const struct host_start *start)
{
	struct peer_contact contact;

	return !start->give_back &&
	       peer_contact_find(start->engine, start->contact.relationship, &contact) == 0 &&
	       is_wanted(start->engine, &contact);
}

/* ---- looking ---- */

void host_start_later(struct host_start *start, int ms)
{
	start->busy = false;
	start->retry_ms = clock_monotonic_ms() + ms;
}

void host_start_work(struct host_start *start, worker_run_cb run, worker_done_cb done)
{
	start->busy = workers_submit(start->engine->task_workers, run, done, start) == 0;
	if (!start->busy) {
		host_start_later(start, HOST_START_ASK_MS);
	}
}

void host_start_stored_cb(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0) {
		log_warning("what the other side said cannot be recorded: %s", text);
	}
}

static int look_run(void *arg)
{
	struct host_start *start = arg;
	struct source_connection *libvirt = start->engine->libvirt;
	const char *vm = start->contact.vm;
	int result = source_run_state(libvirt, vm, &start->state, start->text);

	if (result == 0) {
		result = host_vm_autostart(libvirt, vm, &start->autostart, start->text);
	}
	if (result == 0 && start->autostart && start->take) {
		host_start_note(start); /* libvirt did what there was to do at this boot */
		result = host_vm_set_autostart(libvirt, vm, false, start->text);
	}
	if (result == 0 && start->state == SOURCE_RUN_RUNNING) {
		host_start_note(start);
	}
	start->started = was_started(start);
	return result;
}

static void recorded_cb(void *arg, int error, const char *text)
{
	struct host_start *start = arg;

	host_start_stored_cb(NULL, error, text);
	host_start_later(start, error < 0 ? HOST_START_LOOK_MS : 0);
	engine_wake(start->engine);
}

static void look_cb(void *arg, int result)
{
	struct host_start *start = arg;
	struct engine *engine = start->engine;
	bool ours = host_start_is_ours(engine, start->contact.relationship);

	if (result == 0 && !host_start_is_wanted(start)) {
		host_start_later(start, HOST_START_LOOK_MS);
	} else if (result == 0 && start->autostart && !ours) {
		engine_event(engine, "notice", start->contact.vm,
			     "from now on the engine starts it with the host, after it has asked "
			     "the other side, and not libvirt");
		standing_set(engine, STANDING_AUTOSTART, start->contact.relationship,
			     STANDING_AUTOSTART_YES, recorded_cb, start);
	} else if (result == 0 && ours && !start->started) {
		host_start_ask(start);
	} else {
		host_start_later(start, HOST_START_LOOK_MS);
	}
}

/* ---- which VMs ---- */

static struct host_start *find(const struct engine *engine, const char *relationship)
{
	struct host_start *start = engine->host_starts;

	while (start != NULL && strcmp(start->contact.relationship, relationship) != 0) {
		start = start->next;
	}
	return start;
}

static void add(struct engine *engine, const struct peer_contact *contact)
{
	struct host_start *start = find(engine, contact->relationship);

	if (start == NULL) {
		start = calloc(1, sizeof(*start));
		if (start == NULL) {
			return; /* at the next tick */
		}
		start->engine = engine;
		start->next = engine->host_starts;
		engine->host_starts = start;
	}
	if (!start->busy) {
		start->contact = *contact;
		start->gone = false;
	}
}

static void list(struct engine *engine)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);
	struct peer_contact contact;

	for (struct host_start *start = engine->host_starts; start != NULL; start = start->next) {
		start->gone = true;
	}
	for (size_t i = 0; settings != NULL && i < settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *resource = settings->resources[i];
		const char *id =
			nvpair_find(resource->parameters, resource->n_parameters, "relationship");

		if (strcmp(resource->type, VM_RESOURCE_AGENT) == 0 && id != NULL &&
		    peer_contact_find(engine, id, &contact) == 0 && is_wanted(engine, &contact)) {
			add(engine, &contact);
		}
	}
}

/* ---- back to libvirt ---- */

static int give_back_run(void *arg)
{
	struct host_start *start = arg;

	return host_vm_set_autostart(start->engine->libvirt, start->contact.vm, true, start->text);
}

static void give_back_cb(void *arg, int result)
{
	struct host_start *start = arg;

	if (result < 0) {
		engine_event(start->engine, "warning", start->contact.vm,
			     "libvirt does not start it with the host (virsh autostart %s): %s",
			     start->contact.vm, start->text);
	}
	start->busy = start->give_back = false;
}

void host_start_give_back(struct engine *engine, const char *relationship)
{
	struct host_start *start = find(engine, relationship);

	if (start != NULL) {
		start->give_back = true;
		engine_wake(engine);
	}
}

/* ---- the clock ---- */

void host_start_tick(struct engine *engine, int64_t now_ms)
{
	struct host_start **link = &engine->host_starts, *start;

	if (!engine->config->standalone || engine->stopping || engine_settings(engine) == NULL) {
		return;
	}
	list(engine);
	while ((start = *link) != NULL) {
		if (start->give_back && !start->busy) {
			host_start_work(start, give_back_run, give_back_cb);
		} else if (start->gone && !start->busy) {
			*link = start->next;
			free(start);
			continue;
		}
		if (!start->busy && !start->give_back && now_ms >= start->retry_ms) {
			start->take = host_start_is_ours(engine, start->contact.relationship);
			host_start_work(start, look_run, look_cb);
		}
		link = &start->next;
	}
}

void host_start_free_all(struct engine *engine)
{
	while (engine->host_starts != NULL) {
		struct host_start *start = engine->host_starts;

		engine->host_starts = start->next;
		free(start);
	}
}
