/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/tls_bio.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TLS_BIO_BUFFER (256u * 1024u)
#define TLS_BIO_SMALL  (16u * 1024u) /* the buffer's first size: most messages end below it */

#define TLS_RECORD_HEADER   5
#define TLS_RECORD_MAX	    (16384u + 256u)
#define TLS_RECORD_TYPE_MIN 20 /* change_cipher_spec (RFC 8446, section 5.1) */
#define TLS_RECORD_TYPE_MAX 23 /* application_data */

struct tls_bio {
	int fd, error;
	bool whole; /* hand out a record only when all of it is there */
	int low_water;
	uint64_t sent;
	uint8_t *buffer; /* owned; NULL while nothing waits */
	size_t capacity, begin, end;
};

static BIO_METHOD *tls_bio_method_made;

/* 1 = all gone, 0 = would block, negative errno. */
static int tls_bio_drain(struct tls_bio *state)
{
	while (state->begin < state->end) {
		ssize_t n = send(state->fd, state->buffer + state->begin, state->end - state->begin,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			return 0;
		}
		if (n < 0) {
			state->error = errno;
			return -errno;
		}
		state->begin += (size_t)n;
		__atomic_add_fetch(&state->sent, (uint64_t)n, __ATOMIC_RELAXED);
	}
	free(state->buffer);
	state->buffer = NULL;
	state->capacity = state->begin = state->end = 0;
	return 1;
}

/* Room for len more bytes at the end, up to the buffer's full size. */
static void tls_bio_make_room(struct tls_bio *state, size_t len)
{
	size_t want = state->end - state->begin + len;
	size_t capacity = want > TLS_BIO_SMALL ? TLS_BIO_BUFFER : TLS_BIO_SMALL;
	uint8_t *buffer;

	if (state->begin > 0) {
		memmove(state->buffer, state->buffer + state->begin, state->end - state->begin);
		state->end -= state->begin;
		state->begin = 0;
	}
	if (capacity <= state->capacity) {
		return;
	}
	buffer = realloc(state->buffer, capacity);
	if (buffer != NULL) {
		state->buffer = buffer;
		state->capacity = capacity;
	}
}

static int tls_bio_write_cb(BIO *bio, const char *data, size_t len, size_t *ret_written)
{
	struct tls_bio *state = BIO_get_data(bio);
	size_t room;

	BIO_clear_retry_flags(bio);
	if (state->end - state->begin + len > TLS_BIO_BUFFER && tls_bio_drain(state) < 0) {
		return -1;
	}
	tls_bio_make_room(state, len);
	room = state->capacity - state->end;
	if (room == 0) {
		if (state->capacity == 0) {
			state->error = ENOMEM;
		} else {
			BIO_set_retry_write(bio); /* full, and the socket takes nothing now */
		}
		return -1;
	}
	if (len > room) {
		len = room;
	}
	memcpy(state->buffer + state->end, data, len);
	state->end += len;
	*ret_written = len;
	return 1;
}

static void tls_bio_set_low_water(struct tls_bio *state, int bytes)
{
	/* Not for local sockets: then the poll of the loop tells too often, and no harm is done. */
	if (bytes != state->low_water) {
		(void)setsockopt(state->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
		state->low_water = bytes;
	}
}

/* The peer has ended its side: no more will come. */
static bool tls_bio_peer_is_gone(const struct tls_bio *state)
{
	struct pollfd fd = {.fd = state->fd, .events = POLLRDHUP};

	return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* Is the record that begins now in the socket as a whole, or what will not become one? Without this
 * OpenSSL would hold 17 KiB for each peer that stops in the middle of a record. */
static bool tls_bio_has_record(struct tls_bio *state)
{
	uint8_t record[TLS_RECORD_HEADER + TLS_RECORD_MAX];
	size_t want = TLS_RECORD_HEADER;
	ssize_t n;

	n = recv(state->fd, record, sizeof(record), MSG_PEEK | MSG_DONTWAIT);
	if (n <= 0) {
		return true; /* the read itself says why */
	}
	if (n >= TLS_RECORD_HEADER) {
		want += (size_t)record[3] << 8 | record[4];
	}
	if ((size_t)n >= want || want > sizeof(record) || record[0] < TLS_RECORD_TYPE_MIN ||
	    record[0] > TLS_RECORD_TYPE_MAX || tls_bio_peer_is_gone(state)) {
		tls_bio_set_low_water(state, 1);
		return true;
	}
	tls_bio_set_low_water(state, (int)want);
	return false;
}

static int tls_bio_read_cb(BIO *bio, char *data, size_t len, size_t *ret_read)
{
	struct tls_bio *state = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (state->whole && len == TLS_RECORD_HEADER && !tls_bio_has_record(state)) {
		BIO_set_retry_read(bio);
		return -1;
	}
	do {
		n = recv(state->fd, data, len, 0);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		*ret_read = (size_t)n;
		return 1;
	}
	if (n == 0) {
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
		return 0;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK) {
		BIO_set_retry_read(bio);
	} else {
		state->error = errno;
	}
	return -1;
}

static long tls_bio_ctrl_cb(BIO *bio, int command, long number, void *pointer)
{
	int r;

	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH:
		BIO_clear_retry_flags(bio);
		r = tls_bio_drain(BIO_get_data(bio));
		if (r == 0) {
			BIO_set_retry_write(bio);
			return -1;
		}
		return r;
	case BIO_CTRL_EOF:
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	default:
		return 0; /* in particular: no kernel TLS */
	}
}

static int tls_bio_destroy_cb(BIO *bio)
{
	struct tls_bio *state = BIO_get_data(bio);

	if (state != NULL) {
		free(state->buffer);
		free(state);
	}
	return 1;
}

static void tls_bio_method_make(void)
{
	BIO_METHOD *method =
		BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "vmreplica socket");

	if (method == NULL || !BIO_meth_set_write_ex(method, tls_bio_write_cb) ||
	    !BIO_meth_set_read_ex(method, tls_bio_read_cb) ||
	    !BIO_meth_set_ctrl(method, tls_bio_ctrl_cb) ||
	    !BIO_meth_set_destroy(method, tls_bio_destroy_cb)) {
		BIO_meth_free(method);
		return;
	}
	tls_bio_method_made = method;
}

BIO *tls_bio_new(int fd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct tls_bio *state;
	BIO *bio;

	pthread_once(&once, tls_bio_method_make);
	if (tls_bio_method_made == NULL) {
		return NULL;
	}
	state = calloc(1, sizeof(*state));
	bio = BIO_new(tls_bio_method_made);
	if (state == NULL || bio == NULL) {
		free(state);
		BIO_free(bio);
		return NULL;
	}
	state->fd = fd;
	state->low_water = 1;
	BIO_set_data(bio, state);
	BIO_set_init(bio, 1);
	return bio;
}

void tls_bio_set_whole(BIO *bio, bool whole)
{
	struct tls_bio *state = BIO_get_data(bio);

	state->whole = whole;
	tls_bio_set_low_water(state, 1);
}

int tls_bio_flush(BIO *bio)
{
	return tls_bio_drain(BIO_get_data(bio));
}

uint64_t tls_bio_bytes_sent(BIO *bio)
{
	struct tls_bio *state = BIO_get_data(bio);

	return __atomic_load_n(&state->sent,
			       __ATOMIC_RELAXED); /* statistics ask from other threads */
}

int tls_bio_errno(BIO *bio)
{
	struct tls_bio *state = BIO_get_data(bio);

	return state->error;
}
