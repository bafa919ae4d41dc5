/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every kind of cycle leaves in the manifest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "receiver/cycle.h"
#include "receiver/ownership.h"

void cycle_record(const struct cycle *cycle, struct manifest *next,
		  const uint8_t log_hash[LOG_HASH_LEN])
{
	struct manifest_counters *counters = &next->counters;
	int64_t took_ms = clock_monotonic_ms() - cycle->begin_ms;
	uint64_t latency_ms = took_ms > 0 ? (uint64_t)took_ms : 0;

	next->committed = (struct manifest_cut){.seq = cycle->seq, .time_ms = cycle->cut_time_ms};
	memcpy(next->committed.cut_id, cycle->cut_id, sizeof(next->committed.cut_id));
	memcpy(next->committed.log_hash, log_hash, LOG_HASH_LEN);
	if (next->next_seq <= cycle->seq) {
		next->next_seq = cycle->seq + 1;
	}
	memset(&next->mark, 0, sizeof(next->mark));
	counters->ok++;
	counters->data_bytes += cycle->data_bytes;
	counters->wire_bytes += cycle->wire_bytes;
	if (counters->largest_bytes < cycle->wire_bytes) {
		counters->largest_bytes = cycle->wire_bytes;
	}
	counters->latency_ms = latency_ms;
	if (counters->latency_max_ms < latency_ms) {
		counters->latency_max_ms = latency_ms;
	}
}

void cycle_record_mark(const struct cycle *cycle, const Vmreplica__Wire__Mark *mark,
		       struct manifest *next)
{
	struct manifest_mark *to = &next->mark;

	*to = (struct manifest_mark){
		.mode = cycle->mode, .seq = cycle->seq, .disk = mark->disk, .offset = mark->offset};
	memcpy(to->cut_id, cycle->cut_id, sizeof(to->cut_id));
	plan_order_format(cycle->disks, cycle->disk_count, to->disks, sizeof(to->disks));
	if (next->next_seq <= cycle->seq) {
		next->next_seq = cycle->seq + 1;
	}
}

int cycle_take_definition(struct cycle *cycle, const void *xml, size_t len, struct answer *answer)
{
	if (len == 0) {
		return 0;
	}
	if (len > DOMAIN_XML_MAX) {
		return answer_failure(answer, "limits", "a domain definition of %zu bytes", len);
	}
	cycle->domain_xml = malloc(len);
	if (cycle->domain_xml == NULL) {
		return answer_storage(answer, -ENOMEM, "taking the domain definition");
	}
	memcpy(cycle->domain_xml, xml, len);
	cycle->domain_xml_len = len;
	return 0;
}

int cycle_keep_definition(const struct cycle *cycle, struct answer *answer)
{
	struct store *store = cycle->store;
	uint64_t generation;
	bool uncertain;
	int rc;

	if (cycle->domain_xml == NULL) {
		return 0;
	}
	pthread_mutex_lock(&store->lock); /* the applier replaces the manifest meanwhile */
	generation = store->manifest.generation;
	pthread_mutex_unlock(&store->lock);
	rc = ownership_file_replace(store->dir_fd, generation, "domain.xml", cycle->domain_xml,
				    cycle->domain_xml_len, &uncertain);
	if (rc == -ESTALE) {
		pthread_mutex_lock(&store->lock);
		rc = store_fenced(store, answer);
		pthread_mutex_unlock(&store->lock);
		return rc;
	}
	return rc < 0 ? answer_storage(answer, rc, "writing domain.xml") : 0;
}
