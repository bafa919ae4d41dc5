/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/store_reach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_access.h"
#include "engine/source_image.h"
#include "proto/limits.h"

#define PLACES_MAX 4096u /* 16 disks on 170 layers of an earlier store, and more */

struct search {
	struct store_reach *reach; /* borrowed */
	const char *storage;	   /* without links */
	uid_t receiver;
};

/* ---- a set of places ---- */

void store_reach_destroy(struct store_reach *reach)
{
	for (size_t i = 0; i < reach->count; i++) {
		free(reach->places[i].path);
	}
	free(reach->places);
	*reach = (struct store_reach){0};
}

static struct store_place *place_find(const struct store_reach *reach, const char *path)
{
	for (size_t i = 0; i < reach->count; i++) {
		if (strcmp(reach->places[i].path, path) == 0) {
			return &reach->places[i];
		}
	}
	return NULL;
}

static int place_add(struct store_reach *reach, const char *path, dev_t device, ino_t inode)
{
	struct store_place *place = place_find(reach, path);

	if (place == NULL) {
		struct store_place *places =
			reallocarray(reach->places, reach->count + 1, sizeof(*reach->places));

		if (places == NULL) {
			return -ENOMEM;
		}
		reach->places = places;
		place = &places[reach->count];
		place->path = strdup(path);
		if (place->path == NULL) {
			return -ENOMEM;
		}
		reach->count++;
	}
	place->device = device;
	place->inode = inode;
	return 0;
}

bool store_reach_covers(const struct store_reach *reach, const struct store_reach *wanted)
{
	for (size_t i = 0; i < wanted->count; i++) {
		const struct store_place *place = place_find(reach, wanted->places[i].path);

		if (place == NULL || place->device != wanted->places[i].device ||
		    place->inode != wanted->places[i].inode) {
			return false;
		}
	}
	return true;
}

int store_reach_join(struct store_reach *reach, const struct store_reach *more)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < more->count; i++) {
		result = place_add(reach, more->places[i].path, more->places[i].device,
				   more->places[i].inode);
	}
	return result;
}

/* ---- looking ---- */

static bool is_in(const char *path, const char *storage)
{
	size_t len = strlen(storage);

	return strncmp(path, storage, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* -EPERM when the receiver may not have it: then Landlock is not asked to let it either. */
static int file_add(const struct search *search, const char *real)
{
	struct stat status;

	if (search->reach->count >= PLACES_MAX) {
		return -E2BIG;
	}
	if (stat(real, &status) != 0) {
		return -errno;
	}
	if ((!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) ||
	    !source_access_holds_image(real, search->receiver)) {
		return -EPERM;
	}
	return place_add(search->reach, real, status.st_dev, status.st_ino);
}

/* An image outside of the storage, its raw disk if it is a wrapped one, and what it stands on. What
 * cannot be had is left out: the receiver will say so of the image. */
static int image_add(const struct search *search, const char *path)
{
	char at[PATH_MAX], below[PATH_MAX];
	int result = 0;

	snprintf(at, sizeof(at), "%s", path);
	for (unsigned int depth = 0; result == 0 && depth < PLACES_MAX; depth++) {
		cleanup_free char *real = realpath(at, NULL), *data = NULL;
		struct source_image image;

		if (real == NULL ||
		    (!is_in(real, search->storage) && (result = file_add(search, real)) < 0)) {
			break;
		}
		if (source_image_examine(real, &image) == 0 && image.has_data_file) {
			data = realpath(image.data_file, NULL);
		}
		if (data != NULL && !is_in(data, search->storage)) {
			result = file_add(search, data);
		}
		if (source_image_backing(real, below) != 0) {
			break;
		}
		memcpy(at, below, sizeof(at));
	}
	return result == -ENOMEM || result == -E2BIG ? result : 0;
}

/* The links of one generation: adopted disks (receiver/adopt.h). */
static int links_add(const struct search *search, int store, const char *name)
{
	int fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
	char path[PATH_LEN_MAX + 1];
	int result = 0;

	if (listing == NULL && fd >= 0) {
		close(fd);
	}
	for (const struct dirent *entry = NULL;
	     result == 0 && listing != NULL && (entry = readdir(listing)) != NULL;) {
		ssize_t len = readlinkat(fd, entry->d_name, path, sizeof(path));

		if (len > 0 && (size_t)len < sizeof(path) && path[0] == '/') {
			path[len] = '\0';
			result = image_add(search, path);
		}
	}
	if (listing != NULL) {
		closedir(listing);
	}
	return result;
}

static int store_add(const struct search *search, const char *directory)
{
	DIR *listing = opendir(directory);
	int result = 0;

	for (const struct dirent *entry = NULL;
	     result == 0 && listing != NULL && (entry = readdir(listing)) != NULL;) {
		if (strncmp(entry->d_name, "gen-", 4) == 0) {
			result = links_add(search, dirfd(listing), entry->d_name);
		}
	}
	if (listing != NULL) {
		closedir(listing);
	}
	return result;
}

int store_reach_find(const char *directory, const struct source_defined_disk *disks, size_t count,
		     uid_t receiver, struct store_reach *ret_reach)
{
	char storage[PATH_LEN_MAX + 1];
	cleanup_free char *real = NULL;
	struct store_reach reach = {0};
	struct search search = {.reach = &reach, .receiver = receiver};
	struct stat status;
	int result;

	if (snprintf(storage, sizeof(storage), "%s", directory) >= (int)sizeof(storage)) {
		return -ENAMETOOLONG;
	}
	search.storage = real = realpath(dirname(dirname(storage)), NULL);
	if (real == NULL || stat(real, &status) != 0) {
		return -errno;
	}
	result = place_add(&reach, real, status.st_dev, status.st_ino);
	result = result < 0 ? result : store_add(&search, directory);
	for (size_t i = 0; result == 0 && i < count; i++) {
		result = image_add(&search, disks[i].path);
	}
	if (result < 0) {
		store_reach_destroy(&reach);
		return result;
	}
	*ret_reach = reach;
	return 0;
}
