/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/file_access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <acl/libacl.h>
#include <sys/acl.h>
#include <sys/stat.h>
#include <unistd.h>

static void cleanup_acl_fn(acl_t *acl)
{
	if (*acl != NULL) {
		acl_free(*acl);
	}
}
#define cleanup_acl __attribute__((cleanup(cleanup_acl_fn)))

/* libacl knows default ACLs by path alone: the path of an open descriptor is always the same file.
 */
struct opened {
	int fd; /* -1 = not opened */
	char path[32];
	struct stat st;
};

static int file_open(int dir_fd, const char *name, struct opened *ret_opened)
{
	int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0) {
		return -errno;
	}
	if (fstat(fd, &st) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	*ret_opened = (struct opened){.fd = fd, .st = st};
	snprintf(ret_opened->path, sizeof(ret_opened->path), "/proc/self/fd/%d", fd);
	return 0;
}

static void cleanup_opened_fn(struct opened *opened)
{
	if (opened->fd >= 0) {
		close(opened->fd);
	}
}
#define cleanup_opened __attribute__((cleanup(cleanup_opened_fn)))

static acl_entry_t user_find(acl_t acl, uid_t uid)
{
	acl_entry_t entry;
	acl_tag_t tag;

	for (int which = ACL_FIRST_ENTRY; acl_get_entry(acl, which, &entry) == 1;
	     which = ACL_NEXT_ENTRY) {
		uid_t *qualifier = NULL;
		bool found;

		if (acl_get_tag_type(entry, &tag) != 0 || tag != ACL_USER) {
			continue;
		}
		qualifier = acl_get_qualifier(entry);
		found = qualifier != NULL && *qualifier == uid;
		acl_free(qualifier);
		if (found) {
			return entry;
		}
	}
	return NULL;
}

static acl_entry_t user_make(acl_t *acl, uid_t uid)
{
	acl_entry_t entry = user_find(*acl, uid);

	if (entry != NULL) {
		return entry;
	}
	if (acl_create_entry(acl, &entry) != 0 || acl_set_tag_type(entry, ACL_USER) != 0 ||
	    acl_set_qualifier(entry, &uid) != 0) {
		return NULL;
	}
	return entry;
}

static int rights_add(acl_t *acl, uid_t uid, unsigned int rights)
{
	acl_entry_t entry = user_make(acl, uid);
	acl_permset_t permissions;

	if (entry == NULL || acl_get_permset(entry, &permissions) != 0 ||
	    ((rights & FILE_ACCESS_READ) != 0 && acl_add_perm(permissions, ACL_READ) != 0) ||
	    ((rights & FILE_ACCESS_WRITE) != 0 && acl_add_perm(permissions, ACL_WRITE) != 0) ||
	    ((rights & FILE_ACCESS_SEARCH) != 0 && acl_add_perm(permissions, ACL_EXECUTE) != 0) ||
	    acl_calc_mask(acl) != 0) {
		return errno != 0 ? -errno : -EINVAL;
	}
	return 0;
}

static bool may_already(const struct stat *st, uid_t uid, unsigned int rights)
{
	unsigned int allowed = uid == st->st_uid ? (st->st_mode >> 6) & 7u : st->st_mode & 7u;

	return uid == 0 || (allowed & rights) == rights;
}

static int opened_grant(const struct opened *opened, uid_t uid, unsigned int rights)
{
	cleanup_acl acl_t acl = NULL;
	int rc;

	if (S_ISLNK(opened->st.st_mode)) {
		return -ELOOP;
	}
	if (may_already(&opened->st, uid, rights)) {
		return 0;
	}
	acl = acl_get_file(opened->path, ACL_TYPE_ACCESS);
	rc = acl == NULL ? -errno : rights_add(&acl, uid, rights);
	if (rc == 0 && acl_set_file(opened->path, ACL_TYPE_ACCESS, acl) != 0) {
		rc = -errno;
	}
	return rc;
}

int file_access_grant(int dir_fd, const char *name, uid_t uid, unsigned int rights)
{
	cleanup_opened struct opened opened = {.fd = -1};
	int rc = file_open(dir_fd, name, &opened);

	return rc < 0 ? rc : opened_grant(&opened, uid, rights);
}

