/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The index of applied logs, of any bytes. Each line carries a checksum, which is made right here
 * where a line looks like one. What is loaded ascends and lies in the range asked for; an index in
 * which no damage is found loads whole; what was loaded is saved as what loads the same.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "mutate_pieces.h"
#include "proto/codec.h"
#include "receiver/history.h"
#include "scratch_file.h"

#define GENERATION 2u
#define SUM_LEN	   16u

/* The checksum that ends a line, where 16 digits stand there. */
static void sums_correct(uint8_t *text, size_t size)
{
	struct mutate_pieces lines = {.count = 0};

	mutate_pieces_split(&lines, text, size);
	for (size_t i = 0; i < lines.count; i++) {
		uint8_t *line = text + (lines.items[i].data - text);
		size_t len = lines.items[i].len;
		char sum[SUM_LEN + 1];

		if (len > SUM_LEN + 2 && line[len - 1] == '\n' && line[len - SUM_LEN - 2] == ' ' &&
		    memchr(line, '\0', len) == NULL &&
		    memchr(line + len - SUM_LEN - 1, ' ', SUM_LEN) == NULL) {
			snprintf(sum, sizeof(sum), "%016" PRIx64,
				 codec_checksum(line, len - SUM_LEN - 2, 0));
			memcpy(line + len - SUM_LEN - 1, sum, SUM_LEN);
		}
	}
}

static void check_entries(const struct history *history, uint64_t from, uint64_t end)
{
	for (size_t i = 0; i < history->count; i++) {
		const struct history_entry *entry = &history->entries[i];
		char file[MANIFEST_FILE_MAX + 1];

		assert(entry->seq >= from && entry->seq < end);
		assert(i == 0 || history->entries[i - 1].seq < entry->seq);
		assert(history_refers_to(history, history_file_format(entry, file)));
	}
}

static void check_same(const struct history *history, const struct history *other)
{
	assert(history->count == other->count);
	for (size_t i = 0; i < history->count; i++) {
		const struct history_entry *a = &history->entries[i], *b = &other->entries[i];

		assert(a->seq == b->seq && a->generation == b->generation &&
		       a->size_bytes == b->size_bytes && a->time_ms == b->time_ms &&
		       a->application == b->application && strcmp(a->cut_id, b->cut_id) == 0 &&
		       memcmp(a->hash, b->hash, LOG_HASH_LEN) == 0 &&
		       memcmp(a->previous_hash, b->previous_hash, LOG_HASH_LEN) == 0);
	}
}

static void check_again(int dir_fd, struct history *history)
{
	struct history again = {0};
	uint64_t offset;
	int r = history_save(dir_fd, GENERATION, history);

	assert(r == 0);
	r = history_load(dir_fd, GENERATION, 0, UINT64_MAX, &again);
	assert(r == 0 && history_find_damage(dir_fd, GENERATION, &offset) == 0);
	check_same(history, &again);
	history_destroy(&again);
	history_drop(history, history->count / 2);
	r = history_append(dir_fd, GENERATION, history, history->count / 2);
	assert(r == 0);
}

static void use(int dir_fd, const uint8_t *data, size_t size)
{
	struct history history = {0}, part = {0};
	uint64_t offset = 0;
	int damage, r;

	scratch_file_put("gen-2/" HISTORY_NAME, data, size);
	damage = history_find_damage(dir_fd, GENERATION, &offset);
	assert(damage == 0 || (damage == -EBADMSG && offset < size));
	r = history_load(dir_fd, GENERATION, 5, 9, &part);
	assert(r == 0);
	check_entries(&part, 5, 9);
	history_destroy(&part);
	r = history_load(dir_fd, GENERATION, 0, UINT64_MAX, &history);
	assert(r == 0);
	check_entries(&history, 0, UINT64_MAX);
	assert(damage < 0 || size == 0 || data[size - 1] != '\n' || history.lines > 0);
	check_again(dir_fd, &history);
	history_destroy(&history);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dir_fd = -1;
	uint8_t *text = malloc(size + 1);

	if (dir_fd < 0) {
		dir_fd = open(scratch_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert(dir_fd >= 0);
		mkdirat(dir_fd, "gen-2", 0700);
	}
	assert(text != NULL);
	memcpy(text, data, size);
	sums_correct(text, size);
	use(dir_fd, text, size);
	free(text);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct mutate mutate;

	mutate_init(&mutate, seed);
	return mutate_lines(&mutate, data, size, max_size);
}
