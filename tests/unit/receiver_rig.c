/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "fault_sync.h"

#define PROGRAM "./vmreplica-receiver"

bool rig_fault_sync, rig_mortal;
const char *rig_environment[4];

/* The link has ended without being told to: say how the receiver ended. */
__attribute__((noreturn)) static void rig_receiver_gone(struct rig *rig, int rc)
{
	int status = 0;
	pid_t pid = 0;

	for (int i = 0; i < 50 && pid == 0; i++) {
		pid = waitpid(rig->pid, &status, WNOHANG);
		clock_sleep_ms(100);
	}
	if (pid == 0) {
		rig_die("the receiver closed its link and lives on: %s", strerror(-rc));
	}
	rig_die("the receiver is gone (%s): %s %d", strerror(-rc),
		WIFSIGNALED(status) ? "signal" : "exit status",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

bool rig_wait(struct rig *rig, rig_condition condition, uint64_t argument, int timeout_ms)
{
	int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

	while (condition == NULL || !condition(rig, argument)) {
		int64_t left_ms = deadline_ms - clock_monotonic_ms();
		struct frame frame;
		int rc = left_ms <= 0 ? -ETIMEDOUT
				      : channel_receive(&rig->channel, &rig->arena, &frame, NULL, 0,
							(int)left_ms);

		if (rc == -ETIMEDOUT) {
			return false;
		}
		if (rc < 0 && rig_mortal) {
			rig->gone = true;
			return false;
		}
		if (rc < 0) {
			rig_receiver_gone(rig, rc);
		}
		rig_take(rig, &frame);
	}
	return true;
}

bool rig_is_applied(const struct rig *rig, uint64_t seq)
{
	return rig->status.applied_seq >= seq && rig->status.seq >= seq;
}

bool rig_has_state(const struct rig *rig, uint64_t state)
{
	return rig->status.count > 0 && (uint64_t)rig->status.state == state;
}

static bool is_ready(const struct rig *rig, uint64_t unused)
{
	(void)unused;
	return rig->port != 0;
}

static bool is_opened(const struct rig *rig, uint64_t unused)
{
	(void)unused;
	return rig->opened;
}

static bool is_closed(const struct rig *rig, uint64_t unused)
{
	(void)unused;
	return rig->closed;
}

/* ---- what it is told ---- */

static void rig_send(struct rig *rig, enum frame_type type, const ProtobufCMessage *message)
{
	if (channel_send(&rig->channel, type, message, NULL, 0, 5000) == 0) {
		return;
	}
	rig->gone = rig_mortal;
	if (!rig_mortal) {
		rig_die("cannot send %s to the receiver", frame_type_to_string(type));
	}
}

static char *text(const char *borrowed)
{
	return (char *)(uintptr_t)borrowed;
}

void rig_configure(struct rig *rig)
{
	Vmreplica__Ipc__ReceiverConfig config = VMREPLICA__IPC__RECEIVER_CONFIG__INIT;
	char ca[RIG_PATH + 64], certificate[RIG_PATH + 64], key[RIG_PATH + 64];

	snprintf(ca, sizeof(ca), "%s/ca.crt", rig->root);
	snprintf(certificate, sizeof(certificate), "%s/b1.b.example.crt", rig->root);
	snprintf(key, sizeof(key), "%s/b1.b.example.key", rig->root);
	config.listen = text("127.0.0.1");
	config.ca = ca;
	config.certificate = certificate;
	config.key = key;
	config.node = rig->node;
	config.site = text("b.example");
	config.places =
		(char *[]){rig->root, rig->store, text(".")}; /* there is fault_sync's library */
	config.n_places = 3;
	config.spool_cap_bytes = rig->cap_bytes;
	config.history_cap_bytes = rig->history_cap_bytes;
	config.storage_reserve_bytes = rig->reserve_bytes;
	config.log_level = text(getenv("RIG_LOG") != NULL ? "debug" : "error");
	config.log_directory = text(getenv("RIG_LOG") != NULL ? getenv("RIG_LOG") : "");
	rig_send(rig, FRAME_RECEIVER_CONFIG, &config.base);
}

void rig_authorize_groups(struct rig *rig, const char *const (*pairs)[2], size_t count)
{
	Vmreplica__Ipc__AuthorizationSet set = VMREPLICA__IPC__AUTHORIZATION_SET__INIT;
	Vmreplica__Ipc__Authorization entries[4], *list[4];

	for (size_t i = 0; i < count; i++) {
		vmreplica__ipc__authorization__init(&entries[i]);
		entries[i].pattern = text(pairs[i][0]);
		entries[i].group = text(pairs[i][1]);
		entries[i].storage = rig->root;
		list[i] = &entries[i];
	}
	set.entries = list;
	set.n_entries = count;
	rig_send(rig, FRAME_AUTHORIZATION_SET, &set.base);
}

void rig_authorize_size(struct rig *rig, uint64_t max_bytes, uint64_t others_bytes)
{
	Vmreplica__Ipc__AuthorizationSet set = VMREPLICA__IPC__AUTHORIZATION_SET__INIT;
	Vmreplica__Ipc__Authorization entry = VMREPLICA__IPC__AUTHORIZATION__INIT,
				      *entries[1] = {&entry};
	Vmreplica__Ipc__AuthorizedReplica other = VMREPLICA__IPC__AUTHORIZED_REPLICA__INIT,
					  *others[1];

	entry.pattern = text(RIG_SITE);
	entry.storage = rig->root;
	entry.max_size_bytes = max_bytes;
	other.relationship = text("11111111-1111-4111-8111-111111111111");
	other.site = text(RIG_SITE);
	other.size_bytes = others_bytes;
	others[0] = &other;
	set.entries = entries;
	set.replicas = others;
	set.n_entries = set.n_replicas = 1;
	rig_send(rig, FRAME_AUTHORIZATION_SET, &set.base);
	rig_wait(rig, NULL, 0, 200);
}

void rig_authorize(struct rig *rig, const char *pattern)
{
	const char *const pairs[][2] = {{pattern, ""}};

	rig_authorize_groups(rig, pairs, pattern == NULL ? 0 : 1);
}

static void receiver_exec(int fd, int fault_fd)
{
	uid_t uid;
	gid_t gid;
	bool drops = false;

	rig_user(&uid, &gid, &drops);
	if (dup2(fd, 3) < 0 || (geteuid() == 0 && !drops && (setgid(gid) < 0 || setuid(uid) < 0))) {
		_exit(126);
	}
	if (fault_fd >= 0) {
		fault_sync_enter(fault_fd);
	}
	for (size_t i = 0; i < 4 && rig_environment[i] != NULL; i++) {
		putenv((char *)(uintptr_t)rig_environment[i]);
	}
	close_range(4, ~0u, 0);
	execl(PROGRAM, PROGRAM, (char *)NULL);
	_exit(127);
}

void rig_start(struct rig *rig, const char *node)
{
	int pair[2], fault_pair[2] = {-1, -1};

	if (rig_fault_sync) {
		fault_sync_prepare(fault_pair);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		rig_die("socketpair: %s", strerror(errno));
	}
	rig->pid = fork();
	if (rig->pid == 0) {
		receiver_exec(pair[1], fault_pair[1]);
	}
	close(pair[1]);
	if (rig_fault_sync) {
		fault_sync_supervise(fault_pair[0], rig->pid);
		close(fault_pair[0]);
		close(fault_pair[1]);
	}
	rig->fd = pair[0];
	rig->port = 0;
	rig->opened = rig->gone = false;
	memset(&rig->status, 0, sizeof(rig->status));
	snprintf(rig->node, sizeof(rig->node), "%s", node);
	channel_init_fd(&rig->channel, rig->fd);
	arena_init(&rig->arena, 1024 * 1024);
	rig_configure(rig);
	if (!rig_wait(rig, is_ready, 0, 20000)) {
		rig_die("the receiver does not get ready");
	}
	rig_authorize(rig, RIG_SITE);
}

static void peak_rss_note(struct rig *rig)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)rig->pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		uint64_t kib;

		if (sscanf(line, "VmHWM: %lu kB", &kib) == 1 && kib > rig->peak_rss_kib) {
			rig->peak_rss_kib = kib;
		}
	}
	if (file != NULL) {
		fclose(file);
	}
}

