/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/tls_store.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES 3

/* What changes when a file is replaced or rewritten. */
struct file_stamp {
	dev_t device;
	ino_t inode;
	struct timespec modified;
};

struct tls_store {
	const struct config *config; /* borrowed */
	pthread_mutex_t lock;
	struct tls_context *context;	 /* owned reference */
	struct file_stamp stamps[FILES]; /* of the loaded context */
	struct file_stamp seen[FILES];	 /* as looked at last */
	uint64_t generation;
};

struct tls_store *tls_store_new(const struct config *config)
{
	struct tls_store *store = calloc(1, sizeof(*store));

	if (store != NULL) {
		store->config = config;
		pthread_mutex_init(&store->lock, NULL);
	}
	return store;
}

void tls_store_free(struct tls_store *store)
{
	if (store == NULL) {
		return;
	}
	if (store->context != NULL) {
		tls_context_unref(store->context);
	}
	pthread_mutex_destroy(&store->lock);
	free(store);
}

static void stamp_file(const char *path, struct file_stamp *stamp)
{
	struct stat st;

	memset(stamp, 0, sizeof(*stamp));
	if (stat(path, &st) == 0) {
		stamp->device = st.st_dev;
		stamp->inode = st.st_ino;
		stamp->modified = st.st_mtim;
	}
}

/* Called with the lock held. A context that still works outlives a failed renewal. */
static void tls_store_refresh(struct tls_store *store, char error[TLS_ERROR_LEN])
{
	const struct config *config = store->config;
	struct tls_files files = {config->tls_ca, config->tls_certificate, config->tls_key};
	struct file_stamp stamps[FILES];
	struct tls_context *fresh;

	memset(stamps, 0, sizeof(stamps));
	stamp_file(files.ca, &stamps[0]);
	stamp_file(files.certificate, &stamps[1]);
	stamp_file(files.key, &stamps[2]);
	if (store->context != NULL && memcmp(stamps, store->stamps, sizeof(stamps)) == 0) {
		return;
	}
	fresh = tls_context_new(&files, error);
	if (fresh == NULL) {
		return;
	}
	if (store->context != NULL) {
		tls_context_unref(store->context);
	}
	store->context = fresh;
	memcpy(store->stamps, stamps, sizeof(stamps));
}

uint64_t tls_store_generation(struct tls_store *store)
{
	struct file_stamp stamps[FILES];
	uint64_t generation;

	memset(stamps, 0, sizeof(stamps));
	stamp_file(store->config->tls_ca, &stamps[0]);
	stamp_file(store->config->tls_certificate, &stamps[1]);
	stamp_file(store->config->tls_key, &stamps[2]);
	pthread_mutex_lock(&store->lock);
	if (memcmp(stamps, store->seen, sizeof(stamps)) != 0) {
		memcpy(store->seen, stamps, sizeof(stamps));
		store->generation++;
	}
	generation = store->generation;
	pthread_mutex_unlock(&store->lock);
	return generation;
}

struct tls_context *tls_store_get(struct tls_store *store, char error[TLS_ERROR_LEN])
{
	struct tls_context *context = NULL;

	pthread_mutex_lock(&store->lock);
	tls_store_refresh(store, error);
	if (store->context != NULL) {
		context = tls_context_ref(store->context);
	}
	pthread_mutex_unlock(&store->lock);
	return context;
}
