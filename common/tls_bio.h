/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket under a TLS connection, as an OpenSSL BIO of our own (internal to tls.c): gathers
 * records into big writes (a 256 KiB write buffer saved 20 % of the sender's CPU against one write
 * per 16 KiB record), never raises SIGPIPE, and counts the bytes on the wire. The buffer exists
 * only while something waits in it.
 */
#ifndef VMR_COMMON_TLS_BIO_H
#define VMR_COMMON_TLS_BIO_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stdint.h>

/* A BIO on fd (borrowed, non-blocking socket). NULL when out of memory. */
BIO *tls_bio_new(int fd);
/* Hand out records as a whole: what has come of one stays in the socket until the rest is there.
 * For a peer that nobody knows yet: it then costs no buffer. */
void tls_bio_set_whole(BIO *bio, bool whole);
/* Send what waits: 1 = all gone, 0 = would block, negative errno. */
int tls_bio_flush(BIO *bio);
uint64_t tls_bio_bytes_sent(BIO *bio);
/* errno of the last failed send or receive, 0 if none. */
int tls_bio_errno(BIO *bio);

#endif
