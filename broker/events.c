/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the broker has to tell the admin: the log, `vmreplica events`, the last denials. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "broker/access_point.h"
#include "broker/broker.h"
#include "common/clock.h"
#include "common/log.h"

/* The engine of this node keeps the events: it is told over the group. */
static void broker_tell_event(struct broker *broker, const char *severity, char *text)
{
	Vmreplica__Cluster__Message message = VMREPLICA__CLUSTER__MESSAGE__INIT;
	Vmreplica__Event body = VMREPLICA__EVENT__INIT;

	body.time_ms = clock_wall_ms();
	body.node = broker->config->node;
	body.severity = (char *)(uintptr_t)severity;
	body.text = text;
	message.body_case = VMREPLICA__CLUSTER__MESSAGE__BODY_EVENT;
	message.event = &body;
	broker_multicast(broker, &message);
}

void broker_event(struct broker *broker, const char *severity, const char *format, ...)
{
	char text[REASON_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (strcmp(severity, "notice") == 0) {
		log_notice("%s", text);
	} else {
		log_warning("%s", text);
	}
	if (broker->cluster_started && !broker->closing) {
		broker_tell_event(broker, severity, text);
	}
}

void broker_record_denial(struct broker *broker, const char *peer, const char *reason)
{
	if (denial_ring_add(&broker->denials, peer, reason, clock_wall_ms())) {
		broker_event(broker, "warning", "%s is refused: %s", peer, reason);
	}
}

/* Its own admin may not look; ours will notice when it no longer gets in. */
void broker_note_peer(struct broker *broker, const struct peer_session *session)
{
	const char *const *names = peer_session_names(session);
	char text[TLS_ERROR_LEN];

	if (names != NULL && names[0] != NULL &&
	    tls_expiry_notes_due(&broker->expiries, names[0], peer_session_not_after_ms(session),
				 clock_wall_ms(), text)) {
		broker_event(broker, "warning", "%s", text);
	}
}
