/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An archive of a VM's state from any bytes. What it hands out must lie in it, under a name of the
 * list; encoded again it must be the same bytes. The hash would keep a fuzzer outside for ever, so
 * it is appended here.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/sha256.h"
#include "proto/vm_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *archive = malloc(size + SHA256_LEN), *again;
	struct vm_state state;
	const char *why = NULL;
	size_t len;
	int r;

	assert(archive != NULL);
	memcpy(archive, data, size);
	sha256_of(archive, size, archive + size);
	r = vm_state_decode(archive, size + SHA256_LEN, &state, &why);
	if (r < 0) {
		assert(r == -EBADMSG && why != NULL);
		free(archive);
		return 0;
	}
	for (size_t i = 0; i < state.count; i++) {
		const struct vm_state_file *file = &state.files[i];

		assert(file->data >= archive && file->len <= size &&
		       file->data + file->len <= archive + size);
		assert(vm_state_find(&state, file->name) == file);
	}
	r = vm_state_encode(&state, &again, &len);
	assert(r == 0 && len == size + SHA256_LEN && memcmp(again, archive, len) == 0);
	free(again);
	free(archive);
	return 0;
}
