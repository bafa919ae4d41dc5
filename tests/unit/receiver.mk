# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of receiver/: its pure parts, and end to end against the real program. Where no sources are
# named it is the one file called like the program.
receiver_test_cflags = $(AM_CFLAGS) $(QB_CFLAGS) $(PROTOBUF_C_CFLAGS) $(JANSSON_CFLAGS) $(CUNIT_CFLAGS) -Wno-cast-qual -Wno-undef

# ---- pure parts ----
receiver_pure_libs = libvmr-receiver.la $(CUNIT_LIBS)
check_PROGRAMS += \
	tests/unit/test_manifest \
	tests/unit/test_manifest_points \
	tests/unit/test_receiver_plan \
	tests/unit/test_retention \
	tests/unit/test_batch \
	tests/unit/test_merge_plan \
	tests/unit/test_history \
	tests/unit/test_image_cache \
	tests/unit/test_point_list \
	tests/unit/test_points_page
tests_unit_test_manifest_SOURCES = tests/unit/test_manifest.c tests/unit/manifest_sample.c tests/unit/manifest_sample.h
tests_unit_test_manifest_CFLAGS = $(receiver_test_cflags)
tests_unit_test_manifest_LDADD = $(receiver_pure_libs)
tests_unit_test_manifest_points_SOURCES = tests/unit/test_manifest_points.c \
	tests/unit/manifest_sample.c tests/unit/manifest_sample.h
tests_unit_test_manifest_points_CFLAGS = $(receiver_test_cflags)
tests_unit_test_manifest_points_LDADD = $(receiver_pure_libs)
tests_unit_test_receiver_plan_SOURCES = tests/unit/test_receiver_plan.c tests/unit/trust_cases.h
tests_unit_test_receiver_plan_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_plan_LDADD = $(receiver_pure_libs)
tests_unit_test_retention_CFLAGS = $(receiver_test_cflags)
tests_unit_test_retention_LDADD = $(receiver_pure_libs)
tests_unit_test_batch_CFLAGS = $(receiver_test_cflags)
tests_unit_test_batch_LDADD = $(receiver_pure_libs)
tests_unit_test_merge_plan_CFLAGS = $(receiver_test_cflags)
tests_unit_test_merge_plan_LDADD = $(receiver_pure_libs)
tests_unit_test_history_SOURCES = tests/unit/test_history.c tests/unit/tempdir.h
tests_unit_test_history_CFLAGS = $(receiver_test_cflags)
tests_unit_test_history_LDADD = $(receiver_pure_libs)
tests_unit_test_image_cache_SOURCES = tests/unit/test_image_cache.c tests/unit/tempdir.h
tests_unit_test_image_cache_CFLAGS = $(receiver_test_cflags)
tests_unit_test_image_cache_LDADD = $(receiver_pure_libs)
tests_unit_test_point_list_CFLAGS = $(receiver_test_cflags)
tests_unit_test_point_list_LDADD = $(receiver_pure_libs)
tests_unit_test_points_page_SOURCES = tests/unit/test_points_page.c tests/unit/tempdir.h
tests_unit_test_points_page_CFLAGS = $(receiver_test_cflags)
tests_unit_test_points_page_LDADD = $(receiver_pure_libs)

# ---- against the real program ----
# What all of them share is compiled once: the program under test, a sender, scenes. They find the
# receiver in the build's folder, so they are made after it.
check_LTLIBRARIES += tests/unit/librig.la
tests_unit_librig_la_SOURCES = \
	tests/unit/adopt_scene.c tests/unit/adopt_scene.h \
	tests/unit/fault_sync.c tests/unit/fault_sync.h \
	tests/unit/points_scene.c tests/unit/points_scene.h \
	tests/unit/receiver_rig.c tests/unit/receiver_rig.h \
	tests/unit/receiver_rig_frames.c \
	tests/unit/receiver_rig_process.c \
	tests/unit/receiver_rig_site.c \
	tests/unit/replica_model.c tests/unit/replica_model.h \
	tests/unit/replica_scene.c tests/unit/replica_scene.h \
	tests/unit/store_scene.c tests/unit/store_scene.h \
	tests/unit/takeover_scene.c tests/unit/takeover_scene.h \
	tests/unit/wire_sender.c tests/unit/wire_sender.h \
	tests/unit/wire_sender_blocks.c
tests_unit_librig_la_CFLAGS = $(receiver_test_cflags)
receiver_rig_libs = tests/unit/librig.la libvmr-receiver.la $(CUNIT_LIBS) -lpthread
receiver_rig_tests = \
	tests/unit/test_receiver_e2e \
	tests/unit/test_receiver_resync \
	tests/unit/test_receiver_trouble \
	tests/unit/test_receiver_sync \
	tests/unit/test_receiver_import \
	tests/unit/test_receiver_wrong \
	tests/unit/test_receiver_confined \
	tests/unit/test_receiver_points \
	tests/unit/test_receiver_lend \
	tests/unit/test_receiver_states \
	tests/unit/test_receiver_follow \
	tests/unit/test_receiver_batch \
	tests/unit/test_store_lock \
	tests/unit/test_receiver_verify \
	tests/unit/test_store_check \
	tests/unit/test_receiver_takeover \
	tests/unit/test_crash_rounds \
	tests/unit/test_amplification \
	tests/unit/test_merge_pace \
	tests/unit/test_merge_room \
	tests/unit/test_stale_owner \
	tests/unit/test_receiver_adopt \
	tests/unit/test_receiver_trips \
	tests/unit/test_replay \
	tests/unit/test_receiver_failover \
	tests/unit/test_receiver_pulse \
	tests/unit/test_flood_receiver \
	tests/unit/test_store_fixture
