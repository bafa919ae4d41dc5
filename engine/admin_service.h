/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of admins and agents: from the local socket (root and group vmreplica; agents: root) and
 * from other nodes over the group. Each request becomes a call, answered exactly once, now or
 * later. Control thread only.
 *
 *   admin_service.c  socket, calls, passing on to other nodes or the broker
 *   admin_route.c    which handler, on which node
 *   admin_status.c   status, events, check
 *   admin_vm.c       sync; admin_pause.c: pause, resume, resync
 *   admin_authorize.c  authorize, when no broker runs to do it
 *   admin_agent.c    start, stop, monitor, reload
 *   admin_store.c    store; inspect.c: inspect
 *   admin_fit.c      fit
 *   admin_wrap.c     wrap, unwrap; admin_wrap_node.c: their steps on other nodes
 *   protect.c        protect; unprotect.c: unprotect, release
 */
#ifndef VMR_ENGINE_ADMIN_SERVICE_H
#define VMR_ENGINE_ADMIN_SERVICE_H

#include "engine/engine.h"
#include "proto/admin.pb-c.h"

#define ADMIN_CONNECTIONS_MAX 128u
#define ADMIN_FORWARD_MS      20000
#define ADMIN_FAILOVER_MS     60000 /* the other side is asked, and may be silent */

struct admin_service;
struct admin_call;

/* Listen on ENGINE_SOCKET. 0 with *ret_service, or a negative errno. engine is borrowed. */
int admin_service_open(struct engine *engine, struct admin_service **ret_service);
void admin_service_close(struct admin_service *service); /* NULL allowed */
/* forward_handler_cb; arg is the engine. */
void admin_service_forwarded_cb(void *arg, const char *from, uint64_t id,
				const Vmreplica__Admin__Request *request);

/* ---- calls ---- */
struct engine *admin_call_engine(const struct admin_call *call);
/* Answer and free the call. response is borrowed. */
void admin_call_reply(struct admin_call *call, const Vmreplica__Admin__Response *response);
/* Answer with a failure: a positive or negative errno, what failed, what to do next (may be ""). */
void admin_call_fail(struct admin_call *call, int error, const char *advice, const char *format,
		     ...) __attribute__((format(printf, 4, 5)));
/* The request itself was wrong. */
void admin_call_misused(struct admin_call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Answer DONE with a text. */
void admin_call_done(struct admin_call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Pass the request on to a node or FORWARD_BROKER, and its answer back. Takes the call. */
void admin_call_forward(struct admin_call *call, const char *to,
			const Vmreplica__Admin__Request *request, int timeout_ms);
bool admin_call_is_root(const struct admin_call *call);
/* Root here, or a daemon of another node: for what daemons ask each other. */
bool admin_call_is_trusted(const struct admin_call *call);

/* ---- handlers: each takes the call; request is borrowed until it returns ---- */
void admin_route(struct admin_call *call, const Vmreplica__Admin__Request *request);
void admin_status(struct admin_call *call, const Vmreplica__Admin__StatusRequest *request);
void admin_events(struct admin_call *call, const Vmreplica__Admin__EventsRequest *request);
void admin_check(struct admin_call *call, const Vmreplica__Admin__CheckRequest *request);
void admin_sync(struct admin_call *call, const Vmreplica__Admin__Request *request);
void admin_pause(struct admin_call *call, const Vmreplica__Admin__Request *request);
void admin_resume(struct admin_call *call, const Vmreplica__Admin__Request *request);
void admin_resync(struct admin_call *call, const Vmreplica__Admin__Request *request);
void admin_authorize(struct admin_call *call, const Vmreplica__Admin__Request *request);
void admin_verify(struct admin_call *call, const Vmreplica__Admin__Request *request);
/* admin_points.c */
void admin_points(struct admin_call *call, const Vmreplica__Admin__Request *request);
/* admin_failover.c */
void admin_failover(struct admin_call *call, const Vmreplica__Admin__Request *request);
/* admin_jobs.c */
void admin_jobs(struct admin_call *call, const Vmreplica__Admin__JobsRequest *request);
void admin_agent(struct admin_call *call, const Vmreplica__Admin__AgentRequest *request);
void admin_inspect(struct admin_call *call, const Vmreplica__Admin__InspectRequest *request);
void admin_release(struct admin_call *call, const Vmreplica__Admin__ReleaseRequest *request);
void admin_fit(struct admin_call *call, const Vmreplica__Admin__FitRequest *request);
/* peer_order.c */
void admin_peer_order(struct admin_call *call, const Vmreplica__Admin__PeerOrderRequest *request);
/* admin_guard.c */
void admin_guard(struct admin_call *call, const Vmreplica__Admin__GuardRequest *request);
void admin_store(struct admin_call *call, const Vmreplica__Admin__StoreRequest *request);
/* admin_wrap.c, admin_wrap_node.c */
void admin_wrap(struct admin_call *call, const Vmreplica__Admin__WrapRequest *request);
void admin_wrap_node(struct admin_call *call, const Vmreplica__Admin__WrapNodeRequest *request);
/* protect.c, unprotect.c */
void admin_protect(struct admin_call *call, const Vmreplica__Admin__ProtectRequest *request);
void admin_unprotect(struct admin_call *call, const Vmreplica__Admin__UnprotectRequest *request);

/* The daemon was asked to stop (agent). Set by main. */
void admin_service_on_stop(struct admin_service *service, void (*stop_cb)(void *arg), void *arg);
void admin_service_stop_daemon(struct admin_service *service);

#endif
