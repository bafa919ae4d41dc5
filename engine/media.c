/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/media.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_json.h"
#include "proto/validate.h"

#define TEXT_MAX  (1024u * 1024u)
#define HASH_STEP (1024u * 1024u)

__attribute__((format(printf, 3, 4))) static int refuse(char error[MEDIA_ERROR_LEN], int rc,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, MEDIA_ERROR_LEN, format, args);
	va_end(args);
	return rc;
}

int media_hash_file(int fd, uint8_t ret_hash[SHA256_LEN], bool (*cancelled)(void *arg), void *arg)
{
	cleanup_free uint8_t *buffer = malloc(HASH_STEP);
	struct sha256 *hash = sha256_new();
	off_t offset = 0;
	ssize_t n = -1;

	if (buffer == NULL || hash == NULL) {
		sha256_free(hash);
		return -ENOMEM;
	}
	while ((n = pread(fd, buffer, HASH_STEP, offset)) > 0) {
		sha256_update(hash, buffer, (size_t)n);
		offset += n;
		if (cancelled != NULL && cancelled(arg)) {
			sha256_free(hash);
			return -ECANCELED;
		}
	}
	if (n < 0) {
		int rc = -errno;

		sha256_free(hash);
		return rc;
	}
	sha256_final(hash, ret_hash);
	sha256_free(hash);
	return 0;
}

/* ---- writing ---- */

static json_t *disks_encode(const struct media *media)
{
	json_t *disks = json_array();

	for (size_t i = 0; i < media->disk_count; i++) {
		const struct media_disk *disk = &media->disks[i];
		char hex[2 * SHA256_LEN + 1];

		for (size_t k = 0; k < SHA256_LEN; k++) {
			snprintf(hex + 2 * k, 3, "%02x", disk->sha256[k]);
		}
		json_array_append_new(disks,
				      json_pack("{s:s, s:I, s:s, s:I, s:s}", "name", disk->name,
						"size_bytes", (json_int_t)disk->size_bytes, "file",
						disk->file, "file_bytes",
						(json_int_t)disk->file_bytes, "sha256", hex));
	}
	return disks;
}

static char *media_encode(const struct media *media)
{
	cleanup_json json_t *root = json_pack(
		"{s:i, s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:o}", "format", MEDIA_FORMAT,
		"relationship", media->relationship, "vm", media->vm, "site", media->site, "epoch",
		(json_int_t)media->epoch, "seq", (json_int_t)media->seq, "cut_id", media->cut_id,
		"cut_time_ms", (json_int_t)media->cut_time_ms, "disks", disks_encode(media));

	return root == NULL ? NULL : json_dumps(root, JSON_INDENT(2));
}

