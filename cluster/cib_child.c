/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/cib_child.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES 65536

struct cib_child {
	GPid pid;
	int fd; /* its standard output, or -1 after the end */
	guint fd_source, watch_source, timeout_source;
	GByteArray *output;
	size_t output_max;
	int error; /* -ETIMEDOUT or -EMSGSIZE: why it was killed */
	bool exited;
	int wait_status;
	cib_child_done_cb done;
	void *arg;
};

static void child_free(struct cib_child *child)
{
	if (child->fd_source != 0) {
		g_source_remove(child->fd_source);
	}
	if (child->timeout_source != 0) {
		g_source_remove(child->timeout_source);
	}
	if (child->fd >= 0) {
		close(child->fd);
	}
	g_byte_array_unref(child->output);
	g_free(child);
}

/* Done when the process has ended and its output is read to the end. */
static void child_finish_if_over(struct cib_child *child)
{
	const guint8 terminator = 0;
	char why[128] = "";
	int error = child->error;

	if (!child->exited || child->fd >= 0) {
		return;
	}
	if (error == 0 && WIFSIGNALED(child->wait_status)) {
		(void)snprintf(why, sizeof(why), "killed by signal %d",
			       WTERMSIG(child->wait_status));
		error = -EIO;
	} else if (error == 0 && WEXITSTATUS(child->wait_status) != 0) {
		(void)snprintf(why, sizeof(why), "exit status %d", WEXITSTATUS(child->wait_status));
		error = -EIO;
	} else if (error != 0) {
		(void)snprintf(why, sizeof(why), "%s",
			       error == -ETIMEDOUT ? "no end in time" : "too much output");
	}
	g_byte_array_append(child->output, &terminator, 1);
	child->done(child->arg, error, (const char *)child->output->data, child->output->len - 1,
		    why);
	child_free(child);
}

static void child_kill(struct cib_child *child, int error)
{
	if (child->error == 0) {
		child->error = error;
	}
	if (!child->exited) {
		(void)kill(child->pid, SIGKILL);
	}
}

static gboolean child_timeout_cb(gpointer data)
{
	struct cib_child *child = data;

	child->timeout_source = 0;
	child_kill(child, -ETIMEDOUT);
	return G_SOURCE_REMOVE;
}

static gboolean child_read_cb(gint fd, GIOCondition condition, gpointer data)
{
	struct cib_child *child = data;
	guint8 buffer[READ_BYTES];
	ssize_t got = read(fd, buffer, sizeof(buffer));

	(void)condition;
	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		return G_SOURCE_CONTINUE;
	}
	if (got > 0 && child->output->len + (size_t)got <= child->output_max) {
		g_byte_array_append(child->output, buffer, (guint)got);
		return G_SOURCE_CONTINUE;
	}
	if (got > 0) {
		child_kill(child, -EMSGSIZE);
	}
	close(child->fd);
	child->fd = -1;
	child->fd_source = 0;
	child_finish_if_over(child);
	return G_SOURCE_REMOVE;
}

static void child_exited_cb(GPid pid, gint wait_status, gpointer data)
{
	struct cib_child *child = data;

	g_spawn_close_pid(pid);
	child->watch_source = 0;
	child->exited = true;
	child->wait_status = wait_status;
	child_finish_if_over(child);
}

/* In the child, between fork and exec. */
static void child_setup_cb(gpointer data)
{
	(void)data;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int cib_child_start(const char *const *argv, size_t output_max, unsigned int timeout_ms,
		    cib_child_done_cb done, void *arg, struct cib_child **ret_child)
{
	struct cib_child *child = g_new0(struct cib_child, 1);
	gchar **copy = g_strdupv((gchar **)argv);
	GError *error = NULL;
	gboolean ok;

	ok = g_spawn_async_with_pipes(
		NULL, copy, NULL,
		G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
		child_setup_cb, NULL, &child->pid, NULL, &child->fd, NULL, &error);
	g_strfreev(copy);
	if (!ok) {
		int result =
			g_error_matches(error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT) ? -ENOENT : -EIO;

		g_clear_error(&error);
		g_free(child);
		return result;
	}
	child->output = g_byte_array_new();
	child->output_max = output_max;
	child->done = done;
	child->arg = arg;
	(void)g_unix_set_fd_nonblocking(child->fd, TRUE, NULL);
	child->fd_source =
		g_unix_fd_add(child->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, child_read_cb, child);
	child->watch_source = g_child_watch_add(child->pid, child_exited_cb, child);
	child->timeout_source = g_timeout_add(timeout_ms, child_timeout_cb, child);
	*ret_child = child;
	return 0;
}

void cib_child_cancel(struct cib_child *child)
{
	if (child == NULL) {
		return;
	}
	if (child->watch_source != 0) {
		g_source_remove(child->watch_source);
	}
	if (!child->exited) {
		(void)kill(child->pid, SIGKILL);
		(void)waitpid(child->pid, NULL, 0);
		g_spawn_close_pid(child->pid);
	}
	child_free(child);
}
