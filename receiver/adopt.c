/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "proto/validate.h"
#include "receiver/durable.h"
#include "receiver/image.h"
#include "receiver/points.h"

#define CHAIN_MAX 200u

__attribute__((format(printf, 3, 4))) static int refuse(char error[STORE_ERROR_LEN], int rc,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, STORE_ERROR_LEN, format, args);
	va_end(args);
	return rc;
}

/* ---- the request ---- */

void adopt_request_free(struct adopt_request *request)
{
	if (request != NULL) {
		free(request->disks);
		free(request);
	}
}

static const char *request_objection(const Vmreplica__Ipc__StoreAdopt *request)
{
	if (!validate_uuid(request->relationship)) {
		return "the relationship is not a UUID";
	}
	if (request->epoch == NULL || request->epoch->number == 0 ||
	    request->epoch->number > INT64_MAX || !validate_uuid(request->epoch->lineage) ||
	    !validate_site_name(request->epoch->site)) {
		return "it has no epoch";
	}
	if (request->n_disks == 0 || request->n_disks > DISKS_MAX) {
		return "it has no disks";
	}
	for (size_t i = 0; i < request->n_disks; i++) {
		if (!validate_disk_name(request->disks[i]->name) ||
		    !validate_absolute_path(request->disks[i]->path) ||
		    strlen(request->disks[i]->path) > PATH_LEN_MAX) {
			return "a disk has no plain name, or no absolute path";
		}
	}
	if (!request->digest &&
	    (request->cut == NULL || request->cut->seq == 0 || request->cut->seq > INT64_MAX - 1 ||
	     !validate_cut_id(request->cut->cut_id))) {
		return "it has no cut to build on";
	}
	return request->extents[0] != '\0' && (!validate_absolute_path(request->extents) ||
					       strlen(request->extents) > PATH_LEN_MAX)
		       ? "the list of extents has no absolute path"
		       : NULL;
}

struct adopt_request *adopt_request_new(const Vmreplica__Ipc__StoreAdopt *request,
					char error[STORE_ERROR_LEN])
{
	const char *objection = request_objection(request);
	struct adopt_request *copy = objection != NULL ? NULL : calloc(1, sizeof(*copy));

	if (copy == NULL) {
		refuse(error, -EINVAL, "disks cannot be adopted: %s",
		       objection != NULL ? objection : "out of memory");
		return NULL;
	}
	copy->id = request->id;
	copy->digest = request->digest;
	copy->epoch.number = request->epoch->number;
	snprintf(copy->relationship, sizeof(copy->relationship), "%s", request->relationship);
	snprintf(copy->epoch.lineage, sizeof(copy->epoch.lineage), "%s", request->epoch->lineage);
	snprintf(copy->epoch.site, sizeof(copy->epoch.site), "%s", request->epoch->site);
	snprintf(copy->extents, sizeof(copy->extents), "%s", request->extents);
	if (request->cut != NULL && validate_cut_id(request->cut->cut_id)) {
		copy->seq = request->cut->seq;
		snprintf(copy->cut_id, sizeof(copy->cut_id), "%s", request->cut->cut_id);
	}
	copy->disks = calloc(request->n_disks, sizeof(*copy->disks));
	if (copy->disks == NULL) {
		adopt_request_free(copy);
		refuse(error, -ENOMEM, "out of memory");
		return NULL;
	}
	for (size_t i = 0; i < request->n_disks; i++) {
		struct adopt_disk *disk = &copy->disks[copy->disk_count++];

		snprintf(disk->name, sizeof(disk->name), "%s", request->disks[i]->name);
		snprintf(disk->path, sizeof(disk->path), "%s", request->disks[i]->path);
		disk->size_bytes = request->disks[i]->size_bytes;
	}
	return copy;
}

/* ---- the images ---- */

static uint64_t read_be(const uint8_t *at, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++) {
		value = value << 8 | at[i];
	}
	return value;
}

/* What its header says: the size, and the backing file as an absolute path ("" = none). */
static int header_read(const char *path, uint64_t *ret_size, char backing[PATH_LEN_MAX + 1],
		       char error[STORE_ERROR_LEN])
{
	cleanup_close int fd = open(path, O_RDWR | O_CLOEXEC);
	char name[1024] = "", directory[PATH_LEN_MAX + 1];
	uint8_t header[32];
	uint64_t len;

	if (fd < 0) {
		return refuse(error, -errno, "cannot open the disk %.300s: %s", path,
			      strerror(errno));
	}
	if (pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header, "QFI\xfb", 4) != 0) {
		return refuse(error, -EUCLEAN, "the disk %.300s is no qcow2 image", path);
	}
	*ret_size = read_be(header + 24, 8);
	backing[0] = '\0';
	len = read_be(header + 16, 4);
	if (read_be(header + 8, 8) == 0 || len == 0) {
		return 0;
	}
	if (len >= sizeof(name) ||
	    pread(fd, name, len, (off_t)read_be(header + 8, 8)) != (ssize_t)len ||
	    strncmp(name, "json:", 5) == 0) {
		return refuse(error, -ENOTSUP, "the backing file of %.300s is not a plain path",
			      path);
	}
	snprintf(directory, sizeof(directory), "%s", path);
	if (snprintf(backing, PATH_LEN_MAX + 1, "%s%s%s", name[0] == '/' ? "" : dirname(directory),
		     name[0] == '/' ? "" : "/", name) > (int)PATH_LEN_MAX) {
		return refuse(error, -ENAMETOOLONG,
			      "the backing file of %.300s has too long a path", path);
	}
	return 0;
}

