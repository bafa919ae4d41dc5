# SPDX-License-Identifier: GPL-2.0-or-later
# engine: relationships, schedule, sender, and the libvirt source. Owns libvirt.
noinst_LTLIBRARIES += libvmr-engine.la

# The source: the only files that know libvirt (and libxml2, libacl, and QEMU's JSON for it).
ENGINE_SOURCE = \
	engine/source.c engine/source.h engine/source_private.h engine/source_error.h \
	engine/source_access.c engine/source_access.h \
	engine/store_walk.c engine/store_walk.h \
	engine/source_bitmap.c engine/source_bitmap.h \
	engine/source_call.c engine/source_call.h \
	engine/source_checkpoint.c \
	engine/source_replica.c engine/source_replica.h \
	engine/source_connection.c engine/source_connection.h \
	engine/source_define.c engine/source_define.h \
	engine/host_vm.c engine/host_vm.h \
	engine/source_disk.c engine/source_disk.h \
	engine/source_domain.c engine/source_domain.h \
	engine/source_export.c \
	engine/source_freeze.c engine/source_freeze.h \
	engine/source_host.c engine/source_host.h \
	engine/source_image.c engine/source_image.h \
	engine/source_job.c engine/source_job.h engine/source_job_live.c engine/source_job_offline.c \
	engine/source_json.h \
	engine/source_libxml.h \
	engine/source_offline.c engine/source_offline.h \
	engine/source_orphan.c engine/source_orphan.h \
	engine/source_power.c engine/source_power.h \
	engine/source_security.c engine/source_security.h \
	engine/source_rpc.c engine/source_rpc_job.c engine/source_rpc.h \
	engine/source_scratch.c engine/source_scratch.h \
	engine/source_state.c engine/source_state.h \
	engine/source_tool.c engine/source_tool.h \
	engine/source_version.c engine/source_version.h \
	engine/source_run.c engine/source_run.h \
	engine/source_xml.c engine/source_xml.h
ENGINE_SOURCE_CFLAGS = $(LIBVIRT_CFLAGS) $(LIBXML2_CFLAGS) $(JANSSON_CFLAGS) $(ACL_CFLAGS)
ENGINE_SOURCE_LIBS = $(LIBVIRT_LIBS) $(LIBXML2_LIBS) $(JANSSON_LIBS) $(ACL_LIBS)

# Raw disks under qcow2 headers.
ENGINE_WRAP = \
	engine/wrap_access.c engine/wrap_access.h \
	engine/wrap_domain.c engine/wrap_domain.h \
	engine/wrap_file.c engine/wrap_file.h \
	engine/wrap_header.c engine/wrap_header.h \
	engine/wrap_image.c engine/wrap_image.h \
	engine/wrap_layers.c engine/wrap_layers.h \
	engine/wrap_look.c engine/wrap_record.c engine/wrap_record.h \
	engine/wrap_message.c engine/wrap_node.c engine/wrap_node_look.c engine/wrap_node_undo.c engine/wrap_node.h \
	engine/wrap_witness.c engine/wrap_witness.h

# Pure decisions: no clock, no I/O.
ENGINE_PURE = \
	engine/domain_document.c engine/domain_document.h \
	engine/domain_fit.c engine/domain_fit.h \
	engine/domain_fit_devices.c engine/domain_fit_devices.h \
	engine/domain_rules.c engine/domain_rules.h \
	engine/domain_own.c engine/domain_own_write.c engine/domain_own.h \
	engine/domain_walk.c engine/domain_walk.h \
	engine/digest_estimate.c engine/digest_estimate.h \
	engine/extent_list.c engine/extent_list.h \
	engine/failover_order.c engine/failover_order.h \
	engine/failover_plan.c engine/failover_plan.h \
	engine/guard.c engine/guard.h \
	engine/handover.c engine/handover.h \
	engine/health.c engine/health.h \
	engine/job_message.c engine/job_message.h \
	engine/planned_plan.c engine/planned_plan.h \
	engine/promise.c engine/promise.h \
	engine/switch_change.c engine/switch_change.h \
	engine/relationship_state.c engine/relationship_state.h \
	engine/replica_device.c engine/replica_disk.c engine/replica_interface.c \
	engine/replica_domain.c engine/replica_domain.h \
	engine/firmware.c engine/firmware.h \
	engine/resume.c engine/resume.h \
	engine/schedule.c engine/schedule.h \
	engine/selection.c engine/selection.h \
	engine/sentence_list.c engine/sentence_list.h \
	engine/vm_settings.c engine/vm_settings.h

