/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/broker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "broker/admin_service.h"
#include "broker/admin_socket.h"
#include "broker/certificates.h"
#include "broker/enrollment.h"
#include "broker/locate_service.h"
#include "broker/query_service.h"
#include "broker/relay_service.h"
#include "common/clock.h"
#include "common/log.h"

#define BROKER_STOP_NS                                                                             \
	100000000ull /* what is queued for admins and the group is sent meanwhile                  \
		      */

/* ---- for the services ---- */

bool broker_is_settled(const struct broker *broker)
{
	return broker->have_settings && broker->have_placement;
}

char *broker_peer_label(const struct peer_session *session, char *buf, size_t size)
{
	char names[DENIAL_PEER_LEN - PEER_ADDRESS_LEN];

	locate_names_join(peer_session_names(session), names, sizeof(names));
	snprintf(buf, size, "%s (%s)", names, session->address);
	return buf;
}

void broker_multicast(struct broker *broker, const Vmreplica__Cluster__Message *message)
{
	int rc = broker->cluster.ops->multicast(&broker->cluster, message);

	if (rc < 0 && rc != -ENOTCONN) {
		log_warning("the group cannot be told: %s", strerror(-rc));
	}
}

void broker_solicit(struct broker *broker)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	Vmreplica__Cluster__Solicit body = VMREPLICA__CLUSTER__SOLICIT__INIT;

	body.node = broker->config->node;
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_SOLICIT;
	message.solicit = &body;
	broker_multicast(broker, &message);
}

void broker_announce(struct broker *broker, bool active)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	Vmreplica__Cluster__BrokerState body = VMREPLICA__CLUSTER__BROKER_STATE__INIT;

	body.node = broker->config->node;
	body.address = (char *)(uintptr_t)broker->options.address;
	body.port = broker->access_point == NULL ? broker->options.port
						 : access_point_port(broker->access_point);
	body.boot = broker->boot;
	body.active = active;
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_BROKER;
	message.broker = &body;
	broker_multicast(broker, &message);
}

/* ---- what the cluster tells ---- */

static void broker_check_ready(struct broker *broker)
{
	if (broker->ready_cb != NULL && broker->joined && broker_is_settled(broker)) {
		void (*ready_cb)(void *arg) = broker->ready_cb;

		broker->ready_cb = NULL;
		ready_cb(broker->arg);
	}
}

static void placement_cb(void *arg, const struct placement *placement)
{
	struct broker *broker = arg;

	broker->have_placement = true;
	routing_table_set_placement(broker->routes, placement);
	broker_check_ready(broker);
}

static void settings_cb(void *arg, const Vmreplica__Ipc__CibSettings *settings)
{
	struct authorization_table table = {NULL, 0};
	struct broker *broker = arg;
	size_t broken = 0;

	if (authorization_table_load(settings, &table, &broken) < 0 ||
	    routing_table_set_settings(broker->routes, settings) < 0) {
		log_error("the cluster's settings could not all be read: out of memory");
	}
	if (table.entries != NULL) {
		authorization_table_destroy(&broker->authorizations);
		broker->authorizations = table;
	}
	if (broken > 0) {
		log_warning("%zu authorization entries cannot be read and are ignored: vmreplica "
			    "authorize list shows the "
			    "others",
			    broken);
	}
	broker->have_settings = true;
	broker_check_ready(broker);
}

static void take_announcement(struct broker *broker,
			      const Vmreplica__Cluster__Announcement *announcement)
{
	int rc = routing_table_announce(broker->routes, announcement, clock_monotonic_ms());

	if (rc < 0) {
		log_warning("an announcement of %s is incomplete here: %s", announcement->node,
			    strerror(-rc));
	}
}

static void message_cb(void *arg, const Vmreplica__Cluster__Message *message, bool from_self)
{
	struct broker *broker = arg;

	if (forward_handle_message(broker->forward, message)) {
		return;
	}
	switch (message->body_case) {
	case VMREPLICA__CLUSTER__MESSAGE__BODY_ANNOUNCEMENT:
		take_announcement(broker, message->announcement);
		break;
	case VMREPLICA__CLUSTER__MESSAGE__BODY_SOLICIT:
		if (!from_self && broker->serving) {
			broker_announce(broker, true);
		}
		break;
	case VMREPLICA__CLUSTER__MESSAGE__BODY_BROKER:
		if (!from_self && message->broker->active &&
		    message->broker->boot != broker->boot) {
			log_warning("another broker is active on %s: Pacemaker should run only one",
				    message->broker->node);
		}
		break;
	default:
		break;
	}
}

