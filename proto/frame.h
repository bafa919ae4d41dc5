/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Framing: a fixed header of 16 bytes (big endian), a protobuf message, a raw payload.
 *
 *    0  u32 magic "VMR1"
 *    4  u16 type
 *    6  u16 flags (0)
 *    8  u32 message length
 *   12  u32 payload length
 *
 * Bounds are checked before any allocation: each type has its own maxima (frame_check_size).
 * Unknown types are -EPROTO.
 */
#ifndef VMR_PROTO_FRAME_H
#define VMR_PROTO_FRAME_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/arena.h"

#define FRAME_HEADER_LEN 16u
#define FRAME_MAGIC	 0x564d5231u

enum frame_type {
	/* wire.proto */
	FRAME_LOCATE = 1,
	FRAME_REDIRECT,
	FRAME_RELAY,
	FRAME_MOVING,
	FRAME_NOT_FOUND,
	FRAME_DENIED,
	FRAME_ENROLL,
	FRAME_ENROLLED,
	FRAME_WITHDRAW,
	FRAME_WITHDRAWN,
	FRAME_QUERY,
	FRAME_QUERY_ANSWER,
	FRAME_ORDER,
	FRAME_ORDERED,
	FRAME_HELLO = 32,
	FRAME_WELCOME,
	FRAME_MOVED,
	FRAME_BUSY,
	FRAME_FAILURE,
	FRAME_CYCLE_BEGIN,
	FRAME_CHUNK,
	FRAME_DIGEST,
	FRAME_DIGEST_REPLY,
	FRAME_MARK_REQUEST,
	FRAME_MARKED,
	FRAME_CYCLE_END,
	FRAME_CYCLE_ABORT,
	FRAME_COMMITTED,
	FRAME_PEER_STATE,
	FRAME_PING,
	FRAME_PONG,
	FRAME_EXTENTS, /* owner to sender, after WELCOME */
	FRAME_VM_STATE,
	FRAME_VERIFY = 64,
	FRAME_VERIFIED,
	/* admin.proto */
	FRAME_ADMIN_REQUEST = 96,
	FRAME_ADMIN_RESPONSE,
	/* ipc.proto: engine -> receiver */
	FRAME_RECEIVER_CONFIG = 128,
	FRAME_AUTHORIZATION_SET,
	FRAME_STORE_OPEN,
	FRAME_STORE_CLOSE,
	FRAME_STORE_SUSPEND,
	FRAME_SHUTDOWN,
	FRAME_POINTS_QUERY,
	FRAME_STORE_TAKEOVER,
	FRAME_STORE_TAKEOVER_END,
	FRAME_STORE_ADOPT,
	FRAME_STORE_EXTENTS,
	FRAME_STORE_LEND,
	FRAME_STORE_LEND_END,
	FRAME_STORE_PULSE,
	FRAME_STORE_IMPORT = 143,
	/* receiver -> engine */
	FRAME_RECEIVER_READY = 144,
	FRAME_STORE_OPENED,
	FRAME_STORE_CLOSED,
	FRAME_REPLICA_STATUS,
	FRAME_RECEIVER_EVENT,
	FRAME_REPLICA_POINTS,
	FRAME_STORE_TAKEN,
	FRAME_STORE_LENT,
	FRAME_STORE_IMPORTED = 159,
	/* daemon -> cib helper */
	FRAME_CIB_WATCH = 160,
	FRAME_CIB_CREATE_VM,
	FRAME_CIB_DELETE_VM,
	FRAME_CIB_UPDATE_VM,
	FRAME_CIB_SET_SETTING,
	FRAME_CIB_SET_HEALTH,
	FRAME_CIB_CREATE_DOMAIN,
	FRAME_CIB_DELETE_DOMAIN,
	FRAME_CIB_SWITCH,
	/* cib helper -> daemon */
	FRAME_CIB_PLACEMENT = 176,
	FRAME_CIB_SETTINGS,
	FRAME_CIB_DONE,
	FRAME_CIB_STATE,
};

