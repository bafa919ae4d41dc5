/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers LOCATE: gathers what locate_decide needs, and makes the token of a RELAY. */
#ifndef VMR_BROKER_LOCATE_SERVICE_H
#define VMR_BROKER_LOCATE_SERVICE_H

#include "broker/broker.h"
#include "proto/wire.pb-c.h"

/* Answer at once with one frame. */
void locate_service_handle(struct broker *broker, struct peer_session *session,
			   const Vmreplica__Wire__Locate *locate);

/* The checks that ENROLL and WITHDRAW share with LOCATE (version, quorum). True when the request
 * may go on; otherwise it has been answered with DENIED. */
bool locate_service_admit(struct broker *broker, struct peer_session *session,
			  const Vmreplica__Wire__Version *version);

/* Answer DENIED, record and log it. */
void locate_service_deny(struct broker *broker, struct peer_session *session, const char *code,
			 const char *reason);

#endif
