/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/store_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_json.h"
#include "proto/limits.h"

#define NAME	       "manifest.json"
#define SIZE_MAX_BYTES (4u * 1024u * 1024u)

static json_t *load(const char *directory)
{
	char path[PATH_LEN_MAX + sizeof(NAME) + 2];
	cleanup_close int fd = -1;
	cleanup_free char *text = NULL;
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/" NAME, directory);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    st.st_size > (off_t)SIZE_MAX_BYTES) {
		return NULL;
	}
	text = malloc((size_t)st.st_size);
	n = text != NULL ? pread(fd, text, (size_t)st.st_size, 0) : -1;
	return n == (ssize_t)st.st_size ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
}

/* Is a layer of it a disk that a VM of ours ran on, and not a link to one elsewhere? */
static bool holds_disks(const json_t *image)
{
	size_t i, k;
	json_t *disk, *layer;

	json_array_foreach(image, i, disk)
	{
		json_array_foreach(json_object_get(disk, "layers"), k, layer)
		{
			if (json_is_true(json_object_get(layer, "adopted")) &&
			    json_is_false(json_object_get(layer, "linked"))) {
				return true;
			}
		}
	}
	return false;
}

int store_manifest_check(const char *directory, char *text, size_t size)
{
	cleanup_json json_t *manifest = load(directory);

	if (json_is_object(json_object_get(manifest, "failover"))) {
		snprintf(text, size,
			 "a failover stands in %.200s, whose VM runs on it or may: cancel it "
			 "(vmreplica failover --cancel), or remove the directory by hand once "
			 "nothing needs it",
			 directory);
		return -EPERM;
	}
	if (holds_disks(json_object_get(manifest, "current"))) {
		snprintf(text, size,
			 "a VM's own disks lie in %.200s: remove the directory by hand once "
			 "nothing needs them",
			 directory);
		return -EPERM;
	}
	return 0;
}
