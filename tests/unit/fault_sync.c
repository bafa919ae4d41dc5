/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fault_sync.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOTES_MAX 128
#define NOTE_LEN  256

static struct {
	pthread_mutex_t lock;
	enum fault_whom whom;
	int skip, count, failed;
	enum fault_whom hold_whom;
	int hold_skip;
	bool held;
	pthread_cond_t changed;
	char notes[NOTES_MAX][NOTE_LEN];
	size_t note_count;
	bool noting;
} fault = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct supervised {
	int fd;
	pid_t pid;
};

static int filter_install(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_fsync, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_fdatasync, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		return -errno;
	}
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			    &program);
}

bool fault_sync_is_possible(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(filter_install() >= 0 ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

void fault_sync_prepare(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		perror("socketpair");
		exit(1);
	}
}

/* Room for one descriptor beside a message. */
union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

void fault_sync_enter(int fd)
{
	char byte = 'x';
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	union control control = {0};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int listener = filter_install();

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &listener, sizeof(int));
	if (listener < 0 || sendmsg(fd, &message, 0) != 1) {
		_exit(125);
	}
}

static int listener_receive(int fd)
{
	char byte;
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	union control control = {0};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int listener = -1;

	if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != 1 || message.msg_controllen == 0) {
		fprintf(stderr, "the child did not hand its filter over\n");
		exit(1);
	}
	memcpy(&listener, CMSG_DATA(&control.header), sizeof(int));
	return listener;
}

/* The process that a thread belongs to. */
static pid_t process_of(pid_t tid)
{
	char path[64], line[128];
	pid_t found = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "Tgid: %d", &found) == 1) {
			break;
		}
	}
	if (file != NULL) {
		fclose(file);
	}
	return found;
}

static bool fault_shall_fail(pid_t caller, pid_t child)
{
	bool fail = false;

	pthread_mutex_lock(&fault.lock);
	if (fault.whom == (caller == child ? FAULT_CHILD : FAULT_GRANDCHILD)) {
		if (fault.skip > 0) {
			fault.skip--;
		} else if (fault.count != 0) {
			fault.count -= fault.count > 0;
			fault.failed++;
			fail = true;
		}
	}
	pthread_mutex_unlock(&fault.lock);
	return fail;
}

/* What a call of thread tid makes durable. */
static void note_if_wanted(pid_t tid, pid_t caller, pid_t child, int fd)
{
	char link[64];
	ssize_t n;

	pthread_mutex_lock(&fault.lock);
	if (fault.noting && caller == child && fault.note_count < NOTES_MAX) {
		char *note = fault.notes[fault.note_count++];

		snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)tid, fd);
		n = readlink(link, note, NOTE_LEN - 1);
		note[n > 0 ? n : 0] = '\0';
	}
	pthread_mutex_unlock(&fault.lock);
}

static void hold_if_wanted(pid_t caller, pid_t child)
{
	pthread_mutex_lock(&fault.lock);
	if (fault.hold_whom == (caller == child ? FAULT_CHILD : FAULT_GRANDCHILD) &&
	    fault.hold_skip-- == 0) {
		fault.hold_whom = FAULT_NOBODY;
		fault.held = true;
		pthread_cond_broadcast(&fault.changed);
		while (fault.held) {
			pthread_cond_wait(&fault.changed, &fault.lock);
		}
	}
	pthread_mutex_unlock(&fault.lock);
}

static void *supervise(void *arg)
{
	struct supervised *child = arg;
	struct pollfd pfd = {.fd = child->fd, .events = POLLIN};

	while (poll(&pfd, 1, -1) > 0 && (pfd.revents & POLLIN) != 0) {
		struct seccomp_notif call;
		struct seccomp_notif_resp answer;

		memset(&call, 0, sizeof(call));
		memset(&answer, 0, sizeof(answer));
		if (ioctl(child->fd, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) {
			continue; /* the caller died meanwhile */
		}
		answer.id = call.id;
		note_if_wanted((pid_t)call.pid, process_of((pid_t)call.pid), child->pid,
			       (int)call.data.args[0]);
		hold_if_wanted(process_of((pid_t)call.pid), child->pid);
		if (fault_shall_fail(process_of((pid_t)call.pid), child->pid)) {
			answer.error = -EIO;
		} else {
			answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		}
		ioctl(child->fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	close(child->fd);
	free(child);
	return NULL;
}

void fault_sync_supervise(int fd, pid_t pid)
{
	struct supervised *child = malloc(sizeof(*child));
	pthread_t thread;

	if (child == NULL) {
		exit(1);
	}
	child->fd = listener_receive(fd);
	child->pid = pid;
	if (pthread_create(&thread, NULL, supervise, child) != 0) {
		exit(1);
	}
	pthread_detach(thread);
}

void fault_sync_arm(enum fault_whom whom, int skip, int count)
{
	pthread_mutex_lock(&fault.lock);
	fault.whom = whom;
	fault.skip = skip;
	fault.count = count;
	fault.failed = 0;
	pthread_mutex_unlock(&fault.lock);
}

int fault_sync_disarm(void)
{
	int failed;

	pthread_mutex_lock(&fault.lock);
	fault.whom = FAULT_NOBODY;
	failed = fault.failed;
	pthread_mutex_unlock(&fault.lock);
	return failed;
}

void fault_sync_note(void)
{
	pthread_mutex_lock(&fault.lock);
	fault.noting = true;
	fault.note_count = 0;
	pthread_mutex_unlock(&fault.lock);
}

const char *fault_sync_noted(size_t index)
{
	const char *note;

	pthread_mutex_lock(&fault.lock);
	note = index < fault.note_count ? fault.notes[index] : NULL;
	pthread_mutex_unlock(&fault.lock);
	return note;
}

void fault_sync_hold(enum fault_whom whom, int skip)
{
	pthread_mutex_lock(&fault.lock);
	fault.hold_whom = whom;
	fault.hold_skip = skip;
	fault.held = false;
	pthread_mutex_unlock(&fault.lock);
}

bool fault_sync_wait_held(int timeout_ms)
{
	struct timespec until;
	bool held;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000 + 1;
	pthread_mutex_lock(&fault.lock);
	while (!fault.held &&
	       pthread_cond_timedwait(&fault.changed, &fault.lock, &until) != ETIMEDOUT) {
	}
	held = fault.held;
	pthread_mutex_unlock(&fault.lock);
	return held;
}

void fault_sync_release(void)
{
	pthread_mutex_lock(&fault.lock);
	fault.hold_whom = FAULT_NOBODY;
	fault.held = false;
	pthread_cond_broadcast(&fault.changed);
	pthread_mutex_unlock(&fault.lock);
}
