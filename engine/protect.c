/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/protect.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "engine/extended.h"
#include "engine/inspect.h"
#include "engine/protect_job.h"
#include "proto/names.h"
#include "proto/validate.h"
#include "proto/validate_fields.h"

#define GUEST_AGENT_CHANNEL "org.qemu.guest_agent.0"

void protect_free(struct protect_job *job)
{
	protect_vm_destroy(&job->vm);
	for (size_t i = 0; i < job->exclude_count; i++) {
		free(job->exclude[i]);
	}
	for (size_t i = 0; i < job->map_count; i++) {
		free(job->maps[i]);
	}
	free(job->domain_xml);
	locate_enrolled_destroy(&job->enrolled);
	free(job);
}

void protect_fail(struct protect_job *job, int error, const char *advice, const char *format, ...)
{
	char text[REASON_MAX * 2];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	admin_call_fail(job->call, error, advice, "%s", text);
	protect_free(job);
}

/* ---- the other side ---- */

static int enroll_run(void *arg)
{
	struct protect_job *job = arg;
	struct locate_client client = {
		.tls = job->engine->tls, .host = job->host, .port = job->port};
	Vmreplica__Wire__Enroll enroll = VMREPLICA__WIRE__ENROLL__INIT;
	Vmreplica__Wire__Disk disks[DISKS_MAX], *pointers[DISKS_MAX];

	if (job->definition_path[0] != '\0') {
		protect_extended_read_definition(job);
	}
	for (size_t i = 0; i < job->disk_count; i++) {
		vmreplica__wire__disk__init(&disks[i]);
		disks[i].name = job->disks[i].name;
		disks[i].size_bytes = job->disks[i].size_bytes;
		pointers[i] = &disks[i];
	}
	enroll.relationship = job->relationship;
	enroll.vm = job->vm.name;
	enroll.site = job->engine->config->site;
	enroll.frequency_s = job->frequency_s;
	/* asked again: the replica keeps the settings that its own side has given it since */
	enroll.points = job->repeated && !job->points_named ? NULL : &job->points;
	enroll.disks = pointers;
	enroll.n_disks = job->disk_count;
	enroll.dry_run = job->dry_run;
	enroll.domain_xml.data = (uint8_t *)job->domain_xml;
	enroll.domain_xml.len = job->domain_xml_len;
	enroll.maps = job->maps;
	enroll.n_maps = job->map_count;
	enroll.force = job->force;
	return locate_client_enroll(&client, &enroll, &job->enrolled, &job->trouble);
}

static const char *enroll_advice(const struct trouble *trouble)
{
	if (strcmp(trouble->code, "unfit") == 0) {
		return "do as it says, there or with the VM; --force protects it all the same";
	}
	if (strcmp(trouble->code, "not-authorized") == 0) {
		return "authorize this site there: vmreplica authorize add SITE --storage "
		       "DIRECTORY";
	}
	if (strcmp(trouble->code, "certificate") == 0 ||
	    strcmp(trouble->code, "own-certificate") == 0) {
		return "vmreplica check says which certificate is wrong";
	}
	if (trouble->outcome == SCHEDULE_DENIED) {
		return ""; /* their reason says what to do there */
	}
	return "vmreplica check says what is missing; then try again";
}

/* Protected already, with another time to begin. */
static void restarted_cb(void *arg, int error, const char *text)
{
	struct protect_job *job = arg;

	if (error < 0) {
		protect_fail(job, error, "look at Pacemaker here (pcs status), then try again",
			     "the cluster's settings cannot be changed: %s", text);
		return;
	}
	protect_forget_intent(job->engine, job->resource);
	protect_reply(job, NULL);
	protect_free(job);
}

/* It would only be seen when the first point is due. */
static void warn_of_agent(struct protect_job *job)
{
	if (job->points.app_interval_s > 0 && job->domain_xml != NULL &&
	    memmem(job->domain_xml, job->domain_xml_len, GUEST_AGENT_CHANNEL,
		   strlen(GUEST_AGENT_CHANNEL)) == NULL) {
		sentence_list_add(&job->enrolled.warnings,
				  "the VM has no channel " GUEST_AGENT_CHANNEL
				  ": without it, and qemu-guest-agent in the guest, its recovery "
				  "points are only crash-consistent");
	}
}