static void member_cb(void *arg, const char *node, const char *member, bool joined)
{
	struct broker *broker = arg;
	bool engine = strcmp(member, CLUSTER_MEMBER_ENGINE) == 0;

	if (!engine && strcmp(node, broker->config->node) == 0) {
		broker->joined = joined;
		if (joined) {
			broker_solicit(broker);
			broker_check_ready(broker);
		} else if (broker->failed_cb != NULL) {
			broker->failed_cb(broker->arg,
					  "the connection to the cluster's group is lost");
		}
		return;
	}
	if (engine && !joined) {
		routing_table_engine_left(broker->routes, node);
	}
	if (engine && joined && broker->serving) {
		broker_announce(broker, true); /* a new engine learns where the broker is */
	}
}

static void quorum_cb(void *arg, bool quorate, const char *missing)
{
	struct broker *broker = arg;

	broker->quorate = quorate;
	snprintf(broker->missing, sizeof(broker->missing), "%s", missing);
}

/* ---- requests ---- */

static void forward_cb(void *arg, const char *from, uint64_t id,
		       const Vmreplica__Admin__Request *request)
{
	struct admin_asker asker = {.id = id};

	snprintf(asker.from, sizeof(asker.from), "%s", from);
	admin_service_handle(arg, &asker, request);
}

static void request_cb(void *arg, struct peer_session *session, enum frame_type type,
		       const ProtobufCMessage *message)
{
	struct broker *broker = arg;

	switch (type) {
	case FRAME_LOCATE:
		locate_service_handle(broker, session, (const Vmreplica__Wire__Locate *)message);
		break;
	case FRAME_ENROLL:
		enrollment_handle_enroll(broker->enrollment, session,
					 (const Vmreplica__Wire__Enroll *)message);
		break;
	case FRAME_QUERY:
		query_service_handle(broker, session, (const Vmreplica__Wire__Query *)message);
		break;
	case FRAME_ORDER:
		order_service_handle(broker, session, (const Vmreplica__Wire__Order *)message);
		break;
	default:
		enrollment_handle_withdraw(broker->enrollment, session,
					   (const Vmreplica__Wire__Withdraw *)message);
		break;
	}
}

static void relay_cb(void *arg, int fd, const char *token, const char *address)
{
	relay_service_accept(arg, fd, token, address);
}

static void refused_cb(void *arg, const char *address, const char *reason)
{
	broker_record_denial(arg, address, reason);
}

static void met_cb(void *arg, const struct peer_session *session)
{
	broker_note_peer(arg, session);
}

/* ---- open, serve, close ---- */

static uint64_t replica_size(void *arg, const char *relationship)
{
	const struct route *route =
		routing_table_find(((struct broker *)arg)->routes, relationship);

	return route != NULL ? route->size_bytes : 0;
}

static int open_tables(struct broker *broker)
{
	if (getrandom(&broker->boot, sizeof(broker->boot), 0) != sizeof(broker->boot)) {
		return -EIO;
	}
	broker->routes = routing_table_new();
	broker->tokens = token_table_new();
	broker->enrollment = enrollment_new(broker);
	broker->forward = forward_new(&broker->cluster, FORWARD_BROKER, forward_cb, broker);
	broker->authorizer = authorizer_new(&broker->cluster);
	if (broker->routes == NULL || broker->tokens == NULL || broker->enrollment == NULL ||
	    broker->forward == NULL || broker->authorizer == NULL) {
		return -ENOMEM;
	}
	authorizer_set_sizes(broker->authorizer, replica_size, broker);
	return 0;
}

