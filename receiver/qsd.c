/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/qsd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "proto/limits.h"
#include "receiver/json.h"
#include "receiver/process.h"
#include "receiver/qmp.h"

#define QSD_PROGRAM    "qemu-storage-daemon"
#define SOCKET_BACKLOG 16
#define QSD_STOP_MS    10000
#define QSD_DETACH_MS  10000
#define QSD_L2_CACHE_BYTES                                                                         \
	(4 * 1024 * 1024) /* maps 32 GiB; more costs a read, not memory without bound */

#define CHAIN_EXPORTS 3 /* the top, and two of a merge */

/* An attached chain: the numbers of its nodes (n<number>), base first, and of its exports
 * (e<number>). */
struct chain {
	char disk[DISK_NAME_MAX + 1];
	uint64_t *nodes; /* owned */
	size_t count;
	uint64_t exports[CHAIN_EXPORTS];
	size_t export_count;
};

struct qsd {
	pid_t pid;  /* 0 once it is reaped */
	int fd;	    /* our end of its monitor */
	int err_fd; /* what it writes to standard error */
	struct qmp qmp;
	char socket[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	uint64_t next_number; /* of nodes and exports */
	struct chain chains[DISKS_MAX];
	size_t chain_count;
};

static void qsd_free(struct qsd *qsd)
{
	qmp_close(&qsd->qmp);
	if (qsd->fd >= 0) {
		close(qsd->fd);
	}
	if (qsd->err_fd >= 0) {
		close(qsd->err_fd);
	}
	if (qsd->socket[0] != '\0') {
		unlink(qsd->socket);
	}
	for (size_t i = 0; i < qsd->chain_count; i++) {
		free(qsd->chains[i].nodes);
	}
	free(qsd);
}

/* The daemon is given its socket: it cannot make one, nor reach another store's. */
static int socket_listen(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, SOCKET_BACKLOG) < 0) {
		return -errno;
	}
	return steal_fd(&fd);
}

/* The monitor sits on the child's standard input and output. */
static int qsd_spawn(struct qsd *qsd, const struct cell *cell, int lock_fd,
		     char error[QSD_ERROR_LEN])
{
	const char *argv[] = {QSD_PROGRAM,
			      "--chardev",
			      "stdio,id=qmp",
			      "--monitor",
			      "chardev=qmp",
			      "--nbd-server",
			      "addr.type=fd,addr.str=4",
			      NULL};
	struct process_setup setup = {.kept = {lock_fd, -1}, .cell = cell};
	cleanup_close int server = -1;
	int pair[2];
	int rc;

	qsd->err_fd = memfd_create("stderr", MFD_CLOEXEC);
	if (qsd->err_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		rc = -errno;
		snprintf(error, QSD_ERROR_LEN, "cannot start " QSD_PROGRAM ": %s", strerror(-rc));
		return rc;
	}
	qsd->fd = pair[0];
	setup.standard[0] = setup.standard[1] = pair[1];
	setup.standard[2] = qsd->err_fd;
	setup.kept[1] = server = socket_listen(qsd->socket);
	rc = server < 0 ? server : process_spawn(argv, &setup, &qsd->pid);
	close(pair[1]);
	if (rc < 0) {
		snprintf(error, QSD_ERROR_LEN, "cannot start " QSD_PROGRAM ": %s", strerror(-rc));
	}
	return rc;
}

/* Replace a transport's error by what the daemon said as it died, when it has. */
static void qsd_explain(struct qsd *qsd, int rc, char error[QSD_ERROR_LEN])
{
	char words[QSD_ERROR_LEN];

	if (rc != -ECONNRESET && rc != -EPIPE) {
		return;
	}
	process_last_words(qsd->err_fd, words, sizeof(words));
	if (words[0] != '\0') {
		snprintf(error, QSD_ERROR_LEN, QSD_PROGRAM " ended: %.400s", words);
	} else {
		snprintf(error, QSD_ERROR_LEN,
			 QSD_PROGRAM " ended at once: is it installed (qemu-system-common)?");
	}
}

int qsd_start(const struct cell *cell, const char *run_directory, const char *name, int lock_fd,
	      struct qsd **ret_qsd, char error[QSD_ERROR_LEN])
{
	struct qsd *qsd = calloc(1, sizeof(*qsd));
	int rc, n;

