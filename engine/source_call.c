/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_call.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/source_connection.h"
#include "engine/source_error.h"

#define CALL_STACK_BYTES    (512u * 1024u)
#define PERSISTENT_PAUSE_MS 2000

struct source_call_state {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int references; /* the caller's and the thread's */
	bool done, abandoned;
	int result;
	char error[SOURCE_ERROR_LEN]; /* the result's sentence: call->error may be written on */
	source_call_fn run;
	struct source_connection *connection; /* referenced */
	char *vm;			      /* owned, or NULL */
};

static int copy_text(const char *text, char **ret_copy)
{
	if (text == NULL) {
		return 0;
	}
	*ret_copy = strdup(text);
	return *ret_copy != NULL ? 0 : -ENOMEM;
}

static int init_state(struct source_call_state *state, struct source_connection *connection,
		      const char *vm, source_call_fn run)
{
	pthread_condattr_t attributes;

	if (copy_text(vm, &state->vm) != 0) {
		return -ENOMEM;
	}
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&state->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&state->lock, NULL);
	state->references = 1;
	state->run = run;
	state->connection = source_connection_ref(connection);
	return 0;
}

struct source_call *source_call_new(struct source_connection *connection, const char *vm,
				    source_call_fn run, const char *text0, const char *text1)
{
	struct source_call *call = calloc(1, sizeof(*call));

	if (call == NULL) {
		return NULL;
	}
	call->state = calloc(1, sizeof(*call->state));
	if (call->state == NULL || init_state(call->state, connection, vm, run) != 0) {
		free(call->state);
		free(call);
		return NULL;
	}
	if (copy_text(text0, &call->text[0]) != 0 || copy_text(text1, &call->text[1]) != 0) {
		source_call_unref(call);
		return NULL;
	}
	return call;
}

static void call_free(struct source_call *call)
{
	struct source_call_state *state = call->state;

	source_connection_unref(state->connection);
	pthread_cond_destroy(&state->changed);
	pthread_mutex_destroy(&state->lock);
	free(state->vm);
	free(state);
	for (size_t i = 0; i < 2; i++) {
		free(call->text[i]);
		free(call->reply[i]);
	}
	free(call);
}

void source_call_unref(struct source_call *call)
{
	bool last;

	if (call == NULL) {
		return;
	}
	pthread_mutex_lock(&call->state->lock);
	last = --call->state->references == 0;
	pthread_mutex_unlock(&call->state->lock);
	if (last) {
		call_free(call);
	}
}

const char *source_call_vm(const struct source_call *call)
{
	return call->state->vm != NULL ? call->state->vm : "";
}

static int errno_of(const virError *libvirt_error)
{
	switch (libvirt_error->code) {
	case VIR_ERR_NO_DOMAIN:
		return -ENOENT;
	case VIR_ERR_NO_DOMAIN_CHECKPOINT:
	case VIR_ERR_CHECKPOINT_INCONSISTENT:
		return -ESTALE;
	case VIR_ERR_OPERATION_TIMEOUT:
		return -EAGAIN;
	case VIR_ERR_BLOCK_COPY_ACTIVE:
		return -EBUSY;
	case VIR_ERR_NO_CONNECT:
	case VIR_ERR_INVALID_CONN:
	case VIR_ERR_RPC:
		return -ENOTCONN;
	case VIR_ERR_NO_SUPPORT:
	case VIR_ERR_OPERATION_UNSUPPORTED:
	case VIR_ERR_CONFIG_UNSUPPORTED:
		return -ENOTSUP;
	case VIR_ERR_OPERATION_INVALID:
	case VIR_ERR_OPERATION_DENIED:
		return -EINVAL;
	default:
		return -EIO;
	}
}

int source_call_translate(struct source_call *call, virConnectPtr conn, const char *doing)
{
	const virError *libvirt_error = virGetLastError();
	int result = libvirt_error != NULL ? errno_of(libvirt_error) : -EIO;

	/* First of all: the next call to libvirt forgets the error. */
	source_fail(result, call->error, "%s: %s", doing, virGetLastErrorMessage());
	/* A call that was cut off reports "internal error: client socket is closed". */
	if (virConnectIsAlive(conn) != 1) {
		result = -ENOTCONN;
	}
	return result;
}

static int run_once(struct source_call *call)
{
	struct source_call_state *state = call->state;
	virDomainPtr domain = NULL;
	virConnectPtr conn;
	int result = source_connection_take(state->connection, &conn, call->error);

	if (result != 0) {
		return result;
	}
	if (state->vm != NULL) {
		domain = virDomainLookupByName(conn, state->vm);
	}
	if (state->vm != NULL && domain == NULL) {
		result = source_call_translate(call, conn, "looking the VM up");
		if (result == -ENOENT) {
			source_fail(result, call->error, "libvirt knows no VM %s on this node",
				    state->vm);
		}
	} else {
		result = state->run(call, conn, domain);
	}
	if (domain != NULL) {
		virDomainFree(domain);
	}
	virConnectClose(conn);
	return result;
}

