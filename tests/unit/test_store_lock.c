/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store is let go only when receiver and qemu-storage-daemon are gone, also when the receiver is
 * one that nobody knows any more and that hangs. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/lock_holder.h"
#include "engine/receiver_leftover.h"
#include "engine/store_lock.h"
#include "replica_scene.h"
#include "unit.h"

static char error[STORE_LOCK_ERROR_LEN];

/* Does nobody hold the lock? */
static bool lock_is_free(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[RIG_PATH + 16];
	int fd, rc;

	snprintf(path, sizeof(path), "%s/lock", rig.store);
	fd = open(path, O_RDWR);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	rc = fcntl(fd, F_OFD_GETLK, &lock);
	close(fd);
	return rc == 0 && lock.l_type == F_UNLCK;
}

/* The receiver is stopped (SIGSTOP), as is its daemon: neither ends by a word. */
static void test_hung(void)
{
	int64_t begin_ms;
	pid_t daemon, receiver;
	int status = 0;

	scene_begin();
	scene_initial();
	scene_check();
	sender_drop(&sender);
	daemon = rig_daemon_pid(&rig);
	CU_ASSERT_NOT_EQUAL_FATAL(daemon, 0);
	receiver = rig.pid;
	kill(daemon, SIGSTOP);
	kill(receiver, SIGSTOP);
	rig_forget(&rig);

	CU_ASSERT_FALSE(lock_is_free());
	CU_ASSERT_EQUAL(store_lock_release(rig.store, "b9", 0, 1000, error), 0); /* not b9's */
	CU_ASSERT_EQUAL(store_lock_release(rig.store, "b1", receiver, 1000, error), 0); /* spared */
	CU_ASSERT_FALSE(lock_is_free());
	begin_ms = clock_monotonic_ms();
	CU_ASSERT_EQUAL(store_lock_release(rig.store, "b1", 0, 10000, error), 0);
	CU_ASSERT_TRUE(lock_is_free());
	CU_ASSERT_TRUE(clock_monotonic_ms() - begin_ms >=
		       4900); /* it had its time to go by itself */
	CU_ASSERT_EQUAL(waitpid(receiver, &status, WNOHANG), receiver);
	CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CU_ASSERT_TRUE(kill(daemon, 0) < 0 || rig_process_is_dead(daemon));

	rig_start(&rig, "b1");
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	scene_enter();
	CU_ASSERT_EQUAL(sender.mode, DELTA);
	scene_delta(5);
	scene_check();
	scene_end();
}

/* The receiver is gone, its daemon is not yet: the lock is held as long as anybody can write. */
static void test_daemon_holds(void)
{
	pid_t daemon;

	scene_begin();
	scene_initial();
	sender_drop(&sender);
	daemon = rig_daemon_pid(&rig);
	CU_ASSERT_NOT_EQUAL_FATAL(daemon, 0);
	CU_ASSERT_TRUE(rig_holds_lock(daemon, rig.store));
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	CU_ASSERT_TRUE(lock_is_free());
	CU_ASSERT_EQUAL(store_lock_release(rig.store, "b1", 0, 1000, error), 0);
	CU_ASSERT_EQUAL(rig_close(&rig, false), 0);
	scene_end();
}

