# SPDX-License-Identifier: GPL-2.0-or-later
# The libvirt source. The live programs are no tests by themselves: check-source-live.sh and -harm.sh
# give them hosts to run in.
SOURCE_LIVE = tests/unit/live_source.c tests/unit/live_source.h tests/unit/live_host.c tests/unit/live_host.h
source_test_cflags = $(AM_CFLAGS) $(CUNIT_CFLAGS) $(PROTOBUF_C_CFLAGS)
source_test_ldadd = libvmr-engine.la $(CUNIT_LIBS)

EXTRA_PROGRAMS += tests/unit/test_source_live tests/unit/test_source_harm
check_DATA += tests/unit/test_source_live tests/unit/test_source_harm
CLEANFILES += tests/unit/test_source_live tests/unit/test_source_harm
dist_check_SCRIPTS += tests/unit/check-source-live.sh tests/unit/check-source-harm.sh
EXTRA_DIST += tests/unit/live-libvirt.sh
tests_unit_test_source_live_SOURCES = tests/unit/test_source_live.c $(SOURCE_LIVE) tests/unit/unit.h
tests_unit_test_source_live_CFLAGS = $(source_test_cflags) $(LIBXML2_CFLAGS) -Wno-cast-qual
tests_unit_test_source_live_LDADD = $(source_test_ldadd)
tests_unit_test_source_harm_SOURCES = tests/unit/test_source_harm.c $(SOURCE_LIVE)
tests_unit_test_source_harm_CFLAGS = $(source_test_cflags)
tests_unit_test_source_harm_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_source_access
tests_unit_test_source_access_SOURCES = tests/unit/test_source_access.c
tests_unit_test_source_access_CFLAGS = $(source_test_cflags)
tests_unit_test_source_access_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_store_reach
tests_unit_test_store_reach_SOURCES = tests/unit/test_store_reach.c tests/unit/shell.h tests/unit/tempdir.h
tests_unit_test_store_reach_CFLAGS = $(source_test_cflags)
tests_unit_test_store_reach_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_adopted_disks
tests_unit_test_adopted_disks_SOURCES = tests/unit/test_adopted_disks.c
tests_unit_test_adopted_disks_CFLAGS = $(source_test_cflags)
tests_unit_test_adopted_disks_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_chain_keeper
tests_unit_test_chain_keeper_SOURCES = tests/unit/test_chain_keeper.c engine/chain_keeper.c engine/chain_keeper.h
tests_unit_test_chain_keeper_CFLAGS = $(AM_CFLAGS) $(CUNIT_CFLAGS) $(PROTOBUF_C_CFLAGS) $(QB_CFLAGS) -Wno-cast-qual
tests_unit_test_chain_keeper_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_chain_merge
tests_unit_test_chain_merge_SOURCES = tests/unit/test_chain_merge.c
tests_unit_test_chain_merge_CFLAGS = $(source_test_cflags) -Wno-cast-qual
tests_unit_test_chain_merge_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_source_bitmap
tests_unit_test_source_bitmap_SOURCES = tests/unit/test_source_bitmap.c
tests_unit_test_source_bitmap_CFLAGS = $(source_test_cflags)
tests_unit_test_source_bitmap_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_source_domain
tests_unit_test_source_domain_SOURCES = tests/unit/test_source_domain.c
tests_unit_test_source_domain_CFLAGS = $(source_test_cflags)
tests_unit_test_source_domain_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_source_freeze
tests_unit_test_source_freeze_SOURCES = tests/unit/test_source_freeze.c engine/freeze_note.c engine/freeze_note.h
tests_unit_test_source_freeze_CFLAGS = $(source_test_cflags)
tests_unit_test_source_freeze_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_export_target
tests_unit_test_export_target_SOURCES = tests/unit/test_export_target.c tests/unit/tempdir.h
tests_unit_test_export_target_CFLAGS = $(source_test_cflags)
tests_unit_test_export_target_LDADD = $(source_test_ldadd)
check_PROGRAMS += tests/unit/test_source_image
tests_unit_test_source_image_SOURCES = tests/unit/test_source_image.c
tests_unit_test_source_image_CFLAGS = $(source_test_cflags)
tests_unit_test_source_image_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_source_scratch
tests_unit_test_source_scratch_SOURCES = tests/unit/test_source_scratch.c
tests_unit_test_source_scratch_CFLAGS = $(source_test_cflags)
tests_unit_test_source_scratch_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_source_state
tests_unit_test_source_state_SOURCES = tests/unit/test_source_state.c
tests_unit_test_source_state_CFLAGS = $(source_test_cflags)
tests_unit_test_source_state_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_source_xml
tests_unit_test_source_xml_SOURCES = tests/unit/test_source_xml.c
tests_unit_test_source_xml_CFLAGS = $(source_test_cflags)
tests_unit_test_source_xml_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_source_offline
tests_unit_test_source_offline_SOURCES = tests/unit/test_source_offline.c
tests_unit_test_source_offline_CFLAGS = $(source_test_cflags)
tests_unit_test_source_offline_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_wrap_disk
tests_unit_test_wrap_disk_SOURCES = tests/unit/test_wrap_disk.c
tests_unit_test_wrap_disk_CFLAGS = $(source_test_cflags) $(LIBXML2_CFLAGS)
tests_unit_test_wrap_disk_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_wrap_device
tests_unit_test_wrap_device_SOURCES = tests/unit/test_wrap_device.c
tests_unit_test_wrap_device_CFLAGS = $(source_test_cflags)
tests_unit_test_wrap_device_LDADD = $(source_test_ldadd)

