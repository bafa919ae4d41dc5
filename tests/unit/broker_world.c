/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/broker_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/unix_socket.h"
#include "proto/limits.h"
#include "proto/wire.pb-c.h"
#include "tests/unit/broker_fixture.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/tls_peers.h"

#define TICK_NS 5000000ull /* libqb spins through the last millisecond of a timer */

static struct world the_world;
static struct fixture_settings settings;
static struct fixture_placement placement;
static struct fixture_announcement announcement;
static struct cluster *the_cluster;
static uint64_t seq;
static char kept_parameters[8][256]; /* of the resource that create_vm made */

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "cannot go on: %s\n", what);
		exit(1);
	}
}

/* ---- later: everything that a cluster tells comes from the loop ---- */

struct later {
	void (*fn)(void *arg);
	void *arg;
};

static void later_cb(void *data)
{
	struct later later = *(struct later *)data;

	free(data);
	later.fn(later.arg);
}

static void later(void (*fn)(void *arg), void *arg)
{
	struct later *entry = malloc(sizeof(*entry));
	qb_loop_timer_handle timer;

	entry->fn = fn;
	entry->arg = arg;
	must(qb_loop_timer_add(the_world.loop, QB_LOOP_MED, TICK_NS, entry, later_cb, &timer) == 0,
	     "timer");
}

struct outcome {
	cluster_done_cb done;
	void *arg;
	int error;
};

static void outcome_cb(void *data)
{
	struct outcome outcome = *(struct outcome *)data;

	free(data);
	outcome.done(outcome.arg, outcome.error, outcome.error == 0 ? "" : "the fake refuses");
}

static void outcome_later(cluster_done_cb done, void *arg, int error)
{
	struct outcome *outcome = malloc(sizeof(*outcome));

	*outcome = (struct outcome){.done = done, .arg = arg, .error = error};
	later(outcome_cb, outcome);
}

/* ---- the fake cluster ---- */

static void tell_settings(void *arg)
{
	(void)arg;
	if (the_cluster != NULL) {
		the_cluster->callbacks.settings_cb(the_cluster->arg, &settings.message);
	}
}

static void announce_cb(void *arg)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;

	(void)arg;
	if (the_cluster == NULL) {
		return;
	}
	memset(&announcement, 0, sizeof(announcement));
	announce_init(&announcement, "b1", "127.0.0.1", 1, ++seq);
	announcement.message.port = the_world.owner_port;
	if (the_world.engine_has_vm) {
		announce_vm(&announcement, REL_1, 1);
	}
	if (the_world.engine_has_storage) {
		announce_storage(&announcement, "/srv/replica", "one", 100ull << 30, true);
	}
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_ANNOUNCEMENT;
	message.announcement = &announcement.message;
	the_cluster->callbacks.message_cb(the_cluster->arg, &message, false);
}

void world_announce(struct world *world)
{
	(void)world;
	announce_cb(NULL);
}

struct store_reply {
	uint64_t id;
	bool busy;
};

static void store_reply_cb(void *data)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	Vmreplica__Cluster__ForwardReply reply = VMREPLICA__CLUSTER__FORWARD_REPLY__INIT;
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	struct store_reply *store = data;
	uint8_t packed[64];

	response.error = store->busy ? EBUSY : 0;
	reply.id = store->id;
	reply.to = text(FORWARD_BROKER);
	reply.from = text("b1");
	reply.parts = 1;
	reply.piece.len = vmreplica__admin__response__pack(&response, packed);
	reply.piece.data = packed;
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_REPLY;
	message.reply = &reply;
	free(store);
	if (the_cluster != NULL) {
		the_cluster->callbacks.message_cb(the_cluster->arg, &message, false);
	}
}

