/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A WITHDRAW carried out: delete the resource, wait until Pacemaker has stopped it, destroy the
 * store. Standing orders for it go with it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker/enrollment_internal.h"
#include "broker/replica_domain.h"
#include "cluster/epoch.h"
#include "cluster/standing_order.h"
#include "common/clock.h"
#include "common/log.h"

#define WITHDRAWAL_ARENA_BYTES (64u * 1024u)
#define WITHDRAWAL_FORWARD_MS  20000

static void withdrawal_answer(struct job *job)
{
	Vmreplica__Wire__Withdrawn withdrawn = VMREPLICA__WIRE__WITHDRAWN__INIT;

	job_answer(job, FRAME_WITHDRAWN, &withdrawn.base);
}

static void withdrawal_end(struct job *job)
{
	withdrawal_answer(job);
	job_free(job);
}

static void destroy_ask(struct job *job);

/* The store is not gone: ask again while there is time, because its resource may be stopping still.
 */
static void destroy_again(struct job *job, const char *why)
{
	int64_t waited = clock_monotonic_ms() - job->since_ms;

	if (waited < WITHDRAWAL_DESTROY_MS) {
		if (waited >= WITHDRAWAL_ANSWER_MS && !job->answered) {
			withdrawal_answer(job);
		}
		job_later(job, WITHDRAWAL_DESTROY_WAIT_MS, destroy_ask);
		return;
	}
	log_warning("the store of %s in %s is still there: %s; remove it by hand", job->withdraw.vm,
		    job->withdraw.storage, why);
	withdrawal_end(job);
}

static void destroy_reply_cb(void *arg, int error, const Vmreplica__Admin__Response *response)
{
	struct job *job = arg;

	if (error == -ECANCELED) {
		job_free(job);
		return;
	}
	if (error < 0) {
		destroy_again(job, error == -ETIMEDOUT ? "its engine does not answer"
						       : strerror(-error));
	} else if (response->error == EBUSY || response->error == EAGAIN) {
		destroy_again(job, response->text);
	} else if (response->error != 0 && response->error != ENOENT) {
		log_warning("the store of %s in %s on %s could not be destroyed: %s",
			    job->withdraw.vm, job->withdraw.storage, job->withdraw.node,
			    response->text);
		withdrawal_end(job);
	} else {
		log_notice("the store of %s in %s on %s is destroyed", job->withdraw.vm,
			   job->withdraw.storage, job->withdraw.node);
		withdrawal_end(job);
	}
}

static void destroy_ask(struct job *job)
{
	Vmreplica__Admin__Request request = VMREPLICA__ADMIN__REQUEST__INIT;
	Vmreplica__Admin__StoreRequest store = VMREPLICA__ADMIN__STORE_REQUEST__INIT;
	int rc;

	store.relationship = job->relationship;
	store.vm = job->withdraw.vm;
	store.storage = job->withdraw.storage;
	store.destroy = true;
	store.peer_site = job->withdraw.site;
	request.to = job->withdraw.node;
	request.body_case = VMREPLICA__ADMIN__REQUEST__BODY_STORE;
	request.store = &store;
	rc = forward_request(job->enrollment->broker->forward, job->withdraw.node, &request,
			     WITHDRAWAL_FORWARD_MS, destroy_reply_cb, job);
	if (rc < 0) {
		destroy_again(job, strerror(-rc));
	}
}

static bool setting_is_there(const Vmreplica__Ipc__CibSettings *settings, const char *name)
{
	for (size_t i = 0; settings != NULL && i < settings->n_settings; i++) {
		if (strcmp(settings->settings[i]->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static void order_removed_cb(void *arg, int error, const char *text)
{
	(void)arg;
	if (error < 0 && error != -ENOENT) {
		log_warning("an order for a replica that is gone stays in the cluster's settings: "
			    "%s; made again, it is obeyed: vmreplica resume",
			    text);
	}
}

/* What admins ordered here must not hold for a replica that is made again. */
static void withdrawal_remove_orders(const struct job *job)
{
	static const char *const orders[] = {STANDING_ALL, EPOCH_SETTING};
	struct cluster *cluster = &job->enrollment->broker->cluster;
	struct enroll_world world;

	job_world(job, &world);
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		char name[STANDING_NAME_LEN];
		int rc;

		snprintf(name, sizeof(name), "%s%s", orders[i], job->relationship);
		if (!setting_is_there(world.settings, name)) {
			continue;
		}
		rc = cluster->ops->set_setting(cluster, name, NULL, order_removed_cb, NULL);
		if (rc < 0) {
			order_removed_cb(NULL, rc, strerror(-rc));
		}
	}
}

static void withdrawal_deleted_cb(void *arg, int error, const char *text)
{
	struct job *job = arg;

	if (error < 0 && error != -ENOENT) {
		job_refuse_change(job, error, text);
		job_free(job);
		return;
	}
	log_notice("replica resource %s is deleted: %s has withdrawn it", job->withdraw.resource,
		   job->peer);
	withdrawal_remove_orders(job);
	if (job->withdraw.keep_store) {
		withdrawal_end(job);
		return;
	}
	if (job->withdraw.node[0] == '\0') {
		log_warning("no engine has the storage %s: the store of %s there stays; remove it "
			    "by hand",
			    job->withdraw.storage, job->withdraw.vm);
		withdrawal_end(job);
		return;
	}
	job->since_ms = clock_monotonic_ms();
	/* Pacemaker has to stop the resource first. */
	job_later(job, WITHDRAWAL_DESTROY_WAIT_MS, destroy_ask);
}

static void withdrawal_delete(struct job *job)
{
	struct cluster *cluster = &job->enrollment->broker->cluster;
	int rc = cluster->ops->delete_vm(cluster, job->withdraw.resource, withdrawal_deleted_cb,
					 job);

	if (rc < 0) {
		job_refuse_change(job, rc, NULL);
		job_free(job);
	}
}

static void withdrawal_decided(struct job *job)
{
	switch (job->withdraw.outcome) {
	case WITHDRAW_DENIED:
		if (strcmp(job->withdraw.code, "starting") == 0) {
			job_busy(job, job->withdraw.code, job->withdraw.reason);
		} else {
			job_deny(job, job->withdraw.code, job->withdraw.reason);
		}
		job_free(job);
		return;
	case WITHDRAW_GONE:
		withdrawal_end(job);
		return;
	case WITHDRAW_DELETE:
		break;
	}
	replica_domain_remove(job, withdrawal_delete);
}

void withdrawal_begin(struct job *job)
{
	struct peer_session *session = job_session(job);
	Vmreplica__Wire__Withdraw *withdraw;
	struct enroll_world world;
	struct arena arena;

	arena_init(&arena, WITHDRAWAL_ARENA_BYTES);
	withdraw =
		vmreplica__wire__withdraw__unpack(&arena.allocator, job->packed_len, job->packed);
	if (session == NULL || withdraw == NULL) {
		job_busy(job, "busy", "the broker is out of memory");
		job_free(job);
	} else {
		job_world(job, &world);
		withdraw_decide(&world, withdraw, peer_session_names(session), &job->withdraw);
		withdrawal_decided(job);
	}
	arena_reset(&arena);
}
