/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A relay token was shown: find the owner's address and hand the connection to the relay. */
#ifndef VMR_BROKER_RELAY_SERVICE_H
#define VMR_BROKER_RELAY_SERVICE_H

#include "broker/broker.h"

/* fd is taken. An unknown token, or one whose owner has changed since, is closed without contacting
 * anyone. */
void relay_service_accept(struct broker *broker, int fd, const char *token, const char *address);

#endif
