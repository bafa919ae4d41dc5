# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of receiver/: end to end against the real program, and its pure parts.
receiver_test_cflags = $(AM_CFLAGS) $(QB_CFLAGS) $(PROTOBUF_C_CFLAGS) $(JANSSON_CFLAGS) $(CUNIT_CFLAGS) -Wno-cast-qual -Wno-undef
receiver_rig_sources = \
	tests/unit/fault_sync.c tests/unit/fault_sync.h \
	tests/unit/receiver_rig.c tests/unit/receiver_rig.h \
	tests/unit/receiver_rig_frames.c \
	tests/unit/receiver_rig_process.c \
	tests/unit/receiver_rig_site.c \
	tests/unit/replica_model.c tests/unit/replica_model.h \
	tests/unit/replica_scene.c tests/unit/replica_scene.h \
	tests/unit/wire_sender.c tests/unit/wire_sender.h

points_scene_sources = tests/unit/points_scene.c tests/unit/points_scene.h $(receiver_rig_sources)

check_PROGRAMS += tests/unit/test_receiver_e2e
tests_unit_test_receiver_e2e_SOURCES = tests/unit/test_receiver_e2e.c $(receiver_rig_sources)
tests_unit_test_receiver_e2e_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_e2e_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_e2e_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_receiver_trouble
tests_unit_test_receiver_trouble_SOURCES = tests/unit/test_receiver_trouble.c $(receiver_rig_sources)
tests_unit_test_receiver_trouble_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_trouble_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_trouble_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_receiver_sync
tests_unit_test_receiver_sync_SOURCES = tests/unit/test_receiver_sync.c $(points_scene_sources)
tests_unit_test_receiver_sync_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_sync_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_sync_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_receiver_wrong
tests_unit_test_receiver_wrong_SOURCES = tests/unit/test_receiver_wrong.c $(receiver_rig_sources)
tests_unit_test_receiver_wrong_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_wrong_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_wrong_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_manifest
tests_unit_test_manifest_SOURCES = tests/unit/test_manifest.c
tests_unit_test_manifest_CFLAGS = $(receiver_test_cflags)
tests_unit_test_manifest_LDADD = libvmr-receiver.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_receiver_plan
tests_unit_test_receiver_plan_SOURCES = tests/unit/test_receiver_plan.c tests/unit/trust_cases.h
tests_unit_test_receiver_plan_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_plan_LDADD = libvmr-receiver.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_receiver_points
tests_unit_test_receiver_points_SOURCES = tests/unit/test_receiver_points.c $(points_scene_sources)
tests_unit_test_receiver_points_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_points_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_points_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_receiver_lend
tests_unit_test_receiver_lend_SOURCES = tests/unit/test_receiver_lend.c $(receiver_rig_sources)
tests_unit_test_receiver_lend_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_lend_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_lend_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_receiver_states
tests_unit_test_receiver_states_SOURCES = tests/unit/test_receiver_states.c $(receiver_rig_sources)
tests_unit_test_receiver_states_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_states_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_states_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_receiver_follow
tests_unit_test_receiver_follow_SOURCES = tests/unit/test_receiver_follow.c $(receiver_rig_sources)
tests_unit_test_receiver_follow_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_follow_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_follow_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_retention
tests_unit_test_retention_SOURCES = tests/unit/test_retention.c
tests_unit_test_retention_CFLAGS = $(receiver_test_cflags)
tests_unit_test_retention_LDADD = libvmr-receiver.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_batch
tests_unit_test_batch_SOURCES = tests/unit/test_batch.c
tests_unit_test_batch_CFLAGS = $(receiver_test_cflags)
tests_unit_test_batch_LDADD = libvmr-receiver.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_receiver_batch
tests_unit_test_receiver_batch_SOURCES = tests/unit/test_receiver_batch.c $(receiver_rig_sources)
tests_unit_test_receiver_batch_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_batch_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_batch_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_store_lock
tests_unit_test_store_lock_SOURCES = tests/unit/test_store_lock.c $(receiver_rig_sources)
tests_unit_test_store_lock_CFLAGS = $(receiver_test_cflags)
tests_unit_test_store_lock_LDADD = libvmr-engine.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_store_lock_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_receiver_verify
tests_unit_test_receiver_verify_SOURCES = tests/unit/test_receiver_verify.c $(receiver_rig_sources)
tests_unit_test_receiver_verify_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_verify_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_verify_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_store_check
tests_unit_test_store_check_SOURCES = tests/unit/test_store_check.c $(points_scene_sources)
tests_unit_test_store_check_CFLAGS = $(receiver_test_cflags)
tests_unit_test_store_check_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_store_check_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_receiver_takeover
tests_unit_test_receiver_takeover_SOURCES = tests/unit/test_receiver_takeover.c tests/unit/takeover_scene.c tests/unit/takeover_scene.h $(receiver_rig_sources)
tests_unit_test_receiver_takeover_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_takeover_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-access.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_takeover_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_crash_rounds
tests_unit_test_crash_rounds_SOURCES = tests/unit/test_crash_rounds.c \
	tests/unit/crash_operations.c tests/unit/crash_operations.h \
	tests/unit/crash_takeovers.c tests/unit/crash_home.c \
	tests/unit/takeover_scene.c tests/unit/takeover_scene.h $(points_scene_sources)
