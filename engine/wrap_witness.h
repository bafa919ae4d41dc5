/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Was a wrapped raw disk changed while nobody tracked its changes? Bitmaps see what is written
 * through the header, and nothing else: a raw disk that somebody mounted, restored or ran unwrapped
 * while its VM was off differs from what they say. So a record beside each header tells how the raw
 * disk was when its VM ended; at the VM's next start, before its QEMU runs, it is looked at again
 * (wrap_hook.c, called by libvirt; and by the engine for a VM that is off). Whatever is not proven
 * unchanged is doubted, and a doubt becomes a resynchronization. Pure.
 *
 * A file has a time of change. A block device has none: this kernel counts what is written to it,
 * and nobody knows what other hosts write (shared storage) or what is put under it (a snapshot that
 * is merged). So each start of a VM whose disk is a device is doubted. The kernel's counters serve
 * where a start would come too late: while the VM is off, and for the last word of its bitmaps,
 * soon after its end.
 */
#ifndef VMR_ENGINE_WRAP_WITNESS_H
#define VMR_ENGINE_WRAP_WITNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/sha256.h"
#include "proto/limits.h"

#define WRAP_WHY_LEN 256

#define WRAP_BOOT_LEN 40 /* the kernel's boot_id is a UUID */

/* Sectors; a flush counts as a write of none. */
enum { WRAP_WRITTEN, WRAP_DISCARDED, WRAP_COUNTERS };

/* What a kernel has counted of a block device. */
struct wrap_counters {
	bool known;
	char boot[WRAP_BOOT_LEN + 1];
	uint64_t number;   /* dev_t */
	uint64_t disk_seq; /* of the medium; 0 = an older kernel */
	uint64_t written[WRAP_COUNTERS];
	int64_t at_ms; /* since the boot, when they were read */
};

/* How a raw disk looks while no QEMU has it open. */
struct wrap_look {
	bool known;  /* it could be looked at */
	bool device; /* a block device: it has no time of change */
	uint64_t size_bytes;
	int64_t modified_ns;	       /* mtime; 0 for a device */
	uint8_t digest[SHA256_LEN];    /* over samples of its content */
	struct wrap_counters counters; /* a device's, from before the samples were read */
};

enum wrap_state {
	WRAP_NONE,   /* no record, or none that can be read */
	WRAP_CLOSED, /* its VM is off, and this is how it left the disk */
	WRAP_OPEN,   /* its VM runs on node */
	WRAP_MOVING, /* a live migration brings its VM from previous to node */
	WRAP_HANDED, /* others vouch for it until the next start: it is the base of a reversed
			replica */
	WRAP_DOUBT,  /* it may have been changed: only a resynchronization helps */
};

struct wrap_record {
	enum wrap_state state;
	char node[NODE_NAME_MAX + 1], previous[NODE_NAME_MAX + 1];
	char why[WRAP_WHY_LEN]; /* DOUBT: a phrase */
	struct wrap_look look;	/* CLOSED; DOUBT: how it was when the doubt arose */
};

enum wrap_event {
	WRAP_EVENT_START,	    /* its VM is about to start here */
	WRAP_EVENT_ARRIVE,	    /* ... or to come here by live migration */
	WRAP_EVENT_END,		    /* a VM of ours is gone from here: ended, or moved away */
	WRAP_EVENT_RUNNING,	    /* the engine found its VM running here */
	WRAP_EVENT_OFF,		    /* the engine found its VM off */
	WRAP_EVENT_SETTLED_RUNNING, /* a whole copy or a resynchronization was committed */
	WRAP_EVENT_SETTLED_OFF,	    /* ... of a VM that is off */
	WRAP_EVENT_HAND,	    /* see WRAP_HANDED */
	WRAP_EVENT_LAST, /* the engine takes the bitmaps' last word, of a VM that is off: this side
			    makes way for the other */
};

const char *wrap_state_to_string(enum wrap_state state); /* never NULL */
enum wrap_state wrap_state_from_string(const char *text);
const char *wrap_event_to_string(enum wrap_event event);

/* What the record is after event on node; now is how the disk looks (needed by START, OFF, LAST and
 * END, else it may be all zero). Writes *ret_next, which may be was itself. True when it differs
 * from was: the record is to be written. */
bool wrap_witness_next(const struct wrap_record *was, enum wrap_event event, const char *node,
		       const struct wrap_look *now, struct wrap_record *ret_next);
/* Does the event need a look at the disk? */
bool wrap_witness_needs_look(const struct wrap_record *was, enum wrap_event event,
			     const char *node);

#endif
