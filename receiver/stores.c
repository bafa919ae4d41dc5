/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/stores.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "proto/validate.h"
#include "receiver/adopt.h"
#include "receiver/stores_table.h"
#include "receiver/borrow.h"

int stores_init(struct receiver *receiver)
{
	struct store_table *table = calloc(1, sizeof(*table));

	if (table == NULL || pthread_mutex_init(&table->lock, NULL) != 0) {
		free(table);
		return -ENOMEM;
	}
	receiver->stores = table;
	return 0;
}

void stores_destroy(struct receiver *receiver)
{
	struct store_table *table = receiver->stores;

	for (size_t i = 0; i < table->count; i++) {
		store_unref(table->entries[i]->store);
		free(table->entries[i]);
	}
	for (size_t i = 0; i < table->adoption_count; i++) {
		adopt_request_free(table->adoptions[i]);
	}
	free(table->adoptions);
	free(table->entries);
	pthread_mutex_destroy(&table->lock);
	free(table);
	receiver->stores = NULL;
}

size_t stores_count(struct receiver *receiver)
{
	return receiver->stores->count;
}

/* Control thread (the only one that changes the list). */
static struct stores_entry *entry_find(struct store_table *table, const char *relationship)
{
	for (size_t i = 0; i < table->count; i++) {
		if (strcmp(table->entries[i]->store->relationship, relationship) == 0) {
			return table->entries[i];
		}
	}
	return NULL;
}

static struct stores_entry *entry_of(const struct store *store)
{
	return entry_find(store->receiver->stores, store->relationship);
}

struct store *stores_find(struct receiver *receiver, const char *relationship)
{
	struct store_table *table = receiver->stores;
	struct stores_entry *entry;
	struct store *store = NULL;

	pthread_mutex_lock(&table->lock);
	entry = entry_find(table, relationship);
	if (entry != NULL && entry->opened && !atomic_load(&entry->store->closing)) {
		store = store_ref(entry->store);
	}
	pthread_mutex_unlock(&table->lock);
	return store;
}

static struct stores_entry *entry_add(struct receiver *receiver, struct store *store)
{
	struct store_table *table = receiver->stores;
	struct stores_entry *entry = calloc(1, sizeof(*entry));
	struct stores_entry **entries;

	pthread_mutex_lock(&table->lock);
	entries = reallocarray(table->entries, table->count + 1, sizeof(struct stores_entry *));
	if (entries != NULL) {
		table->entries = entries;
	}
	if (entries != NULL && entry != NULL) {
		entry->store = store;
		entries[table->count++] = entry;
	} else {
		free(entry);
		entry = NULL;
	}
	pthread_mutex_unlock(&table->lock);
	return entry;
}

static void entry_remove(struct receiver *receiver, struct stores_entry *entry)
{
	struct store_table *table = receiver->stores;

	pthread_mutex_lock(&table->lock);
	for (size_t i = 0; i < table->count; i++) {
		if (table->entries[i] == entry) {
			table->entries[i] = table->entries[--table->count];
			break;
		}
	}
	pthread_mutex_unlock(&table->lock);
	store_unref(entry->store);
	free(entry);
}

/* ---- answers to the engine ---- */

static void opened_send(struct receiver *receiver, const char *relationship, int error,
			const char *text)
{
	Vmreplica__Ipc__StoreOpened message = VMREPLICA__IPC__STORE_OPENED__INIT;

	message.relationship = borrow(relationship);
	message.error = error;
	message.text = borrow(text);
	if (receiver->link != NULL) {
		link_send(receiver->link, FRAME_STORE_OPENED, &message.base);
	}
}

static void closed_send(struct receiver *receiver, const char *relationship, int error,
			const char *text)
{
	Vmreplica__Ipc__StoreClosed message = VMREPLICA__IPC__STORE_CLOSED__INIT;

	message.relationship = borrow(relationship);
	message.error = error;
	message.text = borrow(text);
	if (receiver->link != NULL) {
		link_send(receiver->link, FRAME_STORE_CLOSED, &message.base);
	}
}

/* ---- work on a store, one thing at a time ---- */

static void entry_next(struct stores_entry *entry);

void stores_submit(struct stores_entry *entry, worker_run_cb run, worker_done_cb done)
{
	struct receiver *receiver = entry->store->receiver;

	entry->working = true;
	if (workers_submit(receiver->store_workers, run, done, store_ref(entry->store)) < 0) {
		done(entry->store, -ENOMEM);
	}
}

static int open_run(void *arg)
{
	struct store *store = arg;

	return store_open(store, store->error);
}