/* Whether a VM would start: what the world was told to say. */
static void fit_reply_cb(void *data)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	Vmreplica__Cluster__ForwardReply reply = VMREPLICA__CLUSTER__FORWARD_REPLY__INIT;
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__FitResponse fit = VMREPLICA__ADMIN__FIT_RESPONSE__INIT;
	char *refusal = text(the_world.refusal), *warning = text(the_world.warning);
	uint64_t *id = data;
	uint8_t packed[512];

	fit.refusals = &refusal;
	fit.n_refusals = refusal != NULL;
	fit.warnings = &warning;
	fit.n_warnings = warning != NULL;
	if (the_world.engine_is_deaf) {
		response.error = ENOSYS;
		response.text = text("this engine does not know the request");
	} else {
		response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_FIT;
		response.fit = &fit;
	}
	reply.id = *id;
	reply.to = text(FORWARD_BROKER);
	reply.from = text("b1");
	reply.parts = 1;
	reply.piece.len = vmreplica__admin__response__pack(&response, packed);
	reply.piece.data = packed;
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_REPLY;
	message.reply = &reply;
	free(id);
	if (the_cluster != NULL) {
		the_cluster->callbacks.message_cb(the_cluster->arg, &message, false);
	}
}

static void fit_asked(uint64_t id, const Vmreplica__Admin__FitRequest *request)
{
	uint64_t *copy = malloc(sizeof(*copy));

	must(strcmp(request->vm, "web1") == 0 && request->n_disks == 1 &&
		     strcmp(request->disks[0], "vda") == 0 && request->n_maps == 1 &&
		     request->domain_xml.len > 0,
	     "the right FitRequest");
	*copy = id;
	the_world.fit_asked++;
	later(fit_reply_cb, copy);
}

static void store_asked(uint64_t id, const Vmreplica__Admin__Request *request)
{
	struct store_reply *store = malloc(sizeof(*store));

	must(request != NULL && request->body_case == VMREPLICA__ADMIN__REQUEST__BODY_STORE,
	     "a StoreRequest");
	must(request->store->destroy && strcmp(request->store->relationship, REL_1) == 0 &&
		     strcmp(request->store->storage, "/srv/replica") == 0 &&
		     strcmp(request->store->peer_site, "a.example") == 0,
	     "the right StoreRequest");
	store->id = id;
	store->busy = the_world.store_busy;
	the_world.store_busy = false;
	the_world.destroyed += !store->busy;
	later(store_reply_cb, store);
}

/* An engine's answer to a Forward, from the loop. */
struct engine_reply {
	uint64_t id;
	size_t len;
	uint8_t packed[512];
};

static void engine_reply_cb(void *data)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	Vmreplica__Cluster__ForwardReply reply = VMREPLICA__CLUSTER__FORWARD_REPLY__INIT;
	struct engine_reply *answer = data;

	reply.id = answer->id;
	reply.to = text(FORWARD_BROKER);
	reply.from = text("b1");
	reply.parts = 1;
	reply.piece.len = answer->len;
	reply.piece.data = answer->packed;
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_REPLY;
	message.reply = &reply;
	if (the_cluster != NULL) {
		the_cluster->callbacks.message_cb(the_cluster->arg, &message, false);
	}
	free(answer);
}

static void engine_reply_later(uint64_t id, const Vmreplica__Admin__Response *response)
{
	struct engine_reply *answer = malloc(sizeof(*answer));

	must(vmreplica__admin__response__get_packed_size(response) <= sizeof(answer->packed),
	     "a short answer");
	answer->id = id;
	answer->len = vmreplica__admin__response__pack(response, answer->packed);
	later(engine_reply_cb, answer);
}

static void status_asked(uint64_t id)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__StatusResponse status = VMREPLICA__ADMIN__STATUS_RESPONSE__INIT;
	Vmreplica__VmStatus vm = VMREPLICA__VM_STATUS__INIT, *list = &vm;
	Vmreplica__Epoch epoch = VMREPLICA__EPOCH__INIT;

	if (the_world.engine_epoch == 0) {
		response.error = ENOENT;
		engine_reply_later(id, &response);
		return;
	}
	epoch.number = the_world.engine_epoch;
	epoch.lineage = text("0123abcd");
	epoch.site = text("b.example");
	vm.relationship = text(REL_1);
	vm.role = VMREPLICA__ROLE__ROLE_REPLICA;
	vm.state = VMREPLICA__STATE__STATE_RECOVERED;
	vm.owner = text("b1");
	vm.seq = 17;
	vm.epoch = &epoch;
	status.n_vms = 1;
	status.vms = &list;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_STATUS;
	response.status = &status;
	engine_reply_later(id, &response);
}

