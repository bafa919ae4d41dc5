/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/tls_store.h"

#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/log.h"

/* What changes when a file is replaced or rewritten; of a directory the same of all that is in it.
 */
struct file_stamp {
	dev_t device;
	ino_t inode;
	struct timespec modified;
	uint64_t entries;
};

enum { STAMP_CA, STAMP_CERTIFICATE, STAMP_KEY, STAMP_CRL, FILES };

struct tls_store {
	struct tls_files files; /* paths borrowed */
	pthread_mutex_t lock;
	struct tls_context *context;	 /* owned reference */
	struct file_stamp stamps[FILES]; /* of the loaded context */
	struct file_stamp failed[FILES]; /* of what could not be loaded last */
	bool has_failed;
	char reason[TLS_ERROR_LEN];    /* why */
	struct file_stamp seen[FILES]; /* as looked at last */
	uint64_t generation;
};

struct tls_store *tls_store_new(const struct tls_files *files)
{
	struct tls_store *store = calloc(1, sizeof(*store));

	if (store != NULL) {
		store->files = *files;
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

/* The end of SplitMix64: every bit of value reaches every bit of the result. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
	value = (value ^ value >> 27) * 0x94d049bb133111ebu;
	return value ^ value >> 31;
}

static void stamp_entries(const char *path, struct file_stamp *stamp)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	struct stat st;

	while (directory != NULL && (entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] != '.' &&
		    fstatat(dirfd(directory), entry->d_name, &st, 0) == 0) {
			uint64_t changed = (uint64_t)st.st_mtim.tv_sec * 1000000000u +
					   (uint64_t)st.st_mtim.tv_nsec;

			/* Their order says nothing, so a sum; each is mixed before, or files that
			 * change their times with each other would leave it as it was. */
			stamp->entries += mix(mix(changed) ^ (uint64_t)st.st_ino);
		}
	}
	if (directory != NULL) {
		closedir(directory);
	}
}

static void stamp_file(const char *path, struct file_stamp *stamp)
{
	struct stat st;

	if (path != NULL && stat(path, &st) == 0) {
		stamp->device = st.st_dev;
		stamp->inode = st.st_ino;
		stamp->modified = st.st_mtim;
		if (S_ISDIR(st.st_mode)) {
			stamp_entries(path, stamp);
		}
	}
}

static void stamp_files(const struct tls_files *files, struct file_stamp stamps[FILES])
{
	memset(stamps, 0, FILES * sizeof(*stamps)); /* they are compared with their padding */
	stamp_file(files->ca, &stamps[STAMP_CA]);
	stamp_file(files->certificate, &stamps[STAMP_CERTIFICATE]);
	stamp_file(files->key, &stamps[STAMP_KEY]);
	stamp_file(files->crl, &stamps[STAMP_CRL]);
}

static bool is_equal(const struct file_stamp a[FILES], const struct file_stamp b[FILES])
{
	return memcmp(a, b, FILES * sizeof(*a)) == 0;
}

/* Files that could not be loaded are not read again before one of them changes. */
static void tls_store_load(struct tls_store *store, const struct file_stamp stamps[FILES])
{
	struct tls_context *fresh = tls_context_new(&store->files, store->reason);

	store->has_failed = fresh == NULL;
	if (fresh == NULL) {
		memcpy(store->failed, stamps, sizeof(store->failed));
		if (store->context != NULL) {
			log_error("the certificates could not be read again, the old ones stay in "
				  "use: %s",
				  store->reason);
		}
		return;
	}
	if (store->context != NULL) {
		tls_context_unref(store->context);
	}
	store->context = fresh;
	memcpy(store->stamps, stamps, sizeof(store->stamps));
}

/* Called with the lock held. A context that still works outlives a failed renewal. */
static void tls_store_refresh(struct tls_store *store, char error[TLS_ERROR_LEN])
{
	struct file_stamp stamps[FILES];

	stamp_files(&store->files, stamps);
	if (store->context != NULL && is_equal(stamps, store->stamps)) {
		store->has_failed = false; /* they are again what they were */
	} else if (!store->has_failed || !is_equal(stamps, store->failed)) {
		tls_store_load(store, stamps);
	}
	if (store->context == NULL) {
		snprintf(error, TLS_ERROR_LEN, "%s", store->reason);
	}
}

uint64_t tls_store_generation(struct tls_store *store)
{
	struct file_stamp stamps[FILES];
	uint64_t generation;

	stamp_files(&store->files, stamps);
	pthread_mutex_lock(&store->lock);
	if (!is_equal(stamps, store->seen)) {
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
