/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checking a store's directory without its daemon: manifest, logs and their chain of hashes,
 * layers, points, pins. Nothing is written and no lock is taken, so a check stands in nobody's way:
 * neither in a running receiver's nor in that of one that takes the store over meanwhile. What a
 * receiver writes at the time (the top layers, a merge's) cannot be judged then and is listed as
 * not checked; what else looks wrong is looked up in the manifest again before it counts, because
 * merges and retention take files away.
 */
#ifndef VMR_RECEIVER_CHECK_H
#define VMR_RECEIVER_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "receiver/history.h"
#include "receiver/manifest.h"
#include "receiver/point_list.h"

/* Exit statuses of the check. */
enum check_status {
	CHECK_SOUND = 0,
	CHECK_FAILED = 1, /* it could not be made: a sentence is on standard error */
	CHECK_USAGE = 2,
	CHECK_DAMAGED = 3,
};

#define CHECK_NO_OFFSET UINT64_MAX
#define CHECK_TEXT_LEN	400

enum check_weight {
	CHECK_NOTE,   /* worth knowing */
	CHECK_DAMAGE, /* data is lost, or not what it was */
};

struct check_finding {
	enum check_weight weight;
	char file[MANIFEST_FILE_MAX + 1]; /* relative to the store */
	uint64_t offset;		  /* in that file, or CHECK_NO_OFFSET */
	char text[CHECK_TEXT_LEN];
};

struct check {
	int dir_fd; /* the store's, which is also the working directory */
	bool in_use;
	struct manifest manifest;
	struct history history;
	struct check_finding *findings; /* owned */
	size_t finding_count, damage_count;
	size_t logs, layers, layers_left; /* checked; not checked because they are being written */
	uint64_t log_bytes, compared_bytes;
	/* Of what no kept log wrote: compared with its sum; without one */
	struct check_blocks {
		uint64_t blocks, bytes;
	} summed, alone;
	bool out_of_memory;
	bool changed; /* a chain was, in the middle of the check, and that has been said */
};

/* One layer file of the store, with what its place in the chain says of it. */
struct check_layer {
	const struct manifest_layer *layer;
	const struct manifest_layer *below; /* NULL for a base */
	const char *disk;
	uint64_t top_size; /* the disk's, when the replica or a point ends with it; else 0 */
};

/* vmreplica-receiver --check DIRECTORY [--point SEQ] [--json]: returns the exit status. */
int check_main(int argc, char **argv);

/* ---- for the files of the check ---- */
void check_find(struct check *check, enum check_weight weight, const char *file, uint64_t offset,
		const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Does a receiver have the store now? */
bool check_store_is_in_use(const struct check *check);
/* Does the manifest on disk still speak of this layer as it did; does it, or its history, still
 * name this log? */
bool check_layer_stands(const struct check *check, const struct manifest_layer *layer);
bool check_log_stands(const struct check *check, const char *file);

/* The chain that holds this layer (of disk name; NULL: of any), with its index there, or NULL. */
const struct manifest_disk *check_chain_find(const struct check *check, const char *name,
					     const char *file, size_t *ret_index);

/* The history's index, every log that is kept, and their chain (check_logs.c). */
void check_logs(struct check *check);
/* Every layer of every chain: its fingerprint, its header, QEMU's own check (check_layers.c). */
void check_layers(struct check *check);
/* Points and pins against the chains (check_points.c). */
void check_points(struct check *check);
/* What the VM keeps beside its disks (check_states.c). */
void check_states(struct check *check);
/* What the points read as, against the logs that led to them (check_content.c). */
void check_content(struct check *check);

/* What no kept log wrote, against its sums (check_sums.c). */
void check_sums(struct check *check);

/* Run argv to its end for what it writes; bounded by timeout_ms. The exit status or a negative
 * errno; *ret_out, *ret_err: text, caller frees. */
int check_run_program(const char *const *argv, int timeout_ms, char **ret_out, char **ret_err);

/* Leave nothing to check but the recovery point of cycle seq: its layers, and the logs that lead to
 * it from the one before. 0 or -ENOENT (check_narrow.c). */
int check_narrow(struct check *check, uint64_t seq);

/* Print it all. 0 or -EIO (check_print.c) */
int check_print(const struct check *check, const char *directory, bool json);

#endif
