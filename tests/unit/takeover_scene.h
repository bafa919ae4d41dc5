/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of takeovers share: a store that keeps points, what its disks held at each cut,
 * and the engine's requests. */
#ifndef VMR_TESTS_TAKEOVER_SCENE_H
#define VMR_TESTS_TAKEOVER_SCENE_H

#include "store_scene.h"

#define FIRST_LINEAGE "00000000-0000-4000-8000-000000000001"

/* A store that keeps points, one each second cycle, filled by an initial replication. */
void taking_begin(uint32_t points);
/* The same in two steps: the directory is there, then the receiver. */
void taking_init(uint32_t points);
void taking_start(void);
void taking_end(void);
/* A delta, noted; applied, too. */
void taking_cycle(int changes);
void taking_cycle_applied(int changes);
void taking_applied(void); /* wait until all is */

/* Every disk of the answer (its backing, or with paths its path) reads as cycle seq was. */
void taking_judge(uint64_t seq, bool paths);

/* Requests; their errors. seq 0: latest. */
int taking_test(const char *holder, uint64_t seq);
int taking_failover(uint64_t epoch, uint64_t seq);
int taking_planned(uint64_t epoch, uint64_t seq, const char *cut_id);
int taking_extents(uint64_t after_seq);
/* Does the primary live? Its answer is to be waited for. */
void taking_pulse_send(void);
/* Take back what was ordered in the epoch before number. */
int taking_undo(uint64_t number);
int taking_end_as(Vmreplica__Ipc__TakeoverEnd end, uint64_t epoch);
/* Without waiting for the answer. */
void taking_test_send(const char *holder, uint64_t seq);
void taking_failover_send(uint64_t epoch, uint64_t seq, const char *cut_id, bool planned,
			  bool estimate);
void taking_end_send(Vmreplica__Ipc__TakeoverEnd end, uint64_t epoch);
/* The lineage that epoch number has in these tests. */
const char *taking_lineage(uint64_t epoch, char buf[40]);

/* The cycle of point index; 0 = there is none. */
uint64_t taking_point_seq(size_t index);
/* Files and directories of the store whose names match. */
size_t taking_files(const char *pattern);
/* The answer is a failover to seq in epoch, whose images read and track as they should. */
void taking_failover_judge(uint64_t epoch, uint64_t seq);
/* The sender goes on in another epoch, with a delta. */
void taking_sender_in(uint64_t epoch);

#define CLEANUP VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_CLEANUP
#define CANCEL	VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_CANCEL
#define COMMIT	VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_COMMIT
#define ADVANCE VMREPLICA__IPC__TAKEOVER_END__TAKEOVER_ADVANCE

#endif
