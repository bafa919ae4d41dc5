/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ops on a host without a cluster: it owns every VM, has quorum, and its settings are files
 * (standalone_files.h), read again when inotify says that one changed. Environment
 * VMREPLICA_STANDALONE_DIR and VMREPLICA_STANDALONE_SOCKET name other places (tests).
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/queue.h>
#include <unistd.h>

#include "cluster/domain_resource.h"
#include "cluster/implementations.h"
#include "cluster/local_group.h"
#include "cluster/retry.h"
#include "cluster/standalone_files.h"
#include "cluster/standalone_layout.h"
#include "cluster/standalone_placement.h"
#include "common/log.h"

#define SETTLE_MS      200 /* an editor touches a file several times */
#define FILE_EVENTS    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE)
#define DEFAULT_SOCKET VMR_RUNDIR "/group.sock"

/* The outcome of a change, told from the loop. */
struct outcome {
	STAILQ_ENTRY(outcome) link;
	cluster_done_cb done;
	void *arg;
	int error;
	char text[VM_RESOURCE_ERROR_LEN];
};

struct standalone {
	const char *directory, *socket;
	struct local_group *group;
	int inotify; /* -1: none */
	struct retry read_retry, outcome_retry;
	STAILQ_HEAD(, outcome) outcomes;
	Vmreplica__Ipc__CibSettings *settings; /* owned, or NULL */
	struct placement *placement;	       /* a reference, or NULL */
	bool quorum_told;
};

static const char *environment_or(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : fallback;
}

static bool settings_equal(const Vmreplica__Ipc__CibSettings *a,
			   const Vmreplica__Ipc__CibSettings *b)
{
	size_t size = vmreplica__ipc__cib_settings__get_packed_size(a);
	uint8_t *one, *two;
	bool equal;

	if (vmreplica__ipc__cib_settings__get_packed_size(b) != size) {
		return false;
	}
	one = malloc(size + 1);
	two = malloc(size + 1);
	equal = one != NULL && two != NULL &&
		vmreplica__ipc__cib_settings__pack(a, one) ==
			vmreplica__ipc__cib_settings__pack(b, two) &&
		memcmp(one, two, size) == 0;
	free(one);
	free(two);
	return equal;
}

/* Watch the directory and its folders; a folder that is made later is seen in the directory. */
static void standalone_watch(struct standalone *standalone)
{
	static const char *const folders[] = {"", "/" STANDALONE_VMS,
					      "/" STANDALONE_AUTHORIZATIONS};
	char path[SETTINGS_FILE_PATH_LEN];

	for (size_t i = 0; standalone->inotify >= 0 && i < sizeof(folders) / sizeof(folders[0]);
	     i++) {
		if (snprintf(path, sizeof(path), "%s%s", standalone->directory, folders[i]) <
		    (int)sizeof(path)) {
			(void)inotify_add_watch(standalone->inotify, path, FILE_EVENTS);
		}
	}
}

static void standalone_read(struct cluster *cluster)
{
	struct standalone *standalone = cluster->private_data;
	Vmreplica__Ipc__CibSettings *settings;
	struct placement *placement;

	standalone_watch(standalone);
	settings = standalone_files_read(standalone->directory, standalone->settings);
	if (settings == NULL) {
		log_error("the files below %s could not be read; trying again",
			  standalone->directory);
		retry_later(&standalone->read_retry);
		return;
	}
	retry_reset(&standalone->read_retry);
	if (standalone->settings != NULL && settings_equal(standalone->settings, settings)) {
		vmreplica__ipc__cib_settings__free_unpacked(settings, NULL);
		return;
	}
	if (standalone->settings != NULL) {
		vmreplica__ipc__cib_settings__free_unpacked(standalone->settings, NULL);
	}
	standalone->settings = settings;
	placement = standalone_placement_make(cluster->config->node, settings);
	if (placement == NULL) {
		log_error("no memory for the placement");
		return;
	}
	placement_unref(standalone->placement);
	standalone->placement = placement;
	if (cluster->callbacks.settings_cb != NULL) {
		cluster->callbacks.settings_cb(cluster->arg, settings);
	}
	if (cluster->callbacks.placement_cb != NULL) {
		cluster->callbacks.placement_cb(cluster->arg, placement);
	}
}

static void standalone_read_cb(void *arg)
{
	struct cluster *cluster = arg;
	struct standalone *standalone = cluster->private_data;

	if (!standalone->quorum_told && cluster->callbacks.quorum_cb != NULL) {
		cluster->callbacks.quorum_cb(cluster->arg, true, "");
	}
	standalone->quorum_told = true;
	standalone_read(cluster);
}

static int standalone_inotify_cb(int fd, int revents, void *data)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct cluster *cluster = data;
	struct standalone *standalone = cluster->private_data;

	(void)revents;
	while (read(fd, buffer, sizeof(buffer)) > 0) {
	}
	retry_after(&standalone->read_retry, SETTLE_MS);
	return 0;
}

