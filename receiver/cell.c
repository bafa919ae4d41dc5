/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/cell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "proto/limits.h"
#include "receiver/data_file.h"

#define PATH_LEN (PATH_LEN_MAX + MANIFEST_FILE_MAX + 2)

static const struct {
	const char *path;
	unsigned int access;
} programs[] = {
	{"/usr", CONFINE_READ | CONFINE_EXECUTE}, /* qemu-storage-daemon, qemu-img */
	{"/lib", CONFINE_READ | CONFINE_EXECUTE},
	{"/lib64", CONFINE_READ | CONFINE_EXECUTE},
	{"/bin", CONFINE_READ | CONFINE_EXECUTE},
	{"/etc/ld.so.cache", CONFINE_READ}, /* a newer one is missed: there are default paths */
	{"/etc/ld.so.preload", CONFINE_READ},
	{"/etc/localtime", CONFINE_READ},
	{"/etc/nsswitch.conf", CONFINE_READ}, /* GLib asks who we are */
	{"/etc/passwd", CONFINE_READ},
	{"/etc/group", CONFINE_READ},
	{"/etc/ssl/openssl.cnf", CONFINE_READ},
	{"/etc/pki/tls/openssl.cnf", CONFINE_READ},
	{"/etc/crypto-policies", CONFINE_READ},
	{"/etc/gnutls", CONFINE_READ},
	{"/proc/sys", CONFINE_READ},
	{"/proc/cpuinfo", CONFINE_READ},
	{"/sys", CONFINE_READ}, /* limits of block devices */
	{"/dev/null", CONFINE_READ | CONFINE_WRITE},
	{"/dev/zero", CONFINE_READ},
	{"/dev/urandom", CONFINE_READ},
	{"/dev/random", CONFINE_READ},
};

/* A descriptor passed at the start is all that a server needs. What Landlock does not see of other
 * stores' files, which belong to the same user: their owners, modes, ACLs and times. */
static const char *const refused[] = {
	"socket",	"connect",  "bind",	  "execveat",  "setsid",	   "chmod",
	"fchmod",	"fchmodat", "fchmodat2",  "chown",     "fchown",	   "lchown",
	"fchownat",	"setxattr", "lsetxattr",  "fsetxattr", "removexattr",	   "lremovexattr",
	"fremovexattr", "truncate", "truncate64", "utimensat", "utimensat_time64", "futimesat",
	"link",		"linkat",   "symlink",	  "symlinkat", "inotify_init1",	   NULL,
};

static struct {
	pthread_once_t once;
	struct confine_program *calls;
	char error[CONFINE_ERROR_LEN];
} shared = {.once = PTHREAD_ONCE_INIT};

/* A library that whoever started the receiver has preloaded is preloaded into its programs as well,
 * and may use what lies beside it: tests/faults does. A receiver that chose one itself would gain
 * nothing: a cell is never wider than the receiver's own confinement. */
static int preloaded_add(int fd)
{
	const char *preloaded = getenv("LD_PRELOAD");
	char path[PATH_LEN];

	if (preloaded == NULL || preloaded[0] != '/') {
		return 0;
	}
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(preloaded, ": "), preloaded);
	return confine_paths_add(fd, dirname(path), CONFINE_READ | CONFINE_EXECUTE | CONFINE_UPDATE);
}

int cell_add_programs(int fd)
{
	int rc = preloaded_add(fd);

	for (size_t i = 0; rc == 0 && i < sizeof(programs) / sizeof(programs[0]); i++) {
		rc = confine_paths_add(fd, programs[i].path, programs[i].access);
	}
	return rc;
}

/* ---- adopted disks ---- */

