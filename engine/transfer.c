/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "engine/admin_vm.h"
#include "engine/vm_status.h"
#include "proto/validate.h"

#define KEPT_MS (3600 * 1000)

static struct transfer *transfer_find(const struct engine *engine, const char *id)
{
	struct transfer *transfer = engine->transfers;

	while (transfer != NULL && strcmp(transfer->id, id) != 0) {
		transfer = transfer->next;
	}
	return transfer;
}

static struct transfer *transfer_running(const struct engine *engine, const char *relationship)
{
	struct transfer *transfer = engine->transfers;

	while (transfer != NULL && (transfer->phase != TRANSFER_RUNNING ||
				    strcmp(transfer->relationship, relationship) != 0)) {
		transfer = transfer->next;
	}
	return transfer;
}

static void transfer_reply(struct admin_call *call, const struct transfer *transfer)
{
	static const char *const phases[] = {"running", "done", "failed"};
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__TransferResponse reply = VMREPLICA__ADMIN__TRANSFER_RESPONSE__INIT;
	bool over = transfer->phase != TRANSFER_RUNNING;

	reply.id = vm_status_borrow(transfer->id);
	reply.vm = vm_status_borrow(transfer->vm);
	reply.state = vm_status_borrow(phases[transfer->phase]);
	reply.done_bytes = atomic_load(&transfer->done_bytes);
	reply.total_bytes = atomic_load(&transfer->total_bytes);
	reply.text = vm_status_borrow(over ? transfer->text : "");
	reply.advice = vm_status_borrow(over ? transfer->advice : "");
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_TRANSFER;
	response.transfer = &reply;
	admin_call_reply(call, &response);
}

void transfer_end(struct transfer *transfer, int result)
{
	transfer->phase = result < 0 ? TRANSFER_FAILED : TRANSFER_DONE;
	transfer->ended_ms = clock_monotonic_ms();
	transfer->awaits_receiver = false;
	engine_event(transfer->engine, result < 0 ? "warning" : "notice", transfer->vm, "%s: %s",
		     transfer->import ? "import" : "export", transfer->text);
}

static void transfer_free(struct engine *engine, struct transfer *transfer)
{
	struct transfer **link = &engine->transfers;

	while (*link != transfer) {
		link = &(*link)->next;
	}
	*link = transfer->next;
	free(transfer);
}

void transfers_tick(struct engine *engine, int64_t now)
{
	struct transfer *transfer = engine->transfers, *next;

	for (; transfer != NULL; transfer = next) {
		next = transfer->next;
		if (now == INT64_MAX ||
		    (transfer->phase != TRANSFER_RUNNING && now - transfer->ended_ms > KEPT_MS)) {
			transfer_free(engine, transfer);
		}
	}
}

void transfers_cancel(struct engine *engine)
{
	for (struct transfer *t = engine->transfers; t != NULL; t = t->next) {
		atomic_store(&t->cancelled, true);
	}
}

bool transfers_await_receiver(const struct engine *engine)
{
	for (const struct transfer *t = engine->transfers; t != NULL; t = t->next) {
		if (t->awaits_receiver) {
			return true;
		}
	}
	return false;
}

void transfers_receiver_lost(struct engine *engine)
{
	for (struct transfer *t = engine->transfers; t != NULL; t = t->next) {
		if (t->awaits_receiver) {
			snprintf(t->text, sizeof(t->text), "the receiver has died meanwhile");
			snprintf(t->advice, sizeof(t->advice),
				 "import again: what is copied already is not copied again");
			transfer_end(t, -ECONNRESET);
		}
	}
}

void transfers_imported(struct engine *engine, const Vmreplica__Ipc__StoreImported *answer)
{
	for (struct transfer *t = engine->transfers; t != NULL; t = t->next) {
		if (t->awaits_receiver && t->ipc_id == answer->id) {
			snprintf(t->text, sizeof(t->text), "%s", answer->text);
			transfer_end(t, answer->error > 0 ? -answer->error : answer->error);
			return;
		}
	}
}

/* ---- requests ---- */

