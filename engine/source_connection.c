/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_connection.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/source_error.h"

/* A hung libvirtd closes the connection after about INTERVAL * (COUNT + 1) seconds. */
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT	     2
/* Opening takes milliseconds; one that has gone on for longer than this hangs, and callers wait
 * only shortly. */
#define OPENING_HANGS_MS   3000
#define HANGING_TIMEOUT_MS 1000
#define HANGING_CALLS_MAX  32

struct watched_job {
	struct watched_job *next;
	char socket_path[];
};

struct source_connection {
	pthread_mutex_t lock;	   /* guards all but opening itself */
	pthread_mutex_t open_lock; /* held while virConnectOpen runs: one attempt at a time */
	int references;
	char *uri;		  /* owned */
	virConnectPtr conn;	  /* our reference, or NULL */
	int64_t opening_since_ms; /* 0 = nobody is opening */
	int hanging;		  /* calls given up by their callers that have not come back */
	bool closing;
	struct watched_job *jobs;
};

static void ignore_error_cb(void *arg, virErrorPtr error)
{
	/* libvirt prints errors to standard error unless told otherwise; who handles one logs it.
	 */
	(void)arg;
	(void)error;
}

static void *run_events(void *arg)
{
	(void)arg;
	for (;;) {
		if (virEventRunDefaultImpl() < 0) {
			log_error("libvirt's event loop failed: %s", virGetLastErrorMessage());
			clock_sleep_ms(1000);
		}
	}
	return NULL;
}

/* The event loop must be registered before the first connection and runs for the process's life: a
 * connection whose loop has stopped neither notices a dead peer nor sends keepalives. */
static void start_events(void)
{
	pthread_attr_t attributes;
	pthread_t thread;

	virSetErrorFunc(NULL, ignore_error_cb);
	if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0) {
		log_error("libvirt could not be set up: %s", virGetLastErrorMessage());
		return;
	}
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attributes, run_events, NULL) != 0) {
		log_error("no thread for libvirt's events: out of memory or threads");
	}
	pthread_attr_destroy(&attributes);
}

struct source_connection *source_connection_new(const char *uri)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct source_connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL) {
		return NULL;
	}
	connection->uri = strdup(uri != NULL ? uri : "qemu:///system");
	if (connection->uri == NULL) {
		free(connection);
		return NULL;
	}
	pthread_mutex_init(&connection->lock, NULL);
	pthread_mutex_init(&connection->open_lock, NULL);
	connection->references = 1;
	pthread_once(&once, start_events);
	return connection;
}

struct source_connection *source_connection_ref(struct source_connection *connection)
{
	pthread_mutex_lock(&connection->lock);
	connection->references++;
	pthread_mutex_unlock(&connection->lock);
	return connection;
}

static void connection_destroy(struct source_connection *connection)
{
	while (connection->jobs != NULL) {
		struct watched_job *job = connection->jobs;

		connection->jobs = job->next;
		free(job);
	}
	if (connection->conn != NULL) {
		virConnectClose(connection->conn);
	}
	pthread_mutex_destroy(&connection->open_lock);
	pthread_mutex_destroy(&connection->lock);
	free(connection->uri);
	free(connection);
}

void source_connection_unref(struct source_connection *connection)
{
	bool last;

	pthread_mutex_lock(&connection->lock);
	last = --connection->references == 0;
	pthread_mutex_unlock(&connection->lock);
	if (last) {
		connection_destroy(connection);
	}
}

void source_connection_free(struct source_connection *connection)
{
	if (connection == NULL) {
		return;
	}
	pthread_mutex_lock(&connection->lock);
	connection->closing = true;
	pthread_mutex_unlock(&connection->lock);
	source_connection_unref(connection);
}

const char *source_connection_uri(const struct source_connection *connection)
{
	return connection->uri;
}

bool source_connection_is_closing(struct source_connection *connection)
{
	bool closing;

	pthread_mutex_lock(&connection->lock);
	closing = connection->closing;
	pthread_mutex_unlock(&connection->lock);
	return closing;
}

/* Our connection with one more reference, or NULL when there is none that lives. */
static virConnectPtr take_living(struct source_connection *connection)
{
	virConnectPtr conn = NULL;

	pthread_mutex_lock(&connection->lock);
	if (connection->conn != NULL && virConnectIsAlive(connection->conn) == 1 &&
	    virConnectRef(connection->conn) == 0) {
		conn = connection->conn;
	}
	pthread_mutex_unlock(&connection->lock);
	return conn;
}

