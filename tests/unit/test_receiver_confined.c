/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The receiver that runs opens a store where it was told to, and nowhere else; and what it starts
 * for a store reaches that one's images alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/confine.h"
#include "receiver/cell.h"
#include "receiver/confinement.h"
#include "receiver/process.h"
#include "tests/unit/receiver_rig.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

static bool status_says(pid_t pid, const char *wanted)
{
	char path[64], line[256];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		found |= strcmp(line, wanted) == 0;
	}
	if (file != NULL) {
		fclose(file);
	}
	return found;
}

static bool kernel_can(void)
{
	char error[CONFINE_ERROR_LEN];
	int fd = confine_paths_new(false, error);

	if (fd < 0) {
		printf("skipped: %s ", error);
		return false;
	}
	close(fd);
	return true;
}

static void places(void)
{
	char elsewhere[] = "/tmp/vmreplica-elsewhere-XXXXXX", store[RIG_PATH];
	struct stat own;
	struct rig rig;

	rig_init(&rig);
	rig_start(&rig, "b1");
	CU_ASSERT_TRUE(status_says(rig.pid, "Seccomp:\t2\n"));
	CU_ASSERT_TRUE(status_says(rig.pid, "NoNewPrivs:\t1\n"));
	CU_ASSERT_TRUE(status_says(rig.pid, "CapEff:\t0000000000000000\n"));
	memcpy(store, rig.store, sizeof(store));
	CU_ASSERT_EQUAL_FATAL(stat(store, &own), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(elsewhere));
	CU_ASSERT_EQUAL(chown(elsewhere, own.st_uid, own.st_gid), 0);
	if (kernel_can()) {
		/* by owner and mode it is as good as the other */
		snprintf(rig.store, sizeof(rig.store), "%s", elsewhere);
		CU_ASSERT_EQUAL(rig_open(&rig), -EACCES);
		CU_ASSERT_PTR_NOT_NULL(strstr(rig.opened_text, elsewhere));
	}
	memcpy(rig.store, store, sizeof(store));
	CU_ASSERT_EQUAL(rig_open(&rig), 0);
	rig_destroy(&rig);
	rmdir(elsewhere);
}

/* ---- what the receiver may open, by trying with its own restrictions ---- */

static char tried[TEMP_PATH_LEN];
static int tried_flags;

/* In a process that was told of <tempdir>/mine and of one disk. The errno of opening. */
static int open_confined(void)
{
	Vmreplica__Ipc__ReceiverConfig config = VMREPLICA__IPC__RECEIVER_CONFIG__INIT;
	char mine[TEMP_PATH_LEN], lent[TEMP_PATH_LEN], run[TEMP_PATH_LEN];
	char error[CONFINE_ERROR_LEN];
	char *places[] = {temp_path(mine, "mine"), temp_path(lent, "vms/lent.qcow2")};
	bool confined = false;

	config.places = places;
	config.n_places = 2;
	if (confinement_enter_paths(&config, temp_path(run, "run"), &confined, error) < 0 ||
	    !confined || confinement_enter_calls(error) < 0) {
		return ENOTRECOVERABLE;
	}
	return open(tried, tried_flags | O_CLOEXEC) < 0 ? errno : 0;
}

static int outcome(const char *path, int flags)
{
	int status = 0;
	pid_t pid;

	snprintf(tried, sizeof(tried), "%s", path);
	tried_flags = flags;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		_exit(open_confined());
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int outcome_here(const char *name)
{
	char path[TEMP_PATH_LEN];

	return outcome(temp_path(path, name), O_RDWR);
}

/* By mode and owner all of it is as open as what was lent. */
static void receiver_files(void)
{
	static const char *const directories[] = {"mine", "run", "cib", "elsewhere", "vms"};
	static const char *const files[] = {"mine/layer", "vms/lent.qcow2", "vms/other.qcow2",
					    "cib/cib.xml", "elsewhere/layer"};
	char path[TEMP_PATH_LEN], target[TEMP_PATH_LEN];

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		CU_ASSERT_EQUAL(mkdir(temp_path(path, directories[i]), 0755), 0);
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		temp_file(path, files[i], "content");
	}
	CU_ASSERT_EQUAL(symlink(temp_path(target, "vms/other.qcow2"), temp_path(path, "mine/link")),
			0);
	if (!kernel_can()) {
		return;
	}
	CU_ASSERT_EQUAL(outcome_here("mine/layer"), 0);
	CU_ASSERT_EQUAL(outcome_here("vms/lent.qcow2"), 0);
	CU_ASSERT_EQUAL(outcome_here("vms/other.qcow2"), EACCES); /* a VM's, not adopted */
	CU_ASSERT_EQUAL(outcome_here("mine/link"), EACCES);
	CU_ASSERT_EQUAL(outcome_here("elsewhere/layer"), EACCES);
	CU_ASSERT_EQUAL(outcome_here("cib/cib.xml"), EACCES);
	CU_ASSERT_EQUAL(outcome("/etc/hosts", O_RDONLY), EACCES);
}

