/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carries out ENROLL and WITHDRAW: the change of the cluster's configuration, its answer to the
 * peer, and, after a withdrawal, the end of the store on its owner. Requests of one relationship go
 * one after the other.
 */
#ifndef VMR_BROKER_ENROLLMENT_H
#define VMR_BROKER_ENROLLMENT_H

#include "broker/broker.h"
#include "proto/wire.pb-c.h"

struct enrollment *
enrollment_new(struct broker *broker); /* broker is borrowed. NULL when out of memory */
/* Drop what is under way; the peers' connections are closing anyway. NULL allowed. */
void enrollment_free(struct enrollment *enrollment);

/* Answer with ENROLLED, DENIED or BUSY; later, when something must change first. */
void enrollment_handle_enroll(struct enrollment *enrollment, struct peer_session *session,
			      const Vmreplica__Wire__Enroll *enroll);
/* Answer with WITHDRAWN, DENIED or BUSY. */
void enrollment_handle_withdraw(struct enrollment *enrollment, struct peer_session *session,
				const Vmreplica__Wire__Withdraw *withdraw);

#endif
