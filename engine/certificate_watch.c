/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/certificate_watch.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/tls_store.h"
#include "engine/announcer.h"
#include "engine/engine.h"

#define LOOK_MS (3600ll * 1000)
#define STAT_MS 5000
#define TELL_MS (24ll * 3600 * 1000)

void certificate_watch_init(struct certificate_watch *watch)
{
	memset(watch, 0, sizeof(*watch));
	tls_expiry_notes_init(&watch->peers);
}

void certificate_watch_destroy(struct certificate_watch *watch)
{
	tls_expiry_notes_destroy(&watch->peers);
}

/* What there is to say of the files; "" when there are none yet: `check` says that. */
static enum tls_expiry_verdict look(struct engine *engine, char text[TLS_ERROR_LEN])
{
	char error[TLS_ERROR_LEN];
	struct tls_context *context = tls_store_get(engine->tls, error);
	struct tls_expiry expiry;

	text[0] = '\0';
	if (context == NULL) {
		return TLS_EXPIRY_WELL;
	}
	tls_context_expiry(context, &expiry);
	tls_context_unref(context);
	return tls_expiry_judge(&expiry, clock_wall_ms(), text);
}

static void tell(struct engine *engine, enum tls_expiry_verdict verdict, const char *text,
		 int64_t now_ms)
{
	struct certificate_watch *watch = &engine->certificates;
	bool changed = strcmp(watch->text, text) != 0;

	if (text[0] == '\0' && changed) {
		engine_event(engine, "notice", "", "the certificates are well again");
		watch->told_ms = 0;
	} else if (text[0] != '\0' && (watch->told_ms == 0 || now_ms - watch->told_ms >= TELL_MS)) {
		engine_event(engine, verdict == TLS_EXPIRY_OVER ? "error" : "warning", "", "%s",
			     text);
		watch->told_ms = now_ms;
	}
	if (changed) {
		snprintf(watch->text, sizeof(watch->text), "%s", text);
		engine_changed(engine);
	}
}

void certificate_watch_tick(struct engine *engine, int64_t now_ms)
{
	struct certificate_watch *watch = &engine->certificates;
	enum tls_expiry_verdict verdict;
	char text[TLS_ERROR_LEN];
	uint64_t generation;

	if (now_ms < watch->stat_ms) {
		return;
	}
	watch->stat_ms = now_ms + STAT_MS;
	generation = tls_store_generation(engine->tls);
	if (now_ms < watch->look_ms && generation == watch->generation) {
		return;
	}
	watch->generation = generation;
	watch->look_ms = now_ms + LOOK_MS;
	verdict = look(engine, text);
	tell(engine, verdict, text, now_ms);
}

void certificate_watch_note_peer(struct engine *engine, const char *vm, const char *peer,
				 int64_t not_after_ms)
{
	char text[TLS_ERROR_LEN];

	if (tls_expiry_notes_due(&engine->certificates.peers, peer, not_after_ms, clock_wall_ms(),
				 text)) {
		engine_event(engine, "warning", vm, "%s", text);
	}
}