/* The name of a file that lies in the store, or of a link there to one that does not: the layers
 * over it know it by that name. False: it is elsewhere. */
static bool name_in_store(const char *top, const char *path, char file[MANIFEST_FILE_MAX + 1])
{
	char parent[PATH_LEN_MAX + 1];
	const char *name = strrchr(path, '/');
	cleanup_free char *real = NULL;
	size_t len = strlen(top);

	snprintf(parent, sizeof(parent), "%.*s", (int)(name - path), path);
	real = realpath(parent, NULL);
	return real != NULL && strncmp(real, top, len) == 0 && real[len] == '/' &&
	       snprintf(file, MANIFEST_FILE_MAX + 1, "%s%s", real + len + 1, name) <=
		       (int)MANIFEST_FILE_MAX;
}

static int link_make(struct store *store, struct manifest *next, const char *disk, const char *path,
		     struct manifest_layer *layer)
{
	cleanup_free char *real = realpath(path, NULL);

	if (real == NULL) {
		return -errno;
	}
	snprintf(layer->file, sizeof(layer->file), "gen-%" PRIu64 "/%s-%" PRIu64 ".qcow2",
		 store->manifest.generation, disk, next->next_layer++);
	unlinkat(store->dir_fd, layer->file, 0);
	return symlinkat(real, store->dir_fd, layer->file) < 0 ? -errno : 0;
}