check_PROGRAMS += $(receiver_rig_tests)
$(receiver_rig_tests): vmreplica-receiver$(EXEEXT)
tests_unit_test_flood_receiver_SOURCES = tests/unit/test_flood_receiver.c tests/unit/flood.c tests/unit/flood.h
tests_unit_test_flood_receiver_CFLAGS = $(receiver_test_cflags)
tests_unit_test_flood_receiver_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_e2e_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_e2e_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_resync_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_resync_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_trouble_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_trouble_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_sync_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_sync_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_import_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_import_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_confined_SOURCES = tests/unit/test_receiver_confined.c tests/unit/tempdir.h receiver/confinement.c
tests_unit_test_receiver_confined_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_confined_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_wrong_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_wrong_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_points_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_points_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_lend_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_lend_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_states_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_states_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_follow_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_follow_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_batch_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_batch_LDADD = $(receiver_rig_libs)
tests_unit_test_store_lock_CFLAGS = $(receiver_test_cflags)
tests_unit_test_store_lock_LDADD = tests/unit/librig.la libvmr-engine.la $(CUNIT_LIBS) -lpthread
tests_unit_test_receiver_verify_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_verify_LDADD = $(receiver_rig_libs)
tests_unit_test_store_check_CFLAGS = $(receiver_test_cflags)
tests_unit_test_store_check_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_takeover_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_takeover_LDADD = $(receiver_rig_libs)
tests_unit_test_crash_rounds_SOURCES = tests/unit/test_crash_rounds.c \
	tests/unit/crash_operations.c tests/unit/crash_operations.h \
	tests/unit/crash_takeovers.c tests/unit/crash_home.c
tests_unit_test_crash_rounds_CFLAGS = $(receiver_test_cflags)
tests_unit_test_crash_rounds_LDADD = $(receiver_rig_libs)
tests_unit_test_amplification_SOURCES = tests/unit/test_amplification.c \
	tests/bench/amplification.c tests/bench/amplification.h
tests_unit_test_amplification_CFLAGS = $(receiver_test_cflags)
tests_unit_test_amplification_LDADD = $(receiver_rig_libs)
tests_unit_test_merge_pace_CFLAGS = $(receiver_test_cflags)
tests_unit_test_merge_pace_LDADD = $(receiver_rig_libs)
tests_unit_test_merge_room_CFLAGS = $(receiver_test_cflags)
tests_unit_test_merge_room_LDADD = $(receiver_rig_libs)
tests_unit_test_stale_owner_CFLAGS = $(receiver_test_cflags)
tests_unit_test_stale_owner_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_trips_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_trips_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_adopt_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_adopt_LDADD = $(receiver_rig_libs)
tests_unit_test_replay_CFLAGS = $(receiver_test_cflags)
tests_unit_test_replay_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_pulse_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_pulse_LDADD = $(receiver_rig_libs)
tests_unit_test_receiver_failover_CFLAGS = $(receiver_test_cflags)
tests_unit_test_receiver_failover_LDADD = $(receiver_rig_libs)
tests_unit_test_store_fixture_CFLAGS = $(receiver_test_cflags) -DTEST_FIXTURES='"$(abs_top_srcdir)/tests/fixtures"'
tests_unit_test_store_fixture_LDADD = $(receiver_rig_libs)

# Stores and streams of earlier versions; the script makes a new one when a format changes.
EXTRA_DIST += tests/fixtures/store
EXTRA_PROGRAMS += tests/unit/store_fixture_make tests/unit/store_fixture_taken
tests_unit_store_fixture_make_SOURCES = tests/unit/store_fixture_make.c tests/unit/store_fixture.c tests/unit/store_fixture.h
tests_unit_store_fixture_make_CFLAGS = $(receiver_test_cflags)
tests_unit_store_fixture_make_LDADD = $(receiver_rig_libs)
tests_unit_store_fixture_taken_SOURCES = tests/unit/store_fixture_taken.c tests/unit/store_fixture.c tests/unit/store_fixture.h
tests_unit_store_fixture_taken_CFLAGS = $(receiver_test_cflags)
tests_unit_store_fixture_taken_LDADD = $(receiver_rig_libs)
EXTRA_tests_unit_store_fixture_taken_DEPENDENCIES = vmreplica-receiver
EXTRA_tests_unit_store_fixture_make_DEPENDENCIES = vmreplica-receiver
