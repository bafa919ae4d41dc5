/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the VM keeps beside its disks goes with the cycle in which it changed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/sha256.h"
#include "engine/cycle.h"
#include "proto/codec.h"

#define SEND_STATE_MS	 60000
#define SLOW_BYTES_PER_S 1 /* what codec_compress is told of the line: have it small */

void cycle_take_state(struct cycle *cycle)
{
	int result;

	if ((cycle->peer->features & PROTOCOL_FEATURE_STATE) == 0) {
		return;
	}
	result = source_vm_state(cycle->source, &cycle->vm_state, &cycle->vm_state_len,
				 cycle->vm_state_why);
	if (result == 0 && cycle->vm_state != NULL &&
	    sha256_of(cycle->vm_state, cycle->vm_state_len, cycle->vm_state_hash) < 0) {
		free(cycle->vm_state);
		cycle->vm_state = NULL;
	}
}

/* The receiver has committed it on this connection; what it has from an earlier one is not known.
 */
static bool state_is_known(const struct cycle *cycle)
{
	return cycle->vm_state == NULL || memcmp(cycle->vm_state_hash, cycle->peer->sent_state_hash,
						 sizeof(cycle->vm_state_hash)) == 0;
}

int cycle_send_state(struct cycle *cycle)
{
	Vmreplica__Wire__VmState message = VMREPLICA__WIRE__VM_STATE__INIT;
	struct codec_state *codec;
	cleanup_free uint8_t *room = NULL;
	size_t len = cycle->vm_state_len;
	enum codec kind = CODEC_KIND_PLAIN;
	int result;

	if (state_is_known(cycle)) {
		return 0;
	}
	codec = codec_state_new();
	room = malloc(cycle->vm_state_len);
	if (codec != NULL && room != NULL) {
		kind = codec_compress(codec, cycle->vm_state, cycle->vm_state_len, room,
				      cycle->vm_state_len, SLOW_BYTES_PER_S, &len);
	}
	codec_state_free(codec);
	message.length = (uint32_t)cycle->vm_state_len;
	message.codec = (Vmreplica__Wire__Codec)kind;
	result = channel_send(&cycle->peer->channel, FRAME_VM_STATE, &message.base,
			      kind == CODEC_KIND_PLAIN ? cycle->vm_state : room,
			      kind == CODEC_KIND_PLAIN ? message.length : (uint32_t)len,
			      SEND_STATE_MS);
	return result < 0
		       ? peer_failed(cycle->peer, result, "sending the VM's state", &cycle->trouble)
		       : 0;
}

void cycle_state_committed(struct cycle *cycle)
{
	if (cycle->vm_state != NULL) {
		memcpy(cycle->peer->sent_state_hash, cycle->vm_state_hash,
		       sizeof(cycle->peer->sent_state_hash));
	}
}
