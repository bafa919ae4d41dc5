/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc tells of the receiver and its children. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "receiver_rig.h"

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

/* Not qemu-img, which comes and goes. */
static bool is_daemon(int pid)
{
	char path[64], name[32] = "";
	FILE *file;

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
				found = is_daemon(pid) ? pid : found;
			}
			fclose(file);
		}
	}
	if (tasks != NULL) {
		closedir(tasks);
	}
	return found;
}
