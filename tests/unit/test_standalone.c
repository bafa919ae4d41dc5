/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host without a cluster: its files, its placement, and the group of its engine and broker. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cluster/authorization.h"
#include "cluster/authorize.h"
#include "cluster/cluster.h"
#include "cluster/nvpair_list.h"
#include "tests/unit/cib_session.h"
#include "tests/unit/files.h"
#include "tests/unit/loop_wait.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

struct host {
	struct cluster cluster;
	qb_loop_t *loop;
	struct config config;
	int settings, placements, quorums, answers, own_messages, peer_messages;
	char members[256]; /* "+engine +broker -broker " */
	int error;
	char text[256];
};

static void placement_cb(void *arg, const struct placement *placement)
{
	(void)placement;
	((struct host *)arg)->placements++;
}

static void settings_cb(void *arg, const Vmreplica__Ipc__CibSettings *settings)
{
	(void)settings;
	((struct host *)arg)->settings++;
}

static void message_cb(void *arg, const Vmreplica__Cluster__Message *message, bool from_self)
{
	struct host *host = arg;

	CU_ASSERT_EQUAL(message->body_case, VMREPLICA__CLUSTER__MESSAGE__BODY_SOLICIT);
	if (from_self) {
		host->own_messages++;
	} else {
		host->peer_messages++;
	}
}

static void member_cb(void *arg, const char *node, const char *member, bool joined)
{
	struct host *host = arg;
	size_t used = strlen(host->members);

	CU_ASSERT_STRING_EQUAL(node, "host1");
	snprintf(host->members + used, sizeof(host->members) - used, "%c%s ", joined ? '+' : '-',
		 member);
}

static void quorum_cb(void *arg, bool quorate, const char *missing)
{
	CU_ASSERT_TRUE(quorate);
	CU_ASSERT_STRING_EQUAL(missing, "");
	((struct host *)arg)->quorums++;
}

static void done_cb(void *arg, int error, const char *text)
{
	struct host *host = arg;

	host->answers++;
	host->error = error;
	snprintf(host->text, sizeof(host->text), "%s", text);
}

static void host_start(struct host *host, qb_loop_t *loop, const char *member)
{
	static const struct cluster_callbacks callbacks = {
		.placement_cb = placement_cb,
		.settings_cb = settings_cb,
		.message_cb = message_cb,
		.member_cb = member_cb,
		.quorum_cb = quorum_cb,
	};
	static char node[] = "host1", address[] = "192.0.2.1";

	memset(host, 0, sizeof(*host));
	host->loop = loop;
	host->config.node = node;
	host->config.standalone = true;
	host->config.replication_address = address;
	CU_ASSERT_EQUAL_FATAL(
		cluster_init(&host->cluster, loop, &host->config, member, &callbacks, host), 0);
	CU_ASSERT_STRING_EQUAL(host->cluster.ops->name, "standalone");
	CU_ASSERT_EQUAL_FATAL(host->cluster.ops->start(&host->cluster), 0);
}

static bool has_settings(void *arg)
{
	return ((struct host *)arg)->settings > 0;
}

/* Wait for the answer to the change that was just asked for. */
static bool is_answered(void *arg)
{
	struct host *host = arg;

	if (host->answers == 0) {
		return false;
	}
	host->answers = 0;
	return true;
}

static void answered(struct host *host, int started, int error)
{
	CU_ASSERT_EQUAL(started, 0);
	CU_ASSERT_EQUAL(host->answers, 0); /* never from inside the call */
	CU_ASSERT_TRUE(loop_wait(host->loop, 5000, is_answered, host));
	CU_ASSERT_EQUAL(host->error, error);
	CU_ASSERT_EQUAL(host->text[0] == '\0', error == 0);
}

static const char *parameter(struct host *host, const char *resource, const char *name)
{
	const Vmreplica__Ipc__CibSettings *settings = host->cluster.ops->settings(&host->cluster);

	for (size_t i = 0; i < settings->n_resources; i++) {
		if (strcmp(settings->resources[i]->id, resource) == 0) {
			return nvpair_find(settings->resources[i]->parameters,
					   settings->resources[i]->n_parameters, name);
		}
	}
	return NULL;
}

