# SPDX-License-Identifier: GPL-2.0-or-later
# cluster: the ops table and its two implementations. Owns corosync/* and (in the helper alone) libcib and GLib.
noinst_LTLIBRARIES += libvmr-cluster.la
libvmr_cluster_la_SOURCES = \
	cluster/authorization.c cluster/authorization.h \
	cluster/forward.c cluster/forward.h \
	cluster/cluster.c cluster/cluster.h \
	cluster/cib_client.c cluster/cib_client.h \
	cluster/cmap.c cluster/cmap.h \
	cluster/cpg.c cluster/cpg.h \
	cluster/pacemaker.c \
	cluster/placement.c cluster/placement.h \
	cluster/quorum.c cluster/quorum.h \
	cluster/standalone.c
