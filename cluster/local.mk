# SPDX-License-Identifier: GPL-2.0-or-later
# cluster: the ops table and its two implementations. Owns corosync/*, libxml2 and (in the helper alone) libcib and GLib.
noinst_LTLIBRARIES += libvmr-cluster.la
libvmr_cluster_la_SOURCES = \
	cluster/authorization.c cluster/authorization.h \
	cluster/cib_client.c cluster/cib_client.h \
	cluster/cib_process.c cluster/cib_process.h \
	cluster/cluster.c cluster/cluster.h \
	cluster/cmap.c cluster/cmap.h \
	cluster/cpg.c cluster/cpg.h \
	cluster/forward.c cluster/forward.h \
	cluster/implementations.h \
	cluster/members.c cluster/members.h \
	cluster/pacemaker.c \
	cluster/placement.c cluster/placement.h \
	cluster/placement_parse.c \
	cluster/quorum.c cluster/quorum.h \
	cluster/quorum_text.c \
	cluster/retry.c cluster/retry.h \
	cluster/xml_tree.c cluster/xml_tree.h
# protoc-c's initializers cast constness away, hence no -Wcast-qual.
libvmr_cluster_la_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(COROSYNC_CFLAGS) $(LIBXML2_CFLAGS) $(PROTOBUF_C_CFLAGS) \
	-Wno-cast-qual
libvmr_cluster_la_LIBADD = libvmr-proto.la libvmr-common.la $(QB_LIBS) $(COROSYNC_LIBS) $(LIBXML2_LIBS) \
	$(PROTOBUF_C_LIBS)