/* ---- a program in its cell ---- */

#define RUN_MS 60000

static struct manifest_layer layers[2];
static struct manifest_disk disks[] = {{.name = "vda", .layers = layers, .layer_count = 2}};
static const struct manifest manifest = {.current = {.disks = disks, .disk_count = 1}};
static char store_path[TEMP_PATH_LEN];

/* Does sh -c script end well in the cell of the store, where $0 is the temporary directory? It is
 * one process, so its commands are the shell's own. */
static bool works(const char *script)
{
	char error[512], root[TEMP_PATH_LEN];
	const struct cell cell = {.directory = store_path, .manifest = &manifest};
	const char *argv[] = {"sh", "-c", script, temp_path(root, "."), NULL};
	int rc = process_run(argv, &cell, RUN_MS, error, sizeof(error));

	if (rc < 0 && strstr(error, "denied") == NULL && strstr(error, "not permitted") == NULL &&
	    strstr(error, "fork") == NULL && strstr(error, "cannot create") == NULL) {
		fprintf(stderr, "%s: %s\n", script, error);
	}
	return rc == 0;
}

static void stores_make(void)
{
	static const char *const directories[] = {"store",  "store/gen-1",  "store/import",
						  "store2", "store2/gen-1", "disks"};
	char path[TEMP_PATH_LEN], target[TEMP_PATH_LEN];

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		CU_ASSERT_EQUAL(mkdir(temp_path(path, directories[i]), 0755), 0);
	}
	temp_file(path, "store/manifest.json", "{}");
	temp_file(path, "store/gen-1/vda-2.qcow2", "layer");
	temp_file(path, "store2/gen-1/vda-1.qcow2", "other");
	temp_file(path, "disks/not-lent.qcow2", "disk");
	temp_file(target, "disks/lent.qcow2", "disk");
	CU_ASSERT_EQUAL(symlink(target, temp_path(path, "store/gen-1/vda-1.qcow2")), 0);
	snprintf(layers[0].file, sizeof(layers[0].file), "gen-1/vda-1.qcow2");
	layers[0].adopted = layers[0].linked = true;
	snprintf(layers[1].file, sizeof(layers[1].file), "gen-1/vda-2.qcow2");
	temp_path(store_path, "store");
}

static void cell_files(void)
{
	stores_make();
	if (!kernel_can()) {
		return;
	}
	CU_ASSERT_TRUE(works("exec 5<>$0/store/gen-1/vda-2.qcow2"));
	CU_ASSERT_TRUE(works("exec 5<>$0/store/gen-1/vda-1.qcow2")); /* the disk that was lent */
	CU_ASSERT_TRUE(works("echo x >$0/store/import/vda.base"));
	CU_ASSERT_FALSE(works("exec 5<$0/store2/gen-1/vda-1.qcow2"));
	CU_ASSERT_FALSE(works("exec 5<$0/disks/not-lent.qcow2"));
	CU_ASSERT_FALSE(works("exec 5<$0/store/manifest.json"));
	CU_ASSERT_FALSE(works("echo x >$0/store/gen-1/new"));
	CU_ASSERT_FALSE(works("exec rm $0/store/gen-1/vda-2.qcow2"));
	CU_ASSERT_FALSE(works("exec 5</etc/shadow"));
	CU_ASSERT_FALSE(works("exec 5</proc/1/status"));
}

/* What file permissions and Landlock do not tell apart: all stores are one user's. */
static void cell_calls(void)
{
	CU_ASSERT_TRUE(works(":"));
	CU_ASSERT_FALSE(works("/bin/true; :")); /* no process but itself */
	CU_ASSERT_FALSE(works("exec chmod 0777 $0/store2/gen-1/vda-1.qcow2"));
	CU_ASSERT_FALSE(works("exec ln $0/store/gen-1/vda-2.qcow2 $0/store/gen-1/b"));
}

/* Another store's daemon serves on a socket: it is out of reach. */
static void cell_sockets(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[TEMP_PATH_LEN], url[TEMP_PATH_LEN + 32], error[512];
	const struct cell cell = {.directory = store_path, .manifest = &manifest};
	const char *argv[] = {"qemu-img", "info", url, NULL};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", temp_path(path, "nbd.sock"));
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	CU_ASSERT_EQUAL(listen(fd, 1), 0);
	snprintf(url, sizeof(url), "nbd+unix:///vda?socket=%s", address.sun_path);
	CU_ASSERT_EQUAL(process_run(argv, &cell, RUN_MS, error, sizeof(error)), -EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "not permitted"));
	close(fd);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"a store elsewhere is not opened", places},
		{"the receiver: files", receiver_files},
		{"a store's program: files", cell_files},
		{"a store's program: system calls", cell_calls},
		{"a store's program: sockets", cell_sockets},
	};
	int rc;

	rig_require_tools();
	rc = unit_run("receiver_confined", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return rc;
}