static bool may_repeat(const struct source_call *call, int result)
{
	return call->persistent && (result == -ENOTCONN || result == -EAGAIN) &&
	       !source_connection_is_closing(call->state->connection);
}

/* The caller has gone: take back what it will never know of. */
static void undo_late_success(struct source_call *call)
{
	int result;

	call->state->run = call->undo;
	call->persistent = true;
	while (may_repeat(call, result = run_once(call))) {
		clock_sleep_ms(PERSISTENT_PAUSE_MS);
	}
	if (result != 0 && result != -ENOENT) {
		log_error("vm %s: a call that libvirt answered too late could not be undone: %s",
			  source_call_vm(call), call->error);
	}
}

/* Let the caller go on. Returns whether it had given up before. */
static bool publish(struct source_call *call, int result)
{
	struct source_call_state *state = call->state;
	bool abandoned;

	pthread_mutex_lock(&state->lock);
	state->result = result;
	if (result != 0) {
		source_fail(0, state->error, "%s", call->error);
	}
	state->done = true;
	abandoned = state->abandoned;
	pthread_cond_signal(&state->changed);
	pthread_mutex_unlock(&state->lock);
	return abandoned;
}

/* The caller has its answer, a failure; the operation is owed all the same. */
static void repeat_in_background(struct source_call *call)
{
	int result;

	do {
		clock_sleep_ms(PERSISTENT_PAUSE_MS);
		result = run_once(call);
	} while (may_repeat(call, result));
	if (result != 0 && result != -ENOENT) {
		log_warning("vm %s: given up: %s", source_call_vm(call), call->error);
	}
}

static void *run_thread(void *arg)
{
	struct source_call *call = arg;
	struct source_connection *connection = call->state->connection;
	int result = run_once(call);
	bool repeat = may_repeat(call, result);
	bool abandoned;

	if (repeat) {
		source_connection_count_hanging(connection, 1);
	}
	abandoned = publish(call, result);
	if (repeat) {
		repeat_in_background(call);
		source_connection_count_hanging(connection, -1);
	}
	if (abandoned) {
		if (result == 0 && call->undo != NULL) {
			undo_late_success(call);
		}
		source_connection_count_hanging(connection, -1);
	}
	source_call_unref(call);
	return NULL;
}

static int start_thread(struct source_call *call)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int result;

	call->state->references++; /* no other thread knows the call yet */
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, CALL_STACK_BYTES);
	result = pthread_create(&thread, &attributes, run_thread, call);
	pthread_attr_destroy(&attributes);
	if (result != 0) {
		call->state->references--;
	}
	return -result;
}

/* Wait for the thread, but not longer than timeout_ms; true when it was done in time. */
static bool wait_done(struct source_call_state *state, int64_t timeout_ms)
{
	struct timespec deadline;
	bool done;
	int waited = 0;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += (time_t)(timeout_ms / 1000);
	deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
	if (deadline.tv_nsec >= 1000000000L) {
		deadline.tv_sec++;
		deadline.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&state->lock);
	while (!state->done && waited == 0) {
		waited = pthread_cond_timedwait(&state->changed, &state->lock, &deadline);
	}
	done = state->done;
	if (!done) {
		state->abandoned = true;
		source_connection_count_hanging(state->connection, 1);
	}
	pthread_mutex_unlock(&state->lock);
	return done;
}

int source_call_run(struct source_call *call, int64_t timeout_ms, char error[SOURCE_ERROR_LEN])
{
	int64_t patience_ms = source_connection_patience(call->state->connection, timeout_ms);
	int result;

	if (patience_ms == 0 && !call->persistent) {
		return source_fail(-ETIMEDOUT, error,
				   "too many calls to libvirt hang: look at libvirtd on this node "
				   "(systemctl status libvirtd)");
	}
	result = start_thread(call);
	if (result != 0) {
		return source_fail(result, error, "no thread for a call to libvirt: %s",
				   strerror(-result));
	}
	if (!wait_done(call->state, patience_ms)) {
		return source_fail(-ETIMEDOUT, error,
				   "libvirt did not answer within %lld s: it or the VM's QEMU "
				   "hangs (systemctl status libvirtd)",
				   (long long)((patience_ms + 999) / 1000));
	}
	if (call->state->result != 0) {
		source_fail(0, error, "%s", call->state->error);
	}
	return call->state->result;
}
