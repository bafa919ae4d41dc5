/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host has booted: the other side is asked whether it holds the VM, and the VM started. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "engine/epoch.h"
#include "engine/failover_images.h"
#include "engine/guard.h"
#include "engine/host_start.h"
#include "engine/host_start_private.h"
#include "engine/own_definition.h"
#include "engine/source_rpc.h"
#include "engine/standing.h"

#define PATIENCE_MS 60000 /* as ocf:vmreplica:guard's */

/* ---- starting ---- */

/* A VM that failed over to here. What libvirt has of it is started if it stands on the store, with
 * what an admin changed since; whatever else goes by its name (the VM of the time when this host
 * was the primary, on disks that are the store's base now) would write below the store's layers. */
static int start_failed_over(struct host_start *start)
{
	struct source_connection *libvirt = start->engine->libvirt;
	cleanup_free char *xml = NULL;
	char images[PATH_LEN_MAX + 2];
	int result;

	if (access(start->definition, R_OK) < 0) {
		result = -errno;
		snprintf(start->text, sizeof(start->text),
			 "the definition that the failover made, %.200s: %s; bring it back, or "
			 "order vmreplica failover --cancel",
			 start->definition, strerror(-result));
		return result == -ENOENT ? -ENODATA : result;
	}
	snprintf(images, sizeof(images), "%s/", start->store);
	result = source_rpc_definition(libvirt, start->contact.vm, &xml, start->text);
	if (result == 0 && strstr(xml, images) != NULL) {
		return host_vm_start(libvirt, start->contact.vm, start->definition, start->text);
	}
	return result < 0 && result != -ENOENT
		       ? result
		       : host_vm_define_and_start(libvirt, start->contact.vm, start->definition,
						  start->text);
}

static int start_run(void *arg)
{
	struct host_start *start = arg;
	int result = start->is_replica ? start_failed_over(start)
				       : host_vm_start(start->engine->libvirt, start->contact.vm,
						       start->definition, start->text);

	if (result == 0) {
		host_start_note(start);
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
	host_start_later(start, HOST_START_LOOK_MS);
}

/* False: a replica whose store the engine does not have (yet). */
static bool find_definition(struct host_start *start)
{
	const struct engine *engine = start->engine;
	const struct replica *replica = engine_find_replica(engine, start->contact.relationship);

	start->is_replica = start->contact.role == VMREPLICA__ROLE__ROLE_REPLICA;
	if (!start->is_replica) {
		return own_definition_find(engine, start->contact.relationship,
					   start->contact.vm_resource, start->definition);
	}
	if (replica == NULL || replica->directory[0] != '/') {
		return false;
	}
	memcpy(start->store, replica->directory, sizeof(start->store));
	failover_definition_path(replica, false, start->definition);
	return true;
}

static void host_start_vm(struct host_start *start)
{
	host_start_work(start, start_run, start_cb);
}

/* ---- asking ---- */

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
		engine_epoch_store(engine, id, &start->answer.epoch, host_start_stored_cb, NULL);
	}
	if (standing_get(engine, STANDING_BLIND, id) != NULL) {
		standing_set(engine, STANDING_BLIND, id, NULL, host_start_stored_cb, NULL);
	}
}

static void refused(struct host_start *start, const char *text)
{
	if (!start->told) {
		start->told = true;
		engine_event(start->engine, "error", start->contact.vm,
			     "is not started with the host: %s", text);
	}
	host_start_later(start, HOST_START_LOOK_MS);
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
		host_start_later(start, HOST_START_ASK_MS);
		return;
	}
	engine_event(start->engine, "error", start->contact.vm,
		     "started while the other side was silent: whether it was failed over there is "
		     "not known");
	standing_set(start->engine, STANDING_BLIND, start->contact.relationship, "1",
		     host_start_stored_cb, NULL);
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

	if (!host_start_is_wanted(start)) {
		host_start_later(start, HOST_START_LOOK_MS);
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

/* The store is attached in the first moments; that it is not yet is no news. */
static void no_store(struct host_start *start)
{
	int64_t now = clock_monotonic_ms();

	if (start->no_store_ms == 0) {
		start->no_store_ms = now;
	}
	if (now - start->no_store_ms >= PATIENCE_MS) {
		refused(start, "it failed over to here, and its store is not attached: vmreplica "
			       "status says why");
	} else {
		host_start_later(start, HOST_START_ASK_MS);
	}
}

void host_start_ask(struct host_start *start)
{
	if (!find_definition(start)) {
		no_store(start);
		return;
	}
	start->no_store_ms = 0;
	start->answer = (struct order_answer){0};
	engine_epoch_known(start->engine, start->contact.relationship, start->engine->config->site,
			   &start->known);
	host_start_work(start, ask_run, ask_cb);
}
