/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/relay_service.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"

/* A connection on its way to the relay: its owner's name is being looked up. */
struct relay_dial {
	struct broker *broker;
	int fd; /* owned */
	struct token_target target;
	struct addrinfo *info; /* owned */
};

static void dial_free(struct relay_dial *dial)
{
	cleanup_close_fn(&dial->fd);
	if (dial->info != NULL) {
		freeaddrinfo(dial->info);
	}
	free(dial);
}

static int dial_resolve(struct relay_dial *dial, int flags)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = flags | AI_NUMERICSERV | AI_ADDRCONFIG};
	char service[8];

	if ((flags & AI_NUMERICHOST) != 0) {
		hints.ai_flags &= ~AI_ADDRCONFIG; /* a numeric address stands for itself */
	}
	snprintf(service, sizeof(service), "%u", dial->target.port);
	return getaddrinfo(dial->target.host, service, &hints, &dial->info) == 0 ? 0
										 : -EHOSTUNREACH;
}

static int dial_run_cb(void *arg)
{
	return dial_resolve(arg, 0);
}

/* Takes dial. */
static void dial_done_cb(void *arg, int result)
{
	struct relay_dial *dial = arg;

	if (result == 0) {
		result = relay_start(dial->broker->relay, steal_fd(&dial->fd), dial->info->ai_addr,
				     dial->info->ai_addrlen, &dial->target);
	}
	if (result < 0) {
		log_warning("cannot relay %s for %s to %s at %s port %u: %s",
			    dial->target.relationship, dial->target.peer, dial->target.node,
			    dial->target.host, dial->target.port, strerror(-result));
	}
	dial_free(dial);
}

/* Has the relationship the same owner still? Otherwise the sender finds the new one by asking
 * again. */
static bool target_is_current(const struct broker *broker, const struct token_target *target)
{
	const struct route *route = routing_table_find(broker->routes, target->relationship);

	return broker->quorate && route != NULL && !route->moving &&
	       strcmp(route->node, target->node) == 0;
}

void relay_service_accept(struct broker *broker, int fd, const char *token, const char *address)
{
	struct relay_dial *dial = calloc(1, sizeof(*dial));

	if (dial == NULL) {
		close(fd);
		return;
	}
	dial->broker = broker;
	dial->fd = fd;
	if (!token_table_take(broker->tokens, token, clock_monotonic_ms(), &dial->target)) {
		broker_record_denial(broker, address,
				     "its relay token is unknown, used up or too old");
		dial_free(dial);
		return;
	}
	if (!target_is_current(broker, &dial->target)) {
		log_info("relay of %s to %s is not begun: the owner has changed",
			 dial->target.relationship, dial->target.node);
		dial_free(dial);
		return;
	}
	if (dial_resolve(dial, AI_NUMERICHOST) == 0) {
		dial_done_cb(dial, 0);
	} else if (workers_submit(broker->resolver, dial_run_cb, dial_done_cb, dial) < 0) {
		dial_free(dial);
	}
}
