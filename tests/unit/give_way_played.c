/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What engine/give_way*.c call, as far as it is no cluster's: the other side, libvirt, jobs. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/authorization.h"
#include "engine/adopted_disks.h"
#include "engine/extended.h"
#include "engine/failover_place.h"
#include "engine/give_way.h"
#include "engine/give_way_keep.h"
#include "engine/host_vm.h"
#include "engine/own_definition.h"
#include "engine/source_define.h"
#include "engine/store_directory.h"
#include "give_way_world.h"
#include "tempdir.h"
#include "unit.h"

/* ---- what it calls ---- */

int peer_contact_find(const struct engine *engine, const char *name,
		      struct peer_contact *ret_contact)
{
	(void)engine;
	CU_ASSERT_STRING_EQUAL(name, ID);
	*ret_contact = (struct peer_contact){.relationship = ID,
					     .vm = "web1",
					     .resource = "web1-replica",
					     .vm_resource = "web1",
					     .host = "10.0.0.1"};
	ret_contact->role = strcmp(world.role, "primary") == 0 ? VMREPLICA__ROLE__ROLE_PRIMARY
							       : VMREPLICA__ROLE__ROLE_REPLICA;
	return 0;
}

struct locate_client peer_contact_client(const struct peer_contact *contact, struct tls_store *tls)
{
	(void)contact;
	(void)tls;
	return (struct locate_client){0};
}

char *peer_contact_format(const struct peer_contact *contact, char buf[ENGINE_ADDRESS_LEN])
{
	(void)contact;
	return strcpy(buf, "10.0.0.1:8650");
}

int order_client_query(const struct locate_client *client, const char *relationship,
		       const char *site, const struct epoch *epoch, struct order_answer *ret_answer,
		       struct trouble *trouble)
{
	(void)client;
	(void)relationship;
	(void)site;
	(void)epoch;
	if (world.peer_silent) {
		snprintf(trouble->text, sizeof(trouble->text), "it does not answer");
		return -ETIMEDOUT;
	}
	world.told = world.peer;
	*ret_answer = (struct order_answer){.known = true, .epoch = world.peer};
	return 0;
}

int give_way_read(struct give_way *way)
{
	char kept[PATH_LEN_MAX + 32];

	CU_ASSERT(!world.runs); /* nothing is read of disks that are written to */
	world.wrote = false;
	way->adopt = (struct adopt_order){.seq = 7, .cut_id = "00000000deadbeef"};
	if (!world.standalone) {
		snprintf(kept, sizeof(kept), "%s" GIVE_WAY_KEPT_SUFFIX, way->definition);
		CU_ASSERT(rename(way->definition, kept) == 0 || access(kept, F_OK) == 0);
	}
	return 0;
}

bool own_definition_find(const struct engine *engine, const char *relationship,
			 const char *vm_resource, char buf[PATH_LEN_MAX + 1])
{
	char path[TEMP_PATH_LEN];

	(void)engine;
	(void)relationship;
	(void)vm_resource;
	snprintf(buf, PATH_LEN_MAX + 1, "%s", temp_path(path, "web1.xml"));
	return true;
}

int host_vm_save(struct source_connection *connection, const char *vm, const char *path,
		 char error[SOURCE_ERROR_LEN])
{
	(void)connection;
	(void)vm;
	(void)path;
	(void)error;
	return 0;
}

int host_vm_stop(struct source_connection *connection, const char *vm, const char *path,
		 int grace_ms, char error[SOURCE_ERROR_LEN])
{
	(void)grace_ms;
	snprintf(error, SOURCE_ERROR_LEN, "it hangs");
	world.runs = world.runs && world.hangs;
	return world.runs ? -ETIMEDOUT : host_vm_save(connection, vm, path, error);
}

int host_vm_define(struct source_connection *connection, const char *vm, const char *path,
		   char error[SOURCE_ERROR_LEN])
{
	CU_ASSERT(world.standalone);
	world.defined = true;
	return host_vm_save(connection, vm, path, error);
}

int host_vm_start(struct source_connection *connection, const char *vm, const char *path,
		  char error[SOURCE_ERROR_LEN])
{
	CU_ASSERT(world.standalone);
	world_target_becomes("Started");
	return host_vm_save(connection, vm, path, error);
}

int source_run_state(struct source_connection *connection, const char *vm,
		     enum source_run_state *ret_state, char error[SOURCE_ERROR_LEN])
{
	*ret_state = world.runs ? SOURCE_RUN_RUNNING : SOURCE_RUN_OFF;
	return host_vm_save(connection, vm, "", error);
}

