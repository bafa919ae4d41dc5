/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What formats 2 and 3 added to the manifest: points, retired chains, the merge, pins, the index of
 * logs; takeovers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/validate.h"
#include "receiver/manifest_json.h"

/* ---- encoding ---- */

static json_t *point_encode(const struct manifest_point *point)
{
	json_t *disks = json_array();

	for (size_t i = 0; i < point->disk_count; i++) {
		const struct manifest_point_disk *disk = &point->disks[i];

		if (json_array_append_new(disks, json_pack("{s:s, s:s, s:I}", "name", disk->name,
							   "file", disk->file, "size",
							   (json_int_t)disk->size_bytes)) < 0) {
			json_decref(disks);
			return NULL;
		}
	}
	return json_pack("{s:o, s:b, s:o}", "cut", manifest_cut_encode(&point->cut), "application",
			 point->application, "disks", disks);
}

static json_t *merge_encode(const struct manifest_merge *merge)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:b}", "disk", merge->disk, "from", merge->from,
			 "into", merge->into, "offset", (json_int_t)merge->offset, "copied",
			 merge->copied);
}

static json_t *points_encode(const struct manifest *manifest)
{
	json_t *points = json_array();

	for (size_t i = 0; i < manifest->point_count; i++) {
		if (json_array_append_new(points, point_encode(&manifest->points[i])) < 0) {
			json_decref(points);
			return NULL;
		}
	}
	return points;
}

static json_t *pins_encode(const struct manifest *manifest)
{
	json_t *pins = json_array();

	for (size_t i = 0; i < manifest->pin_count; i++) {
		const struct manifest_pin *pin = &manifest->pins[i];

		if (json_array_append_new(pins, json_pack("{s:s, s:s}", "file", pin->file, "holder",
							  pin->holder)) < 0) {
			json_decref(pins);
			return NULL;
		}
	}
	return pins;
}

int manifest_points_encode(json_t *root, const struct manifest *manifest)
{
	int failed = json_object_set_new(root, "points", points_encode(manifest));

	failed |= json_object_set_new(root, "retired", manifest_image_encode(&manifest->retired));
	failed |= json_object_set_new(root, "merge", merge_encode(&manifest->merge));
	failed |= json_object_set_new(root, "pins", pins_encode(manifest));
	failed |= json_object_set_new(root, "history",
				      json_pack("{s:I, s:I}", "generation",
						(json_int_t)manifest->history_generation, "from",
						(json_int_t)manifest->history_from));
	failed |= json_object_set_new(root, "peer_address", json_string(manifest->peer_address));
	failed |= json_object_set_new(root, "distrusted", json_boolean(manifest->distrusted));
	if (manifest->adopted.epoch.number != 0) {
		failed |= json_object_set_new(root, "adopted",
					      manifest_adopted_encode(&manifest->adopted));
	}
	if (manifest->test.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE) {
		failed |= json_object_set_new(root, "test",
					      manifest_takeover_encode(&manifest->test));
	}
	if (manifest->failover.kind != VMREPLICA__TAKEOVER_KIND__TAKEOVER_NONE) {
		failed |= json_object_set_new(root, "failover",
					      manifest_takeover_encode(&manifest->failover));
	}
	failed |= json_object_set_new(root, "states", manifest_states_encode(manifest));
	return failed;
}

/* ---- decoding ---- */

static int point_disk_decode(json_t *json, struct manifest_point_disk *ret_disk)
{
	const char *name, *file;
	json_int_t size;

	return json_unpack(json, "{s:s, s:s, s:I}", "name", &name, "file", &file, "size", &size) <
				       0 ||
			       !validate_disk_name(name) ||
			       manifest_text_decode(name, ret_disk->name, sizeof(ret_disk->name)) <
				       0 ||
			       manifest_file_decode(file, ret_disk->file) < 0 ||
			       manifest_number_decode(size, DISK_SIZE_MAX, &ret_disk->size_bytes) <
				       0
		       ? -EBADMSG
		       : 0;
}

static int point_decode(json_t *json, struct manifest_point *ret_point)
{
	json_t *cut, *disks, *item;
	int application;
	size_t i;

	if (json_unpack(json, "{s:o, s:b, s:o}", "cut", &cut, "application", &application, "disks",
			&disks) < 0 ||
	    manifest_cut_decode(cut, &ret_point->cut) < 0 || ret_point->cut.seq == 0 ||
	    !json_is_array(disks) || json_array_size(disks) == 0 ||
	    json_array_size(disks) > DISKS_MAX) {
		return -EBADMSG;
	}
	ret_point->application = application != 0;
	ret_point->disks = calloc(json_array_size(disks), sizeof(*ret_point->disks));
	if (ret_point->disks == NULL) {
		return -ENOMEM;
	}
	json_array_foreach(disks, i, item)
	{
		if (point_disk_decode(item, &ret_point->disks[i]) < 0) {
			return -EBADMSG;
		}
		ret_point->disk_count = i + 1;
	}
	return 0;
}

