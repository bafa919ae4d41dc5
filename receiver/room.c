/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/room.h"

#include <errno.h>

#include "receiver/authorization.h"

static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t room_of_disks(const struct plan_disk *disks, size_t count)
{
	uint64_t size_bytes = 0;

	for (size_t i = 0; i < count; i++) {
		size_bytes = add(size_bytes, disks[i].size_bytes);
	}
	return size_bytes;
}

static uint64_t room_of_image(const struct manifest_image *image)
{
	uint64_t size_bytes = 0;

	for (size_t i = 0; i < image->disk_count; i++) {
		size_bytes =
			add(size_bytes, image->disks[i].leaving ? 0 : image->disks[i].size_bytes);
	}
	return size_bytes;
}

int room_check(const struct store *store, uint64_t size_bytes, struct answer *answer)
{
	char why[REASON_MAX + 1];
	int rc;

	if (size_bytes <= room_of_image(&store->manifest.current)) {
		return 0;
	}
	rc = authorization_claim_room(store->receiver->authorization, store->peer_site,
				      store->relationship, size_bytes, why);
	if (rc == -ENOMEM) {
		return answer_storage(answer, rc, "looking for room");
	}
	return rc < 0 ? answer_denied(answer, "max-size", "%s", why) : 0;
}