static void adopted_send(struct receiver *receiver, uint64_t id, const char *relationship,
			 int error, const char *text)
{
	Vmreplica__Ipc__StoreTaken message = VMREPLICA__IPC__STORE_TAKEN__INIT;

	message.id = id;
	message.relationship = borrow(relationship);
	message.error = error;
	message.text = borrow(text);
	if (receiver->link != NULL && id != 0) {
		link_send(receiver->link, FRAME_STORE_TAKEN, &message.base);
	}
}

/* The open has carried it out, or not. */
static void adoption_answer(struct store *store, int result)
{
	if (store->adoption != NULL) {
		adopted_send(store->receiver, store->adoption->id, store->relationship, result,
			     result < 0 ? store->error : "");
		adopt_request_free(store->adoption);
		store->adoption = NULL;
	}
}

static void open_done_cb(void *arg, int result)
{
	struct store *store = arg;
	struct receiver *receiver = store->receiver;
	struct stores_entry *entry = entry_of(store);

	entry->working = false;
	if (result < 0) {
		log_error("%s: the store does not open: %s", store->vm, store->error);
		adoption_answer(store, result);
		opened_send(receiver, store->relationship, result, store->error);
		if (entry->close_wanted) {
			closed_send(receiver, store->relationship,
				    entry->destroy_wanted ? result : 0,
				    entry->destroy_wanted ? store->error : "");
		}
		entry_remove(receiver, entry);
		store_unref(store);
		return;
	}
	pthread_mutex_lock(&receiver->stores->lock);
	entry->opened = true;
	pthread_mutex_unlock(&receiver->stores->lock);
	log_notice("%s: store %s is open", store->vm, store->directory);
	adoption_answer(store, 0);
	opened_send(receiver, store->relationship, 0, "");
	stores_send_status(store);
	apply_kick(store);
	entry_next(entry);
	store_unref(store);
}

static int close_run(void *arg)
{
	struct store *store = arg;

	return store_close(store, atomic_load(&store->destroy), store->error);
}

static void close_done_cb(void *arg, int result)
{
	struct store *store = arg;
	struct receiver *receiver = store->receiver;
	struct stores_entry *entry = entry_of(store);
	const char *text = result < 0 ? store->error : "";

	entry->working = false;
	entry->close_wanted = false;
	if (result < 0) {
		log_error("%s: the store does not close: %s", store->vm, text);
	} else {
		log_notice("%s: store %s is closed", store->vm, store->directory);
	}
	closed_send(receiver, store->relationship, result, text);
	if (result != -ETIMEDOUT) { /* else a worker is still in it: the engine asks again */
		entry_remove(receiver, entry);
	}
	store_unref(store);
}

/* A stream that is parked hears of a suspension by being run. */
static int suspend_run(void *arg)
{
	store_stream_evict(arg);
	return 0;
}

void stores_work_done_cb(void *arg, int result)
{
	struct store *store = arg;
	struct stores_entry *entry = entry_of(store);

	(void)result;
	entry->working = false;
	apply_kick(store);
	entry_next(entry);
	store_unref(store);
}

/* Start what is wanted next. */
static void entry_next(struct stores_entry *entry)
{
	if (entry->working) {
		return;
	}
	if (entry->close_wanted) {
		atomic_store(&entry->store->destroy, entry->destroy_wanted);
		stores_submit(entry, close_run, close_done_cb);
	} else if (entry->suspend_wanted) {
		entry->suspend_wanted = false;
		stores_submit(entry, suspend_run, stores_work_done_cb);
	}
}

/* ---- requests ---- */

static const char *open_objection(const Vmreplica__Ipc__StoreOpen *request)
{
	if (!validate_uuid(request->relationship)) {
		return "the relationship is not a UUID";
	}
	if (!validate_vm_name(request->vm) || strlen(request->vm) > VM_NAME_MAX) {
		return "the VM's name is not a plain name";
	}
	if (!validate_site_name(request->peer_site)) {
		return "the peer is not a site's name";
	}
	if (!validate_absolute_path(request->directory) ||
	    strlen(request->directory) > PATH_LEN_MAX) {
		return "the directory is not an absolute path";
	}
	return strlen(request->resource) > RESOURCE_ID_MAX ? "the resource's id is too long" : NULL;
}

void stores_suspend(struct receiver *receiver, const char *relationship, bool suspended)
{
	struct stores_entry *entry = entry_find(receiver->stores, relationship);

	if (entry == NULL) {
		return;
	}
	atomic_store(&entry->store->suspended, suspended);
	view_set_suspended(&entry->store->view, suspended);
	entry->suspend_wanted = suspended;
	stores_status_soon(receiver);
	if (entry->opened) {
		entry_next(entry);
	}
}

