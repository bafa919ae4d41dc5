# SPDX-License-Identifier: GPL-2.0-or-later
# cluster: the ops table and its two implementations. Owns corosync/*, libxml2 and (in the helper alone) libcib and GLib.
noinst_LTLIBRARIES += libvmr-cib.la libvmr-cluster.la

# protoc-c's initializers cast constness away, hence no -Wcast-qual.
cluster_cflags = $(AM_CFLAGS) $(LIBXML2_CFLAGS) $(PROTOBUF_C_CFLAGS) -Wno-cast-qual

# What a protected VM looks like in Pacemaker's configuration: pure, shared by the daemons and the helper.
libvmr_cib_la_SOURCES = \
	cluster/cib_create.c cluster/cib_template.h \
	cluster/cib_domain.c cluster/cib_domain.h cluster/cib_switch.c \
	cluster/domain_resource.c cluster/domain_resource.h \
	cluster/epoch.c cluster/epoch.h \
	cluster/guard_resource.c cluster/guard_resource.h \
	cluster/cib_lookup.c cluster/cib_lookup.h \
	cluster/cib_settings.c cluster/cib_settings.h \
	cluster/cib_templates.c cluster/cib_templates.h \
	cluster/nvpair_list.c cluster/nvpair_list.h \
	cluster/pcs_commands.c cluster/pcs_commands.h \
	cluster/switch_condition.c cluster/switch_condition.h \
	cluster/vm_resource.c cluster/vm_resource.h \
	cluster/xml_tree.c cluster/xml_tree.h
libvmr_cib_la_CFLAGS = $(cluster_cflags)
libvmr_cib_la_LIBADD = libvmr-proto.la $(LIBXML2_LIBS) $(PROTOBUF_C_LIBS)

libvmr_cluster_la_SOURCES = \
	cluster/authorization.c cluster/authorization_count.c cluster/authorization.h \
	cluster/authorize.c cluster/authorize.h \
	cluster/cib_client.c cluster/cib_client.h \
	cluster/cib_process.c cluster/cib_process.h \
	cluster/cluster.c cluster/cluster.h cluster/standing_order.h \
	cluster/cmap.c cluster/cmap.h \
	cluster/cpg.c cluster/cpg.h \
	cluster/forward.c cluster/forward.h \
	cluster/implementations.h \
	cluster/local_group.c cluster/local_group.h \
	cluster/members.c cluster/members.h \
	cluster/message_queue.c cluster/message_queue.h \
	cluster/pacemaker.c \
	cluster/placement.c cluster/placement.h \
	cluster/placement_build.c cluster/placement_build.h \
	cluster/placement_parse.c \
	cluster/quorum.c cluster/quorum.h \
	cluster/quorum_text.c \
	cluster/retry.c cluster/retry.h \
	cluster/settings_file.c cluster/settings_file.h \
	cluster/standalone.c \
	cluster/standalone_changes.c \
	cluster/standalone_files.c cluster/standalone_files.h \
	cluster/standalone_layout.c cluster/standalone_layout.h \
	cluster/standalone_placement.c cluster/standalone_placement.h \
	cluster/standalone_settings.c \
	cluster/standalone_vm.c cluster/standalone_vm.h
libvmr_cluster_la_CFLAGS = $(cluster_cflags) $(QB_CFLAGS) $(COROSYNC_CFLAGS)
libvmr_cluster_la_LIBADD = libvmr-cib.la libvmr-proto.la libvmr-common.la $(QB_LIBS) $(COROSYNC_LIBS) $(LIBXML2_LIBS) \
	$(PROTOBUF_C_LIBS)

daemon_PROGRAMS += vmreplica-cib
vmreplica_cib_SOURCES = \
	cluster/cib_changes.c cluster/cib_changes.h \
	cluster/cib_child.c cluster/cib_child.h \
	cluster/cib_connection.c cluster/cib_connection.h \
	cluster/cib_health.c cluster/cib_health.h \
	cluster/cib_helper.c cluster/cib_process.h \
	cluster/cib_reader.c cluster/cib_reader.h
vmreplica_cib_CFLAGS = $(cluster_cflags) $(PACEMAKER_CFLAGS)
vmreplica_cib_LDADD = libvmr-cib.la libvmr-proto.la libvmr-common.la $(PACEMAKER_LIBS)
