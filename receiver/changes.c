/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/changes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/logfile.h"

/* ---- which logs ---- */

int changes_list_logs(const struct manifest *manifest, const struct history *history,
		      struct history *ret_logs)
{
	struct history logs = {0};
	int rc = history_slice(history, 0, SIZE_MAX, &logs);

	for (size_t i = 0; i < manifest->log_count && rc == 0; i++) {
		struct history_entry entry;

		if (history_entry_from_log(&manifest->logs[i], &entry) == 0) {
			rc = history_push(&logs, &entry);
		}
	}
	if (rc < 0) {
		history_destroy(&logs);
		return rc;
	}
	*ret_logs = logs;
	return 0;
}

int changes_find_cut(const struct manifest *manifest, const struct history *logs, uint64_t seq,
		     struct manifest_cut *ret_cut, bool *ret_application)
{
	for (size_t i = 0; i < manifest->point_count; i++) {
		if (manifest->points[i].cut.seq == seq) {
			*ret_cut = manifest->points[i].cut;
			*ret_application = manifest->points[i].application;
			return 0;
		}
	}
	for (size_t i = 0; i < logs->count; i++) {
		const struct history_entry *log = &logs->entries[i];

		if (log->seq == seq) {
			*ret_cut = (struct manifest_cut){.seq = seq, .time_ms = log->time_ms};
			memcpy(ret_cut->cut_id, log->cut_id, sizeof(ret_cut->cut_id));
			memcpy(ret_cut->log_hash, log->hash, LOG_HASH_LEN);
			*ret_application = log->application;
			return 0;
		}
	}
	if (seq == 0 || manifest->committed.seq != seq) {
		return -ENOENT;
	}
	*ret_cut = manifest->committed;
	*ret_application = false;
	return 0;
}

/* A cut that is known by its id: its cycle, and the hash that the next log names. */
struct anchor {
	uint64_t seq;
	const uint8_t *hash; /* NULL = not known */
};

static struct anchor anchor_find(const struct manifest *manifest, const struct history *logs,
				 const char *cut_id)
{
	for (size_t i = logs->count; i > 0; i--) {
		if (strcmp(logs->entries[i - 1].cut_id, cut_id) == 0) {
			return (struct anchor){logs->entries[i - 1].seq, logs->entries[i - 1].hash};
		}
	}
	for (size_t i = 0; i < manifest->point_count; i++) {
		const struct manifest_cut *cut = &manifest->points[i].cut;

		if (strcmp(cut->cut_id, cut_id) == 0) {
			return (struct anchor){cut->seq, cut->log_hash};
		}
	}
	if (manifest->committed.seq != 0 && strcmp(manifest->committed.cut_id, cut_id) == 0) {
		return (struct anchor){manifest->committed.seq, manifest->committed.log_hash};
	}
	return (struct anchor){0, NULL};
}

int changes_find_logs(const struct manifest *manifest, const struct history *logs,
		      const char *cut_id, uint64_t until_seq, size_t *ret_first, size_t *ret_end)
{
	struct anchor anchor = anchor_find(manifest, logs, cut_id);
	uint64_t reached = anchor.seq;
	size_t first = 0, end;

	if (anchor.hash == NULL || anchor.seq > until_seq) {
		return -ENOENT;
	}
	while (first < logs->count && logs->entries[first].seq <= anchor.seq) {
		first++;
	}
	for (end = first; end < logs->count && logs->entries[end].seq <= until_seq; end++) {
		if (memcmp(logs->entries[end].previous_hash, anchor.hash, LOG_HASH_LEN) != 0) {
			return -ENOENT;
		}
		anchor.hash = logs->entries[end].hash;
		reached = logs->entries[end].seq;
	}
	if (reached != until_seq) {
		return -ENOENT;
	}
	*ret_first = first;
	*ret_end = end;
	return 0;
}

/* ---- what they wrote ---- */

static int disks_match(const struct logfile_header *header, const struct extent_file_disk *disks,
		       size_t count, const struct extent_file_disk *ret_disks[DISKS_MAX],
		       char error[CHANGES_ERROR_LEN])
{
	for (uint32_t i = 0; i < header->disk_count; i++) {
		ret_disks[i] = NULL;
		for (size_t k = 0; k < count; k++) {
			if (strcmp(disks[k].name, header->disks[i].name) == 0) {
				ret_disks[i] = &disks[k];
			}
		}
		if (ret_disks[i] == NULL) {
			snprintf(error, CHANGES_ERROR_LEN,
				 "cycle %" PRIu64 " had a disk %s, which the replica has not any "
				 "more",
				 header->seq, header->disks[i].name);
			return -EBADMSG;
		}
	}
	return 0;
}

static int records_add(struct logfile_reader *reader, const struct extent_file_disk *const *disks,
		       uint32_t count)
{
	struct logfile_record record;
	int rc;

	while ((rc = logfile_reader_skip(reader, &record)) > 0) {
		if (record.disk >= count) {
			return -EBADMSG;
		}
		dirty_map_set(disks[record.disk]->map, record.offset, record.length);
	}
	return rc;
}

int changes_add_log(const char *directory, const struct history_entry *entry,
		    const struct extent_file_disk *disks, size_t count,
		    char error[CHANGES_ERROR_LEN])
{
	char path[PATH_LEN_MAX + MANIFEST_FILE_MAX + 2], file[MANIFEST_FILE_MAX + 1];
	const struct extent_file_disk *matched[DISKS_MAX];
	struct logfile_reader *reader = NULL;
	const struct logfile_header *header;
	int rc;

	snprintf(path, sizeof(path), "%s/%s", directory, history_file_format(entry, file));
	rc = logfile_reader_open(path, false, &reader, error);
	if (rc < 0) {
		return rc;
	}
	header = logfile_reader_header(reader);
	if (header->seq != entry->seq || strcmp(header->cut_id, entry->cut_id) != 0) {
		snprintf(error, CHANGES_ERROR_LEN, "%s is the log of another cycle", file);
		rc = -EBADMSG;
	}
	rc = rc < 0 ? rc : disks_match(header, disks, count, matched, error);
	if (rc == 0) {
		rc = records_add(reader, matched, header->disk_count);
		if (rc < 0) {
			snprintf(error, CHANGES_ERROR_LEN, "%s: %.100s", file,
				 logfile_reader_error(reader));
		}
	}
	logfile_reader_close(reader);
	return rc;
}