/* The engine may ask again, after a restart of its own or to change settings. */
static void open_again(struct receiver *receiver, struct stores_entry *entry,
		       const Vmreplica__Ipc__StoreOpen *request)
{
	struct store *store = entry->store;

	if (strcmp(store->directory, request->directory) != 0 ||
	    strcmp(store->peer_site, request->peer_site) != 0 || entry->close_wanted) {
		opened_send(receiver, request->relationship, -EBUSY,
			    "this relationship's store is open with other settings, or is being "
			    "closed");
		return;
	}
	view_set_frequency(&store->view, request->frequency_s);
	store_set_points(store, request);
	stores_suspend(receiver, request->relationship, request->suspended);
	if (entry->opened) { /* else the answer comes when it is */
		opened_send(receiver, request->relationship, 0, "");
		stores_send_status(store);
	}
}

/* ---- adoptions ---- */

static struct adopt_request *adoption_take(struct store_table *table, const char *relationship)
{
	for (size_t i = 0; i < table->adoption_count; i++) {
		struct adopt_request *found = table->adoptions[i];

		if (strcmp(found->relationship, relationship) == 0) {
			table->adoptions[i] = table->adoptions[--table->adoption_count];
			return found;
		}
	}
	return NULL;
}

void stores_adopt(struct receiver *receiver, const Vmreplica__Ipc__StoreAdopt *request)
{
	struct store_table *table = receiver->stores;
	char error[STORE_ERROR_LEN] = "out of memory";
	struct adopt_request *copy = adopt_request_new(request, error);
	struct adopt_request **adoptions;

	if (copy == NULL) {
		log_error("%s", error);
		adopted_send(receiver, request->id, request->relationship, -EINVAL, error);
		return;
	}
	adopt_request_free(adoption_take(table, copy->relationship)); /* an older one */
	if (entry_find(table, copy->relationship) != NULL) {
		/* told again with new settings: it was carried out at the open, if at all */
		adopted_send(receiver, copy->id, copy->relationship, -EBUSY,
			     "the store is open: close it first");
		adopt_request_free(copy);
		return;
	}
	adoptions = reallocarray(table->adoptions, table->adoption_count + 1,
				 sizeof(struct adopt_request *));
	if (adoptions == NULL) {
		adopted_send(receiver, request->id, request->relationship, -ENOMEM, error);
		adopt_request_free(copy);
		return;
	}
	table->adoptions = adoptions;
	adoptions[table->adoption_count++] = copy;
}

void stores_open(struct receiver *receiver, const Vmreplica__Ipc__StoreOpen *request)
{
	const char *objection = open_objection(request);
	struct stores_entry *entry;
	struct store *store;

	if (objection != NULL) {
		opened_send(receiver, request->relationship, -EINVAL, objection);
		return;
	}
	entry = entry_find(receiver->stores, request->relationship);
	if (entry != NULL) {
		open_again(receiver, entry, request);
		return;
	}
	store = store_new(receiver, request);
	entry = store == NULL ? NULL : entry_add(receiver, store);
	if (entry == NULL) {
		store_unref(store);
		opened_send(receiver, request->relationship, -ENOMEM, "out of memory");
		return;
	}
	store->adoption = adoption_take(receiver->stores, request->relationship);
	stores_submit(entry, open_run, open_done_cb);
}

static void entry_close(struct stores_entry *entry, bool destroy)
{
	entry->destroy_wanted = destroy || (entry->close_wanted && entry->destroy_wanted);
	entry->close_wanted = true;
	atomic_store(&entry->store->closing, true); /* all that waits in it gives up */
	entry_next(entry);
}

void stores_close(struct receiver *receiver, const char *relationship, bool destroy)
{
	struct stores_entry *entry = entry_find(receiver->stores, relationship);

	if (entry == NULL) {
		/* Closing the closed succeeds; what is not open cannot be destroyed, for only an
		 * open store is known to be the right one. */
		closed_send(receiver, relationship, destroy ? -ENOENT : 0,
			    destroy ? "the store is not open on this node: open it, then destroy "
				      "it"
				    : "");
		return;
	}
	entry_close(entry, destroy);
}

void stores_close_all(struct receiver *receiver)
{
	struct store_table *table = receiver->stores;

	for (size_t i = table->count; i > 0; i--) {
		entry_close(table->entries[i - 1], false);
	}
}
