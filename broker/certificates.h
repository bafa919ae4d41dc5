/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The broker's own certificate, its authority and the revocation lists: loaded at the start, and
 * again when their files have changed (looked at every few seconds) or broker_reload is called. */
#ifndef VMR_BROKER_CERTIFICATES_H
#define VMR_BROKER_CERTIFICATES_H

#include "broker/broker.h"

/* Load them and begin to watch. 0, -EINVAL with a sentence, or -ENOMEM. Reads files. */
int certificates_open(struct broker *broker, char error[BROKER_ERROR_LEN]);
void certificates_close(struct broker *broker); /* also after a failed open, or none */

#endif
