/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/logfile.h"
#include "receiver/check.h"

/* All logs that are kept, ascending: those of the index, then the manifest's. */
static void logs_collect(struct check *check, struct history *all)
{
	const struct manifest *m = &check->manifest;
	int rc = 0;

	for (size_t i = 0; i < check->history.count && rc == 0; i++) {
		rc = history_push(all, &check->history.entries[i]);
	}
	for (size_t i = 0; i < m->log_count && rc == 0; i++) {
		struct history_entry entry;

		if (history_entry_from_log(&m->logs[i], &entry) < 0) {
			check_find(check, CHECK_DAMAGE, MANIFEST_NAME, CHECK_NO_OFFSET,
				   "the log of cycle %" PRIu64 " has a wrong name: %s",
				   m->logs[i].seq, m->logs[i].file);
			continue;
		}
		rc = history_push(all, &entry);
	}
	check->out_of_memory |= rc == -ENOMEM;
}

/* "<file>: at byte <N>: <what>" is how logs are complained of. */
static void log_find(struct check *check, const char *file, const char *error)
{
	const char *at = strstr(error, ": at byte ");
	uint64_t offset = 0;
	char *end;

	if (!check_log_stands(check, file)) {
		return; /* retention has let go of it meanwhile */
	}
	if (at != NULL) {
		offset = strtoull(at + strlen(": at byte "), &end, 10);
		error = strncmp(end, ": ", 2) == 0 ? end + 2 : error;
	}
	check_find(check, CHECK_DAMAGE, file, offset, "%s", error);
}

/* The header against what the manifest or the index says. Offsets within it are not told apart. */
static void header_check(struct check *check, const char *file, const struct history_entry *entry)
{
	char error[LOGFILE_ERROR_LEN] = "";
	const struct logfile_header *header;
	struct logfile_reader *reader;

	if (logfile_reader_open(file, false, &reader, error) < 0) {
		log_find(check, file, error);
		return;
	}
	header = logfile_reader_header(reader);
	if (strcmp(header->relationship, check->manifest.relationship) != 0 ||
	    header->seq != entry->seq || strcmp(header->cut_id, entry->cut_id) != 0) {
		log_find(check, file, "it is the log of another cycle");
	} else if (entry->time_ms != 0 &&
		   memcmp(header->previous_hash, entry->previous_hash, LOG_HASH_LEN) != 0) {
		log_find(check, file, "it names another log before it than is recorded of it");
	}
	logfile_reader_close(reader);
}

static void log_check(struct check *check, const struct history_entry *entry)
{
	char file[MANIFEST_FILE_MAX + 1], error[LOGFILE_ERROR_LEN] = "";
	struct logfile_trailer trailer;
	int rc;

	history_file_format(entry, file);
	rc = logfile_verify(file, &trailer, error);
	check->logs++;
	check->log_bytes += entry->size_bytes;
	if (rc == -ENOENT) {
		log_find(check, file, "the file is missing");
	} else if (rc < 0) {
		log_find(check, file, error[0] != '\0' ? error : strerror(-rc));
	} else if (memcmp(trailer.hash, entry->hash, LOG_HASH_LEN) != 0) {
		log_find(check, file,
			 "it is not the log that was acknowledged: its hash is another");
	} else {
		header_check(check, file, entry);
	}
}

static bool is_commit_without_log(const struct manifest *m, const uint8_t hash[LOG_HASH_LEN])
{
	for (size_t i = 0; i < m->point_count; i++) {
		if (memcmp(m->points[i].cut.log_hash, hash, LOG_HASH_LEN) == 0) {
			return true;
		}
	}
	return memcmp(m->committed.log_hash, hash, LOG_HASH_LEN) == 0;
}

/* Does each log name the one before it? An initial replication or a resynchronization between two
 * has no log of its own; what follows it names the hash of its stream. */
static void link_check(struct check *check, const struct history_entry *entry,
		       const struct history_entry *next)
{
	char file[MANIFEST_FILE_MAX + 1];

	if (next->time_ms == 0 || /* of format 1, where that was not recorded */
	    memcmp(next->previous_hash, entry->hash, LOG_HASH_LEN) == 0) {
		return;
	}
	history_file_format(next, file);
	if (next->seq == entry->seq + 1) {
		log_find(check, file, "the chain of hashes is broken before it");
	} else if (!is_commit_without_log(&check->manifest, next->previous_hash) &&
		   check_log_stands(check, file)) {
		check_find(check, CHECK_NOTE, file, CHECK_NO_OFFSET,
			   "the logs between cycles %" PRIu64 " and %" PRIu64
			   " are not kept: those cycles cannot be recovered",
			   entry->seq, next->seq);
	}
}

/* The newest cycle that was acknowledged is the end of the chain. */
static void end_check(struct check *check, const struct history *all)
{
	const struct manifest *m = &check->manifest;
	const struct history_entry *last = all->count == 0 ? NULL : &all->entries[all->count - 1];

	if (last == NULL) {
		return;
	}
	if (last->seq > m->committed.seq ||
	    (last->seq == m->committed.seq &&
	     memcmp(last->hash, m->committed.log_hash, LOG_HASH_LEN) != 0)) {
		check_find(check, CHECK_DAMAGE, MANIFEST_NAME, CHECK_NO_OFFSET,
			   "the last log is of cycle %" PRIu64
			   " and not the one that was acknowledged last (%" PRIu64 ")",
			   last->seq, m->committed.seq);
	}
}

static void index_check(struct check *check)
{
	uint64_t generation = check->manifest.history_generation, offset = 0;
	char name[64];
	int rc = history_find_damage(check->dir_fd, generation, &offset);

	snprintf(name, sizeof(name), "gen-%" PRIu64 "/" HISTORY_NAME, generation);
	if (rc == -EBADMSG) {
		check_find(check, CHECK_DAMAGE, name, offset,
			   "a line of the index of logs is not as it was written");
	} else if (rc < 0 && !check->in_use) {
		check_find(check, CHECK_DAMAGE, name, 0, "the index of kept logs: %s",
			   strerror(-rc));
	}
}

void check_logs(struct check *check)
{
	struct history all = {0};

	index_check(check);
	logs_collect(check, &all);
	for (size_t i = 0; i < all.count; i++) {
		log_check(check, &all.entries[i]);
		if (i > 0) {
			link_check(check, &all.entries[i - 1], &all.entries[i]);
		}
	}
	end_check(check, &all);
	history_destroy(&all);
}