/* Name the image in the store: as what it is there, or by a link. */
static int layer_name(struct store *store, struct manifest *next, const char *disk,
		      const char *path, struct manifest_layer *ret_layer,
		      char error[STORE_ERROR_LEN])
{
	struct manifest_layer layer = {.adopted = true, .linked = true};
	cleanup_free char *top = realpath(store->directory, NULL);
	int rc = top == NULL ? -errno : 0;
	struct stat st;

	if (rc == 0 && !name_in_store(top, path, layer.file)) {
		rc = link_make(store, next, disk, path, &layer);
	} else if (rc == 0) {
		rc = fstatat(store->dir_fd, layer.file, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
		layer.linked = rc == 0 && !S_ISREG(st.st_mode);
	}
	if (rc < 0) {
		return refuse(error, rc, "cannot name the disk %.300s in the store: %s", path,
			      strerror(-rc));
	}
	*ret_layer = layer;
	return 0;
}

static int disk_adopt(struct store *store, struct manifest *next, const struct adopt_disk *from,
		      struct manifest_disk *to, char error[STORE_ERROR_LEN])
{
	char path[PATH_LEN_MAX + 1], backing[PATH_LEN_MAX + 1];
	struct manifest_layer layers[CHAIN_MAX];
	size_t count = 0;
	int rc = 0;

	snprintf(to->name, sizeof(to->name), "%s", from->name);
	snprintf(path, sizeof(path), "%s", from->path);
	while (rc == 0 && path[0] != '\0') {
		uint64_t size = 0;

		if (count == CHAIN_MAX) {
			return refuse(error, -E2BIG, "disk %s has more than %u layers", from->name,
				      CHAIN_MAX);
		}
		rc = header_read(path, &size, backing, error);
		rc = rc < 0 ? rc : layer_name(store, next, from->name, path, &layers[count], error);
		to->size_bytes = count == 0 ? size : to->size_bytes;
		count += rc == 0;
		snprintf(path, sizeof(path), "%s", backing);
	}
	if (rc == 0 && from->size_bytes != 0 && from->size_bytes != to->size_bytes) {
		return refuse(error, -EUCLEAN,
			      "the disk %.300s has %" PRIu64 " bytes, not %" PRIu64, from->path,
			      to->size_bytes, from->size_bytes);
	}
	for (size_t i = count; rc == 0 && i > 0; i--) {
		rc = manifest_disk_push(to, &layers[i - 1]);
	}
	return rc;
}

static int image_adopt(struct store *store, struct manifest *next,
		       const struct adopt_request *request, struct manifest_image *image,
		       char error[STORE_ERROR_LEN])
{
	int rc = 0;

	image->disks = calloc(request->disk_count, sizeof(*image->disks));
	if (image->disks == NULL) {
		return refuse(error, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; rc == 0 && i < request->disk_count; i++) {
		image->disk_count = i + 1;
		rc = disk_adopt(store, next, &request->disks[i], &image->disks[i], error);
	}
	return rc;
}

/* ---- the manifest ---- */

/* In next, all of the old direction goes but for its points. */
static void next_begin(struct manifest *next, const struct adopt_request *request)
{
	manifest_image_destroy(&next->pending);
	manifest_log_drop(next, next->log_count);
	memset(&next->mark, 0, sizeof(next->mark));
	memset(&next->merge, 0, sizeof(next->merge));
	memset(&next->committed, 0, sizeof(next->committed));
	manifest_takeover_destroy(&next->failover);
	next->batch_seq = 0;
	next->epoch = request->epoch;
	next->committed.seq = request->seq;
	memcpy(next->committed.cut_id, request->cut_id, sizeof(next->committed.cut_id));
	next->applied_seq = request->seq;
	if (next->next_seq <= request->seq) {
		next->next_seq = request->seq + 1;
	}
	next->history_from = next->next_seq;
	next->distrusted = false;
	next->resync_needed = request->digest;
	snprintf(next->resync_reason, sizeof(next->resync_reason), "%s",
		 request->digest ? "where the old primary's disks differ from the new one's is "
				   "not known: everything is compared"
				 : "");
	next->adopted = (struct manifest_adopted){
		.epoch = request->epoch, .seq = request->seq, .pending = true, .bitmaps = true};
	snprintf(next->adopted.extents, sizeof(next->adopted.extents), "%s",
		 request->digest ? "" : request->extents);
}

/* 1: there is nothing to do. */
static int adopt_check(const struct store *store, const struct adopt_request *request,
		       char error[STORE_ERROR_LEN])
{
	const struct manifest *manifest = &store->manifest;
	enum plan_epoch how = plan_epoch_compare(&manifest->epoch, &request->epoch);

	if (manifest->adopted.epoch.number > request->epoch.number ||
	    (manifest->adopted.epoch.number == request->epoch.number &&
	     strcmp(manifest->adopted.epoch.lineage, request->epoch.lineage) == 0)) {
		return 1; /* it was carried out, and perhaps more has happened since */
	}
	if (how == PLAN_EPOCH_SAME && manifest->current.disk_count > 0) {
		return 1; /* it is a replica of that epoch already */
	}
	if (how == PLAN_EPOCH_LOWER || how == PLAN_EPOCH_CONFLICT) {
		return refuse(error, -ESTALE,
			      "disks cannot be adopted in epoch %" PRIu64
			      ": the store is in epoch %" PRIu64 " (%.36s of %.100s)",
			      request->epoch.number, manifest->epoch.number,
			      manifest->epoch.lineage, manifest->epoch.site);
	}
	if (manifest->test.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE) {
		return refuse(error, -EBUSY, "a test failover stands as %s: clean it up first",
			      manifest->test.holder);
	}
	return 0;
}

static int next_save(struct store *store, struct manifest *next, struct manifest_image *image,
		     const struct adopt_request *request, char error[STORE_ERROR_LEN])
{
	struct answer answer;
	char generation[32];
	int rc = points_retire(store, next, image);

	if (rc < 0) {
		return refuse(error, rc, "out of memory");
	}
	manifest_image_destroy(&next->current);
	next->current = *image;
	memset(image, 0, sizeof(*image));
	image_freeze(store, next, &next->current, true);
	rc = adopt_point_make(store, next, request);
	if (rc < 0) {
		return refuse(error, rc, "cannot make the disks a recovery point: %s",
			      strerror(-rc));
	}
	snprintf(generation, sizeof(generation), "gen-%" PRIu64, store->manifest.generation);
	rc = durable_directory_sync(store->dir_fd, generation);
	if (rc < 0) {
		return refuse(error, rc, "cannot make %s durable: %s", generation, strerror(-rc));
	}
	rc = store_save(store, next, &answer);
	return rc < 0 ? refuse(error, rc, "%s", answer.reason) : 0;
}

int adopt_carry_out(struct store *store, const struct adopt_request *request,
		    char error[STORE_ERROR_LEN])
{
	struct manifest_image image = {NULL, 0};
	struct manifest next = {0};
	int rc = adopt_check(store, request, error);

	if (rc != 0) {
		return rc < 0 ? rc : 0;
	}
	if (manifest_copy(&store->manifest, &next) < 0) {
		return refuse(error, -ENOMEM, "out of memory");
	}
	rc = image_adopt(store, &next, request, &image, error);
	if (rc == 0) {
		next_begin(&next, request);
		rc = next_save(store, &next, &image, request, error);
	}
	manifest_image_destroy(&image);
	manifest_destroy(&next);
	if (rc == 0) {
		history_drop(&store->history, store->history.count);
		receiver_event(store->receiver, "notice", store->vm,
			       "the old primary's disks are adopted: the first cycle from %s makes "
			       "them a replica",
			       request->epoch.site);
	}
	return rc;
}

bool adopt_holds_disks(const struct store *store)
{
	const struct manifest_image *image = &store->manifest.current;

	for (size_t i = 0; i < image->disk_count; i++) {
		for (size_t k = 0; k < image->disks[i].layer_count; k++) {
			const struct manifest_layer *layer = &image->disks[i].layers[k];
			struct stat st;

			if (layer->adopted &&
			    fstatat(store->dir_fd, layer->file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			    S_ISREG(st.st_mode)) {
				return true;
			}
		}
	}
	return false;
}
