/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the replica's side of a planned failover looks at before the VM is stopped on the other: all
 * for which it would refuse, and that it says what to do. What peer_ready.c calls is played here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "engine/definition_file.h"
#include "engine/peer_order.h"
#include "engine/replica.h"
#include "engine/replica_fit.h"
#include "engine/source_host.h"
#include "engine/source_run.h"
#include "unit.h"

#define MIB (1ull << 20)

static const struct config config = {.node = (char *)(uintptr_t) "b1"};
static struct engine engine = {.config = &config};
static Vmreplica__VmStatus status;
static Vmreplica__Takeover takeover;
static Vmreplica__DiskStatus disk, *disks[] = {&disk};
static struct replica replica;
static struct {
	bool absent, closed, busy;
	uint64_t free_bytes, host_kib, vm_kib;
	int storage, libvirt, memory, definition;
	enum source_run_state state;
	const char *refusal, *network;
	bool lost;
} world;
static char answer[REASON_MAX]; /* "ready", "later: ...", "refused: ..." */

/* ---- what it calls ---- */

struct replica *engine_find_replica(const struct engine *e, const char *relationship)
{
	(void)e;
	(void)relationship;
	return world.absent ? NULL : &replica;
}

bool replica_is_open(const struct replica *one)
{
	(void)one;
	return !world.closed;
}

char *replica_definition_vm(const struct replica *r, char *buf)
{
	(void)r;
	return strcpy(buf, "web1");
}

int statvfs(const char *restrict path, struct statvfs *restrict fs)
{
	CU_ASSERT_STRING_EQUAL(path, "/srv/replica/a.example/web1-0b0e7d1c");
	memset(fs, 0, sizeof(*fs));
	fs->f_frsize = 4096;
	fs->f_bavail = world.free_bytes / 4096;
	errno = world.storage;
	return world.storage != 0 ? -1 : 0;
}

int source_run_state(struct source_connection *connection, const char *vm,
		     enum source_run_state *ret_state, char error[SOURCE_ERROR_LEN])
{
	(void)connection;
	CU_ASSERT_STRING_EQUAL(vm, "web1");
	*ret_state = world.state;
	strcpy(error, "libvirt does not answer");
	return world.libvirt;
}

int source_host_memory(struct source_connection *connection, uint64_t *ret_kib,
		       char error[SOURCE_ERROR_LEN])
{
	(void)connection;
	*ret_kib = world.host_kib;
	strcpy(error, "libvirt does not answer");
	return world.memory;
}

int definition_file_read(const char *store, char **ret_xml, size_t *ret_len)
{
	(void)store;
	*ret_xml = world.definition < 0 ? NULL : strdup("<domain/>");
	*ret_len = 9;
	return world.definition;
}

void replica_fit_run(const struct replica_fit *request, struct domain_fit *fit)
{
	CU_ASSERT_EQUAL(request->disk_count, 1);
	CU_ASSERT_STRING_EQUAL(request->disks[0], "vda");
	CU_ASSERT_EQUAL(request->xml_len, 9);
	fit->memory_kib = world.vm_kib;
	request->kept->is_lost = world.lost;
	if (world.lost) {
		sentence_list_add(&fit->warnings, "excluded disks do not come home");
	}
	if (world.refusal != NULL) {
		sentence_list_add(&fit->refusals, "%s", world.refusal);
	}
	if (world.network != NULL) {
		sentence_list_add(&fit->networks, "%s", world.network);
	}
}

void kept_definition_take(struct kept_definition *kept, const struct replica *one)
{
	CU_ASSERT_PTR_EQUAL(one, &replica);
	kept->was_own = true;
}

void kept_definition_destroy(struct kept_definition *kept)
{
	CU_ASSERT(kept->was_own);
}

void domain_fit_destroy(struct domain_fit *fit)
{
	sentence_list_destroy(&fit->refusals);
	sentence_list_destroy(&fit->warnings);
	sentence_list_destroy(&fit->networks);
}

int workers_submit(struct workers *workers, worker_run_cb run, worker_done_cb done, void *arg)
{
	(void)workers;
	if (world.busy) {
		return -EAGAIN;
	}
	done(arg, run(arg));
	return 0;
}

void peer_order_answer(struct admin_call *call, const Vmreplica__Wire__Ordered *ordered)
{
	(void)call;
	CU_ASSERT(ordered->done);
	snprintf(answer, sizeof(answer), "ready: %.400s", ordered->text);
}

void peer_order_later(struct admin_call *call, const char *job, const char *text)
{
	(void)call;
	(void)job;
	snprintf(answer, sizeof(answer), "later: %.400s", text);
}

void peer_order_refuse(struct admin_call *call, const char *format, ...)
{
	va_list args;

	(void)call;
	strcpy(answer, "refused: ");
	va_start(args, format);
	vsnprintf(answer + 9, sizeof(answer) - 9, format, args);
	va_end(args);
}

