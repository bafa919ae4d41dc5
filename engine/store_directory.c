/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/store_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/lent_list.h"
#include "proto/limits.h"
#include "proto/store_path.h"
#include "proto/validate.h"

#define REMOVE_DEPTH_MAX 8
#define NVRAM_END	 "_VARS.fd"
#define OWN_END		 ".xml.own"

int store_directory_path(const char *storage, const char *peer_site, const char *vm,
			 const char *relationship, char *buf, size_t size)
{
	return store_path_directory(storage, peer_site, vm, relationship, buf, size);
}

/* A file beside the store's directory: its path with an end. */
static int path_beside(const char *storage, const char *peer_site, const char *vm,
		       const char *relationship, const char *end, char *buf, size_t size)
{
	char path[PATH_LEN_MAX + 1];
	int result = store_directory_path(storage, peer_site, vm, relationship, path, sizeof(path));
	int len;

	if (result < 0) {
		return result;
	}
	len = snprintf(buf, size, "%s%s", path, end);
	return len >= 0 && (size_t)len < size ? 0 : -ENAMETOOLONG;
}

int store_directory_definition(const char *storage, const char *peer_site, const char *vm,
			       const char *relationship, char *buf, size_t size)
{
	return store_path_definition(storage, peer_site, vm, relationship, buf, size);
}

int store_directory_own(const char *storage, const char *peer_site, const char *vm,
			const char *relationship, char *buf, size_t size)
{
	return path_beside(storage, peer_site, vm, relationship, OWN_END, buf, size);
}

int store_directory_nvram(const char *storage, const char *peer_site, const char *vm,
			  const char *relationship, char *buf, size_t size)
{
	return path_beside(storage, peer_site, vm, relationship, NVRAM_END, buf, size);
}

static int directory_fail(char *error, const char *doing, const char *storage, const char *name,
			  int code)
{
	snprintf(error, STORE_DIRECTORY_ERROR_LEN, "%s %.300s/%.128s: %s", doing, storage, name,
		 strerror(code));
	return -code;
}

/* Make and open a directory below parent. A fresh one gets owner and mode; *ret_fresh says so.
 * Returns the fd. */
static int directory_enter(int parent, const char *name, uid_t uid, gid_t gid)
{
	bool fresh = mkdirat(parent, name, 0750) == 0;
	cleanup_close int fd = -1;

	if (!fresh && errno != EEXIST) {
		return -errno;
	}
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	/* the process's umask may have taken the group's rights */
	if (fresh && (fchown(fd, uid, gid) < 0 || fchmod(fd, 0750) < 0)) {
		return -errno;
	}
	return steal_fd(&fd);
}

int store_directory_make(const char *storage, const char *peer_site, const char *vm,
			 const char *relationship, uid_t uid, gid_t gid,
			 char error[STORE_DIRECTORY_ERROR_LEN])
{
	cleanup_close int top = open(storage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int site = -1, store = -1;
	char name[STORE_NAME_LEN];
	struct stat st;

	if (!validate_site_name(peer_site) || store_path_name(vm, relationship, name) < 0) {
		return directory_fail(error, "no directory for the replica below", storage, vm,
				      EINVAL);
	}
	if (top < 0) {
		return directory_fail(error, "the storage cannot be opened:", storage, "", errno);
	}
	site = directory_enter(top, peer_site, 0, gid);
	if (site < 0) {
		return directory_fail(error, "cannot make", storage, peer_site, -site);
	}
	store = directory_enter(site, name, uid, gid);
	if (store < 0) {
		return directory_fail(error, "cannot make", storage, name, -store);
	}
	if (fstat(store, &st) < 0) {
		return directory_fail(error, "cannot look at", storage, name, errno);
	}
	if (st.st_uid != uid) {
		return directory_fail(error, "another user owns", storage, name, EPERM);
	}
	return 0;
}

static int directory_remove_contents(int fd, int depth);

static int directory_remove_entry(int fd, const char *name, int depth)
{
	cleanup_close int child = -1;
	int result;

	if (unlinkat(fd, name, 0) == 0 || errno == ENOENT) {
		return 0;
	}
	if (errno != EISDIR && errno != EPERM) {
		return -errno;
	}
	child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (child < 0) {
		return -errno;
	}
	result = depth < REMOVE_DEPTH_MAX ? directory_remove_contents(child, depth + 1) : -ELOOP;
	if (result == 0 && unlinkat(fd, name, AT_REMOVEDIR) < 0) {
		result = -errno;
	}
	return result;
}

static int directory_remove_contents(int fd, int depth)
{
	DIR *dir = fdopendir(dup(fd));
	struct dirent *entry;
	int result = 0;

	if (dir == NULL) {
		return -errno;
	}
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			result = directory_remove_entry(fd, entry->d_name, depth);
		}
	}
	closedir(dir);
	return result;
}

/* The definition and the variables, and what a power cut left of new ones. */
static void remove_definition(int site, const char *name)
{
	static const char *const ends[] = {
		".xml",		  ".xml.new",	      ".xml.adopted",	    OWN_END,
		OWN_END ".new",	  LENT_LIST_END,      LENT_LIST_END ".new", NVRAM_END,
		NVRAM_END ".new", NVRAM_END ".placed"};
	char file[STORE_NAME_LEN + 16];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(file, sizeof(file), "%s%s", name, ends[i]);
		unlinkat(site, file, 0);
	}
}

int store_directory_remove(const char *storage, const char *peer_site, const char *vm,
			   const char *relationship, char error[STORE_DIRECTORY_ERROR_LEN])
{
	cleanup_close int top = open(storage, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int site = -1;
	char name[STORE_NAME_LEN];
	int result;

	if (!validate_site_name(peer_site) || store_path_name(vm, relationship, name) < 0) {
		return directory_fail(error, "no replica's directory:", storage, vm, EINVAL);
	}
	if (top < 0) {
		return errno == ENOENT
			       ? 0
			       : directory_fail(error, "the storage cannot be opened:", storage, "",
						errno);
	}
	site = openat(top, peer_site, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (site < 0) {
		return errno == ENOENT
			       ? 0
			       : directory_fail(error, "cannot open", storage, peer_site, errno);
	}
	remove_definition(site, name);
	result = directory_remove_entry(site, name, 0);
	if (result < 0) {
		return directory_fail(error, "cannot remove", storage, name, -result);
	}
	unlinkat(top, peer_site, AT_REMOVEDIR); /* the last store of a site takes it along */
	return 0;
}

int store_directory_remove_images(const char *path, char error[STORE_DIRECTORY_ERROR_LEN])
{
	char parent[PATH_LEN_MAX + 1], name[PATH_LEN_MAX + 1], list[PATH_LEN_MAX + 16];
	cleanup_close int site = -1;
	int result;

	snprintf(parent, sizeof(parent), "%s", path);
	snprintf(name, sizeof(name), "%s", basename(parent));
	snprintf(list, sizeof(list), "%s" LENT_LIST_END, name);
	site = open(dirname(parent), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (site < 0) {
		return directory_fail(error, "cannot open", parent, "", errno);
	}
	result = directory_remove_entry(site, name, 0);
	if (result < 0) {
		return directory_fail(error, "cannot remove", parent, name, -result);
	}
	unlinkat(site, list, 0);
	return 0;
}
