# SPDX-License-Identifier: GPL-2.0-or-later
# receiver: everything that parses a peer's log stream, and the replica stores. Owns jansson for the manifest and QMP.
noinst_LTLIBRARIES += libvmr-receiver.la
libvmr_receiver_la_SOURCES = \
	receiver/adopt.c receiver/adopt.h \
	receiver/adopt_extents.c \
	receiver/adopt_point.c \
	receiver/answer.c receiver/answer.h \
	receiver/apply.c receiver/apply.h \
	receiver/apply_logs.c \
	receiver/authorization.c receiver/authorization.h \
	receiver/batch.c receiver/batch.h \
	receiver/borrow.h \
	receiver/cell.c receiver/cell.h \
	receiver/changes.c receiver/changes.h \
	receiver/check.c receiver/check.h \
	receiver/check_alone.c \
	receiver/check_content.c \
	receiver/check_image.c receiver/check_image.h \
	receiver/check_layers.c \
	receiver/check_logs.c \
	receiver/check_narrow.c \
	receiver/check_points.c receiver/check_states.c \
	receiver/check_print.c \
	receiver/check_program.c \
	receiver/cycle.c receiver/cycle.h \
	receiver/cycle_record.c \
	receiver/data_file.c receiver/data_file.h \
	receiver/digest.c receiver/digest.h \
	receiver/durable.c receiver/durable.h \
	receiver/events.c receiver/receiver.h \
	receiver/follow.c receiver/follow.h \
	receiver/hello.c receiver/hello.h \
	receiver/history.c receiver/history.h \
	receiver/image.c receiver/image.h \
	receiver/image_cache.c \
	receiver/image_turn.c \
	receiver/import.c receiver/import.h \
	receiver/import_image.c receiver/import_image.h \
	receiver/json.h \
	receiver/lend.c receiver/lend.h \
	receiver/lend_state.c receiver/lend_job.h \
	receiver/listener.c receiver/listener.h receiver/listener_bind.c \
	receiver/manifest.c receiver/manifest.h \
	receiver/manifest_decode.c \
	receiver/manifest_encode.c receiver/manifest_json.h \
	receiver/manifest_points.c \
	receiver/manifest_points_json.c \
	receiver/manifest_takeover.c \
	receiver/manifest_sum.c \
	receiver/merge.c receiver/merge.h \
	receiver/merge_copy.c receiver/merge_copy.h \
	receiver/merge_hold.c receiver/merge_turn.h \
	receiver/merge_plan.c \
	receiver/merge_trouble.c receiver/merge_trouble.h \
	receiver/merge_room.c receiver/merge_room.h \
	receiver/ownership.c receiver/ownership.h \
	receiver/pending.c receiver/pending.h \
	receiver/plan.c receiver/plan.h \
	receiver/pulse.c receiver/pulse.h \
	receiver/point_list.c receiver/point_list.h \
	receiver/points.c receiver/points.h \
	receiver/points_page.c receiver/points_page.h \
	receiver/points_query.c receiver/points_query.h \
	receiver/privileges.c receiver/privileges.h \
	receiver/process.c receiver/process.h \
	receiver/qmp.c receiver/qmp.h \
	receiver/qsd.c receiver/qsd.h \
	receiver/qsd_image.c \
	receiver/retention.c receiver/retention.h \
	receiver/room.c receiver/room.h \
	receiver/session.c receiver/session.h \
	receiver/spool.c receiver/spool.h \
	receiver/spool_files.c \
	receiver/states.c receiver/states.h receiver/manifest_states.c \
	receiver/status.c receiver/status.h \
	receiver/store.c receiver/store.h \
	receiver/store_destroy.c receiver/store_doubt.c \
	receiver/store_open.c \
	receiver/store_stream.c \
	receiver/stores.c receiver/stores.h \
	receiver/stores_tick.c receiver/stores_table.h \
	receiver/materialize.c receiver/materialize.h \
	receiver/overlay.c receiver/overlay.h \
	receiver/takeover.c receiver/takeover.h \
	receiver/takeover_end.c \
	receiver/takeover_merged.c \
	receiver/takeover_extents.c \
	receiver/takeover_failover.c \
	receiver/takeover_steps.c receiver/takeover_job.h \
	receiver/takeover_test.c \
	receiver/takeover_target.c receiver/takeover_target.h \
	receiver/target.c receiver/target.h \
	receiver/verify.c receiver/verify.h \
	receiver/view.c receiver/view.h
libvmr_receiver_la_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(PROTOBUF_C_CFLAGS) $(JANSSON_CFLAGS) -Wno-cast-qual -Wno-undef
libvmr_receiver_la_LIBADD = libvmr-proto.la libvmr-nbd.la libvmr-access.la libvmr-confine.la libvmr-common.la $(JANSSON_LIBS) $(QB_LIBS) -lpthread

daemon_PROGRAMS += vmreplica-receiver
vmreplica_receiver_SOURCES = receiver/main.c receiver/confinement.c receiver/confinement.h
vmreplica_receiver_CFLAGS = $(libvmr_receiver_la_CFLAGS)
vmreplica_receiver_LDADD = libvmr-receiver.la
