/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/status_output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "admin/output.h"
#include "admin/status_takeover.h"
#include "common/clock.h"
#include "proto/names.h"

#define BAR_CELLS 24

static bool progress_is_under_way(const Vmreplica__VmStatus *vm)
{
	return vm->progress != NULL && vm->progress->kind[0] != '\0';
}

char *status_progress_line(const Vmreplica__Progress *progress, char buf[PROGRESS_LINE_LEN])
{
	char bar[BAR_CELLS + 1], done[OUTPUT_TEXT_LEN], total[OUTPUT_TEXT_LEN];
	char rate[OUTPUT_TEXT_LEN], left[OUTPUT_TEXT_LEN];
	double share = progress->total_bytes == 0
			       ? 0.0
			       : (double)progress->done_bytes / (double)progress->total_bytes;

	share = share > 1.0 ? 1.0 : share;
	for (int i = 0; i < BAR_CELLS; i++) {
		bar[i] = i < (int)(share * BAR_CELLS) ? '#' : '.';
	}
	bar[BAR_CELLS] = '\0';
	snprintf(buf, PROGRESS_LINE_LEN, "%s [%s] %3d%%  %s of %s  %s/s  %s left", progress->kind,
		 bar, (int)(share * 100), output_bytes(progress->done_bytes, done),
		 output_bytes(progress->total_bytes, total),
		 output_bytes(progress->rate_bytes_per_s, rate),
		 progress->rate_bytes_per_s == 0 ? "?"
						 : output_duration((int64_t)progress->eta_s, left));
	return buf;
}

static json_t *progress_to_json(const Vmreplica__VmStatus *vm)
{
	const Vmreplica__Progress *progress = vm->progress;

	if (!progress_is_under_way(vm)) {
		return json_null();
	}
	return json_pack("{s:o, s:I, s:I, s:I, s:o}", "kind", output_json_string(progress->kind),
			 "done_bytes", (json_int_t)progress->done_bytes, "total_bytes",
			 (json_int_t)progress->total_bytes, "rate_bytes_per_s",
			 (json_int_t)progress->rate_bytes_per_s, "eta_s",
			 progress->rate_bytes_per_s == 0
				 ? json_null()
				 : json_integer((json_int_t)progress->eta_s));
}

static json_t *epoch_to_json(const Vmreplica__Epoch *epoch)
{
	if (epoch == NULL) {
		return json_null();
	}
	return json_pack("{s:I, s:o, s:o}", "number", (json_int_t)epoch->number, "lineage",
			 output_json_text(epoch->lineage), "site", output_json_text(epoch->site));
}

static json_t *cycles_to_json(const Vmreplica__Cycles *cycles)
{
	static const Vmreplica__Cycles none = VMREPLICA__CYCLES__INIT;

	cycles = cycles != NULL ? cycles : &none;
	return json_pack("{s:I, s:I, s:I}", "ok", (json_int_t)cycles->ok, "missed",
			 (json_int_t)cycles->missed, "failed", (json_int_t)cycles->failed);
}

static json_t *disks_to_json(const Vmreplica__VmStatus *vm)
{
	json_t *disks = json_array();

	for (size_t i = 0; i < vm->n_disks; i++) {
		output_json_append(&disks,
				   json_pack("{s:o, s:I, s:o}", "name",
					     output_json_string(vm->disks[i]->name), "size_bytes",
					     (json_int_t)vm->disks[i]->size_bytes, "top",
					     output_json_text(vm->disks[i]->top)));
	}
	return disks;
}

static json_t *excluded_to_json(const Vmreplica__VmStatus *vm)
{
	json_t *names = json_array();

	for (size_t i = 0; i < vm->n_excluded_disks; i++) {
		output_json_append(&names, output_json_string(vm->excluded_disks[i]));
	}
	return names;
}

/* Who and where. */
static json_t *identity_to_json(const Vmreplica__VmStatus *vm)
{
	return json_pack(
		"{s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "name",
		output_json_string(vm->name), "relationship", output_json_string(vm->relationship),
		"role", role_to_string(vm->role), "state", state_to_string(vm->state), "health",
		health_to_string(vm->health), "reason", output_json_string(vm->reason),
		"reason_code", output_json_text(vm->reason_code), "owner",
		output_json_text(vm->owner), "peer", output_json_text(vm->peer), "peer_node",
		output_json_text(vm->peer_node), "resource", output_json_text(vm->resource),
		"vm_resource", output_json_text(vm->vm_resource), "suspended", (int)vm->suspended);
}