check_PROGRAMS += tests/unit/test_wrap_witness
tests_unit_test_wrap_witness_SOURCES = tests/unit/test_wrap_witness.c
tests_unit_test_wrap_witness_CFLAGS = $(source_test_cflags)
tests_unit_test_wrap_witness_LDADD = $(source_test_ldadd)

# The engine's pure decisions; golden files in tests/fixtures/engine.
engine_test_cflags = $(AM_CFLAGS) $(CUNIT_CFLAGS) $(PROTOBUF_C_CFLAGS) $(QB_CFLAGS) -Wno-cast-qual
engine_test_ldadd = libvmr-engine.la $(CUNIT_LIBS)
EXTRA_DIST += tests/fixtures/engine

check_PROGRAMS += tests/unit/test_planned_plan
tests_unit_test_planned_plan_SOURCES = tests/unit/test_planned_plan.c tests/unit/golden.h
tests_unit_test_planned_plan_CFLAGS = $(engine_test_cflags)
tests_unit_test_planned_plan_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_planned_world
tests_unit_test_planned_world_SOURCES = tests/unit/test_planned_world.c tests/unit/planned_world.c tests/unit/planned_world.h
tests_unit_test_planned_world_CFLAGS = $(engine_test_cflags)
tests_unit_test_planned_world_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_failover_peer
tests_unit_test_failover_peer_SOURCES = tests/unit/test_failover_peer.c
tests_unit_test_failover_peer_CFLAGS = $(engine_test_cflags)
tests_unit_test_failover_peer_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_handover
tests_unit_test_handover_SOURCES = tests/unit/test_handover.c
tests_unit_test_handover_CFLAGS = $(engine_test_cflags)
tests_unit_test_handover_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_guard
tests_unit_test_guard_SOURCES = tests/unit/test_guard.c tests/unit/golden.h
tests_unit_test_guard_CFLAGS = $(engine_test_cflags)
tests_unit_test_guard_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_firmware
tests_unit_test_firmware_SOURCES = tests/unit/test_firmware.c tests/unit/firmware_fixture.h tests/unit/golden.h
tests_unit_test_firmware_CFLAGS = $(engine_test_cflags)
tests_unit_test_firmware_LDADD = $(engine_test_ldadd)
EXTRA_DIST += tests/fixtures/firmware

check_PROGRAMS += tests/unit/test_broker_talk
tests_unit_test_broker_talk_SOURCES = tests/unit/test_broker_talk.c tests/unit/tls_peers.c tests/unit/tls_peers.h tests/unit/tempdir.h
tests_unit_test_broker_talk_CFLAGS = $(engine_test_cflags) $(OPENSSL_CFLAGS) -Wno-undef
tests_unit_test_broker_talk_LDADD = $(engine_test_ldadd) $(OPENSSL_LIBS) -lpthread

