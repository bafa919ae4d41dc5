/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/host_start.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#include "engine/guard.h"
#include "engine/host_vm.h"
#include "engine/order_client.h"
#include "engine/own_definition.h"
#include "engine/peer_contact.h"
#include "engine/standing.h"

#define LOOK_MS	    15000
#define ASK_MS	    5000
#define PATIENCE_MS 60000 /* as ocf:vmreplica:guard's */
/* Gone with a boot: a file for each VM that has been started, or seen, since. */
#define STARTED_DIR VMR_RUNDIR "/started"

struct host_start {
	struct host_start *next;
	struct engine *engine; /* borrowed */
	struct peer_contact contact;
	bool busy, gone, told;
	bool give_back; /* it is protected no more: libvirt starts it with the host again */
	int64_t retry_ms, silent_ms; /* monotonic; silent_ms 0: the other side is not silent */
	struct epoch known;
	/* the worker's */
	enum source_run_state state;
	bool autostart, started;
	bool take; /* take the mark away from libvirt: it stands in the settings */
	char definition[PATH_LEN_MAX + 1], text[SOURCE_ERROR_LEN];
	struct order_answer answer;
	struct trouble trouble;
};

/* ---- once a boot ---- */

static void started_path(const struct host_start *start, char path[PATH_LEN_MAX + 1])
{
	snprintf(path, PATH_LEN_MAX + 1, STARTED_DIR "/%s", start->contact.relationship);
}

static void note_started(const struct host_start *start)
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
static bool is_still_wanted(const struct host_start *start)
{
	struct peer_contact contact;

	return !start->give_back &&
	       peer_contact_find(start->engine, start->contact.relationship, &contact) == 0 &&
	       is_wanted(start->engine, &contact);
}

/* ---- starting ---- */

static void host_start_later(struct host_start *start, int ms)
{
	start->busy = false;
	start->retry_ms = clock_monotonic_ms() + ms;
}

static void host_start_work(struct host_start *start, worker_run_cb run, worker_done_cb done)
{
	start->busy = workers_submit(start->engine->task_workers, run, done, start) == 0;
	if (!start->busy) {
		host_start_later(start, ASK_MS);
	}
}

static int start_run(void *arg)
{
	struct host_start *start = arg;
	int result = host_vm_start(start->engine->libvirt, start->contact.vm, start->definition,
				   start->text);

	if (result == 0) {
		note_started(start);
	}
	return result;
}

static void start_cb(void *arg, int result)
{
	struct host_start *start = arg;

	if (result == 0) {
		engine_event(start->engine, "notice", start->contact.vm, "started with the host");
	} else if (!start->told) {
		start->told = true;
		engine_event(start->engine, "error", start->contact.vm,
			     "cannot be started with the host: %s", start->text);
	}
	host_start_later(start, LOOK_MS);
}

static void host_start_vm(struct host_start *start)
{
	own_definition_find(start->engine, start->contact.relationship, start->contact.vm_resource,
			    start->definition);
	host_start_work(start, start_run, start_cb);
}

/* ---- asking ---- */

static void stored_cb(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0) {
		log_warning("what the other side said cannot be recorded: %s", text);
	}
}

/* What was heard holds also when the other side is silent at the next boot. */
static void remember(struct host_start *start)
{
	struct engine *engine = start->engine;
	const char *id = start->contact.relationship;
	enum epoch_verdict verdict =
		epoch_judge(&start->known, &start->answer.epoch, engine->config->site);

	if (start->answer.known && (verdict == EPOCH_LOST || verdict == EPOCH_GRANTED)) {
		engine_event(engine, "warning", start->contact.vm,
			     "the other side told of epoch %" PRIu64 ", held by %s",
			     start->answer.epoch.number, start->answer.epoch.site);
		engine_epoch_store(engine, id, &start->answer.epoch, stored_cb, NULL);
	}
	if (standing_get(engine, STANDING_BLIND, id) != NULL) {
		standing_set(engine, STANDING_BLIND, id, NULL, stored_cb, NULL);
	}
}

