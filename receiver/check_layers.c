/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "receiver/check.h"
#include "receiver/json.h"

#define CLUSTER_BYTES	   65536u
#define QEMU_IMG_TIMEOUT_S 3600
#define LINES_TOLD	   8u

/* Where qcow2's header says it (big endian). */
#define HEADER_LEN	    112u
#define AT_BACKING_OFFSET   8u
#define AT_BACKING_LEN	    16u
#define AT_SIZE		    24u
#define AT_INCOMPATIBLE	    72u
#define INCOMPATIBLE_BROKEN 2u
#define INCOMPATIBLE_DATA   4u

static void layer_find(struct check *check, const struct check_layer *place,
		       enum check_weight weight, uint64_t offset, const char *text)
{
	if (check_layer_stands(check, place->layer)) {
		check_find(check, weight, place->layer->file, offset, "%s", text);
	}
}

/* ---- the file as a whole ---- */

/* True when there is something that can be looked into. */
static bool fingerprint_check(struct check *check, const struct check_layer *place)
{
	const struct manifest_layer *layer = place->layer;
	char text[CHECK_TEXT_LEN];
	struct stat st;

	if (fstatat(check->dir_fd, layer->file, &st, layer->adopted ? 0 : AT_SYMLINK_NOFOLLOW) <
	    0) {
		snprintf(text, sizeof(text), "the layer of disk %s: %s", place->disk,
			 errno == ENOENT ? "the file is missing" : strerror(errno));
		layer_find(check, place, CHECK_DAMAGE, 0, text);
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		layer_find(check, place, CHECK_DAMAGE, 0, "it is no regular file");
		return false;
	}
	if (!layer->frozen) {
		return true;
	}
	if ((uint64_t)st.st_size != layer->size_bytes) {
		snprintf(text, sizeof(text), "the closed layer has %" PRIu64 " bytes, not %" PRIu64,
			 (uint64_t)st.st_size, layer->size_bytes);
		layer_find(check, place, CHECK_DAMAGE,
			   (uint64_t)st.st_size < layer->size_bytes ? (uint64_t)st.st_size
								    : layer->size_bytes,
			   text);
	} else if (st.st_ino != layer->inode) {
		/* Also what a copy of a store has for each layer. */
		layer_find(check, place, CHECK_NOTE, CHECK_NO_OFFSET,
			   "it is another file than the one that was closed (a copy?): a receiver "
			   "that opens the store will ask for a resynchronization");
	} else if ((int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec !=
		   layer->mtime_ns) {
		layer_find(check, place, CHECK_DAMAGE, 0,
			   "the closed layer was written by somebody else since");
	}
	return true;
}

/* ---- its header ---- */

static uint64_t big_endian(const uint8_t *bytes, size_t count)
{
	uint64_t number = 0;

	for (size_t i = 0; i < count; i++) {
		number = number << 8 | bytes[i];
	}
	return number;
}

/* Does the header name the layer below, or, in the middle of a merge, the one below that? */
static void backing_check(struct check *check, const struct check_layer *place, int fd,
			  const uint8_t *header)
{
	uint64_t offset = big_endian(header + AT_BACKING_OFFSET, 8);
	uint64_t len = big_endian(header + AT_BACKING_LEN, 4);
	const struct manifest_merge *merge = &check->manifest.merge;
	char found[MANIFEST_FILE_MAX + 4] = "", text[CHECK_TEXT_LEN];
	const char *below = place->below == NULL ? "" : place->below->file;
	const char *name;

	if (place->layer->adopted) {
		return; /* a disk of a VM names what is below it as it likes */
	}
	if (len >= sizeof(found) ||
	    (len > 0 && pread(fd, found, len, (off_t)offset) != (ssize_t)len)) {
		layer_find(check, place, CHECK_DAMAGE, AT_BACKING_OFFSET,
			   "the name of the layer below cannot be read");
		return;
	}
	name = strncmp(found, "../", 3) == 0 ? found + 3 : found;
	if (strcmp(name, below) == 0 ||
	    (merge->copied && strcmp(below, merge->from) == 0 && strcmp(name, merge->into) == 0)) {
		return;
	}
	snprintf(text, sizeof(text), "it stands on \"%s\", not on \"%s\" as the manifest says",
		 name, below);
	layer_find(check, place, CHECK_DAMAGE, len > 0 ? offset : AT_BACKING_OFFSET, text);
}

static void header_check(struct check *check, const struct check_layer *place)
{
	cleanup_close int fd =
		openat(check->dir_fd, place->layer->file,
		       O_RDONLY | (place->layer->adopted ? 0 : O_NOFOLLOW) | O_CLOEXEC);
	uint8_t header[HEADER_LEN];
	char text[CHECK_TEXT_LEN];
	uint64_t flags, size;

	if (fd < 0 || pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header)) {
		snprintf(text, sizeof(text), "its header cannot be read: %s",
			 fd < 0 ? strerror(errno) : "the file is too short");
		layer_find(check, place, CHECK_DAMAGE, 0, text);
		return;
	}
	if (memcmp(header, "QFI\xfb", 4) != 0) {
		layer_find(check, place, CHECK_DAMAGE, 0, "it does not begin as a qcow2 file does");
		return;
	}
	flags = big_endian(header + AT_INCOMPATIBLE, 8);
	if (place->layer->adopted) {
		flags &= ~(uint64_t)INCOMPATIBLE_DATA; /* a VM's raw disk, wrapped */
	}
	if ((flags & (INCOMPATIBLE_BROKEN | INCOMPATIBLE_DATA)) != 0) {
		layer_find(check, place, CHECK_DAMAGE, AT_INCOMPATIBLE,
			   (flags & INCOMPATIBLE_BROKEN) != 0
				   ? "QEMU has marked it as corrupt"
				   : "it names a file beside it for its data: no layer does");
	}
	size = big_endian(header + AT_SIZE, 8);
	if (place->top_size != 0 && size != place->top_size) {
		snprintf(text, sizeof(text),
			 "it is a disk of %" PRIu64 " bytes, but %s had %" PRIu64, size,
			 place->disk, place->top_size);
		layer_find(check, place, CHECK_DAMAGE, AT_SIZE, text);
	}
	backing_check(check, place, fd, header);
}

