# SPDX-License-Identifier: GPL-2.0-or-later
# admin: the CLI. One file a subcommand; owns jansson.
noinst_LTLIBRARIES += libvmr-admin.la
libvmr_admin_la_SOURCES = \
	admin/agent.c admin/agent_guard.c admin/agent_guard.h \
	admin/authorize.c \
	admin/broker.c \
	admin/check.c \
	admin/client.c admin/client.h \
	admin/engine_absent.c admin/engine_absent.h \
	admin/command.c admin/command.h \
	admin/control.c \
	admin/events.c \
	admin/failover.c \
	admin/job_output.c admin/job_output.h \
	admin/jobs.c \
	admin/locate.c \
	admin/output.c admin/output.h \
	admin/pki.c \
	admin/points.c \
	admin/protect.c \
	admin/status.c \
	admin/status_output.c admin/status_output.h \
	admin/status_takeover.c admin/status_takeover.h \
	admin/wrap.c \
	admin/store.c \
	admin/transfer.c \
	admin/verify.c \
	admin/verify_point.c admin/verify_point.h
# protobuf-c's own INIT macros cast const away.
libvmr_admin_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(PROTOBUF_C_CFLAGS) -Wno-cast-qual
libvmr_admin_la_LIBADD = libvmr-proto.la libvmr-common.la $(JANSSON_LIBS)

bin_PROGRAMS += vmreplica
vmreplica_SOURCES = admin/main.c
vmreplica_LDADD = libvmr-admin.la
