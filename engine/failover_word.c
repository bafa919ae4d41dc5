/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/failover_word.h"

#include "common/clock.h"
#include "engine/failover_peer.h"
#include "engine/order_client.h"

#define STAY_LIMIT_MS 20000 /* it may be reading bitmaps, and ends that first */

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

static void ask(struct failover_word *word, struct order_result *ordered, struct trouble *trouble)
{
	int64_t until_ms = clock_monotonic_ms() + STAY_LIMIT_MS;

	while (order_stay(word, ordered, trouble) == 0 && !ordered->done &&
	       clock_monotonic_ms() < until_ms) {
		clock_sleep_ms((int)ordered->retry_ms);
	}
}

void failover_word_ask(struct failover_word *word)
{
	struct order_result ordered = {0};
	struct trouble trouble = {0};

	word->why[0] = '\0';
	word->advice = "";
	if (word->contact.host[0] == '\0') {
		failover_peer_no_word("where its broker listens is not known", word->why,
				      sizeof(word->why), &word->advice);
		return;
	}
	ask(word, &ordered, &trouble);
	if (!ordered.done) {
		failover_peer_no_word(trouble.text[0] != '\0' ? trouble.text : ordered.text,
				      word->why, sizeof(word->why), &word->advice);
	}
}
