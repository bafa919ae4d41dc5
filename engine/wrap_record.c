/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/wrap_record.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_json.h"

#define RECORD_FORMAT 1
#define RECORD_MAX    65536

int wrap_record_path(const char *header, char *buf, size_t size)
{
	return (size_t)snprintf(buf, size, "%s" WRAP_RECORD_SUFFIX, header) < size ? 0
										   : -ENAMETOOLONG;
}

static void hex_of(const uint8_t *digest, char hex[2 * SHA256_LEN + 1])
{
	for (size_t i = 0; i < SHA256_LEN; i++) {
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	}
}

static bool from_hex(const char *hex, uint8_t *digest)
{
	if (strlen(hex) != (size_t)2 * SHA256_LEN) {
		return false;
	}
	for (size_t i = 0; i < SHA256_LEN; i++) {
		unsigned int byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1) {
			return false;
		}
		digest[i] = (uint8_t)byte;
	}
	return true;
}

static const char *text_of(const json_t *root, const char *name)
{
	const char *text = json_string_value(json_object_get(root, name));

	return text != NULL ? text : "";
}

static const char *const counter_names[WRAP_COUNTERS] = {"written", "discarded"};

static void take_counters(const json_t *json, struct wrap_counters *counters)
{
	counters->known = json_is_object(json);
	snprintf(counters->boot, sizeof(counters->boot), "%s", text_of(json, "boot"));
	counters->number = (uint64_t)json_integer_value(json_object_get(json, "number"));
	counters->disk_seq = (uint64_t)json_integer_value(json_object_get(json, "disk_seq"));
	counters->at_ms = json_integer_value(json_object_get(json, "at_ms"));
	for (size_t i = 0; i < WRAP_COUNTERS; i++) {
		const json_t *value = json_object_get(json, counter_names[i]);

		counters->known = counters->known && json_is_integer(value);
		counters->written[i] = (uint64_t)json_integer_value(value);
	}
}

static void take_look(const json_t *root, struct wrap_look *look)
{
	const json_t *json = json_object_get(root, "look");

	look->known = json_is_object(json) && from_hex(text_of(json, "digest"), look->digest);
	look->device = json_is_true(json_object_get(json, "device"));
	look->size_bytes = (uint64_t)json_integer_value(json_object_get(json, "size"));
	look->modified_ns = json_integer_value(json_object_get(json, "modified_ns"));
	take_counters(json_object_get(json, "counters"), &look->counters);
}

static json_t *read_json(const char *header)
{
	char path[PATH_MAX];
	cleanup_close int fd = -1;
	cleanup_free char *text = malloc(RECORD_MAX);
	ssize_t got;

	if (text == NULL || wrap_record_path(header, path, sizeof(path)) < 0) {
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	got = fd >= 0 ? read(fd, text, RECORD_MAX) : -1;
	return got > 0 ? json_loadb(text, (size_t)got, 0, NULL) : NULL;
}

void wrap_record_read(const char *header, struct wrap_record *ret_record,
		      struct wrap_notes *ret_notes)
{
	cleanup_json json_t *root = read_json(header);
	struct wrap_record record = {0};
	struct wrap_notes notes = {0};

	if (json_integer_value(json_object_get(root, "format")) == RECORD_FORMAT) {
		record.state = wrap_state_from_string(text_of(root, "state"));
		snprintf(record.node, sizeof(record.node), "%s", text_of(root, "node"));
		snprintf(record.previous, sizeof(record.previous), "%s", text_of(root, "previous"));
		snprintf(record.why, sizeof(record.why), "%s", text_of(root, "why"));
		take_look(root, &record.look);
		notes.granted = json_is_true(json_object_get(root, "granted"));
		notes.uid = (uint32_t)json_integer_value(json_object_get(root, "uid"));
	}
	if (record.state == WRAP_CLOSED && !record.look.known) {
		record = (struct wrap_record){0};
	}
	*ret_record = record;
	if (ret_notes != NULL) {
		*ret_notes = notes;
	}
}

static void add_counters(json_t *look, const struct wrap_counters *counters)
{
	json_t *json;

	if (!counters->known) {
		return;
	}
	json = json_pack("{s:s, s:I, s:I, s:I}", "boot", counters->boot, "number",
			 (json_int_t)counters->number, "disk_seq", (json_int_t)counters->disk_seq,
			 "at_ms", (json_int_t)counters->at_ms);
	for (size_t i = 0; i < WRAP_COUNTERS && json != NULL; i++) {
		json_object_set_new(json, counter_names[i],
				    json_integer((json_int_t)counters->written[i]));
	}
	json_object_set_new(look, "counters", json);
}

static json_t *to_json(const struct wrap_record *record, const struct wrap_notes *notes)
{
	json_t *root = json_pack("{s:i, s:s, s:s, s:s, s:s, s:b, s:I}", "format", RECORD_FORMAT,
				 "state", wrap_state_to_string(record->state), "node", record->node,
				 "previous", record->previous, "why", record->why, "granted",
				 (int)notes->granted, "uid", (json_int_t)notes->uid);
	char hex[2 * SHA256_LEN + 1];
	json_t *look;

	if (root != NULL && record->look.known) {
		hex_of(record->look.digest, hex);
		look = json_pack("{s:b, s:I, s:I, s:s}", "device", (int)record->look.device, "size",
				 (json_int_t)record->look.size_bytes, "modified_ns",
				 (json_int_t)record->look.modified_ns, "digest", hex);
		add_counters(look, &record->look.counters);
		json_object_set_new(root, "look", look);
	}
	return root;
}

static int write_file(const char *path, const char *text)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fsync(fd) < 0) {
		return errno != 0 ? -errno : -EIO;
	}
	return 0;
}

static int sync_directory(const char *path)
{
	cleanup_free char *copy = strdup(path);
	cleanup_close int fd = copy != NULL ? open(dirname(copy), O_RDONLY | O_CLOEXEC) : -1;

	return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

int wrap_record_write(const char *header, const struct wrap_record *record,
		      const struct wrap_notes *notes)
{
	char path[PATH_MAX], aside[PATH_MAX];
	struct wrap_notes kept;
	struct wrap_record ignored;
	cleanup_json json_t *root = NULL;
	cleanup_free char *text = NULL;
	int result = wrap_record_path(header, path, sizeof(path));

	if (result < 0 ||
	    (size_t)snprintf(aside, sizeof(aside), "%s.%d", path, gettid()) >= sizeof(aside)) {
		return -ENAMETOOLONG;
	}
	if (notes == NULL) {
		wrap_record_read(header, &ignored, &kept);
		notes = &kept;
	}
	root = to_json(record, notes);
	text = root != NULL ? json_dumps(root, JSON_INDENT(1)) : NULL;
	if (text == NULL) {
		return -ENOMEM;
	}
	unlink(aside);
	result = write_file(aside, text);
	if (result == 0 && rename(aside, path) < 0) {
		result = -errno;
	}
	if (result < 0) {
		unlink(aside);
		return result;
	}
	return sync_directory(path);
}

int wrap_record_event(const char *header, const char *raw, enum wrap_event event, const char *node,
		      struct wrap_record *ret_record)
{
	struct wrap_record record, next;
	struct wrap_look now = {0};
	int result = 0;

	wrap_record_read(header, &record, NULL);
	if (wrap_witness_needs_look(&record, event, node)) {
		wrap_look(raw, &now);
	}
	if (wrap_witness_next(&record, event, node, &now, &next)) {
		result = wrap_record_write(header, &next, NULL);
	}
	if (ret_record != NULL) {
		*ret_record = next;
	}
	return result;
}
