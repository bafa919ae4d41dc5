/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmreplica-cib: the only program that links libcib and GLib, and the only one in group haclient,
 * which can rewrite the CIB and so amounts to root on every node (measured). It takes nothing but
 * the frames of its daemon, on descriptor 3, and ends with it.
 */
#include <errno.h>
#include <glib-unix.h>
#include <glib.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cluster/cib_changes.h"
#include "cluster/cib_connection.h"
#include "cluster/cib_health.h"
#include "cluster/cib_process.h"
#include "cluster/cib_reader.h"
#include "common/daemon.h"
#include "common/log.h"
#include "proto/frame.h"
#include "proto/limits.h"

#define SEND_TIMEOUT_MS	   30000 /* the daemon reads all the time; one that does not is gone */
#define RECEIVE_TIMEOUT_MS 1000
#define PACEMAKER_USER	   "hacluster"
#define PACEMAKER_GROUP	   "haclient"
#define TOOLS_PATH	   "/usr/sbin:/usr/bin:/sbin:/bin"

struct helper {
	GMainLoop *loop;
	struct channel channel;
	struct arena arena;
	int exit_status;
};

static void helper_end(struct helper *helper, int exit_status)
{
	helper->exit_status = exit_status;
	g_main_loop_quit(helper->loop);
}

static void helper_send(struct helper *helper, enum frame_type type,
			const ProtobufCMessage *message)
{
	int error = channel_send(&helper->channel, type, message, NULL, 0, SEND_TIMEOUT_MS);

	if (error == -EMSGSIZE) {
		log_error("%s is too large for the daemon", frame_type_to_string(type));
	} else if (error < 0) {
		helper_end(helper, error == -ECONNRESET ? 0 : 1);
	}
}

static void helper_placement_cb(void *arg, const Vmreplica__Ipc__CibPlacement *placement)
{
	helper_send(arg, FRAME_CIB_PLACEMENT, &placement->base);
}

static void helper_settings_cb(void *arg, const Vmreplica__Ipc__CibSettings *settings)
{
	helper_send(arg, FRAME_CIB_SETTINGS, &settings->base);
}

static void helper_changed_cb(void *arg)
{
	(void)arg;
	cib_reader_mark();
}

static void helper_state_cb(void *arg, bool connected, const char *text)
{
	Vmreplica__Ipc__CibState state = VMREPLICA__IPC__CIB_STATE__INIT;
	char copy[CIB_CONNECTION_ERROR_LEN];

	(void)snprintf(copy, sizeof(copy), "%s", text);
	state.connected = connected;
	state.text = copy;
	helper_send(arg, FRAME_CIB_STATE, &state.base);
	if (connected) {
		cib_reader_mark();
	}
}

static void helper_answer(struct helper *helper, uint64_t id, int error, char *text)
{
	Vmreplica__Ipc__CibDone done = VMREPLICA__IPC__CIB_DONE__INIT;

	done.id = id;
	done.error = error;
	done.text = text;
	helper_send(helper, FRAME_CIB_DONE, &done.base);
	/* A file in the place of the CIB (tests) sends no notifications. */
	cib_reader_mark();
}

static void helper_set_health(const Vmreplica__Ipc__CibSetHealth *request)
{
	char error[VM_RESOURCE_ERROR_LEN];

	if (vm_resource_check_health(request->attribute, request->value, error) < 0) {
		log_error("health is not shown: %s", error);
		return;
	}
	cib_health_set(request->attribute, request->value);
}

static void helper_handle(struct helper *helper, const struct frame *frame)
{
	const void *message = frame->message;
	const Vmreplica__Ipc__CibCreateVm *create = message;
	const Vmreplica__Ipc__CibDeleteVm *delete = message;
	const Vmreplica__Ipc__CibUpdateVm *update = message;
	const Vmreplica__Ipc__CibSetSetting *setting = message;
	const Vmreplica__Ipc__CibCreateDomain *create_domain = message;
	const Vmreplica__Ipc__CibDeleteDomain *delete_domain = message;
	const Vmreplica__Ipc__CibSwitch *switched = message;
	char text[VM_RESOURCE_ERROR_LEN] = "";

	switch (frame->type) {
	case FRAME_CIB_WATCH:
		break; /* what is read is the same for every node */
	case FRAME_CIB_CREATE_VM:
		helper_answer(helper, create->id, cib_change_create_vm(create, text), text);
		break;
	case FRAME_CIB_DELETE_VM:
		helper_answer(helper, delete->id, cib_change_delete_vm(delete, text), text);
		break;
	case FRAME_CIB_UPDATE_VM:
		helper_answer(helper, update->id, cib_change_update_vm(update, text), text);
		break;
	case FRAME_CIB_SET_SETTING:
		helper_answer(helper, setting->id, cib_change_set_setting(setting, text), text);
		break;
	case FRAME_CIB_CREATE_DOMAIN:
		helper_answer(helper, create_domain->id,
			      cib_change_create_domain(create_domain, text), text);
		break;
	case FRAME_CIB_DELETE_DOMAIN:
		helper_answer(helper, delete_domain->id,
			      cib_change_delete_domain(delete_domain, text), text);
		break;
	case FRAME_CIB_SWITCH:
		helper_answer(helper, switched->id, cib_change_switch(switched, text), text);
		break;
	case FRAME_CIB_SET_HEALTH:
		helper_set_health(message);
		break;
	default:
		log_error("the daemon sent an unexpected %s", frame_type_to_string(frame->type));
		helper_end(helper, 1);
		break;
	}
}

