# SPDX-License-Identifier: GPL-2.0-or-later
# common: what every program needs. Owns OpenSSL, libqb's log, inih, and (for those that need them) libnbd, libacl and libseccomp.
noinst_LTLIBRARIES += libvmr-common.la libvmr-nbd.la libvmr-access.la libvmr-confine.la
libvmr_common_la_SOURCES = \
	common/admission.c common/admission.h \
	common/buffer.c common/buffer.h \
	common/checked.h common/cleanup.h \
	common/clock.c common/clock.h \
	common/config.c common/config.h common/config_pairs.c \
	common/daemon.c common/daemon.h \
	common/daemon_arguments.c common/daemon_arguments.h \
	common/dns_name.c common/dns_name.h \
	common/listen_socket.c common/listen_socket.h \
	common/lock_holder.c common/lock_holder.h \
	common/net_door.c common/net_door.h common/net_door_serve.c common/net_door_wire.h \
	common/log.c common/log.h \
	common/pki.c common/pki.h common/pki_renew.c common/pki_revoke.c common/pki_show.c common/pki_sign.c common/pki_sign.h \
	common/quorum_steps.c common/quorum_steps.h \
	common/rate.c common/rate.h \
	common/sanitized.h \
	common/sha256.c common/sha256.h \
	common/tls.c common/tls.h common/tls_internal.h \
	common/tls_bio.c common/tls_bio.h \
	common/tls_client_hello.c common/tls_context.c common/tls_crl.c common/tls_dial.c common/tls_error.c common/tls_expiry.c common/tls_expiry.h common/tls_store.c common/tls_store.h common/tls_verify.c \
	common/trust.c common/trust.h \
	common/unix_socket.c common/unix_socket.h \
	common/workers.c common/workers.h
libvmr_common_la_CFLAGS = $(AM_CFLAGS) $(OPENSSL_CFLAGS) $(QB_CFLAGS) $(INIH_CFLAGS)
libvmr_common_la_LIBADD = $(OPENSSL_LIBS) $(QB_LIBS) $(INIH_LIBS) -lm -lpthread

# The one wrapper round libnbd: a library of its own, because broker, admin and the cib helper do without it.
libvmr_nbd_la_SOURCES = common/nbd.c common/nbd.h common/nbd_extents.c common/nbd_internal.h
libvmr_nbd_la_CFLAGS = $(AM_CFLAGS) $(LIBNBD_CFLAGS)
libvmr_nbd_la_LIBADD = libvmr-common.la $(LIBNBD_LIBS)

# The same for libacl.
libvmr_access_la_SOURCES = common/file_access.c common/file_access.h
libvmr_access_la_CFLAGS = $(AM_CFLAGS) $(ACL_CFLAGS)
libvmr_access_la_LIBADD = $(ACL_LIBS)

# The same for libseccomp.
libvmr_confine_la_SOURCES = common/confine.c common/confine.h common/confine_calls.c common/confine_program.c
libvmr_confine_la_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)
libvmr_confine_la_LIBADD = $(SECCOMP_LIBS)

# On a host without a cluster it makes the engine's connections.
daemon_PROGRAMS += vmreplica-net
vmreplica_net_SOURCES = common/net_main.c
vmreplica_net_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS)
vmreplica_net_LDADD = libvmr-confine.la libvmr-common.la
