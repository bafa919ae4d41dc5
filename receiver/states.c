/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/states.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "proto/vm_state.h"
#include "receiver/cycle.h"
#include "receiver/durable.h"

static int archive_open(struct cycle *cycle, const Vmreplica__Wire__VmState *message, void *buffer,
			uint32_t payload_len, const uint8_t **ret_archive, struct answer *answer)
{
	uint8_t *room = (uint8_t *)buffer + FRAME_PAYLOAD_MAX;

	if (message->codec == VMREPLICA__WIRE__CODEC__CODEC_PLAIN) {
		if (payload_len != message->length) {
			answer_failure(answer, "malformed", "a VM's state is cut short");
			return -EBADMSG;
		}
		*ret_archive = buffer;
		return 0;
	}
	if (codec_decompress(cycle->codec, (enum codec)message->codec, buffer, payload_len, room,
			     message->length) < 0) {
		answer_failure(answer, "checksum", "the VM's state does not decompress");
		return -EBADMSG;
	}
	*ret_archive = room;
	return 0;
}

int states_take(struct cycle *cycle, const Vmreplica__Wire__VmState *message, void *buffer,
		uint32_t payload_len, struct answer *answer)
{
	const struct vm_state_file *nvram;
	const uint8_t *archive = NULL;
	struct vm_state state;
	const char *why;
	int rc;

	if (cycle->vm_state != NULL || cycle->chunks > 0) {
		return answer_failure(answer, "sequence", "a VM's state comes twice, or late");
	}
	rc = archive_open(cycle, message, buffer, payload_len, &archive, answer);
	if (rc < 0) {
		return rc;
	}
	if (vm_state_decode(archive, message->length, &state, &why) < 0) {
		return answer_failure(answer, "malformed", "the VM's state cannot be used: %s",
				      why);
	}
	cycle->vm_state = malloc(message->length);
	if (cycle->vm_state == NULL ||
	    sha256_of(archive, message->length, cycle->vm_state_hash) < 0) {
		return answer_storage(answer, -ENOMEM, "taking the VM's state");
	}
	memcpy(cycle->vm_state, archive, message->length);
	nvram = vm_state_find(&state, VM_STATE_NVRAM);
	cycle->nvram_bytes = nvram != NULL ? nvram->len : 0;
	cycle->vm_state_len = message->length;
	return 0;
}

/* state has all but the file's name. */
static int state_write(struct store *store, struct manifest *next, struct manifest_state *state,
		       const uint8_t *archive, struct answer *answer)
{
	const struct manifest_state *last = manifest_state_find(next, UINT64_MAX);
	char generation[32];
	bool uncertain;
	int rc;

	if (last != NULL && memcmp(last->hash, state->hash, LOG_HASH_LEN) == 0) {
		return 0;
	}
	snprintf(state->file, sizeof(state->file), "gen-%" PRIu64 "/%" PRIu64 STATE_SUFFIX,
		 next->generation, state->seq);
	snprintf(generation, sizeof(generation), "gen-%" PRIu64, next->generation);
	rc = durable_file_replace(store->dir_fd, state->file, archive, state->size_bytes,
				  &uncertain);
	rc = rc < 0 ? rc : durable_directory_sync(store->dir_fd, generation);
	rc = rc < 0 ? rc : manifest_state_push(next, state);
	return rc < 0 ? answer_storage(answer, rc, "keeping the VM's state") : 0;
}

int states_commit(const struct cycle *cycle, struct manifest *next, struct answer *answer)
{
	struct manifest_state state = {.seq = cycle->seq,
				       .size_bytes = cycle->vm_state_len,
				       .nvram_bytes = cycle->nvram_bytes};

	memcpy(state.hash, cycle->vm_state_hash, sizeof(state.hash));
	return cycle->vm_state != NULL
		       ? state_write(cycle->store, next, &state, cycle->vm_state, answer)
		       : 0;
}

int states_keep(struct store *store, struct manifest *next, uint64_t seq, const uint8_t *archive,
		size_t len, struct answer *answer)
{
	struct manifest_state state = {.seq = seq, .size_bytes = len};
	const struct vm_state_file *nvram;
	struct vm_state files;
	const char *why;

	if (vm_state_decode(archive, len, &files, &why) < 0) {
		return answer_failure(answer, "malformed", "the VM's state cannot be used: %s",
				      why);
	}
	nvram = vm_state_find(&files, VM_STATE_NVRAM);
	state.nvram_bytes = nvram != NULL ? nvram->len : 0;
	if (sha256_of(archive, len, state.hash) < 0) {
		return answer_storage(answer, -EIO, "taking the VM's state");
	}
	return state_write(store, next, &state, archive, answer);
}

void states_unlink(const struct store *store, const struct manifest *before)
{
	for (size_t i = 0; i < before->state_count; i++) {
		const struct manifest_state *state = &before->states[i];

		if (!manifest_refers_to(&store->manifest, state->file) &&
		    unlinkat(store->dir_fd, state->file, 0) < 0 && errno != ENOENT) {
			log_warning("%s: %s is left: %s", store->vm, state->file, strerror(errno));
		}
	}
}

int states_path(const struct store *store, uint64_t seq, char *path, size_t size)
{
	const struct manifest_state *state = manifest_state_find(&store->manifest, seq);

	if (state == NULL) {
		return -ENOENT;
	}
	return snprintf(path, size, "%s/%s", store->directory, state->file) < (int)size
		       ? 0
		       : -ENAMETOOLONG;
}
