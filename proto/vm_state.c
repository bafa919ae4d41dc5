/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proto/vm_state.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/sha256.h"

#define MAGIC	   "VMRSTAT1"
#define HEAD_LEN   16u
#define ENTRY_LEN  24u
#define NAME_FIELD (VM_STATE_NAME_MAX + 1)

static const char *const names[] = {VM_STATE_NVRAM, VM_STATE_TPM_1_2, VM_STATE_TPM_2_0};

/* Our copy of a known name, or NULL. field has NAME_FIELD bytes, zeros behind the text. */
static const char *name_known(const char *field)
{
	char padded[NAME_FIELD];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		memset(padded, 0, sizeof(padded));
		memcpy(padded, names[i], strlen(names[i]));
		if (memcmp(padded, field, sizeof(padded)) == 0) {
			return names[i];
		}
	}
	return NULL;
}

static void put_u32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

const struct vm_state_file *vm_state_find(const struct vm_state *state, const char *name)
{
	for (size_t i = 0; i < state->count; i++) {
		if (strcmp(state->files[i].name, name) == 0) {
			return &state->files[i];
		}
	}
	return NULL;
}

/* Length of the archive, or -EFBIG. */
static int64_t archive_len(const struct vm_state *state)
{
	size_t len = HEAD_LEN + SHA256_LEN;

	for (size_t i = 0; i < state->count; i++) {
		if (state->files[i].len > VM_STATE_MAX) {
			return -EFBIG;
		}
		len += ENTRY_LEN + state->files[i].len;
	}
	return len > VM_STATE_MAX ? -EFBIG : (int64_t)len;
}

static bool names_are_valid(const struct vm_state *state)
{
	for (size_t i = 0; i < state->count; i++) {
		char field[NAME_FIELD] = "";
		size_t len = strlen(state->files[i].name);

		if (len > VM_STATE_NAME_MAX) {
			return false;
		}
		memcpy(field, state->files[i].name, len);
		if (name_known(field) == NULL ||
		    vm_state_find(state, state->files[i].name) != &state->files[i]) {
			return false;
		}
	}
	return true;
}

int vm_state_encode(const struct vm_state *state, uint8_t **ret_archive, size_t *ret_len)
{
	cleanup_free uint8_t *archive = NULL;
	int64_t len = archive_len(state);
	uint8_t *at;

	if (state->count > VM_STATE_FILES_MAX || !names_are_valid(state)) {
		return -EINVAL;
	}
	if (len < 0) {
		return (int)len;
	}
	archive = calloc(1, (size_t)len);
	if (archive == NULL) {
		return -ENOMEM;
	}
	memcpy(archive, MAGIC, 8);
	put_u32(archive + 8, (uint32_t)state->count);
	at = archive + HEAD_LEN;
	for (size_t i = 0; i < state->count; i++) {
		const struct vm_state_file *file = &state->files[i];

		memcpy(at, file->name, strlen(file->name));
		put_u32(at + NAME_FIELD, (uint32_t)file->len);
		if (file->len > 0) {
			memcpy(at + ENTRY_LEN, file->data, file->len);
		}
		at += ENTRY_LEN + file->len;
	}
	if (sha256_of(archive, (size_t)(at - archive), at) < 0) {
		return -ENOMEM;
	}
	*ret_archive = steal_ptr(archive);
	*ret_len = (size_t)len;
	return 0;
}

/* One file at *at; what is left behind it is *left. */
static const char *file_decode(const uint8_t **at, size_t *left, struct vm_state *state)
{
	struct vm_state_file file;

	if (*left < ENTRY_LEN) {
		return "it is cut short";
	}
	file.name = name_known((const char *)*at);
	file.len = get_u32(*at + NAME_FIELD);
	file.data = *at + ENTRY_LEN;
	if (file.name == NULL || get_u32(*at + NAME_FIELD + 4) != 0) {
		return "it holds a file that this version does not know";
	}
	if (vm_state_find(state, file.name) != NULL) {
		return "a file comes twice";
	}
	if (file.len > *left - ENTRY_LEN) {
		return "a file is longer than the archive";
	}
	*at += ENTRY_LEN + file.len;
	*left -= ENTRY_LEN + file.len;
	state->files[state->count++] = file;
	return NULL;
}

static const char *files_decode(const uint8_t *archive, size_t len, struct vm_state *state)
{
	uint32_t count = get_u32(archive + 8);
	const uint8_t *at = archive + HEAD_LEN;
	size_t left = len - HEAD_LEN - SHA256_LEN;
	const char *why = NULL;

	if (count > VM_STATE_FILES_MAX || get_u32(archive + 12) != 0) {
		return "it holds more than this version knows";
	}
	for (uint32_t i = 0; i < count && why == NULL; i++) {
		why = file_decode(&at, &left, state);
	}
	return why == NULL && left > 0 ? "something follows its last file" : why;
}

int vm_state_decode(const uint8_t *archive, size_t len, struct vm_state *ret_state,
		    const char **ret_why)
{
	uint8_t hash[SHA256_LEN];
	struct vm_state state = {.count = 0};
	const char *why;

	if (len < HEAD_LEN + SHA256_LEN || len > VM_STATE_MAX || memcmp(archive, MAGIC, 8) != 0) {
		*ret_why = "it is no archive of a VM's state";
		return -EBADMSG;
	}
	if (sha256_of(archive, len - SHA256_LEN, hash) < 0 ||
	    memcmp(hash, archive + len - SHA256_LEN, SHA256_LEN) != 0) {
		*ret_why = "its hash differs";
		return -EBADMSG;
	}
	why = files_decode(archive, len, &state);
	if (why != NULL) {
		*ret_why = why;
		return -EBADMSG;
	}
	*ret_state = state;
	return 0;
}