static int points_decode(json_t *points, struct manifest *m)
{
	uint64_t last_seq = 0;
	json_t *item;
	size_t i;

	if (!json_is_array(points) || json_array_size(points) > MANIFEST_POINTS_MAX) {
		return -EBADMSG;
	}
	m->points = calloc(json_array_size(points) + 1, sizeof(*m->points));
	if (m->points == NULL) {
		return -ENOMEM;
	}
	json_array_foreach(points, i, item)
	{
		int rc;

		m->point_count = i + 1;
		rc = point_decode(item, &m->points[i]);
		if (rc < 0 || m->points[i].cut.seq <= last_seq) {
			return rc < 0 ? rc : -EBADMSG;
		}
		last_seq = m->points[i].cut.seq;
	}
	return 0;
}

/* No point may name a layer that is in no chain. */
static int points_check(const struct manifest *m)
{
	for (size_t i = 0; i < m->point_count; i++) {
		for (size_t k = 0; k < m->points[i].disk_count; k++) {
			if (!manifest_refers_to(m, m->points[i].disks[k].file)) {
				return -EBADMSG;
			}
		}
	}
	return 0;
}

static int merge_decode(json_t *json, struct manifest_merge *ret_merge)
{
	const char *disk, *from, *into;
	json_int_t offset;
	int copied;

	if (json_unpack(json, "{s:s, s:s, s:s, s:I, s:b}", "disk", &disk, "from", &from, "into",
			&into, "offset", &offset, "copied", &copied) < 0 ||
	    manifest_number_decode(offset, DISK_SIZE_MAX, &ret_merge->offset) < 0) {
		return -EBADMSG;
	}
	if (from[0] == '\0') {
		memset(ret_merge, 0, sizeof(*ret_merge));
		return 0;
	}
	ret_merge->copied = copied != 0;
	return !validate_disk_name(disk) ||
			       manifest_text_decode(disk, ret_merge->disk,
						    sizeof(ret_merge->disk)) < 0 ||
			       manifest_file_decode(from, ret_merge->from) < 0 ||
			       manifest_file_decode(into, ret_merge->into) < 0
		       ? -EBADMSG
		       : 0;
}

static int pins_decode(json_t *pins, struct manifest *m)
{
	json_t *item;
	size_t i;

	if (!json_is_array(pins)) {
		return -EBADMSG;
	}
	json_array_foreach(pins, i, item)
	{
		char checked[MANIFEST_FILE_MAX + 1];
		const char *file, *holder;

		if (json_unpack(item, "{s:s, s:s}", "file", &file, "holder", &holder) < 0 ||
		    manifest_file_decode(file, checked) < 0 ||
		    strlen(holder) > MANIFEST_HOLDER_MAX ||
		    manifest_pin_add(m, checked, holder) < 0) {
			return -EBADMSG;
		}
	}
	return 0;
}

/* What a takeover stands on must be there. */
static int takeover_check(const struct manifest *m, const struct manifest_takeover *takeover)
{
	for (size_t i = 0; i < takeover->disk_count; i++) {
		size_t index;

		if (manifest_chain_find(m, takeover->disks[i].base, &index) == NULL) {
			return -EBADMSG;
		}
	}
	return 0;
}

static int takeovers_decode(json_t *root, struct manifest *m)
{
	json_t *test = NULL, *failover = NULL, *adopted = NULL;
	const char *peer_address = "";
	int distrusted = m->distrusted; /* an older receiver did not write it down */
	int rc = json_unpack(root, "{s?b, s?o, s?o, s?o, s?s}", "distrusted", &distrusted, "test",
			     &test, "failover", &failover, "adopted", &adopted, "peer_address",
			     &peer_address) < 0 ||
				 manifest_text_decode(peer_address, m->peer_address,
						      sizeof(m->peer_address)) < 0
			 ? -EBADMSG
			 : 0;

	m->distrusted = distrusted != 0;
	if (rc == 0 && test != NULL) {
		rc = manifest_takeover_decode(test, VMREPLICA__TAKEOVER_KIND__TAKEOVER_TEST,
					      &m->test);
	}
	if (rc == 0 && failover != NULL) {
		rc = manifest_takeover_decode(failover, VMREPLICA__TAKEOVER_KIND__TAKEOVER_FAILOVER,
					      &m->failover);
	}
	if (rc == 0 && adopted != NULL) {
		rc = manifest_adopted_decode(adopted, &m->adopted);
	}
	rc = rc < 0 ? rc : takeover_check(m, &m->test);
	return rc < 0 ? rc : takeover_check(m, &m->failover);
}

int manifest_points_decode(json_t *root, struct manifest *m)
{
	json_t *points, *retired, *merge, *pins, *states = NULL;
	json_int_t generation, from;
	int rc;

	if (json_unpack(root, "{s:o, s:o, s:o, s:o, s:{s:I, s:I}, s?o}", "points", &points,
			"retired", &retired, "merge", &merge, "pins", &pins, "history",
			"generation", &generation, "from", &from, "states", &states) < 0 ||
	    manifest_number_decode(generation, INT64_MAX, &m->history_generation) < 0 ||
	    manifest_number_decode(from, INT64_MAX, &m->history_from) < 0) {
		return -EBADMSG;
	}
	rc = points_decode(points, m);
	rc = rc < 0 ? rc : manifest_image_decode(retired, &m->retired);
	rc = rc < 0 ? rc : merge_decode(merge, &m->merge);
	rc = rc < 0 ? rc : pins_decode(pins, m);
	rc = rc < 0 || states == NULL ? rc : manifest_states_decode(states, m);
	rc = rc < 0 ? rc : points_check(m);
	return rc < 0 ? rc : takeovers_decode(root, m);
}