void rig_forget(struct rig *rig)
{
	channel_destroy(&rig->channel);
	arena_reset(&rig->arena);
	close(rig->fd);
	rig->fd = -1;
	rig->pid = 0;
}

void rig_stop(struct rig *rig)
{
	Vmreplica__Ipc__Shutdown message = VMREPLICA__IPC__SHUTDOWN__INIT;
	struct frame frame;
	int status = 0;

	peak_rss_note(rig);
	rig_send(rig, FRAME_SHUTDOWN, &message.base);
	while (channel_receive(&rig->channel, &rig->arena, &frame, NULL, 0, 60000) == 0) {
		rig_take(rig, &frame);
	}
	waitpid(rig->pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		rig_die("the receiver ended with status %#x", status);
	}
	rig_forget(rig);
}

void rig_kill(struct rig *rig)
{
	pid_t daemon = rig_daemon_pid(rig);

	peak_rss_note(rig);
	kill(rig->pid, SIGKILL);
	waitpid(rig->pid, NULL, 0);
	for (int i = 0; daemon != 0 && !rig_process_is_dead(daemon) && i < 500; i++) {
		clock_sleep_ms(10); /* it dies with its parent, but not in the same instant */
	}
	rig_forget(rig);
}

/* Ends the program, unless the receiver was allowed to die. */
static void rig_unanswered(const struct rig *rig, const char *what)
{
	if (!rig->gone) {
		rig_die("no %s", what);
	}
}

