/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/failover_word.h"

#include <stdio.h>

#include "common/clock.h"
#include "engine/failover_peer.h"

#define STAY_LIMIT_MS 20000 /* it may be reading bitmaps, and ends that first */

#define CANCEL VMREPLICA__ADMIN__FAILOVER_KIND__FAILOVER_CANCEL

static int order_stay(const struct failover_word *word, struct order_result *ret_result,
		      struct trouble *trouble)
{
	struct locate_client client = peer_contact_client(&word->contact, word->tls);
	Vmreplica__Wire__Order order = VMREPLICA__WIRE__ORDER__INIT;
	Vmreplica__Epoch epoch;

	epoch_to_message(&word->epoch, &epoch);
	order.epoch = &epoch;
	order.kind = VMREPLICA__WIRE__ORDER_KIND__ORDER_STAY;
	order.relationship = (char *)(uintptr_t)word->contact.relationship; /* only read */
	order.site = (char *)(uintptr_t)word->site;
	order.job = (char *)(uintptr_t)word->reversing;
	return order_client_order(&client, &order, ret_result, trouble);
}

static void ask_to_stay(struct failover_word *word)
{
	int64_t until_ms = clock_monotonic_ms() + STAY_LIMIT_MS;
	struct order_result ordered = {0};
	struct trouble trouble = {0};
	int result;

	for (;;) {
		result = order_stay(word, &ordered, &trouble);
		if (result < 0 || ordered.done || clock_monotonic_ms() >= until_ms) {
			break;
		}
		clock_sleep_ms((int)ordered.retry_ms);
	}
	if ((result < 0 || !ordered.done) && !word->force) {
		failover_peer_no_word(result < 0 ? trouble.text : ordered.text,
				      word->answered ? word->answer.site : "", word->why,
				      sizeof(word->why), &word->advice);
	}
}

void failover_word_ask(struct failover_word *word)
{
	struct locate_client client = peer_contact_client(&word->contact, word->tls);
	struct trouble trouble = {0};
	const char *why = NULL;

	word->answered = order_client_query(&client, word->contact.relationship, word->site, NULL,
					    &word->answer, &trouble) == 0;
	if (word->answer.site[0] == '\0') {
		snprintf(word->answer.site, sizeof(word->answer.site), "%s", word->contact.site);
	}
	if (word->answered && !word->force) {
		why = failover_peer_objection(word->kind, &word->answer, word->site, word->why,
					      sizeof(word->why), &word->advice);
	}
	if (why == NULL && word->kind == CANCEL && word->reversing[0] != '\0') {
		ask_to_stay(word);
	}
}
