/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmreplica-broker: options, process life, signals. What it does is in broker.c. */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/arguments.h"
#include "broker/broker.h"
#include "broker/confinement.h"
#include "common/daemon.h"
#include "common/cleanup.h"
#include "common/log.h"

#define BROKER_USER	"vmreplica"
#define BROKER_SOCKET	VMR_RUNDIR "/broker.sock"
#define BROKER_READY_NS 30000000000ull /* to reach the cluster */
#define EXIT_USAGE	2

struct process {
	struct arguments arguments;
	struct config config;
	struct broker broker;
	qb_loop_t *loop;
	int ready_fd, pid_fd;
	bool dropped; /* root was given up: what needs it cannot be begun again */
	int exit_status;
};

static void fail(struct process *process, const char *why)
{
	log_error("%s", why);
	if (process->ready_fd >= 0) {
		fprintf(stderr, "vmreplica-broker: %s\n", why); /* somebody waits for us in front */
	}
	process->exit_status = EXIT_FAILURE;
	qb_loop_stop(process->loop);
}

static const char *const settings_directories[] = {VMR_SYSCONFDIR "/vms.d",
						   VMR_SYSCONFDIR "/authorize.d"};

/* Without a cluster ENROLL and authorize write files, and that happens after root was given up. */
static void make_settings_directories(const struct process *process)
{
	const struct group *group = getgrnam(BROKER_USER);

	for (size_t i = 0; process->config.standalone && i < 2; i++) {
		if (mkdir(settings_directories[i], 0775) == 0 && group != NULL &&
		    (chown(settings_directories[i], 0, group->gr_gid) < 0 ||
		     chmod(settings_directories[i], 0775) < 0)) {
			log_warning("group " BROKER_USER " cannot write into %s: %s",
				    settings_directories[i], strerror(errno));
		}
	}
}

static void check_settings_directories(const struct process *process)
{
	for (size_t i = 0; process->config.standalone && i < 2; i++) {
		if (access(settings_directories[i], W_OK) < 0) {
			log_warning("user " BROKER_USER
				    " cannot write into %s, so that peers cannot be enrolled or "
				    "authorized: make it writable for group " BROKER_USER,
				    settings_directories[i]);
		}
	}
}

/* ---- the broker's word ---- */

static void broker_ready_cb(void *arg)
{
	struct process *process = arg;
	char error[DAEMON_ERROR_LEN];
	int rc;

	if (daemon_drop_privileges(BROKER_USER, &process->dropped, error) < 0) {
		fail(process, error);
		return;
	}
	if (access(process->config.tls_key, R_OK) < 0) {
		log_warning("user " BROKER_USER " cannot read %s: renewed certificates will need a "
			    "restart; make the file's "
			    "group " BROKER_USER " and its mode 0640",
			    process->config.tls_key);
	}
	check_settings_directories(process);
	if (confinement_enter(&process->config, error) < 0) {
		fail(process, error);
		return;
	}
	rc = broker_serve(&process->broker);
	if (rc < 0) {
		fail(process, strerror(-rc));
		return;
	}
	daemon_ready(&process->ready_fd);
}

/* Without root neither the group nor the helper can be had again: begin anew, as Pacemaker will
 * have us do. */
static void broker_failed_cb(void *arg, const char *why)
{
	struct process *process = arg;

	if (process->dropped) {
		fail(process, why);
	} else {
		log_warning("%s; trying again", why);
	}
}

static void ready_timeout_cb(void *data)
{
	struct process *process = data;
	char text[256];

	if (process->broker.serving || process->broker.ready_cb == NULL) {
		return;
	}
	snprintf(text, sizeof(text), "the cluster could not be reached in 30 s: %s",
		 !process->broker.joined	  ? "corosync's group does not hear us"
		 : !process->broker.have_settings ? "Pacemaker's configuration could not be read"
						  : "Pacemaker's status could not be read");
	fail(process, text);
}

/* ---- signals ---- */

static int32_t terminate_cb(int32_t number, void *data)
{
	struct process *process = data;

	log_notice("ending on signal %d", number);
	broker_stop(&process->broker);
	return 0;
}

static int32_t reload_cb(int32_t number, void *data)
{
	struct process *process = data;

	(void)number;
	broker_reload(&process->broker);
	return 0;
}

/* Our one child is the helper that reads and changes the cluster's configuration, and it was
 * started as root. */
static int32_t child_cb(int32_t number, void *data)
{
	siginfo_t info = {.si_pid = 0};
	int rc = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);

	(void)number;
	if ((rc == 0 && info.si_pid != 0) || (rc < 0 && errno == ECHILD)) {
		broker_failed_cb(data, "vmreplica-cib has ended");
	}
	return 0;
}