static int open_access_point(struct broker *broker, char error[BROKER_ERROR_LEN])
{
	static const struct access_callbacks callbacks = {
		.request_cb = request_cb,
		.relay_cb = relay_cb,
		.refused_cb = refused_cb,
		.met_cb = met_cb,
	};
	struct access_options options = {.address = broker->options.address,
					 .port = broker->options.port,
					 .rate = broker->options.request_rate};
	int rc = access_point_open(broker->loop, &options, broker->tls, &callbacks, broker,
				   &broker->access_point);

	if (rc < 0) {
		snprintf(error, BROKER_ERROR_LEN, "cannot listen on %s port %u: %s%s",
			 options.address[0] == '\0' ? "any address" : options.address, options.port,
			 strerror(-rc),
			 rc == -EADDRNOTAVAIL ? " (the virtual address is not on this node: is its "
						"IPaddr2 resource started "
						"before the broker?)"
					      : "");
	}
	return rc;
}

static int open_cluster(struct broker *broker, char error[BROKER_ERROR_LEN])
{
	static const struct cluster_callbacks callbacks = {
		.placement_cb = placement_cb,
		.settings_cb = settings_cb,
		.message_cb = message_cb,
		.member_cb = member_cb,
		.quorum_cb = quorum_cb,
	};
	int rc;

	snprintf(broker->missing, sizeof(broker->missing), "the cluster has not been reached yet");
	rc = cluster_init(&broker->cluster, broker->loop, broker->config, CLUSTER_MEMBER_BROKER,
			  &callbacks, broker);
	if (rc == 0) {
		rc = open_tables(broker);
	}
	if (rc == 0) {
		rc = broker->cluster.ops->start(&broker->cluster);
		broker->cluster_started = rc == 0;
	}
	if (rc < 0) {
		snprintf(error, BROKER_ERROR_LEN, "cannot begin with the cluster: %s",
			 strerror(-rc));
	}
	return rc;
}

int broker_open(struct broker *broker, char error[BROKER_ERROR_LEN])
{
	int rc = certificates_open(broker, error);

	tls_expiry_notes_init(&broker->expiries);
	broker->started_ms = clock_monotonic_ms();
	broker->starter = getuid();
	if (rc == 0) {
		rc = open_access_point(broker, error);
	}
	if (rc == 0) {
		rc = admin_socket_open(broker, broker->options.socket_path,
				       broker->options.socket_group, &broker->admin_socket);
		if (rc < 0) {
			snprintf(error, BROKER_ERROR_LEN, "cannot listen on %s: %s",
				 broker->options.socket_path, strerror(-rc));
		}
	}
	return rc < 0 ? rc : open_cluster(broker, error);
}

int broker_serve(struct broker *broker)
{
	int rc;

	broker->relay = relay_new(NULL);
	broker->resolver = workers_new(broker->loop, "resolver", 1);
	if (broker->relay == NULL || broker->resolver == NULL) {
		return -errno;
	}
	rc = access_point_start(broker->access_point);
	if (rc == 0) {
		broker->serving = true;
		broker_announce(broker, true);
		log_notice("serving %s on %s port %u, relay %s", broker->config->site,
			   broker->options.address[0] == '\0' ? "any address"
							      : broker->options.address,
			   access_point_port(broker->access_point),
			   relay_mode_to_string(broker->options.relay));
	}
	return rc;
}

static void stop_cb(void *data)
{
	qb_loop_stop(data);
}

void broker_stop(struct broker *broker)
{
	qb_loop_timer_handle timer;

	if (broker->serving) {
		broker->serving = false;
		broker_announce(broker, false);
	}
	if (qb_loop_timer_add(broker->loop, QB_LOOP_HIGH, BROKER_STOP_NS, broker->loop, stop_cb,
			      &timer) < 0) {
		qb_loop_stop(broker->loop);
	}
}

void broker_close(struct broker *broker)
{
	/* What is under way is told -ECANCELED by these two, and may still answer its session or
	 * socket. */
	broker->closing = true;
	broker->failed_cb = NULL;
	broker->ready_cb = NULL;
	if (broker->cluster_started) {
		broker->cluster.ops->stop(&broker->cluster);
	}
	forward_free(broker->forward);
	authorizer_free(broker->authorizer);
	enrollment_free(broker->enrollment);
	workers_free(broker->resolver);
	relay_free(broker->relay);
	access_point_free(broker->access_point);
	admin_socket_free(broker->admin_socket);
	token_table_free(broker->tokens);
	routing_table_free(broker->routes);
	authorization_table_destroy(&broker->authorizations);
	certificates_close(broker);
	tls_expiry_notes_destroy(&broker->expiries);
}
