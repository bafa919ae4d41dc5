/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The adopted disks of a VM that was handed over, and that nobody has written to since: a recovery
 * point. Should the new primary be lost before its first cycle, a failover begins from it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "proto/vm_state.h"
#include "receiver/adopt.h"
#include "receiver/states.h"

/* What the engine left beside the disks; NULL: nothing, or nothing of use. */
static uint8_t *state_load(const struct store *store, size_t *ret_len)
{
	cleanup_close int fd =
		openat(store->dir_fd, ADOPT_STATE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	uint8_t *archive;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    st.st_size > (off_t)VM_STATE_MAX) {
		return NULL;
	}
	archive = malloc((size_t)st.st_size);
	n = archive != NULL ? pread(fd, archive, (size_t)st.st_size, 0) : -1;
	if (n != (ssize_t)st.st_size) {
		free(archive);
		return NULL;
	}
	*ret_len = (size_t)n;
	return archive;
}

/* Without it a failover starts with the firmware's own variables: no reason to refuse the disks. */
static void state_take(struct store *store, struct manifest *next, uint64_t seq)
{
	size_t len = 0;
	cleanup_free uint8_t *archive = state_load(store, &len);
	struct answer answer;

	if (archive != NULL && states_keep(store, next, seq, archive, len, &answer) < 0) {
		log_warning("%s: what the VM kept beside its disks is not taken over: %s",
			    store->vm, answer.reason);
	}
}

int adopt_point_make(struct store *store, struct manifest *next,
		     const struct adopt_request *request)
{
	/* nothing has been written since the cut: its time may be now's */
	struct manifest_cut cut = {.seq = request->seq, .time_ms = clock_wall_ms()};
	size_t count = next->point_count;

	if (request->digest || request->extents[0] != '\0' ||
	    (count > 0 && next->points[count - 1].cut.seq >= request->seq)) {
		return 0;
	}
	memcpy(cut.cut_id, request->cut_id, sizeof(cut.cut_id));
	while (next->point_count >= MANIFEST_POINTS_MAX) {
		manifest_point_drop(next, 1);
	}
	next->committed.time_ms = cut.time_ms;
	state_take(store, next, request->seq);
	return manifest_point_push(next, &cut, false);
}