tests_unit_test_crash_rounds_CFLAGS = $(receiver_test_cflags)
tests_unit_test_crash_rounds_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-access.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_crash_rounds_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_amplification tests/unit/test_merge_pace
tests_unit_test_amplification_SOURCES = tests/unit/test_amplification.c \
	tests/bench/amplification.c tests/bench/amplification.h $(receiver_rig_sources)
tests_unit_test_amplification_CFLAGS = $(receiver_test_cflags)
tests_unit_test_amplification_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_amplification_DEPENDENCIES = vmreplica-receiver
tests_unit_test_merge_pace_SOURCES = tests/unit/test_merge_pace.c $(points_scene_sources)
tests_unit_test_merge_pace_CFLAGS = $(receiver_test_cflags)
tests_unit_test_merge_pace_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_merge_pace_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_stale_owner
tests_unit_test_stale_owner_SOURCES = tests/unit/test_stale_owner.c $(points_scene_sources)
tests_unit_test_stale_owner_CFLAGS = $(receiver_test_cflags)
tests_unit_test_stale_owner_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_stale_owner_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_merge_plan tests/unit/test_history tests/unit/test_point_list
tests_unit_test_merge_plan_SOURCES = tests/unit/test_merge_plan.c
tests_unit_test_merge_plan_CFLAGS = $(receiver_test_cflags)
tests_unit_test_merge_plan_LDADD = libvmr-receiver.la $(CUNIT_LIBS)
tests_unit_test_history_SOURCES = tests/unit/test_history.c tests/unit/tempdir.h
tests_unit_test_history_CFLAGS = $(receiver_test_cflags)
tests_unit_test_history_LDADD = libvmr-receiver.la $(CUNIT_LIBS)
tests_unit_test_point_list_SOURCES = tests/unit/test_point_list.c
tests_unit_test_point_list_CFLAGS = $(receiver_test_cflags)
tests_unit_test_point_list_LDADD = libvmr-receiver.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_receiver_adopt
tests_unit_test_receiver_adopt_SOURCES = tests/unit/test_receiver_adopt.c tests/unit/takeover_scene.c tests/unit/takeover_scene.h $(receiver_rig_sources)
tests_unit_test_receiver_adopt_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_adopt_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_adopt_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_replay
tests_unit_test_replay_SOURCES = tests/unit/test_replay.c tests/unit/takeover_scene.c tests/unit/takeover_scene.h $(receiver_rig_sources)
tests_unit_test_replay_CFLAGS = $(receiver_test_cflags)
tests_unit_test_replay_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-access.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_replay_DEPENDENCIES = vmreplica-receiver

check_PROGRAMS += tests/unit/test_receiver_failover
tests_unit_test_receiver_failover_SOURCES = tests/unit/test_receiver_failover.c tests/unit/takeover_scene.c tests/unit/takeover_scene.h $(receiver_rig_sources)
tests_unit_test_receiver_failover_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_failover_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_receiver_failover_DEPENDENCIES = vmreplica-receiver

# Stores and streams of earlier versions; the script makes a new one when a format changes.
EXTRA_DIST += tests/fixtures/store
EXTRA_PROGRAMS += tests/unit/store_fixture_make
tests_unit_store_fixture_make_SOURCES = tests/unit/store_fixture_make.c $(receiver_rig_sources)
tests_unit_store_fixture_make_CFLAGS = $(receiver_test_cflags)
tests_unit_store_fixture_make_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_store_fixture_make_DEPENDENCIES = vmreplica-receiver
check_PROGRAMS += tests/unit/test_store_fixture
tests_unit_test_store_fixture_SOURCES = tests/unit/test_store_fixture.c $(points_scene_sources)
tests_unit_test_store_fixture_CFLAGS = $(receiver_test_cflags) -DTEST_FIXTURES='"$(abs_top_srcdir)/tests/fixtures"'
tests_unit_test_store_fixture_LDADD = libvmr-receiver.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS) -lpthread
EXTRA_tests_unit_test_store_fixture_DEPENDENCIES = vmreplica-receiver
