/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manifest's list of VM states (proto/vm_state.h): one for each cycle that brought another. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "receiver/manifest.h"
#include "proto/vm_state.h"
#include "receiver/manifest_json.h"

int manifest_state_push(struct manifest *manifest, const struct manifest_state *state)
{
	struct manifest_state *grown;

	if (manifest->state_count >= MANIFEST_STATES_MAX + 1) {
		return -E2BIG;
	}
	grown = realloc(manifest->states, (manifest->state_count + 1) * sizeof(*grown));
	if (grown == NULL) {
		return -ENOMEM;
	}
	grown[manifest->state_count] = *state;
	manifest->states = grown;
	manifest->state_count++;
	return 0;
}

const struct manifest_state *manifest_state_find(const struct manifest *manifest, uint64_t seq)
{
	const struct manifest_state *found = NULL;

	for (size_t i = 0; i < manifest->state_count && manifest->states[i].seq <= seq; i++) {
		found = &manifest->states[i];
	}
	return found;
}

static void state_drop(struct manifest *manifest, size_t index)
{
	manifest->state_count--;
	memmove(&manifest->states[index], &manifest->states[index + 1],
		(manifest->state_count - index) * sizeof(*manifest->states));
}

/* Does a point, or the image as it is, have state index? The last one is everybody's after it. */
static bool state_is_a_point_s(const struct manifest *manifest, size_t index)
{
	const struct manifest_state *state = &manifest->states[index];

	if (index + 1 == manifest->state_count ||
	    manifest_state_find(manifest, manifest->applied_seq) == state) {
		return true;
	}
	for (size_t i = 0; i < manifest->point_count; i++) {
		if (manifest_state_find(manifest, manifest->points[i].cut.seq) == state) {
			return true;
		}
	}
	return (manifest->test.cut.seq != 0 &&
		manifest_state_find(manifest, manifest->test.cut.seq) == state) ||
	       (manifest->failover.cut.seq != 0 &&
		manifest_state_find(manifest, manifest->failover.cut.seq) == state);
}

/* The oldest cycle whose state may be asked for. */
static uint64_t oldest_seq(const struct manifest *manifest)
{
	uint64_t oldest =
		manifest->point_count > 0 ? manifest->points[0].cut.seq : manifest->applied_seq;

	if (manifest->test.cut.seq != 0 && manifest->test.cut.seq < oldest) {
		oldest = manifest->test.cut.seq;
	}
	if (manifest->failover.cut.seq != 0 && manifest->failover.cut.seq < oldest) {
		oldest = manifest->failover.cut.seq;
	}
	return oldest;
}

void manifest_states_trim(struct manifest *manifest)
{
	uint64_t oldest = oldest_seq(manifest);

	while (manifest->state_count > 1 && manifest->states[1].seq <= oldest) {
		state_drop(manifest, 0);
	}
	/* A guest that changes its variables all the time: cycles between points have the state of
	 * one a little older then. */
	for (size_t i = 0;
	     manifest->state_count > MANIFEST_STATES_MAX && i < manifest->state_count;) {
		if (state_is_a_point_s(manifest, i)) {
			i++;
		} else {
			state_drop(manifest, i);
		}
	}
}

/* ---- JSON ---- */

json_t *manifest_states_encode(const struct manifest *manifest)
{
	json_t *states = json_array();

	for (size_t i = 0; i < manifest->state_count; i++) {
		const struct manifest_state *state = &manifest->states[i];
		char hash[2 * LOG_HASH_LEN + 1];
		json_t *item = json_pack(
			"{s:I, s:s, s:s, s:I, s:I}", "seq", (json_int_t)state->seq, "file",
			state->file, "hash", manifest_hash_encode(state->hash, hash), "size",
			(json_int_t)state->size_bytes, "nvram", (json_int_t)state->nvram_bytes);

		if (json_array_append_new(states, item) < 0) {
			json_decref(states);
			return NULL;
		}
	}
	return states;
}

static int state_decode(json_t *item, struct manifest_state *ret_state)
{
	const char *file, *hash;
	json_int_t seq, size, nvram;

	memset(ret_state, 0, sizeof(*ret_state));
	return json_unpack(item, "{s:I, s:s, s:s, s:I, s:I}", "seq", &seq, "file", &file, "hash",
			   &hash, "size", &size, "nvram", &nvram) < 0 ||
			       manifest_number_decode(seq, INT64_MAX, &ret_state->seq) < 0 ||
			       manifest_file_decode(file, ret_state->file) < 0 ||
			       manifest_hash_decode(hash, ret_state->hash) < 0 ||
			       manifest_number_decode(size, VM_STATE_MAX, &ret_state->size_bytes) <
				       0 ||
			       manifest_number_decode(nvram, VM_STATE_MAX,
						      &ret_state->nvram_bytes) < 0
		       ? -EBADMSG
		       : 0;
}

int manifest_states_decode(json_t *states, struct manifest *m)
{
	json_t *item;
	size_t i;

	if (!json_is_array(states) || json_array_size(states) > MANIFEST_STATES_MAX) {
		return -EBADMSG;
	}
	json_array_foreach(states, i, item)
	{
		struct manifest_state state;
		int rc = state_decode(item, &state);

		if (rc == 0 && i > 0 && state.seq <= m->states[i - 1].seq) {
			rc = -EBADMSG;
		}
		rc = rc < 0 ? rc : manifest_state_push(m, &state);
		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}