/* How it goes. */
static json_t *replication_to_json(const Vmreplica__VmStatus *vm)
{
	return json_pack("{s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:{s:I, s:I, s:o}, s:I}",
			 "epoch", epoch_to_json(vm->epoch), "seq", (json_int_t)vm->seq,
			 "frequency_s", (json_int_t)vm->frequency_s, "last_replicated",
			 output_json_time(vm->last_replicated_ms), "behind_s",
			 vm->behind_s < 0 ? json_null() : json_integer((json_int_t)vm->behind_s),
			 "progress", progress_to_json(vm), "cycles", cycles_to_json(vm->cycles),
			 "resyncs", (json_int_t)vm->resyncs, "moves", "count",
			 (json_int_t)vm->moves, "last_pause_ms", (json_int_t)vm->last_pause_ms,
			 "paused_since", output_json_time(vm->paused_since_ms), "generation",
			 (json_int_t)vm->generation);
}

/* The replica VM's definition, and what it lacks. */
static json_t *definition_to_json(const Vmreplica__VmStatus *vm)
{
	json_t *notes = json_array();

	for (size_t i = 0; i < vm->n_notes; i++) {
		output_json_append(&notes, output_json_string(vm->notes[i]));
	}
	return json_pack("{s:o, s:o}", "definition", output_json_text(vm->definition), "notes",
			 notes);
}

static json_t *amounts_to_json(const Vmreplica__VmStatus *vm)
{
	return json_pack(
		"{s:{s:I, s:I, s:I}, s:{s:I, s:I}, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:o}",
		"bytes", "dirty", (json_int_t)vm->bytes_dirty, "wire", (json_int_t)vm->bytes_wire,
		"largest", (json_int_t)vm->largest_bytes, "latency_ms", "last",
		(json_int_t)vm->latency_ms, "max", (json_int_t)vm->latency_max_ms, "applied_seq",
		(json_int_t)vm->applied_seq, "batch_seq", (json_int_t)vm->batch_seq, "spool_bytes",
		(json_int_t)vm->spool_bytes, "store", output_json_text(vm->store), "disks",
		disks_to_json(vm), "excluded_disks", excluded_to_json(vm), "bandwidth_bytes_per_s",
		(json_int_t)vm->bandwidth_bytes_per_s, "start_at",
		output_json_time(vm->start_at_ms));
}

static json_t *application_to_json(const Vmreplica__VmStatus *vm)
{
	return json_pack("{s:{s:I, s:o, s:o, s:I}}", "application_consistent", "interval_s",
			 (json_int_t)vm->app_interval_s, "last", output_json_time(vm->last_app_ms),
			 "reason", output_json_text(vm->app_reason), "frozen_ms",
			 (json_int_t)vm->frozen_ms);
}

static json_t *vm_to_json(const Vmreplica__VmStatus *vm)
{
	json_t *object = identity_to_json(vm);
	json_t *parts[] = {replication_to_json(vm), amounts_to_json(vm), definition_to_json(vm),
			   application_to_json(vm), takeover_to_json(vm)};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (json_object_update(object, parts[i]) < 0) { /* also when either is NULL */
			json_decref(object);
			object = NULL;
		}
		json_decref(parts[i]);
	}
	return object;
}

json_t *status_to_json(const Vmreplica__Admin__StatusResponse *status)
{
	json_t *vms = json_array(), *warnings = json_array();

	for (size_t i = 0; i < status->n_vms; i++) {
		output_json_append(&vms, vm_to_json(status->vms[i]));
	}
	for (size_t i = 0; i < status->n_warnings; i++) {
		output_json_append(&warnings, output_json_string(status->warnings[i]));
	}
	return json_pack("{s:o, s:o}", "vms", vms, "warnings", warnings);
}

static void table_add_vm(struct table *table, const Vmreplica__VmStatus *vm)
{
	char every[OUTPUT_TEXT_LEN], behind[OUTPUT_TEXT_LEN], cycles[64];
	const Vmreplica__Cycles *counts = vm->cycles;

	snprintf(every, sizeof(every), "%" PRIu32 " s", vm->frequency_s);
	snprintf(cycles, sizeof(cycles), "%" PRIu64 "/%" PRIu64 "/%" PRIu64,
		 counts != NULL ? counts->ok : 0, counts != NULL ? counts->missed : 0,
		 counts != NULL ? counts->failed : 0);
	table_row(table, vm->name, role_to_string(vm->role), state_to_string(vm->state),
		  health_to_string(vm->health), vm->owner, every,
		  output_duration(vm->behind_s, behind), cycles, NULL);
}

