/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "receiver/json.h"

#define QMP_TIMEOUT_MS 30000
#define QMP_LINE_MAX   (1024u * 1024u)

static int qmp_fail(int rc, char error[QMP_ERROR_LEN], const char *text)
{
	snprintf(error, QMP_ERROR_LEN, "qemu-storage-daemon %s", text);
	return rc;
}

/* Wait until fd is ready for events; -ETIMEDOUT at the deadline. */
static int qmp_poll(const struct qmp *qmp, short events, int64_t deadline_ms)
{
	struct pollfd pfd = {.fd = qmp->fd, .events = events};
	int64_t left = deadline_ms - clock_monotonic_ms();
	int rc = left <= 0 ? 0 : poll(&pfd, 1, (int)left);

	if (rc < 0) {
		return errno == EINTR ? 0 : -errno;
	}
	return rc == 0 ? -ETIMEDOUT : 0;
}

static int qmp_fill(struct qmp *qmp, int64_t deadline_ms)
{
	ssize_t n;
	int rc = qmp_poll(qmp, POLLIN, deadline_ms);

	if (rc < 0) {
		return rc;
	}
	rc = byte_buffer_reserve(&qmp->in, 4096);
	if (rc < 0) {
		return rc;
	}
	n = recv(qmp->fd, qmp->in.data + qmp->in.len, 4096, MSG_DONTWAIT);
	if (n < 0) {
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	}
	qmp->in.len += (size_t)n;
	return n == 0 ? -ECONNRESET : 0;
}

/* One line as JSON. */
static int qmp_read(struct qmp *qmp, int64_t deadline_ms, json_t **ret_json)
{
	for (;;) {
		uint8_t *end = qmp->in.len == 0 ? NULL : memchr(qmp->in.data, '\n', qmp->in.len);
		int rc;

		if (end != NULL) {
			size_t len = (size_t)(end - qmp->in.data) + 1;
			json_t *json = json_loadb((const char *)qmp->in.data, len, 0, NULL);

			byte_buffer_consume(&qmp->in, len);
			if (json == NULL) {
				return -EPROTO;
			}
			*ret_json = json;
			return 0;
		}
		rc = qmp_fill(qmp, deadline_ms);
		if (rc < 0) {
			return rc;
		}
	}
}

static int qmp_send(struct qmp *qmp, const char *text, int64_t deadline_ms)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(qmp->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			return -errno;
		}
		if (n > 0) {
			text += n;
			len -= (size_t)n;
			continue;
		}
		int rc = qmp_poll(qmp, POLLOUT, deadline_ms);
		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

/* The answer to the command just sent; events in between are not for us. */
static int qmp_answer(struct qmp *qmp, int64_t deadline_ms, json_t **ret_result,
		      char error[QMP_ERROR_LEN])
{
	for (;;) {
		cleanup_json json_t *json = NULL;
		json_t *refused, *result;
		int rc = qmp_read(qmp, deadline_ms, &json);

		if (rc < 0) {
			return qmp_fail(rc, error,
					rc == -ETIMEDOUT ? "does not answer" : "has ended");
		}
		refused = json_object_get(json, "error");
		result = json_object_get(json, "return");
		if (refused != NULL) {
			const char *text = json_string_value(json_object_get(refused, "desc"));

			return qmp_fail(-EREMOTEIO, error, text == NULL ? "refused" : text);
		}
		if (result != NULL) {
			if (ret_result != NULL) {
				*ret_result = json_incref(result);
			}
			return 0;
		}
	}
}

int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, json_t **ret_result,
		char error[QMP_ERROR_LEN])
{
	int64_t deadline_ms = clock_monotonic_ms() + QMP_TIMEOUT_MS;
	cleanup_json json_t *request =
		json_pack("{s:s, s:o*}", "execute", command, "arguments", arguments);
	cleanup_free char *text = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
	int rc;

	if (text == NULL) {
		return qmp_fail(-ENOMEM, error, "could not be asked: out of memory");
	}
	rc = qmp_send(qmp, text, deadline_ms);
	if (rc == 0) {
		rc = qmp_send(qmp, "\n", deadline_ms);
	}
	if (rc < 0) {
		return qmp_fail(rc, error, "has ended");
	}
	return qmp_answer(qmp, deadline_ms, ret_result, error);
}

int qmp_open(struct qmp *qmp, int fd, char error[QMP_ERROR_LEN])
{
	cleanup_json json_t *greeting = NULL;
	int rc;

	*qmp = (struct qmp){.fd = fd, .in = {.limit = QMP_LINE_MAX}};
	rc = qmp_read(qmp, clock_monotonic_ms() + QMP_TIMEOUT_MS, &greeting);
	if (rc < 0) {
		qmp_close(qmp);
		return qmp_fail(rc, error,
				rc == -ETIMEDOUT ? "does not answer" : "ended as it started");
	}
	rc = qmp_execute(qmp, "qmp_capabilities", NULL, NULL, error);
	if (rc < 0) {
		qmp_close(qmp);
	}
	return rc;
}

void qmp_close(struct qmp *qmp)
{
	byte_buffer_destroy(&qmp->in);
}
