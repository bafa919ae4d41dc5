/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster/authorize.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"

#define SETTLE_MS    50
#define SETTLE_TRIES 60

/* A change under way. */
struct change {
	struct change *next; /* in the authorizer's list, while the timer runs */
	qb_loop_timer_handle timer;
	struct authorizer *authorizer;
	authorize_answer_cb answer;
	void *arg;
	struct authorization_entry entry;
	bool remove;
	int tries;
};

struct authorizer {
	struct cluster *cluster;
	struct change *settling; /* wait to be read back */
	authorization_size_cb size;
	void *size_arg;
};

struct authorizer *authorizer_new(struct cluster *cluster)
{
	struct authorizer *authorizer = calloc(1, sizeof(*authorizer));

	if (authorizer != NULL) {
		authorizer->cluster = cluster;
	}
	return authorizer;
}

void authorizer_set_sizes(struct authorizer *authorizer, authorization_size_cb size, void *arg)
{
	authorizer->size = size;
	authorizer->size_arg = arg;
}

void authorizer_free(struct authorizer *authorizer)
{
	if (authorizer == NULL) {
		return;
	}
	while (authorizer->settling != NULL) {
		struct change *change = authorizer->settling;

		authorizer->settling = change->next;
		qb_loop_timer_del(authorizer->cluster->loop, change->timer);
		change->answer(change->arg, NULL);
		free(change);
	}
	free(authorizer);
}

/* ---- answers ---- */

static void answer_failure(authorize_answer_cb answer, void *arg, int error, bool usage,
			   const char *text, const char *advice)
{
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;

	response.error = error;
	response.usage = usage;
	response.text = (char *)(uintptr_t)text;
	response.advice = (char *)(uintptr_t)advice;
	answer(arg, &response);
}

static int table_load(struct authorizer *authorizer, struct authorization_table *ret_table)
{
	struct cluster *cluster = authorizer->cluster;

	return authorization_table_load(cluster->ops->settings(cluster), ret_table, NULL);
}

static void entry_message(struct authorizer *authorizer, const struct authorization_table *table,
			  const struct authorization_entry *entry,
			  Vmreplica__Admin__AuthorizeEntry *ret_message)
{
	struct cluster *cluster = authorizer->cluster;
	struct authorization_usage usage;

	authorization_usage_of(table, entry, cluster->ops->settings(cluster), NULL,
			       authorizer->size, authorizer->size_arg, &usage);
	vmreplica__admin__authorize_entry__init(ret_message);
	ret_message->pattern = (char *)(uintptr_t)entry->pattern;
	ret_message->storage = (char *)(uintptr_t)entry->storage;
	ret_message->group = (char *)(uintptr_t)entry->group;
	ret_message->max_vms = entry->max_vms;
	ret_message->max_size_bytes = entry->max_size_bytes;
	ret_message->vms = usage.vms;
	ret_message->size_bytes = usage.bytes;
}

static void answer_entries(struct authorizer *authorizer, const struct authorization_table *table,
			   const struct authorization_entry *entries, size_t count,
			   authorize_answer_cb answer, void *arg)
{
	Vmreplica__Admin__AuthorizeResponse body = VMREPLICA__ADMIN__AUTHORIZE_RESPONSE__INIT;
	Vmreplica__Admin__Response response = VMREPLICA__ADMIN__RESPONSE__INIT;
	cleanup_free Vmreplica__Admin__AuthorizeEntry *messages =
		calloc(count + 1, sizeof(*messages));
	cleanup_free Vmreplica__Admin__AuthorizeEntry **list =
		calloc(count + 1, sizeof(Vmreplica__Admin__AuthorizeEntry *));

	if (messages == NULL || list == NULL) {
		answer_failure(answer, arg, ENOMEM, false, "out of memory", "");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		entry_message(authorizer, table, &entries[i], &messages[i]);
		list[i] = &messages[i];
	}
	body.n_entries = count;
	body.entries = list;
	response.body_case = VMREPLICA__ADMIN__RESPONSE__BODY_AUTHORIZE;
	response.authorize = &body;
	answer(arg, &response);
}

/* ---- a change ---- */

static bool change_is_seen(const struct change *change, const struct authorization_table *table)
{
	const struct authorization_entry *entry = authorization_find(table, change->entry.pattern);

	if (change->remove) {
		return entry == NULL;
	}
	return entry != NULL && authorization_entry_equals(entry, &change->entry);
}

static void change_unlist(struct change *change)
{
	struct change **slot = &change->authorizer->settling;

	while (*slot != NULL && *slot != change) {
		slot = &(*slot)->next;
	}
	if (*slot != NULL) {
		*slot = change->next;
	}
}

static void change_settle(struct change *change);

static void change_settle_cb(void *data)
{
	change_unlist(data);
	change_settle(data);
}