static void print_warnings(const Vmreplica__Admin__StatusResponse *status, FILE *out)
{
	for (size_t i = 0; i < status->n_warnings; i++) {
		fprintf(out, "Warning: %s\n", status->warnings[i]);
	}
}

/* Below the table, where sentences have room: why a VM is not OK, and what is under way. */
static void print_remarks(const Vmreplica__VmStatus *vm, FILE *out)
{
	char line[PROGRESS_LINE_LEN], takeover[TAKEOVER_TEXT_LEN];

	if (vm->reason[0] != '\0') {
		fprintf(out, "%s: %s\n", vm->name, vm->reason);
	}
	if (progress_is_under_way(vm)) {
		fprintf(out, "%s: %s\n", vm->name, status_progress_line(vm->progress, line));
	}
	if (takeover_failover_text(vm, takeover) || takeover_test_text(vm, takeover)) {
		fprintf(out, "%s: %s\n", vm->name, takeover);
	}
	if (vm->job[0] != '\0') {
		fprintf(out, "%s: job %s is under way (vmreplica jobs %s --follow)\n", vm->name,
			vm->job, vm->job);
	}
}

int status_print_table(const Vmreplica__Admin__StatusResponse *status, FILE *out)
{
	struct table table = {0};
	int rc;

	if (status->n_vms == 0) {
		fputs("No VM is replicated to or from here.\n", out);
		print_warnings(status, out);
		return 0;
	}
	table_begin(&table, "VM", "ROLE", "STATE", "HEALTH", "OWNER", "EVERY", "BEHIND",
		    "OK/MISS/FAIL", NULL);
	for (size_t i = 0; i < status->n_vms; i++) {
		table_add_vm(&table, status->vms[i]);
	}
	rc = table_print(&table, out);
	table_destroy(&table);
	for (size_t i = 0; i < status->n_vms; i++) {
		print_remarks(status->vms[i], out);
	}
	print_warnings(status, out);
	return rc;
}

static void print_field(FILE *out, const char *name, const char *value)
{
	fprintf(out, "  %-17s %s\n", name, value[0] != '\0' ? value : "-");
}

static void print_identity(const Vmreplica__VmStatus *vm, FILE *out)
{
	char text[256];

	fprintf(out, "%s\n", vm->name);
	print_field(out, "relationship", vm->relationship);
	print_field(out, "role", role_to_string(vm->role));
	snprintf(text, sizeof(text), "%s%s", state_to_string(vm->state),
		 vm->suspended ? " (paused by an administrator)" : "");
	print_field(out, "state", text);
	print_field(out, "health", health_to_string(vm->health));
	if (vm->reason[0] != '\0') {
		print_field(out, "reason", vm->reason);
	}
	print_field(out, "owner", vm->owner);
	print_field(out, "peer", vm->peer);
	print_field(out, "peer's node", vm->peer_node);
	print_field(out, "resource", vm->resource);
	if (vm->vm_resource[0] != '\0') {
		print_field(out, "VM's resource", vm->vm_resource);
	}
}

/* Nothing when it was never asked for. */
static void print_application(const Vmreplica__VmStatus *vm, FILE *out)
{
	char text[128], stamp[RFC3339_LEN];
	int len;

	if (vm->app_interval_s == 0 && vm->last_app_ms == 0) {
		return;
	}
	len = snprintf(text, sizeof(text), "%s",
		       vm->last_app_ms == 0 ? "none yet"
					    : clock_format_rfc3339(vm->last_app_ms, stamp));
	if (vm->frozen_ms > 0) {
		snprintf(text + len, sizeof(text) - (size_t)len,
			 ", the guest was frozen for %" PRIu64 " ms", vm->frozen_ms);
	}
	print_field(out, "last application", text);
	if (vm->app_reason[0] != '\0') {
		print_field(out, "only crash", vm->app_reason);
	}
}