# One cycle, on workers: from the broker's answer to COMMITTED.
ENGINE_CYCLE = \
	engine/broker_talk.c engine/broker_talk.h \
	engine/canceller.c engine/canceller.h \
	engine/cycle.c engine/cycle_connect.c engine/cycle_extra.c engine/cycle_send.c engine/cycle_wrap.c engine/cycle.h \
	engine/cycle_state.c \
	engine/cycle_verify.c engine/cycle_verify.h engine/verify_state.c \
	engine/cycle_digest.c engine/cycle_queue.c engine/cycle_reader.c engine/cycle_reader.h \
	engine/locate_client.c engine/locate_client.h \
	engine/order_client.c engine/order_client.h \
	engine/peer.c engine/peer_extents.c engine/peer_frames.c engine/peer.h \
	engine/pipeline.c engine/pipeline_compress.c engine/pipeline.h \
	engine/sender_stream.c engine/sender_stream.h \
	engine/stream_frames.c engine/stream_frames.h \
	engine/trouble.c engine/trouble.h

# The daemon's control thread.
ENGINE_CONTROL = \
	engine/admin_failover.c \
	engine/admin_jobs.c engine/admin_jobs.h \
	engine/admin_points.c engine/admin_points.h \
	engine/admin_wrap.c engine/admin_wrap_node.c \
	engine/wrap_job.c engine/wrap_job.h engine/wrap_power.c engine/wrap_refusal.c \
	engine/wrap_unfinished.c engine/wrap_unfinished.h \
	engine/admin_verify.c \
	engine/export.c engine/export_state.c engine/export_state.h engine/export_target.c engine/export_target.h \
	engine/import.c engine/media.c engine/media.h \
	engine/transfer.c engine/transfer.h \
	engine/relationship_verify.c engine/relationship_verify.h \
	engine/admin_agent.c engine/admin_fit.c engine/admin_authorize.c engine/admin_route.c engine/admin_service.c engine/admin_service.h \
	engine/admin_guard.c engine/admin_pause.c engine/admin_status.c engine/admin_store.c \
	engine/admin_vm.c engine/admin_vm.h \
	engine/adoption.c engine/adoption.h \
	engine/announcer.c engine/announcer.h \
	engine/check.c engine/check.h engine/check_facts.c engine/check_facts.h \
	engine/check_guard.c engine/check_guard.h \
	engine/check_list.c engine/check_list.h engine/check_probe.c engine/check_probe.h \
	engine/check_wrap.c engine/check_wrap.h \
	engine/check_storage.c engine/check_storage.h \
	engine/check_unprotected.c engine/check_unprotected.h \
	engine/check_replica.c engine/check_replica.h \
	engine/cluster_table.c engine/cluster_table.h \
	engine/definition_file.c engine/definition_file.h \
	engine/definition_job.c engine/definition_job.h \
	engine/kept_definition.c engine/kept_definition.h \
	engine/directories.c engine/directories.h \
	engine/engine.c engine/engine_clock.c engine/engine.h \
	engine/epoch.c engine/epoch.h \
	engine/event_ring.c engine/event_ring.h \
	engine/failover.c engine/failover.h engine/failover_forward.c engine/failover_record.c engine/failover_steps.c engine/failover_run.c engine/failover_role.c \
	engine/certificate_watch.c engine/certificate_watch.h \
	engine/chain_keeper.c engine/chain_keeper.h engine/chain_merge.c engine/chain_merge.h \
	engine/failover_consolidate.c engine/failover_images.c engine/failover_images.h \
	engine/image_chain.c engine/image_chain.h \
	engine/failover_job.c engine/failover_job.h \
	engine/failover_refusal.c engine/failover_refusal.h \
	engine/failover_place.c engine/failover_place.h \
	engine/primary_ask.c engine/primary_ask.h \
	engine/health_attribute.c engine/health_attribute.h \
	engine/inspect.c engine/inspect.h \
	engine/job_store.c engine/job_store.h \
	engine/job_table.c engine/job_table.h \
	engine/adopted_disks.c engine/adopted_disks.h engine/lent_list.c engine/lent_list.h engine/become_replica.c engine/become_replica.h \
	engine/peer_contact.c engine/peer_contact.h engine/give_way.c engine/give_way_back.c engine/give_way_read.c engine/give_way_steps.c engine/give_way.h \
	engine/failover_word.c engine/failover_word.h engine/guard_patience.c engine/guard_patience.h \
	engine/give_way_keep.c engine/give_way_keep.h engine/give_way_replica.c engine/failover_peer.c engine/failover_peer.h engine/failover_ask.c engine/store_manifest.c engine/store_manifest.h \
	engine/peer_order.c engine/peer_order.h engine/peer_ready.c engine/peer_take.c \
	engine/admin_planned.c engine/admin_planned.h engine/planned.c engine/planned_role.c engine/planned_check.c \
	engine/planned_steps.c engine/planned_stop.c engine/planned.h \
	engine/host_start.c engine/host_start_ask.c \
	engine/host_start.h engine/host_start_private.h \
	engine/own_definition.c engine/own_definition.h \
	engine/point_find.c engine/point_find.h \
	engine/protect.c engine/protect_create.c engine/protect_job.h \
	engine/protect_again.c engine/protect_vm.c engine/protect.h engine/unprotect.c \
	engine/receiver_child.c engine/receiver_child.h \
	engine/receiver_leftover.c engine/receiver_leftover.h \
	engine/receiver_reach.c engine/receiver_reach.h engine/receiver_spawn.c engine/receiver_spawn.h \
	engine/relationship.c engine/relationship.h \
	engine/relationship_attach.c engine/relationship_cycle.c \
	engine/relationship_request.c engine/relationship_status.c \
	engine/replica.c engine/replica_status.c engine/replica.h \
	engine/replica_adopt.c engine/replica_adopt.h \
	engine/replica_definition.c engine/replica_definition.h \
	engine/replica_fit.c engine/replica_fit.h \
	engine/extended.c engine/extended.h \
	engine/protect_extended.c engine/protect_request.c \
	engine/replica_lender.c engine/replica_lender.h \
	engine/replica_sizes.c engine/replica_sizes.h \
	engine/replica_state.c engine/replica_state.h \
	engine/replica_takeover.c engine/replica_takeover.h \
	engine/standing.c engine/standing.h \
	engine/store_reach.c engine/store_reach.h \
	engine/storage_probe.c engine/storage_probe.h \
	engine/store_admit.c engine/store_admit.h \
	engine/store_directory.c engine/store_directory.h \
	engine/store_lock.c engine/store_lock.h \
	engine/store_release.c engine/store_release.h \
	engine/vm_status.c engine/vm_status.h

