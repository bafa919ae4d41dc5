/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For how long a guard's monitor has found its VM refused. While a VM changes sides it is off and
 * disabled here, and by its epoch may not start: nothing has failed then, and a failed action in
 * `pcs status`, or a start on the way back that waits for that to expire, would be the guard's own
 * harm. A change of sides that lasts is another matter: its guard withdraws, so that nobody starts
 * the VM by enabling it. Control thread only.
 */
#ifndef VMR_ENGINE_GUARD_PATIENCE_H
#define VMR_ENGINE_GUARD_PATIENCE_H

#include "engine/engine.h"

/* A monitor's finding. Milliseconds since the first of those that said refused without another
 * between them; 0 when this one does not. */
int64_t guard_patience_note(struct engine *engine, const char *relationship, bool refused,
			    int64_t now_ms);
void guard_patience_free_all(struct engine *engine);

#endif
