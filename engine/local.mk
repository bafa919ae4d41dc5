# SPDX-License-Identifier: GPL-2.0-or-later
# engine: relationships, schedule, sender, and the libvirt source. Owns libvirt.
noinst_LTLIBRARIES += libvmr-engine.la

# The source: the only files that know libvirt (and libxml2, libacl, and QEMU's JSON for it).
ENGINE_SOURCE = \
	engine/source.c engine/source.h engine/source_private.h engine/source_error.h \
	engine/source_access.c engine/source_access.h \
	engine/source_bitmap.c engine/source_bitmap.h \
	engine/source_call.c engine/source_call.h \
	engine/source_checkpoint.c \
	engine/source_connection.c engine/source_connection.h \
	engine/source_domain.c engine/source_domain.h \
	engine/source_export.c \
	engine/source_image.c engine/source_image.h \
	engine/source_job.c engine/source_job.h engine/source_job_live.c engine/source_job_offline.c \
	engine/source_json.h \
	engine/source_libxml.h \
	engine/source_offline.c engine/source_offline.h \
	engine/source_orphan.c engine/source_orphan.h \
	engine/source_rpc.c engine/source_rpc_job.c engine/source_rpc.h \
	engine/source_scratch.c engine/source_scratch.h \
	engine/source_tool.c engine/source_tool.h \
	engine/source_xml.c engine/source_xml.h
ENGINE_SOURCE_CFLAGS = $(LIBVIRT_CFLAGS) $(LIBXML2_CFLAGS) $(JANSSON_CFLAGS) $(ACL_CFLAGS)
ENGINE_SOURCE_LIBS = $(LIBVIRT_LIBS) $(LIBXML2_LIBS) $(JANSSON_LIBS) $(ACL_LIBS)

libvmr_engine_la_SOURCES = $(ENGINE_SOURCE)
libvmr_engine_la_CFLAGS = $(AM_CFLAGS) $(ENGINE_SOURCE_CFLAGS) $(PROTOBUF_C_CFLAGS)
libvmr_engine_la_LIBADD = libvmr-nbd.la libvmr-proto.la libvmr-common.la $(ENGINE_SOURCE_LIBS) -lpthread