static void set_opening(struct source_connection *connection, int64_t since_ms)
{
	pthread_mutex_lock(&connection->lock);
	connection->opening_since_ms = since_ms;
	pthread_mutex_unlock(&connection->lock);
}

/* Open anew and keep the result. Called with open_lock held. */
static int reopen(struct source_connection *connection, virConnectPtr *ret_conn,
		  char error[SOURCE_ERROR_LEN])
{
	virConnectPtr conn, old;

	set_opening(connection, clock_monotonic_ms());
	conn = virConnectOpen(connection->uri);
	set_opening(connection, 0);
	if (conn == NULL) {
		return source_fail(-ENOTCONN, error,
				   "libvirt at %s does not accept a connection: %s; is libvirtd "
				   "running?",
				   connection->uri, virGetLastErrorMessage());
	}
	if (virConnectSetKeepAlive(conn, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT) < 0) {
		log_warning("libvirt at %s: no keepalive: %s", connection->uri,
			    virGetLastErrorMessage());
	}
	virConnectRef(conn);
	pthread_mutex_lock(&connection->lock);
	old = connection->conn;
	connection->conn = conn;
	pthread_mutex_unlock(&connection->lock);
	if (old != NULL) {
		log_notice("connected to libvirt at %s again", connection->uri);
		virConnectClose(old);
	}
	*ret_conn = conn;
	return 0;
}

int source_connection_take(struct source_connection *connection, virConnectPtr *ret_conn,
			   char error[SOURCE_ERROR_LEN])
{
	virConnectPtr conn = take_living(connection);
	int result = 0;

	if (conn == NULL) {
		pthread_mutex_lock(&connection->open_lock);
		conn = take_living(connection); /* another thread may have been faster */
		if (conn == NULL) {
			result = reopen(connection, &conn, error);
		}
		pthread_mutex_unlock(&connection->open_lock);
	}
	if (result == 0) {
		*ret_conn = conn;
	}
	return result;
}

int64_t source_connection_patience(struct source_connection *connection, int64_t timeout_ms)
{
	int64_t patience_ms = timeout_ms;

	pthread_mutex_lock(&connection->lock);
	if (connection->hanging >= HANGING_CALLS_MAX) {
		patience_ms = 0;
	} else if (connection->opening_since_ms != 0 && timeout_ms > HANGING_TIMEOUT_MS &&
		   clock_monotonic_ms() - connection->opening_since_ms > OPENING_HANGS_MS) {
		patience_ms = HANGING_TIMEOUT_MS;
	}
	pthread_mutex_unlock(&connection->lock);
	return patience_ms;
}

void source_connection_count_hanging(struct source_connection *connection, int change)
{
	pthread_mutex_lock(&connection->lock);
	connection->hanging += change;
	pthread_mutex_unlock(&connection->lock);
}

int source_connection_job_add(struct source_connection *connection, const char *socket_path)
{
	size_t size = strlen(socket_path) + 1;
	struct watched_job *job = malloc(sizeof(*job) + size);

	if (job == NULL) {
		return -ENOMEM;
	}
	memcpy(job->socket_path, socket_path, size);
	pthread_mutex_lock(&connection->lock);
	job->next = connection->jobs;
	connection->jobs = job;
	pthread_mutex_unlock(&connection->lock);
	return 0;
}

/* The link that points at the job of socket_path, or at NULL. Called with lock held. */
static struct watched_job **find_job(struct source_connection *connection, const char *socket_path)
{
	struct watched_job **link = &connection->jobs;

	while (*link != NULL && strcmp((*link)->socket_path, socket_path) != 0) {
		link = &(*link)->next;
	}
	return link;
}

void source_connection_job_remove(struct source_connection *connection, const char *socket_path)
{
	struct watched_job **link, *job;

	pthread_mutex_lock(&connection->lock);
	link = find_job(connection, socket_path);
	job = *link;
	if (job != NULL) {
		*link = job->next;
	}
	pthread_mutex_unlock(&connection->lock);
	free(job);
}

bool source_connection_job_is_watched(struct source_connection *connection, const char *socket_path)
{
	bool watched;

	pthread_mutex_lock(&connection->lock);
	watched = *find_job(connection, socket_path) != NULL;
	pthread_mutex_unlock(&connection->lock);
	return watched;
}
