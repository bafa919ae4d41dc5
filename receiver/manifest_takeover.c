/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a failover or test failover leaves in the manifest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/validate.h"
#include "receiver/manifest_json.h"

void manifest_takeover_destroy(struct manifest_takeover *takeover)
{
	free(takeover->disks);
	memset(takeover, 0, sizeof(*takeover));
}

int manifest_takeover_copy(const struct manifest_takeover *from, struct manifest_takeover *ret)
{
	struct manifest_takeover copy = *from;

	copy.disks = NULL;
	if (from->disk_count > 0) {
		copy.disks = calloc(from->disk_count, sizeof(*copy.disks));
		if (copy.disks == NULL) {
			return -ENOMEM;
		}
		memcpy(copy.disks, from->disks, from->disk_count * sizeof(*copy.disks));
	}
	*ret = copy;
	return 0;
}

bool manifest_takeover_refers_to(const struct manifest_takeover *takeover, const char *file)
{
	for (size_t i = 0; i < takeover->disk_count; i++) {
		if (strcmp(takeover->disks[i].built.file, file) == 0) {
			return true;
		}
	}
	return false;
}

static const struct manifest_disk *image_chain_find(const struct manifest_image *image,
						    const char *file, size_t *ret_index)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		for (size_t k = 0; k < image->disks[i].layer_count; k++) {
			if (strcmp(image->disks[i].layers[k].file, file) == 0) {
				*ret_index = k;
				return &image->disks[i];
			}
		}
	}
	return NULL;
}

const struct manifest_disk *manifest_chain_find(const struct manifest *manifest, const char *file,
						size_t *ret_index)
{
	const struct manifest_disk *disk = image_chain_find(&manifest->current, file, ret_index);

	return disk != NULL ? disk : image_chain_find(&manifest->retired, file, ret_index);
}

/* ---- its text ---- */

static json_t *disk_encode(const struct manifest_taken_disk *disk)
{
	json_t *json = json_pack("{s:s, s:I, s:s}", "name", disk->name, "size",
				 (json_int_t)disk->size_bytes, "base", disk->base);

	if (json != NULL && disk->built.file[0] != '\0' &&
	    json_object_set_new(json, "built", manifest_layer_encode(&disk->built)) < 0) {
		json_decref(json);
		return NULL;
	}
	return json;
}

json_t *manifest_takeover_encode(const struct manifest_takeover *takeover)
{
	json_t *disks = json_array();

	for (size_t i = 0; i < takeover->disk_count; i++) {
		if (json_array_append_new(disks, disk_encode(&takeover->disks[i])) < 0) {
			json_decref(disks);
			return NULL;
		}
	}
	return json_pack("{s:s, s:o, s:b, s:b, s:o, s:I, s:b, s:b, s:b}", "holder",
			 takeover->holder, "cut", manifest_cut_encode(&takeover->cut),
			 "application", takeover->application, "ready", takeover->ready, "disks",
			 disks, "epoch", (json_int_t)takeover->epoch, "planned", takeover->planned,
			 "committed", takeover->committed, "advanced", takeover->advanced);
}

static int disk_decode(json_t *json, struct manifest_taken_disk *ret_disk)
{
	json_t *built = NULL;
	const char *name, *base;
	json_int_t size;

	return json_unpack(json, "{s:s, s:I, s:s, s?o}", "name", &name, "size", &size, "base",
			   &base, "built", &built) < 0 ||
			       !validate_disk_name(name) ||
			       manifest_text_decode(name, ret_disk->name, sizeof(ret_disk->name)) <
				       0 ||
			       manifest_number_decode(size, DISK_SIZE_MAX, &ret_disk->size_bytes) <
				       0 ||
			       manifest_file_decode(base, ret_disk->base) < 0 ||
			       (built != NULL && manifest_layer_decode(built, &ret_disk->built) < 0)
		       ? -EBADMSG
		       : 0;
}

static int disks_decode(json_t *disks, struct manifest_takeover *takeover)
{
	json_t *item;
	size_t i;

	if (!json_is_array(disks) || json_array_size(disks) == 0 ||
	    json_array_size(disks) > DISKS_MAX) {
		return -EBADMSG;
	}
	takeover->disks = calloc(json_array_size(disks), sizeof(*takeover->disks));
	if (takeover->disks == NULL) {
		return -ENOMEM;
	}
	json_array_foreach(disks, i, item)
	{
		if (disk_decode(item, &takeover->disks[i]) < 0) {
			return -EBADMSG;
		}
		takeover->disk_count = i + 1;
	}
	return 0;
}

int manifest_takeover_decode(json_t *json, Vmreplica__TakeoverKind kind,
			     struct manifest_takeover *takeover)
{
	int application, ready, planned, committed, advanced;
	json_t *cut, *disks;
	const char *holder;
	json_int_t epoch;

	if (json_unpack(json, "{s:s, s:o, s:b, s:b, s:o, s:I, s:b, s:b, s:b}", "holder", &holder,
			"cut", &cut, "application", &application, "ready", &ready, "disks", &disks,
			"epoch", &epoch, "planned", &planned, "committed", &committed, "advanced",
			&advanced) < 0 ||
	    manifest_text_decode(holder, takeover->holder, sizeof(takeover->holder)) < 0 ||
	    manifest_cut_decode(cut, &takeover->cut) < 0 || takeover->cut.seq == 0 ||
	    manifest_number_decode(epoch, INT64_MAX, &takeover->epoch) < 0) {
		return -EBADMSG;
	}
	takeover->kind = kind;
	takeover->application = application != 0;
	takeover->ready = ready != 0;
	takeover->planned = planned != 0;
	takeover->committed = committed != 0;
	takeover->advanced = advanced != 0;
	return disks_decode(disks, takeover);
}

/* ---- adoption ---- */

json_t *manifest_adopted_encode(const struct manifest_adopted *adopted)
{
	const struct manifest_epoch *epoch = &adopted->epoch;

	return json_pack("{s:{s:I, s:s, s:s}, s:I, s:b, s:b, s:s}", "epoch", "number",
			 (json_int_t)epoch->number, "lineage", epoch->lineage, "site", epoch->site,
			 "seq", (json_int_t)adopted->seq, "pending", adopted->pending, "bitmaps",
			 adopted->bitmaps, "extents", adopted->extents);
}

int manifest_adopted_decode(json_t *json, struct manifest_adopted *ret_adopted)
{
	int pending, bitmaps;
	const char *extents;
	json_int_t seq;
	json_t *epoch;

	if (json_unpack(json, "{s:o, s:I, s:b, s:b, s:s}", "epoch", &epoch, "seq", &seq, "pending",
			&pending, "bitmaps", &bitmaps, "extents", &extents) < 0 ||
	    manifest_epoch_decode(epoch, &ret_adopted->epoch) < 0 ||
	    manifest_number_decode(seq, INT64_MAX, &ret_adopted->seq) < 0 ||
	    manifest_text_decode(extents, ret_adopted->extents, sizeof(ret_adopted->extents)) < 0 ||
	    (extents[0] != '\0' && !validate_absolute_path(extents))) {
		return -EBADMSG;
	}
	ret_adopted->pending = pending != 0;
	ret_adopted->bitmaps = bitmaps != 0;
	return 0;
}