	if (qsd == NULL) {
		snprintf(error, QSD_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	qsd->fd = qsd->err_fd = -1;
	qsd->next_number = 1; /* 0 is none */
	n = snprintf(qsd->socket, sizeof(qsd->socket), "%s/%s.sock", run_directory, name);
	if (n < 0 || (size_t)n >= sizeof(qsd->socket)) {
		snprintf(error, QSD_ERROR_LEN, "the path of socket %s/%s.sock is too long",
			 run_directory, name);
		qsd->socket[0] = '\0';
		rc = -ENAMETOOLONG;
	} else {
		rc = qsd_spawn(qsd, cell, lock_fd, error);
	}
	if (rc == 0) {
		rc = qmp_open(&qsd->qmp, qsd->fd, error);
		qsd_explain(qsd, rc, error);
		if (rc < 0) {
			process_end(qsd->pid, 0);
		}
	}
	if (rc < 0) {
		qsd_free(qsd);
		return rc;
	}
	*ret_qsd = qsd;
	return 0;
}

bool qsd_is_alive(struct qsd *qsd, char error[QSD_ERROR_LEN])
{
	int status = 0;

	if (qsd->pid != 0 && process_wait(qsd->pid, 0, &status) == 0) {
		qsd->pid = 0;
		process_last_words(qsd->err_fd, error, QSD_ERROR_LEN);
		if (error[0] == '\0' && WIFSIGNALED(status)) {
			snprintf(error, QSD_ERROR_LEN, "killed by signal %d", WTERMSIG(status));
		}
	}
	return qsd->pid != 0;
}

int qsd_stop(struct qsd *qsd)
{
	char error[QSD_ERROR_LEN];
	int status = 0;
	int rc = -EIO;

	if (qsd == NULL) {
		return 0;
	}
	if (qsd_is_alive(qsd, error)) {
		qmp_execute(&qsd->qmp, "quit", NULL, NULL, error);
		if (process_wait(qsd->pid, QSD_STOP_MS, &status) == 0) {
			rc = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
		} else {
			process_end(qsd->pid, 2000);
		}
	}
	qsd_free(qsd);
	return rc;
}

const char *qsd_socket(const struct qsd *qsd)
{
	return qsd->socket;
}

static int qsd_execute(struct qsd *qsd, const char *command, json_t *arguments, json_t **ret_result,
		       char error[QSD_ERROR_LEN])
{
	int rc = qmp_execute(&qsd->qmp, command, arguments, ret_result, error);

	qsd_explain(qsd, rc, error);
	return rc;
}

static void node_name(uint64_t number, char name[32])
{
	snprintf(name, 32, "n%" PRIu64, number);
}

/* What a node is opened with. below 0: without a backing file. */
struct node_options {
	uint64_t number, below;
	const char *path;
	bool writable;
};

static int node_add(struct qsd *qsd, const struct node_options *options, char error[QSD_ERROR_LEN])
{
	char node[32], below[32];
	json_t *arguments;

	node_name(options->number, node);
	node_name(options->below, below);
	/* The file takes read-only from the node, also when that is turned later. */
	arguments = json_pack("{s:s, s:s, s:b, s:s, s:i, s:{s:s, s:s, s:s}, s:o}", "driver",
			      "qcow2", "node-name", node, "read-only", !options->writable,
			      "discard", "unmap", "l2-cache-size", QSD_L2_CACHE_BYTES, "file",
			      "driver", "file", "filename", options->path, "discard", "unmap",
			      "backing", options->below != 0 ? json_string(below) : json_null());
	return qsd_execute(qsd, "blockdev-add", arguments, NULL, error);
}

/* depth: block status also tells which layer a block comes from. */
static int export_add(struct qsd *qsd, struct chain *chain, size_t index, const char *name,
		      bool writable, bool depth, char error[QSD_ERROR_LEN])
{
	uint64_t number = qsd->next_number++;
	char node[32], id[32];
	int rc;

	if (chain->export_count == CHAIN_EXPORTS) {
		snprintf(error, QSD_ERROR_LEN, "too many exports of %s", chain->disk);
		return -E2BIG;
	}
	node_name(chain->nodes[index], node);
	snprintf(id, sizeof(id), "e%" PRIu64, number);
	rc = qsd_execute(qsd, "block-export-add",
			 json_pack("{s:s, s:s, s:s, s:s, s:b, s:b}", "type", "nbd", "id", id,
				   "node-name", node, "name", name, "writable", writable,
				   "allocation-depth", depth),
			 NULL, error);
	if (rc == 0) {
		chain->exports[chain->export_count++] = number;
	}
	return rc;
}

/* block-export-del returns before the export is gone, and its node stays busy until then. */
static int export_wait_gone(struct qsd *qsd, const char *id, char error[QSD_ERROR_LEN])
{
	int64_t deadline_ms = clock_monotonic_ms() + QSD_DETACH_MS;

	for (;;) {
		cleanup_json json_t *exports = NULL;
		bool found = false;
		json_t *item;
		size_t i;
		int rc = qsd_execute(qsd, "query-block-exports", NULL, &exports, error);

		if (rc < 0) {
			return rc;
		}
		json_array_foreach(exports, i, item)
		{
			const char *text = json_string_value(json_object_get(item, "id"));

			found |= text != NULL && strcmp(text, id) == 0;
		}
		if (!found) {
			return 0;
		}
		if (clock_monotonic_ms() > deadline_ms) {
			snprintf(error, QSD_ERROR_LEN, QSD_PROGRAM " keeps an export busy");
			return -EBUSY;
		}
		clock_sleep_ms(2);
	}
}

static int chain_detach(struct qsd *qsd, struct chain *chain, char error[QSD_ERROR_LEN])
{
	char name[32];
	int rc = 0;

	while (rc == 0 && chain->export_count > 0) {
		snprintf(name, sizeof(name), "e%" PRIu64, chain->exports[chain->export_count - 1]);
		rc = qsd_execute(qsd, "block-export-del",
				 json_pack("{s:s, s:s}", "id", name, "mode", "hard"), NULL, error);
		rc = rc < 0 ? rc : export_wait_gone(qsd, name, error);
		chain->export_count -= rc == 0;
	}
	while (rc == 0 && chain->count > 0) {
		node_name(chain->nodes[chain->count - 1], name);
		rc = qsd_execute(qsd, "blockdev-del", json_pack("{s:s}", "node-name", name), NULL,
				 error);
		chain->count -= rc == 0;
	}
	if (rc == 0) {
		free(steal_ptr(chain->nodes));
	}
	return rc;
}

int qsd_detach_all(struct qsd *qsd, char error[QSD_ERROR_LEN])
{
	while (qsd->chain_count > 0) {
		int rc = chain_detach(qsd, &qsd->chains[qsd->chain_count - 1], error);

		if (rc < 0) {
			return rc;
		}
		qsd->chain_count--;
	}
	return 0;
}

/* One more node on top of chain. */
static int chain_push(struct qsd *qsd, struct chain *chain, const char *path, bool writable,
		      char error[QSD_ERROR_LEN])
{
	struct node_options options = {
		.number = qsd->next_number++,
		.below = chain->count > 0 ? chain->nodes[chain->count - 1] : 0,
		.path = path,
		.writable = writable,
	};
	uint64_t *nodes = reallocarray(chain->nodes, chain->count + 1, sizeof(*nodes));
	int rc;

	if (nodes == NULL) {
		snprintf(error, QSD_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	chain->nodes = nodes;
	rc = node_add(qsd, &options, error);
	if (rc == 0) {
		nodes[chain->count++] = options.number;
	}
	return rc;
}

int qsd_disk_attach(struct qsd *qsd, const char *disk, const struct qsd_chain *wanted,
		    char error[QSD_ERROR_LEN])
{
	char ignored[QSD_ERROR_LEN];
	struct chain *chain;
	int rc = 0;

	if (qsd->chain_count == DISKS_MAX) {
		snprintf(error, QSD_ERROR_LEN, "more than %u disks", DISKS_MAX);
		return -E2BIG;
	}
	chain = &qsd->chains[qsd->chain_count];
	memset(chain, 0, sizeof(*chain));
	snprintf(chain->disk, sizeof(chain->disk), "%s", disk);
	while (rc == 0 && chain->count < wanted->count) {
		size_t i = chain->count;
		bool merged = wanted->merging && i + 1 == wanted->merged;

		rc = chain_push(qsd, chain, wanted->paths[i],
				merged || (wanted->writable && i + 1 == wanted->count), error);
	}
	rc = rc < 0 ? rc
		    : export_add(qsd, chain, chain->count - 1, disk, wanted->writable,
				 wanted->depth, error);
	if (rc == 0 && wanted->merging) {
		rc = export_add(qsd, chain, wanted->merged - 1, QSD_MERGE_INTO, true, true, error);
		rc = rc < 0 ? rc
			    : export_add(qsd, chain, wanted->merged, QSD_MERGE_FROM, false, true,
					 error);
	}
	if (rc < 0) {
		chain_detach(qsd, chain, ignored);
		return rc;
	}
	qsd->chain_count++;
	return 0;
}

/* blockdev-snapshot moves the export to the new node under its clients, and turns the old one
 * read-only (measured: 4 ms, however long the chain). */
int qsd_disk_turn(struct qsd *qsd, const char *disk, const char *path, char error[QSD_ERROR_LEN])
{
	struct chain *chain = NULL;
	char old[32], new[32];
	struct node_options options = {.path = path, .writable = true};
	uint64_t *nodes;
	int rc;

	if (qsd == NULL) {
		snprintf(error, QSD_ERROR_LEN, "qemu-storage-daemon does not run");
		return -ENOTCONN;
	}
	options.number = qsd->next_number++;
	for (size_t i = 0; i < qsd->chain_count; i++) {
		chain = strcmp(qsd->chains[i].disk, disk) == 0 ? &qsd->chains[i] : chain;
	}
	nodes = chain == NULL ? NULL
			      : reallocarray(chain->nodes, chain->count + 1, sizeof(*chain->nodes));
	if (nodes == NULL) {
		snprintf(error, QSD_ERROR_LEN, "%s",
			 chain == NULL ? "the disk is not open" : "out of memory");
		return chain == NULL ? -ENOENT : -ENOMEM;
	}
	chain->nodes = nodes;
	rc = node_add(qsd, &options, error);
	if (rc < 0) {
		return rc;
	}
	node_name(nodes[chain->count - 1], old);
	node_name(options.number, new);
	rc = qsd_execute(qsd, "blockdev-snapshot",
			 json_pack("{s:s, s:s}", "node", old, "overlay", new), NULL, error);
	if (rc == 0) {
		nodes[chain->count++] = options.number;
	} else {
		char ignored[QSD_ERROR_LEN];

		qsd_execute(qsd, "blockdev-del", json_pack("{s:s}", "node-name", new), NULL,
			    ignored);
	}
	return rc;
}
