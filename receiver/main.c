/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmreplica-receiver: child of vmreplica-engine, which talks to it over a socketpair at descriptor
 * 3 (ipc.proto). Everything of a peer's log stream is parsed here and nowhere else. It ends,
 * cleanly, when the engine says so or is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/tls.h"
#include "receiver/authorization.h"
#include "receiver/check.h"
#include "receiver/confinement.h"
#include "receiver/lend.h"
#include "receiver/import.h"
#include "receiver/listener.h"
#include "receiver/points_query.h"
#include "receiver/pulse.h"
#include "receiver/privileges.h"
#include "receiver/receiver.h"
#include "receiver/stores.h"
#include "receiver/takeover.h"

#define ENGINE_FD    3
#define TICK_NS	     (1000ull * 1000 * 1000)
#define STOP_TICK_NS (50ull * 1000 * 1000)
/* Closing must be over before the engine's stop is: what hangs longer is left to the kernel. */
#define STOP_MS 45000

struct program {
	struct receiver receiver;
	bool configured, stopping, failed;
	int64_t stop_deadline_ms; /* monotonic */
};

/* ---- starting: everything that needs root, then everything that must not have it ---- */

static struct tls_context *context_load(const Vmreplica__Ipc__ReceiverConfig *config)
{
	const struct tls_files files = {.ca = config->ca,
					.certificate = config->certificate,
					.key = config->key,
					.crl = config->crl[0] == '\0' ? NULL : config->crl,
					.crl_check = config->crl_check <= TLS_CRL_OFF
							     ? config->crl_check
							     : TLS_CRL_REQUIRE};
	char error[TLS_ERROR_LEN];
	struct tls_context *context = tls_context_new(&files, error);

	if (context == NULL) {
		log_error("%s", error);
	}
	return context;
}

static int workers_start(struct receiver *receiver)
{
	receiver->stream_workers = workers_new(receiver->loop, "stream", STREAM_WORKERS);
	receiver->store_workers = workers_new(receiver->loop, "store", STORE_WORKERS);
	receiver->apply_workers = workers_new(receiver->loop, "apply", APPLY_WORKERS);
	receiver->merge_workers = workers_new(receiver->loop, "merge", MERGE_WORKERS);
	receiver->takeover_workers = workers_new(receiver->loop, "takeover", TAKEOVER_WORKERS);
	receiver->lend_workers = workers_new(receiver->loop, "lend", LEND_WORKERS);
	receiver->pulse_workers = workers_new(receiver->loop, "pulse", PULSE_WORKERS);
	receiver->stream_buffers = buffer_pool_new(STREAM_BUFFERS, CHUNK_BUFFER_SIZE);
	receiver->apply_buffers = buffer_pool_new(APPLY_BUFFERS, CHUNK_BUFFER_SIZE);
	receiver->authorization = authorization_new();
	tls_expiry_notes_init(&receiver->expiries);
	if (receiver->stream_workers == NULL || receiver->store_workers == NULL ||
	    receiver->apply_workers == NULL || receiver->merge_workers == NULL ||
	    receiver->takeover_workers == NULL || receiver->lend_workers == NULL ||
	    receiver->pulse_workers == NULL || receiver->stream_buffers == NULL ||
	    receiver->apply_buffers == NULL || receiver->authorization == NULL ||
	    stores_init(receiver) < 0) {
		log_error("cannot start workers: %s", strerror(errno));
		return -ENOMEM;
	}
	return 0;
}

static void ready_send(struct receiver *receiver)
{
	Vmreplica__Ipc__ReceiverReady ready = VMREPLICA__IPC__RECEIVER_READY__INIT;

	ready.port = receiver->port;
	ready.confined = receiver->confined;
	link_send(receiver->link, FRAME_RECEIVER_READY, &ready.base);
}

static void limits_take(struct receiver *receiver, const Vmreplica__Ipc__ReceiverConfig *config)
{
	atomic_store(&receiver->spool_cap_bytes, config->spool_cap_bytes);
	atomic_store(&receiver->history_cap_bytes, config->history_cap_bytes);
	atomic_store(&receiver->storage_reserve_bytes, config->storage_reserve_bytes);
}

/* As root, then no more. *ret_fd is the bound socket. */
static int privileged_start(struct receiver *receiver, const Vmreplica__Ipc__ReceiverConfig *config,
			    int *ret_fd)
{
	char error[PRIVILEGES_ERROR_LEN];
	int rc;

	rc = listener_bind(config->listen, (uint16_t)config->port, ret_fd, error);
	rc = rc < 0 ? rc
		    : privileges_make_directory(receiver->run_directory,
						sizeof(receiver->run_directory), error);
	rc = rc < 0 ? rc : privileges_drop(error);
	rc = rc < 0 ? rc
		    : confinement_enter_paths(config, receiver->run_directory, &receiver->confined,
					      error);
	rc = rc < 0 ? rc : confinement_enter_calls(error);
	if (rc < 0) {
		receiver_event(receiver, "error", "", "the receiver cannot start: %s", error);
	}
	return rc;
}

