/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failover_scene.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/domain_resource.h"
#include "common/clock.h"
#include "engine/epoch.h"
#include "engine/failover_place.h"
#include "engine/job_table.h"
#include "engine/peer_contact.h"
#include "engine/primary_ask.h"
#include "engine/replica_takeover.h"
#include "engine/standing.h"
#include "engine/store_directory.h"
#include "proto/message_copy.h"
#include "unit.h"

static const struct config config = {.site = (char *)(uintptr_t) "b.example",
				     .node = (char *)(uintptr_t) "b1"};
const struct epoch before = {4, LINEAGE, "a.example"}, order = {5, LINEAGE, "b.example"};
struct engine engine = {.config = &config};
struct replica replica;
Vmreplica__VmStatus status;
Vmreplica__Epoch stored;
static Vmreplica__Ipc__CibSettings settings;
static Vmreplica__Job message;
static struct failover_job job = {.engine = &engine, .job = &message};
struct failover_scene world;

/* ---- the cluster ---- */

int scene_switch_role(struct cluster *cluster, Vmreplica__Ipc__CibSwitch *request,
		      cluster_done_cb done, void *arg)
{
	(void)cluster;
	world.changes++;
	for (size_t i = 0; i < request->n_settings; i++) {
		const Vmreplica__Ipc__CibNvpair *pair = request->settings[i];

		if (strcmp(pair->name, STANDING_FAILOVER ID) == 0) {
			CU_ASSERT_STRING_EQUAL(pair->value, "");
			world.present = false;
		} else if (strcmp(pair->name, STANDING_REFUSED ID) == 0) {
			snprintf(world.refused, sizeof(world.refused), "%s", pair->value);
		} else if (strcmp(pair->name, EPOCH_SETTING ID) == 0) {
			snprintf(world.epoch, sizeof(world.epoch), "%s", pair->value);
		} else {
			CU_FAIL("an unknown setting");
		}
	}
	done(arg, 0, "");
	return 0;
}

void standing_name(const char *prefix, const char *relationship, char name[STANDING_NAME_LEN])
{
	snprintf(name, STANDING_NAME_LEN, "%s%s", prefix, relationship);
}

const char *standing_get(const struct engine *e, const char *prefix, const char *relationship)
{
	(void)e;
	(void)relationship;
	CU_ASSERT_STRING_EQUAL(prefix, STANDING_FAILOVER);
	return world.present ? world.failover : NULL;
}

void standing_set(struct engine *e, const char *prefix, const char *relationship, const char *value,
		  cluster_done_cb done, void *arg)
{
	(void)e;
	(void)relationship;
	CU_ASSERT_STRING_EQUAL(prefix, STANDING_FAILOVER);
	snprintf(world.failover, sizeof(world.failover), "%s", value);
	world.present = true;
	done(arg, 0, "");
}

void engine_epoch_known(const struct engine *e, const char *relationship, const char *site,
			struct epoch *ret_epoch)
{
	(void)e;
	(void)relationship;
	(void)site;
	*ret_epoch = before;
}

bool engine_epoch_is_refused(const struct engine *e, const char *relationship,
			     const struct epoch *epoch)
{
	(void)e;
	(void)relationship;
	(void)epoch;
	return world.refused[0] != '\0';
}

const Vmreplica__Ipc__CibSettings *engine_settings(const struct engine *e)
{
	(void)e;
	return &settings;
}

/* ---- the replica and its receiver ---- */

struct replica *engine_find_replica(const struct engine *e, const char *id)
{
	(void)e;
	(void)id;
	return &replica;
}

bool replica_is_open(const struct replica *one)
{
	(void)one;
	return true;
}

const Vmreplica__Ipc__CibResource *replica_vm_resource(const struct replica *one)
{
	(void)one;
	return NULL;
}

char *replica_definition_vm(const struct replica *one, char *buf)
{
	(void)one;
	strcpy(buf, "web1");
	return buf;
}

static void answer(replica_takeover_cb done, void *arg, int error)
{
	Vmreplica__Ipc__StoreTaken taken = VMREPLICA__IPC__STORE_TAKEN__INIT;

	taken.error = error;
	taken.text = (char *)(uintptr_t)(error < 0 ? "the replica needs a resynchronization" : "");
	done(arg, &taken);
}

int replica_takeover_ask(struct replica *one, Vmreplica__Ipc__StoreTakeover *request,
			 replica_takeover_cb done, void *arg)
{
	(void)one;
	CU_ASSERT_EQUAL(request->planned, engine.failovers->order.kind == PLANNED);
	world.taken++;
	answer(done, arg, world.taking);
	return 0;
}

int replica_takeover_end(struct replica *one, Vmreplica__Ipc__StoreTakeoverEnd *request,
			 replica_takeover_cb done, void *arg)
{
	(void)one;
	CU_ASSERT_EQUAL(request->end, VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_CANCEL);
	world.released++;
	world.released_undo = request->undo;
	world.released_to = request->epoch->number;
	answer(done, arg, world.releasing);
	return 0;
}

/* ---- the job ---- */

struct failover_job *failover_job_begin(struct engine *e, const char *kind, const char *vm,
					const char *relationship, const char *id)
{
	(void)e;
	(void)kind;
	(void)vm;
	(void)relationship;
	(void)id;
	return &job;
}

struct failover_job *failover_job_find(const struct engine *e, const char *relationship)
{
	(void)e;
	(void)relationship;
	return NULL;
}

const char *failover_job_id(const struct failover_job *one)
{
	(void)one;
	return "0000beef";
}

void failover_job_step(struct failover_job *one, const char *name, const char *format, ...)
{
	(void)one;
	(void)name;
	(void)format;
}