libvmr_engine_la_SOURCES = $(ENGINE_SOURCE) $(ENGINE_WRAP) $(ENGINE_PURE) $(ENGINE_CYCLE) $(ENGINE_CONTROL)
# protoc-c's initializers cast constness away, hence no -Wcast-qual.
libvmr_engine_la_CFLAGS = $(AM_CFLAGS) $(ENGINE_SOURCE_CFLAGS) $(PROTOBUF_C_CFLAGS) $(QB_CFLAGS) -Wno-cast-qual
libvmr_engine_la_LIBADD = libvmr-cluster.la libvmr-nbd.la libvmr-access.la libvmr-proto.la libvmr-common.la $(ENGINE_SOURCE_LIBS) \
	$(QB_LIBS) -lpthread

sbin_PROGRAMS += vmreplica-engine
vmreplica_engine_SOURCES = engine/main.c
vmreplica_engine_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(PROTOBUF_C_CFLAGS) -Wno-cast-qual
vmreplica_engine_LDADD = libvmr-engine.la

# Thaws a guest also when the engine is gone.
daemon_PROGRAMS += vmreplica-freeze
vmreplica_freeze_SOURCES = engine/freezer.c engine/freeze_guest.c engine/freeze_guest.h \
	engine/freeze_note.c engine/freeze_note.h engine/source_freeze.h
vmreplica_freeze_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS)
vmreplica_freeze_LDADD = libvmr-common.la $(LIBVIRT_LIBS)

# What libvirt's hook calls. In sbin, because libvirtd's AppArmor profile lets its hooks run what is there.
sbin_PROGRAMS += vmreplica-witness
vmreplica_witness_SOURCES = engine/wrap_hook.c engine/wrap_look.c engine/wrap_record.c engine/wrap_witness.c \
	engine/source_image.c
vmreplica_witness_CFLAGS = $(AM_CFLAGS) $(LIBXML2_CFLAGS) $(JANSSON_CFLAGS)
vmreplica_witness_LDADD = libvmr-common.la $(LIBXML2_LIBS) $(JANSSON_LIBS)