static void order_asked(uint64_t id, const Vmreplica__Admin__PeerOrderRequest *request)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	Vmreplica__Admin__PeerOrderResponse body = VMREPLICA__ADMIN__PEER_ORDER_RESPONSE__INIT;
	Vmreplica__Wire__Ordered ordered = VMREPLICA__WIRE__ORDERED__INIT;
	Vmreplica__Wire__Order *order =
		vmreplica__wire__order__unpack(NULL, request->order.len, request->order.data);
	uint8_t packed[64];

	must(order != NULL && strcmp(request->peer_site, "a.example") == 0, "the right order");
	the_world.ordered++;
	the_world.ordered_kind = (int)order->kind;
	vmreplica__wire__order__free_unpacked(order, NULL);
	if (the_world.order_error != 0) {
		response.error = the_world.order_error;
		response.text = text("the engine refuses");
		engine_reply_later(id, &response);
		return;
	}
	ordered.done = true;
	ordered.job = text("0a1b2c3d");
	body.ordered.len = vmreplica__wire__ordered__pack(&ordered, packed);
	body.ordered.data = packed;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_PEER_ORDER;
	response.peer_order = &body;
	engine_reply_later(id, &response);
}

static void engine_asked(const Vmreplica__Cluster__Forward *forward)
{
	Vmreplica__Admin__Request *request = vmreplica__admin__request__unpack(
		NULL, forward->request.len, forward->request.data);

	if (request != NULL && request->body_case == VMREPLICA__ADMIN__REQUEST__BODY_FIT) {
		fit_asked(forward->id, request->fit);
	} else if (request != NULL &&
		   request->body_case == VMREPLICA__ADMIN__REQUEST__BODY_STATUS) {
		status_asked(forward->id);
	} else if (request != NULL &&
		   request->body_case == VMREPLICA__ADMIN__REQUEST__BODY_PEER_ORDER) {
		order_asked(forward->id, request->peer_order);
	} else {
		store_asked(forward->id, request);
	}
	vmreplica__admin__request__free_unpacked(request, NULL);
}

static int fake_multicast(struct cluster *cluster, const Vmreplica__Cluster__Message *message)
{
	(void)cluster;
	switch (message->body_case) {
	case VMREPLICA__CLUSTER__MESSAGE__BODY_SOLICIT:
		later(announce_cb, NULL);
		break;
	case VMREPLICA__CLUSTER__MESSAGE__BODY_BROKER:
		the_world.announced_active += message->broker->active;
		the_world.announced_inactive += !message->broker->active;
		break;
	case VMREPLICA__CLUSTER__MESSAGE__BODY_EVENT:
		snprintf(the_world.event, sizeof(the_world.event), "%s %s: %s",
			 message->event->node, message->event->severity, message->event->text);
		break;
	case VMREPLICA__CLUSTER__MESSAGE__BODY_FORWARD:
		engine_asked(message->forward);
		break;
	default:
		break;
	}
	return 0;
}

static void first_words_cb(void *arg)
{
	struct cluster *cluster = arg;

	cluster->callbacks.quorum_cb(cluster->arg, true, "");
	cluster->callbacks.member_cb(cluster->arg, "b1", CLUSTER_MEMBER_BROKER, true);
	cluster->callbacks.member_cb(cluster->arg, "b1", CLUSTER_MEMBER_ENGINE, true);
	cluster->callbacks.settings_cb(cluster->arg, &settings.message);
	cluster->callbacks.placement_cb(cluster->arg, &placement.placement);
}

static int fake_start(struct cluster *cluster)
{
	the_cluster = cluster;
	later(first_words_cb, cluster);
	return 0;
}

static void fake_stop(struct cluster *cluster)
{
	(void)cluster;
	the_cluster = NULL;
}

static const struct placement *fake_placement(struct cluster *cluster)
{
	(void)cluster;
	return &placement.placement;
}

static const Vmreplica__Ipc__CibSettings *fake_settings(struct cluster *cluster)
{
	(void)cluster;
	return &settings.message;
}

static void set_placement(enum placement_state state, const char *node)
{
	placement_init(&placement, state, node, 1);
	if (the_cluster != NULL) {
		the_cluster->callbacks.placement_cb(the_cluster->arg, &placement.placement);
	}
}