/* ---- QEMU's own check ---- */

/* The place that a line of QEMU's tells of: "offset=1a0000", "offset 0x1a0000", "cluster 26". */
static uint64_t line_offset(const char *line)
{
	const char *hex = strstr(line, "offset=");
	const char *at = strstr(line, "0x"), *cluster = strstr(line, "cluster ");

	if (hex != NULL) {
		return strtoull(hex + strlen("offset="), NULL, 16);
	}
	if (at != NULL) {
		return strtoull(at, NULL, 16);
	}
	return cluster == NULL ? 0
			       : strtoull(cluster + strlen("cluster "), NULL, 10) * CLUSTER_BYTES;
}

static bool line_begins(const char *line, const char *with)
{
	return strncmp(line, with, strlen(with)) == 0;
}

/* Returns the lines of damage. A warning is none: QEMU's bitmaps are void while it rewrites their
 * list, and stay so when it is killed then; whoever needs them sees that. */
static size_t lines_find(struct check *check, const struct check_layer *place, char *err)
{
	size_t found = 0;
	char *rest = NULL;

	for (char *line = strtok_r(err, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (line_begins(line, "qemu-img: warning:")) {
			layer_find(check, place, CHECK_NOTE, CHECK_NO_OFFSET, line);
		} else if ((line_begins(line, "ERROR") || line_begins(line, "qemu-img:") ||
			    line_begins(line, "qcow2:")) &&
			   found++ < LINES_TOLD) {
			layer_find(check, place, CHECK_DAMAGE, line_offset(line), line);
		}
	}
	return found;
}

/* qemu-img's report: how many clusters are wrong, how many lost to no use. */
static void report_take(struct check *check, const struct check_layer *place, const char *out,
			size_t told)
{
	json_int_t corruptions = 0, leaks = 0, errors = 0;
	cleanup_json json_t *root = json_loads(out, 0, NULL);
	char text[CHECK_TEXT_LEN];

	if (root == NULL || json_unpack(root, "{s?I, s?I, s?I}", "corruptions", &corruptions,
					"leaks", &leaks, "check-errors", &errors) < 0) {
		if (told == 0) {
			layer_find(check, place, CHECK_DAMAGE, 0,
				   "qemu-img cannot check it, and does not say why");
		}
		return;
	}
	if (corruptions + errors > (json_int_t)(told < LINES_TOLD ? told : LINES_TOLD)) {
		snprintf(text, sizeof(text), "qemu-img check: %lld corruptions, %lld errors in all",
			 (long long)corruptions, (long long)errors);
		layer_find(check, place, CHECK_DAMAGE, CHECK_NO_OFFSET, text);
	}
	if (leaks > 0) {
		snprintf(text, sizeof(text), "%lld clusters are lost to no use (a crash's)",
			 (long long)leaks);
		layer_find(check, place, CHECK_NOTE, CHECK_NO_OFFSET, text);
	}
}

/* Of this file alone, whatever its header says is below it, and without QEMU's locks. */
static void qemu_check(struct check *check, const struct check_layer *place)
{
	cleanup_json json_t *image =
		json_pack("{s:s, s:{s:s, s:s, s:s}, s:n}", "driver", "qcow2", "file", "driver",
			  "file", "filename", place->layer->file, "locking", "off", "backing");
	cleanup_free char *text = json_dumps(image, JSON_COMPACT), *name = NULL;
	cleanup_free char *out = NULL, *err = NULL;
	const char *argv[] = {"qemu-img", "check", "-U", "--output=json", NULL, NULL};
	char why[CHECK_TEXT_LEN];
	int rc;

	if (text == NULL || asprintf(&name, "json:%s", text) < 0) {
		check->out_of_memory = true;
		return;
	}
	argv[4] = name;
	rc = check_run_program(argv, QEMU_IMG_TIMEOUT_S * 1000, &out, &err);
	if (rc < 0 || rc == 127) {
		snprintf(why, sizeof(why), "qemu-img check: %s",
			 rc < 0 ? strerror(-rc) : "it cannot be run: install it");
		check_find(check, CHECK_DAMAGE, place->layer->file, 0, "%s", why);
		return;
	}
	report_take(check, place, out, lines_find(check, place, err));
}

/* ---- all of them ---- */

static void layer_check(struct check *check, const struct check_layer *place)
{
	if (!place->layer->frozen && check->in_use) {
		check->layers_left++;
		return;
	}
	check->layers++;
	if (fingerprint_check(check, place)) {
		header_check(check, place);
		qemu_check(check, place);
	}
}

/* A layer may be in several chains; it is looked at once. */
static bool is_checked_before(const struct check *check, const struct manifest_image *image,
			      size_t disk, const char *file)
{
	const struct manifest *m = &check->manifest;
	const struct manifest_image before = {image->disks, disk};

	return (image != &m->current && manifest_image_holds(&m->current, file)) ||
	       (image == &m->retired && manifest_image_holds(&m->pending, file)) ||
	       manifest_image_holds(&before, file);
}

/* The disk's size where the layer is what a disk of the replica or of a point ends with; else 0. */
static uint64_t layer_top_size(const struct check *check, const struct manifest_image *image,
			       const struct manifest_disk *disk, size_t index)
{
	const struct manifest *m = &check->manifest;

	if (index + 1 == disk->layer_count && image == &m->current) {
		return disk->size_bytes;
	}
	for (size_t i = 0; i < m->point_count; i++) {
		for (size_t k = 0; k < m->points[i].disk_count; k++) {
			if (strcmp(m->points[i].disks[k].file, disk->layers[index].file) == 0) {
				return m->points[i].disks[k].size_bytes;
			}
		}
	}
	return 0;
}

static void image_check(struct check *check, const struct manifest_image *image)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		const struct manifest_disk *disk = &image->disks[i];

		for (size_t k = 0; k < disk->layer_count; k++) {
			struct check_layer place = {
				.layer = &disk->layers[k],
				.below = k == 0 ? NULL : &disk->layers[k - 1],
				.disk = disk->name,
				.top_size = layer_top_size(check, image, disk, k),
			};

			if (!is_checked_before(check, image, i, place.layer->file)) {
				layer_check(check, &place);
			}
		}
	}
}

void check_layers(struct check *check)
{
	image_check(check, &check->manifest.current);
	image_check(check, &check->manifest.pending);
	image_check(check, &check->manifest.retired);
}