/* The receiver of an engine that has died hangs: the next engine's start waits for its end. */
static void test_leftover(void)
{
	struct receiver_leftover leftover;
	char path[RIG_PATH + 16];
	int64_t now_ms = 1000;
	int status = 0;

	rig_init(&rig);
	snprintf(path, sizeof(path), "%s/receiver.pid", rig.root);
	receiver_leftover_init(&leftover, path);
	CU_ASSERT_TRUE(receiver_leftover_is_gone(&leftover, now_ms, 5000)); /* the first ever */
	rig_start(&rig, "b1");
	receiver_leftover_note(&leftover, "b1", rig.pid);
	CU_ASSERT_TRUE(receiver_leftover_is_gone(&leftover, now_ms, 5000)); /* its own is none */

	kill(rig.pid, SIGSTOP);
	receiver_leftover_init(&leftover, path);
	CU_ASSERT_FALSE(receiver_leftover_is_gone(&leftover, now_ms, 5000));
	CU_ASSERT_FALSE(receiver_leftover_is_gone(&leftover, now_ms + 4999, 5000));
	CU_ASSERT_EQUAL(waitpid(rig.pid, &status, WNOHANG), 0); /* asked, but it does not hear */
	CU_ASSERT_FALSE(receiver_leftover_is_gone(&leftover, now_ms + 5000, 5000));
	CU_ASSERT_EQUAL(waitpid(rig.pid, &status, 0), rig.pid);
	CU_ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CU_ASSERT_TRUE(receiver_leftover_is_gone(&leftover, now_ms + 5001, 5000));
	receiver_leftover_init(&leftover, path);
	CU_ASSERT_TRUE(receiver_leftover_is_gone(&leftover, now_ms, 5000));
	rig_forget(&rig);
	rig_destroy(&rig);
}

/* Take the lock as somebody else, naming whom the text names. */
static int lock_hold(const char *text)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[RIG_PATH + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/lock", rig.store);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	CU_ASSERT_TRUE_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(fcntl(fd, F_OFD_SETLK, &lock), 0);
	CU_ASSERT_EQUAL(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	return fd;
}

/* Nobody is killed on a pid's word alone. */
static void test_not_the_holder(void)
{
	struct lock_holder self, holder;
	char text[LOCK_HOLDER_LEN];
	pid_t other;
	int fd;

	rig_init(&rig);
	CU_ASSERT_EQUAL(store_lock_release(rig.store, "b1", 0, 1000, error), 0); /* no lock */
	CU_ASSERT_EQUAL(store_lock_release("/nowhere/at/all", "b1", 0, 1000, error), 0);
	CU_ASSERT_EQUAL(lock_holder_self("b1", &self), 0);
	CU_ASSERT_EQUAL(self.pid, getpid());
	CU_ASSERT_TRUE(self.start > 0);
	CU_ASSERT_EQUAL(lock_holder_parse(lock_holder_format(&self, text), &holder), 0);
	CU_ASSERT_STRING_EQUAL(holder.node, "b1");
	CU_ASSERT_EQUAL(holder.pid, self.pid);
	CU_ASSERT_EQUAL(holder.start, self.start);
	CU_ASSERT_EQUAL(lock_holder_signal(&self, "vmreplica-receiver", SIGKILL),
			-ESRCH); /* another program */
	holder.start++;
	CU_ASSERT_EQUAL(lock_holder_signal(&holder, "test_store_lock", SIGKILL),
			-ESRCH); /* another process */
	CU_ASSERT_EQUAL(lock_holder_parse("b1", &holder), -EINVAL);
	CU_ASSERT_EQUAL(lock_holder_parse("b1 pid -1 start 5", &holder), -EINVAL);

	other = fork();
	if (other == 0) {
		pause();
		_exit(0);
	}
	snprintf(text, sizeof(text), "b1 pid %d start 1\n", (int)other);
	fd = lock_hold(text);
	CU_ASSERT_EQUAL(store_lock_release(rig.store, "b1", 0, 1000, error), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "still holds its lock"));
	CU_ASSERT_EQUAL(waitpid(other, NULL, WNOHANG), 0); /* it lives */
	CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
	CU_ASSERT_EQUAL(store_lock_release(rig.store, "b1", 0, 2000, error), -EBUSY);
	close(fd);
	CU_ASSERT_EQUAL(store_lock_release(rig.store, "b1", 0, 1000, error), 0);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	rig_destroy(&rig);
}

static const struct unit_test tests[] = {
	{"a hung receiver", test_hung},
	{"the daemon holds it too", test_daemon_holds},
	{"a leftover receiver", test_leftover},
	{"not the holder", test_not_the_holder},
};

int main(void)
{
	rig_require_tools();
	return unit_run("lock of a store", tests, sizeof(tests) / sizeof(tests[0]));
}
