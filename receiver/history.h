/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The applied logs that are kept, so that any cycle between two recovery points can be rebuilt.
 * There can be many (a day of one each 5 s is 17,000), so they are not in the manifest, which is
 * written anew with each cycle, but in an index beside the logs that is only appended to:
 *
 *   gen-<N>/history    a line each: seq, generation (whose directory has the log), cut id, cut
 * time, consistency, size, hash, hash of the log before, checksum of the line
 *
 * A line is durable before the manifest lets go of its log. What a crash leaves behind (a torn last
 * line, a line twice) is recognized when it is read.
 */
#ifndef VMR_RECEIVER_HISTORY_H
#define VMR_RECEIVER_HISTORY_H

#include "receiver/manifest.h"

#define HISTORY_NAME	 "history"
#define HISTORY_LOGS_MAX 150000u /* kept at once: what is read at an open has an end */

struct history_entry {
	uint64_t seq, generation, size_bytes;
	int64_t time_ms;
	bool application;
	char cut_id[CUT_ID_LEN + 1];
	uint8_t hash[LOG_HASH_LEN], previous_hash[LOG_HASH_LEN];
};

struct history {
	struct history_entry *entries; /* owned, ascending by seq */
	size_t count, capacity;
	size_t lines; /* of the file, also of what was dropped since */
};

void history_destroy(struct history *history);

/* The entry of a log in the manifest. -EINVAL when its file is not named as logs are. */
int history_entry_from_log(const struct manifest_log *log, struct history_entry *ret_entry);
/* Where the log is, relative to the store. Returns buf. */
char *history_file_format(const struct history_entry *entry, char buf[MANIFEST_FILE_MAX + 1]);

/* In memory alone. 0 or -ENOMEM; what does not ascend is ignored. */
int history_push(struct history *history, const struct history_entry *entry);
/* Drop the first count entries. */
void history_drop(struct history *history, size_t count);
/* Index of the first entry of that cycle or behind it; the count when there is none. */
size_t history_index(const struct history *history, uint64_t seq);
/* A copy of at most most entries from index first on, for the caller to destroy. 0 or -ENOMEM. */
int history_slice(const struct history *history, size_t first, size_t most,
		  struct history *ret_copy);
/* True when a log of that name is kept ("gen-2/17.vrl"). */
bool history_refers_to(const struct history *history, const char *file);

/* ---- files, relative to the store; blocking ---- */
/* Read the index of generation: entries of [from_seq, end_seq). No file: none. 0 or an errno. */
int history_load(int dir_fd, uint64_t generation, uint64_t from_seq, uint64_t end_seq,
		 struct history *ret_history);
/* Look for a line of the index that is not as it was written. A last one that is torn is what a
 * crash leaves, not damage. 0; -EBADMSG with where in the file it begins; or an errno of reading.
 */
int history_find_damage(int dir_fd, uint64_t generation, uint64_t *ret_offset);
/* Write the whole index, durably. */
int history_save(int dir_fd, uint64_t generation, struct history *history);
/* Append the entries from index first on to the file, durably; the whole file anew when most of it
 * is of dropped ones, or when it would become too long. */
int history_append(int dir_fd, uint64_t generation, struct history *history, size_t first);

#endif