static int fake_create(struct cluster *cluster, Vmreplica__Ipc__CibCreateVm *request,
		       cluster_done_cb done, void *arg)
{
	struct world *world = &the_world;
	size_t used = 0;

	(void)cluster;
	world->created++;
	if (world->create_error != 0) {
		outcome_later(done, arg, world->create_error);
		world->create_error = 0;
		return 0;
	}
	snprintf(world->created_resource, sizeof(world->created_resource), "%s", request->resource);
	snprintf(world->created_location, sizeof(world->created_location), "%s",
		 request->location_node);
	settings.message.n_resources = 1;
	vmreplica__ipc__cib_resource__init(&settings.resources[0]);
	settings.resources[0].id = world->created_resource;
	settings.resources[0].type = text(ROUTING_RESOURCE_TYPE);
	settings.resources[0].parameters = settings.parameter_list[0];
	settings.resource_list[0] = &settings.resources[0];
	for (size_t i = 0; i < request->n_parameters && i < 8; i++) {
		snprintf(kept_parameters[i], sizeof(kept_parameters[i]), "%s",
			 request->parameters[i]->value);
		used += (size_t)snprintf(
			world->created_parameters + used, sizeof(world->created_parameters) - used,
			"%s=%s ", request->parameters[i]->name, request->parameters[i]->value);
		settings_parameter(&settings, 0,
				   i == 0   ? "relationship"
				   : i == 1 ? "vm"
				   : i == 2 ? "role"
				   : i == 3 ? "peer"
				   : i == 4 ? "storage"
					    : "frequency",
				   kept_parameters[i]);
	}
	outcome_later(done, arg, 0);
	later(tell_settings, NULL);
	return 0;
}

static int fake_update(struct cluster *cluster, Vmreplica__Ipc__CibUpdateVm *request,
		       cluster_done_cb done, void *arg)
{
	(void)cluster;
	the_world.updated++;
	snprintf(the_world.updated_parameters, sizeof(the_world.updated_parameters), "%s %s=%s",
		 request->resource, request->parameters[0]->name, request->parameters[0]->value);
	outcome_later(done, arg, 0);
	return 0;
}

static int fake_delete(struct cluster *cluster, const char *resource, cluster_done_cb done,
		       void *arg)
{
	(void)cluster;
	the_world.deleted++;
	snprintf(the_world.deleted_resource, sizeof(the_world.deleted_resource), "%s", resource);
	settings.message.n_resources = 0;
	outcome_later(done, arg, 0);
	later(tell_settings, NULL);
	return 0;
}

/* Replace, add or (value "" or NULL) remove. */
static void apply_setting(const char *name, const char *value)
{
	size_t i = 0;

	while (i < settings.message.n_settings && strcmp(settings.pair_list[i]->name, name) != 0) {
		i++;
	}
	if (value == NULL || value[0] == '\0') {
		if (i < settings.message.n_settings) {
			settings.pair_list[i] = settings.pair_list[--settings.message.n_settings];
		}
		return;
	}
	must(i < 4, "room for settings");
	vmreplica__ipc__cib_nvpair__init(&settings.pairs[i]);
	snprintf(settings.names[i], sizeof(settings.names[i]), "%s", name);
	snprintf(settings.values[i], sizeof(settings.values[i]), "%s", value);
	settings.pairs[i].name = settings.names[i];
	settings.pairs[i].value = settings.values[i];
	settings.pair_list[i] = &settings.pairs[i];
	settings.message.n_settings += i == settings.message.n_settings;
}

void world_set(const char *name, const char *value)
{
	apply_setting(name, value);
}

static int fake_set_setting(struct cluster *cluster, const char *name, const char *value,
			    cluster_done_cb done, void *arg)
{
	(void)cluster;
	snprintf(the_world.setting_name, sizeof(the_world.setting_name), "%s", name);
	snprintf(the_world.setting_value, sizeof(the_world.setting_value), "%s",
		 value != NULL ? value : "");
	apply_setting(name, value);
	later(tell_settings, NULL);
	outcome_later(done, arg, 0);
	return 0;
}

static bool fake_is_quorate(struct cluster *cluster)
{
	(void)cluster;
	return true;
}

