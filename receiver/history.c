/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/history.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/cleanup.h"
#include "proto/codec.h"
#include "proto/validate.h"
#include "receiver/durable.h"
#include "receiver/manifest_json.h"

#define LINE_LEN      400u
#define HISTORY_MAX   (64u * 1024u * 1024u) /* bytes of the index */
#define LINES_MAX     250000u		    /* that fit into it: a line has 260 bytes at most */
#define COMPACT_LINES 1024u		    /* fewer dropped ones do not matter */

void history_destroy(struct history *history)
{
	free(history->entries);
	memset(history, 0, sizeof(*history));
}

int history_entry_from_log(const struct manifest_log *log, struct history_entry *ret_entry)
{
	struct history_entry entry = {
		.seq = log->seq,
		.size_bytes = log->size_bytes,
		.time_ms = log->time_ms,
		.application = log->application,
	};
	char file[MANIFEST_FILE_MAX + 1];

	entry.generation = strtoull(log->file + strlen("gen-"), NULL, 10);
	memcpy(entry.cut_id, log->cut_id, sizeof(entry.cut_id));
	memcpy(entry.hash, log->hash, LOG_HASH_LEN);
	memcpy(entry.previous_hash, log->previous_hash, LOG_HASH_LEN);
	if (strcmp(history_file_format(&entry, file), log->file) != 0) {
		return -EINVAL;
	}
	*ret_entry = entry;
	return 0;
}

char *history_file_format(const struct history_entry *entry, char buf[MANIFEST_FILE_MAX + 1])
{
	snprintf(buf, MANIFEST_FILE_MAX + 1, "gen-%" PRIu64 "/%" PRIu64 ".vrl", entry->generation,
		 entry->seq);
	return buf;
}

int history_push(struct history *history, const struct history_entry *entry)
{
	if (history->count > 0 && history->entries[history->count - 1].seq >= entry->seq) {
		return 0;
	}
	if (history->count == history->capacity) {
		size_t capacity = history->capacity == 0 ? 64 : 2 * history->capacity;
		struct history_entry *entries =
			reallocarray(history->entries, capacity, sizeof(*entries));

		if (entries == NULL) {
			return -ENOMEM;
		}
		history->entries = entries;
		history->capacity = capacity;
	}
	history->entries[history->count++] = *entry;
	return 0;
}

void history_drop(struct history *history, size_t count)
{
	if (count == 0) {
		return;
	}
	history->count -= count;
	memmove(history->entries, history->entries + count,
		history->count * sizeof(*history->entries));
}