static int receiver_start(struct receiver *receiver, const Vmreplica__Ipc__ReceiverConfig *config)
{
	struct tls_context *context;
	cleanup_close int fd = -1;
	int rc;

	if (config->port > UINT16_MAX) {
		log_error("port %u is none", config->port);
		return -EINVAL;
	}
	snprintf(receiver->node, sizeof(receiver->node), "%s", config->node);
	snprintf(receiver->site, sizeof(receiver->site), "%s", config->site);
	limits_take(receiver, config);
	context = context_load(config);
	if (context == NULL) {
		return -EINVAL;
	}
	rc = privileged_start(receiver, config, &fd);
	rc = rc < 0 ? rc : workers_start(receiver);
	if (rc == 0) {
		receiver->port = listener_port(fd);
		receiver->listener = listener_new(receiver, steal_fd(&fd), context);
		if (receiver->listener != NULL) {
			ready_send(receiver);
			log_notice("receiving for %s on port %u", receiver->site, receiver->port);
		} else {
			rc = -errno;
		}
	}
	tls_context_unref(context);
	return rc;
}

/* A later configuration renews the certificate and the limits; where we listen stays. */
static void receiver_reconfigure(struct receiver *receiver,
				 const Vmreplica__Ipc__ReceiverConfig *config)
{
	struct tls_context *context = context_load(config);

	limits_take(receiver, config);
	if (context != NULL) {
		listener_set_context(receiver->listener, context);
		tls_context_unref(context);
	}
	ready_send(receiver);
}

/* ---- stopping ---- */

static void program_check_stopped(struct program *program)
{
	struct receiver *receiver = &program->receiver;

	if (!program->stopping) {
		return;
	}
	if (!program->configured ||
	    (stores_count(receiver) == 0 && listener_count(receiver->listener) == 0)) {
		qb_loop_stop(receiver->loop);
	} else if (clock_monotonic_ms() > program->stop_deadline_ms) {
		log_error("a store or stream does not end: leaving it to the kernel");
		program->failed = true;
		qb_loop_stop(receiver->loop);
	}
}

static void stop_tick_cb(void *data);

static void program_stop(struct program *program)
{
	if (program->stopping) {
		return;
	}
	program->stopping = true;
	program->stop_deadline_ms = clock_monotonic_ms() + STOP_MS;
	if (program->configured) {
		listener_stop(program->receiver.listener);
		stores_close_all(&program->receiver);
	}
	qb_loop_timer_add(program->receiver.loop, QB_LOOP_LOW, 0, program, stop_tick_cb, NULL);
}

/* ---- the engine's link ---- */

static void config_take(struct program *program, const Vmreplica__Ipc__ReceiverConfig *config)
{
	if (program->configured) {
		receiver_reconfigure(&program->receiver, config);
		return;
	}
	if (log_open("vmreplica-receiver",
		     config->log_directory[0] == '\0' ? NULL : config->log_directory,
		     config->log_level[0] == '\0' ? "notice" : config->log_level,
		     isatty(STDERR_FILENO) != 0) < 0) {
		log_open("vmreplica-receiver", NULL, "notice", isatty(STDERR_FILENO) != 0);
	}
	if (receiver_start(&program->receiver, config) < 0) {
		program->failed = true;
		link_close(program->receiver.link);
		return;
	}
	program->configured = true;
}

static void engine_frame_cb(void *arg, struct link *link, const struct frame *frame,
			    const uint8_t *payload)
{
	struct program *program = arg;
	struct receiver *receiver = &program->receiver;
	const Vmreplica__Ipc__StoreClose *close_request;
	const Vmreplica__Ipc__StoreSuspend *suspend;

	(void)payload;
	if (frame->type == FRAME_RECEIVER_CONFIG) {
		config_take(program, (const Vmreplica__Ipc__ReceiverConfig *)frame->message);
		return;
	}
	if (frame->type == FRAME_SHUTDOWN || !program->configured || program->stopping) {
		program_stop(program);
		return;
	}
	switch (frame->type) {
	case FRAME_AUTHORIZATION_SET:
		authorization_set(receiver->authorization,
				  (const Vmreplica__Ipc__AuthorizationSet *)frame->message);
		break;
	case FRAME_STORE_OPEN:
		stores_open(receiver, (const Vmreplica__Ipc__StoreOpen *)frame->message);
		break;
	case FRAME_STORE_CLOSE:
		close_request = (const Vmreplica__Ipc__StoreClose *)frame->message;
		stores_close(receiver, close_request->relationship, close_request->destroy);
		break;
	case FRAME_STORE_SUSPEND:
		suspend = (const Vmreplica__Ipc__StoreSuspend *)frame->message;
		stores_suspend(receiver, suspend->relationship, suspend->suspended);
		break;
	case FRAME_STORE_LEND:
		lend(receiver, (const Vmreplica__Ipc__StoreLend *)frame->message);
		break;
	case FRAME_STORE_LEND_END:
		lend_end(receiver, (const Vmreplica__Ipc__StoreLendEnd *)frame->message);
		break;
	case FRAME_STORE_PULSE:
		pulse_request(receiver, (const Vmreplica__Ipc__StorePulse *)frame->message);
		break;
	case FRAME_STORE_IMPORT:
		store_import(receiver, (const Vmreplica__Ipc__StoreImport *)frame->message);
		break;
	case FRAME_POINTS_QUERY:
		points_query(receiver, (const Vmreplica__Ipc__PointsQuery *)frame->message);
		break;
	case FRAME_STORE_TAKEOVER:
		takeover_request(receiver, (const Vmreplica__Ipc__StoreTakeover *)frame->message);
		break;
	case FRAME_STORE_ADOPT:
		stores_adopt(receiver, (const Vmreplica__Ipc__StoreAdopt *)frame->message);
		break;
	case FRAME_STORE_EXTENTS:
		takeover_extents_request(receiver,
					 (const Vmreplica__Ipc__StoreExtents *)frame->message);
		break;
	case FRAME_STORE_TAKEOVER_END:
		takeover_end_request(receiver,
				     (const Vmreplica__Ipc__StoreTakeoverEnd *)frame->message);
		break;
	default:
		log_error("the engine sent %s, which is not for a receiver",
			  frame_type_to_string(frame->type));
		link_close(link);
	}
}