static void refused(struct host_start *start, const char *text)
{
	if (!start->told) {
		start->told = true;
		engine_event(start->engine, "error", start->contact.vm,
			     "is not started with the host: %s", text);
	}
	host_start_later(start, LOOK_MS);
}

static void silent(struct host_start *start, const char *text)
{
	const struct config *config = start->engine->config;
	int64_t now = clock_monotonic_ms();

	if (start->silent_ms == 0) {
		start->silent_ms = now;
		engine_event(start->engine, "warning", start->contact.vm,
			     "waits to be started with the host%s: %s",
			     config->start_on_silence ? ", for a minute" : "", text);
	}
	if (!config->start_on_silence || now - start->silent_ms < PATIENCE_MS) {
		host_start_later(start, ASK_MS);
		return;
	}
	engine_event(start->engine, "error", start->contact.vm,
		     "started while the other side was silent: whether it was failed over there is "
		     "not known");
	standing_set(start->engine, STANDING_BLIND, start->contact.relationship, "1", stored_cb,
		     NULL);
	host_start_vm(start);
}

static int ask_run(void *arg)
{
	struct host_start *start = arg;
	struct locate_client client = peer_contact_client(&start->contact, start->engine->tls);

	if (start->contact.host[0] == '\0') {
		trouble_set(&start->trouble, -EDESTADDRREQ, SCHEDULE_FAILED, "peer",
			    "where its broker listens is not known");
		return -EDESTADDRREQ;
	}
	return order_client_query(&client, start->contact.relationship, start->engine->config->site,
				  &start->known, &start->answer, &start->trouble);
}

static void ask_cb(void *arg, int result)
{
	struct host_start *start = arg;
	struct engine *engine = start->engine;
	struct guard_facts facts = {
		.handed_over = standing_get(engine, STANDING_HANDOVER,
					    start->contact.relationship) != NULL,
		.known = start->known,
		.site = engine->config->site,
		.vm = start->contact.vm,
		.peer_answered = result == 0,
		.peer = start->answer.epoch,
		.peer_takes = start->answer.failing_over,
		.silence = start->trouble.text,
	};
	char text[REASON_MAX];

	if (!is_still_wanted(start)) {
		host_start_later(start, LOOK_MS);
		return;
	}
	if (result == 0) {
		start->silent_ms = 0;
		remember(start);
	}
	switch (guard_judge(&facts, text, sizeof(text))) {
	case GUARD_MAY_START:
		host_start_vm(start);
		break;
	case GUARD_SILENT:
		silent(start, text);
		break;
	case GUARD_REFUSED:
		refused(start, text);
		break;
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
		note_started(start); /* libvirt did what there was to do at this boot */
		result = host_vm_set_autostart(libvirt, vm, false, start->text);
	}
	if (result == 0 && start->state == SOURCE_RUN_RUNNING) {
		note_started(start);
	}
	start->started = was_started(start);
	return result;
}

static void recorded_cb(void *arg, int error, const char *text)
{
	struct host_start *start = arg;

	stored_cb(NULL, error, text);
	host_start_later(start, error < 0 ? LOOK_MS : 0);
	engine_wake(start->engine);
}

static void look_cb(void *arg, int result)
{
	struct host_start *start = arg;
	struct engine *engine = start->engine;
	bool ours = host_start_is_ours(engine, start->contact.relationship);

	if (result == 0 && !is_still_wanted(start)) {
		host_start_later(start, LOOK_MS);
	} else if (result == 0 && start->autostart && !ours) {
		engine_event(engine, "notice", start->contact.vm,
			     "from now on the engine starts it with the host, after it has asked "
			     "the other side, and not libvirt");
		standing_set(engine, STANDING_AUTOSTART, start->contact.relationship,
			     STANDING_AUTOSTART_YES, recorded_cb, start);
	} else if (result == 0 && ours && !start->started) {
		start->answer = (struct order_answer){0};
		engine_epoch_known(engine, start->contact.relationship, engine->config->site,
				   &start->known);
		host_start_work(start, ask_run, ask_cb);
	} else {
		host_start_later(start, LOOK_MS);
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
