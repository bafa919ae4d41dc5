/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/materialize.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "proto/logfile.h"
#include "receiver/apply.h"
#include "receiver/image.h"

static int explain(char error[TAKEOVER_ERROR_LEN], int rc, const char *what, const char *why)
{
	snprintf(error, TAKEOVER_ERROR_LEN, "%s: %.300s", what, why);
	return rc;
}

int materialize_disks(struct store *store, const struct history_entry *log,
		      struct plan_disk disks[DISKS_MAX], size_t *ret_count,
		      char error[TAKEOVER_ERROR_LEN])
{
	char path[IMAGE_PATH_LEN], file[MANIFEST_FILE_MAX + 1], why[LOGFILE_ERROR_LEN] = "";
	struct logfile_reader *reader = NULL;
	const struct logfile_header *header;
	int rc = logfile_reader_open(image_path(store, history_file_format(log, file), path), false,
				     &reader, why);

	if (rc < 0) {
		return explain(error, rc, file, why[0] != '\0' ? why : strerror(-rc));
	}
	header = logfile_reader_header(reader);
	for (uint32_t i = 0; i < header->disk_count; i++) {
		snprintf(disks[i].name, sizeof(disks[i].name), "%s", header->disks[i].name);
		disks[i].size_bytes = header->disks[i].size_bytes;
	}
	*ret_count = header->disk_count;
	logfile_reader_close(reader);
	return 0;
}

/* ---- the daemon ---- */

static int disk_attach(const struct materialize *m, struct qsd *qsd,
		       const struct manifest_taken_disk *disk, char error[TAKEOVER_ERROR_LEN])
{
	size_t index = 0;
	const struct manifest_disk *below = manifest_chain_find(m->manifest, disk->base, &index);
	cleanup_free char(*paths)[IMAGE_PATH_LEN] = NULL;
	cleanup_free const char **list = NULL;
	struct qsd_chain chain;
	char why[QSD_ERROR_LEN];
	int rc;

	if (below == NULL) {
		return explain(error, -ENOENT, disk->base, "the layer is in no chain");
	}
	paths = calloc(index + 2, sizeof(*paths));
	list = calloc(index + 2, sizeof(*list));
	if (paths == NULL || list == NULL) {
		return explain(error, -ENOMEM, disk->name, "out of memory");
	}
	for (size_t i = 0; i <= index; i++) {
		list[i] = image_path(m->store, below->layers[i].file, paths[i]);
	}
	list[index + 1] = image_path(m->store, disk->built.file, paths[index + 1]);
	chain = (struct qsd_chain){.paths = list, .count = index + 2, .writable = true};
	rc = qsd_disk_attach(qsd, disk->name, &chain, why);
	return rc < 0 ? explain(error, rc, disk->name, why) : 0;
}

static int daemon_start(const struct materialize *m, struct qsd **ret_qsd,
			char error[TAKEOVER_ERROR_LEN])
{
	const struct cell cell = {.directory = m->store->directory, .manifest = m->manifest};
	char name[RELATIONSHIP_LEN + 8], why[QSD_ERROR_LEN];
	int rc;

	snprintf(name, sizeof(name), "%s-t", m->store->relationship);
	rc = qsd_start(&cell, m->store->receiver->run_directory, name, m->store->lock_fd, ret_qsd,
		       why);
	if (rc < 0) {
		return explain(error, rc, "replaying logs", why);
	}
	for (size_t i = 0; rc == 0 && i < m->takeover->disk_count; i++) {
		rc = disk_attach(m, *ret_qsd, &m->takeover->disks[i], error);
	}
	return rc;
}

/* ---- the logs ---- */

static void apply_destroy(struct apply *apply)
{
	free(apply->buffer);
	codec_state_free(apply->codec);
	batch_free(apply->batch);
	free(apply);
}

static struct apply *apply_make(const struct materialize *m, const struct qsd *qsd)
{
	struct apply *apply = calloc(1, sizeof(*apply));