static int add_signals(struct process *process)
{
	signal(SIGPIPE, SIG_IGN);
	if (qb_loop_signal_add(process->loop, QB_LOOP_HIGH, SIGTERM, process, terminate_cb, NULL) <
		    0 ||
	    qb_loop_signal_add(process->loop, QB_LOOP_HIGH, SIGINT, process, terminate_cb, NULL) <
		    0 ||
	    qb_loop_signal_add(process->loop, QB_LOOP_LOW, SIGHUP, process, reload_cb, NULL) < 0 ||
	    qb_loop_signal_add(process->loop, QB_LOOP_LOW, SIGCHLD, process, child_cb, NULL) < 0) {
		return -EINVAL;
	}
	return 0;
}

/* ---- life ---- */

static int read_config(struct process *process)
{
	const struct arguments *arguments = &process->arguments;
	char error[CONFIG_ERROR_LEN];
	int rc = config_load(arguments->daemon.config_path, &process->config, error);

	if (rc < 0) {
		fprintf(stderr, "vmreplica-broker: %s\n", error);
		return rc;
	}
	if (arguments->relay != NULL) {
		relay_mode_from_string(arguments->relay, &process->config.relay);
	}
	rc = log_open("vmreplica-broker", process->config.log_directory, process->config.log_level,
		      arguments->daemon.foreground);
	if (rc < 0) {
		fprintf(stderr, "vmreplica-broker: cannot write a log in %s: %s\n",
			process->config.log_directory, strerror(-rc));
	}
	return rc;
}

/* /run is empty after a boot. */
static void make_run_directory(void)
{
	const struct group *group = getgrnam(BROKER_USER);

	if (mkdir(VMR_RUNDIR, 0750) == 0 && group != NULL &&
	    (chown(VMR_RUNDIR, 0, group->gr_gid) < 0 || chmod(VMR_RUNDIR, 0750) < 0)) {
		log_warning("group " BROKER_USER " cannot have " VMR_RUNDIR ": %s",
			    strerror(errno));
	}
}

static int open_pid_file(struct process *process)
{
	if (process->arguments.daemon.pid_file == NULL) {
		return 0;
	}
	process->pid_fd = daemon_pid_file_open(process->arguments.daemon.pid_file);
	if (process->pid_fd < 0) {
		fprintf(stderr, "vmreplica-broker: %s: %s\n", process->arguments.daemon.pid_file,
			process->pid_fd == -EWOULDBLOCK ? "another broker is running"
							: strerror(-process->pid_fd));
	}
	return process->pid_fd < 0 ? process->pid_fd : 0;
}

static int open_broker(struct process *process)
{
	struct broker *broker = &process->broker;
	const struct arguments *arguments = &process->arguments;
	char error[BROKER_ERROR_LEN] = "";
	qb_loop_timer_handle timer;
	int rc;

	process->loop = qb_loop_create();
	if (process->loop == NULL) {
		return -ENOMEM;
	}
	broker->loop = process->loop;
	broker->config = &process->config;
	broker->options = (struct broker_options){
		.address = arguments->address,
		.port = arguments->port != 0 ? (uint16_t)arguments->port
					     : process->config.broker_port,
		.relay = process->config.relay,
		.socket_path = arguments->socket_path,
		.socket_group = getgrnam(BROKER_USER) != NULL ? BROKER_USER : NULL,
	};
	broker->ready_cb = broker_ready_cb;
	broker->failed_cb = broker_failed_cb;
	broker->arg = process;
	rc = add_signals(process);
	if (rc == 0) {
		rc = broker_open(broker, error);
	}
	if (rc < 0) {
		fail(process, error[0] != '\0' ? error : strerror(-rc));
		return rc;
	}
	return qb_loop_timer_add(process->loop, QB_LOOP_LOW, BROKER_READY_NS, process,
				 ready_timeout_cb, &timer);
}

static int run(struct process *process)
{
	int rc = process->arguments.daemon.foreground ? 0 : daemon_detach(&process->ready_fd);

	if (rc < 0 || open_pid_file(process) < 0) {
		return EXIT_FAILURE;
	}
	make_run_directory();
	make_settings_directories(process);
	daemon_raise_limits();
	rc = daemon_protect_memory(); /* it has the key before it gives up root */
	if (rc < 0) {
		log_error("core dumps cannot be forbidden: %s", strerror(-rc));
		return EXIT_FAILURE;
	}
	if (open_broker(process) == 0) {
		qb_loop_run(process->loop);
	}
	broker_close(&process->broker);
	daemon_pid_file_close(process->pid_fd);
	log_notice("ended");
	if (process->loop != NULL) {
		qb_loop_destroy(process->loop);
	}
	return process->exit_status;
}

int main(int argc, char **argv)
{
	struct process process = {
		.arguments = {.address = "",
			      .daemon.config_path = CONFIG_DEFAULT_PATH,
			      .socket_path = BROKER_SOCKET},
		.ready_fd = -1,
		.pid_fd = -1,
	};
	int rc = arguments_parse(argc, argv, &process.arguments);

	if (rc != 0) {
		return rc < 0 ? EXIT_USAGE : EXIT_SUCCESS;
	}
	umask(077); /* what others are to have is given to them by name */
	if (read_config(&process) < 0) {
		return EXIT_FAILURE;
	}
	rc = run(&process);
	config_destroy(&process.config);
	log_close();
	return rc;
}
