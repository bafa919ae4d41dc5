/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a store is removed. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "receiver/ownership.h"
#include "receiver/store.h"

__attribute__((format(printf, 3, 4))) static int refuse(char error[STORE_ERROR_LEN], int rc,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, STORE_ERROR_LEN, format, args);
	va_end(args);
	return rc;
}

/* The manifest goes first, and only from its owner's hands: a half-destroyed store must not be
 * taken for a replica, and one that another node has taken over is that node's. */
static int manifest_remove(struct store *store, char error[STORE_ERROR_LEN])
{
	int rc = store->stale ? -ESTALE
			      : ownership_file_remove(store->dir_fd, store->manifest.generation,
						      MANIFEST_NAME);

	if (rc == -ESTALE) {
		return refuse(error, rc, "another node has taken over %.300s: remove it there",
			      store->directory);
	}
	return rc < 0 && rc != -ENOENT
		       ? refuse(error, rc, "cannot remove " MANIFEST_NAME " of %.300s: %s",
				store->directory, strerror(-rc))
		       : 0;
}

int store_destroy(struct store *store, char error[STORE_ERROR_LEN])
{
	static const char *const names[] = {MANIFEST_NAME ".new", "domain.xml", "domain.xml.new",
					    STORE_LOCK_NAME};
	int rc = manifest_remove(store, error);

	if (rc < 0) {
		return rc;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (unlinkat(store->dir_fd, names[i], 0) < 0 && errno != ENOENT) {
			return refuse(error, -errno, "cannot remove %s of %.300s: %s", names[i],
				      store->directory, strerror(errno));
		}
	}
	manifest_destroy(&store->manifest); /* names nothing: the sweep takes all */
	store_sweep(store);
	ownership_fence(store->dir_fd);
	rmdir(store->directory); /* the engine removes it when the parent is not ours */
	return 0;
}