static int update(struct host *host, const char *name, const char *value)
{
	static char resource[] = "web1-replica";
	char name_copy[64], value_copy[PATH_LEN_MAX + 1];
	Vmreplica__Ipc__CibUpdateVm request = VMREPLICA__IPC__CIB_UPDATE_VM__INIT;
	Vmreplica__Ipc__CibNvpair pair = VMREPLICA__IPC__CIB_NVPAIR__INIT;
	Vmreplica__Ipc__CibNvpair *pairs[] = {&pair};

	snprintf(name_copy, sizeof(name_copy), "%s", name);
	snprintf(value_copy, sizeof(value_copy), "%s", value);
	pair.name = name_copy;
	pair.value = value_copy;
	request.resource = resource;
	request.parameters = pairs;
	request.n_parameters = 1;
	return host->cluster.ops->update_vm(&host->cluster, &request, done_cb, host);
}

static const char *long_path(size_t length)
{
	static char path[PATH_LEN_MAX + 1];

	memset(path, 'p', length);
	path[0] = '/';
	path[length] = '\0';
	return path;
}

static void test_vm(void)
{
	qb_loop_t *loop = qb_loop_create();
	const struct placement *placement;
	struct host host;
	static char other[] = "99999999-2222-3333-4444-555555555555";
	Vmreplica__Ipc__CibCreateVm *request;

	host_start(&host, loop, CLUSTER_MEMBER_ENGINE);
	const struct cluster_ops *ops = host.cluster.ops;

	CU_ASSERT_TRUE(loop_wait(loop, 5000, has_settings, &host));
	CU_ASSERT_EQUAL(host.quorums, 1);
	CU_ASSERT_TRUE(ops->is_quorate(&host.cluster));
	CU_ASSERT_STRING_EQUAL(ops->node_address(&host.cluster), "192.0.2.1");
	answered(&host, ops->create_vm(&host.cluster, cib_example(0), done_cb, &host), 0);
	CU_ASSERT_STRING_EQUAL_FATAL(parameter(&host, "web1-replica", "vm"), "web1");
	placement = ops->placement(&host.cluster);
	CU_ASSERT_EQUAL(placement_find(placement, "web1-replica")->state, PLACEMENT_RUNNING);
	CU_ASSERT_STRING_EQUAL(placement_find(placement, "web1-replica")->node, "host1");
	CU_ASSERT_TRUE(placement_agent_runs_on(placement, "ocf:vmreplica:engine", "host1"));
	CU_ASSERT_TRUE(placement_find_node(placement, "host1")->online);
	/* again is the same, another relationship is refused */
	answered(&host, ops->create_vm(&host.cluster, cib_example(0), done_cb, &host), 0);
	request = cib_example(0);
	request->parameters[0]->value = other;
	answered(&host, ops->create_vm(&host.cluster, request, done_cb, &host), -EEXIST);
	answered(&host, update(&host, "frequency", "60"), 0);
	CU_ASSERT_STRING_EQUAL(parameter(&host, "web1-replica", "frequency"), "60");
	answered(&host, update(&host, "frequency", ""), 0);
	CU_ASSERT_PTR_NULL(parameter(&host, "web1-replica", "frequency"));
	CU_ASSERT_STRING_EQUAL(parameter(&host, "web1-replica", "vm"), "web1");
	/* nothing is written that would not read back as it was */
	answered(&host, update(&host, "storage", long_path(150)), 0);
	answered(&host, update(&host, "storage", long_path(PATH_LEN_MAX)), -EINVAL);
	CU_ASSERT_STRING_EQUAL(parameter(&host, "web1-replica", "storage"), long_path(150));
	answered(&host, update(&host, "bandwidth", "1 # no"), -EINVAL);
	answered(&host, update(&host, "bandwidth", " 1"), -EINVAL);
	CU_ASSERT_PTR_NULL(parameter(&host, "web1-replica", "bandwidth"));
	answered(&host, update(&host, "nonsense", "1"), -EINVAL);
	answered(&host, ops->delete_vm(&host.cluster, "web1-replica", done_cb, &host), 0);
	answered(&host, ops->delete_vm(&host.cluster, "web1-replica", done_cb, &host), -ENOENT);
	answered(&host, ops->delete_vm(&host.cluster, "../../etc/passwd", done_cb, &host), -EINVAL);
	CU_ASSERT_EQUAL(ops->settings(&host.cluster)->n_resources, 0);
	ops->stop(&host.cluster);
	qb_loop_destroy(loop);
}