	if (apply == NULL) {
		return NULL;
	}
	apply->store = m->store;
	apply->stop = m->stop;
	apply->batch = batch_new();
	apply->codec = codec_state_new();
	apply->buffer = malloc(CHUNK_BUFFER_SIZE); /* the appliers' are theirs */
	apply->disk_count = m->takeover->disk_count;
	for (size_t i = 0; i < apply->disk_count; i++) {
		snprintf(apply->disks[i].name, sizeof(apply->disks[i].name), "%s",
			 m->takeover->disks[i].name);
		apply->disks[i].size_bytes = m->takeover->disks[i].size_bytes;
	}
	snprintf(apply->socket, sizeof(apply->socket), "%s", qsd_socket(qsd));
	if (apply->batch == NULL || apply->codec == NULL || apply->buffer == NULL) {
		apply_destroy(apply);
		return NULL;
	}
	return apply;
}

static void log_list(const struct history_entry *entry, struct apply_log *to)
{
	memset(to, 0, sizeof(*to));
	to->log.seq = entry->seq;
	to->log.size_bytes = entry->size_bytes;
	memcpy(to->log.cut_id, entry->cut_id, sizeof(to->log.cut_id));
	memcpy(to->log.hash, entry->hash, LOG_HASH_LEN);
	history_file_format(entry, to->log.file);
}

/* As many as go in at once, from the at-th on. */
static void logs_list(const struct materialize *m, size_t at, struct apply *apply)
{
	uint64_t bytes = 0;

	apply->log_count = 0;
	while (at < m->log_count && apply->log_count < APPLY_LOGS_MAX &&
	       (apply->log_count == 0 || bytes + m->logs[at].size_bytes <= APPLY_BYTES_MAX)) {
		bytes += m->logs[at].size_bytes;
		log_list(&m->logs[at++], &apply->logs[apply->log_count++]);
	}
}

static int logs_failed(const struct apply *apply, int rc, char error[TAKEOVER_ERROR_LEN])
{
	if (rc == -ECANCELED) {
		return explain(error, rc, "replaying logs", "given up");
	}
	if (rc == -EBADMSG) {
		snprintf(error, TAKEOVER_ERROR_LEN,
			 "the log of cycle %" PRIu64
			 " is damaged (%.200s): choose a cycle before it",
			 apply->logs[apply->damaged].log.seq, apply->why);
		return rc;
	}
	return explain(error, rc, "replaying logs",
		       apply->target.error[0] != '\0' ? apply->target.error : strerror(-rc));
}

static int logs_replay(const struct materialize *m, struct apply *apply,
		       char error[TAKEOVER_ERROR_LEN])
{
	uint64_t left = 0;
	size_t at = 0;
	int rc = 0;

	for (size_t i = 0; i < m->log_count; i++) {
		left += m->logs[i].size_bytes;
	}
	while (rc == 0 && at < m->log_count) {
		logs_list(m, at, apply);
		rc = apply_prepare(apply);
		rc = rc < 0 ? rc : apply_write(apply);
		rc = rc < 0 ? rc : target_flush(&apply->target);
		target_close(&apply->target);
		for (size_t i = 0; rc == 0 && i < apply->log_count; i++) {
			left -= m->logs[at++].size_bytes;
		}
		if (rc == 0 && at < m->log_count) {
			m->progress(m->arg, left);
		}
	}
	return rc < 0 ? logs_failed(apply, rc, error) : 0;
}

int materialize_run(const struct materialize *materialize, char error[TAKEOVER_ERROR_LEN])
{
	struct apply *apply = NULL;
	struct qsd *qsd = NULL;
	int rc = daemon_start(materialize, &qsd, error);

	if (rc == 0) {
		apply = apply_make(materialize, qsd);
		rc = apply == NULL ? explain(error, -ENOMEM, "replaying logs", "out of memory")
				   : logs_replay(materialize, apply, error);
	}
	if (apply != NULL) {
		apply_destroy(apply);
	}
	if (qsd != NULL && qsd_stop(qsd) < 0 && rc == 0) {
		rc = explain(error, -EIO, "replaying logs", "qemu-storage-daemon did not end well");
	}
	return rc;
}