const char *frame_type_to_string(enum frame_type type); /* never NULL */
/* The protobuf descriptor of a type's message; NULL for an unknown type. */
const ProtobufCMessageDescriptor *frame_descriptor(enum frame_type type);

struct frame_header {
	uint16_t type;
	uint32_t message_len, payload_len; /* bytes */
};

/* Decode and bound a header. 0, -EPROTO (magic, flags, unknown type) or -EMSGSIZE (over the type's
 * limits). */
int frame_header_decode(const uint8_t raw[FRAME_HEADER_LEN], struct frame_header *ret_header);
void frame_header_encode(const struct frame_header *header, uint8_t raw[FRAME_HEADER_LEN]);

/* Would a frame of these lengths pass the type's limits? 0, -EPROTO (unknown type) or -EMSGSIZE:
 * what a sender asks. */
int frame_check_size(enum frame_type type, size_t message_len, size_t payload_len);

/* Encode header + message (not the payload, whose length only goes into the header) into buf, which
 * must have frame_size(message) bytes. Returns the bytes written. */
size_t frame_size(const ProtobufCMessage *message);
size_t frame_encode(enum frame_type type, const ProtobufCMessage *message, uint32_t payload_len,
		    uint8_t *buf);

/* Decode a message of type into arena. NULL when malformed or over the arena's budget. Owned by
 * arena. */
ProtobufCMessage *frame_decode(enum frame_type type, const uint8_t *message, size_t len,
			       struct arena *arena);

/*
 * A channel moves whole frames in blocking style over a TLS connection or a plain descriptor
 * (socketpair, Unix socket). One reader and one writer thread at most. Zero-initialized by
 * channel_init_*; borrows conn or fd.
 */
struct tls_conn;
struct channel {
	struct tls_conn *conn; /* or NULL */
	int fd;		       /* used when conn is NULL; may be blocking or not */
	uint8_t *message;      /* owned receive buffer */
	size_t message_capacity;
};

void channel_init_tls(struct channel *channel, struct tls_conn *conn);
void channel_init_fd(struct channel *channel, int fd);
void channel_destroy(struct channel *channel); /* frees its buffer; does not close */

/* Send one frame with its payload (may be NULL when payload_len is 0). timeout_ms is for each
 * 256 KiB, so that a slow line is none that is dead. 0, -ETIMEDOUT (a part may have gone: the
 * channel is over), -EMSGSIZE (over the type's limits, nothing was sent),
 * -ECONNRESET, ... */
int channel_send(struct channel *channel, enum frame_type type, const ProtobufCMessage *message,
		 const void *payload, uint32_t payload_len, int timeout_ms);

struct frame {
	enum frame_type type;
	ProtobufCMessage *message;  /* in the arena given to channel_receive */
	uint32_t payload_len;	    /* bytes placed in the payload buffer */
	const uint8_t *raw_message; /* encoded message, for hashing; valid until the next receive */
	uint32_t raw_message_len;
};

/* Receive one frame. payload (payload_size bytes, may be NULL/0) takes its payload; a larger
 * payload is -EMSGSIZE. Returns 0, -ETIMEDOUT (nothing of a frame had arrived: the channel stays
 * usable), -EBADMSG (malformed message), -EPROTO, -EMSGSIZE, -ECONNRESET (also end of stream).
 * timeout_ms -1 waits for ever for the first byte; the rest of a frame must keep coming (64 KiB in
 * 30 s), else -ECONNABORTED. The arena is reset first. */
int channel_receive(struct channel *channel, struct arena *arena, struct frame *ret_frame,
		    void *payload, size_t payload_size, int timeout_ms);

/* For control threads: a queued, non-blocking frame link over a Unix descriptor on a qb_loop is in
 * proto/link.h. */

#endif