static bool has_five_settings(void *arg)
{
	struct host *host = arg;

	return host->cluster.ops->settings(&host->cluster)->n_settings == 1;
}

static bool has_no_settings(void *arg)
{
	struct host *host = arg;

	return host->cluster.ops->settings(&host->cluster)->n_settings == 0;
}

static void test_settings(void)
{
	static const char value[] = "pattern=*.a.example storage=/srv/replica group=g1 max-vms=3";
	struct authorization_table table;
	qb_loop_t *loop = qb_loop_create();
	char path[TEMP_PATH_LEN], name[AUTHORIZATION_NAME_LEN];
	struct host host;

	host_start(&host, loop, CLUSTER_MEMBER_ENGINE);
	CU_ASSERT_TRUE(loop_wait(loop, 5000, has_settings, &host));
	CU_ASSERT_EQUAL(authorization_setting_name("*.a.example", name), 0);
	answered(&host, host.cluster.ops->set_setting(&host.cluster, name, value, done_cb, &host),
		 0);
	CU_ASSERT_EQUAL(access(temp_path(path, "authorize.d/_.a.example.conf"), F_OK), 0);
	CU_ASSERT_EQUAL(
		authorization_table_load(host.cluster.ops->settings(&host.cluster), &table, NULL),
		0);
	CU_ASSERT_EQUAL_FATAL(table.count, 1);
	CU_ASSERT_EQUAL(table.entries[0].max_vms, 3);
	CU_ASSERT_STRING_EQUAL(table.entries[0].group, "g1");
	authorization_table_destroy(&table);
	answered(&host,
		 host.cluster.ops->set_setting(&host.cluster, "vmreplica-relay", "never", done_cb,
					       &host),
		 0);
	CU_ASSERT_EQUAL(host.cluster.ops->settings(&host.cluster)->n_settings, 2);
	answered(
		&host,
		host.cluster.ops->set_setting(&host.cluster, "vmreplica-relay", "", done_cb, &host),
		0);
	answered(&host,
		 host.cluster.ops->set_setting(&host.cluster, "stonith", "x", done_cb, &host),
		 -EINVAL);
	/* a name that is not the entry's */
	answered(&host,
		 host.cluster.ops->set_setting(&host.cluster, "vmreplica-authorize-00", value,
					       done_cb, &host),
		 -EINVAL);
	answered(&host, host.cluster.ops->set_setting(&host.cluster, name, NULL, done_cb, &host),
		 0);
	CU_ASSERT_EQUAL(host.cluster.ops->settings(&host.cluster)->n_settings, 0);
	host.cluster.ops->stop(&host.cluster);
	qb_loop_destroy(loop);
}

/* ---- a change of role ---- */

#define EPOCH	 "vmreplica-epoch-" CIB_EXAMPLE_RELATIONSHIP
#define FAILOVER "vmreplica-failover-" CIB_EXAMPLE_RELATIONSHIP
#define OTHER	 "vmreplica-epoch-99999999-2222-3333-4444-555555555555"

static const char *setting(struct host *host, const char *name)
{
	const Vmreplica__Ipc__CibSettings *settings = host->cluster.ops->settings(&host->cluster);

	return nvpair_find(settings->settings, settings->n_settings, name);
}

static int set(struct host *host, const char *name, const char *value)
{
	return host->cluster.ops->set_setting(&host->cluster, name, value, done_cb, host);
}