static int fake_create_domain(struct cluster *cluster, Vmreplica__Ipc__CibCreateDomain *request,
			      cluster_done_cb done, void *arg)
{
	(void)cluster;
	snprintf(the_world.created_domain, sizeof(the_world.created_domain), "%s %s",
		 request->resource, request->parameters[0]->value);
	outcome_later(done, arg, 0);
	return 0;
}

static int fake_delete_domain(struct cluster *cluster, Vmreplica__Ipc__CibDeleteDomain *request,
			      cluster_done_cb done, void *arg)
{
	(void)cluster;
	(void)request;
	outcome_later(done, arg, 0);
	return 0;
}

int cluster_init(struct cluster *cluster, qb_loop_t *loop, const struct config *config,
		 const char *member_name, const struct cluster_callbacks *callbacks, void *arg)
{
	static const struct cluster_ops ops = {
		.name = "fake",
		.start = fake_start,
		.stop = fake_stop,
		.multicast = fake_multicast,
		.is_quorate = fake_is_quorate,
		.placement = fake_placement,
		.settings = fake_settings,
		.create_vm = fake_create,
		.create_domain = fake_create_domain,
		.delete_domain = fake_delete_domain,
		.update_vm = fake_update,
		.delete_vm = fake_delete,
		.set_setting = fake_set_setting,
	};

	*cluster = (struct cluster){.ops = &ops,
				    .loop = loop,
				    .config = config,
				    .member_name = member_name,
				    .callbacks = *callbacks,
				    .arg = arg};
	return 0;
}

/* ---- the world ---- */

static int listen_loopback(uint16_t *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 16) == 0 &&
		     getsockname(fd, (struct sockaddr *)&address, &len) == 0,
	     "listen");
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static void ready_cb(void *arg)
{
	struct world *world = arg;

	world->ready = true;
	must(broker_serve(&world->broker) == 0, "serve");
}

static void failed_cb(void *arg, const char *why)
{
	struct world *world = arg;

	(void)why;
	world->failed = true;
}

static void world_config(struct world *world)
{
	world->config = (struct config){
		.site = text("b.example"),
		.node = text("b1"),
		.tls_ca = strdup(peers_path("ca", ".crt")),
		.tls_certificate = strdup(peers_path("b1", ".crt")),
		.tls_key = strdup(peers_path("b1", ".key")),
		.storage_reserve_bytes = 1ull << 30,
	};
}

unsigned world_request_rate;

struct world *world_begin(enum relay_mode relay)
{
	static bool made;
	struct world *world = &the_world;
	char error[BROKER_ERROR_LEN] = "";

	if (!made) {
		log_open("test", NULL, "error", false);
		peers_make();
		made = true;
	}
	memset(world, 0, sizeof(*world));
	memset(&settings, 0, sizeof(settings));
	settings_init(&settings);
	settings_authorize(&settings, "a.example", "/srv/replica", "-", 2);
	placement_init(&placement, PLACEMENT_STOPPED, NULL, 1);
	world->loop = qb_loop_create();
	world->owner_fd = listen_loopback(&world->owner_port);
	snprintf(world->socket_path, sizeof(world->socket_path), "%s/broker.sock", tempdir());
	world->engine_has_storage = true;
	world_config(world);
	world->broker.loop = world->loop;
	world->broker.config = &world->config;
	world->broker.options = (struct broker_options){.address = "127.0.0.1",
							.port = 0,
							.relay = relay,
							.request_rate = world_request_rate,
							.socket_path = world->socket_path};
	world->broker.ready_cb = ready_cb;
	world->broker.failed_cb = failed_cb;
	world->broker.arg = world;
	must(broker_open(&world->broker, error) == 0, error);
	world->port = access_point_port(world->broker.access_point);
	for (int i = 0; i < 100 && !world->ready; i++) {
		world_run_ms(world, 5);
	}
	must(world->ready, "the broker became ready");
	world_run_ms(world, 10); /* the engine announces */
	return world;
}

void world_end(struct world *world)
{
	broker_close(&world->broker);
	world_run_ms(world, 5); /* what was to come later comes, and finds nobody */
	close(world->owner_fd);
	free(world->config.tls_ca);
	free(world->config.tls_certificate);
	free(world->config.tls_key);
	qb_loop_destroy(world->loop);
}

