/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/command_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/unix_socket.h"
#include "proto/limits.h"

static char directory[] = "/tmp/vmr-commands-XXXXXX", socket_path[128];

struct command_server server;
char out_text[16384], err_text[4096];

/* One connection. True when a request came. */
static bool server_talk(int fd)
{
	struct channel channel;
	struct frame frame;
	bool asked;

	channel_init_fd(&channel, fd);
	asked = channel_receive(&channel, &server.arena, &frame, NULL, 0, 5000) == 0;
	if (asked) {
		server.request = (Vmreplica__Admin__Request *)frame.message;
	}
	if (asked && server.answer != NULL) {
		channel_send(&channel, FRAME_ADMIN_RESPONSE, &server.answer->base, NULL, 0, 5000);
	}
	channel_destroy(&channel);
	close(fd);
	return asked;
}

/* Some commands first look whether anybody listens: such a connection brings no request. */
static void *server_run(void *arg)
{
	struct pollfd listener = {.fd = server.listener, .events = POLLIN};
	bool asked = false;

	(void)arg;
	while (!asked && poll(&listener, 1, 5000) == 1) {
		asked = server_talk(accept(server.listener, NULL, NULL));
	}
	return NULL;
}

static void slurp(const char *name, char *text, size_t size)
{
	char path[160];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

static int redirect(int fd, const char *name)
{
	char path[160];
	int saved = dup(fd), file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	dup2(file, fd);
	close(file);
	return saved;
}

int run(command_run command, ...)
{
	char *argv[32], words[32][128];
	int argc = 0, status, saved_out, saved_err;
	va_list args;

	va_start(args, command);
	for (const char *word = va_arg(args, const char *); word != NULL;
	     word = va_arg(args, const char *)) {
		snprintf(words[argc], sizeof(words[argc]), "%s", word);
		argv[argc] = words[argc];
		argc++;
	}
	va_end(args);
	argv[argc] = NULL;
	fflush(stdout);
	saved_out = redirect(STDOUT_FILENO, "out");
	saved_err = redirect(STDERR_FILENO, "err");
	optind = 0;
	status = command(argc, argv);
	fflush(stdout);
	dup2(saved_out, STDOUT_FILENO);
	dup2(saved_err, STDERR_FILENO);
	close(saved_out);
	close(saved_err);
	slurp("out", out_text, sizeof(out_text));
	slurp("err", err_text, sizeof(err_text));
	return status;
}

pthread_t serve(const response_t *answer)
{
	pthread_t thread;

	server.answer = answer;
	server.request = NULL;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, server_run, NULL), 0);
	return thread;
}

int command_suite_run(const char *suite, const struct unit_test *tests, size_t count)
{
	int status;

	if (mkdtemp(directory) == NULL) {
		return 1;
	}
	snprintf(socket_path, sizeof(socket_path), "%s/engine.sock", directory);
	setenv("VMREPLICA_SOCKET", socket_path, 1);
	server.listener = unix_listen(socket_path, NULL, 0600);
	if (server.listener < 0) {
		return 1;
	}
	arena_init(&server.arena, ARENA_MAX);
	status = unit_run(suite, tests, count);
	arena_reset(&server.arena);
	close(server.listener);
	for (size_t i = 0; i < 3; i++) {
		static const char *const names[] = {"engine.sock", "out", "err"};
		char path[160];

		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	rmdir(directory);
	return status;
}
