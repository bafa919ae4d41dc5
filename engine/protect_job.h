/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A protect request under way: shared by protect.c and protect_create.c. */
#ifndef VMR_ENGINE_PROTECT_JOB_H
#define VMR_ENGINE_PROTECT_JOB_H

#include "engine/admin_service.h"
#include "engine/locate_client.h"
#include "engine/protect.h"

#define PARAMETERS_MAX 9

struct protect_job {
	struct admin_call *call;
	struct engine *engine;
	struct protect_vm vm;
	char relationship[RELATIONSHIP_LEN + 1];
	char resource[RESOURCE_ID_MAX + 1]; /* the one to make */
	char to[VM_SETTINGS_HOST_LEN], host[VM_SETTINGS_HOST_LEN];
	uint16_t port;
	uint32_t frequency_s;
	char *exclude[DISKS_MAX]; /* owned */
	size_t exclude_count;
	uint64_t bandwidth;
	bool dry_run, force;
	char *maps[NETWORK_MAPS_MAX]; /* owned */
	size_t map_count;
	char *domain_xml; /* owned: what the VM is; NULL = too long to travel */
	size_t domain_xml_len;
	struct {
		char name[DISK_NAME_MAX + 1];
		uint64_t size_bytes;
	} disks[DISKS_MAX];
	size_t disk_count;
	struct locate_enrolled enrolled;
	struct trouble trouble;
	/* what the resource is made of */
	char exclude_text[DISKS_MAX * (DISK_NAME_MAX + 1) + 1], frequency_text[16],
		bandwidth_text[32];
	Vmreplica__Ipc__CibNvpair pairs[PARAMETERS_MAX];
	Vmreplica__Ipc__CibNvpair *pair_pointers[PARAMETERS_MAX];
	size_t pair_count;
};

void protect_free(struct protect_job *job);
/* Answer with a failure and free the job. */
void protect_fail(struct protect_job *job, int error, const char *advice, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- protect_create.c: the last step, each answers and frees the job ---- */
/* Make our own resource; if that fails, take back what ENROLL made on the other side. */
void protect_create(struct protect_job *job);
/* --dry-run: the commands that would do it. */
void protect_print(struct protect_job *job);

#endif
