/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A planned failover's first step: may it be done, and could the other side run the VM? */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/authorization.h"
#include "engine/adopted_disks.h"
#include "engine/failover_place.h"
#include "engine/host_vm.h"
#include "engine/own_definition.h"
#include "engine/planned.h"
#include "engine/source_run.h"

#define RETRY_MS       1000
#define READY_LIMIT_MS 60000
/* An older peer cannot be asked whether it could. */
#define OLDER_REFUSAL "TAKE without an epoch"

struct relationship *planned_sender(const struct planned *planned)
{
	return engine_find_relationship(planned->engine, planned->contact.relationship);
}

const struct placement_resource *planned_place(const struct planned *planned)
{
	return engine_find_place(planned->engine, planned->contact.vm_resource);
}

bool planned_is_refused(const struct planned *planned)
{
	return planned->trouble.outcome == SCHEDULE_DENIED;
}

/* Can this side become the replica? */
static int check_disks(struct planned *planned)
{
	const char *excluded[DISKS_MAX + 1] = {NULL};

	for (size_t i = 0; i < planned->excluded_count; i++) {
		excluded[i] = planned->excluded[i];
	}
	return adopted_disks_check(planned->definition, excluded, planned->text);
}

int planned_query_run(void *arg)
{
	struct planned *planned = arg;
	struct locate_client client = peer_contact_client(&planned->contact, planned->engine->tls);

	return order_client_query(&client, planned->contact.relationship,
				  planned->engine->config->site, NULL, &planned->answer,
				  &planned->trouble);
}

/* Could the other side run it? Asked before anything is stopped. */
static int ready_run(void *arg)
{
	struct planned *planned = arg;
	struct locate_client client = peer_contact_client(&planned->contact, planned->engine->tls);
	Vmreplica__Wire__Order order = VMREPLICA__WIRE__ORDER__INIT;

	order.kind = VMREPLICA__WIRE__ORDER_KIND__ORDER_TAKE;
	order.ask = true;
	order.relationship = planned->contact.relationship;
	order.site = planned->engine->config->site;
	order.peer_address = planned->address;
	planned->trouble = (struct trouble){0};
	return order_client_order(&client, &order, &planned->result, &planned->trouble);
}

static void ready_cb(void *arg, int result)
{
	struct planned *planned = arg;
	bool refused = result < 0 && planned_is_refused(planned);

	planned->busy = false;
	if (result == 0 && planned->result.done && planned->result.text[0] != '\0') {
		failover_job_warn(planned->job, "%s", planned->result.text);
	}
	if ((result == 0 && planned->result.done) ||
	    (refused && strstr(planned->trouble.text, OLDER_REFUSAL) != NULL)) {
		planned_event(planned, PLANNED_EVENT_DONE);
	} else if (refused) {
		planned_failed(planned, result,
			       "mend that there, then order it again; vmreplica check there shows "
			       "what the VM lacks",
			       "the other side could not run it: %s", planned->trouble.text);
	} else {
		planned_later(planned, RETRY_MS, READY_LIMIT_MS,
			      "whether the other side could run it: %s",
			      result < 0 ? planned->trouble.text : planned->result.text);
	}
}

/* May the other side's VM have its replica here? False with the step failed. */
static bool check_way_back(struct planned *planned)
{
	struct authorization_table table = {0};
	const struct authorization_entry *entry;
	bool authorized;

	if (authorization_table_load(engine_settings(planned->engine), &table, NULL) < 0) {
		planned_failed(planned, -ENOMEM, "order it again", "out of memory");
		return false;
	}
	entry = authorization_match_name(&table, planned->answer.site);
	authorized = entry != NULL;
	if (authorized) {
		failover_place_warn(planned->job, entry->storage, planned->contact.vm);
	}
	authorization_table_destroy(&table);
	if (!authorized) {
		planned_failed(planned, -EACCES,
			       "vmreplica authorize add SITE --storage DIRECTORY, on this side",
			       "%s is not authorized here: %s could not replicate back",
			       planned->answer.site, planned->contact.vm);
	}
	return authorized;
}

