/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every limit on what a peer, a file or an admin may hand us, in one place. */
#ifndef VMR_PROTO_LIMITS_H
#define VMR_PROTO_LIMITS_H

#define PROTOCOL_VERSION_MIN 1
#define PROTOCOL_VERSION_MAX 1
/* Feature bits of a version. */
#define PROTOCOL_FEATURE_DEFINITION 1ull /* CYCLE_BEGIN may carry the domain's XML as payload */
#define PROTOCOL_FEATURE_VERIFY	    2ull /* VERIFY between cycles */
#define PROTOCOL_FEATURE_STATE	    4ull /* VM_STATE may follow CYCLE_BEGIN */
#define PROTOCOL_FEATURE_DISKS	    8ull /* deltas follow grown, added and removed disks */
#define PROTOCOL_FEATURES                                                                          \
	(PROTOCOL_FEATURE_DEFINITION | PROTOCOL_FEATURE_VERIFY | PROTOCOL_FEATURE_STATE |          \
	 PROTOCOL_FEATURE_DISKS)

#define FRAME_MESSAGE_MAX                                                                          \
	(64u * 1024u) /* protobuf part of a frame; 1 MiB of tiny submessages took 117 MB */
#define FRAME_ADMIN_MESSAGE_MAX (4u * 1024u * 1024u) /* on local sockets only */
#define CHUNK_MAX		(2u * 1024u * 1024u) /* uncompressed data of one chunk */
#define FRAME_PAYLOAD_MAX                                                                          \
	(CHUNK_MAX + 64u * 1024u) /* compressed payload never exceeds plain by design */
#define CPG_MESSAGE_MAX (32u * 1024u)

#define DISKS_MAX	 64u
#define DISK_SIZE_MAX	 (1ull << 50) /* 1 PiB */
#define DISK_NAME_MAX	 32u
#define VM_NAME_MAX	 64u
#define SITE_NAME_MAX	 253u
#define NODE_NAME_MAX	 253u
#define RELATIONSHIP_LEN 36u /* a UUID's text */
#define CUT_ID_LEN	 16u /* hex digits */
#define LOG_HASH_LEN	 32u /* SHA-256 */
#define RESOURCE_ID_MAX	 128u
#define PATH_LEN_MAX	 1024u
#define REASON_MAX	 512u
/* Of a cycle: one more must still be a number. */
#define SEQ_MAX (INT64_MAX - 1)
/* A wall clock's label, in milliseconds: to the end of the year 9999. What a peer calls its time is
 * subtracted, and written out. */
#define TIME_MS_MAX 253402300799999
/* That a peer's epoch may be ahead of ours: each failover and each cancel raises it by one. A peer
 * that could name any number could name the last one, and no failover were possible after it. */
#define EPOCH_STEP_MAX 1000u
#define DOMAIN_XML_MAX	 (1024u * 1024u)
#define DOMAIN_XML_INLINE_MAX                                                                      \
	(48u * 1024u) /* in the message itself; what is longer travels as payload */
#define DIGEST_BLOCK_MIN  4096u
#define DIGEST_BLOCK_MAX  (1024u * 1024u)
#define DIGEST_COUNT_MAX  4096u /* digests in one frame: 64 KiB of payload */
#define EXTENTS_COUNT_MAX 4096u /* extents in one EXTENTS frame */
#define EXTENTS_FRAMES_MAX                                                                         \
	4096u /* that may follow a WELCOME; more changes are a resynchronization */

/* A peer's definition of a VM, and what stands for its networks here. */
#define DOMAIN_XML_DEPTH_MAX	  12u
#define DOMAIN_XML_ELEMENTS_MAX	  16384u
#define DOMAIN_XML_ATTRIBUTES_MAX 64u		/* of one element; as many namespaces */
#define ENROLL_XML_MAX		  (40u * 1024u) /* one that an ENROLL carries: it is in one frame */
#define NETWORK_MAPS_MAX	  32u
#define NETWORK_NAME_MAX	  64u
#define WARNINGS_MAX		  80u /* that ENROLLED carries */

#define FREQUENCY_MIN_S	    5u
#define FREQUENCY_MAX_S	    86400u
#define FREQUENCY_DEFAULT_S 300u

#define POINTS_MAX		 168u /* recovery points of a VM */
#define POINTS_DEFAULT		 24u
#define POINT_INTERVAL_MAX_S	 604800u
#define POINT_INTERVAL_DEFAULT_S 3600u

#define ARENA_MAX (4u * 1024u * 1024u) /* memory for one decoded message */
#define ARENA_LOCAL_MAX                                                                            \
	(16u * 1024u * 1024u) /* the same for local sockets, whose messages may be larger */

#endif