/* Through the link, which no program of ours can have made. */
static int disk_add(int fd, const char *image)
{
	cleanup_close int image_fd = open(image, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char data[PATH_MAX] = "", around[PATH_LEN], path[PATH_LEN + PATH_MAX];
	int rc = confine_paths_add(fd, image, CONFINE_READ | CONFINE_UPDATE);
	cleanup_free char *real = NULL;

	if (image_fd >= 0) {
		data_file_read(image_fd, data);
	}
	if (rc < 0 || data[0] == '\0') {
		return rc;
	}
	real = realpath(image, NULL);
	if (real == NULL) {
		return 0; /* it will be missed by whoever opens it */
	}
	snprintf(around, sizeof(around), "%s", real);
	snprintf(path, sizeof(path), "%s%s%s", data[0] == '/' ? "" : dirname(around),
		 data[0] == '/' ? "" : "/", data);
	return confine_paths_add(fd, path, CONFINE_READ | CONFINE_UPDATE);
}

static int disks_add(int fd, const char *directory, const struct manifest_image *image)
{
	char path[PATH_LEN];
	int rc = 0;

	for (size_t i = 0; i < image->disk_count; i++) {
		for (size_t k = 0; rc == 0 && k < image->disks[i].layer_count; k++) {
			const struct manifest_layer *layer = &image->disks[i].layers[k];

			snprintf(path, sizeof(path), "%s/%s", directory, layer->file);
			rc = layer->adopted ? disk_add(fd, path) : 0;
		}
	}
	return rc;
}

/* ---- the store ---- */

static int directory_add(int fd, const char *directory, const struct dirent *entry)
{
	bool import = strcmp(entry->d_name, "import") == 0;
	char path[PATH_LEN];

	if (!import && strncmp(entry->d_name, "gen-", 4) != 0 &&
	    strncmp(entry->d_name, "vm-", 3) != 0) {
		return 0;
	}
	snprintf(path, sizeof(path), "%s/%.*s", directory, (int)MANIFEST_FILE_MAX, entry->d_name);
	return confine_paths_add(fd, path,
				 CONFINE_READ | (import ? CONFINE_WRITE : CONFINE_UPDATE));
}

/* Whoever runs in a cell makes no directory there, and no link: these are ours, or root's. */
static int store_add(int fd, const char *directory)
{
	DIR *listing = opendir(directory);
	int rc = listing == NULL ? -errno : 0;

	for (const struct dirent *entry = NULL;
	     rc == 0 && listing != NULL && (entry = readdir(listing)) != NULL;) {
		rc = directory_add(fd, directory, entry);
	}
	if (listing != NULL) {
		closedir(listing);
	}
	return rc;
}

static int files_find(const char *directory, const struct manifest *manifest,
		      char error[CONFINE_ERROR_LEN])
{
	cleanup_close int fd = confine_paths_new(false, error);
	int rc;

	if (fd < 0) {
		return fd;
	}
	rc = cell_add_programs(fd);
	rc = rc < 0 ? rc : store_add(fd, directory);
	if (rc == 0 && manifest != NULL) {
		rc = disks_add(fd, directory, &manifest->current);
		rc = rc < 0 ? rc : disks_add(fd, directory, &manifest->pending);
	}
	if (rc < 0) {
		snprintf(error, CONFINE_ERROR_LEN,
			 "QEMU's programs cannot be restricted to a store's files: %s",
			 strerror(-rc));
		return rc;
	}
	return steal_fd(&fd);
}

static void calls_make(void)
{
	shared.calls = confine_program_new(refused, shared.error);
}

int cell_build(const struct cell *cell, struct cell_walls *ret_walls, char error[CONFINE_ERROR_LEN])
{
	int files;

	pthread_once(&shared.once, calls_make);
	if (shared.calls == NULL) {
		snprintf(error, CONFINE_ERROR_LEN, "%s", shared.error);
		return -ENOMEM;
	}
	files = files_find(cell->directory, cell->manifest, error);
	if (files < 0 && files != -EOPNOTSUPP) {
		return files;
	}
	*ret_walls = (struct cell_walls){.files = files < 0 ? -1 : files, .calls = shared.calls};
	return 0;
}

void cell_walls_destroy(struct cell_walls *walls)
{
	if (walls->files >= 0) {
		close(walls->files);
	}
	*walls = (struct cell_walls){.files = -1};
}

int cell_enter(const struct cell_walls *walls)
{
	int rc = walls->files < 0 ? 0 : confine_paths_enter(walls->files);

	return rc < 0 ? rc : confine_program_enter(walls->calls);
}
