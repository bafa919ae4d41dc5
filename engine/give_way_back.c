/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an old primary's side has done to make way is taken back: the other side cancels its
 * failover. And who waits for that side to give the VM back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/epoch.h"
#include "engine/give_way.h"
#include "engine/give_way_keep.h"
#include "engine/host_vm.h"
#include "engine/own_definition.h"
#include "engine/source_define.h"
#include "engine/standing.h"
#include "engine/switch_change.h"

#define WATCH_MS 5000

/* ---- taking back ---- */

struct back_job {
	struct engine *engine;
	struct peer_contact contact;
	char stays[JOB_ID_LEN + 1];
	bool is_ours; /* this side holds the epoch again */
	bool runs;    /* the VM was to run before */
	char definition[PATH_LEN_MAX + 1];
	cluster_done_cb done;
	void *arg;
	char text[SOURCE_ERROR_LEN];
};

bool give_way_ran(const char *standing)
{
	const char *word = standing != NULL ? strchr(standing, ' ') : NULL;

	return word != NULL && strcmp(word + 1, STANDING_WAY_RUN) == 0;
}

int give_way_definition_back(const char *path)
{
	char kept[PATH_LEN_MAX + sizeof(GIVE_WAY_KEPT_SUFFIX)];

	if (snprintf(kept, sizeof(kept), "%s" GIVE_WAY_KEPT_SUFFIX, path) >= (int)sizeof(kept)) {
		return -ENAMETOOLONG;
	}
	if (access(path, F_OK) == 0 || access(kept, F_OK) != 0) {
		return 0;
	}
	return rename(kept, path) == 0 ? 0 : -errno;
}

/* libvirt had to forget it. One that was off is as it was, then: defined. */
static int host_take_back(struct back_job *job)
{
	struct source_connection *libvirt = job->engine->libvirt;

	return job->runs ? host_vm_start(libvirt, job->contact.vm, job->definition, job->text)
			 : host_vm_define(libvirt, job->contact.vm, job->definition, job->text);
}

static int back_run(void *arg)
{
	struct back_job *job = arg;
	int result;

	if (job->engine->config->standalone) {
		return job->is_ours ? host_take_back(job) : 0;
	}
	result = job->definition[0] != '\0' ? give_way_definition_back(job->definition) : 0;
	if (result < 0) {
		snprintf(job->text, sizeof(job->text), "%.200s: %s", job->definition,
			 strerror(-result));
		return result;
	}
	return source_undefine(job->engine->libvirt, job->contact.vm, job->text);
}

static void back_end(struct back_job *job, int error, const char *text)
{
	job->done(job->arg, error, text);
	free(job);
}

static void changed_cb(void *arg, int error, const char *text)
{
	struct back_job *job = arg;

	if (error == 0) {
		engine_event(job->engine, "notice", job->contact.vm,
			     job->is_ours ? "it was given back, and no longer makes way"
					  : "it makes way no longer: the failover of the other "
					    "side is cancelled there");
	}
	back_end(job, error, text);
}

/* What a primary's resource has of order and colocation comes back; with the epoch the VM, too. */
static void back_change(struct back_job *job)
{
	struct cluster *cluster = &job->engine->cluster;
	const char *relationship = job->contact.relationship;
	struct switch_change change;
	char primary[] = "primary";
	int result;

	switch_change_init(&change);
	if (job->is_ours) {
		switch_change_setting(&change, STANDING_WAY, relationship, "");
	}
	if (job->is_ours || job->stays[0] != '\0') {
		switch_change_setting(&change, STANDING_STAYS, relationship,
				      job->is_ours ? "" : job->stays);
	}
	change.request.resource = job->contact.resource;
	change.request.from_role = primary;
	if (!job->engine->config->standalone) {
		change.request.vm_resource = job->contact.vm_resource;
		change.request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_ADD;
		change.request.target = job->is_ours && job->runs
						? VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STARTED
						: VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_KEEP;
	}
	result = cluster->ops->switch_role(cluster, &change.request, changed_cb, job);
	if (result < 0) {
		changed_cb(job, result, "Pacemaker is not reached");
	}
}

static void back_done(void *arg, int result)
{
	struct back_job *job = arg;

	if (result < 0) {
		back_end(job, result, job->text[0] != '\0' ? job->text : strerror(-result));
	} else {
		back_change(job);
	}
}

