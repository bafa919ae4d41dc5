/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manifest's text. Numbers are signed 64-bit in JSON, so that is their bound everywhere. */
#include "receiver/manifest.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/manifest_json.h"

static const struct mode_word {
	Vmreplica__Wire__Mode mode;
	const char *word;
} mode_words[] = {
	{VMREPLICA__WIRE__MODE__MODE_NONE, ""},
	{VMREPLICA__WIRE__MODE__MODE_INITIAL, "initial"},
	{VMREPLICA__WIRE__MODE__MODE_DELTA, "delta"},
	{VMREPLICA__WIRE__MODE__MODE_RESYNC, "resync"},
};

const char *manifest_mode_to_word(Vmreplica__Wire__Mode mode)
{
	for (size_t i = 0; i < sizeof(mode_words) / sizeof(mode_words[0]); i++) {
		if (mode_words[i].mode == mode) {
			return mode_words[i].word;
		}
	}
	return "";
}

const char *manifest_hash_encode(const uint8_t hash[LOG_HASH_LEN], char text[2 * LOG_HASH_LEN + 1])
{
	for (size_t i = 0; i < LOG_HASH_LEN; i++) {
		snprintf(text + 2 * i, 3, "%02x", hash[i]);
	}
	return text;
}

json_t *manifest_layer_encode(const struct manifest_layer *layer)
{
	json_t *json =
		json_pack("{s:s, s:b, s:I, s:b, s:I, s:I, s:I}", "file", layer->file, "sealed",
			  layer->sealed, "generation", (json_int_t)layer->generation, "frozen",
			  layer->frozen, "size", (json_int_t)layer->size_bytes, "inode",
			  (json_int_t)layer->inode, "mtime_ns", (json_int_t)layer->mtime_ns);

	if (json != NULL && layer->adopted &&
	    (json_object_set_new(json, "adopted", json_true()) < 0 ||
	     json_object_set_new(json, "linked", json_boolean(layer->linked)) < 0)) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static json_t *disk_encode(const struct manifest_disk *disk)
{
	json_t *json;
	json_t *layers = json_array();

	for (size_t i = 0; i < disk->layer_count; i++) {
		if (json_array_append_new(layers, manifest_layer_encode(&disk->layers[i])) < 0) {
			json_decref(layers);
			return NULL;
		}
	}
	json = json_pack("{s:s, s:I, s:o}", "name", disk->name, "size",
			 (json_int_t)disk->size_bytes, "layers", layers);
	if (json != NULL && disk->leaving &&
	    json_object_set_new(json, "leaving", json_true()) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

json_t *manifest_image_encode(const struct manifest_image *image)
{
	json_t *disks = json_array();

	for (size_t i = 0; i < image->disk_count; i++) {
		if (json_array_append_new(disks, disk_encode(&image->disks[i])) < 0) {
			json_decref(disks);
			return NULL;
		}
	}
	return disks;
}

json_t *manifest_cut_encode(const struct manifest_cut *cut)
{
	char hash[2 * LOG_HASH_LEN + 1];

	return json_pack("{s:I, s:s, s:s, s:I}", "seq", (json_int_t)cut->seq, "cut_id", cut->cut_id,
			 "log_hash", manifest_hash_encode(cut->log_hash, hash), "time_ms",
			 (json_int_t)cut->time_ms);
}

static json_t *mark_encode(const struct manifest_mark *mark)
{
	return json_pack("{s:s, s:I, s:s, s:I, s:I, s:s, s:I, s:s}", "mode",
			 manifest_mode_to_word(mark->mode), "seq", (json_int_t)mark->seq, "cut_id",
			 mark->cut_id, "disk", (json_int_t)mark->disk, "offset",
			 (json_int_t)mark->offset, "file", mark->file, "log_offset",
			 (json_int_t)mark->log_offset, "disks", mark->disks);
}

static json_t *log_encode(const struct manifest_log *log)
{
	char hash[2 * LOG_HASH_LEN + 1], previous[2 * LOG_HASH_LEN + 1];

	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:b, s:s}", "seq", (json_int_t)log->seq,
			 "cut_id", log->cut_id, "hash", manifest_hash_encode(log->hash, hash),
			 "file", log->file, "size", (json_int_t)log->size_bytes, "time_ms",
			 (json_int_t)log->time_ms, "application", log->application, "previous",
			 manifest_hash_encode(log->previous_hash, previous));
}

static json_t *logs_encode(const struct manifest *manifest)
{
	json_t *logs = json_array();

	for (size_t i = 0; i < manifest->log_count; i++) {
		if (json_array_append_new(logs, log_encode(&manifest->logs[i])) < 0) {
			json_decref(logs);
			return NULL;
		}
	}
	return logs;
}

static json_t *counters_encode(const struct manifest_counters *counters)
{
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "ok", (json_int_t)counters->ok,
		"failed", (json_int_t)counters->failed, "resyncs", (json_int_t)counters->resyncs,
		"data_bytes", (json_int_t)counters->data_bytes, "wire_bytes",
		(json_int_t)counters->wire_bytes, "largest_bytes",
		(json_int_t)counters->largest_bytes, "latency_ms", (json_int_t)counters->latency_ms,
		"latency_max_ms", (json_int_t)counters->latency_max_ms);
}

/* A node that was not updated yet may serve the store as long as nothing stands that it would not
 * know of. */
static int manifest_format(const struct manifest *manifest)
{
	return manifest->test.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE ||
			       manifest->failover.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE ||
			       manifest->adopted.epoch.number != 0
		       ? MANIFEST_FORMAT
		       : MANIFEST_FORMAT_PLAIN;
}

char *manifest_encode(const struct manifest *manifest, size_t *ret_len)
{
	cleanup_json json_t *root = json_pack(
		"{s:i, s:s, s:s, s:s, s:I, s:s, s:b, s:I, s:I, s:I, s:I, s:b, s:s}", "format",
		manifest_format(manifest), "relationship", manifest->relationship, "vm",
		manifest->vm, "peer_site", manifest->peer_site, "generation",
		(json_int_t)manifest->generation, "owner_node", manifest->owner_node, "closed",
		manifest->closed, "applied_seq", (json_int_t)manifest->applied_seq, "batch_seq",
		(json_int_t)manifest->batch_seq, "next_seq", (json_int_t)manifest->next_seq,
		"next_layer", (json_int_t)manifest->next_layer, "resync_needed",
		manifest->resync_needed, "resync_reason", manifest->resync_reason);
	json_t *epoch = json_pack("{s:I, s:s, s:s}", "number", (json_int_t)manifest->epoch.number,
				  "lineage", manifest->epoch.lineage, "site", manifest->epoch.site);
	int failed = json_object_set_new(root, "epoch", epoch);
	char *text;

	failed |= json_object_set_new(root, "committed", manifest_cut_encode(&manifest->committed));
	failed |= json_object_set_new(root, "current", manifest_image_encode(&manifest->current));
	failed |= json_object_set_new(root, "pending", manifest_image_encode(&manifest->pending));
	failed |= json_object_set_new(root, "mark", mark_encode(&manifest->mark));
	failed |= json_object_set_new(root, "logs", logs_encode(manifest));
	failed |= json_object_set_new(root, "counters", counters_encode(&manifest->counters));
	failed |= manifest_points_encode(root, manifest);
	text = failed != 0 ? NULL : json_dumps(root, JSON_INDENT(1));
	if (text == NULL) {
		return NULL;
	}
	*ret_len = strlen(text);
	return manifest_sum_append(text, ret_len);
}
