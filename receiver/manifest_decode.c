/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manifest's text, read: nothing in it is believed. Numbers are signed 64-bit in JSON, so that
 * is their bound everywhere. */
#include "receiver/manifest.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/validate.h"
#include "receiver/manifest_json.h"

static int mode_from_word(const char *word, Vmreplica__Wire__Mode *ret_mode)
{
	static const Vmreplica__Wire__Mode modes[] = {
		VMREPLICA__WIRE__MODE__MODE_NONE,
		VMREPLICA__WIRE__MODE__MODE_INITIAL,
		VMREPLICA__WIRE__MODE__MODE_DELTA,
		VMREPLICA__WIRE__MODE__MODE_RESYNC,
	};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(manifest_mode_to_word(modes[i]), word) == 0) {
			*ret_mode = modes[i];
			return 0;
		}
	}
	return -EBADMSG;
}

/* What a decoder found wrong: the name of the part, for the error's sentence. */
static int damaged(const char **ret_part, const char *part)
{
	*ret_part = part;
	return -EBADMSG;
}

int manifest_text_decode(const char *text, char *ret, size_t size)
{
	size_t len = strlen(text);

	if (len >= size) {
		return -EBADMSG;
	}
	memcpy(ret, text, len + 1);
	return 0;
}

int manifest_hash_decode(const char *text, uint8_t ret_hash[LOG_HASH_LEN])
{
	if (strlen(text) != 2 * LOG_HASH_LEN ||
	    strspn(text, "0123456789abcdef") != 2 * LOG_HASH_LEN) {
		return -EBADMSG;
	}
	for (size_t i = 0; i < LOG_HASH_LEN; i++) {
		char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};

		ret_hash[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return 0;
}

int manifest_number_decode(json_int_t number, uint64_t max, uint64_t *ret_number)
{
	if (number < 0 || (uint64_t)number > max) {
		return -EBADMSG;
	}
	*ret_number = (uint64_t)number;
	return 0;
}

int manifest_file_decode(const char *text, char ret_file[MANIFEST_FILE_MAX + 1])
{
	/* vm-<epoch>/ holds what a VM of ours wrote, which may become a layer. */
	size_t prefix = strncmp(text, "gen-", 4) == 0 ? 4 : strncmp(text, "vm-", 3) == 0 ? 3 : 0;
	const char *slash = strchr(text, '/');

	if (prefix == 0 || slash == NULL ||
	    strspn(text + prefix, "0123456789") != (size_t)(slash - text) - prefix ||
	    slash == text + prefix || slash[1] == '.' || slash[1] == '\0' ||
	    strchr(slash + 1, '/') != NULL) {
		return -EBADMSG;
	}
	return manifest_text_decode(text, ret_file, MANIFEST_FILE_MAX + 1);
}

int manifest_layer_decode(json_t *json, struct manifest_layer *ret_layer)
{
	json_int_t generation, size, inode, mtime_ns;
	struct manifest_layer layer = {0};
	const char *file;
	int frozen, sealed = 0, adopted = 0; /* sealed came with format 2, adopted with 3 */
	int linked = 1; /* format 3 may lack it: such an adopted layer may be a link */

	if (json_unpack(json, "{s:s, s?b, s?b, s?b, s:I, s:b, s:I, s:I, s:I}", "file", &file,
			"sealed", &sealed, "adopted", &adopted, "linked", &linked, "generation",
			&generation, "frozen", &frozen, "size", &size, "inode", &inode, "mtime_ns",
			&mtime_ns) < 0 ||
	    manifest_file_decode(file, layer.file) < 0 ||
	    manifest_number_decode(generation, INT64_MAX, &layer.generation) < 0 ||
	    manifest_number_decode(size, INT64_MAX, &layer.size_bytes) < 0) {
		return -EBADMSG;
	}
	layer.frozen = frozen != 0;
	layer.sealed = sealed != 0;
	layer.adopted = adopted != 0;
	layer.linked = layer.adopted && linked != 0;
	layer.inode = (uint64_t)inode;
	layer.mtime_ns = mtime_ns;
	*ret_layer = layer;
	return 0;
}

static int disk_decode(json_t *json, struct manifest_disk *ret_disk)
{
	json_t *layers, *item;
	const char *name;
	json_int_t size;
	int leaving = 0;
	size_t i;
	int rc;

	if (json_unpack(json, "{s:s, s:I, s:o, s?b}", "name", &name, "size", &size, "layers",
			&layers, "leaving", &leaving) < 0 ||
	    !json_is_array(layers) || json_array_size(layers) == 0 || !validate_disk_name(name) ||
	    manifest_text_decode(name, ret_disk->name, sizeof(ret_disk->name)) < 0 ||
	    manifest_number_decode(size, DISK_SIZE_MAX, &ret_disk->size_bytes) < 0) {
		return -EBADMSG;
	}
	ret_disk->leaving = leaving != 0;
	json_array_foreach(layers, i, item)
	{
		struct manifest_layer layer;

		rc = manifest_layer_decode(item, &layer);
		rc = rc < 0 ? rc : manifest_disk_push(ret_disk, &layer);
		if (rc < 0) {
			return rc == -E2BIG ? -EBADMSG : rc;
		}
	}
	return 0;
}

/* On failure what was decoded stays in ret_image: the caller destroys the whole manifest. */
int manifest_image_decode(json_t *disks, struct manifest_image *ret_image)
{
	json_t *item;
	size_t i;

	if (!json_is_array(disks) || json_array_size(disks) > DISKS_MAX) {
		return -EBADMSG;
	}
	ret_image->disks = calloc(json_array_size(disks) + 1, sizeof(*ret_image->disks));
	if (ret_image->disks == NULL) {
		return -ENOMEM;
	}
	json_array_foreach(disks, i, item)
	{
		int rc;

		ret_image->disk_count = i + 1;
		rc = disk_decode(item, &ret_image->disks[i]);
		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

int manifest_cut_decode(json_t *json, struct manifest_cut *ret_cut)
{
	json_int_t seq, time_ms;
	const char *cut_id, *hash;

	if (json_unpack(json, "{s:I, s:s, s:s, s:I}", "seq", &seq, "cut_id", &cut_id, "log_hash",
			&hash, "time_ms", &time_ms) < 0 ||
	    manifest_number_decode(seq, INT64_MAX, &ret_cut->seq) < 0 ||
	    (seq != 0 && !validate_cut_id(cut_id)) ||
	    manifest_text_decode(cut_id, ret_cut->cut_id, sizeof(ret_cut->cut_id)) < 0 ||
	    manifest_hash_decode(hash, ret_cut->log_hash) < 0) {
		return -EBADMSG;
	}
	ret_cut->time_ms = time_ms;
	return 0;
}

static int mark_decode(json_t *json, struct manifest_mark *ret_mark)
{
	json_int_t seq, disk, offset, log_offset;
	const char *mode, *cut_id, *file, *disks;
	uint64_t index;

	if (json_unpack(json, "{s:s, s:I, s:s, s:I, s:I, s:s, s:I, s:s}", "mode", &mode, "seq",
			&seq, "cut_id", &cut_id, "disk", &disk, "offset", &offset, "file", &file,
			"log_offset", &log_offset, "disks", &disks) < 0 ||
	    mode_from_word(mode, &ret_mark->mode) < 0 ||
	    manifest_number_decode(seq, INT64_MAX, &ret_mark->seq) < 0 ||
	    manifest_number_decode(disk, DISKS_MAX, &index) < 0 ||
	    manifest_number_decode(offset, DISK_SIZE_MAX, &ret_mark->offset) < 0 ||
	    manifest_number_decode(log_offset, INT64_MAX, &ret_mark->log_offset) < 0 ||
	    manifest_text_decode(cut_id, ret_mark->cut_id, sizeof(ret_mark->cut_id)) < 0 ||
	    (file[0] != '\0' && manifest_file_decode(file, ret_mark->file) < 0) ||
	    manifest_text_decode(disks, ret_mark->disks, sizeof(ret_mark->disks)) < 0) {
		return -EBADMSG;
	}
	ret_mark->disk = (uint32_t)index;
	return 0;
}

static int log_decode(json_t *json, struct manifest_log *ret_log)
{
	const char *cut_id, *hash, *file, *previous = NULL;
	struct manifest_log log = {0};
	json_int_t seq, size, time_ms = 0;
	int application = 0;

	/* The last three came with format 2. */
	if (json_unpack(json, "{s:I, s:s, s:s, s:s, s:I, s?I, s?b, s?s}", "seq", &seq, "cut_id",
			&cut_id, "hash", &hash, "file", &file, "size", &size, "time_ms", &time_ms,
			"application", &application, "previous", &previous) < 0 ||
	    manifest_number_decode(seq, INT64_MAX, &log.seq) < 0 || !validate_cut_id(cut_id) ||
	    manifest_text_decode(cut_id, log.cut_id, sizeof(log.cut_id)) < 0 ||
	    manifest_hash_decode(hash, log.hash) < 0 || manifest_file_decode(file, log.file) < 0 ||
	    manifest_number_decode(size, INT64_MAX, &log.size_bytes) < 0 ||
	    (previous != NULL && manifest_hash_decode(previous, log.previous_hash) < 0)) {
		return -EBADMSG;
	}
	log.time_ms = time_ms;
	log.application = application != 0;
	*ret_log = log;
	return 0;
}

static int logs_decode(json_t *logs, struct manifest *ret_manifest)
{
	uint64_t last_seq = 0;
	json_t *item;
	size_t i;

	if (!json_is_array(logs)) {
		return -EBADMSG;
	}
	json_array_foreach(logs, i, item)
	{
		struct manifest_log log;

		if (log_decode(item, &log) < 0 || log.seq <= last_seq) {
			return -EBADMSG;
		}
		last_seq = log.seq;
		if (manifest_log_push(ret_manifest, &log) < 0) {
			return -EBADMSG;
		}
	}
	return 0;
}

static int counters_decode(json_t *json, struct manifest_counters *ret)
{
	json_int_t n[8];
	uint64_t *const to[8] = {&ret->ok,	   &ret->failed,	&ret->resyncs,
				 &ret->data_bytes, &ret->wire_bytes,	&ret->largest_bytes,
				 &ret->latency_ms, &ret->latency_max_ms};

	if (json_unpack(json, "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "ok", &n[0], "failed",
			&n[1], "resyncs", &n[2], "data_bytes", &n[3], "wire_bytes", &n[4],
			"largest_bytes", &n[5], "latency_ms", &n[6], "latency_max_ms", &n[7]) < 0) {
		return -EBADMSG;
	}
	for (size_t i = 0; i < 8; i++) {
		if (manifest_number_decode(n[i], INT64_MAX, to[i]) < 0) {
			return -EBADMSG;
		}
	}
	return 0;
}

int manifest_epoch_decode(json_t *json, struct manifest_epoch *ret_epoch)
{
	const char *lineage, *site;
	json_int_t number;

	return json_unpack(json, "{s:I, s:s, s:s}", "number", &number, "lineage", &lineage, "site",
			   &site) < 0 ||
			       manifest_number_decode(number, INT64_MAX, &ret_epoch->number) < 0 ||
			       manifest_text_decode(lineage, ret_epoch->lineage,
						    sizeof(ret_epoch->lineage)) < 0 ||
			       manifest_text_decode(site, ret_epoch->site,
						    sizeof(ret_epoch->site)) < 0
		       ? -EBADMSG
		       : 0;
}

static int names_decode(json_t *root, struct manifest *m)
{
	const char *relationship, *vm, *peer_site, *owner_node, *resync_reason;

	if (json_unpack(root, "{s:s, s:s, s:s, s:s, s:s}", "relationship", &relationship, "vm", &vm,
			"peer_site", &peer_site, "owner_node", &owner_node, "resync_reason",
			&resync_reason) < 0 ||
	    !validate_uuid(relationship) ||
	    manifest_text_decode(relationship, m->relationship, sizeof(m->relationship)) < 0 ||
	    manifest_text_decode(vm, m->vm, sizeof(m->vm)) < 0 ||
	    manifest_text_decode(peer_site, m->peer_site, sizeof(m->peer_site)) < 0 ||
	    manifest_text_decode(owner_node, m->owner_node, sizeof(m->owner_node)) < 0 ||
	    manifest_text_decode(resync_reason, m->resync_reason, sizeof(m->resync_reason)) < 0) {
		return -EBADMSG;
	}
	return 0;
}

static int numbers_decode(json_t *root, struct manifest *m)
{
	json_int_t generation, applied_seq, batch_seq = 0, next_seq, next_layer;
	int closed, resync_needed;

	if (json_unpack(root, "{s:I, s:I, s?I, s:I, s:I, s:b, s:b}", "generation", &generation,
			"applied_seq", &applied_seq, "batch_seq", &batch_seq, "next_seq", &next_seq,
			"next_layer", &next_layer, "closed", &closed, "resync_needed",
			&resync_needed) < 0 ||
	    manifest_number_decode(generation, INT64_MAX, &m->generation) < 0 ||
	    m->generation == 0 ||
	    manifest_number_decode(applied_seq, INT64_MAX, &m->applied_seq) < 0 ||
	    manifest_number_decode(batch_seq, INT64_MAX, &m->batch_seq) < 0 ||
	    manifest_number_decode(next_seq, INT64_MAX, &m->next_seq) < 0 ||
	    manifest_number_decode(next_layer, INT64_MAX, &m->next_layer) < 0) {
		return -EBADMSG;
	}
	m->closed = closed != 0;
	m->resync_needed = m->distrusted = resync_needed != 0; /* distrusted is told by format 2 */
	return 0;
}

/* The end of an open batch is a log that is here and not applied: else it could never be closed. */
static bool batch_is_sound(const struct manifest *m)
{
	for (size_t i = 0; m->batch_seq != 0 && i < m->log_count; i++) {
		if (m->logs[i].seq == m->batch_seq) {
			return m->batch_seq > m->applied_seq;
		}
	}
	return m->batch_seq == 0;
}

static int manifest_decode_root(json_t *root, json_int_t format, struct manifest *m,
				const char **ret_part)
{
	json_t *epoch, *committed, *current, *pending, *mark, *logs, *counters;

	if (json_unpack(root, "{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "epoch", &epoch, "committed",
			&committed, "current", &current, "pending", &pending, "mark", &mark, "logs",
			&logs, "counters", &counters) < 0) {
		return damaged(ret_part, "its parts");
	}
	if (names_decode(root, m) < 0 || numbers_decode(root, m) < 0) {
		return damaged(ret_part, "its head");
	}
	if (manifest_epoch_decode(epoch, &m->epoch) < 0) {
		return damaged(ret_part, "epoch");
	}
	if (manifest_cut_decode(committed, &m->committed) < 0) {
		return damaged(ret_part, "committed");
	}
	if (manifest_image_decode(current, &m->current) < 0 ||
	    manifest_image_decode(pending, &m->pending) < 0) {
		return damaged(ret_part, "current or pending");
	}
	if (mark_decode(mark, &m->mark) < 0) {
		return damaged(ret_part, "mark");
	}
	if (logs_decode(logs, m) < 0) {
		return damaged(ret_part, "logs");
	}
	if (!batch_is_sound(m)) {
		return damaged(ret_part, "batch_seq");
	}
	if (counters_decode(counters, &m->counters) < 0) {
		return damaged(ret_part, "counters");
	}
	return format > 1 && manifest_points_decode(root, m) < 0
		       ? damaged(ret_part, "recovery points")
		       : 0;
}

int manifest_decode(const char *text, size_t len, struct manifest *ret_manifest,
		    char error[MANIFEST_ERROR_LEN])
{
	json_error_t where;
	cleanup_json json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	struct manifest manifest = {0};
	const char *part = "";
	json_int_t format;
	size_t offset = 0;

	if (root == NULL || json_unpack(root, "{s:I}", "format", &format) < 0) {
		snprintf(error, MANIFEST_ERROR_LEN, MANIFEST_NAME " is damaged at byte %d: %.100s",
			 root == NULL ? where.position : 0,
			 root == NULL ? where.text : "it has no format version");
		return -EBADMSG;
	}
	if (format < 1) {
		snprintf(error, MANIFEST_ERROR_LEN, MANIFEST_NAME " is damaged: format %lld",
			 (long long)format);
		return -EBADMSG;
	}
	if (format > MANIFEST_FORMAT) {
		snprintf(error, MANIFEST_ERROR_LEN,
			 MANIFEST_NAME " has format %lld, this vmreplica knows %d: it was written "
				       "by a newer one; update this node",
			 (long long)format, MANIFEST_FORMAT);
		return -EPROTONOSUPPORT;
	}
	if (!manifest_sum_is_right(text, len, &offset)) {
		snprintf(error, MANIFEST_ERROR_LEN,
			 MANIFEST_NAME " is damaged at byte %zu or in the 4 KiB after it: its "
				       "checksum is another",
			 offset);
		return -EBADMSG;
	}
	if (manifest_decode_root(root, format, &manifest, &part) < 0) {
		manifest_destroy(&manifest);
		snprintf(error, MANIFEST_ERROR_LEN, MANIFEST_NAME " is damaged in %s", part);
		return -EBADMSG;
	}
	*ret_manifest = manifest;
	return 0;
}
