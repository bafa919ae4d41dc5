/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * protect, once more. A VM that is protected as asked is left as it is, and the other side is
 * enrolled again, which finds its replica or makes it anew. One that was interrupted between ENROLL
 * and our own resource is completed: before ENROLL its relationship is noted in the cluster's
 * settings ("<relationship> <broker>"), and the next protect goes on with that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/log.h"
#include "common/sha256.h"
#include "engine/protect_job.h"
#include "engine/standing.h"
#include "engine/vm_status.h"
#include "proto/validate.h"

#define INTENT_PREFIX	  "vmreplica-protecting-"
#define INTENT_HASH_BYTES 8
#define WAKE_FORWARD_MS	  20000

/* ---- what was interrupted ---- */

static void intent_name(const char *resource, char name[PROTECT_INTENT_NAME_LEN])
{
	uint8_t hash[SHA256_LEN] = {0};
	size_t used = sizeof(INTENT_PREFIX) - 1;

	sha256_of(resource, strlen(resource), hash); /* zeros when it fails: one name for all */
	memcpy(name, INTENT_PREFIX, used);
	for (size_t i = 0; i < INTENT_HASH_BYTES; i++) {
		snprintf(name + used + 2 * i, 3, "%02x", hash[i]);
	}
}

bool protect_is_interrupted(const struct engine *engine, const char *resource)
{
	char name[PROTECT_INTENT_NAME_LEN];

	intent_name(resource, name);
	return engine_setting(engine, name) != NULL;
}

void protect_note_intent(struct protect_job *job, cluster_done_cb done)
{
	struct cluster *cluster = &job->engine->cluster;
	char name[PROTECT_INTENT_NAME_LEN], value[RELATIONSHIP_LEN + 2 + VM_SETTINGS_HOST_LEN];
	const char *noted;
	int result;

	intent_name(job->resource, name);
	noted = engine_setting(job->engine, name);
	if (noted != NULL && strlen(noted) > RELATIONSHIP_LEN + 1 &&
	    noted[RELATIONSHIP_LEN] == ' ' && strcmp(noted + RELATIONSHIP_LEN + 1, job->to) == 0) {
		snprintf(value, sizeof(value), "%.*s", (int)RELATIONSHIP_LEN, noted);
		if (validate_uuid(value)) {
			memcpy(job->relationship, value, sizeof(job->relationship));
			done(job, 0, "");
			return;
		}
	}
	snprintf(value, sizeof(value), "%s %s", job->relationship, job->to);
	result = cluster->ops->set_setting(cluster, name, value, done, job);
	if (result < 0) {
		done(job, result, strerror(-result));
	}
}

static void forgotten_cb(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0 && error != -ENOENT) {
		log_warning("a note of an interrupted protect stays in the cluster's settings, "
			    "which does no harm: %s",
			    text);
	}
}

void protect_forget_intent(struct engine *engine, const char *resource)
{
	struct cluster *cluster = &engine->cluster;
	char name[PROTECT_INTENT_NAME_LEN];
	int result;

	intent_name(resource, name);
	result = cluster->ops->set_setting(cluster, name, NULL, forgotten_cb, NULL);
	if (result < 0) {
		forgotten_cb(NULL, result, strerror(-result));
	}
}

/* ---- what is protected already ---- */

/* Say how a parameter of the resource is changed. */
static void say_how(const struct vm_settings *existing, bool standalone, const char *parameter,
		    const char *value, char how[REASON_MAX])
{
	if (standalone) {
		snprintf(how, REASON_MAX, "set %s = %.300s in /etc/vmreplica/vms.d/%s.conf",
			 parameter, value, existing->resource);
	} else {
		snprintf(how, REASON_MAX, "change it with: pcs resource update %s %s=%.300s",
			 existing->resource, parameter, value);
	}
}