static void outcome_tell(struct outcome *outcome)
{
	outcome->done(outcome->arg, outcome->error, outcome->error == 0 ? "" : outcome->text);
	free(outcome);
}

static void standalone_outcome_cb(void *arg)
{
	struct cluster *cluster = arg;
	struct standalone *standalone = cluster->private_data;
	struct outcome *outcome;

	standalone_read(cluster);
	while ((outcome = STAILQ_FIRST(&standalone->outcomes)) != NULL) {
		STAILQ_REMOVE_HEAD(&standalone->outcomes, link);
		outcome_tell(outcome);
	}
}

static int outcome_new(struct cluster *cluster, cluster_done_cb done, void *arg,
		       struct outcome **ret_outcome)
{
	struct standalone *standalone = cluster->private_data;
	struct outcome *outcome;

	if (standalone == NULL) {
		return -ENOTCONN;
	}
	outcome = calloc(1, sizeof(*outcome));
	if (outcome == NULL) {
		return -ENOMEM;
	}
	outcome->done = done;
	outcome->arg = arg;
	STAILQ_INSERT_TAIL(&standalone->outcomes, outcome, link);
	retry_after(&standalone->outcome_retry, 0);
	*ret_outcome = outcome;
	return 0;
}

static void standalone_stop(struct cluster *cluster)
{
	struct standalone *standalone = cluster->private_data;
	struct outcome *outcome;

	if (standalone == NULL) {
		return;
	}
	cluster->private_data = NULL;
	local_group_free(standalone->group);
	retry_destroy(&standalone->read_retry);
	retry_destroy(&standalone->outcome_retry);
	if (standalone->inotify >= 0) {
		(void)qb_loop_poll_del(cluster->loop, standalone->inotify);
		close(standalone->inotify);
	}
	while ((outcome = STAILQ_FIRST(&standalone->outcomes)) != NULL) {
		STAILQ_REMOVE_HEAD(&standalone->outcomes, link);
		outcome_tell(outcome);
	}
	placement_unref(standalone->placement);
	if (standalone->settings != NULL) {
		vmreplica__ipc__cib_settings__free_unpacked(standalone->settings, NULL);
	}
	free(standalone);
}

static void standalone_message_cb(void *arg, const Vmreplica__Cluster__Message *message,
				  bool from_self)
{
	struct cluster *cluster = arg;

	if (cluster->callbacks.message_cb != NULL) {
		cluster->callbacks.message_cb(cluster->arg, message, from_self);
	}
}

static void standalone_member_cb(void *arg, const char *node, const char *member, bool joined)
{
	struct cluster *cluster = arg;

	if (cluster->callbacks.member_cb != NULL) {
		cluster->callbacks.member_cb(cluster->arg, node, member, joined);
	}
}

static void standalone_inotify_start(struct cluster *cluster)
{
	struct standalone *standalone = cluster->private_data;

	standalone->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (standalone->inotify >= 0 &&
	    qb_loop_poll_add(cluster->loop, QB_LOOP_MED, standalone->inotify, POLLIN, cluster,
			     standalone_inotify_cb) < 0) {
		close(standalone->inotify);
		standalone->inotify = -1;
	}
	if (standalone->inotify < 0) {
		log_warning("changes of files below %s are not noticed: %s; restart after a change",
			    standalone->directory, strerror(errno));
	}
}

static int standalone_start(struct cluster *cluster)
{
	static const struct group_callbacks callbacks = {
		.message_cb = standalone_message_cb,
		.member_cb = standalone_member_cb,
	};
	struct standalone *standalone = calloc(1, sizeof(*standalone));

	if (standalone == NULL) {
		return -ENOMEM;
	}
	cluster->private_data = standalone;
	standalone->directory = environment_or("VMREPLICA_STANDALONE_DIR", VMR_SYSCONFDIR);
	standalone->socket = environment_or("VMREPLICA_STANDALONE_SOCKET", DEFAULT_SOCKET);
	STAILQ_INIT(&standalone->outcomes);
	retry_init(&standalone->read_retry, cluster->loop, standalone_read_cb, cluster);
	retry_init(&standalone->outcome_retry, cluster->loop, standalone_outcome_cb, cluster);
	standalone_inotify_start(cluster);
	standalone->group =
		local_group_new(cluster->loop, standalone->socket,
				strcmp(cluster->member_name, CLUSTER_MEMBER_ENGINE) == 0,
				cluster->config->node, cluster->member_name, &callbacks, cluster);
	if (standalone->group == NULL) {
		standalone_stop(cluster);
		return -ENOMEM;
	}
	retry_after(&standalone->read_retry, 0);
	return 0;
}

static int standalone_multicast(struct cluster *cluster, const Vmreplica__Cluster__Message *message)
{
	struct standalone *standalone = cluster->private_data;

	return standalone != NULL ? local_group_send(standalone->group, message) : -ENOTCONN;
}

