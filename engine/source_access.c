/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_access.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <acl/libacl.h>
#include <sys/acl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_error.h"
#include "engine/store_walk.h"

static void cleanup_acl_fn(acl_t *acl)
{
	if (*acl != NULL) {
		acl_free(*acl);
	}
}
#define cleanup_acl __attribute__((cleanup(cleanup_acl_fn)))

/* A file that stays the same one from the look at it to the change of it. Who may write the
 * directory that it lies in could otherwise put a link to any file in its place between the two. */
struct pinned {
	int fd;
	char path[32]; /* libacl changes files by path: this one leads to the open file */
	struct stat status;
};

static void unpin(struct pinned *file)
{
	if (file->fd >= 0) {
		close(file->fd);
	}
}
#define cleanup_pinned __attribute__((cleanup(unpin)))

/* flags: O_NOFOLLOW, O_DIRECTORY. 0 or negative errno; unpinned by scope in either case. */
static int pin_at(int directory, const char *path, int flags, struct pinned *ret_file)
{
	ret_file->fd = openat(directory, path, O_PATH | O_CLOEXEC | flags);
	if (ret_file->fd < 0 || fstat(ret_file->fd, &ret_file->status) != 0) {
		return -errno;
	}
	snprintf(ret_file->path, sizeof(ret_file->path), "/proc/self/fd/%d", ret_file->fd);
	return 0;
}

static int pin(const char *path, int flags, struct pinned *ret_file)
{
	return pin_at(AT_FDCWD, path, flags, ret_file);
}

/* The entry of uid, or a new one without permissions. NULL with errno set on failure. */
static acl_entry_t find_entry(acl_t *acl, uid_t uid)
{
	acl_entry_t entry;
	acl_tag_t tag;

	for (int which = ACL_FIRST_ENTRY; acl_get_entry(*acl, which, &entry) == 1;
	     which = ACL_NEXT_ENTRY) {
		uid_t *qualifier;
		bool same;

		if (acl_get_tag_type(entry, &tag) != 0 || tag != ACL_USER) {
			continue;
		}
		qualifier = acl_get_qualifier(entry);
		same = qualifier != NULL && *qualifier == uid;
		acl_free(qualifier);
		if (same) {
			return entry;
		}
	}
	if (acl_create_entry(acl, &entry) != 0 || acl_set_tag_type(entry, ACL_USER) != 0 ||
	    acl_set_qualifier(entry, &uid) != 0) {
		return NULL;
	}
	return entry;
}

/* Add mode (of S_IRWXO's three bits) for uid to the ACL of path. 0 or negative errno. */
static int grant_by_acl(const char *path, uid_t uid, mode_t mode)
{
	cleanup_acl acl_t acl = acl_get_file(path, ACL_TYPE_ACCESS);
	acl_permset_t permissions;
	acl_entry_t entry = acl != NULL ? find_entry(&acl, uid) : NULL;

	if (entry == NULL || acl_get_permset(entry, &permissions) != 0 ||
	    ((mode & S_IROTH) != 0 && acl_add_perm(permissions, ACL_READ) != 0) ||
	    ((mode & S_IWOTH) != 0 && acl_add_perm(permissions, ACL_WRITE) != 0) ||
	    ((mode & S_IXOTH) != 0 && acl_add_perm(permissions, ACL_EXECUTE) != 0) ||
	    acl_calc_mask(&acl) != 0 || acl_set_file(path, ACL_TYPE_ACCESS, acl) != 0) {
		return -errno;
	}
	return 0;
}

/* True when owner or others' bits already allow mode; a group's bits are not looked at. */
static bool may_already(const struct stat *status, uid_t uid, mode_t mode)
{
	mode_t allowed = uid == status->st_uid ? (status->st_mode >> 6) & 7u : status->st_mode & 7u;

	return uid == 0 || (allowed & mode) == mode;
}

static int grant_by_group(const char *directory, const struct stat *status, gid_t gid)
{
	if (chown(directory, (uid_t)-1, gid) != 0 ||
	    chmod(directory, (status->st_mode & 07777) | S_IRWXG) != 0) {
		return -errno;
	}
	return 0;
}

static int grant(const char *path, uid_t uid, gid_t gid, mode_t mode, bool ours)
{
	cleanup_pinned struct pinned directory;
	int result = pin(path, O_DIRECTORY, &directory);

	if (result < 0) {
		return result;
	}
	if (may_already(&directory.status, uid, mode)) {
		return 0;
	}
	result = grant_by_acl(directory.path, uid, mode);
	if (result == -ENOTSUP && ours) {
		result = grant_by_group(directory.path, &directory.status, gid);
	}
	return result;
}

