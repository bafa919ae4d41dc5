/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/wrap_access.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "engine/source_access.h"
#include "engine/source_error.h"

#define CONF_MAX   (1024u * 1024u)
#define GROUPS_MAX 256
#define DEV	   "/dev/"
#define ACL_DEFAULTS                                                                               \
	"\"/dev/null\", \"/dev/full\", \"/dev/zero\", \"/dev/random\", \"/dev/urandom\", "         \
	"\"/dev/ptmx\", \"/dev/kvm\""

/* ---- may QEMU's user open it? ---- */

/* In the child: raw system calls, because glibc's wrappers would change the engine's other threads
 * as well. */
__attribute__((noreturn)) static void open_as(const char *path, int flags,
					      const struct source_security *who,
					      const gid_t *groups, size_t count)
{
	if (syscall(SYS_setgroups, count, groups) != 0 ||
	    syscall(SYS_setresgid, who->gid, who->gid, who->gid) != 0 ||
	    syscall(SYS_setresuid, who->uid, who->uid, who->uid) != 0 ||
	    open(path, flags | O_CLOEXEC | O_NONBLOCK) < 0) {
		_exit(errno < 255 ? errno : EIO);
	}
	_exit(0);
}

/* 0, or the negative errno that QEMU's user gets. */
static int try_open(const char *path, int flags, const struct source_security *who)
{
	struct passwd entry, *user = NULL;
	char names[4096];
	gid_t groups[GROUPS_MAX];
	int count = GROUPS_MAX, status;
	pid_t child, ended;

	if (getpwuid_r(who->uid, &entry, names, sizeof(names), &user) != 0 || user == NULL ||
	    getgrouplist(user->pw_name, who->gid, groups, &count) < 0) {
		groups[0] = who->gid;
		count = 1;
	}
	child = fork();
	if (child == 0) {
		open_as(path, flags, who, groups, (size_t)count);
	}
	if (child < 0) {
		return -errno;
	}
	do {
		ended = waitpid(child, &status, 0);
	} while (ended < 0 && errno == EINTR);
	return ended == child && WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* ---- libvirt's configuration ---- */

/* The value of a setting: where its text begins, behind the '='. NULL: not set. The last one
 * counts. */
static const char *conf_value(const char *conf, const char *name)
{
	const char *value = NULL;
	size_t len = strlen(name);

	for (const char *line = conf; line != NULL && *line != '\0';) {
		const char *end = strchr(line, '\n');

		line += strspn(line, " \t");
		if (strncmp(line, name, len) == 0) {
			const char *equals = line + len + strspn(line + len, " \t");

			value = *equals == '=' ? equals + 1 : value;
		}
		line = end != NULL ? end + 1 : NULL;
	}
	return value;
}

/* Is word in the list that begins at value? Strings are quoted by either kind of quotes; a comment
 * goes to the end of its line. */
static bool list_holds(const char *value, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = value; *at != '\0' && *at != ']'; at++) {
		const char *close;

		if (*at == '#') {
			at += strcspn(at, "\n");
			if (*at == '\0') {
				return false;
			}
		}
		if (*at != '"' && *at != '\'') {
			continue;
		}
		close = strchr(at + 1, *at);
		if (close == NULL) {
			return false;
		}
		if ((size_t)(close - at - 1) == len && strncmp(at + 1, word, len) == 0) {
			return true;
		}
		at = close;
	}
	return false;
}

bool wrap_access_conf_allows(const char *conf, const char *path)
{
	const char *namespaces = conf_value(conf, "namespaces");
	const char *controllers = conf_value(conf, "cgroup_controllers");
	const char *devices = conf_value(conf, "cgroup_device_acl");
	bool own_dev = namespaces == NULL || list_holds(namespaces, "mount");
	bool own_list = controllers == NULL || list_holds(controllers, "devices");

	return (!own_dev && !own_list) || (devices != NULL && list_holds(devices, path));
}

static char *read_conf(void)
{
	cleanup_close int fd = open(WRAP_QEMU_CONF, O_RDONLY | O_CLOEXEC);
	char *text = malloc(CONF_MAX + 1);
	ssize_t got = fd >= 0 && text != NULL ? read(fd, text, CONF_MAX) : 0;

	if (text != NULL) {
		text[got > 0 ? got : 0] = '\0';
	}
	return text;
}

/* ---- devices ---- */

static bool is_device(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISBLK(status.st_mode);
}

void wrap_access_rule(const char *path, uid_t uid, char *buf, size_t size)
{
	const char *name = strncmp(path, DEV, strlen(DEV)) == 0 ? path + strlen(DEV) : path;
	const char *key = strchr(name, '/') == NULL ? "KERNEL" : "SYMLINK";

	snprintf(buf, size,
		 "# Made by vmreplica wrap: QEMU opens this device under a qcow2 header.\n"
		 "SUBSYSTEM==\"block\", %s==\"%s\", OWNER=\"%u\"\n",
		 key, name, (unsigned int)uid);
}

static int rule_path(const char *vm, const char *disk, char *buf, size_t size)
{
	return (size_t)snprintf(buf, size, WRAP_RULES_DIR "/90-vmreplica-%s-%s.rules", vm, disk) <
			       size
		       ? 0
		       : -ENAMETOOLONG;
}

