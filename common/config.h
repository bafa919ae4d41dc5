/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmreplica.conf: every setting of a node, its default and its limits. A typo is an error, never
 * ignored. */
#ifndef VMR_COMMON_CONFIG_H
#define VMR_COMMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/tls.h"

#define CONFIG_ERROR_LEN    256
#define CONFIG_DEFAULT_PATH VMR_SYSCONFDIR "/vmreplica.conf"
#define BROKER_PORT	    8650
#define RECEIVER_PORT	    8651

enum relay_mode {
	RELAY_NEVER,
	RELAY_AUTO,
	RELAY_ALWAYS,
};

struct config {
	char *site;		   /* [site] name, e.g. "a.example"; needed */
	char *node;		   /* [node] name; default: hostname up to the first dot */
	char *replication_address; /* [node] replication-address; "" = ask the cluster */
	char *listen;		   /* [node] listen, default "::" */
	uint16_t port;		   /* [node] port */
	uint16_t broker_port;	   /* [broker] port */
	enum relay_mode relay;	   /* [broker] relay */
	char *tls_ca, *tls_certificate, *tls_key; /* [tls] ca, certificate, key */
	char *tls_crl;			  /* [tls] crl: a file or a directory of revocation lists */
	enum tls_crl_check tls_crl_check; /* [tls] crl-check, default warn */
	char *scratch_directory;	  /* [scratch] directory */
	uint64_t scratch_reserve_bytes, scratch_cap_bytes; /* [scratch] reserve, cap */
	uint64_t history_cap_bytes; /* [store] history-cap: applied logs kept per VM; default 32G */
	uint64_t spool_cap_bytes;   /* [store] spool-cap: unapplied logs per VM; default 4G */
	/* [store] reserve: pause receiving below this; default 1G */
	uint64_t storage_reserve_bytes;
	char *boot_directory; /* [replica] boot-directory: kernels that VMs boot directly; "" = none
			       */
	char *log_directory;  /* [log] directory; "" = syslog only */
	char *log_level;      /* [log] level */
	bool standalone;      /* [standalone] enabled */
	bool start_on_silence; /* [standalone] start-on-silence: engine/host_start.h */
};

/* Read path on top of the defaults (a missing file leaves the defaults and is -ENOENT). Errors: a
 * sentence with file and line in error; -EINVAL. *ret_config is filled only on success or -ENOENT;
 * release with config_destroy. */
int config_load(const char *path, struct config *ret_config, char error[CONFIG_ERROR_LEN]);
void config_destroy(struct config *config);

const char *relay_mode_to_string(enum relay_mode mode);
int relay_mode_from_string(const char *text, enum relay_mode *ret_mode); /* 0 or -EINVAL */

/* The files that [tls] names, as tls_context_new takes them; they are config's. */
struct tls_files config_tls_files(const struct config *config);

/* The site's short name: the first label ("a" of "a.example"), into buf. */
void config_site_short(const char *site, char *buf, unsigned int size);

/* Any INI file as a flat list, for standalone's vms.d and authorize.d. Calls cb for each pair; a
 * negative return ends with that value. Errors of syntax: -EINVAL with a sentence. */
typedef int (*config_pair_cb)(void *arg, const char *section, const char *name, const char *value,
			      int line);
int config_read_pairs(const char *path, config_pair_cb cb, void *arg, char error[CONFIG_ERROR_LEN]);

#endif
