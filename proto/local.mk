# SPDX-License-Identifier: GPL-2.0-or-later
# proto: messages, framing, codec, validation, log file format. Owns protobuf-c, zstd, lz4, xxhash.
noinst_LTLIBRARIES += libvmr-proto.la
PROTO_FILES = proto/status.proto proto/wire.proto proto/admin.proto proto/cluster.proto proto/ipc.proto
PROTO_C = $(PROTO_FILES:.proto=.pb-c.c)
PROTO_H = $(PROTO_FILES:.proto=.pb-c.h)
BUILT_SOURCES += $(PROTO_H)
CLEANFILES += $(PROTO_C) $(PROTO_H)
EXTRA_DIST += $(PROTO_FILES) proto/PROTOCOL.md
# "protoc-c" writes both files; the header's rule only waits for the source's.
%.pb-c.c: %.proto
	$(AM_V_GEN)$(MKDIR_P) proto && $(PROTOC_C) --proto_path=$(top_srcdir) --c_out=. $<
%.pb-c.h: %.pb-c.c
	@test -f $@
nodist_libvmr_proto_la_SOURCES = $(PROTO_C) $(PROTO_H)
libvmr_proto_la_SOURCES = \
	proto/arena.c proto/arena.h \
	proto/channel.c \
	proto/codec.c proto/codec.h \
	proto/dirty_map.c proto/dirty_map.h \
	proto/extent_file.c proto/extent_file.h \
	proto/frame.c proto/frame.h \
	proto/limits.h \
	proto/link.c proto/link.h \
	proto/logfile.h proto/logfile_format.c proto/logfile_format.h \
	proto/logfile_reader.c proto/logfile_verify.c proto/logfile_writer.c \
	proto/message_copy.c proto/message_copy.h \
	proto/point_search.c proto/point_search.h \
	proto/point_select.c proto/point_select.h \
	proto/store_path.c proto/store_path.h \
	proto/names.c proto/names.h \
	proto/network_map.c proto/network_map.h \
	proto/version.c proto/version.h \
	proto/resync_policy.c proto/resync_policy.h \
	proto/vm_state.c proto/vm_state.h \
	proto/validate.c proto/validate.h \
	proto/validate_digest.c proto/validate_digest.h \
	proto/validate_order.c proto/validate_order.h \
	proto/validate_fields.c proto/validate_fields.h proto/validate_name.c
libvmr_proto_la_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(PROTOBUF_C_CFLAGS) $(ZSTD_CFLAGS) $(LZ4_CFLAGS) $(XXHASH_CFLAGS) -Wno-cast-qual -Wno-undef
libvmr_proto_la_LIBADD = libvmr-common.la $(QB_LIBS) $(PROTOBUF_C_LIBS) $(ZSTD_LIBS) $(LZ4_LIBS) $(XXHASH_LIBS)
# What is generated, for a build of single targets (a plain "make" makes it first by itself).
.PHONY: generated
generated: $(BUILT_SOURCES)
