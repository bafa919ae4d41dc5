/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmreplica authorize: the entries live in the cluster's settings; the broker only writes and lists
 * them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/admin_service.h"
#include "broker/replica_resource.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "proto/validate.h"

#define AUTHORIZE_SETTLE_MS    50
#define AUTHORIZE_SETTLE_TRIES 60

/* A change under way. */
struct authorize_change {
	struct authorize_change *next; /* in the broker's list, while the timer runs */
	qb_loop_timer_handle timer;
	struct broker *broker;
	struct admin_asker asker;
	struct authorization_entry entry;
	bool remove;
	int tries;
};

static void entry_message(const struct broker *broker, const struct authorization_entry *entry,
			  Vmreplica__Admin__AuthorizeEntry *ret_message)
{
	struct cluster *cluster = (struct cluster *)(uintptr_t)&broker->cluster;

	vmreplica__admin__authorize_entry__init(ret_message);
	ret_message->pattern = (char *)(uintptr_t)entry->pattern;
	ret_message->storage = (char *)(uintptr_t)entry->storage;
	ret_message->group = (char *)(uintptr_t)entry->group;
	ret_message->max_vms = entry->max_vms;
	ret_message->vms = replica_resource_count(&broker->authorizations, entry,
						  cluster->ops->settings(cluster));
}

static void answer_entries(struct broker *broker, const struct admin_asker *asker,
			   const struct authorization_entry *entries, size_t count)
{
	Vmreplica__Admin__AuthorizeResponse body = VMREPLICA__ADMIN__AUTHORIZE_RESPONSE__INIT;
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	cleanup_free Vmreplica__Admin__AuthorizeEntry *messages =
		calloc(count + 1, sizeof(*messages));
	cleanup_free Vmreplica__Admin__AuthorizeEntry **list =
		calloc(count + 1, sizeof(Vmreplica__Admin__AuthorizeEntry *));

	if (messages == NULL || list == NULL) {
		admin_service_fail(broker, asker, ENOMEM, false, "the broker is out of memory", "");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		entry_message(broker, &entries[i], &messages[i]);
		list[i] = &messages[i];
	}
	body.n_entries = count;
	body.entries = list;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_AUTHORIZE;
	response.authorize = &body;
	admin_service_answer(broker, asker, &response);
}

/* Do our own tables show the change? */
static bool change_is_seen(const struct authorize_change *change)
{
	const struct authorization_entry *entry =
		authorization_find(&change->broker->authorizations, change->entry.pattern);

	if (change->remove) {
		return entry == NULL;
	}
	return entry != NULL && memcmp(entry, &change->entry, sizeof(*entry)) == 0;
}

static void change_unlist(struct authorize_change *change)
{
	struct authorize_change **slot = &change->broker->authorize_changes;

	while (*slot != NULL && *slot != change) {
		slot = &(*slot)->next;
	}
	if (*slot != NULL) {
		*slot = change->next;
	}
}

/* Answer when the change has been read back: a peer that comes right after it must find it. */
static void change_settle(struct authorize_change *change);

static void change_settle_cb(void *data)
{
	change_unlist(data);
	change_settle(data);
}

static void change_settle(struct authorize_change *change)
{
	struct broker *broker = change->broker;

	if (!broker->closing && !change_is_seen(change) &&
	    change->tries++ < AUTHORIZE_SETTLE_TRIES &&
	    qb_loop_timer_add(broker->loop, QB_LOOP_MED, AUTHORIZE_SETTLE_MS * 1000000ull, change,
			      change_settle_cb, &change->timer) == 0) {
		change->next = broker->authorize_changes;
		broker->authorize_changes = change;
		return;
	}
	answer_entries(broker, &change->asker, &change->entry, 1);
	free(change);
}

void admin_authorize_drop(struct broker *broker)
{
	while (broker->authorize_changes != NULL) {
		struct authorize_change *change = broker->authorize_changes;

		broker->authorize_changes = change->next;
		qb_loop_timer_del(broker->loop, change->timer);
		free(change);
	}
}

static void change_done_cb(void *arg, int error, const char *text)
{
	struct authorize_change *change = arg;

	if (error < 0) {
		admin_service_fail(change->broker, &change->asker, -error, false,
				   text != NULL && text[0] != '\0' ? text : strerror(-error),
				   "the authorization entries are as they were");
		free(change);
		return;
	}
	log_notice("authorization entry %s is %s", change->entry.pattern,
		   change->remove ? "removed" : "set");
	change_settle(change);
}

static void change_begin(struct broker *broker, const struct admin_asker *asker,
			 const struct authorization_entry *entry, bool remove)
{
	struct authorize_change *change = calloc(1, sizeof(*change));
	char value[AUTHORIZATION_VALUE_LEN] = "";
	char name[AUTHORIZATION_NAME_LEN];
	int rc = change == NULL ? -ENOMEM : authorization_setting_name(entry->pattern, name);

	if (rc == 0) {
		change->broker = broker;
		change->asker = *asker;
		change->entry = *entry;
		change->remove = remove;
		if (!remove) {
			authorization_encode(entry, value);
		}
		rc = broker->cluster.ops->set_setting(&broker->cluster, name, value, change_done_cb,
						      change);
	}
	if (rc < 0) {
		free(change);
		admin_service_fail(broker, asker, -rc, false,
				   "the cluster's configuration cannot be changed now",
				   "try again; vmreplica check tells more");
	}
}

static void handle_add(struct broker *broker, const struct admin_asker *asker,
		       const Vmreplica__Admin__AuthorizeEntry *wanted)
{
	char error[AUTHORIZATION_ERROR_LEN];
	struct authorization_entry entry;

	if (authorization_entry_init(&entry, wanted->pattern, wanted->storage, wanted->group,
				     wanted->max_vms, error) < 0) {
		admin_service_fail(broker, asker, EINVAL, true, error, "");
		return;
	}
	if (broker->authorizations.count >= AUTHORIZATION_ENTRIES_MAX &&
	    authorization_find(&broker->authorizations, entry.pattern) == NULL) {
		admin_service_fail(broker, asker, ENOSPC, false,
				   "there are too many authorization entries",
				   "remove some, or use a pattern such as *.example");
		return;
	}
	change_begin(broker, asker, &entry, false);
}

static void handle_remove(struct broker *broker, const struct admin_asker *asker,
			  const Vmreplica__Admin__AuthorizeEntry *wanted)
{
	const struct authorization_entry *entry =
		authorization_find(&broker->authorizations, wanted->pattern);
	char text[SITE_NAME_MAX + 64];

	if (entry == NULL) {
		snprintf(text, sizeof(text), "there is no authorization entry %.*s",
			 (int)SITE_NAME_MAX, wanted->pattern);
		admin_service_fail(broker, asker, ENOENT, false, text,
				   "vmreplica authorize list shows them");
		return;
	}
	change_begin(broker, asker, entry, true);
}

void admin_authorize_handle(struct broker *broker, const struct admin_asker *asker,
			    const Vmreplica__Admin__AuthorizeRequest *request)
{
	if (request->op == VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__LIST) {
		answer_entries(broker, asker, broker->authorizations.entries,
			       broker->authorizations.count);
		return;
	}
	if (request->entry == NULL) {
		admin_service_fail(broker, asker, EINVAL, true,
				   "the authorization entry is missing", "");
	} else if (!broker->quorate) {
		admin_service_fail(broker, asker, EAGAIN, false, broker->missing, "");
	} else if (request->op == VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__ADD) {
		handle_add(broker, asker, request->entry);
	} else {
		handle_remove(broker, asker, request->entry);
	}
}
