/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/status_output.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static char lineage[] = "0a1b", site[] = "a.example", name[] = "web1", owner[] = "a1";
static char relationship[] = "11111111-2222-4333-8444-555555555555";
static char peer[] = "10.77.2.100", kind[] = "initial", disk_name[] = "vda";
static char reason[] = "initial replication is not done", store[] = "/srv/replica/web1-a";
static char top[] = "/srv/replica/web1-a/vda.3.qcow2", warning[] = "no engine runs on a2";

static char excluded_disk[] = "vdb", *excluded[] = {excluded_disk};

/* One VM with everything set that a golden text shows. */
struct sample {
	Vmreplica__VmStatus vm;
	Vmreplica__Epoch epoch;
	Vmreplica__Progress progress;
	Vmreplica__Cycles cycles;
	Vmreplica__DiskStatus disk;
	Vmreplica__DiskStatus *disks[1];
	Vmreplica__VmStatus *vms[1];
	char *warnings[1];
	Vmreplica__Admin__StatusResponse status;
};

static void sample_init(struct sample *sample)
{
	vmreplica__vm_status__init(&sample->vm);
	vmreplica__epoch__init(&sample->epoch);
	vmreplica__progress__init(&sample->progress);
	vmreplica__cycles__init(&sample->cycles);
	vmreplica__disk_status__init(&sample->disk);
	vmreplica__admin__status_response__init(&sample->status);
	sample->epoch.number = 1;
	sample->epoch.lineage = lineage;
	sample->epoch.site = site;
	sample->cycles.ok = 12;
	sample->cycles.missed = 1;
	sample->disk.name = disk_name;
	sample->disk.size_bytes = 512ull << 20;
	sample->disks[0] = &sample->disk;
	sample->vm.name = name;
	sample->vm.relationship = relationship;
	sample->vm.role = VMREPLICA__ROLE__ROLE_PRIMARY;
	sample->vm.state = VMREPLICA__STATE__STATE_REPLICATING;
	sample->vm.health = VMREPLICA__HEALTH__HEALTH_OK;
	sample->vm.owner = owner;
	sample->vm.peer = peer;
	sample->vm.epoch = &sample->epoch;
	sample->vm.cycles = &sample->cycles;
	sample->vm.seq = 17;
	sample->vm.frequency_s = 30;
	sample->vm.behind_s = 12;
	sample->vm.last_replicated_ms = 1795343460123;
	sample->vm.moves = 2;
	sample->vm.last_pause_ms = 2100;
	sample->vm.bytes_dirty = 5ull << 30;
	sample->vm.bytes_wire = 1ull << 30;
	sample->vm.n_disks = 1;
	sample->vm.disks = sample->disks;
	sample->vms[0] = &sample->vm;
	sample->status.n_vms = 1;
	sample->status.vms = sample->vms;
}

static void sample_set_progress(struct sample *sample)
{
	sample->progress.kind = kind;
	sample->progress.done_bytes = 256ull << 20;
	sample->progress.total_bytes = 1ull << 30;
	sample->progress.rate_bytes_per_s = 32ull << 20;
	sample->progress.eta_s = 24;
	sample->vm.progress = &sample->progress;
	sample->vm.reason = reason;
}

static char *table_text(const Vmreplica__Admin__StatusResponse *status)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	CU_ASSERT_EQUAL_FATAL(status_print_table(status, out), 0);
	fclose(out);
	return text;
}

static void test_table(void)
{
	struct sample sample;
	char *text;

	sample_init(&sample);
	text = table_text(&sample.status);
	CU_ASSERT_STRING_EQUAL(
		text, "VM    ROLE     STATE        HEALTH  OWNER  EVERY  BEHIND  OK/MISS/FAIL\n"
		      "web1  primary  Replicating  OK      a1     30 s   12 s    12/1/0\n");
	free(text);
}