static bool differs_in_peer(const struct vm_settings *existing, const char *to)
{
	char host[VM_SETTINGS_HOST_LEN];
	uint16_t port;

	return peer_address_parse(to, BROKER_PORT, host, &port) == 0 &&
	       (strcasecmp(host, existing->peer_host) != 0 || port != existing->peer_port);
}

static bool differs_in_disks(const struct vm_settings *existing,
			     const Vmreplica__Admin__ProtectRequest *request, char list[REASON_MAX])
{
	bool differs =
		request->n_exclude_disks > 0 && request->n_exclude_disks != existing->exclude_count;
	size_t used = 0;

	list[0] = '\0';
	for (size_t i = 0; i < request->n_exclude_disks; i++) {
		bool found = false;

		for (size_t k = 0; k < existing->exclude_count; k++) {
			found = found ||
				strcmp(request->exclude_disks[i], existing->exclude_disks[k]) == 0;
		}
		differs = differs || !found;
		used += (size_t)snprintf(list + used, REASON_MAX - used, "%s%.*s", i > 0 ? "," : "",
					 (int)DISK_NAME_MAX, request->exclude_disks[i]);
		if (used >= REASON_MAX) {
			break; /* cut off: it is only shown */
		}
	}
	return differs;
}

/* What is asked of recovery points, when anything is. */
static bool differs_in_points(const struct vm_settings *existing,
			      const Vmreplica__PointSettings *asked, bool standalone,
			      char what[REASON_MAX], char how[REASON_MAX])
{
	char value[16];

	if (asked == NULL) {
		return false;
	}
	if (asked->points != existing->points) {
		snprintf(what, REASON_MAX, "it keeps %u recovery points", existing->points);
		snprintf(value, sizeof(value), "%u", asked->points);
		say_how(existing, standalone, "points", value, how);
	} else if (asked->interval_s != existing->point_interval_s) {
		snprintf(what, REASON_MAX, "its recovery points are %u s apart",
			 existing->point_interval_s);
		snprintf(value, sizeof(value), "%u", asked->interval_s);
		say_how(existing, standalone, "point_interval", value, how);
	} else if (asked->app_interval_s != existing->app_interval_s) {
		snprintf(what, REASON_MAX, "its application-consistent points are %u s apart",
			 existing->app_interval_s);
		snprintf(value, sizeof(value), "%u", asked->app_interval_s);
		say_how(existing, standalone, "app_interval", value, how);
	} else {
		return false;
	}
	return true;
}

/* One word for each policy. */
static const char *resync_normal(const char *asked, char value[REASON_MAX])
{
	struct resync_policy policy = {.kind = RESYNC_AUTOMATIC};
	char text[RESYNC_POLICY_LEN];

	resync_policy_parse(asked, &policy); /* checked with the request */
	snprintf(value, REASON_MAX, "%s", resync_policy_format(&policy, text));
	return value;
}

bool protect_differs(const struct vm_settings *existing,
		     const Vmreplica__Admin__ProtectRequest *request, bool standalone,
		     char what[REASON_MAX], char how[REASON_MAX])
{
	char value[REASON_MAX], resync[RESYNC_POLICY_LEN];

	if (differs_in_peer(existing, request->to)) {
		snprintf(what, REASON_MAX, "it replicates to %s", existing->peer);
		snprintf(how, REASON_MAX, "vmreplica unprotect %s first", existing->vm);
	} else if (request->frequency_s != 0 && request->frequency_s != existing->frequency_s) {
		snprintf(what, REASON_MAX, "its frequency is %u s", existing->frequency_s);
		snprintf(value, sizeof(value), "%u", request->frequency_s);
		say_how(existing, standalone, "frequency", value, how);
	} else if (request->bandwidth_bytes_per_s != 0 &&
		   request->bandwidth_bytes_per_s != existing->bandwidth_bytes_per_s) {
		snprintf(what, REASON_MAX, "its bandwidth is %llu bytes per second%s",
			 (unsigned long long)existing->bandwidth_bytes_per_s,
			 existing->bandwidth_bytes_per_s == 0 ? " (no limit)" : "");
		snprintf(value, sizeof(value), "%llu",
			 (unsigned long long)request->bandwidth_bytes_per_s);
		say_how(existing, standalone, "bandwidth", value, how);
	} else if (request->resync[0] != '\0' &&
		   strcmp(resync_normal(request->resync, value),
			  resync_policy_format(&existing->resync, resync)) != 0) {
		snprintf(what, REASON_MAX, "its resync is %s", resync);
		say_how(existing, standalone, "resync", value, how);
	} else if (differs_in_disks(existing, request, value)) {
		snprintf(what, REASON_MAX, "it excludes %zu disks", existing->exclude_count);
		say_how(existing, standalone, "exclude_disks", value, how);
	} else {
		return differs_in_points(existing, request->points, standalone, what, how);
	}
	return true;
}

