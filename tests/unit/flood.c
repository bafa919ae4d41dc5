/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flood.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

#define STRANGERS_MAX 11000
#define ADDRESSES     250
#define OPEN_PER_MS   1
#define SPARE_FILES   64

static void must(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "cannot go on: %s\n", what);
		exit(1);
	}
}

/* ---- the flood's process: it was forked beside threads, so nothing is allocated ---- */

struct stranger {
	int fd; /* -1 = closed */
	bool said;
};

static struct stranger strangers[STRANGERS_MAX];
static struct epoll_event events[1024];
static uint8_t hello[2048];
static size_t hello_len;

static void stranger_open(struct stranger *stranger, size_t index, uint16_t port, int epoll_fd)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in from = {.sin_family = AF_INET,
				   .sin_addr.s_addr =
					   htonl(0x7f010001u + (uint32_t)(index % ADDRESSES))};
	struct epoll_event event = {.events = EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.u32 = (uint32_t)index};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0) {
		return;
	}
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS) ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
		return;
	}
	stranger->fd = fd;
	stranger->said = false;
}

static void stranger_event(struct stranger *stranger, bool speaks, uint32_t what,
			   struct flood_report *report, uint64_t *held)
{
	if ((what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
		close(stranger->fd);
		stranger->fd = -1;
		report->closed++;
		(*held)--;
	} else if (speaks && !stranger->said) {
		stranger->said = true;
		if (send(stranger->fd, hello, hello_len, MSG_NOSIGNAL) < 0) {
			return; /* the end of it comes as an event */
		}
	}
}

static void flood_tick(const struct flood_size *size, uint16_t port, int epoll_fd, int64_t begin_ms,
		       size_t *next, struct flood_report *report, uint64_t *held)
{
	size_t all = size->silent + size->half_open;
	uint64_t due = (uint64_t)(clock_monotonic_ms() - begin_ms) * OPEN_PER_MS;

	for (size_t looked = 0; looked < all && report->opened < due; looked++) {
		struct stranger *stranger = &strangers[*next];

		if (stranger->fd < 0) {
			stranger_open(stranger, *next, port, epoll_fd);
			if (stranger->fd >= 0) {
				report->opened++;
				report->most = ++*held > report->most ? *held : report->most;
			}
		}
		*next = (*next + 1) % all;
	}
}

__attribute__((noreturn)) static void flood_run(const struct flood_size *size, uint16_t port,
						int fd)
{
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event end = {.events = EPOLLIN | EPOLLRDHUP, .data.u32 = UINT32_MAX};
	struct flood_report report = {0};
	size_t next = 0, all = size->silent + size->half_open;
	bool told = false, over = false;
	int64_t begin_ms = clock_monotonic_ms();
	uint64_t held = 0;

	for (size_t i = 0; i < all; i++) {
		strangers[i].fd = -1;
	}
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &end);
	while (!over) {
		int n;

		flood_tick(size, port, epoll_fd, begin_ms, &next, &report, &held);
		n = epoll_wait(epoll_fd, events, 1024, 1);
		for (int i = 0; i < n; i++) {
			uint32_t index = events[i].data.u32;

			if (index == UINT32_MAX) {
				over = true;
			} else {
				stranger_event(&strangers[index], index >= size->silent,
					       events[i].events, &report, &held);
			}
		}
		if (!told && report.opened >= all) {
			told = send(fd, "r", 1, MSG_NOSIGNAL) == 1;
		}
	}
	_exit(send(fd, &report, sizeof(report), MSG_NOSIGNAL) == sizeof(report) ? 0 : 1);
}

/* ---- the test's process ---- */

struct flood_size flood_size(void)
{
	struct flood_size size = {.silent = 1000, .half_open = 100, .seconds = 1};
	struct rlimit files;
	unsigned room;

	if (getenv("FLOOD_WHOLE") != NULL) {
		size = (struct flood_size){.silent = 10000, .half_open = 1000, .seconds = 10};
	}
	must(getrlimit(RLIMIT_NOFILE, &files) == 0, "the limit of open files");
	files.rlim_cur = files.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &files) == 0, "the limit of open files");
	room = files.rlim_max < STRANGERS_MAX + SPARE_FILES ? (unsigned)files.rlim_max - SPARE_FILES
							    : STRANGERS_MAX;
	if (room < size.silent + size.half_open) {
		printf("\n    only %u files may be open\n", (unsigned)files.rlim_max);
		size.half_open = room / 11;
		size.silent = room - size.half_open;
	}
	return size;
}

static void hello_take(struct tls_context *context)
{
	struct tls_conn *conn;
	ssize_t n;
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0,
	     "sockets");
	conn = tls_client_new(context, fds[0], "b.example", NULL);
	must(conn != NULL && tls_handshake(conn) == -EAGAIN, "a ClientHello");
	n = read(fds[1], hello, sizeof(hello));
	must(n > 100, "a ClientHello");
	hello_len = (size_t)n;
	tls_conn_free(conn);
	close(fds[1]);
}

void flood_begin(struct flood *flood, uint16_t port, const struct flood_size *size,
		 struct tls_context *context)
{
	int fds[2];
	char byte;

	hello_take(context);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "sockets");
	flood->pid = fork();
	must(flood->pid >= 0, "a process");
	if (flood->pid == 0) {
		for (int fd = 3; fd < 4096; fd++) {
			if (fd != fds[1]) {
				close(fd); /* the test's: they are to end when it closes them */
			}
		}
		flood_run(size, port, fds[1]);
	}
	close(fds[1]);
	flood->fd = fds[0];
	must(read(flood->fd, &byte, 1) == 1, "the flood");
}

void flood_end(struct flood *flood, struct flood_report *ret_report)
{
	int status;

	must(shutdown(flood->fd, SHUT_WR) == 0 &&
		     read(flood->fd, ret_report, sizeof(*ret_report)) == sizeof(*ret_report),
	     "the flood's report");
	close(flood->fd);
	must(waitpid(flood->pid, &status, 0) == flood->pid, "the flood's end");
}

/* ---- latencies ---- */

double latencies_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

void latencies_add(struct latencies *latencies, double begin_us)
{
	if (latencies->count < LATENCIES_MAX) {
		latencies->us[latencies->count++] = latencies_now_us() - begin_us;
	}
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

double latencies_percentile(struct latencies *latencies, double p)
{
	if (latencies->count == 0) {
		return 0;
	}
	qsort(latencies->us, latencies->count, sizeof(latencies->us[0]), compare);
	return latencies->us[(size_t)((double)(latencies->count - 1) * p / 100.0)];
}

double latencies_compare(const char *what, struct latencies *before, struct latencies *during)
{
	double p99 = latencies_percentile(before, 99), worse = latencies_percentile(during, 99);
	double ratio = p99 > 0 ? worse / p99 : 0;

	printf("\n    %-34s p50 %6.2f -> %6.2f ms, p99 %6.2f -> %6.2f ms: %.2f times (%zu, %zu)",
	       what, latencies_percentile(before, 50) / 1000,
	       latencies_percentile(during, 50) / 1000, p99 / 1000, worse / 1000, ratio,
	       before->count, during->count);
	fflush(stdout);
	return ratio;
}