# The engine's file with the test in the place of what it calls.
check_PROGRAMS += tests/unit/test_point_find
tests_unit_test_point_find_SOURCES = tests/unit/test_point_find.c engine/point_find.c
tests_unit_test_point_find_CFLAGS = $(engine_test_cflags) -Wno-undef
tests_unit_test_point_find_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_peer_take
tests_unit_test_peer_take_SOURCES = tests/unit/test_peer_take.c engine/peer_take.c engine/promise.c cluster/epoch.c
tests_unit_test_peer_take_CFLAGS = $(engine_test_cflags) -Wno-undef
tests_unit_test_peer_take_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_replica_fit
tests_unit_test_replica_fit_SOURCES = tests/unit/test_replica_fit.c tests/unit/tempdir.h
tests_unit_test_replica_fit_CFLAGS = $(engine_test_cflags) $(LIBXML2_CFLAGS)
tests_unit_test_replica_fit_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_become_replica
tests_unit_test_become_replica_SOURCES = tests/unit/test_become_replica.c \
	engine/become_replica.c engine/failover_place.c engine/cluster_table.c engine/switch_change.c engine/vm_status.c
tests_unit_test_become_replica_CFLAGS = $(engine_test_cflags) -Wno-undef
tests_unit_test_become_replica_LDADD = libvmr-cluster.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_failover_take
tests_unit_test_failover_take_SOURCES = tests/unit/test_failover_take.c tests/unit/failover_scene.c tests/unit/failover_scene.h engine/failover.c engine/failover_record.c engine/failover_steps.c engine/switch_change.c \
	engine/failover_ask.c engine/failover_forward.c engine/failover_plan.c engine/failover_order.c engine/planned_plan.c cluster/epoch.c cluster/nvpair_list.c
tests_unit_test_failover_take_CFLAGS = $(engine_test_cflags) -Wno-undef
tests_unit_test_failover_take_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_primary_ask
tests_unit_test_primary_ask_SOURCES = tests/unit/test_primary_ask.c engine/primary_ask.c engine/failover_peer.c engine/trouble.c \
	cluster/epoch.c
tests_unit_test_primary_ask_CFLAGS = $(engine_test_cflags) -Wno-undef
tests_unit_test_primary_ask_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_given_back
tests_unit_test_given_back_SOURCES = tests/unit/test_given_back.c engine/epoch.c cluster/epoch.c
tests_unit_test_given_back_CFLAGS = $(engine_test_cflags) -Wno-undef
tests_unit_test_given_back_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_give_way
tests_unit_test_give_way_SOURCES = tests/unit/test_give_way.c tests/unit/give_way_world.c tests/unit/give_way_played.c tests/unit/give_way_world.h \
	engine/give_way.c engine/give_way_back.c engine/give_way_steps.c engine/become_replica.c engine/handover.c engine/switch_change.c \
	engine/standing.c engine/epoch.c
tests_unit_test_give_way_CFLAGS = $(engine_test_cflags) -Wno-undef
tests_unit_test_give_way_LDADD = libvmr-cib.la libvmr-proto.la libvmr-common.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_store_manifest
tests_unit_test_store_manifest_SOURCES = tests/unit/test_store_manifest.c tests/unit/tempdir.h
tests_unit_test_store_manifest_CFLAGS = $(engine_test_cflags)
tests_unit_test_store_manifest_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_peer_ready
tests_unit_test_peer_ready_SOURCES = tests/unit/test_peer_ready.c engine/peer_ready.c engine/sentence_list.c
tests_unit_test_peer_ready_CFLAGS = $(engine_test_cflags) $(LIBXML2_CFLAGS) -Wno-undef
tests_unit_test_peer_ready_LDADD = libvmr-proto.la libvmr-common.la $(CUNIT_LIBS)

