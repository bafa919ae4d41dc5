/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sums of what a closed layer holds: <layer>.sums beside it, a sum for each block of the disk that
 * the layer has data or zeros for. For layers that no kept log bears out (the base, into which
 * points are merged, mostly) they are the second source in the store.
 *
 *   page 0      head: whose sums these are, and how far they go
 *   page 1...   511 sums each, of 64 KiB of the disk; 0 = not known; then the page's own sum
 *
 * All numbers are little endian. When the sums hold: the head names the layer by the fingerprint
 * that the manifest has of it, too, and no merge. So whoever writes a layer in whatever way makes
 * them void: its fingerprint is another one from then on. Only a merge of ours, which knows all
 * that it writes, carries them over: it makes them void before its first write, by naming itself in
 * the head, and gives them the layer's new fingerprint at its end. A file that is missing, void,
 * damaged or of another version is as good as none, and nothing but the check depends on it.
 *
 * One thread at a time; every call blocks on storage. One page is held in memory.
 */
#ifndef VMR_RECEIVER_SUMS_H
#define VMR_RECEIVER_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "receiver/manifest.h"

#define SUMS_SUFFIX	   ".sums"
#define SUMS_BLOCK_BYTES   65536u
#define SUMS_PAGE_BYTES	   4096u
#define SUMS_PAGE_SUMS	   (SUMS_PAGE_BYTES / 8 - 1)
#define SUMS_FILE_NAME_LEN (MANIFEST_FILE_MAX + sizeof(SUMS_SUFFIX))

struct sums_head {
	uint64_t generation;		     /* owner of the store that writes the file */
	uint64_t disk_bytes;		     /* virtual size of the layer */
	uint64_t layer_bytes, inode;	     /* the layer's fingerprint, ... */
	int64_t mtime_ns;		     /* ... as in the manifest */
	uint64_t filled_bytes;		     /* all that there is before has its sum */
	char merging[MANIFEST_FILE_MAX + 1]; /* layer that is being merged into this one */
	uint64_t merged_bytes;		     /* of it, what before has its sum durably */
};

struct sums;

/* Open the sums of layer ("gen-1/vda-1.qcow2"), relative to dir_fd. 0; -ENOENT; -EUCLEAN (no sums
 * that can be read); or an errno. */
int sums_open(int dir_fd, const char *layer, struct sums **ret_sums);
/* The same for writing, by the owner of generation. -ESTALE: an earlier one wrote it; -EEXIST: a
 * later one did, whose it is. */
int sums_take(int dir_fd, const char *layer, uint64_t generation, struct sums **ret_sums);
/* What an earlier owner wrote is copied to a file of our own: if that one was stopped in the middle
 * of a write, and goes on, it writes to the old. pace is told from time to time how many bytes were
 * copied, and may end it with a negative errno. 0, also when there is nothing to do; else a
 * negative errno (the old file stands). */
int sums_renew(int dir_fd, const char *layer, uint64_t generation,
	       int (*pace)(void *arg, uint64_t bytes), void *arg);
/* Make an empty file in place of whatever is there, with that head, durably but for its entry in
 * the directory (without which there are no sums). 0 or a negative errno. */
int sums_create(int dir_fd, const char *layer, const struct sums_head *head,
		struct sums **ret_sums);
void sums_close(struct sums *sums); /* what is not committed may be lost. NULL allowed */
void sums_remove(int dir_fd, const char *layer);
/* "<layer>.sums" */
char *sums_file_name(const char *layer, char name[SUMS_FILE_NAME_LEN]);

const struct sums_head *sums_head(const struct sums *sums);
/* Put the fingerprint of layer into head. */
void sums_head_name(struct sums_head *head, const struct manifest_layer *layer);
/* Are these the sums of the layer as its fingerprint in layer has it, for a disk of that size?
 * Never of an adopted one: a VM has written it, and where its data lie in a file beside it, the
 * fingerprint does not show that. */
bool sums_hold(const struct sums *sums, const struct manifest_layer *layer, uint64_t disk_bytes);

/* The sum of a block; 0 = not known. 0, -EBADMSG (the page is damaged: none of its sums is known),
 * or an errno. */
int sums_get(struct sums *sums, uint64_t block, uint64_t *ret_sum);
/* Set it. 0 or a negative errno: the file must not be used any more then. A damaged page begins
 * anew, and what was filled counts up to it. */
int sums_set(struct sums *sums, uint64_t block, uint64_t sum);
/* The sum of a block is not known any more, and is to be filled in again. As sums_set. */
int sums_forget(struct sums *sums, uint64_t block);
/* Make what was set durable, and after that head. 0 or a negative errno, as above. */
int sums_commit(struct sums *sums, const struct sums_head *head);

/* The sum of what a block holds; never 0. len: SUMS_BLOCK_BYTES, or what is left of the disk. */
uint64_t sums_of(const void *data, size_t len, uint64_t block);
uint64_t sums_of_zeros(size_t len, uint64_t block);
/* Bytes of the disk that are in a block. */
size_t sums_block_length(uint64_t disk_bytes, uint64_t block);

#endif