static int text_write(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n <= 0) {
			return n < 0 ? -errno : -EIO;
		}
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int media_save(int dir_fd, const struct media *media, char error[MEDIA_ERROR_LEN])
{
	cleanup_free char *text = media_encode(media);
	cleanup_close int fd = openat(dir_fd, MEDIA_NAME ".new",
				      O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	int rc = fd < 0 ? -errno : text == NULL ? -ENOMEM : text_write(fd, text, strlen(text));

	if (rc == 0 &&
	    (renameat(dir_fd, MEDIA_NAME ".new", dir_fd, MEDIA_NAME) < 0 || fsync(dir_fd) < 0)) {
		rc = -errno;
	}
	return rc < 0 ? refuse(error, rc, "%s cannot be written: %s", MEDIA_NAME, strerror(-rc))
		      : 0;
}

/* ---- reading ---- */

static int file_look(int dir_fd, struct media_disk *disk, bool sized, char error[MEDIA_ERROR_LEN])
{
	struct stat st;

	if (fstatat(dir_fd, disk->file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)) {
		return refuse(error, -EBADMSG,
			      "%s is missing: the copy of the media is not complete", disk->file);
	}
	if (sized && (uint64_t)st.st_size != disk->file_bytes) {
		return refuse(error, -EBADMSG,
			      "%s has %llu bytes, and %llu were exported: the copy of the media is "
			      "not complete",
			      disk->file, (unsigned long long)st.st_size,
			      (unsigned long long)disk->file_bytes);
	}
	disk->file_bytes = (uint64_t)st.st_size;
	return 0;
}

static bool hash_decode(const char *text, uint8_t ret_hash[SHA256_LEN])
{
	if (strlen(text) != 2 * SHA256_LEN || strspn(text, "0123456789abcdef") != 2 * SHA256_LEN) {
		return false;
	}
	for (size_t i = 0; i < SHA256_LEN; i++) {
		char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};

		ret_hash[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return true;
}

static bool disk_decode(json_t *item, struct media_disk *disk)
{
	const char *name, *file, *sha256;
	json_int_t size, file_bytes;

	if (json_unpack(item, "{s:s, s:I, s:s, s:I, s:s}", "name", &name, "size_bytes", &size,
			"file", &file, "file_bytes", &file_bytes, "sha256", &sha256) < 0 ||
	    !validate_disk_name(name) || size <= 0 || (uint64_t)size > DISK_SIZE_MAX ||
	    file_bytes <= 0 || !hash_decode(sha256, disk->sha256)) {
		return false;
	}
	snprintf(disk->name, sizeof(disk->name), "%s", name);
	snprintf(disk->file, sizeof(disk->file), "%s.qcow2", name);
	disk->size_bytes = (uint64_t)size;
	disk->file_bytes = (uint64_t)file_bytes;
	return strcmp(file, disk->file) == 0;
}

static bool name_is_new(const struct media *media, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (strcmp(media->disks[i].name, media->disks[index].name) == 0) {
			return false;
		}
	}
	return true;
}

static bool head_decode(json_t *root, struct media *media)
{
	const char *relationship, *vm, *site, *cut_id;
	json_int_t epoch, seq, time_ms;

	if (json_unpack(root, "{s:s, s:s, s:s, s:I, s:I, s:s, s:I}", "relationship", &relationship,
			"vm", &vm, "site", &site, "epoch", &epoch, "seq", &seq, "cut_id", &cut_id,
			"cut_time_ms", &time_ms) < 0 ||
	    !validate_uuid(relationship) || !validate_vm_name(vm) || !validate_site_name(site) ||
	    epoch <= 0 || seq <= 0 || strlen(cut_id) != CUT_ID_LEN ||
	    strspn(cut_id, "0123456789abcdef") != CUT_ID_LEN) {
		return false;
	}
	snprintf(media->relationship, sizeof(media->relationship), "%s", relationship);
	snprintf(media->vm, sizeof(media->vm), "%s", vm);
	snprintf(media->site, sizeof(media->site), "%s", site);
	snprintf(media->cut_id, sizeof(media->cut_id), "%s", cut_id);
	media->epoch = (uint64_t)epoch;
	media->seq = (uint64_t)seq;
	media->cut_time_ms = time_ms;
	return true;
}

static int media_decode(const char *text, size_t len, struct media *media,
			char error[MEDIA_ERROR_LEN])
{
	cleanup_json json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	json_int_t format = json_integer_value(json_object_get(root, "format"));
	json_t *disks = json_object_get(root, "disks");

	if (format > MEDIA_FORMAT) {
		return refuse(error, -EBADMSG,
			      "%s was written by a newer vmreplica (format %lld): update this one",
			      MEDIA_NAME, (long long)format);
	}
	media->exported = true;
	media->disk_count = json_array_size(disks);
	if (format != MEDIA_FORMAT || !head_decode(root, media) || media->disk_count == 0 ||
	    media->disk_count > DISKS_MAX) {
		return refuse(error, -EBADMSG, "%s is damaged", MEDIA_NAME);
	}
	for (size_t i = 0; i < media->disk_count; i++) {
		if (!disk_decode(json_array_get(disks, i), &media->disks[i]) ||
		    !name_is_new(media, i)) {
			return refuse(error, -EBADMSG, "%s is damaged", MEDIA_NAME);
		}
	}
	return sha256_of(text, len, media->hash);
}

static int manifest_read(int dir_fd, int fd, struct media *media, char error[MEDIA_ERROR_LEN])
{
	cleanup_free char *text = malloc(TEXT_MAX);
	ssize_t n = text == NULL ? -1 : pread(fd, text, TEXT_MAX, 0);
	int rc;

	if (n < 0 || n == (ssize_t)TEXT_MAX) {
		return refuse(error, -EBADMSG, "%s cannot be read", MEDIA_NAME);
	}
	rc = media_decode(text, (size_t)n, media, error);
	for (size_t i = 0; i < media->disk_count && rc == 0; i++) {
		rc = file_look(dir_fd, &media->disks[i], true, error);
	}
	return rc;
}

/* A file of an existing copy: "vda.qcow2", "vda.raw", "vda.img". */
static bool copy_take(const char *name, struct media *media)
{
	struct media_disk *disk = &media->disks[media->disk_count];
	const char *dot = strrchr(name, '.');
	size_t len = dot == NULL ? 0 : (size_t)(dot - name);
	bool qcow2 = dot != NULL && strcmp(dot, ".qcow2") == 0;
	bool raw = dot != NULL && (strcmp(dot, ".raw") == 0 || strcmp(dot, ".img") == 0);

	if ((!qcow2 && !raw) || len == 0 || len > DISK_NAME_MAX) {
		return false;
	}
	*disk = (struct media_disk){.raw = raw};
	memcpy(disk->name, name, len);
	memcpy(disk->file, name, strlen(name) + 1); /* shorter than MEDIA_FILE_MAX by the above */
	if (!validate_disk_name(disk->name)) {
		return false;
	}
	media->disk_count++;
	return true;
}

static int copies_find(int dir_fd, struct media *media, char error[MEDIA_ERROR_LEN])
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (dir == NULL) {
		rc = -errno;
		if (fd >= 0) {
			close(fd);
		}
		return refuse(error, rc, "the directory cannot be read: %s", strerror(-rc));
	}
	while (rc == 0 && media->disk_count < DISKS_MAX && (entry = readdir(dir)) != NULL) {
		if (copy_take(entry->d_name, media)) {
			struct media_disk *disk = &media->disks[media->disk_count - 1];

			rc = file_look(dir_fd, disk, false, error);
			for (size_t i = 0; rc == 0 && i + 1 < media->disk_count; i++) {
				if (strcmp(media->disks[i].name, disk->name) == 0) {
					rc = refuse(error, -EBADMSG,
						    "disk %s is there twice, as %s and %s: leave "
						    "one of them",
						    disk->name, media->disks[i].file, disk->file);
				}
			}
		}
	}
	closedir(dir);
	return rc;
}

int media_load(int dir_fd, struct media *ret_media, char error[MEDIA_ERROR_LEN])
{
	cleanup_close int fd =
		openat(dir_fd, MEDIA_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int rc;

	*ret_media = (struct media){0};
	if (fd >= 0) {
		return manifest_read(dir_fd, fd, ret_media, error);
	}
	if (errno != ENOENT) {
		return refuse(error, -errno, "%s cannot be read: %s", MEDIA_NAME, strerror(errno));
	}
	rc = copies_find(dir_fd, ret_media, error);
	if (rc == 0 && ret_media->disk_count == 0) {
		rc = refuse(
			error, -ENOENT,
			"there is neither " MEDIA_NAME " nor an image called after a disk, such "
			"as vda.qcow2 or vda.raw: an export that was interrupted has no " MEDIA_NAME
			" yet, begin it again");
	}
	return rc;
}