/* role and what goes with it; resource "" = settings alone. */
static int switch_role(struct host *host, const char *resource, const char *role,
		       const char *setting_name, const char *value)
{
	Vmreplica__Ipc__CibSwitch request = VMREPLICA__IPC__CIB_SWITCH__INIT;
	Vmreplica__Ipc__CibNvpair pairs[3], *list[3] = {&pairs[0], &pairs[1], &pairs[2]};
	char texts[6][128];
	const char *words[6] = {"role", role, setting_name, value, FAILOVER, ""};

	for (size_t i = 0; i < 6; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%s", words[i]);
	}
	for (size_t i = 0; i < 3; i++) {
		vmreplica__ipc__cib_nvpair__init(&pairs[i]);
		pairs[i].name = texts[2 * i];
		pairs[i].value = texts[2 * i + 1];
	}
	request.resource = (char *)(uintptr_t)resource;
	request.parameters = list;
	request.n_parameters = resource[0] != '\0' ? 1 : 0;
	request.settings = &list[1];
	request.n_settings = 2;
	return host->cluster.ops->switch_role(&host->cluster, &request, done_cb, host);
}

/* What settings.conf had of the VM before its file was there goes over with the first change. */
static void settings_gathered(struct host *host)
{
	char path[TEMP_PATH_LEN];
	char *text;

	answered(host, set(host, EPOCH, "1 x a.example"), 0);
	text = file_read(temp_path(path, "settings.conf"), NULL);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, EPOCH));
	free(text);
	answered(host,
		 host->cluster.ops->create_vm(&host->cluster, cib_example(0), done_cb, host), 0);
	CU_ASSERT_STRING_EQUAL(setting(host, EPOCH), "1 x a.example");
	answered(host, set(host, FAILOVER, "an order"), 0);
	text = file_read(temp_path(path, "settings.conf"), NULL);
	CU_ASSERT_PTR_NULL(strstr(text, EPOCH));
	free(text);
	text = file_read(temp_path(path, "vms.d/web1-replica.conf"), NULL);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nvmreplica-epoch = 1 x a.example\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nvmreplica-failover = an order\n"));
	free(text);
}

static void test_switch(void)
{
	qb_loop_t *loop = qb_loop_create();
	char path[TEMP_PATH_LEN];
	struct host host;

	host_start(&host, loop, CLUSTER_MEMBER_ENGINE);
	CU_ASSERT_TRUE(loop_wait(loop, 5000, has_settings, &host));
	settings_gathered(&host);
	answered(&host, switch_role(&host, "web1-replica", "replica", EPOCH, "2 y b.example"), 0);
	CU_ASSERT_STRING_EQUAL(parameter(&host, "web1-replica", "role"), "replica");
	CU_ASSERT_STRING_EQUAL(setting(&host, EPOCH), "2 y b.example");
	CU_ASSERT_PTR_NULL(setting(&host, FAILOVER));
	/* all of it, or nothing */
	answered(&host, switch_role(&host, "web1-replica", "primary", EPOCH, "3 # z"), -EINVAL);
	answered(&host, switch_role(&host, "web1-replica", "primary", OTHER, "3 z"), -EINVAL);
	answered(&host, switch_role(&host, "", "", OTHER, "3 z"), -EINVAL);
	CU_ASSERT_STRING_EQUAL(parameter(&host, "web1-replica", "role"), "replica");
	CU_ASSERT_STRING_EQUAL(setting(&host, EPOCH), "2 y b.example");
	answered(&host, switch_role(&host, "", "", EPOCH, "3 z a.example"), 0);
	CU_ASSERT_STRING_EQUAL(setting(&host, EPOCH), "3 z a.example");
	/* an epoch is not lowered, whoever asks and however */
	answered(&host, set(&host, EPOCH, ""), 0);
	answered(&host, set(&host, EPOCH, "5 cafe b.example"), 0);
	answered(&host, set(&host, EPOCH, "4 cafe a.example"), -ESTALE);
	answered(&host, switch_role(&host, "web1-replica", "primary", EPOCH, "4 cafe a.example"),
		 -ESTALE);
	CU_ASSERT_STRING_EQUAL(parameter(&host, "web1-replica", "role"), "replica");
	CU_ASSERT_STRING_EQUAL(setting(&host, EPOCH), "5 cafe b.example");
	answered(&host, set(&host, EPOCH, ""), 0);
	answered(&host, set(&host, EPOCH, "3 z a.example"), 0);
	/* the resource made again keeps what is known, as does a slip of the admin's editor */
	answered(&host,
		 host.cluster.ops->create_vm(&host.cluster, cib_example(0), done_cb, &host), 0);
	CU_ASSERT_STRING_EQUAL(setting(&host, EPOCH), "3 z a.example");
	temp_file(path, "vms.d/web1-replica.conf", "vmreplica-epoch = 1 x a.example\n");
	answered(&host, set(&host, "vmreplica-relay", "never"), 0);
	CU_ASSERT_STRING_EQUAL(setting(&host, EPOCH), "3 z a.example");
	CU_ASSERT_STRING_EQUAL(parameter(&host, "web1-replica", "vm"), "web1");
	answered(&host, set(&host, "vmreplica-relay", ""), 0);
	answered(&host, host.cluster.ops->delete_vm(&host.cluster, "web1-replica", done_cb, &host),
		 0);
	CU_ASSERT_EQUAL(host.cluster.ops->settings(&host.cluster)->n_settings, 0);
	host.cluster.ops->stop(&host.cluster);
	qb_loop_destroy(loop);
}

