/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM's disks on media that are carried to the other site: a directory of images and, of an
 * export, a manifest that says what they are. Written last, so that a directory without it is no
 * complete export. Blocking.
 */
#ifndef VMR_ENGINE_MEDIA_H
#define VMR_ENGINE_MEDIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/sha256.h"
#include "proto/limits.h"

#define MEDIA_NAME	"vmreplica-export.json"
#define MEDIA_FORMAT	1
#define MEDIA_FILE_MAX	(DISK_NAME_MAX + 8)
#define MEDIA_ERROR_LEN 512

struct media_disk {
	char name[DISK_NAME_MAX + 1];
	char file[MEDIA_FILE_MAX + 1]; /* in the directory: "vda.qcow2" */
	uint64_t size_bytes;	       /* of the disk; 0 = not known */
	uint64_t file_bytes;
	uint8_t sha256[SHA256_LEN]; /* of the file */
	bool raw;		    /* else qcow2 */
};

struct media {
	bool exported; /* there is a manifest: what follows is its */
	char relationship[RELATIONSHIP_LEN + 1];
	char vm[VM_NAME_MAX + 1];
	char site[SITE_NAME_MAX + 1]; /* the primary's */
	uint64_t epoch, seq;
	char cut_id[CUT_ID_LEN + 1];
	int64_t cut_time_ms;
	uint8_t hash[SHA256_LEN]; /* of the manifest's text: stands for the log of that cut */
	struct media_disk disks[DISKS_MAX];
	size_t disk_count;
};

/* Write the manifest, durably. 0 or a negative errno with a sentence. */
int media_save(int dir_fd, const struct media *media, char error[MEDIA_ERROR_LEN]);
/* What lies in the directory: by its manifest, or, without one, the files DISK.qcow2, DISK.raw and
 * DISK.img. Sizes of files are looked at, hashes are not. 0; -ENOENT (nothing of the kind),
 * -EBADMSG (the manifest is damaged, of a newer format, or a file is missing or has another size),
 * ..., with a sentence. */
int media_load(int dir_fd, struct media *ret_media, char error[MEDIA_ERROR_LEN]);
/* SHA-256 of all of an open file. cancelled (may be NULL) is asked now and then: -ECANCELED. */
int media_hash_file(int fd, uint8_t ret_hash[SHA256_LEN], bool (*cancelled)(void *arg), void *arg);

#endif