static gboolean helper_receive_cb(gint fd, GIOCondition condition, gpointer data)
{
	struct helper *helper = data;
	struct frame frame;
	int error;

	(void)fd;
	(void)condition;
	error = channel_receive(&helper->channel, &helper->arena, &frame, NULL, 0,
				RECEIVE_TIMEOUT_MS);
	if (error == -ETIMEDOUT) {
		return G_SOURCE_CONTINUE;
	}
	if (error < 0) {
		if (error != -ECONNRESET) {
			log_error("reading from the daemon: %s", strerror(-error));
		}
		helper_end(helper, error == -ECONNRESET ? 0 : 1);
		return G_SOURCE_REMOVE;
	}
	helper_handle(helper, &frame);
	return G_SOURCE_CONTINUE;
}

/* The user that Pacemaker's own daemons run as: the CIB manager lets it write, and it owns nothing
 * else. */
static int drop_privileges(void)
{
	const struct passwd *user;
	const struct group *group;

	if (geteuid() != 0 || getenv("CIB_file") != NULL) {
		return 0; /* a file in the place of the CIB (tests) belongs to the caller */
	}
	user = getpwnam(PACEMAKER_USER);
	group = getgrnam(PACEMAKER_GROUP);
	if (user == NULL || group == NULL) {
		log_error("no user " PACEMAKER_USER " or group " PACEMAKER_GROUP
			  ": is Pacemaker installed?");
		return -ENOENT;
	}
	if (setgroups(1, &group->gr_gid) < 0 ||
	    setresgid(group->gr_gid, group->gr_gid, group->gr_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0) {
		log_error("cannot become " PACEMAKER_USER ": %s", strerror(errno));
		return -errno;
	}
	return 0;
}

static bool is_started_by_daemon(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(CIB_PROCESS_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM;
}

static void helper_run(struct helper *helper)
{
	static const struct cib_reader_callbacks reader_callbacks = {
		.placement_cb = helper_placement_cb,
		.settings_cb = helper_settings_cb,
	};
	static const struct cib_connection_callbacks connection_callbacks = {
		.changed_cb = helper_changed_cb,
		.state_cb = helper_state_cb,
	};

	helper->loop = g_main_loop_new(NULL, FALSE);
	channel_init_fd(&helper->channel, CIB_PROCESS_FD);
	arena_init(&helper->arena, ARENA_LOCAL_MAX);
	(void)g_unix_fd_add(CIB_PROCESS_FD, G_IO_IN | G_IO_HUP | G_IO_ERR, helper_receive_cb,
			    helper);
	cib_reader_start(&reader_callbacks, helper);
	cib_connection_start(&connection_callbacks, helper);
	g_main_loop_run(helper->loop);
	cib_health_stop();
	cib_reader_stop();
	cib_connection_stop();
	channel_destroy(&helper->channel);
	arena_reset(&helper->arena);
	g_main_loop_unref(helper->loop);
}

int main(void)
{
	struct helper helper = {0};

	if (!is_started_by_daemon()) {
		fprintf(stderr,
			"vmreplica-cib is started by vmreplica-engine and vmreplica-broker, "
			"not by hand\n");
		return 2;
	}
	(void)log_open("vmreplica-cib", NULL, "notice", true);
	(void)signal(SIGPIPE, SIG_IGN);
	if (drop_privileges() < 0 || daemon_protect_memory() < 0) {
		return 1;
	}
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setenv("PATH", TOOLS_PATH, 1);
	(void)setenv("LC_ALL", "C", 1);
	helper_run(&helper);
	log_close();
	return helper.exit_status;
}