check_PROGRAMS += tests/unit/test_replica_state
tests_unit_test_replica_state_SOURCES = tests/unit/test_replica_state.c tests/unit/tempdir.h
tests_unit_test_replica_state_CFLAGS = $(engine_test_cflags)
tests_unit_test_replica_state_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_extent_list
tests_unit_test_extent_list_SOURCES = tests/unit/test_extent_list.c
tests_unit_test_extent_list_CFLAGS = $(engine_test_cflags)
tests_unit_test_extent_list_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_health_attribute
tests_unit_test_health_attribute_SOURCES = tests/unit/test_health_attribute.c
tests_unit_test_health_attribute_CFLAGS = $(engine_test_cflags)
tests_unit_test_health_attribute_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_image_chain
tests_unit_test_image_chain_SOURCES = tests/unit/test_image_chain.c tests/unit/tempdir.h
tests_unit_test_image_chain_CFLAGS = $(engine_test_cflags)
tests_unit_test_image_chain_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_digest_estimate
tests_unit_test_digest_estimate_SOURCES = tests/unit/test_digest_estimate.c
tests_unit_test_digest_estimate_CFLAGS = $(engine_test_cflags)
tests_unit_test_digest_estimate_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_health
tests_unit_test_health_SOURCES = tests/unit/test_health.c tests/unit/golden.h
tests_unit_test_health_CFLAGS = $(engine_test_cflags)
tests_unit_test_health_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_relationship_state
tests_unit_test_relationship_state_SOURCES = tests/unit/test_relationship_state.c tests/unit/golden.h
tests_unit_test_relationship_state_CFLAGS = $(engine_test_cflags)
tests_unit_test_relationship_state_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_media
tests_unit_test_media_SOURCES = tests/unit/test_media.c tests/unit/tempdir.h
tests_unit_test_media_CFLAGS = $(engine_test_cflags)
tests_unit_test_media_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_resume
tests_unit_test_resume_SOURCES = tests/unit/test_resume.c tests/unit/golden.h
tests_unit_test_resume_CFLAGS = $(engine_test_cflags)
tests_unit_test_resume_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_resume_model
tests_unit_test_resume_model_SOURCES = tests/unit/test_resume_model.c
tests_unit_test_resume_model_CFLAGS = $(engine_test_cflags)
tests_unit_test_resume_model_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_resync_policy
tests_unit_test_resync_policy_SOURCES = tests/unit/test_resync_policy.c tests/unit/golden.h
tests_unit_test_resync_policy_CFLAGS = $(engine_test_cflags)
tests_unit_test_resync_policy_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_schedule
tests_unit_test_schedule_SOURCES = tests/unit/test_schedule.c tests/unit/golden.h
tests_unit_test_schedule_CFLAGS = $(engine_test_cflags)
tests_unit_test_schedule_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_vm_settings
tests_unit_test_vm_settings_SOURCES = tests/unit/test_vm_settings.c
tests_unit_test_vm_settings_CFLAGS = $(engine_test_cflags)
tests_unit_test_vm_settings_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_pipeline
tests_unit_test_pipeline_SOURCES = tests/unit/test_pipeline.c
tests_unit_test_pipeline_CFLAGS = $(engine_test_cflags)
tests_unit_test_pipeline_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_event_ring
tests_unit_test_event_ring_SOURCES = tests/unit/test_event_ring.c
tests_unit_test_event_ring_CFLAGS = $(engine_test_cflags)
tests_unit_test_event_ring_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_cluster_table
tests_unit_test_cluster_table_SOURCES = tests/unit/test_cluster_table.c
tests_unit_test_cluster_table_CFLAGS = $(engine_test_cflags)
tests_unit_test_cluster_table_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_store_directory
tests_unit_test_store_directory_SOURCES = tests/unit/test_store_directory.c
tests_unit_test_store_directory_CFLAGS = $(engine_test_cflags)
tests_unit_test_store_directory_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_wrap_node
tests_unit_test_wrap_node_SOURCES = tests/unit/test_wrap_node.c
tests_unit_test_wrap_node_CFLAGS = $(engine_test_cflags)
tests_unit_test_wrap_node_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_lent_disks
tests_unit_test_lent_disks_SOURCES = tests/unit/test_lent_disks.c
tests_unit_test_lent_disks_CFLAGS = $(engine_test_cflags) $(LIBXML2_CFLAGS)
tests_unit_test_lent_disks_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_wrap_layers
tests_unit_test_wrap_layers_SOURCES = tests/unit/test_wrap_layers.c
tests_unit_test_wrap_layers_CFLAGS = $(engine_test_cflags)
tests_unit_test_wrap_layers_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_wrap_unfinished
tests_unit_test_wrap_unfinished_SOURCES = tests/unit/test_wrap_unfinished.c
tests_unit_test_wrap_unfinished_CFLAGS = $(engine_test_cflags)
tests_unit_test_wrap_unfinished_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_standing
tests_unit_test_standing_SOURCES = tests/unit/test_standing.c
tests_unit_test_standing_CFLAGS = $(engine_test_cflags)
tests_unit_test_standing_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_replica
tests_unit_test_replica_SOURCES = tests/unit/test_replica.c
tests_unit_test_replica_CFLAGS = $(engine_test_cflags)
tests_unit_test_replica_LDADD = $(engine_test_ldadd)