/* ---- the tests ---- */

static void healthy(void)
{
	memset(&world, 0, sizeof(world));
	world.free_bytes = 1024 * MIB;
	world.host_kib = 4096 * 1024;
	world.vm_kib = 2048 * 1024;
	world.state = SOURCE_RUN_ABSENT;
	vmreplica__vm_status__init(&status);
	vmreplica__takeover__init(&takeover);
	vmreplica__disk_status__init(&disk);
	disk.name = (char *)(uintptr_t) "vda";
	status.disks = disks;
	status.n_disks = 1;
	status.seq = 7;
	status.health = VMREPLICA__HEALTH__HEALTH_OK;
	memset(&replica, 0, sizeof(replica));
	replica.engine = &engine;
	replica.status = &status;
	strcpy(replica.settings.vm, "web1");
	strcpy(replica.settings.resource, "web1-a-replica");
	strcpy(replica.directory, "/srv/replica/a.example/web1-0b0e7d1c");
}

static bool answers(const char *word, const char *more)
{
	struct peer_order order = {.engine = &engine};

	answer[0] = '\0';
	peer_order_ready(&order);
	if (strncmp(answer, word, strlen(word)) == 0 && strstr(answer, more) != NULL) {
		return true;
	}
	printf("\n%s\n", answer);
	return false;
}

static void test_ready(void)
{
	healthy();
	CU_ASSERT(answers("ready", ""));
	status.health = VMREPLICA__HEALTH__HEALTH_WARNING;
	CU_ASSERT(answers("ready", ""));
	takeover.kind = VMREPLICA__TAKEOVER_KIND__TAKEOVER_TEST; /* a drill is no hindrance */
	status.takeover = &takeover;
	CU_ASSERT(answers("ready", ""));
	world.state = SOURCE_RUN_OFF;
	CU_ASSERT(answers("ready", ""));
	CU_ASSERT_STRING_EQUAL(answer, "ready: ");
	world.lost = true; /* it could all the same */
	CU_ASSERT(answers("ready", "excluded disks do not come home"));
}

/* What passes by itself is no refusal. */
static void test_later(void)
{
	healthy();
	world.absent = true;
	CU_ASSERT(answers("later", "not open"));
	healthy();
	world.closed = true;
	CU_ASSERT(answers("later", "not open"));
	healthy();
	world.busy = true;
	CU_ASSERT(answers("later", "busy"));
}

static void test_store(void)
{
	healthy();
	status.seq = 0;
	CU_ASSERT(answers("refused", "no cycle is complete"));
	healthy();
	takeover.kind = VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER;
	status.takeover = &takeover;
	CU_ASSERT(answers("refused", "failed over there already"));
	healthy();
	status.health = VMREPLICA__HEALTH__HEALTH_CRITICAL;
	status.reason = (char *)(uintptr_t) "the disk is full";
	CU_ASSERT(answers("refused", "the disk is full"));
}

static void test_node(void)
{
	healthy();
	world.free_bytes = 100 * MIB;
	CU_ASSERT(answers("refused", "100 MiB left"));
	healthy();
	world.storage = EIO;
	CU_ASSERT(answers("refused", strerror(EIO)));
	healthy();
	world.state = SOURCE_RUN_RUNNING;
	CU_ASSERT(answers("refused", "rename one of the two"));
	healthy();
	world.libvirt = -ETIMEDOUT;
	CU_ASSERT(answers("refused", "libvirt does not answer"));
	healthy();
	world.definition = -ENOENT;
	CU_ASSERT(answers("refused", "comes with a cycle"));
	healthy();
	world.network = "b1 has no network dr";
	CU_ASSERT(answers("refused:", "no network dr"));
	world.refusal = "it has no pc-q35-9.0";
	CU_ASSERT(answers("refused", "it has no pc-q35-9.0"));
}

static void test_memory(void)
{
	healthy();
	world.host_kib = world.vm_kib;
	CU_ASSERT(answers("ready", ""));
	world.host_kib = world.vm_kib - 1024;
	CU_ASSERT(answers("refused", "web1 has 2048 MiB of memory, b1 has 2047 MiB left"));
	CU_ASSERT(answers("refused", "pcs resource move web1-a-replica"));
	world.host_kib = 0; /* the host does not say */
	CU_ASSERT(answers("ready", ""));
	world.host_kib = 1;
	world.memory = -ETIMEDOUT;
	CU_ASSERT(answers("ready", ""));
	healthy();
	world.vm_kib = 0; /* the definition does not say */
	world.host_kib = 1;
	CU_ASSERT(answers("ready", ""));
}

static const struct unit_test tests[] = {
	{"it could", test_ready},	    {"not now", test_later},
	{"the store", test_store},	    {"the node", test_node},
	{"the node's memory", test_memory},
};
UNIT_MAIN("peer-ready", tests)