/* ---- authorize, as an engine does it where no broker runs ---- */

struct authorized {
	int answers, error;
	bool usage;
	size_t count;
	char text[256], pattern[64];
	uint32_t vms;
};

static void authorized_cb(void *arg, const Vmreplica__Admin__Response *response)
{
	struct authorized *answer = arg;

	*answer = (struct authorized){.answers = answer->answers + 1};
	CU_ASSERT_PTR_NOT_NULL_FATAL(response);
	answer->error = response->error;
	answer->usage = response->usage;
	snprintf(answer->text, sizeof(answer->text), "%s", response->text);
	if (response->body_case == VMREPLICA__ADMIN__RESPONSE__BODY_AUTHORIZE) {
		answer->count = response->authorize->n_entries;
	}
	if (answer->count > 0) {
		snprintf(answer->pattern, sizeof(answer->pattern), "%s",
			 response->authorize->entries[0]->pattern);
		answer->vms = response->authorize->entries[0]->vms;
	}
}

static bool is_authorized(void *arg)
{
	return ((struct authorized *)arg)->answers > 0;
}

static void authorize(struct authorizer *authorizer, Vmreplica__Admin__AuthorizeRequest__Op op,
		      const char *pattern, const char *missing, struct authorized *ret_answer,
		      qb_loop_t *loop)
{
	Vmreplica__Admin__AuthorizeRequest request = VMREPLICA__ADMIN__AUTHORIZE_REQUEST__INIT;
	Vmreplica__Admin__AuthorizeEntry entry = VMREPLICA__ADMIN__AUTHORIZE_ENTRY__INIT;

	entry.pattern = (char *)(uintptr_t)pattern;
	entry.storage = (char *)(uintptr_t) "/srv/replica";
	request.op = op;
	request.entry = &entry;
	ret_answer->answers = 0;
	authorizer_handle(authorizer, &request, missing, authorized_cb, ret_answer);
	CU_ASSERT_TRUE(loop_wait(loop, 5000, is_authorized, ret_answer));
	CU_ASSERT_EQUAL(ret_answer->answers, 1);
}

#define OP(word) VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__##word

