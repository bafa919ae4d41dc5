/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/tls.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/tls_peers.h"
#include "tests/unit/unit.h"

#define TOKEN	  "r-0123456789abcdef0123456789abcdef"
#define RECORD	  5u
#define HELLO_MAX 4096u

static uint8_t hello[HELLO_MAX]; /* one record, as a client of ours sends it */
static size_t hello_len;
static char name[256];

/* Record the first flight of a client that sends sni. */
static size_t record_hello(const char *sni, uint8_t buf[HELLO_MAX])
{
	struct tls_context *context = peers_context("a1");
	struct tls_conn *conn;
	ssize_t n;
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	conn = tls_client_new(context, fds[0], "b.example", sni);
	CU_ASSERT_EQUAL(tls_handshake(conn), -EAGAIN);
	n = read(fds[1], buf, HELLO_MAX);
	CU_ASSERT_TRUE_FATAL(n > (ssize_t)RECORD);
	tls_conn_free(conn);
	close(fds[1]);
	tls_context_unref(context);
	return (size_t)n;
}

static int parse(const uint8_t *buf, size_t len)
{
	/* A copy of exactly this length, so that a sanitizer sees a step too far. */
	uint8_t *exact = malloc(len > 0 ? len : 1);
	int r;

	memcpy(exact, buf, len);
	strcpy(name, "untouched");
	r = tls_client_hello_sni(exact, len, name, sizeof(name));
	free(exact);
	return r;
}

static void test_whole_and_every_prefix(void)
{
	hello_len = record_hello(TOKEN, hello);
	CU_ASSERT_EQUAL(parse(hello, hello_len), 1);
	CU_ASSERT_STRING_EQUAL(name, TOKEN);
	for (size_t len = 0; len < hello_len; len++) {
		CU_ASSERT_EQUAL(parse(hello, len), -EAGAIN);
		CU_ASSERT_STRING_EQUAL(name, "untouched");
	}
	/* What follows does not matter. */
	memset(hello + hello_len, 0xff, 64);
	CU_ASSERT_EQUAL(parse(hello, hello_len + 64), 1);
}

/* Put bytes of the hello's message into a record of its own; returns the bytes written. */
static size_t put_record(uint8_t *to, size_t from, size_t len)
{
	memcpy(to, hello, 3);
	to[3] = (uint8_t)(len >> 8);
	to[4] = (uint8_t)len;
	memcpy(to + RECORD, hello + RECORD + from, len);
	return RECORD + len;
}

static void test_records_split_anywhere(void)
{
	uint8_t split[HELLO_MAX];
	size_t body = hello_len - RECORD;

	for (size_t at = 1; at < body; at++) {
		size_t first = put_record(split, 0, at);
		size_t len = first + put_record(split + first, at, body - at);

		CU_ASSERT_EQUAL(parse(split, len), 1);
		CU_ASSERT_STRING_EQUAL(name, TOKEN);
		CU_ASSERT_EQUAL(parse(split, len - 1), -EAGAIN);
		CU_ASSERT_EQUAL(parse(split, first), -EAGAIN);
		CU_ASSERT_EQUAL(parse(split, first + 3), -EAGAIN);
	}
}

static void test_a_record_for_each_byte(void)
{
	uint8_t split[HELLO_MAX * 2];
	size_t body = hello_len - RECORD, len = 0;

	CU_ASSERT_TRUE_FATAL(body * (RECORD + 1) <= sizeof(split));
	for (size_t at = 0; at < body; at++) {
		CU_ASSERT_EQUAL(parse(split, len), -EAGAIN);
		len += put_record(split + len, at, 1);
	}
	CU_ASSERT_EQUAL(parse(split, len), 1);
	CU_ASSERT_STRING_EQUAL(name, TOKEN);
}

static void test_no_name(void)
{
	uint8_t plain[HELLO_MAX];
	size_t len = record_hello(NULL, plain);

	CU_ASSERT_EQUAL(parse(plain, len), 0);
	CU_ASSERT_STRING_EQUAL(name, "untouched");
}

static void test_not_a_hello(void)
{
	uint8_t wrong[HELLO_MAX];

	CU_ASSERT_EQUAL(parse((const uint8_t *)"GET / HTTP/1.0\r\n", 16), -EPROTO);
	CU_ASSERT_EQUAL(parse((const uint8_t *)"\x17\x03\x03", 3), -EPROTO);
	CU_ASSERT_EQUAL(parse((const uint8_t *)"\x16\x02", 2), -EPROTO);
	/* Empty and oversized records, another message, a message beyond our limit. */
	CU_ASSERT_EQUAL(parse((const uint8_t *)"\x16\x03\x01\x00\x00", 5), -EPROTO);
	CU_ASSERT_EQUAL(parse((const uint8_t *)"\x16\x03\x01\x40\x01", 5), -EPROTO);
	CU_ASSERT_EQUAL(parse((const uint8_t *)"\x16\x03\x01\x00\x04\x02", 6), -EPROTO);
	CU_ASSERT_EQUAL(parse((const uint8_t *)"\x16\x03\x01\x00\x04\x01\x00\x40\x00", 9), -EPROTO);
	/* A name with a NUL in it. */
	memcpy(wrong, hello, hello_len);
	for (size_t i = 0; i + strlen(TOKEN) <= hello_len; i++) {
		if (memcmp(wrong + i, TOKEN, strlen(TOKEN)) == 0) {
			wrong[i + 3] = '\0';
		}
	}
	CU_ASSERT_EQUAL(parse(wrong, hello_len), -EPROTO);
	/* A name that the caller has no room for. */
	CU_ASSERT_EQUAL(tls_client_hello_sni(hello, hello_len, name, strlen(TOKEN)), -EPROTO);
	CU_ASSERT_EQUAL(tls_client_hello_sni(hello, hello_len, name, strlen(TOKEN) + 1), 1);
}

/* Every single wrong byte ends in one of the four answers, without a step outside. */
static void test_every_byte_wrong(void)
{
	uint8_t wrong[HELLO_MAX];

	for (size_t at = 0; at < hello_len; at++) {
		for (unsigned int value = 0; value < 256; value += 5) {
			int r;

			memcpy(wrong, hello, hello_len);
			wrong[at] = (uint8_t)value;
			r = parse(wrong, hello_len);
			CU_ASSERT_TRUE(r == 1 || r == 0 || r == -EAGAIN || r == -EPROTO);
		}
	}
	tempdir_remove();
}

static const struct unit_test tests[] = {
	{"a whole hello and every prefix of it", test_whole_and_every_prefix},
	{"two records, split at every byte", test_records_split_anywhere},
	{"a record for each byte", test_a_record_for_each_byte},
	{"a hello without a name", test_no_name},
	{"what is no hello", test_not_a_hello},
	{"every byte wrong once", test_every_byte_wrong},
};

int main(void)
{
	peers_make();
	return unit_run("client_hello", tests, sizeof(tests) / sizeof(tests[0]));
}
