/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an old primary's side puts beside the store that adopts its disks: should the new primary be
 * lost before its first cycle, the VM starts from it here again. On a worker. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "engine/definition_file.h"
#include "engine/give_way_keep.h"
#include "engine/store_directory.h"

/* As the receiver names what comes with a cycle, and what it adopts (receiver/adopt.h). */
#define DEFINITION_NAME "domain.xml"
#define STATE_NAME	"adopted.state"

int give_way_store_open(struct give_way *way, struct give_way_store *ret_store)
{
	struct give_way_store store = {.fd = -1};
	struct passwd buffer, *user = NULL;
	char strings[4096];
	int result;

	getpwnam_r(ENGINE_GROUP, &buffer, strings, sizeof(strings), &user);
	if (user == NULL) {
		snprintf(way->text, sizeof(way->text), "user %s does not exist", ENGINE_GROUP);
		return -ENOENT;
	}
	store.uid = user->pw_uid;
	store.gid = user->pw_gid;
	result = store_directory_make(way->storage, way->peer_site, way->contact.vm,
				      way->contact.relationship, store.uid, store.gid, way->text);
	if (result == 0) {
		result = store_directory_path(way->storage, way->peer_site, way->contact.vm,
					      way->contact.relationship, store.directory,
					      sizeof(store.directory));
	}
	if (result < 0) {
		return result;
	}
	store.fd = open(store.directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (store.fd < 0) {
		result = -errno;
		snprintf(way->text, sizeof(way->text), "%.200s: %s", store.directory,
			 strerror(-result));
		return result;
	}
	*ret_store = store;
	return 0;
}

/* The receiver's file, anew: the directory is its own, and no link of its is followed. */
static int file_write(const struct give_way_store *store, const char *name, const void *data,
		      size_t len)
{
	cleanup_close int fd = -1;

	if (unlinkat(store->fd, name, 0) < 0 && errno != ENOENT) {
		return -errno;
	}
	if (data == NULL) {
		return 0;
	}
	fd = openat(store->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0) {
		return -errno;
	}
	if (write(fd, data, len) != (ssize_t)len || fchown(fd, store->uid, store->gid) < 0 ||
	    fsync(fd) < 0) {
		int result = errno != 0 ? -errno : -EIO;

		unlinkat(store->fd, name, 0);
		return result;
	}
	return fsync(store->fd) < 0 ? -errno : 0;
}

static int keep(struct give_way *way, const struct source *source)
{
	const char *xml = source_domain_xml(source);
	struct give_way_store store;
	cleanup_free uint8_t *archive = NULL;
	size_t len = 0;
	int result = give_way_store_open(way, &store);

	if (result < 0) {
		return result;
	}
	result = file_write(&store, DEFINITION_NAME, xml, strlen(xml));
	if (result == 0 && source_vm_state(source, &archive, &len, way->text) == 0) {
		result = file_write(&store, STATE_NAME, archive, len);
	}
	close(store.fd);
	return result;
}

void give_way_keep(struct give_way *way, const struct source *source)
{
	int result = keep(way, source);

	if (result < 0) {
		log_warning("%s: what its replica here could start from before the first cycle is "
			    "not kept: %s",
			    way->contact.vm, way->text[0] != '\0' ? way->text : strerror(-result));
	}
	way->text[0] = '\0';
}

/* One that a failover made here lies where the replica's goes. */
static int move_aside(struct give_way *way)
{
	char path[PATH_LEN_MAX + 1], kept[PATH_LEN_MAX + sizeof(GIVE_WAY_KEPT_SUFFIX)];
	int result = store_directory_definition(way->storage, way->peer_site, way->contact.vm,
						way->contact.relationship, path, sizeof(path));

	if (result < 0 || strcmp(way->definition, path) != 0) {
		return result;
	}
	snprintf(kept, sizeof(kept), "%s" GIVE_WAY_KEPT_SUFFIX, path);
	if (rename(path, kept) != 0 && (errno != ENOENT || access(kept, F_OK) != 0)) {
		result = -errno;
		snprintf(way->text, sizeof(way->text), "%.200s: %s", path, strerror(-result));
		return result;
	}
	if (strlen(kept) >= sizeof(way->definition)) {
		return -ENAMETOOLONG;
	}
	memcpy(way->definition, kept, strlen(kept) + 1);
	return 0;
}

int give_way_keep_definition(struct give_way *way)
{
	cleanup_free char *xml = NULL;
	struct give_way_store store;
	char path[PATH_LEN_MAX + 1];
	bool changed;
	int result = move_aside(way);

	if (result < 0) {
		return result;
	}
	result = definition_file_load(way->definition, &xml);
	if (result < 0) { /* to wait for it would keep this side from being a replica */
		log_warning("%s: the definition that it has here is not kept, and will be missed "
			    "when it comes home: %s: %s",
			    way->contact.vm, way->definition, strerror(-result));
		return 0;
	}
	result = give_way_store_open(way, &store); /* its directory is made */
	if (result < 0) {
		return result;
	}
	close(store.fd);
	result = store_directory_own(way->storage, way->peer_site, way->contact.vm,
				     way->contact.relationship, path, sizeof(path));
	if (result == 0) {
		result = definition_file_write(path, DEFINITION_FILE_MODE_PRIVATE, xml, &changed);
	}
	if (result < 0) {
		snprintf(way->text, sizeof(way->text),
			 "the definition of %.64s that comes home with it is not kept: %s",
			 way->contact.vm, strerror(-result));
	}
	return result;
}