void failover_job_note(struct failover_job *one, const char *format, ...)
{
	(void)one;
	(void)format;
}

void failover_job_finish(struct failover_job *one, int error, const char *advice,
			 const char *format, ...)
{
	va_list args;

	(void)one;
	(void)advice;
	world.ended = error;
	va_start(args, format);
	vsnprintf(world.text, sizeof(world.text), format, args);
	va_end(args);
}

void failover_job_abandon(struct failover_job *one)
{
	(void)one;
	CU_FAIL("it is abandoned");
}

size_t job_table_count(const struct job_table *table)
{
	(void)table;
	return 0;
}

const Vmreplica__Job *job_table_at(const struct job_table *table, size_t index)
{
	(void)table;
	(void)index;
	return NULL;
}

const Vmreplica__Job *job_table_find(const struct job_table *table, const char *id)
{
	(void)table;
	(void)id;
	return NULL;
}

bool job_message_is_running(const Vmreplica__Job *one)
{
	(void)one;
	return false;
}

/* ---- what is not reached here ---- */

void engine_wake(struct engine *e)
{
	(void)e;
}

void engine_event(struct engine *e, const char *severity, const char *vm, const char *format, ...)
{
	(void)e;
	(void)severity;
	(void)vm;
	(void)format;
}

int peer_contact_find(const struct engine *e, const char *name, struct peer_contact *ret_contact)
{
	(void)e;
	(void)name;
	(void)ret_contact;
	return -ENOENT;
}

const struct table_node *cluster_table_find_node(const struct cluster_table *table,
						 const char *name)
{
	(void)table;
	(void)name;
	return NULL;
}

const Vmreplica__Ipc__CibResource *domain_resource_find(const Vmreplica__Ipc__CibSettings *all,
							const char *relationship, bool test)
{
	(void)all;
	(void)relationship;
	(void)test;
	return NULL;
}

void domain_resource_id(const Vmreplica__Ipc__CibSettings *all, const char *vm,
			const char *relationship, const char *site,
			char ret_id[RESOURCE_ID_MAX + 1])
{
	(void)all;
	(void)vm;
	(void)relationship;
	(void)site;
	ret_id[0] = '\0';
	CU_FAIL("nothing was taken");
}

void domain_resource_fill(struct domain_resource *ret_domain,
			  const Vmreplica__Ipc__CibSettings *all, const char *id,
			  const char *relationship, const char *place, const char *node)
{
	(void)ret_domain;
	(void)all;
	(void)id;
	(void)relationship;
	(void)place;
	(void)node;
	CU_FAIL("nothing was taken");
}

int store_directory_definition(const char *storage, const char *peer_site, const char *vm,
			       const char *relationship, char *buf, size_t size)
{
	(void)storage;
	(void)peer_site;
	(void)vm;
	(void)relationship;
	(void)buf;
	(void)size;
	return -ENOENT;
}

const char *failover_place(const struct engine *e, const char *storage)
{
	(void)e;
	(void)storage;
	return "";
}

int replica_definition_write(struct replica_definition *definition,
			     const struct definition_images *images,
			     const struct definition_test *test, replica_definition_cb done,
			     void *arg)
{
	(void)definition;
	(void)images;
	(void)test;
	(void)done;
	(void)arg;
	CU_FAIL("nothing was taken");
	return -ENOENT;
}

int workers_submit(struct workers *workers, worker_run_cb run, worker_done_cb done, void *arg)
{
	(void)workers;
	(void)run;
	(void)done;
	(void)arg;
	CU_FAIL("no worker is needed");
	return -ENOMEM;
}

struct locate_client peer_contact_client(const struct peer_contact *contact, struct tls_store *tls)
{
	return (struct locate_client){.tls = tls, .host = contact->host};
}

int order_client_query(const struct locate_client *client, const char *relationship,
		       const char *site, const struct epoch *epoch, struct order_answer *ret_answer,
		       struct trouble *trouble)
{
	(void)client;
	(void)relationship;
	(void)site;
	(void)epoch;
	(void)ret_answer;
	(void)trouble;
	return -ENOENT;
}

void engine_epoch_store(struct engine *e, const char *relationship, const struct epoch *epoch,
			cluster_done_cb done, void *arg)
{
	(void)e;
	(void)relationship;
	(void)epoch;
	(void)done;
	(void)arg;
	CU_FAIL("no epoch is heard of");
}

int primary_ask(struct engine *e, const char *relationship, Vmreplica__Admin__FailoverKind kind,
		primary_ask_cb done, void *arg)
{
	struct primary_word word = {
		.error = world.primary, .text = "it lives", .advice = "--force"};

	(void)e;
	(void)relationship;
	CU_ASSERT_EQUAL(kind, UNPLANNED);
	CU_ASSERT_EQUAL(world.taken, 0);
	world.asked++;
	done(arg, &word);
	return 0;
}

void failover_check_name(struct failover *failover)
{
	(void)failover;
}

void failover_consolidate_stop(struct failover *failover)
{
	(void)failover;
}

#define NOT_REACHED(step)                                                                          \
	void failover_step_##step(struct failover *failover)                                       \
	{                                                                                          \
		(void)failover;                                                                    \
		CU_FAIL(#step);                                                                    \
	}

NOT_REACHED(overlays)
NOT_REACHED(start)
NOT_REACHED(running)
NOT_REACHED(remove)
NOT_REACHED(consolidate)
NOT_REACHED(extents)
NOT_REACHED(peer)
NOT_REACHED(role)

void failover_step_stop(struct failover *failover)
{
	failover_done(failover); /* it was never started */
}
