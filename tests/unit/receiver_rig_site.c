/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rig's certificates, directories and users. */
#include <errno.h>
#include <ftw.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/pki.h"
#include "receiver_rig.h"

/* Root cannot be the receiver here: it would become user vmreplica, which a build machine has not.
 */
void rig_user(uid_t *ret_uid, gid_t *ret_gid, bool *ret_drops)
{
	const struct passwd *user = NULL;

	if (geteuid() == 0) {
		user = getpwnam("vmreplica");
		*ret_drops = user != NULL;
		user = user == NULL ? getpwnam("nobody") : user;
	}
	*ret_uid = user == NULL ? geteuid() : user->pw_uid;
	*ret_gid = user == NULL ? getegid() : user->pw_gid;
}

static void rig_give(const char *path)
{
	uid_t uid;
	gid_t gid;
	bool drops;

	rig_user(&uid, &gid, &drops);
	if (chown(path, uid, gid) < 0) {
		rig_die("chown %s: %s", path, strerror(errno));
	}
}

static void rig_issue(const struct rig *rig, const char *node, const char *site)
{
	const char *const names[] = {site, NULL};
	const struct pki_request request = {.node = node, .dns_names = names, .days = 2};
	char error[PKI_ERROR_LEN], path[RIG_PATH + 64];

	if (pki_issue(rig->root, &request, error) < 0) {
		rig_die("pki: %s", error);
	}
	snprintf(path, sizeof(path), "%s/%s.key", rig->root, node);
	rig_give(path);
}

static struct tls_context *rig_context(const struct rig *rig, const char *node)
{
	char ca[RIG_PATH + 64], certificate[RIG_PATH + 64], key[RIG_PATH + 64];
	const struct tls_files files = {.ca = ca, .certificate = certificate, .key = key};
	struct tls_context *context;
	char error[TLS_ERROR_LEN];

	snprintf(ca, sizeof(ca), "%s/ca.crt", rig->root);
	snprintf(certificate, sizeof(certificate), "%s/%s.crt", rig->root, node);
	snprintf(key, sizeof(key), "%s/%s.key", rig->root, node);
	context = tls_context_new(&files, error);
	if (context == NULL) {
		rig_die("tls: %s", error);
	}
	return context;
}

void rig_init(struct rig *rig)
{
	char error[PKI_ERROR_LEN];

	memset(rig, 0, sizeof(*rig));
	rig->fd = -1;
	strcpy(rig->root, "/tmp/vmreplica-rig-XXXXXX");
	if (mkdtemp(rig->root) == NULL || chmod(rig->root, 0755) < 0) {
		rig_die("%s: %s", rig->root, strerror(errno));
	}
	if (pki_init(rig->root, "test", 2, error) < 0) {
		rig_die("pki: %s", error);
	}
	rig_issue(rig, "a1.a.example", RIG_SITE);
	rig_issue(rig, "c1.c.example", "c.example");
	rig_issue(rig, "b1.b.example", "b.example");
	rig->sender_tls = rig_context(rig, "a1.a.example");
	rig->stranger_tls = rig_context(rig, "c1.c.example");
	snprintf(rig->store, sizeof(rig->store), "%.400s/store", rig->root);
	if (mkdir(rig->store, 0750) < 0) {
		rig_die("%s: %s", rig->store, strerror(errno));
	}
	rig_give(rig->store);
}

static int remove_cb(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void rig_destroy(struct rig *rig)
{
	if (rig->pid != 0) {
		rig_stop(rig);
	}
	tls_context_unref(rig->sender_tls);
	tls_context_unref(rig->stranger_tls);
	nftw(rig->root, remove_cb, 8, FTW_DEPTH | FTW_PHYS);
}
