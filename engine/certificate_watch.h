/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificates that run out: this node's own is looked at each hour and told to the cluster
 * (status, events), peers' as connections meet them. Control thread. */
#ifndef VMR_ENGINE_CERTIFICATE_WATCH_H
#define VMR_ENGINE_CERTIFICATE_WATCH_H

#include <stdint.h>

#include "common/tls_expiry.h"

struct engine;

struct certificate_watch {
	struct tls_expiry_notes peers;
	char text[TLS_ERROR_LEN]; /* what is to be said of the own ones; "" = all is well */
	uint64_t generation;	  /* of the files */
	int64_t look_ms, stat_ms; /* monotonic: next, whether or not files have changed */
	int64_t told_ms;	  /* monotonic: last event; 0 = none */
};

void certificate_watch_init(struct certificate_watch *watch);
void certificate_watch_destroy(struct certificate_watch *watch);
/* Look when it is time, or the files have changed. Reads small files. */
void certificate_watch_tick(struct engine *engine, int64_t now_ms);
/* A peer was met whose certificate holds until then (wall clock; 0 = not known). */
void certificate_watch_note_peer(struct engine *engine, const char *vm, const char *peer,
				 int64_t not_after_ms);

#endif