/* What the request left open is as it is. */
static int repeat_take_excluded(struct protect_job *job, const struct vm_settings *settings)
{
	for (size_t i = job->exclude_count; i < settings->exclude_count && i < DISKS_MAX; i++) {
		job->exclude[i] = strdup(settings->exclude_disks[i]);
		if (job->exclude[i] == NULL) {
			return -ENOMEM;
		}
		job->exclude_count++;
	}
	return 0;
}

int protect_repeat(struct protect_job *job, const Vmreplica__Admin__ProtectRequest *request,
		   const Vmreplica__Ipc__CibResource *existing, char text[REASON_MAX],
		   char advice[REASON_MAX])
{
	char error[VM_SETTINGS_ERROR_LEN], what[REASON_MAX];
	struct vm_settings settings = {0};
	int result = vm_settings_from_resource(existing, &settings, error);

	if (result < 0) {
		snprintf(text, REASON_MAX, "%s is protected already, by resource %s, but: %s",
			 request->vm, existing->id, error);
		snprintf(advice, REASON_MAX, "correct the resource, or vmreplica unprotect %s",
			 request->vm);
		return result;
	}
	if (protect_differs(&settings, request, job->engine->config->standalone, what, advice)) {
		snprintf(text, REASON_MAX, "%.64s is protected already, by resource %.128s: %.200s",
			 request->vm, existing->id, what);
		result = -EEXIST;
	} else {
		job->repeated = true;
		job->frequency_s = settings.frequency_s;
		job->points.points = settings.points;
		job->points.interval_s = settings.point_interval_s;
		job->points.app_interval_s = settings.app_interval_s;
		snprintf(job->resource, sizeof(job->resource), "%s", settings.resource);
		snprintf(job->relationship, sizeof(job->relationship), "%s", settings.relationship);
		snprintf(job->vm.name, sizeof(job->vm.name), "%s", settings.vm);
		snprintf(job->vm.resource, sizeof(job->vm.resource), "%s", settings.vm_resource);
		result = repeat_take_excluded(job, &settings);
		snprintf(text, REASON_MAX, "out of memory");
		advice[0] = '\0';
	}
	vm_settings_destroy(&settings);
	return result;
}

/* ---- the owner ---- */

static void woken_cb(void *arg, int error, const Vmreplica__Admin__Response *response)
{
	/* it would have looked again by itself, only later */
	(void)arg;
	(void)error;
	(void)response;
}

void protect_wake_owner(struct protect_job *job)
{
	const struct table_vm *owner = cluster_table_find(&job->engine->table, job->relationship,
							  VMREPLICA__ROLE__ROLE_PRIMARY);
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__SyncRequest sync = VMREPLICA__ADMIN__SYNC_REQUEST__INIT;

	if (job->dry_run || owner == NULL || owner->gone ||
	    standing_get(job->engine, STANDING_START_AT, job->relationship) != NULL) {
		return;
	}
	sync.vm = job->relationship;
	request.to = vm_status_borrow(owner->node);
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_SYNC;
	request.sync = &sync;
	forward_request(job->engine->forward, owner->node, &request, WAKE_FORWARD_MS, woken_cb,
			NULL);
}
