/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

__attribute__((format(printf, 1, 2))) static int failed(const char *format, ...)
{
	va_list args;

	fputs("vmreplica-receiver: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return CHECK_FAILED;
}

void check_find(struct check *check, enum check_weight weight, const char *file, uint64_t offset,
		const char *format, ...)
{
	struct check_finding *findings =
		reallocarray(check->findings, check->finding_count + 1, sizeof(*findings));
	struct check_finding *finding;
	va_list args;

	if (findings == NULL) {
		check->out_of_memory = true;
		return;
	}
	check->findings = findings;
	finding = &findings[check->finding_count++];
	*finding = (struct check_finding){.weight = weight, .offset = offset};
	snprintf(finding->file, sizeof(finding->file), "%s", file);
	va_start(args, format);
	vsnprintf(finding->text, sizeof(finding->text), format, args);
	va_end(args);
	check->damage_count += weight == CHECK_DAMAGE;
}

bool check_store_is_in_use(const struct check *check)
{
	cleanup_close int fd = openat(check->dir_fd, "lock", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	/* Asked for, not taken: a receiver that wants the store must not find us in its way. */
	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* ---- what stands ---- */

static const struct manifest_layer *image_layer_find(const struct manifest_image *image,
						     const char *file)
{
	for (size_t i = 0; i < image->disk_count; i++) {
		for (size_t k = 0; k < image->disks[i].layer_count; k++) {
			if (strcmp(image->disks[i].layers[k].file, file) == 0) {
				return &image->disks[i].layers[k];
			}
		}
	}
	return NULL;
}

bool check_layer_stands(const struct check *check, const struct manifest_layer *layer)
{
	const struct manifest_layer *now;
	char error[MANIFEST_ERROR_LEN];
	struct manifest m = {0};
	bool stands;

	if (manifest_load(check->dir_fd, &m, error) < 0) {
		return true; /* it was readable a moment ago: told as what it looks like */
	}
	now = image_layer_find(&m.current, layer->file);
	now = now != NULL ? now : image_layer_find(&m.pending, layer->file);
	now = now != NULL ? now : image_layer_find(&m.retired, layer->file);
	stands = now != NULL && now->frozen == layer->frozen && now->inode == layer->inode &&
		 now->mtime_ns == layer->mtime_ns && now->size_bytes == layer->size_bytes &&
		 (layer->frozen ||
		  (m.generation == check->manifest.generation && !check_store_is_in_use(check)));
	manifest_destroy(&m);
	return stands;
}

static int history_read(const struct check *check, const struct manifest *m,
			struct history *ret_history)
{
	uint64_t end_seq = m->log_count > 0 ? m->logs[0].seq : m->applied_seq + 1;

	return history_load(check->dir_fd, m->history_generation, m->history_from, end_seq,
			    ret_history);
}

bool check_log_stands(const struct check *check, const char *file)
{
	char error[MANIFEST_ERROR_LEN];
	struct history history = {0};
	struct manifest m = {0};
	bool stands = true;

	if (manifest_load(check->dir_fd, &m, error) == 0 &&
	    history_read(check, &m, &history) == 0) {
		stands = manifest_refers_to(&m, file) || history_refers_to(&history, file);
	}
	manifest_destroy(&m);
	history_destroy(&history);
	return stands;
}

/* ---- reading the store ---- */

/* 0, or the exit status after a sentence or with a finding. */
static int store_read(struct check *check, const char *directory)
{
	char error[MANIFEST_ERROR_LEN] = "";
	int rc;

	check->in_use = check_store_is_in_use(check);
	rc = manifest_load(check->dir_fd, &check->manifest, error);
	if (rc == -ENOENT) {
		return failed("%s is no replica store: it has no " MANIFEST_NAME, directory);
	}
	if (rc == -EBADMSG) {
		const char *where = strstr(error, "at byte ");

		check_find(check, CHECK_DAMAGE, MANIFEST_NAME,
			   where == NULL ? 0 : strtoull(where + strlen("at byte "), NULL, 10), "%s",
			   error);
		return CHECK_DAMAGED;
	}
	if (rc < 0) {
		return failed("%s: %s", directory, rc == -EPROTONOSUPPORT ? error : strerror(-rc));
	}
	rc = history_read(check, &check->manifest, &check->history);
	if (rc < 0 && rc != -EFBIG && rc != -EINVAL && rc != -EUCLEAN) {
		return failed("%s: cannot read the index of logs: %s", directory, strerror(-rc));
	}
	return 0;
}

/* Give up root for the user that the store belongs to: what is read here came from a peer. */
static int become_owner(const char *directory)
{
	struct stat st;

	if (stat(directory, &st) < 0) {
		return failed("%s: %s", directory, strerror(errno));
	}
	if (!S_ISDIR(st.st_mode)) {
		return failed("%s is not a directory", directory);
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (geteuid() != 0) {
		return 0;
	}
	if (st.st_uid == 0) {
		return failed("%s belongs to root; a store belongs to the receiver's user, as whom "
			      "it is read: chown -R vmreplica: it first",
			      directory);
	}
	if (setgroups(1, &st.st_gid) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) < 0 || setuid(0) == 0) {
		return failed("cannot become the owner of %s: %s", directory, strerror(errno));
	}
	return 0;
}

static int directory_enter(struct check *check, const char *directory)
{
	check->dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (check->dir_fd < 0 || fchdir(check->dir_fd) < 0) {
		return failed("cannot open %s: %s", directory, strerror(errno));
	}
	return 0;
}

static void check_all(struct check *check)
{
	check_logs(check);
	check_layers(check);
	check_points(check);
	check_states(check);
	check_content(check);
	check_alone(check);
}

static int check_directory(const char *directory, uint64_t point_seq, bool json)
{
	struct check check = {.dir_fd = -1};
	int status = become_owner(directory);

	status = status != 0 ? status : directory_enter(&check, directory);
	status = status != 0 ? status : store_read(&check, directory);
	if (status == 0 && point_seq != 0 && check_narrow(&check, point_seq) < 0) {
		status = failed("%s has no recovery point of cycle %" PRIu64, directory, point_seq);
	}
	if (status == 0) {
		check_all(&check);
		status = check.damage_count > 0 ? CHECK_DAMAGED : CHECK_SOUND;
	}
	if (check.out_of_memory) {
		status = failed("out of memory");
	}
	if (status != CHECK_FAILED && check_print(&check, directory, json) < 0) {
		status = failed("cannot write the output");
	}
	manifest_destroy(&check.manifest);
	history_destroy(&check.history);
	free(check.findings);
	if (check.dir_fd >= 0) {
		close(check.dir_fd);
	}
	return status;
}

int check_main(int argc, char **argv)
{
	const char *directory = argc > 2 ? argv[2] : NULL;
	bool json = false, wrong = directory == NULL;
	uint64_t point_seq = 0;

	for (int i = 3; i < argc && !wrong; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			json = true;
		} else if (strcmp(argv[i], "--point") == 0 && i + 1 < argc) {
			point_seq = strtoull(argv[++i], NULL, 10);
			wrong = point_seq == 0;
		} else {
			wrong = true;
		}
	}
	if (wrong) {
		fputs("usage: vmreplica-receiver --check DIRECTORY [--point SEQ] [--json]\n",
		      stderr);
		return CHECK_USAGE;
	}
	return check_directory(directory, point_seq, json);
}