static void print_replication(const Vmreplica__VmStatus *vm, FILE *out)
{
	char text[256], number[OUTPUT_TEXT_LEN], stamp[RFC3339_LEN], line[PROGRESS_LINE_LEN];
	const Vmreplica__Cycles *cycles = vm->cycles;

	snprintf(text, sizeof(text), "%" PRIu32 " s", vm->frequency_s);
	print_field(out, "frequency", text);
	snprintf(text, sizeof(text), "cycle %" PRIu64 " of epoch %" PRIu64, vm->seq,
		 vm->epoch != NULL ? vm->epoch->number : 0);
	print_field(out, "committed", text);
	print_field(out, "last replicated",
		    vm->last_replicated_ms == 0
			    ? "never"
			    : clock_format_rfc3339(vm->last_replicated_ms, stamp));
	print_application(vm, out);
	print_field(out, "behind", output_duration(vm->behind_s, number));
	if (progress_is_under_way(vm)) {
		print_field(out, "under way", status_progress_line(vm->progress, line));
	}
	if (cycles != NULL) {
		snprintf(text, sizeof(text),
			 "%" PRIu64 " ok, %" PRIu64 " missed, %" PRIu64 " failed", cycles->ok,
			 cycles->missed, cycles->failed);
		print_field(out, "cycles", text);
	}
	snprintf(text, sizeof(text), "%" PRIu64, vm->resyncs);
	print_field(out, "resynchronized", text);
	snprintf(text, sizeof(text), "%" PRIu64 ", the last paused replication for %" PRIu64 " ms",
		 vm->moves, vm->last_pause_ms);
	print_field(out, "moves", vm->moves == 0 ? "0" : text);
}

static void print_amounts(const Vmreplica__VmStatus *vm, FILE *out)
{
	char takeover[TAKEOVER_TEXT_LEN];
	char text[256], a[OUTPUT_TEXT_LEN], b[OUTPUT_TEXT_LEN];

	snprintf(text, sizeof(text), "%s changed, %s on the wire", output_bytes(vm->bytes_dirty, a),
		 output_bytes(vm->bytes_wire, b));
	print_field(out, "bytes", text);
	snprintf(text, sizeof(text), "%s, %" PRIu64 " ms (longest %" PRIu64 " ms)",
		 output_bytes(vm->largest_bytes, a), vm->latency_ms, vm->latency_max_ms);
	print_field(out, "largest, latency", text);
	if (vm->role == VMREPLICA__ROLE__ROLE_REPLICA) {
		snprintf(text, sizeof(text), "cycle %" PRIu64 ", %s of logs wait", vm->applied_seq,
			 output_bytes(vm->spool_bytes, a));
		print_field(out, "applied", text);
		if (vm->batch_seq != 0) {
			snprintf(text, sizeof(text),
				 "logs up to cycle %" PRIu64
				 ": the image is no point in time until then",
				 vm->batch_seq);
			print_field(out, "applying", text);
		}
		print_field(out, "store", vm->store);
		print_field(out, "definition", vm->definition);
	}
	if (takeover_failover_text(vm, takeover)) {
		print_field(out, "failover", takeover);
	}
	if (takeover_test_text(vm, takeover)) {
		print_field(out, "test failover", takeover);
	}
	if (vm->job[0] != '\0') {
		print_field(out, "job", vm->job);
	}
	for (size_t i = 0; i < vm->n_disks; i++) {
		snprintf(text, sizeof(text), "%s, %s", vm->disks[i]->name,
			 output_bytes(vm->disks[i]->size_bytes, a));
		print_field(out, "disk", text);
		if (vm->disks[i]->top[0] != '\0') {
			print_field(out, "  top image", vm->disks[i]->top);
		}
	}
	for (size_t i = 0; i < vm->n_excluded_disks; i++) {
		print_field(out, "not replicated", vm->excluded_disks[i]);
	}
	if (vm->bandwidth_bytes_per_s > 0) {
		snprintf(text, sizeof(text), "%s/s at most",
			 output_bytes(vm->bandwidth_bytes_per_s, a));
		print_field(out, "bandwidth", text);
	}
}

/* What the replica VM will lack. */
static void print_notes(const Vmreplica__VmStatus *vm, FILE *out)
{
	for (size_t i = 0; i < vm->n_notes; i++) {
		print_field(out, i == 0 ? "note" : "", vm->notes[i]);
	}
}

void status_print_details(const Vmreplica__Admin__StatusResponse *status, FILE *out)
{
	for (size_t i = 0; i < status->n_vms; i++) {
		print_identity(status->vms[i], out);
		print_replication(status->vms[i], out);
		print_amounts(status->vms[i], out);
		print_notes(status->vms[i], out);
	}
	print_warnings(status, out);
}