size_t history_index(const struct history *history, uint64_t seq)
{
	size_t low = 0, high = history->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (history->entries[middle].seq < seq) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

int history_slice(const struct history *history, size_t first, size_t most,
		  struct history *ret_copy)
{
	size_t rest = first < history->count ? history->count - first : 0;
	struct history copy = {.count = rest < most ? rest : most};

	copy.capacity = copy.count;
	if (copy.count > 0) {
		copy.entries = malloc(copy.count * sizeof(*copy.entries));
		if (copy.entries == NULL) {
			return -ENOMEM;
		}
		memcpy(copy.entries, history->entries + first, copy.count * sizeof(*copy.entries));
	}
	*ret_copy = copy;
	return 0;
}

bool history_refers_to(const struct history *history, const char *file)
{
	char name[MANIFEST_FILE_MAX + 1];
	uint64_t generation, seq;
	size_t at;

	if (sscanf(file, "gen-%" SCNu64 "/%" SCNu64 ".vrl", &generation, &seq) != 2) {
		return false;
	}
	at = history_index(history, seq);
	return at < history->count &&
	       strcmp(history_file_format(&history->entries[at], name), file) == 0;
}

/* ---- lines ---- */

static size_t line_format(const struct history_entry *entry, char line[LINE_LEN])
{
	char hash[2 * LOG_HASH_LEN + 1], previous[2 * LOG_HASH_LEN + 1];
	int n, end;

	manifest_hash_encode(entry->hash, hash);
	manifest_hash_encode(entry->previous_hash, previous);
	n = snprintf(line, LINE_LEN, "%" PRIu64 " %" PRIu64 " %s %" PRId64 " %s %" PRIu64 " %s %s",
		     entry->seq, entry->generation, entry->cut_id, entry->time_ms,
		     entry->application ? "application" : "crash", entry->size_bytes, hash,
		     previous);
	end = snprintf(line + n, LINE_LEN - (size_t)n, " %016" PRIx64 "\n",
		       codec_checksum(line, (size_t)n, 0));
	return (size_t)(n + end);
}

static int line_parse(const char *line, struct history_entry *ret_entry)
{
	char cut_id[CUT_ID_LEN + 2], word[16], hash[2 * LOG_HASH_LEN + 2];
	char previous[2 * LOG_HASH_LEN + 2];
	struct history_entry entry = {0};
	const char *last = strrchr(line, ' ');
	uint64_t checksum;

	if (last == NULL ||
	    sscanf(line,
		   "%" SCNu64 " %" SCNu64 " %17s %" SCNd64 " %15s %" SCNu64 " %65s %65s %" SCNx64,
		   &entry.seq, &entry.generation, cut_id, &entry.time_ms, word, &entry.size_bytes,
		   hash, previous, &checksum) != 9 ||
	    checksum != codec_checksum(line, (size_t)(last - line), 0) ||
	    !validate_cut_id(cut_id) || manifest_hash_decode(hash, entry.hash) < 0 ||
	    manifest_hash_decode(previous, entry.previous_hash) < 0) {
		return -EBADMSG;
	}
	memcpy(entry.cut_id, cut_id, sizeof(entry.cut_id));
	entry.application = strcmp(word, "application") == 0;
	*ret_entry = entry;
	return 0;
}

/* ---- files ---- */

static void index_name(uint64_t generation, char name[64])
{
	snprintf(name, 64, "gen-%" PRIu64 "/" HISTORY_NAME, generation);
}

int history_load(int dir_fd, uint64_t generation, uint64_t from_seq, uint64_t end_seq,
		 struct history *ret_history)
{
	struct history history = {0};
	cleanup_free char *text = NULL;
	char name[64], *line, *rest, last_byte;
	size_t len = 0;
	int rc = 0;

	index_name(generation, name);
	if (generation != 0) {
		rc = durable_file_read(dir_fd, name, HISTORY_MAX, &text, &len);
	}
	if (rc < 0 && rc != -ENOENT) {
		return rc;
	}
	last_byte = len > 0 ? text[len - 1] : '\n';
	for (line = text; line != NULL && *line != '\0'; line = rest) {
		struct history_entry entry;

		rest = strchr(line, '\n');
		if (rest != NULL) {
			*rest++ = '\0';
		}
		history.lines++;
		/* A torn line is one whose log the manifest still has. */
		if (line_parse(line, &entry) == 0 && entry.seq >= from_seq && entry.seq < end_seq &&
		    history_push(&history, &entry) < 0) {
			history_destroy(&history);
			return -ENOMEM;
		}
	}
	if (last_byte != '\n') {
		history.lines = 0; /* torn: written anew before it is appended to */
	}
	*ret_history = history;
	return 0;
}

int history_find_damage(int dir_fd, uint64_t generation, uint64_t *ret_offset)
{
	cleanup_free char *text = NULL;
	char name[64], *line, *rest;
	size_t len = 0;
	int rc;

	index_name(generation, name);
	rc = generation == 0 ? 0 : durable_file_read(dir_fd, name, HISTORY_MAX, &text, &len);
	if (rc < 0) {
		return rc;
	}
	for (line = text; line != NULL && line < text + len; line = rest) {
		struct history_entry entry;

		rest = memchr(line, '\n', (size_t)(text + len - line));
		if (rest == NULL) {
			return 0;
		}
		*rest++ = '\0';
		if (strlen(line) + 1 != (size_t)(rest - line) || line_parse(line, &entry) < 0) {
			*ret_offset = (uint64_t)(line - text);
			return -EBADMSG;
		}
	}
	return 0;
}

/* The lines of entries from index first on. */
static int lines_make(const struct history *history, size_t first, struct byte_buffer *ret_text)
{
	char line[LINE_LEN];
	int rc = 0;

	for (size_t i = first; i < history->count && rc == 0; i++) {
		size_t len = line_format(&history->entries[i], line);

		rc = byte_buffer_append(ret_text, line, len);
	}
	return rc;
}

int history_save(int dir_fd, uint64_t generation, struct history *history)
{
	struct byte_buffer text = {.limit = HISTORY_MAX};
	cleanup_close int gen_fd = -1;
	char directory[64];
	bool uncertain;
	int rc = lines_make(history, 0, &text);

	snprintf(directory, sizeof(directory), "gen-%" PRIu64, generation);
	if (rc == 0) {
		gen_fd = openat(dir_fd, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		rc = gen_fd < 0 ? -errno
				: durable_file_replace(gen_fd, HISTORY_NAME,
						       text.len > 0 ? (const void *)text.data : "",
						       text.len, &uncertain);
	}
	if (rc == 0) {
		history->lines = history->count;
	}
	byte_buffer_destroy(&text);
	return rc;
}

static int file_append(int dir_fd, const char *name, const struct byte_buffer *text)
{
	cleanup_close int fd =
		openat(dir_fd, name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	ssize_t n = fd < 0 ? -1 : write(fd, text->data, text->len);

	if (n < 0) {
		return -errno;
	}
	if ((size_t)n != text->len) {
		return -ENOSPC; /* a torn line: recognized, and its log is written again */
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int history_append(int dir_fd, uint64_t generation, struct history *history, size_t first)
{
	struct byte_buffer text = {.limit = HISTORY_MAX};
	char name[64];
	int rc;

	if (history->lines == 0 || history->lines > 2 * history->count + COMPACT_LINES ||
	    history->lines + history->count - first > LINES_MAX) {
		return history_save(dir_fd, generation, history);
	}
	rc = lines_make(history, first, &text);
	index_name(generation, name);
	rc = rc < 0 ? rc : file_append(dir_fd, name, &text);
	/* After a failure nobody knows what the file holds: it is written anew then. */
	history->lines = rc == 0 ? history->lines + history->count - first : 0;
	byte_buffer_destroy(&text);
	return rc;
}