int source_undefine(struct source_connection *connection, const char *vm,
		    char error[SOURCE_ERROR_LEN])
{
	return host_vm_save(connection, vm, "", error);
}

int adopted_disks_check(const char *path, const char *const *exclude, char error[SOURCE_ERROR_LEN])
{
	(void)exclude;
	return host_vm_save(NULL, "", path, error);
}

const char **vm_settings_exclude_list(const struct vm_settings *settings)
{
	(void)settings;
	return calloc(1, sizeof(char *));
}

int vm_settings_from_resource(const Vmreplica__Ipc__CibResource *resource,
			      struct vm_settings *ret_settings, char error[VM_SETTINGS_ERROR_LEN])
{
	(void)resource;
	(void)ret_settings;
	(void)error;
	return 0;
}

void vm_settings_destroy(struct vm_settings *settings)
{
	(void)settings;
}

int authorization_table_load(const Vmreplica__Ipc__CibSettings *settings,
			     struct authorization_table *ret_table, size_t *ret_broken)
{
	(void)settings;
	(void)ret_table;
	(void)ret_broken;
	return 0;
}

const struct authorization_entry *authorization_match_name(const struct authorization_table *table,
							   const char *name)
{
	static const struct authorization_entry entry = {.storage = "/srv/replica"};

	(void)table;
	CU_ASSERT_STRING_EQUAL(name, "b.example");
	return &entry;
}

void authorization_table_destroy(struct authorization_table *table)
{
	(void)table;
}

int store_directory_definition(const char *storage, const char *peer_site, const char *vm,
			       const char *relationship, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s/%s-%.8s.xml", storage, peer_site, vm, relationship);
	return 0;
}

const Vmreplica__Ipc__CibResource *
extended_find_relationship(const Vmreplica__Ipc__CibSettings *settings, const char *vm_resource)
{
	(void)settings;
	(void)vm_resource;
	return NULL;
}

struct replica *engine_find_replica(const struct engine *engine, const char *relationship)
{
	(void)engine;
	(void)relationship;
	return NULL;
}

const struct table_vm *cluster_table_find(const struct cluster_table *table,
					  const char *relationship, Vmreplica__Role role)
{
	(void)table;
	(void)relationship;
	(void)role;
	return NULL;
}

enum failover_place failover_place_look(const struct engine *engine, const char *storage)
{
	(void)engine;
	(void)storage;
	return FAILOVER_PLACE_UNKNOWN;
}

void failover_place_warn(struct failover_job *job, const char *storage, const char *vm)
{
	(void)job;
	(void)storage;
	(void)vm;
}

void give_way_as_replica(struct peer_order *order, const struct epoch *theirs)
{
	(void)theirs;
	peer_order_refuse(order->call, "it is a replica");
}

void engine_wake(struct engine *engine)
{
	(void)engine;
}

void engine_event(struct engine *engine, const char *severity, const char *vm, const char *format,
		  ...)
{
	(void)engine;
	(void)severity;
	(void)vm;
	(void)format;
}

char *digest_estimate_format(const struct digest_speed *speed, uint64_t bytes,
			     char buf[DIGEST_ESTIMATE_LEN])
{
	(void)speed;
	(void)bytes;
	return strcpy(buf, "a while");
}

/* ---- jobs ---- */

static struct failover_job one_job;

struct failover_job *failover_job_begin(struct engine *engine, const char *kind, const char *vm,
					const char *relationship, const char *id)
{
	(void)engine;
	(void)vm;
	(void)relationship;
	(void)id;
	CU_ASSERT_STRING_EQUAL(kind, JOB_KIND_REVERSE);
	CU_ASSERT_EQUAL(world.jobs++, 0);
	return &one_job;
}

const char *failover_job_id(const struct failover_job *job)
{
	CU_ASSERT_PTR_EQUAL(job, &one_job);
	return "11112222";
}

const char *failover_job_running_id(const struct engine *engine, const char *relationship)
{
	(void)engine;
	(void)relationship;
	return world.jobs > 0 ? "11112222" : "";
}

void failover_job_step(struct failover_job *job, const char *name, const char *format, ...)
{
	(void)job;
	(void)name;
	(void)format;
}

void failover_job_note(struct failover_job *job, const char *format, ...)
{
	(void)job;
	(void)format;
}

void failover_job_finish(struct failover_job *job, int error, const char *advice,
			 const char *format, ...)
{
	va_list args;

	(void)job;
	(void)advice;
	CU_ASSERT_EQUAL(world.jobs--, 1);
	world.outcome_error = error;
	va_start(args, format);
	vsnprintf(world.outcome, sizeof(world.outcome), format, args);
	va_end(args);
}