static int write_rule(const char *vm, const struct wrap_disk *disk, uid_t uid,
		      char error[SOURCE_ERROR_LEN])
{
	char path[PATH_MAX], rule[PATH_MAX + 256];
	cleanup_fclose FILE *file = NULL;

	if (rule_path(vm, disk->name, path, sizeof(path)) < 0) {
		return source_fail(-ENAMETOOLONG, error, "the VM's name is too long");
	}
	wrap_access_rule(disk->raw, uid, rule, sizeof(rule));
	if (mkdir("/etc/udev", 0755) < 0 && errno != EEXIST) {
		return source_fail(-errno, error, "/etc/udev: %s", strerror(errno));
	}
	if (mkdir(WRAP_RULES_DIR, 0755) < 0 && errno != EEXIST) {
		return source_fail(-errno, error, WRAP_RULES_DIR ": %s", strerror(errno));
	}
	file = fopen(path, "we");
	if (file == NULL || fputs(rule, file) < 0 || fflush(file) != 0 || fsync(fileno(file)) < 0) {
		return source_fail(-errno, error, "%s: %s", path, strerror(errno));
	}
	return 0;
}

static bool device_problem(const struct wrap_disk *disk, struct wrap_problem *problem)
{
	cleanup_free char *conf = read_conf();

	if (conf == NULL || wrap_access_conf_allows(conf, disk->raw)) {
		return false;
	}
	snprintf(problem->text, sizeof(problem->text),
		 "libvirt keeps VMs from %.400s: of a wrapped disk it knows the header alone",
		 disk->raw);
	snprintf(
		problem->advice, sizeof(problem->advice),
		"in " WRAP_QEMU_CONF " set cgroup_device_acl = [ " ACL_DEFAULTS
		", \"%.200s\" ], with what is listed there already, and restart libvirtd: VMs that "
		"run go on",
		disk->raw);
	return true;
}

/* ---- all together ---- */

int wrap_access_reach(const char *directory, const struct source_security *security)
{
	char inside[PATH_MAX];

	if ((size_t)snprintf(inside, sizeof(inside), "%s/.", directory) >= sizeof(inside)) {
		return -ENAMETOOLONG;
	}
	return try_open(inside, O_PATH, security);
}

bool wrap_access_problem(const struct wrap_disk *disk, const struct source_security *security,
			 bool given, struct wrap_problem *ret_problem)
{
	int result = given ? try_open(disk->raw, O_RDWR, security) : 0;

	if (result < 0) {
		snprintf(ret_problem->text, sizeof(ret_problem->text),
			 "QEMU's user (uid %u) cannot open %.400s: %s", (unsigned int)security->uid,
			 disk->raw, strerror(-result));
		snprintf(
			ret_problem->advice, sizeof(ret_problem->advice),
			"vmreplica wrap of the VM again gives it access, unless a directory on the "
			"way is closed to that user");
		return true;
	}
	return is_device(disk->raw) && device_problem(disk, ret_problem);
}

void wrap_access_warn(const struct wrap_disk *disk, const struct source_security *security,
		      struct sentence_list *warnings)
{
	if (security->apparmor) {
		sentence_list_add(warnings,
				  "AppArmor must let QEMU use %s: put \"%s\" rwk, into "
				  "/etc/apparmor.d/local/abstractions/libvirt-qemu",
				  disk->raw, disk->raw);
	}
	if (security->selinux) {
		sentence_list_add(warnings,
				  "SELinux must let QEMU use it: semanage fcontext -a -t "
				  "svirt_image_t %s; restorecon %s",
				  disk->raw, disk->raw);
	}
}

int wrap_access_give(const char *vm, struct wrap_disk *disk, const struct source_security *security,
		     char error[SOURCE_ERROR_LEN])
{
	bool granted = false;
	int result = source_access_grant_image(disk->raw, security->uid, &granted);

	if (result < 0) {
		return source_fail(
			result, error, "QEMU's user (uid %u) cannot be given access to %s: %s; %s",
			(unsigned int)security->uid, disk->raw, strerror(-result),
			result == -ENOTSUP
				? "its file system has no ACLs: chown it to that user yourself"
				: "look at it on this node");
	}
	disk->granted = disk->granted || granted;
	result = try_open(disk->raw, O_RDWR, security);
	if (result < 0) {
		return source_fail(result, error,
				   "QEMU's user (uid %u) cannot open %s: %s; let it search the "
				   "directories on the way",
				   (unsigned int)security->uid, disk->raw, strerror(-result));
	}
	return is_device(disk->raw) ? write_rule(vm, disk, security->uid, error) : 0;
}

void wrap_access_take(const char *vm, const struct wrap_disk *disk,
		      const struct source_security *security, struct sentence_list *problems)
{
	char path[PATH_MAX];
	int result = 0;

	if (disk->granted && access(disk->raw, F_OK) == 0) {
		result = source_access_revoke_image(disk->raw, security->uid);
	}
	if (result < 0) {
		sentence_list_add(problems, "the ACL entry of uid %u stays on %s: %s",
				  (unsigned int)security->uid, disk->raw, strerror(-result));
	}
	if (rule_path(vm, disk->name, path, sizeof(path)) == 0 && unlink(path) < 0 &&
	    errno != ENOENT) {
		sentence_list_add(problems, "%s stays: %s", path, strerror(errno));
	}
}
