/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strangers flood the broker: who is welcome gets an answer, and about as soon as before. */
#include <signal.h>

#include "broker_world.h"
#include "broker_fixture.h"
#include "common/clock.h"
#include "flood.h"
#include "proto/wire.pb-c.h"
#include "tempdir.h"
#include "tls_peers.h"
#include "unit.h"

/* Generous: the machine has other work, and the flood itself runs on it. The figures are printed.
 */
#define STANDING_P99_US 500e3
#define FRESH_P99_US	3000e3

static struct world *world;
static struct latencies standing[2], fresh[2]; /* before, during */
static unsigned failed;

static void ask(struct client *client, struct latencies *latencies, double begin_us)
{
	Vmreplica__Wire__Version version = VMREPLICA__WIRE__VERSION__INIT;
	Vmreplica__Wire__Locate locate = VMREPLICA__WIRE__LOCATE__INIT;

	version.min = version.max = 1;
	locate.version = &version;
	locate.relationship = text(REL_1);
	client_ask(client, FRAME_LOCATE, &locate.base);
	latencies_add(latencies, begin_us);
	failed += client->result != 0 || client->frame.type != FRAME_REDIRECT;
}

/* A LOCATE each millisecond over a connection that stands, and now and then one over a new one. */
static void measure(int phase, int seconds)
{
	int64_t end_ms = clock_monotonic_ms() + seconds * 1000;
	struct client client, other;

	client_open(&client, world->port, "a1", "b.example", NULL);
	for (int i = 0; clock_monotonic_ms() < end_ms; i++) {
		double begin_us = latencies_now_us();

		ask(&client, &standing[phase], begin_us);
		if (i % 8 == 0) {
			begin_us = latencies_now_us();
			client_open(&other, world->port, "a1", "b.example", NULL);
			ask(&other, &fresh[phase], begin_us);
			client_close(&other);
		}
		clock_sleep_ms(1);
	}
	client_close(&client);
}

static void flood_client(void *arg)
{
	struct flood_size size = flood_size();
	struct tls_context *context = peers_context("a1");
	struct flood_report report;
	struct flood flood;

	(void)arg;
	measure(0, size.seconds);
	flood_begin(&flood, world->port, &size, context);
	measure(1, size.seconds);
	flood_end(&flood, &report);
	tls_context_unref(context);
	printf("\n    %u silent connections and %u half-open handshakes: %llu opened, %llu ended "
	       "by "
	       "the broker",
	       size.silent, size.half_open, (unsigned long long)report.opened,
	       (unsigned long long)report.closed);
	latencies_compare("LOCATE, standing connection", &standing[0], &standing[1]);
	latencies_compare("LOCATE, new connection", &fresh[0], &fresh[1]);
	printf("\n  ");
	CU_ASSERT_TRUE(report.opened >= size.silent + size.half_open);
	CU_ASSERT_TRUE(report.closed > 0); /* it keeps so many, and no more */
	CU_ASSERT_TRUE(latencies_percentile(&standing[1], 99) < STANDING_P99_US);
	CU_ASSERT_TRUE(latencies_percentile(&fresh[1], 99) < FRESH_P99_US);
}

static void test_flood(void)
{
	world = world_begin(RELAY_AUTO);
	world_add_replica(world);
	world_run(world, flood_client, NULL);
	CU_ASSERT_EQUAL(failed, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(world->event, "to let others in"));
	CU_ASSERT_TRUE(access_point_count(world->broker.access_point) <=
		       ACCESS_PENDING_MAX + ACCESS_CONNECTIONS_MAX);
	world_end(world);
}

static const struct unit_test tests[] = {{"strangers flood the broker", test_flood}};

int main(void)
{
	int status;

	signal(SIGPIPE, SIG_IGN);
	status = unit_run("flood of the broker", tests, 1);
	tempdir_remove();
	return status;
}