static void test_authorize(void)
{
	qb_loop_t *loop = qb_loop_create();
	struct authorizer *authorizer;
	struct authorized answer = {0};
	struct host host;

	host_start(&host, loop, CLUSTER_MEMBER_ENGINE);
	CU_ASSERT_TRUE(loop_wait(loop, 5000, has_settings, &host));
	authorizer = authorizer_new(&host.cluster);
	authorize(authorizer, OP(LIST), "", NULL, &answer, loop);
	CU_ASSERT_EQUAL(answer.count, 0);
	authorize(authorizer, OP(ADD), "*.a.example", NULL, &answer, loop);
	CU_ASSERT_EQUAL(answer.error, 0);
	CU_ASSERT_STRING_EQUAL(answer.pattern, "*.a.example");
	authorize(authorizer, OP(LIST), "", "no quorum", &answer, loop); /* at once */
	CU_ASSERT_EQUAL(answer.count, 1);
	CU_ASSERT_STRING_EQUAL(answer.pattern, "*.a.example");
	CU_ASSERT_EQUAL(answer.vms, 0);
	authorize(authorizer, OP(ADD), "b..example", NULL, &answer, loop);
	CU_ASSERT_TRUE(answer.usage);
	authorize(authorizer, OP(REMOVE), "c.example", NULL, &answer, loop);
	CU_ASSERT_EQUAL(answer.error, ENOENT);
	authorize(authorizer, OP(REMOVE), "*.a.example", "no quorum, missing b2", &answer, loop);
	CU_ASSERT_EQUAL(answer.error, EAGAIN);
	CU_ASSERT_STRING_EQUAL(answer.text, "no quorum, missing b2");
	authorize(authorizer, OP(REMOVE), "*.a.example", "", &answer, loop);
	CU_ASSERT_EQUAL(answer.error, 0);
	authorize(authorizer, OP(LIST), "", NULL, &answer, loop);
	CU_ASSERT_EQUAL(answer.count, 0);
	host.cluster.ops->stop(&host.cluster);
	authorizer_free(authorizer);
	qb_loop_destroy(loop);
}

/* What an admin does with an editor is seen; what cannot be understood does not end a replication.
 */
static void test_edited_files(void)
{
	static const char vm[] = "relationship = " CIB_EXAMPLE_RELATIONSHIP "\nvm = web1\n"
				 "role = primary\npeer = 192.0.2.1\nfrequency = %d\n";
	qb_loop_t *loop = qb_loop_create();
	char path[TEMP_PATH_LEN], text[512];
	struct host host;

	snprintf(text, sizeof(text), vm, 30);
	temp_file(path, "vms.d/web1-replica.conf", text);
	temp_file(path, "vms.d/broken.conf", "vm = x\n");
	host_start(&host, loop, CLUSTER_MEMBER_ENGINE);
	CU_ASSERT_TRUE(loop_wait(loop, 5000, has_settings, &host));
	CU_ASSERT_EQUAL(host.cluster.ops->settings(&host.cluster)->n_resources, 1);
	CU_ASSERT_STRING_EQUAL(parameter(&host, "web1-replica", "frequency"), "30");
	temp_file(path, "vms.d/web1-replica.conf", "relationship = oops\nvm = web1\n");
	temp_file(path, "authorize.d/friends.conf", "pattern = b.example\nstorage = /srv/r\n");
	CU_ASSERT_TRUE(loop_wait(loop, 5000, has_five_settings, &host));
	CU_ASSERT_STRING_EQUAL(parameter(&host, "web1-replica", "frequency"), "30");
	temp_file(path, "authorize.d/friends.conf", "pattern = b.example\nstorrage = /srv/r\n");
	CU_ASSERT_TRUE(loop_wait(loop, 5000, has_no_settings, &host));
	unlink(temp_path(path, "vms.d/web1-replica.conf"));
	unlink(temp_path(path, "vms.d/broken.conf"));
	unlink(temp_path(path, "authorize.d/friends.conf"));
	host.cluster.ops->stop(&host.cluster);
	qb_loop_destroy(loop);
}

static bool both_joined(void *arg)
{
	struct host *hosts = arg;

	return strcmp(hosts[0].members, "+engine +broker ") == 0 &&
	       strcmp(hosts[1].members, "+broker +engine ") == 0;
}

static bool message_is_everywhere(void *arg)
{
	struct host *hosts = arg;

	return hosts[0].own_messages == 1 && hosts[1].peer_messages == 1;
}

static bool broker_left(void *arg)
{
	return strstr(((struct host *)arg)->members, "-broker") != NULL;
}

