/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the rig has to do with the machine: /proc of the receiver and its children, tools, chance.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "receiver_rig.h"

void rig_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

/* Gone, or a zombie that nobody has reaped yet. */
bool rig_process_is_dead(pid_t pid)
{
	char path[64], state = 'Z';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file == NULL) {
		return true;
	}
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) {
		state = 'Z';
	}
	fclose(file);
	return state == 'Z' || state == 'X';
}

bool rig_holds_lock(pid_t pid, const char *store)
{
	char path[64], link[RIG_PATH + 64], expected[RIG_PATH + 64];
	bool found = false;

	snprintf(expected, sizeof(expected), "%s/lock", store);
	for (int fd = 0; fd < 64 && !found; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		found = strcmp(link, expected) == 0;
	}
	return found;
}

/* Not qemu-img, which comes and goes, nor the reader of sums: those that write have the store's
 * lock. */
static bool is_daemon(int pid)
{
	char path[64], name[32] = "", lock[RIG_PATH * 2] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/fd/3", pid);
	if (readlink(path, lock, sizeof(lock) - 1) < 0 || strstr(lock, "/lock") == NULL) {
		return false;
	}
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (file != NULL) {
		if (fgets(name, sizeof(name), file) == NULL) {
			name[0] = '\0';
		}
		fclose(file);
	}
	return strncmp(name, "qemu-storage", strlen("qemu-storage")) == 0;
}

pid_t rig_daemon_pid(const struct rig *rig)
{
	return rig_daemon_other(rig, 0);
}

pid_t rig_daemon_other(const struct rig *rig, pid_t known)
{
	char path[64], buf[256];
	pid_t found = 0;
	FILE *file;
	int pid;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)rig->pid);
	DIR *tasks = opendir(path);
	struct dirent *task;

	while (tasks != NULL && (task = readdir(tasks)) != NULL) {
		snprintf(buf, sizeof(buf), "/proc/%d/task/%.20s/children", (int)rig->pid,
			 task->d_name);
		file = task->d_name[0] == '.' ? NULL : fopen(buf, "re");
		if (file != NULL) {
			while (fscanf(file, "%d", &pid) == 1) {
				found = pid != known && is_daemon(pid) ? pid : found;
			}
			fclose(file);
		}
	}
	if (tasks != NULL) {
		closedir(tasks);
	}
	return found;
}

uint32_t rig_random(uint32_t bound)
{
	static unsigned int seed;

	if (seed == 0) {
		const char *given = getenv("RIG_SEED");

		seed = given != NULL ? (unsigned int)strtoul(given, NULL, 10)
				     : (unsigned int)time(NULL) ^ (unsigned int)getpid();
		seed |= 1;
		fprintf(stderr, "RIG_SEED=%u\n", seed);
		srandom(seed);
	}
	return (uint32_t)random() % bound;
}

void rig_require_tools(void)
{
	static const char *const tools[] = {"qemu-storage-daemon", "qemu-img"};
	char command[128];

	for (size_t i = 0; i < 2; i++) {
		snprintf(command, sizeof(command), "command -v %s >/dev/null", tools[i]);
		if (system(command) != 0) {
			fprintf(stderr, "%s is not installed\n", tools[i]);
			exit(77);
		}
	}
}
