/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By now the broker has its address, its sockets, its log, the group of the cluster and its helper.
 * What it still opens: certificates that were renewed; what names are resolved with (a relay's
 * target may be a name), which is many files and libraries all over /etc; and on a host without a
 * cluster the settings that ENROLL and authorize write. It starts no program.
 */
#include "broker/confinement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/sanitized.h"

static const struct {
	const char *path;
	unsigned int access;
} always[] = {
	{"/etc", CONFINE_READ}, /* what everybody may read there: names, groups, time zone */
	{"/usr", CONFINE_READ | CONFINE_EXECUTE}, /* NSS and OpenSSL load libraries */
	{"/lib", CONFINE_READ | CONFINE_EXECUTE},
	{"/lib64", CONFINE_READ | CONFINE_EXECUTE},
	{"/run/systemd/resolve", CONFINE_READ},
	{"/run/resolvconf", CONFINE_READ},
	{"/run/NetworkManager", CONFINE_READ},
#if SANITIZED
	{"/proc", CONFINE_READ}, /* it looks for what nothing refers to: threads, mappings */
#endif
	{"/proc/sys/vm", CONFINE_READ}, /* malloc looks there */
	{"/sys/devices/system/cpu", CONFINE_READ},
	{"/dev/null", CONFINE_READ | CONFINE_WRITE},
	{"/dev/urandom", CONFINE_READ},
};

/* Beside what every daemon needs: settings in files are watched. */
static const char *const more_calls[] = {"inotify_init1", "inotify_add_watch", "inotify_rm_watch",
					 NULL};

static int add_settings(int fd)
{
	static const char *const names[] = {"vms.d", "authorize.d"};
	const char *directory = getenv("VMREPLICA_STANDALONE_DIR");
	char path[4096];
	int rc = 0;

	directory = directory == NULL ? VMR_SYSCONFDIR : directory;
	rc = confine_paths_add(fd, directory, CONFINE_READ);
	for (size_t i = 0; rc == 0 && i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		rc = confine_paths_add(fd, path, CONFINE_READ | CONFINE_WRITE);
	}
	return rc;
}

static int add_paths(int fd, const struct config *config)
{
	const char *const certificates[] = {config->tls_ca, config->tls_certificate,
					    config->tls_key, config->tls_crl};
	int rc = config->standalone ? add_settings(fd) : 0;

	for (size_t i = 0; rc == 0 && i < sizeof(always) / sizeof(always[0]); i++) {
		rc = confine_paths_add(fd, always[i].path, always[i].access);
	}
	for (size_t i = 0; rc == 0 && i < sizeof(certificates) / sizeof(certificates[0]); i++) {
		rc = confine_paths_add_around(fd, certificates[i]);
	}
	return rc;
}

static int enter_paths(const struct config *config, char error[CONFINE_ERROR_LEN])
{
	cleanup_close int fd = confine_paths_new(true, error);
	int rc;

	if (fd == -EOPNOTSUPP) {
		log_warning("the broker's files are not restricted: %s", error);
		return 0;
	}
	if (fd < 0) {
		return fd;
	}
	rc = add_paths(fd, config);
	rc = rc < 0 ? rc : confine_paths_enter(fd);
	if (rc < 0) {
		snprintf(error, CONFINE_ERROR_LEN, "the broker's files cannot be restricted: %s",
			 strerror(-rc));
	}
	return rc;
}

int confinement_enter(const struct config *config, char error[CONFINE_ERROR_LEN])
{
	const struct confine_calls calls = {.more = more_calls};
	int rc = enter_paths(config, error);

	return rc < 0 ? rc : confine_calls(&calls, error);
}
