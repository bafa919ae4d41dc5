/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * export and import: an initial copy that travels on media instead of the line. Each is a job of
 * this node, asked for by root here (it reads and writes directories of the admin's choice), that
 * the tool follows by its id.
 *
 *   transfer.c         the table of jobs, requests
 *   export.c           a relationship's disks at one cut into files (a relationship's worker)
 *   export_target.c    one such file, written through qemu-nbd
 *   import.c           files into a replica's store: copied and checked here, taken by the receiver
 */
#ifndef VMR_ENGINE_TRANSFER_H
#define VMR_ENGINE_TRANSFER_H

#include <stdatomic.h>

#include "engine/admin_service.h"
#include "engine/media.h"
#include "proto/ipc.pb-c.h"

#define TRANSFER_ID_LEN 8

enum transfer_phase { TRANSFER_RUNNING, TRANSFER_DONE, TRANSFER_FAILED };

struct transfer {
	struct transfer *next;
	struct engine *engine; /* borrowed */
	char id[TRANSFER_ID_LEN + 1];
	bool import; /* else an export */
	char relationship[RELATIONSHIP_LEN + 1];
	char vm[VM_NAME_MAX + 1];
	char directory[PATH_LEN_MAX + 1];  /* the media's */
	char store[PATH_LEN_MAX + 1];	   /* import */
	char peer_site[SITE_NAME_MAX + 1]; /* import: whose replica it is */
	enum transfer_phase phase;
	_Atomic uint64_t done_bytes, total_bytes;
	atomic_bool cancelled;
	bool awaits_receiver; /* import: the files are there, the receiver takes them */
	uint64_t ipc_id;
	int64_t ended_ms; /* monotonic */
	/* the worker's, then the outcome */
	struct media media;
	char text[MEDIA_ERROR_LEN + 128], advice[256];
};

/* ---- requests; each takes the call ---- */
void admin_export(struct admin_call *call, const Vmreplica__Admin__Request *request);
void admin_import(struct admin_call *call, const Vmreplica__Admin__Request *request);
/* Once a second: outcomes that nobody asks for any more are forgotten. INT64_MAX: all, at the end.
 */
void transfers_tick(struct engine *engine, int64_t now_ms);
/* The engine stops, or its receiver is gone. */
void transfers_cancel(struct engine *engine);
/* An import is under way in the receiver. */
bool transfers_await_receiver(const struct engine *engine);
void transfers_receiver_lost(struct engine *engine);
/* The receiver's answer to STORE_IMPORT. */
void transfers_imported(struct engine *engine, const Vmreplica__Ipc__StoreImported *answer);

/* ---- for each other; control thread ---- */
void transfer_end(struct transfer *transfer, int result);
/* Begin; the worker's outcome comes by transfer_end. 0, or a negative errno with text and advice.
 */
struct relationship;
int export_begin(struct transfer *transfer, struct relationship *relationship);
int import_begin(struct transfer *transfer);

#endif