static void test_table_remarks(void)
{
	struct sample sample;
	char *text;

	sample_init(&sample);
	sample_set_progress(&sample);
	sample.warnings[0] = warning;
	sample.status.n_warnings = 1;
	sample.status.warnings = sample.warnings;
	text = table_text(&sample.status);
	CU_ASSERT_PTR_NOT_NULL(strstr(text,
				      "\nweb1: initial replication is not done\n"
				      "web1: initial [######..................]  25%  256.0 MiB "
				      "of 1.0 GiB  32.0 MiB/s  24 s left\n"
				      "Warning: no engine runs on a2\n"));
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		CU_ASSERT_TRUE(strlen(line) <= 100);
	}
	free(text);
}

static void test_table_worst_width(void)
{
	struct sample sample;
	char *text;

	sample_init(&sample);
	sample.vm.state = VMREPLICA__STATE__STATE_WAITING_FOR_INITIAL_REPLICATION;
	sample.vm.health = VMREPLICA__HEALTH__HEALTH_CRITICAL;
	sample.vm.behind_s = 3599;
	sample.vm.frequency_s = 86400;
	text = table_text(&sample.status);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		CU_ASSERT_TRUE(strlen(line) <= 100);
	}
	free(text);
}

static void test_progress_edges(void)
{
	Vmreplica__Progress progress = VMREPLICA__PROGRESS__INIT;
	char line[PROGRESS_LINE_LEN];

	progress.kind = kind;
	CU_ASSERT_STRING_EQUAL(
		status_progress_line(&progress, line),
		"initial [........................]   0%  0 B of 0 B  0 B/s  ? left");
	progress.done_bytes = 3000; /* changed while it was read: more than was planned */
	progress.total_bytes = 2000;
	progress.rate_bytes_per_s = 1;
	CU_ASSERT_PTR_NOT_NULL(
		strstr(status_progress_line(&progress, line), "[########################] 100%"));
}

static json_int_t number_at(json_t *object, const char *outer, const char *inner)
{
	json_t *value = json_object_get(object, outer);

	value = inner != NULL ? json_object_get(value, inner) : value;
	CU_ASSERT_TRUE_FATAL(json_is_integer(value));
	return json_integer_value(value);
}

static const char *text_at(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	CU_ASSERT_TRUE_FATAL(json_is_string(value));
	return json_string_value(value);
}

static void test_json_primary(void)
{
	struct sample sample;
	json_t *root, *vm;

	sample_init(&sample);
	sample.vm.excluded_disks = excluded;
	sample.vm.n_excluded_disks = 1;
	root = status_to_json(&sample.status);
	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	vm = json_array_get(json_object_get(root, "vms"), 0);
	CU_ASSERT_STRING_EQUAL(text_at(vm, "name"), "web1");
	CU_ASSERT_STRING_EQUAL(
		json_string_value(json_array_get(json_object_get(vm, "excluded_disks"), 0)), "vdb");
	CU_ASSERT_EQUAL(number_at(vm, "bandwidth_bytes_per_s", NULL), 0);
	CU_ASSERT_STRING_EQUAL(text_at(vm, "relationship"), relationship);
	CU_ASSERT_STRING_EQUAL(text_at(vm, "role"), "primary");
	CU_ASSERT_STRING_EQUAL(text_at(vm, "state"), "Replicating");
	CU_ASSERT_STRING_EQUAL(text_at(vm, "health"), "OK");
	CU_ASSERT_STRING_EQUAL(text_at(vm, "reason"), "");
	CU_ASSERT_STRING_EQUAL(text_at(vm, "owner"), "a1");
	CU_ASSERT_STRING_EQUAL(text_at(vm, "peer"), "10.77.2.100");
	CU_ASSERT_EQUAL(number_at(vm, "epoch", "number"), 1);
	CU_ASSERT_EQUAL(number_at(vm, "seq", NULL), 17);
	CU_ASSERT_EQUAL(number_at(vm, "frequency_s", NULL), 30);
	CU_ASSERT_STRING_EQUAL(text_at(vm, "last_replicated"), "2026-11-22T10:31:00.123Z");
	CU_ASSERT_EQUAL(number_at(vm, "behind_s", NULL), 12);
	CU_ASSERT_TRUE(json_is_null(json_object_get(vm, "progress")));
	CU_ASSERT_EQUAL(number_at(vm, "cycles", "ok"), 12);
	CU_ASSERT_EQUAL(number_at(vm, "cycles", "missed"), 1);
	CU_ASSERT_EQUAL(number_at(vm, "cycles", "failed"), 0);
	CU_ASSERT_EQUAL(number_at(vm, "resyncs", NULL), 0);
	CU_ASSERT_EQUAL(number_at(vm, "moves", "count"), 2);
	CU_ASSERT_EQUAL(number_at(vm, "moves", "last_pause_ms"), 2100);
	CU_ASSERT_EQUAL(number_at(vm, "bytes", "dirty"), 5ll << 30);
	CU_ASSERT_EQUAL(number_at(vm, "bytes", "wire"), 1ll << 30);
	CU_ASSERT_TRUE(json_is_null(json_object_get(vm, "store")));
	CU_ASSERT_EQUAL(json_array_size(json_object_get(root, "warnings")), 0);
	json_decref(root);
}

