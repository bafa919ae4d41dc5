/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The relay against haproxy with splice: the same bytes through both in turns, throughput and the
 * CPU time of the relaying process. Prints; judges nothing. Called by bench_relay.sh.
 *
 *   bench_relay HAPROXY MIB ROUNDS      HAPROXY: its path, or - to leave it out
 *
 * A connection begins with a real ClientHello that carries the token as server name; what follows
 * are plain bytes, since neither relay looks at them. The receiving end drops them in the kernel
 * (MSG_TRUNC), so that it is not what is measured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/access_point.h"
#include "broker/relay.h"
#include "broker/token_table.h"
#include "common/clock.h"
#include "common/log.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/tls_peers.h"

#define BLOCK_BYTES (256u * 1024u)

static void must(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench_relay: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static int listen_loopback(uint16_t *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 16) == 0 &&
		     getsockname(fd, (struct sockaddr *)&address, &len) == 0,
	     "listen");
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static int dial_loopback(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "connect");
	return fd;
}

/* ---- our relay, in a process of its own ---- */

struct server {
	struct token_table *tokens;
	struct relay *relay;
	uint16_t owner_port;
};

static void server_request_cb(void *arg, struct peer_session *session, enum frame_type type,
			      const ProtobufCMessage *message)
{
	(void)arg;
	(void)session;
	(void)type;
	(void)message;
}

static void server_refused_cb(void *arg, const char *address, const char *reason)
{
	(void)arg;
	fprintf(stderr, "bench_relay: %s is refused: %s\n", address, reason);
}