# The replica VM's definition; golden files in tests/fixtures/domain.
EXTRA_DIST += tests/fixtures/domain
check_PROGRAMS += tests/unit/test_check_guard
tests_unit_test_check_guard_SOURCES = tests/unit/test_check_guard.c
tests_unit_test_check_guard_CFLAGS = $(engine_test_cflags)
tests_unit_test_check_guard_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_check_unprotected
tests_unit_test_check_unprotected_SOURCES = tests/unit/test_check_unprotected.c
tests_unit_test_check_unprotected_CFLAGS = $(engine_test_cflags)
tests_unit_test_check_unprotected_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_network_map tests/unit/test_replica_domain
tests_unit_test_network_map_SOURCES = tests/unit/test_network_map.c tests/unit/sentences.h
tests_unit_test_network_map_CFLAGS = $(engine_test_cflags)
tests_unit_test_network_map_LDADD = $(engine_test_ldadd)
tests_unit_test_replica_domain_SOURCES = tests/unit/test_replica_domain.c tests/unit/sentences.h tests/unit/golden.h
tests_unit_test_replica_domain_CFLAGS = $(engine_test_cflags) $(LIBXML2_CFLAGS)
tests_unit_test_replica_domain_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_extended
tests_unit_test_extended_SOURCES = tests/unit/test_extended.c
tests_unit_test_extended_CFLAGS = $(engine_test_cflags)
tests_unit_test_extended_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_protect
tests_unit_test_protect_SOURCES = tests/unit/test_protect.c
tests_unit_test_protect_CFLAGS = $(engine_test_cflags)
tests_unit_test_protect_LDADD = $(engine_test_ldadd)

# Whether it would start; the host's words in tests/fixtures/fit are libvirt's own.
EXTRA_DIST += tests/fixtures/fit
check_PROGRAMS += tests/unit/test_domain_fit
tests_unit_test_domain_fit_SOURCES = tests/unit/test_domain_fit.c tests/unit/golden.h
tests_unit_test_domain_fit_CFLAGS = $(engine_test_cflags) $(LIBXML2_CFLAGS)
tests_unit_test_domain_fit_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_definition_file
tests_unit_test_definition_file_SOURCES = tests/unit/test_definition_file.c tests/unit/tempdir.h
tests_unit_test_definition_file_CFLAGS = $(engine_test_cflags)
tests_unit_test_definition_file_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_verify_state
tests_unit_test_verify_state_SOURCES = tests/unit/test_verify_state.c
tests_unit_test_verify_state_CFLAGS = $(engine_test_cflags)
tests_unit_test_verify_state_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_failover_job
tests_unit_test_failover_job_SOURCES = tests/unit/test_failover_job.c tests/unit/tempdir.h
tests_unit_test_failover_job_CFLAGS = $(engine_test_cflags)
tests_unit_test_failover_job_LDADD = $(engine_test_ldadd)

check_PROGRAMS += tests/unit/test_failover_plan
tests_unit_test_failover_plan_SOURCES = tests/unit/test_failover_plan.c tests/unit/golden.h
tests_unit_test_failover_plan_CFLAGS = $(engine_test_cflags)
tests_unit_test_failover_plan_LDADD = $(engine_test_ldadd)
