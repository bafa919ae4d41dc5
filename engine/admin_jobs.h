/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs asked for by admins; any engine answers, from its own table. Control thread. */
#ifndef VMR_ENGINE_ADMIN_JOBS_H
#define VMR_ENGINE_ADMIN_JOBS_H

#include "engine/engine.h"
#include "proto/status.pb-c.h"

/* A job has changed: who follows it is answered. */
void admin_jobs_changed(struct engine *engine, const Vmreplica__Job *job);
/* Who has waited long enough is answered with what is known. now_ms INT64_MAX: all, at the end. */
void admin_jobs_tick(struct engine *engine, int64_t now_ms);

#endif
