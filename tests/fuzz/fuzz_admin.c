/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request of the admin interface, or an answer to one (the first byte: even or odd), by the
 * checks that daemons make before they act on it: those that need no daemon. What is in a request
 * came from a user, from a resource agent's parameters, or by a broker from a peer.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/authorization.h"
#include "engine/failover_order.h"
#include "engine/job_message.h"
#include "engine/replica_domain.h"
#include "engine/vm_settings.h"
#include "engine/wrap_node.h"
#include "fuzz.h"
#include "message_promise.h"
#include "mutate_message.h"
#include "proto/admin.pb-c.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/point_select.h"
#include "proto/store_path.h"
#include "proto/validate.h"
#include "proto/validate_fields.h"
#include "proto/wire.pb-c.h"

typedef Vmreplica__Admin__Request Request;

static void check_protect(const Request *request)
{
	const Vmreplica__Admin__ProtectRequest *m = request->protect;
	char error[NETWORK_MAP_ERROR_LEN] = "", host[VM_SETTINGS_HOST_LEN];
	struct network_map map = {0};
	struct resync_policy policy;
	uint16_t port;
	int r = 0;

	(void)validate_field_points(m->points);
	(void)peer_address_parse(m->to, 8650, host, &port);
	(void)resync_policy_parse(m->resync, &policy);
	for (size_t i = 0; i < m->n_maps && r == 0; i++) {
		r = network_map_add(&map, m->maps[i], error);
		assert(r == 0 || error[0] != '\0');
	}
}

static void check_authorize(const Request *request)
{
	const Vmreplica__Admin__AuthorizeEntry *m = request->authorize->entry;
	char error[AUTHORIZATION_ERROR_LEN] = "", value[AUTHORIZATION_VALUE_LEN];
	struct authorization_entry entry, again;
	int r;

	if (m == NULL) {
		return;
	}
	if (authorization_entry_init(&entry, m->pattern, m->storage, m->group, m->max_vms, error) <
	    0) {
		assert(error[0] != '\0');
		return;
	}
	r = authorization_decode(authorization_encode(&entry, value), &again, error);
	/* A number of more than nine digits is refused when it is read. */
	assert(r == 0 ? memcmp(&entry, &again, sizeof(entry)) == 0 : m->max_vms > 999999999);
}

static void check_agent(const Request *request)
{
	const Vmreplica__Admin__AgentRequest *m = request->agent;
	struct vm_settings settings = {0};
	char error[VM_SETTINGS_ERROR_LEN] = "";

	if (m->n_names == m->n_values &&
	    vm_settings_parse(m->resource, (const char *const *)m->names,
			      (const char *const *)m->values, m->n_names, &settings, error) == 0) {
		const char **excluded = vm_settings_exclude_list(&settings);

		assert(validate_uuid(settings.relationship) && validate_vm_name(settings.vm));
		assert(validate_resource_id(settings.resource) && excluded != NULL);
		for (size_t i = 0; i < settings.exclude_count; i++) {
			assert(validate_disk_name(excluded[i]));
		}
		free(excluded);
		vm_settings_destroy(&settings);
	} else {
		assert(m->n_names != m->n_values || error[0] != '\0');
	}
}

static void check_failover(const Request *request)
{
	const Vmreplica__Admin__FailoverRequest *m = request->failover;
	struct failover_order order = {.kind = m->kind, .job = "0123abcd", .latest = true}, again;
	char error[POINT_SELECT_ERROR_LEN] = "", text[FAILOVER_ORDER_LEN];
	struct point_wish wish;

	if (m->to[0] != '\0' && point_wish_parse(m->to, &wish, error) < 0) {
		assert(error[0] != '\0');
		return;
	}
	if (failover_kind_to_string(m->kind) == NULL ||
	    (m->network[0] != '\0' && !network_name_is_valid(m->network))) {
		return;
	}
	strcpy(order.network, m->network);
	assert(failover_order_decode(failover_order_encode(&order, text), &again));
	/* "-" is the word for none, and no network's name */
	assert(again.kind == order.kind && strcmp(again.network, order.network) == 0);
}

/* What a peer ordered comes as bytes of another message, and is looked at again. */
static void check_peer_order(const Request *request)
{
	const ProtobufCBinaryData *bytes = &request->peer_order->order;
	char error[VALIDATE_ERROR_LEN] = "";
	struct frame frame = {.type = FRAME_ORDER};
	struct arena arena;

	arena_init(&arena, ARENA_MAX);
	frame.message = frame_decode(FRAME_ORDER, bytes->data, bytes->len, &arena);
	if (frame.message != NULL && validate_frame(&frame, error) == 0) {
		message_promise_check(&frame);
	}
	arena_reset(&arena);
}