int source_access_grant(const char *directory, uid_t uid, gid_t gid, char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *copy = strdup(directory);
	int result = -ENOMEM;

	if (copy != NULL) {
		result = grant(directory, uid, gid, S_IRWXO, true);
	}
	if (result == 0) {
		result = grant(dirname(copy), uid, gid, S_IXOTH, false);
	}
	if (result != 0) {
		return source_fail(
			result, error,
			"QEMU's user (uid %u) cannot be given access to %s: %s; create the "
			"directory, on a file system with ACLs",
			(unsigned int)uid, directory, strerror(-result));
	}
	return 0;
}

/* Does an entry of uid allow reading and writing? */
static bool has_entry(const char *path, uid_t uid)
{
	cleanup_acl acl_t acl = acl_get_file(path, ACL_TYPE_ACCESS);
	acl_entry_t entry = acl != NULL ? find_entry(&acl, uid) : NULL;
	acl_permset_t permissions;

	return entry != NULL && acl_get_permset(entry, &permissions) == 0 &&
	       acl_get_perm(permissions, ACL_READ) == 1 &&
	       acl_get_perm(permissions, ACL_WRITE) == 1;
}

bool source_access_holds_image(const char *path, uid_t uid)
{
	cleanup_pinned struct pinned file = {.fd = -1};

	return pin(path, 0, &file) == 0 &&
	       (may_already(&file.status, uid, S_IROTH | S_IWOTH) || has_entry(file.path, uid));
}

int source_access_grant_image(const char *path, uid_t uid, bool *ret_granted)
{
	cleanup_pinned struct pinned file;
	int result = pin(path, 0, &file);

	if (result < 0) {
		return result;
	}
	if (may_already(&file.status, uid, S_IROTH | S_IWOTH) || has_entry(file.path, uid)) {
		*ret_granted = false;
		return 0;
	}
	result = grant_by_acl(file.path, uid, S_IROTH | S_IWOTH);
	if (result == 0) {
		*ret_granted = true;
	}
	return result;
}

/* A mask over no named entry is the group's own permissions once more: it would turn what the ACL
 * added for us into the group's. */
static int drop_mask(acl_t *acl)
{
	acl_entry_t entry, mask = NULL;
	acl_tag_t tag;

	for (int which = ACL_FIRST_ENTRY; acl_get_entry(*acl, which, &entry) == 1;
	     which = ACL_NEXT_ENTRY) {
		if (acl_get_tag_type(entry, &tag) != 0) {
			return -1;
		}
		if (tag == ACL_USER || tag == ACL_GROUP) {
			return acl_calc_mask(acl);
		}
		mask = tag == ACL_MASK ? entry : mask;
	}
	return mask != NULL ? acl_delete_entry(*acl, mask) : 0;
}

int source_access_revoke_image(const char *path, uid_t uid)
{
	cleanup_pinned struct pinned file;
	int result = pin(path, 0, &file);
	cleanup_acl acl_t acl = result == 0 ? acl_get_file(file.path, ACL_TYPE_ACCESS) : NULL;
	acl_entry_t entry;

	if (result < 0) {
		return result;
	}
	if (acl == NULL) {
		return errno == ENOTSUP ? 0 : -errno;
	}
	for (int which = ACL_FIRST_ENTRY; acl_get_entry(acl, which, &entry) == 1;
	     which = ACL_NEXT_ENTRY) {
		acl_tag_t tag;
		uid_t *qualifier;
		bool same;

		if (acl_get_tag_type(entry, &tag) != 0 || tag != ACL_USER) {
			continue;
		}
		qualifier = acl_get_qualifier(entry);
		same = qualifier != NULL && *qualifier == uid;
		acl_free(qualifier);
		if (same) {
			return acl_delete_entry(acl, entry) == 0 && drop_mask(&acl) == 0 &&
					       acl_set_file(file.path, ACL_TYPE_ACCESS, acl) == 0
				       ? 0
				       : -errno;
		}
	}
	return 0;
}

static int file_grant(const struct pinned *file, const char *path, uid_t uid,
		      char error[SOURCE_ERROR_LEN])
{
	int result = 0;

	if (!S_ISREG(file->status.st_mode)) {
		result = -EINVAL; /* a link could lead anywhere */
	} else if (uid != 0 && uid != file->status.st_uid) {
		result = grant_by_acl(file->path, uid, S_IROTH | S_IWOTH);
	}
	return result == 0
		       ? 0
		       : source_fail(result, error,
				     "QEMU's user (uid %u) cannot be given access to %s: %s; the "
				     "file system must have ACLs",
				     (unsigned int)uid, path, strerror(-result));
}

