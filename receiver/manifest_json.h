/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pieces that the encoders and decoders of the manifest share; for those files alone. A decoder
 * gives 0, -EBADMSG or -ENOMEM; what it had filled is the caller's to destroy. */
#ifndef VMR_RECEIVER_MANIFEST_JSON_H
#define VMR_RECEIVER_MANIFEST_JSON_H

#include "receiver/json.h"
#include "receiver/manifest.h"

int manifest_text_decode(const char *text, char *ret, size_t size);
int manifest_hash_decode(const char *text, uint8_t ret_hash[LOG_HASH_LEN]);
int manifest_number_decode(json_int_t number, uint64_t max, uint64_t *ret_number);
/* "gen-<N>/<name>": one directory level below the store, nothing that leads out of it. */
int manifest_file_decode(const char *text, char ret_file[MANIFEST_FILE_MAX + 1]);
int manifest_cut_decode(json_t *json, struct manifest_cut *ret_cut);
int manifest_epoch_decode(json_t *json, struct manifest_epoch *ret_epoch);
int manifest_adopted_decode(json_t *json, struct manifest_adopted *ret_adopted);
int manifest_layer_decode(json_t *json, struct manifest_layer *ret_layer);
int manifest_takeover_decode(json_t *json, Vmreplica__TakeoverKind kind,
			     struct manifest_takeover *takeover);
int manifest_image_decode(json_t *disks, struct manifest_image *ret_image);
/* What formats 2 and 3 added to the root (manifest_points_json.c). */
int manifest_points_decode(json_t *root, struct manifest *ret_manifest);

/* New references, NULL when out of memory. */
const char *manifest_hash_encode(const uint8_t hash[LOG_HASH_LEN], char text[2 * LOG_HASH_LEN + 1]);
json_t *manifest_cut_encode(const struct manifest_cut *cut);
json_t *manifest_adopted_encode(const struct manifest_adopted *adopted);
json_t *manifest_layer_encode(const struct manifest_layer *layer);
json_t *manifest_takeover_encode(const struct manifest_takeover *takeover);
json_t *manifest_image_encode(const struct manifest_image *image);
/* The finished text of len bytes with its checksums as one more member. Takes text; NULL when out
 * of memory. (manifest_sum.c) */
char *manifest_sum_append(char *text, size_t *len);
/* False when the text carries checksums that do not fit it; *ret_offset is then where the first
 * piece of 4 KiB begins that is not as it was written. A text without any is of an older vmreplica.
 */
bool manifest_sum_is_right(const char *text, size_t len, size_t *ret_offset);
json_t *manifest_states_encode(const struct manifest *manifest);
int manifest_states_decode(json_t *states, struct manifest *ret_manifest);
/* 0, or nonzero when out of memory. */
int manifest_points_encode(json_t *root, const struct manifest *manifest);

#endif
