/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A protect request under way: shared by protect.c and protect_create.c. */
#ifndef VMR_ENGINE_PROTECT_JOB_H
#define VMR_ENGINE_PROTECT_JOB_H

#include "engine/admin_service.h"
#include "engine/locate_client.h"
#include "engine/protect.h"

#define PARAMETERS_MAX 13

struct protect_job {
	struct admin_call *call;
	struct engine *engine;
	struct protect_vm vm;
	char relationship[RELATIONSHIP_LEN + 1];
	char resource[RESOURCE_ID_MAX + 1]; /* the one to make */
	char to[VM_SETTINGS_HOST_LEN], host[VM_SETTINGS_HOST_LEN];
	uint16_t port;
	uint32_t frequency_s;
	Vmreplica__PointSettings points;
	bool points_named;	  /* by the request: a replica that exists takes them over */
	char *exclude[DISKS_MAX]; /* owned */
	size_t exclude_count;
	uint64_t bandwidth;
	bool dry_run, force, existing_copy;
	char resync[RESYNC_POLICY_LEN]; /* "" = the default */
	int64_t start_at_ms;		/* wall clock; 0 = at once */
	char *maps[NETWORK_MAPS_MAX];	/* owned */
	size_t map_count;
	char *domain_xml; /* owned: what the VM is; NULL = too long to travel */
	size_t domain_xml_len;
	char definition_path[PATH_LEN_MAX + 16]; /* of a replica that is replicated on; else "" */
	bool repeated; /* it is protected so already: only the other side is asked again */
	struct {
		char name[DISK_NAME_MAX + 1];
		uint64_t size_bytes;
	} disks[DISKS_MAX];
	size_t disk_count;
	struct locate_enrolled enrolled;
	struct trouble trouble;
	/* what the resource is made of */
	char exclude_text[DISKS_MAX * (DISK_NAME_MAX + 1) + 1], frequency_text[16],
		bandwidth_text[32], points_text[3][16];
	Vmreplica__Ipc__CibNvpair pairs[PARAMETERS_MAX];
	Vmreplica__Ipc__CibNvpair *pair_pointers[PARAMETERS_MAX];
	size_t pair_count;
};

#define PROTECT_INTENT_NAME_LEN 40u

void protect_free(struct protect_job *job);
/* Answer with a failure and free the job. */
void protect_fail(struct protect_job *job, int error, const char *advice, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The answer to a protect that made nothing here. commands may be NULL. Does not free the job. */
struct pcs_commands;
void protect_reply(struct protect_job *job, struct pcs_commands *commands);

/* ---- protect_again.c: a protect that came before ---- */
/* Take over the relationship of one that was interrupted before it had made our resource, or note
 * this one, then go on. done gets 0 or a negative errno with a sentence. */
void protect_note_intent(struct protect_job *job, cluster_done_cb done);
/* It is through, or was taken back: forget it. */
void protect_forget_intent(struct engine *engine, const char *resource);
/* Was the protect that would make resource interrupted? */
bool protect_is_interrupted(const struct engine *engine, const char *resource);
/* A VM that is protected already: refuse what asks for something else (text, advice), else fill the
 * job from the resource. */
int protect_repeat(struct protect_job *job, const Vmreplica__Admin__ProtectRequest *request,
		   const Vmreplica__Ipc__CibResource *existing, char text[REASON_MAX],
		   char advice[REASON_MAX]);
/* The other side has its replica (again): have the owner look at once. */
void protect_wake_owner(struct protect_job *job);

/* ---- protect_request.c ---- */
/* What is wrong with the request itself, into text. */
bool protect_is_misused(const Vmreplica__Admin__ProtectRequest *request, char *text, size_t size);
bool protect_maps_are_misused(const Vmreplica__Admin__ProtectRequest *request, char *text,
			      size_t size);
/* Copies into the job; false without memory. */
bool protect_take_excluded(struct protect_job *job,
			   const Vmreplica__Admin__ProtectRequest *request);
bool protect_take_maps(struct protect_job *job, const Vmreplica__Admin__ProtectRequest *request);

/* ---- protect.c ---- */
/* Disks (and definition) are known: on to the other side. */
void protect_inspected(struct protect_job *job);

/* ---- protect_extended.c: the VM is a replica here (extended.h) ---- */
/* Fill the job for it and go on, or refuse. */
void protect_extended(struct protect_job *job, const Vmreplica__Ipc__CibResource *replica,
		      bool frequency_named);
/* Its disks, then protect_inspected. */
void protect_extended_inspect(struct protect_job *job, const Vmreplica__Ipc__CibResource *replica);
/* On a worker: the definition that the replica's primary sent, if it can be read from here. */
void protect_extended_read_definition(struct protect_job *job);

/* Have the initial replication begin at job->start_at_ms. done gets 0 or a negative errno. */
void protect_note_start(struct protect_job *job, cluster_done_cb done);

/* ---- protect_create.c: the last step, each answers and frees the job ---- */
/* Make our own resource; if that fails, take back what ENROLL made on the other side. */
void protect_create(struct protect_job *job);
/* --dry-run: the commands that would do it. */
void protect_print(struct protect_job *job);

#endif