void world_set_quorum(struct world *world, bool quorate, const char *missing)
{
	(void)world;
	the_cluster->callbacks.quorum_cb(the_cluster->arg, quorate, missing);
}

void world_add_replica(struct world *world)
{
	settings_resource(&settings, "web1-a-replica", REL_1, "replica", "a.example");
	tell_settings(NULL);
	world->engine_has_vm = true;
	set_placement(PLACEMENT_RUNNING, "b1");
	announce_cb(NULL);
}

/* ---- running ---- */

struct run {
	void (*fn)(void *arg);
	void *arg;
	atomic_bool done;
	qb_loop_t *loop;
};

static void *run_main(void *arg)
{
	struct run *run = arg;

	run->fn(run->arg);
	atomic_store(&run->done, true);
	return NULL;
}

static void run_tick_cb(void *data)
{
	struct run *run = data;
	qb_loop_timer_handle timer;

	if (atomic_load(&run->done)) {
		qb_loop_stop(run->loop);
	} else {
		must(qb_loop_timer_add(run->loop, QB_LOOP_MED, TICK_NS, run, run_tick_cb, &timer) ==
			     0,
		     "timer");
	}
}

void world_run(struct world *world, void (*fn)(void *arg), void *arg)
{
	struct run run = {.fn = fn, .arg = arg, .loop = world->loop};
	qb_loop_timer_handle timer;
	pthread_t thread;

	/* Not asked before the loop runs: a stop from outside it would be forgotten. */
	must(qb_loop_timer_add(world->loop, QB_LOOP_MED, TICK_NS, &run, run_tick_cb, &timer) == 0,
	     "timer");
	must(pthread_create(&thread, NULL, run_main, &run) == 0, "thread");
	qb_loop_run(world->loop);
	pthread_join(thread, NULL);
}

static void sleep_cb(void *arg)
{
	usleep(*(unsigned *)arg * 1000);
}

void world_run_ms(struct world *world, unsigned ms)
{
	world_run(world, sleep_cb, &ms);
}

/* ---- peers ---- */

int dial_loopback(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	must(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "dial");
	return fd;
}

void client_open(struct client *client, uint16_t port, const char *pair, const char *expected,
		 const char *sni)
{
	struct tls_context *context = peers_context(pair);

	memset(client, 0, sizeof(*client));
	client->conn = tls_client_new(context, dial_loopback(port), expected, sni);
	tls_context_unref(context);
	must(client->conn != NULL, "client");
	client->result = tls_handshake_full(client->conn, WORLD_WAIT_MS);
	channel_init_tls(&client->channel, client->conn);
	arena_init(&client->arena, ARENA_MAX);
}

void client_ask(struct client *client, enum frame_type type, const ProtobufCMessage *message)
{
	client->result = channel_send(&client->channel, type, message, NULL, 0, WORLD_WAIT_MS);
	if (client->result == 0) {
		client->result = channel_receive(&client->channel, &client->arena, &client->frame,
						 NULL, 0, WORLD_WAIT_MS);
	}
}

void client_close(struct client *client)
{
	channel_destroy(&client->channel);
	arena_reset(&client->arena);
	tls_conn_free(client->conn);
}

Vmreplica__Admin__Response *admin_ask(struct world *world, Vmreplica__Admin__Request *request,
				      struct arena *arena)
{
	Vmreplica__Admin__Response *response = NULL;
	int fd = unix_connect(world->socket_path, WORLD_WAIT_MS);
	struct channel channel;
	struct frame frame;

	if (fd < 0) {
		return NULL;
	}
	channel_init_fd(&channel, fd);
	if (channel_send(&channel, FRAME_ADMIN_REQUEST, &request->base, NULL, 0, WORLD_WAIT_MS) ==
		    0 &&
	    channel_receive(&channel, arena, &frame, NULL, 0, WORLD_WAIT_MS) == 0 &&
	    frame.type == FRAME_ADMIN_RESPONSE) {
		response = (Vmreplica__Admin__Response *)frame.message;
	}
	channel_destroy(&channel);
	close(fd);
	return response;
}
