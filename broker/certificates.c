/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "broker/certificates.h"

#include <errno.h>
#include <stdio.h>

#include "broker/access_point.h"
#include "common/log.h"
#include "common/tls_store.h"

#define WATCH_NS 5000000000ull

static int certificates_load(const struct config *config, struct tls_context **ret_tls,
			     char error[BROKER_ERROR_LEN])
{
	struct tls_files files = config_tls_files(config);
	char why[TLS_ERROR_LEN] = "";
	struct tls_context *tls = tls_context_new(&files, why);

	if (tls == NULL) {
		snprintf(error, BROKER_ERROR_LEN, "%s", why);
		return -EINVAL;
	}
	*ret_tls = tls;
	return 0;
}

static void watch_cb(void *data)
{
	struct broker *broker = data;
	uint64_t generation = tls_store_generation(broker->certificates);

	if (generation != broker->certificates_generation) {
		broker->certificates_generation = generation;
		broker_reload(broker);
	}
	qb_loop_timer_add(broker->loop, QB_LOOP_LOW, WATCH_NS, broker, watch_cb,
			  &broker->certificates_timer);
}

int certificates_open(struct broker *broker, char error[BROKER_ERROR_LEN])
{
	struct tls_files files = config_tls_files(broker->config);
	int rc;

	broker->certificates = tls_store_new(&files);
	if (broker->certificates == NULL) {
		snprintf(error, BROKER_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	/* Looked at before they are read: what changes in between is read again. */
	broker->certificates_generation = tls_store_generation(broker->certificates);
	rc = certificates_load(broker->config, &broker->tls, error);
	if (rc == 0 && qb_loop_timer_add(broker->loop, QB_LOOP_LOW, WATCH_NS, broker, watch_cb,
					 &broker->certificates_timer) < 0) {
		snprintf(error, BROKER_ERROR_LEN, "no timer can be set");
		rc = -ENOMEM;
	}
	return rc;
}

int broker_reload(struct broker *broker)
{
	char error[BROKER_ERROR_LEN];
	struct tls_context *tls;
	int rc = certificates_load(broker->config, &tls, error);

	if (rc < 0) {
		log_error("the certificates could not be read again, the old ones stay in use: %s",
			  error);
		return rc;
	}
	access_point_set_tls(broker->access_point, tls);
	tls_context_unref(broker->tls);
	broker->tls = tls;
	log_notice("the certificates were read again");
	return 0;
}

void certificates_close(struct broker *broker)
{
	if (broker->certificates_timer != 0) {
		qb_loop_timer_del(broker->loop, broker->certificates_timer);
	}
	tls_store_free(broker->certificates);
	if (broker->tls != NULL) {
		tls_context_unref(broker->tls);
	}
}