int file_access_grant_fd(int fd, uid_t uid, unsigned int rights)
{
	struct opened opened = {.fd = fd};

	if (fstat(fd, &opened.st) < 0) {
		return -errno;
	}
	snprintf(opened.path, sizeof(opened.path), "/proc/self/fd/%d", fd);
	return opened_grant(&opened, uid, rights);
}

int file_access_grant_default(int dir_fd, const char *name, uid_t uid, unsigned int rights)
{
	cleanup_acl acl_t acl = NULL;
	cleanup_opened struct opened opened = {.fd = -1};
	int rc = file_open(dir_fd, name, &opened);

	if (rc < 0) {
		return rc;
	}
	acl = acl_get_file(opened.path, ACL_TYPE_DEFAULT);
	if (acl != NULL &&
	    acl_entries(acl) == 0) { /* none yet: it begins as the directory's mode */
		acl_free(acl);
		acl = acl_from_mode(opened.st.st_mode & 0777);
	}
	rc = acl == NULL ? -errno : rights_add(&acl, uid, rights);
	if (rc == 0 && acl_set_file(opened.path, ACL_TYPE_DEFAULT, acl) != 0) {
		rc = -errno;
	}
	return rc;
}

bool file_access_has_default(int dir_fd, const char *name, uid_t uid)
{
	cleanup_acl acl_t acl = NULL;
	cleanup_opened struct opened opened = {.fd = -1};

	if (file_open(dir_fd, name, &opened) < 0) {
		return false;
	}
	acl = acl_get_file(opened.path, ACL_TYPE_DEFAULT);
	return acl != NULL && user_find(acl, uid) != NULL;
}

static bool entry_may_read(acl_entry_t entry)
{
	acl_permset_t permissions;

	return acl_get_permset(entry, &permissions) == 0 &&
	       acl_get_perm(permissions, ACL_READ) == 1;
}

/* The entries of an ACL that count for one who is not the owner. */
struct reader {
	bool named, user; /* an entry of its own, and that it may read */
	bool grouped, group;
	bool other, mask;
};

static void reader_take(struct reader *reader, acl_entry_t entry, bool of_group, uid_t uid,
			gid_t gid)
{
	acl_tag_t tag = ACL_UNDEFINED_TAG;
	bool may = entry_may_read(entry);
	void *qualifier = NULL;

	if (acl_get_tag_type(entry, &tag) != 0) {
		return;
	}
	if (tag == ACL_USER || tag == ACL_GROUP) {
		qualifier = acl_get_qualifier(entry);
	}
	if (tag == ACL_USER && qualifier != NULL && *(const uid_t *)qualifier == uid) {
		reader->named = true;
		reader->user = may;
	} else if ((tag == ACL_GROUP_OBJ && of_group) ||
		   (tag == ACL_GROUP && qualifier != NULL && *(const gid_t *)qualifier == gid)) {
		reader->grouped = true;
		reader->group |= may;
	} else if (tag == ACL_OTHER) {
		reader->other = may;
	} else if (tag == ACL_MASK) {
		reader->mask = may;
	}
	acl_free(qualifier);
}

bool file_access_may_read(int fd, uid_t uid, gid_t gid)
{
	struct reader reader = {.mask = true};
	cleanup_acl acl_t acl = NULL;
	acl_entry_t entry;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return false;
	}
	if (uid == 0 || uid == st.st_uid) {
		return uid == 0 || (st.st_mode & S_IRUSR) != 0;
	}
	acl = acl_get_fd(fd);
	if (acl == NULL) { /* no ACLs there */
		return (st.st_mode & (gid == st.st_gid ? S_IRGRP : S_IROTH)) != 0;
	}
	for (int which = ACL_FIRST_ENTRY; acl_get_entry(acl, which, &entry) == 1;
	     which = ACL_NEXT_ENTRY) {
		reader_take(&reader, entry, gid == st.st_gid, uid, gid);
	}
	if (reader.named) {
		return reader.user && reader.mask;
	}
	return reader.grouped ? reader.group && reader.mask : reader.other;
}

bool file_access_is_possible(const char *path)
{
	cleanup_acl acl_t acl = acl_get_file(path, ACL_TYPE_ACCESS);

	return acl != NULL || errno != ENOTSUP;
}
