/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server name in a ClientHello, without OpenSSL and without state: the relay looks at what has
 * arrived so far and asks again when there is more. Rules from RFC 8446 (4.1.2, 5.1) and RFC 6066
 * (3).
 */
#include "common/tls.h"

#include <errno.h>
#include <string.h>

#include "common/dns_name.h"

#define RECORD_HANDSHAKE 22
#define RECORD_HEADER	 5
#define RECORD_MAX	 16384
#define HELLO_TYPE	 1
#define HELLO_HEADER	 4
#define HELLO_MAX	 16384 /* ours; real ones stay below 2 KiB */
#define EXTENSION_SNI	 0
#define SNI_HOST_NAME	 0

/* A window on bytes that must be there: going past the end marks it broken. */
struct window {
	const uint8_t *at;
	size_t left;
	bool broken;
};

static uint32_t window_number(struct window *w, size_t bytes)
{
	uint32_t value = 0;

	if (w->left < bytes) {
		w->broken = true;
		w->left = 0;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++) {
		value = value << 8 | w->at[i];
	}
	w->at += bytes;
	w->left -= bytes;
	return value;
}

/* The part that a length of length_bytes introduces. */
static struct window window_part(struct window *w, size_t length_bytes)
{
	size_t len = window_number(w, length_bytes);
	struct window part = {.at = w->at, .left = len};

	if (w->broken || len > w->left) {
		w->broken = true;
		part.left = 0;
		part.broken = true;
		return part;
	}
	w->at += len;
	w->left -= len;
	return part;
}

/* Put the records' contents together in hello (HELLO_MAX bytes), as many as have arrived. 0 or
 * -EPROTO. */
static int hello_gather(const uint8_t *buf, size_t len, uint8_t *hello, size_t *ret_len)
{
	size_t have = 0;

	while (len > 0) {
		size_t record, part;

		if (buf[0] != RECORD_HANDSHAKE || (len > 1 && buf[1] != 3)) {
			return -EPROTO;
		}
		if (len < RECORD_HEADER) {
			break;
		}
		record = (size_t)buf[3] << 8 | buf[4];
		if (record == 0 || record > RECORD_MAX) {
			return -EPROTO; /* an empty handshake record is forbidden */
		}
		part = len - RECORD_HEADER < record ? len - RECORD_HEADER : record;
		if (part > HELLO_MAX - have) {
			part = HELLO_MAX - have;
		}
		memcpy(hello + have, buf + RECORD_HEADER, part);
		have += part;
		if (have == HELLO_MAX || len - RECORD_HEADER <= record) {
			break;
		}
		/* What follows a complete hello is not for us to judge. */
		if (have >= HELLO_HEADER &&
		    have >= HELLO_HEADER +
				    ((size_t)hello[1] << 16 | (size_t)hello[2] << 8 | hello[3])) {
			break;
		}
		buf += RECORD_HEADER + record;
		len -= RECORD_HEADER + record;
	}
	*ret_len = have;
	return 0;
}

static int sni_name_copy(struct window name, char *ret_name, size_t ret_size)
{
	char copy[DNS_NAME_MAX + 1];

	if (name.broken || name.left == 0 || name.left > DNS_NAME_MAX || name.left >= ret_size ||
	    memchr(name.at, '\0', name.left) != NULL) {
		return -EPROTO;
	}
	memcpy(copy, name.at, name.left);
	copy[name.left] = '\0';
	if (!dns_name_is_valid(copy)) {
		return -EPROTO;
	}
	memcpy(ret_name, copy, name.left + 1);
	return 1;
}

static int sni_parse(struct window extension, char *ret_name, size_t ret_size)
{
	struct window list = window_part(&extension, 2);

	while (!list.broken && list.left > 0) {
		uint32_t type = window_number(&list, 1);
		struct window name = window_part(&list, 2);

		if (type == SNI_HOST_NAME && !list.broken) {
			return sni_name_copy(name, ret_name, ret_size);
		}
	}
	return list.broken || extension.broken ? -EPROTO : 0;
}

/* body: the ClientHello after its handshake header. */
static int hello_parse(struct window body, char *ret_name, size_t ret_size)
{
	struct window extensions;

	window_number(&body, 2); /* legacy_version */
	for (size_t i = 0; i < 8; i++) {
		window_number(&body, 4); /* random */
	}
	window_part(&body, 1); /* session id */
	window_part(&body, 2); /* cipher suites */
	window_part(&body, 1); /* compression methods */
	if (body.broken) {
		return -EPROTO;
	}
	if (body.left == 0) {
		return 0;
	}
	extensions = window_part(&body, 2);
	while (!extensions.broken && extensions.left > 0) {
		uint32_t type = window_number(&extensions, 2);
		struct window extension = window_part(&extensions, 2);

		if (type == EXTENSION_SNI && !extensions.broken) {
			return sni_parse(extension, ret_name, ret_size);
		}
	}
	return extensions.broken ? -EPROTO : 0;
}

int tls_client_hello_sni(const uint8_t *buf, size_t len, char *ret_name, size_t ret_size)
{
	uint8_t hello[HELLO_MAX];
	struct window body;
	size_t have = 0, want;
	int r = hello_gather(buf, len, hello, &have);

	if (r < 0) {
		return r;
	}
	if (have > 0 && hello[0] != HELLO_TYPE) {
		return -EPROTO;
	}
	if (have < HELLO_HEADER) {
		return -EAGAIN;
	}
	want = (size_t)hello[1] << 16 | (size_t)hello[2] << 8 | hello[3];
	if (want > HELLO_MAX - HELLO_HEADER) {
		return -EPROTO;
	}
	if (have < HELLO_HEADER + want) {
		return -EAGAIN;
	}
	body = (struct window){.at = hello + HELLO_HEADER, .left = want};
	return hello_parse(body, ret_name, ret_size);
}
