/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts that stand in the cluster's configuration, or that an admin types, each by all of their
 * parsers: what is taken is written again as what is taken to be the same.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/authorization.h"
#include "cluster/epoch.h"
#include "cluster/vm_resource.h"
#include "engine/failover_order.h"
#include "engine/handover.h"
#include "engine/vm_settings.h"
#include "fuzz.h"
#include "mutate_pieces.h"
#include "proto/network_map.h"
#include "proto/point_search.h"
#include "proto/resync_policy.h"
#include "proto/validate.h"

static void check_authorization(const char *text)
{
	char error[AUTHORIZATION_ERROR_LEN] = "", value[AUTHORIZATION_VALUE_LEN];
	char name[AUTHORIZATION_NAME_LEN];
	struct authorization_entry entry, again;
	int r = authorization_decode(text, &entry, error);

	if (r < 0) {
		assert(r == -EINVAL && error[0] != '\0');
		return;
	}
	assert(validate_site_pattern(entry.pattern) && validate_absolute_path(entry.storage));
	r = authorization_decode(authorization_encode(&entry, value), &again, error);
	assert(r == 0 && memcmp(&entry, &again, sizeof(entry)) == 0);
	assert(authorization_setting_name(entry.pattern, name) == 0);
	/* XML has no U+FFFE and U+FFFF */
	assert(vm_resource_check_setting(name, value, error) == 0 ||
	       strstr(entry.storage, "\xef\xbf") != NULL);
}

static void check_epoch(const char *text)
{
	struct epoch epoch, raised;
	char buf[EPOCH_TEXT_LEN];

	if (epoch_parse(text, &epoch) < 0) {
		return;
	}
	assert(epoch.number > 0 && epoch.number <= INT64_MAX && validate_lineage(epoch.lineage));
	assert(strcmp(epoch_format(&epoch, buf), text) == 0);
	if (epoch_raise(&epoch, "b.example", "0b6f4b1c-93a5-4f7e-8b1a-5d2f6c7e8a90", &raised) ==
	    0) {
		assert(epoch_judge(&epoch, &raised, "b.example") == EPOCH_GRANTED);
		assert(epoch_judge(&raised, &epoch, "b.example") == EPOCH_KEEP);
	}
	assert(epoch_judge(&epoch, &epoch, "b.example") == EPOCH_KEEP);
}

static void check_handover(const char *text)
{
	struct handover handover;
	struct adopt_order order;
	char buf[HANDOVER_LEN], adopt[ADOPT_LEN];

	/* What stands there was written by us: there is one way to write it. */
	if (handover_decode(text, &handover)) {
		assert(handover.epoch > 0 && handover.epoch <= INT64_MAX);
		assert(handover.seq == 0 || validate_cut_id(handover.cut_id));
		assert(strcmp(handover_encode(&handover, buf), text) == 0);
	}
	if (adopt_order_decode(text, &order)) {
		assert(validate_cut_id(order.cut_id));
		assert(order.extents[0] == '\0' || validate_absolute_path(order.extents));
		assert(strcmp(adopt_order_encode(&order, adopt), text) == 0);
	}
}

static void check_failover_order(const char *text)
{
	struct failover_order order;
	char buf[FAILOVER_ORDER_LEN];

	if (!failover_order_decode(text, &order)) {
		return;
	}
	assert(failover_kind_to_string(order.kind) != NULL);
	/* It is a file's name. */
	assert(strlen(order.job) == JOB_ID_LEN &&
	       strspn(order.job, "0123456789abcdef") == JOB_ID_LEN);
	assert(order.epoch.number <= INT64_MAX);
	assert(order.network[0] == '\0' || network_name_is_valid(order.network));
	assert(strcmp(failover_order_encode(&order, buf), text) == 0);
}

static void check_wish(const char *text)
{
	char error[POINT_SELECT_ERROR_LEN] = "";
	Vmreplica__Point point = VMREPLICA__POINT__INIT, *points[] = {&point};
	struct point_search search;
	struct point_wish wish;
	int r = point_wish_parse(text, &wish, error);

	if (r < 0) {
		assert(r == -EINVAL && error[0] != '\0');
		return;
	}
	point.seq = 7;
	point.point = true;
	point_search_init(&search, &wish, true);
	r = point_search_take(&search, points, 1, false, error);
	assert(r == POINT_SEARCH_FOUND ? search.best->seq == 7 : r == -ENOENT && error[0] != '\0');
	point_search_destroy(&search);
}

static void check_networks(const char *text)
{
	char error[NETWORK_MAP_ERROR_LEN] = "";
	struct network_map map = {0};
	struct network to;

	if (network_map_parse(&map, text, error) < 0) {
		assert(error[0] != '\0');
		return;
	}
	assert(map.count <= NETWORK_MAPS_MAX);
	for (size_t i = 0; i < map.count; i++) {
		assert(network_name_is_valid(map.entries[i].from.name));
		assert(network_map_find(&map, &map.entries[i].from, &to));
		assert(network_name_is_valid(to.name) && to.kind != NETWORK_DIRECT);
	}
}

static void check_resync(const char *text)
{
	struct resync_policy policy, again;
	char buf[RESYNC_POLICY_LEN];

	if (resync_policy_parse(text, &policy) < 0) {
		return;
	}
	assert(policy.kind != RESYNC_WINDOW ||
	       (policy.begin < 1440 && policy.end < 1440 && policy.begin != policy.end));
	assert(resync_policy_parse(resync_policy_format(&policy, buf), &again) == 0);
	assert(again.kind == policy.kind && again.begin == policy.begin && again.end == policy.end);
}

static void check_address(const char *text)
{
	char host[VM_SETTINGS_HOST_LEN] = "";
	uint16_t port = 0;

	if (peer_address_parse(text, 8650, host, &port) == 0) {
		assert(host[0] != '\0' && port != 0 && strchr(host, ' ') == NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	assert(text != NULL);
	check_authorization(text);
	check_epoch(text);
	check_handover(text);
	check_failover_order(text);
	check_wish(text);
	check_networks(text);
	check_resync(text);
	check_address(text);
	free(text);
	return 0;
}

/* Words in one line. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct mutate mutate;
	char *old, *text;

	mutate_init(&mutate, seed);
	if (mutate_once_in(&mutate, 4)) {
		return LLVMFuzzerMutate(data, size, max_size);
	}
	old = strndup((const char *)data, size);
	assert(old != NULL);
	text = mutate_text(&mutate, old);
	if (strlen(text) <= max_size) {
		size = strlen(text);
		memcpy(data, text, size);
	}
	free(text);
	free(old);
	return size;
}