int rig_open(struct rig *rig)
{
	Vmreplica__Ipc__StoreOpen request = VMREPLICA__IPC__STORE_OPEN__INIT;

	request.relationship = text(RIG_RELATIONSHIP);
	request.vm = text("web1");
	request.peer_site = text(RIG_SITE);
	request.directory = rig->store;
	request.frequency_s = 5;
	request.resource = text("web1-a-replica");
	request.points = rig->points;
	request.point_interval_s = rig->point_interval_s;
	request.app_interval_s = rig->app_interval_s;
	request.qemu_uid = rig->qemu_uid;
	rig->opened = false;
	rig_send(rig, FRAME_STORE_OPEN, &request.base);
	if (!rig_wait(rig, is_opened, 0, 30000)) {
		rig_unanswered(rig, "STORE_OPENED");
		return -EPIPE;
	}
	return rig->opened_error;
}

static bool is_listed(const struct rig *rig, uint64_t unused)
{
	(void)unused;
	return rig->listed;
}

void rig_list(struct rig *rig, bool cycles, uint32_t limit)
{
	Vmreplica__Ipc__PointsQuery request = VMREPLICA__IPC__POINTS_QUERY__INIT;

	request.relationship = text(RIG_RELATIONSHIP);
	request.cycles = cycles;
	request.limit = limit;
	rig->list_count = 0;
	do {
		request.id++;
		request.after_seq = rig->list_count == 0 ? 0 : rig->list[rig->list_count - 1].seq;
		rig->listed = false;
		rig_send(rig, FRAME_POINTS_QUERY, &request.base);
		if (!rig_wait(rig, is_listed, 0, 30000)) {
			rig_die("no REPLICA_POINTS");
		}
	} while (rig->list_more);
}

static bool is_taken(const struct rig *rig, uint64_t answers)
{
	return rig->taken.answers > answers;
}

void rig_ask(struct rig *rig, enum frame_type type, const ProtobufCMessage *message)
{
	rig->taken.answers = rig->taken.workings = 0;
	rig_send(rig, type, message);
}

int rig_taken_wait(struct rig *rig, int timeout_ms)
{
	if (!rig_wait(rig, is_taken, 0, timeout_ms)) {
		rig_unanswered(rig, "STORE_TAKEN");
		return -EPIPE;
	}
	return rig->taken.error;
}

bool rig_lend_application;

static bool is_lent(const struct rig *rig, uint64_t unused)
{
	(void)unused;
	return rig->lent.answered;
}

int rig_lend(struct rig *rig, const char *reader, const char *after, const char *const *known,
	     bool look)
{
	Vmreplica__Ipc__StoreLend request = VMREPLICA__IPC__STORE_LEND__INIT;
	char holder[64];

	snprintf(holder, sizeof(holder), "extended-%s", reader);
	request.id = 7;
	request.relationship = text(RIG_RELATIONSHIP);
	request.holder = holder;
	request.after_cut_id = text(after);
	request.known = (char **)(uintptr_t)known;
	while (known != NULL && known[request.n_known] != NULL) {
		request.n_known++;
	}
	request.look = look;
	request.application = rig_lend_application;
	rig->lent.answered = false;
	rig_send(rig, FRAME_STORE_LEND, &request.base);
	if (!rig_wait(rig, is_lent, 0, 40000)) {
		rig_die("no STORE_LENT");
	}
	return rig->lent.error;
}

void rig_lend_end(struct rig *rig, const char *reader)
{
	Vmreplica__Ipc__StoreLendEnd request = VMREPLICA__IPC__STORE_LEND_END__INIT;
	char holder[64];

	snprintf(holder, sizeof(holder), "extended-%s", reader);
	request.relationship = text(RIG_RELATIONSHIP);
	request.holder = holder;
	rig_send(rig, FRAME_STORE_LEND_END, &request.base);
}

int rig_close(struct rig *rig, bool destroy)
{
	Vmreplica__Ipc__StoreClose request = VMREPLICA__IPC__STORE_CLOSE__INIT;

	request.relationship = text(RIG_RELATIONSHIP);
	request.destroy = destroy;
	rig->closed = false;
	rig_send(rig, FRAME_STORE_CLOSE, &request.base);
	if (!rig_wait(rig, is_closed, 0, 60000)) {
		rig_unanswered(rig, "STORE_CLOSED");
		return -EPIPE;
	}
	return rig->closed_error;
}

void rig_suspend(struct rig *rig, bool suspended)
{
	Vmreplica__Ipc__StoreSuspend request = VMREPLICA__IPC__STORE_SUSPEND__INIT;

	request.relationship = text(RIG_RELATIONSHIP);
	request.suspended = suspended;
	rig_send(rig, FRAME_STORE_SUSPEND, &request.base);
}
