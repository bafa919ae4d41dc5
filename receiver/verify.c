/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/checked.h"
#include "common/clock.h"
#include "receiver/digest.h"
#include "receiver/image.h"
#include "receiver/target.h"

#define VERIFY_APPLY_MS 10000 /* less than a sender waits for the answer */

/* One question under work. */
struct verify {
	struct session *session;
	const Vmreplica__Wire__Verify *request;
	struct plan_disk disk;
	struct target target;
	const char *code; /* "" = compared */
	char reason[REASON_MAX];
};

/* The question cannot be answered now: not an error of the stream. */
__attribute__((format(printf, 3, 4))) static int
verify_refuse(struct verify *verify, const char *code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(verify->reason, sizeof(verify->reason), format, args);
	va_end(args);
	verify->code = code;
	return 1;
}

/* 0: the image stands at the cut; 1: refused; negative: the answer. store->lock is held. */
static int verify_wait_applied(struct verify *verify, struct answer *answer)
{
	struct store *store = verify->session->store;
	const struct manifest *manifest = &store->manifest;
	int64_t deadline_ms = clock_monotonic_ms() + VERIFY_APPLY_MS;

	for (;;) {
		int rc = store_check(store, answer);

		if (rc < 0) {
			return rc;
		}
		if (manifest->committed.seq != verify->request->seq ||
		    strcmp(manifest->committed.cut_id, verify->request->cut_id) != 0) {
			return verify_refuse(verify, "passed",
					     "cycle %" PRIu64
					     " is the replica's last, not %" PRIu64,
					     manifest->committed.seq, verify->request->seq);
		}
		if (manifest->resync_needed) {
			return verify_refuse(verify, "resync", "%s", manifest->resync_reason);
		}
		if (manifest->applied_seq == manifest->committed.seq && manifest->batch_seq == 0 &&
		    !store->applying) {
			return 0;
		}
		if (clock_monotonic_ms() > deadline_ms || atomic_load(&verify->session->ended)) {
			return verify_refuse(verify, "applying",
					     "logs of %s are still being applied", store->vm);
		}
		apply_kick(store);
		store_wait(store, 500);
	}
}

/* Find the disk in the image, and how it is read. store->lock is held. */
static int verify_open(struct verify *verify, struct answer *answer)
{
	struct store *store = verify->session->store;
	const struct manifest_disk *disk =
		manifest_image_find(&store->manifest.current, verify->request->disk);
	struct answer why = {0};

	(void)answer;
	if (disk == NULL) {
		return verify_refuse(verify, "disks", "the replica has no disk %s",
				     verify->request->disk);
	}
	snprintf(verify->disk.name, sizeof(verify->disk.name), "%s", disk->name);
	verify->disk.size_bytes = disk->size_bytes;
	if (image_attach(store, STORE_CURRENT, false, &why, NULL) < 0) {
		return verify_refuse(verify, "storage", "%s", why.reason);
	}
	target_init(&verify->target, qsd_socket(store->qsd), &verify->disk, 1);
	return 0;
}

static int verify_prepare(struct verify *verify, uint64_t *ret_end, struct answer *answer)
{
	const Vmreplica__Wire__Verify *request = verify->request;
	struct store *store = verify->session->store;
	uint64_t length = (uint64_t)request->count * request->block_bytes, end;
	int rc;

	pthread_mutex_lock(&store->lock);
	rc = verify_wait_applied(verify, answer);
	rc = rc != 0 ? rc : verify_open(verify, answer);
	pthread_mutex_unlock(&store->lock);
	if (rc != 0) {
		return rc;
	}
	if (!checked_add_u64(request->offset, length, &end) ||
	    request->offset >= verify->disk.size_bytes ||
	    end - request->block_bytes >= verify->disk.size_bytes) {
		return verify_refuse(verify, "disks",
				     "disk %s has %" PRIu64 " bytes here, less than at the primary",
				     verify->disk.name, verify->disk.size_bytes);
	}
	*ret_end = end < verify->disk.size_bytes ? end : verify->disk.size_bytes;
	return 0;
}

int verify_answer(struct session *session, const struct frame *frame, struct answer *answer)
{
	const Vmreplica__Wire__Verify *request = (const Vmreplica__Wire__Verify *)frame->message;
	struct verify verify = {.session = session, .request = request, .code = ""};
	struct digest_blocks blocks = {.target = &verify.target,
				       .offset = request->offset,
				       .block_bytes = request->block_bytes,
				       .count = request->count};
	Vmreplica__Wire__Verified message = VMREPLICA__WIRE__VERIFIED__INIT;
	uint8_t map[(DIGEST_COUNT_MAX + 7) / 8];
	int rc = verify_prepare(&verify, &blocks.end, answer);

	if (rc < 0) {
		return rc;
	}
	if (rc == 0) {
		if (digest_compare(&blocks, session->buffer, map) < 0) {
			verify_refuse(&verify, "storage", "the replica's image was closed: %.300s",
				      verify.target.error);
		}
		target_close(&verify.target);
	}
	message.seq = request->seq;
	message.disk = request->disk;
	message.offset = request->offset;
	message.block_bytes = request->block_bytes;
	message.count = request->count;
	message.code = (char *)(uintptr_t)verify.code;
	message.reason = verify.reason;
	return session_send(session, FRAME_VERIFIED, &message.base, map,
			    verify.code[0] == '\0' ? (request->count + 7) / 8 : 0, answer);
}