static void engine_closed_cb(void *arg, struct link *link, int error)
{
	struct program *program = arg;

	(void)link;
	if (error < 0 && !program->stopping) {
		log_warning("the engine is gone: %s", strerror(-error));
	}
	program->receiver.link = NULL;
	program_stop(program);
}

static void tick_cb(void *data)
{
	struct program *program = data;

	if (program->configured) {
		stores_tick(&program->receiver);
		listener_tick(program->receiver.listener);
	}
	qb_loop_timer_add(program->receiver.loop, QB_LOOP_LOW, TICK_NS, program, tick_cb, NULL);
}

/* While stopping: stores and streams come back from their workers. */
static void stop_tick_cb(void *data)
{
	struct program *program = data;

	program_check_stopped(program);
	qb_loop_timer_add(program->receiver.loop, QB_LOOP_LOW, STOP_TICK_NS, program, stop_tick_cb,
			  NULL);
}

/* ---- the process ---- */

static void process_prepare(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct rlimit files;

	/* Two arenas instead of eight a core: each keeps what it once held. Big blocks go back at
	 * once. */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur =
			files.rlim_max; /* a stream and some files a VM: 1024 are soon gone */
		setrlimit(RLIMIT_NOFILE, &files);
	}
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGINT, &ignore,
		  NULL); /* a terminal's interrupt is for the engine, which tells us */
	sigaction(SIGHUP, &ignore, NULL);
	umask(0027);
}

static int32_t terminate_cb(int32_t signal_number, void *data)
{
	(void)signal_number;
	program_stop(data);
	return 0;
}

static void program_destroy(struct program *program)
{
	struct receiver *receiver = &program->receiver;

	if (program->configured && !program->failed) {
		workers_free(receiver->stream_workers);
		workers_free(receiver->store_workers);
		workers_free(receiver->apply_workers);
		workers_free(receiver->merge_workers);
		workers_free(receiver->takeover_workers);
		workers_free(receiver->lend_workers);
		workers_free(receiver->pulse_workers);
		listener_free(receiver->listener);
		stores_destroy(receiver);
		buffer_pool_free(receiver->stream_buffers);
		buffer_pool_free(receiver->apply_buffers);
		authorization_free(receiver->authorization);
		tls_expiry_notes_destroy(&receiver->expiries);
	}
	privileges_remove_directory(receiver->run_directory);
	if (receiver->link != NULL) {
		link_free(receiver->link);
	}
	if (!program->failed) {
		qb_loop_destroy(receiver->loop);
	}
	log_close();
}

static int program_run(struct program *program)
{
	struct receiver *receiver = &program->receiver;
	int rc;

	receiver->loop = qb_loop_create();
	if (receiver->loop == NULL) {
		fprintf(stderr, "vmreplica-receiver: out of memory\n");
		return 1;
	}
	receiver->link =
		link_new(receiver->loop, ENGINE_FD, engine_frame_cb, engine_closed_cb, program);
	if (receiver->link == NULL ||
	    qb_loop_signal_add(receiver->loop, QB_LOOP_HIGH, SIGTERM, program, terminate_cb, NULL) <
		    0 ||
	    qb_loop_timer_add(receiver->loop, QB_LOOP_LOW, TICK_NS, program, tick_cb, NULL) < 0) {
		fprintf(stderr, "vmreplica-receiver: cannot start: %s\n", strerror(errno));
		return 1;
	}
	qb_loop_run(receiver->loop);
	rc = program->failed ? 1 : 0;
	program_destroy(program);
	return rc;
}

int main(int argc, char **argv)
{
	static struct program program;
	struct stat st;

	if (argc > 1 && strcmp(argv[1], "--check") == 0) {
		return check_main(argc, argv);
	}
	if (argc > 1 || fstat(ENGINE_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fprintf(stderr, "vmreplica-receiver is started by vmreplica-engine, not by hand\n");
		return 2;
	}
	fcntl(ENGINE_FD, F_SETFD, FD_CLOEXEC);
	process_prepare();
	return program_run(&program);
}