static void enroll_done(void *arg, int result)
{
	struct protect_job *job = arg;

	if (result < 0) {
		if (!job->dry_run && !job->repeated && job->trouble.outcome == SCHEDULE_DENIED) {
			protect_forget_intent(job->engine, job->resource); /* nothing was made */
		}
		protect_fail(job, result, enroll_advice(&job->trouble), "%s%s%s",
			     job->repeated ? job->vm.name : "",
			     job->repeated ? " is protected already, but " : "", job->trouble.text);
		return;
	}
	if (job->domain_xml == NULL) {
		sentence_list_add(
			&job->enrolled.warnings,
			job->definition_path[0] != '\0'
				? "the VM's definition is on another node and was not "
				  "looked at now: vmreplica check on the other side does it"
				: "the VM's definition is too long to be looked at now: "
				  "vmreplica check on the other side does it");
	}
	warn_of_agent(job);
	if (job->repeated && job->start_at_ms != 0 && !job->dry_run) {
		protect_note_start(job, restarted_cb);
	} else if (job->repeated) {
		protect_forget_intent(job->engine, job->resource);
		protect_wake_owner(job);
		protect_reply(job, NULL);
		protect_free(job);
	} else if (job->dry_run) {
		protect_print(job);
	} else {
		protect_create(job);
	}
}

static void intent_noted_cb(void *arg, int error, const char *text)
{
	struct protect_job *job = arg;

	if (error < 0) {
		protect_fail(job, error, "look at Pacemaker here (pcs status), then try again",
			     "the cluster's settings cannot be changed: %s", text);
	} else if (workers_submit(job->engine->task_workers, enroll_run, enroll_done, job) < 0) {
		protect_fail(job, ENOMEM, "", "out of memory");
	}
}

/* ---- the disks ---- */

static bool protect_take_definition(struct protect_job *job, const ProtobufCBinaryData *xml)
{
	if (xml->len == 0) {
		return true;
	}
	job->domain_xml = malloc(xml->len);
	if (job->domain_xml == NULL) {
		return false;
	}
	memcpy(job->domain_xml, xml->data, xml->len);
	job->domain_xml_len = xml->len;
	return true;
}

void protect_inspected(struct protect_job *job)
{
	if (job->dry_run || job->repeated) {
		intent_noted_cb(job, 0, "");
	} else {
		protect_note_intent(job, intent_noted_cb);
	}
}

static void inspected_cb(void *arg, int error, const char *text,
			 const Vmreplica__Admin__InspectResponse *answer)
{
	struct protect_job *job = arg;

	if (error < 0) {
		protect_fail(job, error, "look at the VM where it runs: virsh list --all", "%s",
			     text);
		return;
	}
	if (answer->n_problems > 0 || answer->n_disks == 0) {
		protect_fail(job, ENOTSUP, "exclude the disk (--exclude-disk) or change it",
			     "%s cannot be protected: %s", job->vm.name,
			     answer->n_problems > 0 ? answer->problems[0] : "it has no disks");
		return;
	}
	for (size_t i = 0; i < answer->n_disks && i < DISKS_MAX; i++) {
		snprintf(job->disks[i].name, sizeof(job->disks[i].name), "%s",
			 answer->disks[i]->name);
		job->disks[i].size_bytes = answer->disks[i]->size_bytes;
		job->disk_count++;
	}
	if (!protect_take_definition(job, &answer->domain_xml)) {
		protect_fail(job, ENOMEM, "", "out of memory");
		return;
	}
	protect_inspected(job);
}

/* The node where it runs; a VM that is off is looked at from here. */
static const char *protect_node(struct protect_job *job)
{
	struct cluster *cluster = &job->engine->cluster;
	const struct placement *placement = cluster->ops->placement(cluster);
	const struct placement_resource *resource =
		placement != NULL ? placement_find(placement, job->vm.resource) : NULL;

	return resource != NULL ? resource->node : NULL;
}

static void protect_inspect(struct protect_job *job)
{
	int result = inspect_vm(job->engine, protect_node(job), job->vm.name, job->exclude,
				job->exclude_count, inspected_cb, job);

	if (result < 0) {
		protect_fail(job, result, "try again", "the VM cannot be looked at: %s",
			     strerror(-result));
	}
}

/* ---- the VM ---- */

static int choose_run(void *arg)
{
	struct protect_job *job = arg;

	return protect_vm_choose(&job->vm);
}

static void choose_done(void *arg, int result)
{
	struct protect_job *job = arg;

	if (result < 0) {
		protect_fail(job, ENOENT,
			     "it must be a resource of " VIRTUAL_DOMAIN_AGENT " (pcs resource)",
			     "no VM or resource is called %s", job->vm.asked);
		return;
	}
	if (snprintf(job->resource, sizeof(job->resource), "%s-replica", job->vm.resource) >=
	    (int)sizeof(job->resource)) {
		protect_fail(job, ENAMETOOLONG,
			     "give the VM's resource a shorter id (pcs resource)",
			     "resource %.40s... has an id of more than %zu characters, and its "
			     "replication's would end in -replica after that",
			     job->vm.resource, RESOURCE_ID_MAX - strlen("-replica"));
		return;
	}
	protect_inspect(job);
}