static void test_group(void)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	Vmreplica__Cluster__Solicit solicit = VMREPLICA__CLUSTER__SOLICIT__INIT;
	static char node[] = "host1";
	qb_loop_t *loop = qb_loop_create();
	struct host hosts[2];
	int error = 0;

	host_start(&hosts[1], loop, CLUSTER_MEMBER_BROKER);
	host_start(&hosts[0], loop, CLUSTER_MEMBER_ENGINE);
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_SOLICIT;
	message.solicit = &solicit;
	solicit.node = node;
	CU_ASSERT_EQUAL(hosts[0].cluster.ops->multicast(&hosts[0].cluster, &message), -ENOTCONN);
	CU_ASSERT_TRUE(loop_wait(loop, 5000, both_joined, hosts));
	CU_ASSERT_EQUAL(hosts[0].cluster.ops->multicast(&hosts[0].cluster, &message), 0);
	CU_ASSERT_EQUAL(hosts[0].own_messages, 0); /* never from inside the call */
	CU_ASSERT_TRUE(loop_wait(loop, 5000, message_is_everywhere, hosts));
	CU_ASSERT_EQUAL(hosts[0].peer_messages, 0);
	/* the queue ends somewhere */
	for (int i = 0; i < 5000 && error == 0; i++) {
		error = hosts[0].cluster.ops->multicast(&hosts[0].cluster, &message);
	}
	CU_ASSERT_EQUAL(error, -ENOBUFS);
	hosts[1].cluster.ops->stop(&hosts[1].cluster);
	CU_ASSERT_TRUE(loop_wait(loop, 5000, broker_left, &hosts[0]));
	hosts[0].cluster.ops->stop(&hosts[0].cluster);
	qb_loop_destroy(loop);
}

/* A daemon may ask before its cluster has started, and after it stopped. */
static void check_not_started(struct cluster *cluster)
{
	const Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	const struct cluster_ops *ops = cluster->ops;

	CU_ASSERT_EQUAL(ops->multicast(cluster, &message), -ENOTCONN);
	CU_ASSERT_FALSE(ops->is_quorate(cluster));
	CU_ASSERT_PTR_NULL(ops->placement(cluster));
	CU_ASSERT_PTR_NULL(ops->settings(cluster));
	CU_ASSERT_PTR_NULL(ops->node_address(cluster));
	CU_ASSERT_EQUAL(ops->create_vm(cluster, cib_example(0), done_cb, NULL), -ENOTCONN);
	CU_ASSERT_EQUAL(ops->delete_vm(cluster, "web1", done_cb, NULL), -ENOTCONN);
	CU_ASSERT_EQUAL(ops->set_setting(cluster, "vmreplica-a", "b", done_cb, NULL), -ENOTCONN);
	ops->stop(cluster);
}

static void test_init(void)
{
	struct config config = {.standalone = false};
	const struct cluster_callbacks callbacks = {0};
	struct cluster cluster;

	CU_ASSERT_EQUAL(cluster_init(&cluster, NULL, &config, "receiver", &callbacks, NULL),
			-EINVAL);
	CU_ASSERT_EQUAL(cluster_init(&cluster, NULL, &config, "engine", &callbacks, NULL), 0);
	CU_ASSERT_STRING_EQUAL(cluster.ops->name, "pacemaker");
	check_not_started(&cluster);
	config.standalone = true;
	CU_ASSERT_EQUAL(cluster_init(&cluster, NULL, &config, "broker", &callbacks, NULL), 0);
	check_not_started(&cluster);
}

static const struct unit_test tests[] = {
	{"init", test_init},
	{"VM", test_vm},
	{"settings", test_settings},
	{"authorize", test_authorize},
	{"switch", test_switch},
	{"edited files", test_edited_files},
	{"group", test_group},
};

int main(void)
{
	char path[TEMP_PATH_LEN];
	int status;

	setenv("VMREPLICA_STANDALONE_DIR", tempdir(), 1);
	setenv("VMREPLICA_STANDALONE_SOCKET", temp_path(path, "group.sock"), 1);
	status = unit_run("standalone", tests, sizeof(tests) / sizeof(tests[0]));
	unlink(temp_path(path, "settings.conf"));
	rmdir(temp_path(path, "vms.d"));
	rmdir(temp_path(path, "authorize.d"));
	tempdir_remove();
	return status;
}
