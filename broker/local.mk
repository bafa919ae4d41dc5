# SPDX-License-Identifier: GPL-2.0-or-later
# broker: the access point, the routing table, the relay.
noinst_LTLIBRARIES += libvmr-broker.la
libvmr_broker_la_SOURCES = \
	broker/access_point.c broker/access_point.h \
	broker/admin_authorize.c \
	broker/admin_report.c \
	broker/admin_service.c broker/admin_service.h \
	broker/admin_socket.c broker/admin_socket.h \
	broker/broker.c broker/broker.h broker/certificates.c broker/certificates.h \
	broker/denial_ring.c broker/denial_ring.h \
	broker/enroll.c broker/enroll.h \
	broker/enroll_fit.c broker/enroll_fit.h \
	broker/enrollment.c broker/enrollment.h broker/enrollment_internal.h \
	broker/events.c \
	broker/locate.c broker/locate.h \
	broker/locate_service.c broker/locate_service.h \
	broker/order_service.c \
	broker/peer_session.c broker/peer_session.h \
	broker/peer_side.c broker/peer_side.h \
	broker/query_service.c broker/query_service.h \
	broker/pipe_pool.c broker/pipe_pool.h \
	broker/relay.c broker/relay.h \
	broker/relay_service.c broker/relay_service.h \
	broker/relay_stream.c broker/relay_stream.h \
	broker/relay_thread.c broker/relay_thread.h \
	broker/replica_domain.c broker/replica_domain.h \
	broker/replica_resource.c broker/replica_resource.h \
	broker/route.c broker/route.h \
	broker/routing_feed.c broker/routing_internal.h \
	broker/routing_table.c broker/routing_table.h \
	broker/token_table.c broker/token_table.h \
	broker/withdraw.c broker/withdraw.h \
	broker/withdrawal.c
libvmr_broker_la_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(PROTOBUF_C_CFLAGS) -Wno-cast-qual -Wno-undef
libvmr_broker_la_LIBADD = libvmr-cluster.la libvmr-proto.la libvmr-common.la $(QB_LIBS) $(PROTOBUF_C_LIBS) -lpthread

sbin_PROGRAMS += vmreplica-broker
vmreplica_broker_SOURCES = broker/main.c broker/arguments.c broker/arguments.h \
	broker/confinement.c broker/confinement.h
vmreplica_broker_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(PROTOBUF_C_CFLAGS) -Wno-cast-qual -Wno-undef
vmreplica_broker_LDADD = libvmr-broker.la libvmr-confine.la