static bool standalone_is_quorate(struct cluster *cluster)
{
	return cluster->private_data != NULL;
}

static const struct placement *standalone_placement(struct cluster *cluster)
{
	struct standalone *standalone = cluster->private_data;

	return standalone != NULL ? standalone->placement : NULL;
}

static const Vmreplica__Ipc__CibSettings *standalone_settings(struct cluster *cluster)
{
	struct standalone *standalone = cluster->private_data;

	return standalone != NULL ? standalone->settings : NULL;
}

/* Nobody but vmreplica.conf knows it. */
static const char *standalone_node_address(struct cluster *cluster)
{
	if (cluster->private_data == NULL) {
		return NULL;
	}
	return placement_node_address(NULL, cluster->config->node,
				      cluster->config->replication_address);
}

static int standalone_create_vm(struct cluster *cluster, Vmreplica__Ipc__CibCreateVm *request,
				cluster_done_cb done, void *arg)
{
	struct standalone *standalone = cluster->private_data;
	struct outcome *outcome;
	int error = outcome_new(cluster, done, arg, &outcome);

	if (error < 0) {
		return error;
	}
	outcome->error = standalone_files_create_vm(standalone->directory, request, outcome->text);
	return 0;
}

static int standalone_delete_vm(struct cluster *cluster, const char *resource, cluster_done_cb done,
				void *arg)
{
	struct standalone *standalone = cluster->private_data;
	struct outcome *outcome;
	int error = outcome_new(cluster, done, arg, &outcome);

	if (error < 0) {
		return error;
	}
	outcome->error = standalone_files_delete_vm(standalone->directory, resource, outcome->text);
	return 0;
}

static int standalone_update_vm(struct cluster *cluster, Vmreplica__Ipc__CibUpdateVm *request,
				cluster_done_cb done, void *arg)
{
	struct standalone *standalone = cluster->private_data;
	struct outcome *outcome;
	int error = outcome_new(cluster, done, arg, &outcome);

	if (error < 0) {
		return error;
	}
	outcome->error = standalone_files_update_vm(standalone->directory, request, outcome->text);
	return 0;
}

static int standalone_set_setting(struct cluster *cluster, const char *name, const char *value,
				  cluster_done_cb done, void *arg)
{
	struct standalone *standalone = cluster->private_data;
	struct outcome *outcome;
	int error = outcome_new(cluster, done, arg, &outcome);

	if (error < 0) {
		return error;
	}
	outcome->error =
		standalone_files_set_setting(standalone->directory, name, value, outcome->text);
	return 0;
}

/* Nobody but libvirt runs VMs here, and the engine asks it. */
static int standalone_create_domain(struct cluster *cluster,
				    Vmreplica__Ipc__CibCreateDomain *request, cluster_done_cb done,
				    void *arg)
{
	struct outcome *outcome;
	int error = outcome_new(cluster, done, arg, &outcome);

	if (error == 0) {
		outcome->error = domain_resource_check_create(request, outcome->text);
	}
	return error;
}

static int standalone_delete_domain(struct cluster *cluster,
				    Vmreplica__Ipc__CibDeleteDomain *request, cluster_done_cb done,
				    void *arg)
{
	struct outcome *outcome;
	int error = outcome_new(cluster, done, arg, &outcome);

	if (error == 0) {
		outcome->error = domain_resource_check_delete(request, outcome->text);
	}
	return error;
}

static int standalone_switch_role(struct cluster *cluster, Vmreplica__Ipc__CibSwitch *request,
				  cluster_done_cb done, void *arg)
{
	struct standalone *standalone = cluster->private_data;
	struct outcome *outcome;
	int error = outcome_new(cluster, done, arg, &outcome);

	if (error == 0) {
		outcome->error =
			standalone_files_switch_role(standalone->directory, request, outcome->text);
	}
	return error;
}

/* There is no crm_mon to show it in: the log has it, and `vmreplica status`. */
static int standalone_set_health(struct cluster *cluster, const char *vm, const char *value)
{
	(void)cluster;
	if (value != NULL) {
		log_notice("VM %s: %s", vm, value);
	}
	return 0;
}

const struct cluster_ops cluster_standalone_ops = {
	.name = "standalone",
	.start = standalone_start,
	.stop = standalone_stop,
	.multicast = standalone_multicast,
	.is_quorate = standalone_is_quorate,
	.placement = standalone_placement,
	.settings = standalone_settings,
	.node_address = standalone_node_address,
	.create_vm = standalone_create_vm,
	.delete_vm = standalone_delete_vm,
	.update_vm = standalone_update_vm,
	.set_setting = standalone_set_setting,
	.create_domain = standalone_create_domain,
	.delete_domain = standalone_delete_domain,
	.switch_role = standalone_switch_role,
	.set_health = standalone_set_health,
};