static void server_relay_cb(void *arg, int fd, const char *token, const char *address)
{
	struct server *server = arg;
	struct sockaddr_in owner = {.sin_family = AF_INET,
				    .sin_port = htons(server->owner_port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct token_target target;

	(void)address;
	must(token_table_take(server->tokens, token, clock_monotonic_ms(), &target), "token");
	must(relay_start(server->relay, fd, (struct sockaddr *)&owner, sizeof(owner), &target) == 0,
	     "relay");
}

/* Each byte asks for a token. */
static int32_t server_token_cb(int32_t fd, int32_t revents, void *data)
{
	struct token_target target = {.relationship = "bench"};
	struct server *server = data;
	char token[TOKEN_LEN + 1], byte;

	(void)revents;
	if (read(fd, &byte, 1) <= 0) {
		_exit(0);
	}
	must(token_table_issue(server->tokens, &target, clock_monotonic_ms(), token) == 0, "token");
	must(write(fd, token, sizeof(token)) == sizeof(token), "answer");
	return 0;
}

static void server_main(int fd, uint16_t owner_port)
{
	static const struct access_callbacks callbacks = {
		.request_cb = server_request_cb,
		.relay_cb = server_relay_cb,
		.refused_cb = server_refused_cb,
	};
	struct access_options options = {.address = "127.0.0.1"};
	struct server server = {.owner_port = owner_port};
	qb_loop_t *loop = qb_loop_create();
	struct access_point *point;
	uint16_t port;

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	server.tokens = token_table_new();
	server.relay = relay_new(NULL);
	must(access_point_open(loop, &options, peers_context("b1"), &callbacks, &server, &point) ==
		     0,
	     "access point");
	must(access_point_start(point) == 0, "access point");
	port = access_point_port(point);
	must(write(fd, &port, sizeof(port)) == sizeof(port), "port");
	must(qb_loop_poll_add(loop, QB_LOOP_MED, fd, POLLIN, &server, server_token_cb) == 0,
	     "loop");
	qb_loop_run(loop);
}

struct contender {
	const char *name;
	pid_t pid;
	uint16_t port;
	int token_fd; /* -1: any server name will do */
	double seconds, cpu_seconds, gib;
};

static struct contender relay_begin(uint16_t owner_port)
{
	struct contender contender = {.name = "vmreplica relay"};
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "socketpair");
	contender.pid = fork();
	must(contender.pid >= 0, "fork");
	if (contender.pid == 0) {
		close(fds[0]);
		server_main(fds[1], owner_port);
		_exit(1);
	}
	close(fds[1]);
	contender.token_fd = fds[0];
	must(read(fds[0], &contender.port, sizeof(contender.port)) == sizeof(contender.port),
	     "the relay's port");
	return contender;
}

/* ---- haproxy ---- */

static struct contender haproxy_begin(const char *path, uint16_t owner_port)
{
	struct contender contender = {.name = "haproxy splice", .token_fd = -1};
	char config[2048], file[TEMP_PATH_LEN];
	int fd;

	close(listen_loopback(&contender.port)); /* free a moment ago */
	snprintf(config, sizeof(config),
		 "global\n  nbthread 2\n  maxpipes 256\n"
		 "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout "
		 "server 60s\n  option splice-auto\n"
		 "frontend f\n  bind 127.0.0.1:%u\n  tcp-request inspect-delay 5s\n"
		 "  tcp-request content accept if { req.ssl_hello_type 1 }\n"
		 "  tcp-request content reject\n  default_backend b\n"
		 "backend b\n  server owner 127.0.0.1:%u\n",
		 contender.port, owner_port);
	temp_file(file, "haproxy.cfg", config);
	contender.pid = fork();
	must(contender.pid >= 0, "fork");
	if (contender.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(path, "haproxy", "-db", "-q", "-f", file, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 100; i++) { /* until it listens */
		struct sockaddr_in address = {.sin_family = AF_INET,
					      .sin_port = htons(contender.port),
					      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
			close(fd);
			return contender;
		}
		close(fd);
		clock_sleep_ms(50);
	}
	errno = ETIMEDOUT;
	must(0, "haproxy");
	return contender;
}

/* ---- the load ---- */

/* User and system time of all threads of a process so far. */
static double process_cpu_seconds(pid_t pid)
{
	unsigned long user, system;
	char path[64], line[1024];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	must(file != NULL && fgets(line, sizeof(line), file) != NULL, path);
	fclose(file);
	must(sscanf(strrchr(line, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
		    &user, &system) == 2,
	     path);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* A ClientHello as OpenSSL makes it, with this server name. */
static size_t client_hello(const char *sni, uint8_t *buf, size_t size)
{
	struct tls_context *context = peers_context("a1");
	struct tls_conn *conn;
	int fds[2];
	ssize_t n;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0,
	     "socketpair");
	conn = tls_client_new(context, fds[0], "b.example", sni);
	tls_context_unref(context);
	must(conn != NULL && tls_handshake(conn) == -EAGAIN, "ClientHello");
	n = read(fds[1], buf, size);
	must(n > 0, "ClientHello");
	tls_conn_free(conn);
	close(fds[1]);
	return (size_t)n;
}

struct sink {
	int listen_fd;
	uint64_t bytes;
};

static void *sink_main(void *arg)
{
	struct sink *sink = arg;
	int fd = accept4(sink->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	ssize_t n;

	must(fd >= 0, "accept");
	while ((n = recv(fd, NULL, 4u * 1024 * 1024, MSG_TRUNC)) > 0) {
		sink->bytes += (uint64_t)n;
	}
	close(fd);
	return NULL;
}

static void send_all(int fd, const uint8_t *data, uint64_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		must(n > 0, "send");
		data += n;
		len -= (uint64_t)n;
	}
}

static void contender_token(const struct contender *contender, char token[TOKEN_LEN + 1])
{
	memset(token, '0', TOKEN_LEN);
	token[TOKEN_LEN] = '\0';
	if (contender->token_fd >= 0) {
		must(write(contender->token_fd, "t", 1) == 1 &&
			     read(contender->token_fd, token, TOKEN_LEN + 1) == TOKEN_LEN + 1,
		     "token");
	}
}

static void contender_run(struct contender *contender, int owner_fd, uint64_t bytes)
{
	static uint8_t block[BLOCK_BYTES], hello[4096];
	struct sink sink = {.listen_fd = owner_fd};
	char token[TOKEN_LEN + 1];
	size_t hello_len;
	pthread_t thread;
	double cpu;
	int64_t begun;
	int fd;

	contender_token(contender, token);
	hello_len = client_hello(token, hello, sizeof(hello));
	must(pthread_create(&thread, NULL, sink_main, &sink) == 0, "thread");
	cpu = process_cpu_seconds(contender->pid);
	begun = clock_monotonic_ms();
	fd = dial_loopback(contender->port);
	send_all(fd, hello, hello_len);
	for (uint64_t sent = 0; sent < bytes; sent += BLOCK_BYTES) {
		send_all(fd, block, BLOCK_BYTES);
	}
	shutdown(fd, SHUT_WR);
	pthread_join(thread, NULL);
	contender->seconds += (double)(clock_monotonic_ms() - begun) / 1000.0;
	close(fd);
	clock_sleep_ms(50);
	contender->cpu_seconds += process_cpu_seconds(contender->pid) - cpu;
	contender->gib += (double)bytes / (1024.0 * 1024 * 1024);
	must(sink.bytes == bytes + hello_len, "every byte arrived");
}

static void contender_print(const struct contender *contender)
{
	printf("  %-16s %8.0f MiB/s  %6.3f CPU s/GiB\n", contender->name,
	       contender->gib * 1024 / contender->seconds, contender->cpu_seconds / contender->gib);
}

static void contender_end(struct contender *contender)
{
	kill(contender->pid, SIGTERM);
	kill(contender->pid, SIGKILL);
	waitpid(contender->pid, NULL, 0);
}

int main(int argc, char **argv)
{
	struct contender ours, theirs = {.pid = -1};
	uint64_t bytes;
	uint16_t owner_port;
	int owner_fd, rounds;

	if (argc != 4) {
		fprintf(stderr, "usage: bench_relay HAPROXY|- MIB ROUNDS\n");
		return 2;
	}
	bytes = strtoull(argv[2], NULL, 10) * 1024 * 1024;
	rounds = atoi(argv[3]);
	log_open("bench", NULL, "error", true);
	peers_make();
	owner_fd = listen_loopback(&owner_port);
	ours = relay_begin(owner_port);
	if (strcmp(argv[1], "-") != 0) {
		theirs = haproxy_begin(argv[1], owner_port);
	}
	for (int i = 0; i < rounds; i++) {
		contender_run(&ours, owner_fd, bytes);
		if (theirs.pid > 0) {
			contender_run(&theirs, owner_fd, bytes);
		}
	}
	printf("relay, one stream over loopback, %d x %s MiB:\n", rounds, argv[2]);
	contender_print(&ours);
	contender_end(&ours);
	if (theirs.pid > 0) {
		contender_print(&theirs);
		printf("  vmreplica / haproxy: throughput %.2f, CPU per GiB %.2f\n",
		       (ours.gib / ours.seconds) / (theirs.gib / theirs.seconds),
		       (ours.cpu_seconds / ours.gib) / (theirs.cpu_seconds / theirs.gib));
		contender_end(&theirs);
	}
	tempdir_remove();
	return 0;
}