static void check_store(const Request *request)
{
	const Vmreplica__Admin__StoreRequest *m = request->store;
	char path[PATH_LEN_MAX + 1];

	if (store_path_directory(m->storage, m->peer_site, m->vm, m->relationship, path,
				 sizeof(path)) == 0) {
		assert(strncmp(path, m->storage, strlen(m->storage)) == 0);
		assert(strstr(path, "/../") == NULL);
	}
}

static void check_wrap_node(const Request *request)
{
	struct wrap_node node = {0};
	int r = wrap_node_init(&node);

	assert(r == 0);
	if (wrap_node_take(&node, request->wrap_node) == 0) {
		Vmreplica__Admin__WrapDisk disks[DISKS_MAX], *pointers[DISKS_MAX];
		size_t count = node.count;

		assert(node.config[0] == '\0' || node.config[0] == '/');
		wrap_node_fill_disks(&node, disks, pointers);
		assert(wrap_node_take_disks(&node, pointers, count) == 0 && node.count == count);
	}
	wrap_node_destroy(&node);
}

static void check_fit(const Request *request)
{
	const Vmreplica__Admin__FitRequest *m = request->fit;
	static const struct replica_domain_disk disks[] = {{"vda", "/ours/vda"}};
	struct replica_domain_options options = {
		.name = "web1", .disks = disks, .disk_count = 1, .boot_directory = "/ours/boot"};
	struct sentence_list notes = {0};
	char error[DOMAIN_ERROR_LEN] = "", *xml = NULL;

	if (m->domain_xml.len > 0 && m->domain_xml.len <= ENROLL_XML_MAX &&
	    replica_domain_make((const char *)m->domain_xml.data, m->domain_xml.len, &options, &xml,
				&notes, error) < 0) {
		assert(error[0] != '\0');
	}
	free(xml);
	sentence_list_destroy(&notes);
}

static const struct {
	Vmreplica__Admin__Request__BodyCase body;
	void (*check)(const Request *request);
} checks[] = {
	{VMREPLICA__ADMIN__REQUEST__BODY_PROTECT, check_protect},
	{VMREPLICA__ADMIN__REQUEST__BODY_AUTHORIZE, check_authorize},
	{VMREPLICA__ADMIN__REQUEST__BODY_AGENT, check_agent},
	{VMREPLICA__ADMIN__REQUEST__BODY_FAILOVER, check_failover},
	{VMREPLICA__ADMIN__REQUEST__BODY_PEER_ORDER, check_peer_order},
	{VMREPLICA__ADMIN__REQUEST__BODY_STORE, check_store},
	{VMREPLICA__ADMIN__REQUEST__BODY_WRAP_NODE, check_wrap_node},
	{VMREPLICA__ADMIN__REQUEST__BODY_FIT, check_fit},
};

/* Jobs of another engine are kept as files. */
static void check_jobs(const Vmreplica__Admin__JobsResponse *jobs)
{
	for (size_t i = 0; i < jobs->n_jobs; i++) {
		const Vmreplica__Job *job = jobs->jobs[i];
		char *text = job_message_is_valid(job) ? job_message_to_json(job) : NULL;
		Vmreplica__Job *again =
			text != NULL ? job_message_from_json(text, strlen(text)) : NULL;

		assert(text == NULL ||
		       (again != NULL && job_message_is_valid(again) &&
			strcmp(again->id, job->id) == 0 && again->n_steps == job->n_steps));
		job_message_free(again);
		free(text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum frame_type type =
		size > 0 && data[0] % 2 == 1 ? FRAME_ADMIN_RESPONSE : FRAME_ADMIN_REQUEST;
	struct arena arena;
	const void *message;

	if (size == 0) {
		return 0;
	}
	arena_init(&arena, ARENA_LOCAL_MAX);
	message = frame_decode(type, data + 1, size - 1, &arena);
	if (message != NULL && type == FRAME_ADMIN_RESPONSE) {
		const Vmreplica__Admin__Response *response = message;

		if (response->body_case == VMREPLICA__ADMIN__RESPONSE__BODY_JOBS) {
			check_jobs(response->jobs);
		}
	} else if (message != NULL) {
		const Request *request = message;

		for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
			if (checks[i].body == request->body_case) {
				checks[i].check(request);
			}
		}
	}
	arena_reset(&arena);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct mutate mutate;

	mutate_init(&mutate, seed);
	if (size < 2 || mutate_once_in(&mutate, 16)) {
		return LLVMFuzzerMutate(data, size, max_size);
	}
	return 1 + mutate_message(&mutate,
				  frame_descriptor(data[0] % 2 == 1 ? FRAME_ADMIN_RESPONSE
								    : FRAME_ADMIN_REQUEST),
				  data + 1, size - 1, max_size - 1);
}
