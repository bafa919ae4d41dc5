/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real receiver on loopback, driven as the engine drives it. Failures of the rig itself end the
 * program. */
#ifndef VMR_TESTS_RECEIVER_RIG_H
#define VMR_TESTS_RECEIVER_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/tls.h"
#include "proto/frame.h"
#include "proto/ipc.pb-c.h"
#include "proto/limits.h"

#define RIG_RELATIONSHIP "5f0c1a52-9d2e-4d57-8a4b-0c6c1b2a7e11"
#define RIG_SITE	 "a.example"
#define RIG_PATH	 512

struct rig_status {
	uint64_t count; /* statuses received */
	Vmreplica__State state;
	Vmreplica__Health health;
	char reason[600], code[64];
	uint64_t seq, applied_seq, batch_seq, spool_bytes, generation, resyncs, cycles_ok,
		cycles_failed, bytes_wire;
	uint64_t epoch;
	size_t disk_count;
	char names[4][40], tops[4][RIG_PATH];
};

struct rig_point {
	uint64_t seq, size_bytes;
	int64_t time_ms;
	bool point, application;
	char verdict[16];
};

#define RIG_POINTS 1024

/* The last STORE_TAKEN. */
struct rig_taken {
	uint64_t wanted;	    /* answers to other requests are passed over (0: none are) */
	uint64_t answers, workings; /* how many came; of those that only tell of work */
	int error;
	char text[600];
	uint64_t bytes, working_bytes, seq, last_seq;
	char cut_id[20], consistency[16], path[RIG_PATH];
	size_t disk_count;
	char names[4][40], paths[4][RIG_PATH], backings[4][RIG_PATH];
	uint64_t sizes[4];
	size_t chain_count[4];
	bool primary_lives;
};

struct rig {
	char root[RIG_PATH];  /* pki, and the stores below it */
	char store[RIG_PATH]; /* the one that rig_open opens */
	char node[32];	      /* of the receiver that runs */
	pid_t pid;	      /* 0 = none */
	int fd;
	struct channel channel;
	struct arena arena;
	uint16_t port;
	uint64_t reserve_bytes, cap_bytes, history_cap_bytes;
	uint32_t points, point_interval_s, app_interval_s; /* of rig_open */
	struct rig_point list[RIG_POINTS];		   /* of the last rig_list */
	size_t list_count;
	struct rig_taken taken;
	Vmreplica__Takeover takeover; /* of the last status; its texts are not kept */
	uint32_t qemu_uid;	      /* of rig_open */
	int list_error;
	bool listed, list_more;
	struct rig_status status;
	struct {
		bool answered;
		int error;
		char text[600];
		uint64_t seq;
		char cut_id[CUT_ID_LEN + 1];
		size_t disk_count, known_count;
		char names[4][40], layers[4][RIG_PATH], extents[RIG_PATH];
		bool application;
	} lent;		       /* the last STORE_LENT */
	uint64_t peak_rss_kib; /* of the receivers stopped so far */
	char last_event[600];
	int opened_error, closed_error; /* of the last STORE_OPENED, STORE_CLOSED */
	struct {
		bool answered;
		int error;
		char text[600];
	} imported; /* the last STORE_IMPORTED */
	char opened_text[600];
	bool opened, closed, gone; /* gone: the link has ended while rig_mortal */
	struct tls_context *sender_tls,
		*stranger_tls; /* certificates of a1.a.example and of c1.c.example */
};

/* Set before rig_start: the receiver runs under fault_sync.h. */
extern bool rig_fault_sync;
/* Set while the receiver may be killed at any moment: what waits for it then ends without an
 * answer, -EPIPE where an error is returned, and does not end the program. */
extern bool rig_mortal;

/* "NAME=value" for the receivers that are started from now on; NULL-terminated. */
extern const char *rig_environment[4];

/* Certificates and an empty store below a new directory. */
void rig_init(struct rig *rig);
void rig_destroy(struct rig *rig); /* stops the receiver; removes the directory */
/* Skip (exit 77) when QEMU's tools are not installed. */
void rig_require_tools(void);

/* Start a receiver as node ("b1"), authorize the site, wait until it is ready. RIG_LOG in the
 * environment: a directory for its log, when one wants to know more. */
void rig_start(struct rig *rig, const char *node);
/* SHUTDOWN and a clean exit. */
void rig_stop(struct rig *rig);
/* kill -9 */
void rig_kill(struct rig *rig);
/* Close the link and let the process be: its engine has died. */
void rig_forget(struct rig *rig);
void rig_configure(struct rig *rig);			  /* send the limits again */
void rig_authorize(struct rig *rig, const char *pattern); /* NULL: nobody */
/* Up to 4 entries: pattern and trust group ("" = none). */
void rig_authorize_groups(struct rig *rig, const char *const (*pairs)[2], size_t count);

/* RIG_SITE with a limit on its replicas' sizes, of which another node's has others_bytes. */
void rig_authorize_size(struct rig *rig, uint64_t max_bytes, uint64_t others_bytes);

/* Open the store; 0 or the error of STORE_OPENED. */
int rig_open(struct rig *rig);
int rig_close(struct rig *rig, bool destroy);
void rig_suspend(struct rig *rig, bool suspended);

/* Have the newest state lent to the relationship reader; changes since the cut after ("" = none)
 * are written down, the cuts of known (NULL-terminated, or NULL) asked about. 0 or the error. */
int rig_lend(struct rig *rig, const char *reader, const char *after, const char *const *known,
	     bool look);
extern bool rig_lend_application; /* asked for by rig_lend */
void rig_lend_end(struct rig *rig, const char *reader);

/* Ask for the points (and cycles) of the store, over as many questions of limit as it takes. */
void rig_list(struct rig *rig, bool cycles, uint32_t limit);

/* Take frames from the receiver for timeout_ms at most, until condition holds (NULL: all the time).
 */
typedef bool (*rig_condition)(const struct rig *rig, uint64_t argument);
bool rig_wait(struct rig *rig, rig_condition condition, uint64_t argument, int timeout_ms);
bool rig_is_applied(const struct rig *rig, uint64_t seq); /* condition: applied_seq >= seq */
bool rig_has_state(const struct rig *rig, uint64_t state);

/* Send one of the requests about takeovers, with an id of its own; rig_taken_wait for its answer,
 * which is in rig->taken. The error of it. */
void rig_ask(struct rig *rig, enum frame_type type, const ProtobufCMessage *message);
int rig_taken_wait(struct rig *rig, int timeout_ms);

/* The pid of the receiver's qemu-storage-daemon, 0 if none. */
pid_t rig_daemon_pid(const struct rig *rig);
/* Of another one than that, which replays logs; 0 if none. */
pid_t rig_daemon_other(const struct rig *rig, pid_t known);
/* Gone, or a zombie that nobody has reaped yet. */
bool rig_process_is_dead(pid_t pid);
/* The process has the store's lock file open. */
bool rig_holds_lock(pid_t pid, const char *store);
/* Whom stores and keys belong to. As root that is vmreplica where there is such a user: the
 * receiver is then started as root and gives it up by itself (*ret_drops); else nobody, as whom it
 * is started. */
void rig_user(uid_t *ret_uid, gid_t *ret_gid, bool *ret_drops);
/* Note what a frame says. */
void rig_take(struct rig *rig, const struct frame *frame);
/* The rig itself is broken: end the program. */
void rig_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* A random number below bound. Seeded per program, printed once. */
uint32_t rig_random(uint32_t bound);

#endif