static void change_settle(struct change *change)
{
	struct authorizer *authorizer = change->authorizer;
	struct authorization_table table = {NULL, 0};

	if (table_load(authorizer, &table) < 0) {
		answer_failure(change->answer, change->arg, ENOMEM, false, "out of memory", "");
		free(change);
		return;
	}
	if (!change_is_seen(change, &table) && change->tries++ < SETTLE_TRIES &&
	    qb_loop_timer_add(authorizer->cluster->loop, QB_LOOP_MED, SETTLE_MS * 1000000ull,
			      change, change_settle_cb, &change->timer) == 0) {
		change->next = authorizer->settling;
		authorizer->settling = change;
	} else {
		answer_entries(authorizer, &table, &change->entry, 1, change->answer, change->arg);
		free(change);
	}
	authorization_table_destroy(&table);
}

static void change_done_cb(void *arg, int error, const char *text)
{
	struct change *change = arg;

	if (error < 0) {
		answer_failure(change->answer, change->arg, -error, false,
			       text != NULL && text[0] != '\0' ? text : strerror(-error),
			       "the authorization entries are as they were");
		free(change);
		return;
	}
	log_notice("authorization entry %s is %s", change->entry.pattern,
		   change->remove ? "removed" : "set");
	change_settle(change);
}

static void change_begin(struct authorizer *authorizer, const struct authorization_entry *entry,
			 bool remove, authorize_answer_cb answer, void *arg)
{
	struct cluster *cluster = authorizer->cluster;
	struct change *change = calloc(1, sizeof(*change));
	char value[AUTHORIZATION_VALUE_LEN] = "";
	char name[AUTHORIZATION_NAME_LEN];
	int rc = change == NULL ? -ENOMEM : authorization_setting_name(entry->pattern, name);

	if (rc == 0) {
		*change = (struct change){.authorizer = authorizer,
					  .answer = answer,
					  .arg = arg,
					  .entry = *entry,
					  .remove = remove};
		if (!remove) {
			authorization_encode(entry, value);
		}
		rc = cluster->ops->set_setting(cluster, name, value, change_done_cb, change);
	}
	if (rc < 0) {
		free(change);
		answer_failure(answer, arg, -rc, false,
			       "the cluster's configuration cannot be changed now",
			       "try again; vmreplica check tells more");
	}
}

/* ---- requests ---- */

static void handle_add(struct authorizer *authorizer, const struct authorization_table *table,
		       const Vmreplica__Admin__AuthorizeEntry *wanted, authorize_answer_cb answer,
		       void *arg)
{
	char error[AUTHORIZATION_ERROR_LEN];
	struct authorization_entry entry;

	if (authorization_entry_init(&entry, wanted->pattern, wanted->storage, wanted->group,
				     wanted->max_vms, error) < 0) {
		answer_failure(answer, arg, EINVAL, true, error, "");
		return;
	}
	entry.max_size_bytes = wanted->max_size_bytes;
	if (table->count >= AUTHORIZATION_ENTRIES_MAX &&
	    authorization_find(table, entry.pattern) == NULL) {
		answer_failure(answer, arg, ENOSPC, false,
			       "there are too many authorization entries",
			       "remove some, or use a pattern such as *.example");
	} else {
		change_begin(authorizer, &entry, false, answer, arg);
	}
}

static void handle_remove(struct authorizer *authorizer, const struct authorization_table *table,
			  const Vmreplica__Admin__AuthorizeEntry *wanted,
			  authorize_answer_cb answer, void *arg)
{
	const struct authorization_entry *entry = authorization_find(table, wanted->pattern);
	char text[SITE_NAME_MAX + 64];

	if (entry != NULL) {
		change_begin(authorizer, entry, true, answer, arg);
		return;
	}
	snprintf(text, sizeof(text), "there is no authorization entry %.*s", (int)SITE_NAME_MAX,
		 wanted->pattern);
	answer_failure(answer, arg, ENOENT, false, text, "vmreplica authorize list shows them");
}

void authorizer_handle(struct authorizer *authorizer,
		       const Vmreplica__Admin__AuthorizeRequest *request, const char *missing,
		       authorize_answer_cb answer, void *arg)
{
	struct authorization_table table = {NULL, 0};

	if (table_load(authorizer, &table) < 0) {
		answer_failure(answer, arg, ENOMEM, false, "out of memory", "");
		return;
	}
	if (request->op == VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__LIST) {
		answer_entries(authorizer, &table, table.entries, table.count, answer, arg);
	} else if (request->entry == NULL) {
		answer_failure(answer, arg, EINVAL, true, "the authorization entry is missing", "");
	} else if (missing != NULL && missing[0] != '\0') {
		answer_failure(answer, arg, EAGAIN, false, missing, "");
	} else if (request->op == VMREPLICA__ADMIN__AUTHORIZE_REQUEST__OP__ADD) {
		handle_add(authorizer, &table, request->entry, answer, arg);
	} else {
		handle_remove(authorizer, &table, request->entry, answer, arg);
	}
	authorization_table_destroy(&table);
}
