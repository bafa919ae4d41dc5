/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmreplica-engine: options, process life, signals. What it does is in engine.c. */
#include <config.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/daemon.h"
#include "common/daemon_arguments.h"
#include "common/log.h"
#include "engine/admin_service.h"
#include "engine/engine.h"

#define EXIT_USAGE    2
#define STOP_FORCE_NS 40000000000ull /* after that the process ends with what is left */

struct process {
	struct daemon_arguments arguments;
	struct config config;
	struct engine engine;
	qb_loop_t *loop;
	int ready_fd, pid_fd;
	int exit_status;
};

static const struct daemon_command command = {
	.program = "vmreplica-engine",
	.usage = "Usage: vmreplica-engine [--config PATH] [--pid-file PATH] [--foreground]\n"
		 "The node's daemon: replicates the protected VMs that run here, and keeps the "
		 "replicas whose stores are here;\n"
		 "see vmreplica-engine(8).\n",
};

static void stopped_cb(void *arg)
{
	struct process *process = arg;

	log_notice("ended");
	qb_loop_stop(process->loop);
}

static void force_cb(void *data)
{
	struct process *process = data;

	log_error("something hangs (libvirt, storage); ending without it");
	process->exit_status = EXIT_FAILURE;
	/* a worker that hangs cannot be waited for */
	_exit(process->exit_status);
}

static void begin_stop(void *arg)
{
	struct process *process = arg;
	qb_loop_timer_handle timer;

	if (!process->engine.stopping) {
		qb_loop_timer_add(process->loop, QB_LOOP_HIGH, STOP_FORCE_NS, process, force_cb,
				  &timer);
		engine_stop(&process->engine, stopped_cb, process);
	}
}

static int32_t terminate_cb(int32_t number, void *data)
{
	log_notice("ending on signal %d", number);
	begin_stop(data);
	return 0;
}

static int32_t child_cb(int32_t number, void *data)
{
	struct process *process = data;

	(void)number;
	engine_wake(&process->engine);
	return 0;
}

static int add_signals(struct process *process)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (qb_loop_signal_add(process->loop, QB_LOOP_HIGH, SIGTERM, process, terminate_cb, NULL) <
		    0 ||
	    qb_loop_signal_add(process->loop, QB_LOOP_HIGH, SIGINT, process, terminate_cb, NULL) <
		    0 ||
	    qb_loop_signal_add(process->loop, QB_LOOP_LOW, SIGCHLD, process, child_cb, NULL) < 0) {
		return -EINVAL;
	}
	return 0;
}

static int read_config(struct process *process)
{
	char error[CONFIG_ERROR_LEN];
	int result = config_load(process->arguments.config_path, &process->config, error);

	if (result < 0) {
		fprintf(stderr, "vmreplica-engine: %s\n", error);
		return result;
	}
	if (process->config.log_directory[0] != '\0') {
		mkdir(process->config.log_directory,
		      0770); /* directories_make gives it its owner */
	}
	result = log_open("vmreplica-engine", process->config.log_directory,
			  process->config.log_level, process->arguments.foreground);
	if (result < 0) {
		fprintf(stderr, "vmreplica-engine: cannot write a log in %s: %s\n",
			process->config.log_directory, strerror(-result));
	}
	return result;
}

static int open_pid_file(struct process *process)
{
	if (process->arguments.pid_file == NULL) {
		return 0;
	}
	process->pid_fd = daemon_pid_file_open(process->arguments.pid_file);
	if (process->pid_fd < 0) {
		fprintf(stderr, "vmreplica-engine: %s: %s\n", process->arguments.pid_file,
			process->pid_fd == -EWOULDBLOCK ? "another engine is running"
							: strerror(-process->pid_fd));
	}
	return process->pid_fd < 0 ? process->pid_fd : 0;
}

static int start_engine(struct process *process)
{
	char error[ENGINE_ERROR_LEN] = "";
	int result;

	process->loop = qb_loop_create();
	if (process->loop == NULL) {
		return -ENOMEM;
	}
	process->engine.loop = process->loop;
	process->engine.config = &process->config;
	process->engine.config_path = process->arguments.config_path;
	result = add_signals(process);
	if (result == 0) {
		result = engine_start(&process->engine, error);
	}
	if (result < 0) {
		log_error("%s", error);
		fprintf(stderr, "vmreplica-engine: %s\n", error);
		return result;
	}
	admin_service_on_stop(process->engine.admin, begin_stop, process);
	return 0;
}

static int run(struct process *process)
{
	int result;

	umask(077);
	result = read_config(process);
	if (result == 0 && !process->arguments.foreground) {
		result = daemon_detach(&process->ready_fd);
	}
	if (result == 0) {
		result = open_pid_file(process);
	}
	if (result < 0) {
		return result;
	}
	daemon_raise_limits();
	result = daemon_protect_memory();
	if (result < 0) {
		log_error("core dumps cannot be forbidden: %s", strerror(-result));
		return result;
	}
	log_notice("starting, version %s", PACKAGE_VERSION);
	result = start_engine(process);
	if (result == 0) {
		daemon_ready(&process->ready_fd);
		qb_loop_run(process->loop);
	}
	engine_destroy(&process->engine);
	return result;
}

int main(int argc, char **argv)
{
	struct process process = {
		.arguments = {.config_path = CONFIG_DEFAULT_PATH}, .ready_fd = -1, .pid_fd = -1};
	int result = daemon_arguments_parse(argc, argv, &command, &process.arguments);

	if (result != 0) {
		return result > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	}
	if (run(&process) < 0) {
		process.exit_status = EXIT_FAILURE;
	}
	if (process.pid_fd >= 0) {
		daemon_pid_file_close(process.pid_fd);
	}
	if (process.loop != NULL) {
		qb_loop_destroy(process.loop);
	}
	config_destroy(&process.config);
	log_close();
	return process.exit_status;
}