void give_way_take_back(struct engine *engine, const struct peer_contact *contact,
			const char *stays, cluster_done_cb done, void *arg)
{
	struct back_job *job = calloc(1, sizeof(*job));
	struct epoch known;

	if (job == NULL) {
		done(arg, -ENOMEM, "out of memory");
		return;
	}
	job->engine = engine;
	job->contact = *contact;
	job->done = done;
	job->arg = arg;
	snprintf(job->stays, sizeof(job->stays), "%s", stays);
	engine_epoch_known(engine, contact->relationship, engine->config->site, &known);
	job->is_ours = epoch_is_held_by(&known, engine->config->site);
	job->runs = give_way_ran(standing_get(engine, STANDING_WAY, contact->relationship));
	own_definition_find(engine, contact->relationship, contact->vm_resource, job->definition);
	if (workers_submit(engine->task_workers, back_run, back_done, job) < 0) {
		back_end(job, -EAGAIN, "the engine is busy");
	}
}

/* ---- waiting for the other side's word ---- */

struct watch_job {
	struct engine *engine;
	struct peer_contact contact;
	struct epoch known;
	struct order_answer answer;
	struct trouble trouble;
};

static int watch_run(void *arg)
{
	struct watch_job *job = arg;
	struct locate_client client = peer_contact_client(&job->contact, job->engine->tls);

	return order_client_query(&client, job->contact.relationship, job->engine->config->site,
				  &job->known, &job->answer, &job->trouble);
}

static void heard_cb(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0) {
		log_warning("the other side's epoch cannot be recorded now: %s", text);
	}
}

static void watch_done(void *arg, int result)
{
	struct watch_job *job = arg;
	enum epoch_verdict verdict =
		epoch_judge(&job->known, &job->answer.epoch, job->engine->config->site);

	job->engine->way_watches--;
	if (result == 0 && job->answer.known &&
	    (verdict == EPOCH_GRANTED || verdict == EPOCH_LOST)) {
		engine_epoch_store(job->engine, job->contact.relationship, &job->answer.epoch,
				   heard_cb, NULL);
	}
	free(job);
}

static void watched_back_cb(void *arg, int error, const char *text)
{
	struct engine *engine = arg;

	engine->way_watches--;
	if (error < 0) {
		log_warning("a VM that was given back cannot be taken yet: %s", text);
	}
}

static void watch_ask(struct engine *engine, const struct peer_contact *contact,
		      const struct epoch *known)
{
	struct watch_job *job = calloc(1, sizeof(*job));

	if (job == NULL) {
		return;
	}
	*job = (struct watch_job){.engine = engine, .contact = *contact, .known = *known};
	if (workers_submit(engine->task_workers, watch_run, watch_done, job) < 0) {
		free(job);
		return;
	}
	engine->way_watches++;
}

static void watch_one(struct engine *engine, const char *relationship)
{
	struct peer_contact contact;
	struct epoch known;

	if (peer_contact_find(engine, relationship, &contact) < 0 ||
	    contact.role != VMREPLICA__ROLE__ROLE_PRIMARY) {
		return;
	}
	engine_epoch_known(engine, relationship, engine->config->site, &known);
	if (!epoch_is_held_by(&known, engine->config->site)) {
		watch_ask(engine, &contact, &known);
	} else if (failover_job_running_id(engine, relationship)[0] == '\0') {
		/* whoever still makes way takes it back by itself */
		engine->way_watches++;
		give_way_take_back(engine, &contact, "", watched_back_cb, engine);
	}
}

void give_way_watch(struct engine *engine, int64_t now_ms)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);
	const size_t prefix = sizeof(STANDING_WAY) - 1, other = sizeof(STANDING_STAYS) - 1;

	if (settings == NULL || engine->way_watches > 0 || now_ms < engine->way_watch_ms) {
		return;
	}
	engine->way_watch_ms = now_ms + WATCH_MS;
	for (size_t i = 0; i < settings->n_settings; i++) {
		const char *name = settings->settings[i]->name;

		if (strncmp(name, STANDING_WAY, prefix) == 0) {
			watch_one(engine, name + prefix);
		} else if (strncmp(name, STANDING_STAYS, other) == 0 &&
			   standing_get(engine, STANDING_WAY, name + other) == NULL) {
			watch_one(engine, name + other);
		}
	}
}