static void test_json_replica(void)
{
	struct sample sample;
	json_t *root, *vm, *disk;

	sample_init(&sample);
	sample_set_progress(&sample);
	sample.vm.role = VMREPLICA__ROLE__ROLE_REPLICA;
	sample.vm.store = store;
	sample.vm.behind_s = -1;
	sample.vm.last_replicated_ms = 0;
	sample.disk.top = top;
	root = status_to_json(&sample.status);
	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	vm = json_array_get(json_object_get(root, "vms"), 0);
	CU_ASSERT_STRING_EQUAL(text_at(vm, "role"), "replica");
	CU_ASSERT_STRING_EQUAL(text_at(vm, "store"), store);
	CU_ASSERT_TRUE(json_is_null(json_object_get(vm, "behind_s")));
	CU_ASSERT_TRUE(json_is_null(json_object_get(vm, "last_replicated")));
	CU_ASSERT_EQUAL(number_at(vm, "progress", "total_bytes"), 1ll << 30);
	CU_ASSERT_EQUAL(number_at(vm, "progress", "eta_s"), 24);
	disk = json_array_get(json_object_get(vm, "disks"), 0);
	CU_ASSERT_STRING_EQUAL(text_at(disk, "name"), "vda");
	CU_ASSERT_STRING_EQUAL(text_at(disk, "top"), top);
	CU_ASSERT_EQUAL(number_at(disk, "size_bytes", NULL), 512 << 20);
	json_decref(root);
}

static void test_json_bare(void)
{
	Vmreplica__VmStatus vm = VMREPLICA__VM_STATUS__INIT;
	Vmreplica__VmStatus *vms[] = {&vm};
	Vmreplica__Admin__StatusResponse status = VMREPLICA__ADMIN__STATUS_RESPONSE__INIT;
	json_t *root;

	status.n_vms = 1; /* no epoch, cycles or progress: what an engine knows of a VM just seen */
	status.vms = vms;
	root = status_to_json(&status);
	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	CU_ASSERT_EQUAL(json_array_size(json_object_get(root, "vms")), 1);
	json_decref(root);
}

static void test_details(void)
{
	struct sample sample;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	sample_init(&sample);
	sample.vm.suspended = true;
	sample.vm.excluded_disks = excluded;
	sample.vm.n_excluded_disks = 1;
	sample.vm.bandwidth_bytes_per_s = 2u << 20;
	status_print_details(&sample.status, out);
	fclose(out);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "web1\n  relationship      11111111-"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "Replicating (paused by an administrator)\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "committed         cycle 17 of epoch 1\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "not replicated    vdb\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "bandwidth         2.0 MiB/s at most\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "12 ok, 1 missed, 0 failed\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "2, the last paused replication for 2100 ms\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "5.0 GiB changed, 1.0 GiB on the wire\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "store"));
	free(text);
}

static const struct unit_test tests[] = {
	{"table", test_table},
	{"reason, progress and warnings below the table", test_table_remarks},
	{"the widest words fit", test_table_worst_width},
	{"progress at its edges", test_progress_edges},
	{"json of a primary", test_json_primary},
	{"json of a replica", test_json_replica},
	{"json of a VM without details", test_json_bare},
	{"details", test_details},
};
UNIT_MAIN("status output", tests)