/* In a store; of a link *ret_file is the link itself, and it is known where it lies. */
static int pin_below(const char *path, size_t store, int *ret_directory, const char **ret_name,
		     struct pinned *ret_file, char error[SOURCE_ERROR_LEN])
{
	int result = store_walk(path, store, 0, ret_directory, ret_name);

	result = result < 0 ? result : pin_at(*ret_directory, *ret_name, O_NOFOLLOW, ret_file);
	return result == 0 ? 0
			   : source_fail(result, error, "%s cannot be found in the store: %s", path,
					 strerror(-result));
}

int source_access_file(const char *path, size_t store, uid_t uid, char error[SOURCE_ERROR_LEN])
{
	cleanup_pinned struct pinned file = {.fd = -1};
	cleanup_close int directory = -1;
	const char *name;
	int result = pin_below(path, store, &directory, &name, &file, error);

	return result < 0 ? result : file_grant(&file, path, uid, error);
}

/* What source_access_lend gave: an entry of its own, with both rights. Nobody but root and the
 * disk's owner can have made it. */
static bool is_lent(const char *path, uid_t receiver)
{
	struct stat status;

	return receiver != 0 && stat(path, &status) == 0 &&
	       (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) && status.st_uid != receiver &&
	       has_entry(path, receiver);
}

/* Where the link leads. By its descriptor: whoever owns the link cannot turn it meanwhile. */
static int link_grant(const struct pinned *file, const char *path, uid_t receiver, uid_t uid,
		      char error[SOURCE_ERROR_LEN])
{
	bool granted;
	int result;

	if (!is_lent(file->path, receiver)) {
		return source_fail(
			-EPERM, error,
			"%s leads to an image that was not lent to the receiver: nothing is "
			"merged into it",
			path);
	}
	result = source_access_grant_image(file->path, uid, &granted);
	return result == 0
		       ? 0
		       : source_fail(result, error,
				     "QEMU's user (uid %u) cannot be given access to the disk that "
				     "%s leads to: %s; the file system must have ACLs",
				     (unsigned int)uid, path, strerror(-result));
}

int source_access_base(const char *path, size_t store, uid_t receiver, uid_t uid,
		       char ret_real[PATH_MAX], char error[SOURCE_ERROR_LEN])
{
	cleanup_pinned struct pinned file = {.fd = -1}, disk = {.fd = -1};
	cleanup_close int directory = -1;
	char real[PATH_MAX];
	const char *name;
	ssize_t len;
	int result = pin_below(path, store, &directory, &name, &file, error);
	bool linked = result == 0 && S_ISLNK(file.status.st_mode);

	if (linked) {
		result = pin_at(directory, name, 0, &disk);
		if (result < 0) {
			return source_fail(result, error, "%s leads nowhere: %s", path,
					   strerror(-result));
		}
		result = link_grant(&disk, path, receiver, uid, error);
	} else if (result == 0) {
		result = file_grant(&file, path, uid, error);
	}
	if (result < 0) {
		return result;
	}
	len = readlink(linked ? disk.path : file.path, real, sizeof(real));
	if (len <= 0 || (size_t)len >= sizeof(real)) {
		return source_fail(-ENAMETOOLONG, error, "%s has too long a path", path);
	}
	real[len] = '\0';
	memcpy(ret_real, real, (size_t)len + 1);
	return 0;
}

/* ---- images that are lent ---- */

static int lend_directory(const char *path, uid_t uid)
{
	cleanup_pinned struct pinned directory;
	int result = pin(path, O_DIRECTORY, &directory);

	if (result < 0 || may_already(&directory.status, uid, S_IXOTH)) {
		return result;
	}
	return grant_by_acl(directory.path, uid, S_IXOTH);
}

int source_access_lend(const char *path, uid_t uid, char error[SOURCE_ERROR_LEN])
{
	cleanup_free char *copy = strdup(path);
	bool granted = false;
	int result = copy != NULL ? source_access_grant_image(path, uid, &granted) : -ENOMEM;

	/* from the file's directory up to the root's children */
	for (char *slash = copy != NULL ? strrchr(copy, '/') : NULL;
	     result == 0 && slash != NULL && slash != copy; slash = strrchr(copy, '/')) {
		*slash = '\0';
		result = lend_directory(copy, uid);
	}
	return result == 0 ? 0
			   : source_fail(result, error,
					 "%s cannot be lent to the receiver (uid %u): %s; it must "
					 "lie on a file system with ACLs",
					 path, (unsigned int)uid, strerror(-result));
}