static void check_peer(struct planned *planned)
{
	const struct order_answer *answer = &planned->answer;

	if (!answer->known || answer->role != VMREPLICA__ROLE__ROLE_REPLICA) {
		planned_failed(planned, -ENOENT, "vmreplica status there shows what it has",
			       "the other side has no replica of %s", planned->contact.vm);
	} else if (answer->job[0] != '\0') {
		planned_failed(planned, -EBUSY, "vmreplica jobs there shows it",
			       "job %s of %s is under way on the other side", answer->job,
			       planned->contact.vm);
	} else if (answer->node[0] == '\0') {
		planned_failed(planned, -EAGAIN, "pcs status there shows its resource",
			       "no node of %s has the replica at the moment", answer->site);
	} else if (check_way_back(planned)) {
		snprintf(planned->peer_site, sizeof(planned->peer_site), "%s", answer->site);
		planned_work(planned, ready_run, ready_cb);
	}
}

/* Without a cluster only libvirt knows whether it runs. */
static int check_run(void *arg)
{
	struct planned *planned = arg;
	enum source_run_state state;
	int result;

	planned->is_off = false;
	if (planned->engine->config->standalone) {
		result = source_run_state(planned->engine->libvirt, planned->contact.vm, &state,
					  planned->text);
		planned->is_off = result < 0 || state != SOURCE_RUN_RUNNING;
		if (planned->is_off) {
			return result < 0 ? result : -EAGAIN;
		}
		/* what is saved of it may be of its last stop, or nothing */
		result = host_vm_save(planned->engine->libvirt, planned->contact.vm,
				      planned->definition, planned->text);
		if (result < 0) {
			return -ENOTSUP; /* text says why */
		}
	}
	if (check_disks(planned) == -ENOTSUP) {
		return -ENOTSUP;
	}
	return planned_query_run(planned);
}

static void checked_cb(void *arg, int result)
{
	struct planned *planned = arg;

	planned->busy = false;
	if (!planned->is_off && result == -ENOTSUP) {
		planned_failed(planned, result, "nothing was changed", "%s", planned->text);
	} else if (planned->is_off) {
		planned_failed(planned, result, "start it, then order it again",
			       "%s does not run here%s%s", planned->contact.vm,
			       planned->text[0] != '\0' ? ": " : "", planned->text);
	} else if (result < 0) {
		planned_failed(
			planned, result,
			"when the other side is gone: vmreplica failover VM --unplanned there",
			"the other side does not answer: %s", planned->trouble.text);
	} else {
		check_peer(planned);
	}
}

/* The VM here: runs, does not move, is replicated well. False with the step failed. */
static bool check_here(struct planned *planned)
{
	const struct relationship *rel = planned_sender(planned);
	const struct placement_resource *place = planned_place(planned);
	const char *vm = planned->contact.vm;

	if (rel == NULL ||
	    (!planned->engine->config->standalone &&
	     (place == NULL || place->state != PLACEMENT_RUNNING || place->pending != NULL))) {
		planned_failed(planned, -EAGAIN, "wait until it is at rest: pcs status",
			       "%s is not running, or moving", vm);
		return false;
	}
	if (rel->state.state != VMREPLICA__STATE__STATE_REPLICATING ||
	    rel->verdict.health == VMREPLICA__HEALTH__HEALTH_CRITICAL ||
	    rel->last_replicated_ms == 0) {
		planned_failed(planned, -EIO, "vmreplica status VM says what to do",
			       "the replica of %s is not healthy: %s%s%s", vm,
			       state_to_string(rel->state.state),
			       rel->verdict.reason[0] != '\0' ? ": " : "", rel->verdict.reason);
		return false;
	}
	return true;
}

static void note_excluded(struct planned *planned)
{
	const struct vm_settings *settings = &planned_sender(planned)->settings;

	planned->excluded_count = settings->exclude_count;
	for (size_t i = 0; i < settings->exclude_count; i++) {
		memcpy(planned->excluded[i], settings->exclude_disks[i],
		       sizeof(planned->excluded[i]));
	}
}

void planned_step_check(struct planned *planned)
{
	if (check_here(planned)) {
		own_definition_find(planned->engine, planned->contact.relationship,
				    planned->contact.vm_resource, planned->definition);
		note_excluded(planned);
		planned_work(planned, check_run, checked_cb);
	}
}