static struct transfer *transfer_new(struct engine *engine, bool import, const char *directory)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer));
	uint32_t random;

	if (transfer == NULL || getrandom(&random, sizeof(random), 0) != sizeof(random)) {
		free(transfer);
		return NULL;
	}
	transfer->engine = engine;
	transfer->import = import;
	snprintf(transfer->id, sizeof(transfer->id), "%08" PRIx32, random);
	snprintf(transfer->directory, sizeof(transfer->directory), "%s", directory);
	transfer->next = engine->transfers;
	engine->transfers = transfer;
	return transfer;
}

/* Where the VM is, when it is not here. Takes the call. */
static void say_where(struct admin_call *call, const char *vm, const char *what, bool primary)
{
	const struct engine *engine = admin_call_engine(call);

	for (size_t i = 0; i < engine->table.vm_count; i++) {
		const struct table_vm *found = &engine->table.vms[i];

		if (!found->gone && strcmp(found->status->name, vm) == 0 &&
		    (found->status->role == VMREPLICA__ROLE__ROLE_PRIMARY) == primary) {
			admin_call_fail(call, EREMOTE, "the directory is one of that node's",
					"%s %s on node %s now, which has it", what, vm,
					found->node);
			return;
		}
	}
	admin_call_fail(call, ENOENT, "vmreplica status shows what there is",
			"no node here has %s of %s", primary ? "the primary" : "a replica", vm);
}

/* One that is asked after by its id: answered. */
static bool transfer_answered(struct admin_call *call, const char *id)
{
	const struct transfer *transfer;

	if (id[0] == '\0') {
		return false;
	}
	transfer = transfer_find(admin_call_engine(call), id);
	if (transfer == NULL) {
		admin_call_fail(call, ESRCH, "begin it again: it goes on where it was",
				"the engine was restarted meanwhile");
	} else {
		transfer_reply(call, transfer);
	}
	return true;
}

static bool transfer_refused(struct admin_call *call, const char *directory)
{
	if (!admin_call_is_root(call)) {
		admin_call_fail(call, EPERM, "use sudo",
				"only root, on the node itself, may have directories read and "
				"written");
		return true;
	}
	if (!validate_absolute_path(directory) || strlen(directory) > PATH_LEN_MAX) {
		admin_call_misused(call, "\"%.200s\" is not an absolute path", directory);
		return true;
	}
	return false;
}

static void transfer_fail(struct admin_call *call, struct transfer *transfer, int error)
{
	admin_call_fail(call, error, transfer->advice, "%s", transfer->text);
	transfer_free(admin_call_engine(call), transfer);
}

void admin_export(struct admin_call *call, const Vmreplica__Admin__Request *request)
{
	const Vmreplica__Admin__ExportRequest *export = request->export;
	struct engine *engine = admin_call_engine(call);
	struct relationship *rel;
	struct transfer *transfer;
	int result;

	if (transfer_answered(call, export->id) || transfer_refused(call, export->directory)) {
		return;
	}
	rel = admin_find_relationship(engine, export->vm);
	if (rel == NULL) {
		say_where(call, export->vm, "export", true);
		return;
	}
	transfer = transfer_running(engine, rel->settings.relationship);
	if (transfer != NULL) {
		transfer_reply(call, transfer);
		return;
	}
	transfer = transfer_new(engine, false, export->directory);
	if (transfer == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	snprintf(transfer->relationship, sizeof(transfer->relationship), "%s",
		 rel->settings.relationship);
	snprintf(transfer->vm, sizeof(transfer->vm), "%s", rel->settings.vm);
	result = export_begin(transfer, rel);
	if (result < 0) {
		transfer_fail(call, transfer, result);
	} else {
		transfer_reply(call, transfer);
	}
}

void admin_import(struct admin_call *call, const Vmreplica__Admin__Request *request)
{
	const Vmreplica__Admin__ImportRequest *import = request->import;
	struct engine *engine = admin_call_engine(call);
	struct transfer *transfer;
	int result;

	if (transfer_answered(call, import->id) || transfer_refused(call, import->directory)) {
		return;
	}
	transfer = transfer_new(engine, true, import->directory);
	if (transfer == NULL) {
		admin_call_fail(call, ENOMEM, "", "out of memory");
		return;
	}
	snprintf(transfer->vm, sizeof(transfer->vm), "%.*s", (int)VM_NAME_MAX, import->vm);
	result = import_begin(transfer);
	if (result < 0) {
		transfer_fail(call, transfer, result);
	} else {
		transfer_reply(call, transfer);
	}
}