static void protect_find_vm(struct protect_job *job)
{
	if (job->engine->config->standalone) {
		/* no resources here: libvirt alone knows it */
		if (!validate_vm_name(job->vm.asked)) {
			protect_fail(job, EINVAL, "", "\"%s\" is not a VM's name", job->vm.asked);
			return;
		}
		snprintf(job->vm.name, sizeof(job->vm.name), "%.*s", (int)VM_NAME_MAX,
			 job->vm.asked);
		snprintf(job->resource, sizeof(job->resource), "%s-replica", job->vm.name);
		protect_inspect(job);
		return;
	}
	if (protect_vm_list(&job->vm, engine_settings(job->engine)) < 0 ||
	    workers_submit(job->engine->task_workers, choose_run, choose_done, job) < 0) {
		protect_fail(job, ENOMEM, "", "out of memory");
	}
}

/* ---- the request ---- */

static bool protect_refuse(struct admin_call *call)
{
	struct engine *engine = admin_call_engine(call);
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(engine);

	if (settings == NULL) {
		admin_call_fail(
			call, EAGAIN,
			"try again in a moment; if it stays, look at Pacemaker (pcs status)",
			"the cluster's configuration is not known yet");
		return true;
	}
	if (!engine->quorate) {
		admin_call_fail(call, EAGAIN, "", "no quorum: %s", engine->missing);
		return true;
	}
	return false;
}

static void protect_begin(struct protect_job *job, const Vmreplica__Admin__ProtectRequest *request)
{
	const Vmreplica__Ipc__CibSettings *settings = engine_settings(job->engine);
	const Vmreplica__Ipc__CibResource *existing = protect_find(settings, request->vm);
	const Vmreplica__Ipc__CibResource *replica =
		existing == NULL ? extended_find_replica(settings, request->vm)
				 : extended_find_source(settings,
							protect_parameter(existing, "vm_resource"));
	char text[REASON_MAX], advice[REASON_MAX];
	int result;

	if (existing == NULL && replica != NULL && !extended_is_other_vm(settings, request->vm)) {
		protect_extended(job, replica, request->frequency_s != 0);
		return;
	}
	if (existing == NULL) {
		protect_find_vm(job);
		return;
	}
	result = protect_repeat(job, request, existing, text, advice);
	if (result < 0) {
		protect_fail(job, result, advice, "%s", text);
	} else if (replica != NULL) {
		protect_extended_inspect(job, replica);
	} else {
		protect_inspect(job);
	}
}

void admin_protect(struct admin_call *call, const Vmreplica__Admin__ProtectRequest *request)
{
	struct protect_job *job;
	char text[NETWORK_MAP_ERROR_LEN] = "too many maps of networks";

	if (protect_is_misused(request, text, sizeof(text)) ||
	    protect_maps_are_misused(request, text, sizeof(text))) {
		admin_call_misused(call, "%s", text);
		return;
	}
	if (protect_refuse(call)) {
		return;
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	job->call = call;
	job->engine = admin_call_engine(call);
	snprintf(job->vm.asked, sizeof(job->vm.asked), "%s", request->vm);
	snprintf(job->to, sizeof(job->to), "%s", request->to);
	peer_address_parse(request->to, BROKER_PORT, job->host, &job->port);
	job->frequency_s = request->frequency_s != 0 ? request->frequency_s : FREQUENCY_DEFAULT_S;
	job->bandwidth = request->bandwidth_bytes_per_s;
	vmreplica__point_settings__init(&job->points);
	job->points.points = POINTS_DEFAULT;
	job->points.interval_s = POINT_INTERVAL_DEFAULT_S;
	if (request->points != NULL) {
		job->points = *request->points;
		job->points_named = true;
	}
	job->dry_run = request->dry_run;
	snprintf(job->resync, sizeof(job->resync), "%s", request->resync);
	job->start_at_ms = request->start_at_ms;
	job->existing_copy = request->existing_copy;
	job->force = request->force;
	snprintf(job->relationship, sizeof(job->relationship), "%s", request->relationship);
	if ((job->relationship[0] == '\0' && name_make_uuid(job->relationship) < 0) ||
	    !protect_take_excluded(job, request) || !protect_take_maps(job, request)) {
		protect_fail(job, ENOMEM, "", "out of memory");
		return;
	}
	protect_begin(job, request);
}
