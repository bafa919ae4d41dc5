/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store_fixture.h"

#include <inttypes.h>

FILE *fixture_expected;

FILE *fixture_file(const char *directory, const char *name)
{
	char path[RIG_PATH];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "we");
	if (file == NULL) {
		rig_die("cannot write %s", path);
	}
	return file;
}

/* Small and compressible: the fixture is kept for ever. */
static void change(unsigned int round)
{
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		struct model_disk *disk = &model.disks[i];

		for (unsigned int k = 0; k < 4; k++) {
			uint64_t cluster = (round * 7 + k * 31 + i) % (disk->clusters - 1);
			uint8_t *to = disk->data + cluster * MODEL_CLUSTER;

			for (unsigned int n = 0; n < MODEL_CLUSTER; n++) {
				to[n] = k == 3 ? 0 : (uint8_t)(round + n / 512 * (k + 1));
			}
			disk->dirty[cluster] = 1;
		}
	}
}

static void committed_note(void)
{
	fprintf(fixture_expected, "%" PRIu64 " %016" PRIx64 " %016" PRIx64 "\n",
		sender.committed.seq, model_digest(&model, 0), model_digest(&model, 1));
	model_clear_dirty(&model);
}

void fixture_cycle(unsigned int round, bool applied)
{
	change(round);
	sender_begin(&sender, &model, DELTA, false);
	sender_dirty(&sender, &model);
	if (!sender_end(&sender) ||
	    (applied && !rig_wait(&rig, rig_is_applied, sender.committed.seq, 30000))) {
		rig_die("cycle %u fails: %s", round, sender.reason);
	}
	committed_note();
}

void fixture_store(void)
{
	rig_init(&rig);
	rig.points = 3;
	rig.point_interval_s = 2 * FIXTURE_STEP_MS / 1000;
	model_init(&model);
	rig_start(&rig, "b1");
	if (rig_open(&rig) != 0 || !sender_enter(&sender, &rig, &model)) {
		rig_die("no store: %s", rig.opened_text);
	}
	sender.cut_time_ms = 1795326900000;
	sender.cut_step_ms = FIXTURE_STEP_MS;
	change(0);
	sender_begin(&sender, &model, INITIAL, false);
	for (unsigned int i = 0; i < MODEL_DISKS; i++) {
		sender_range(&sender, &model, i, 0, model.disks[i].size, false);
	}
	if (!sender_end(&sender)) {
		rig_die("no initial replication: %s", sender.reason);
	}
	committed_note();
}
