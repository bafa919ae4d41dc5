/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_run.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/source_call.h"
#include "engine/source_error.h"
#include "engine/source_rpc.h"

#define POLL_MS		500
#define COMMIT_LOST_MAX 20 /* looks at a job that libvirt does not answer */
#define COMMIT_END_MS	60000
/* 64 MiB/s, as merges in the store have, and a little: a commit at just this rate is ours, also
 * when the engine that began it is gone. agents/vmreplica-shellfuncs.in looks for the same number.
 */
#define COMMIT_BYTES_PER_S 67108879

/* ---- who QEMU is ---- */

static int ask_capabilities(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	(void)domain;
	call->reply[0] = virConnectGetCapabilities(conn);
	return call->reply[0] != NULL
		       ? 0
		       : source_call_translate(call, conn, "asking for the host's capabilities");
}

/* <secmodel><model>dac</model><baselabel type='kvm'>+64055:+64055</baselabel> */
static bool parse_user(const char *xml, uid_t *ret_uid, gid_t *ret_gid)
{
	xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
				    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	xmlXPathContext *context = doc != NULL ? xmlXPathNewContext(doc) : NULL;
	xmlXPathObject *found =
		context != NULL ? xmlXPathEval((const xmlChar *)"string(/capabilities/host/secmodel"
								"[model='dac']/baselabel[1])",
					       context)
				: NULL;
	unsigned int uid, gid;
	bool ok = found != NULL && found->stringval != NULL &&
		  sscanf((const char *)found->stringval, "+%u:+%u", &uid, &gid) == 2;

	if (ok) {
		*ret_uid = uid;
		*ret_gid = gid;
	}
	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	xmlFreeDoc(doc);
	return ok;
}

int source_run_user(struct source_connection *connection, uid_t *ret_uid, gid_t *ret_gid,
		    char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, NULL, ask_capabilities, NULL, NULL);
	int result;

	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = source_call_run(call, SOURCE_CALL_QUERY_MS, error);
	if (result < 0) {
		return result;
	}
	if (!parse_user(call->reply[0], ret_uid, ret_gid)) {
		return source_fail(-ENOENT, error,
				   "libvirt does not say which user QEMU runs as: is its security "
				   "driver \"dac\" off in qemu.conf?");
	}
	return 0;
}

/* ---- does it run ---- */

static int ask_state(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	int active = virDomainIsActive(domain);

	if (active < 0) {
		return source_call_translate(call, conn, "asking whether the VM runs");
	}
	call->number = active;
	return 0;
}

int source_run_state(struct source_connection *connection, const char *vm,
		     enum source_run_state *ret_state, char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, ask_state, NULL, NULL);
	int result;

	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = source_call_run(call, SOURCE_CALL_QUERY_MS, error);
	if (result == -ENOENT) {
		*ret_state = SOURCE_RUN_ABSENT;
		return 0;
	}
	if (result == 0) {
		*ret_state = call->number == 1 ? SOURCE_RUN_RUNNING : SOURCE_RUN_OFF;
	}
	return result;
}

/* ---- starting and ending ---- */

static int create(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	virDomainPtr made = virDomainCreateXML(conn, call->text[0], 0);

	(void)domain;
	if (made == NULL) {
		return source_call_translate(call, conn, "starting the VM");
	}
	virDomainFree(made);
	return 0;
}

int source_run_create(struct source_connection *connection, const char *vm, const char *xml,
		      char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call = NULL;
	enum source_run_state state = SOURCE_RUN_ABSENT;
	int result = source_run_state(connection, vm, &state, error);

	if (result < 0 || state == SOURCE_RUN_RUNNING) {
		return result;
	}
	call = source_call_new(connection, NULL, create, xml, NULL);
	return call == NULL ? source_fail(-ENOMEM, error, "out of memory")
			    : source_call_run(call, SOURCE_CALL_CHANGE_MS, error);
}

static int shut_down(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	return virDomainShutdown(domain) == 0
		       ? 0
		       : source_call_translate(call, conn, "asking the VM to shut down");
}

static int destroy(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	return virDomainDestroy(domain) == 0 ? 0
					     : source_call_translate(call, conn, "ending the VM");
}

static int run_on(struct source_connection *connection, const char *vm, source_call_fn fn,
		  char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, fn, NULL, NULL);

	return call == NULL ? source_fail(-ENOMEM, error, "out of memory")
			    : source_call_run(call, SOURCE_CALL_CHANGE_MS, error);
}

int source_run_end(struct source_connection *connection, const char *vm, int grace_ms,
		   char error[SOURCE_ERROR_LEN])
{
	int64_t deadline = clock_monotonic_ms() + grace_ms;
	enum source_run_state state = SOURCE_RUN_ABSENT;
	int result = source_run_state(connection, vm, &state, error);

	if (result == 0 && state == SOURCE_RUN_RUNNING && grace_ms > 0) {
		run_on(connection, vm, shut_down, error); /* what it does not obey, it is made to */
	}
	while (result == 0 && state == SOURCE_RUN_RUNNING && clock_monotonic_ms() < deadline) {
		clock_sleep_ms(POLL_MS);
		result = source_run_state(connection, vm, &state, error);
	}
	if (result == 0 && state == SOURCE_RUN_RUNNING) {
		result = run_on(connection, vm, destroy, error);
		/* it may have ended by itself meanwhile */
		result = result == -ENOENT || result == -EINVAL ? 0 : result;
	}
	return result;
}

/* ---- consolidating ---- */

/* Somebody reads the images just now, be it with qemu-img's -U: QEMU merges none under a reader.
 * libvirt has no code for that. */
static int commit_refused(struct source_call *call, virConnectPtr conn)
{
	int result = source_call_translate(call, conn, "merging the VM's images");

	return strstr(call->error, "\" lock") != NULL ? -EBUSY : result;
}

/* text[0] "disk\nbase", text[1] top. */
static int commit_begin(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	cleanup_free char *disk = strdup(call->text[0]);
	char *base = disk != NULL ? strchr(disk, '\n') : NULL;

	if (base == NULL) {
		return source_fail(-ENOMEM, call->error, "out of memory");
	}
	*base++ = '\0';
	return virDomainBlockCommit(domain, disk, base, call->text[1], COMMIT_BYTES_PER_S,
				    VIR_DOMAIN_BLOCK_COMMIT_BANDWIDTH_BYTES) == 0
		       ? 0
		       : commit_refused(call, conn);
}

/* It began after its caller had given up. */
static int commit_undo(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	cleanup_free char *disk = strndup(call->text[0], strcspn(call->text[0], "\n"));

	if (disk == NULL) {
		return source_fail(-ENOMEM, call->error, "out of memory");
	}
	return virDomainBlockJobAbort(domain, disk, 0) == 0
		       ? 0
		       : source_call_translate(call, conn, "giving up the merge of images");
}

/* number: 1 while a block job of the disk runs. */
static int commit_look(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	virDomainBlockJobInfo info;
	int running = virDomainGetBlockJobInfo(domain, call->text[0], &info, 0);

	if (running < 0) {
		return source_call_translate(call, conn, "looking at the merge of images");
	}
	call->number = running;
	return 0;
}

static int commit_abort(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	return virDomainBlockJobAbort(domain, call->text[0], 0) == 0
		       ? 0
		       : source_call_translate(call, conn, "giving up the merge of images");
}

static int run_on_disk(struct source_connection *connection, const char *vm, const char *disk,
		       source_call_fn fn, int *ret_number, char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, fn, disk, NULL);
	int result = call == NULL ? source_fail(-ENOMEM, error, "out of memory")
				  : source_call_run(call, SOURCE_CALL_CHANGE_MS, error);

	if (result == 0) {
		*ret_number = call->number;
	}
	return result;
}

/* A VM that is gone or off has no job. */
static bool is_gone(int result)
{
	return result == -ENOENT || result == -EINVAL;
}

/* Until it is gone: left behind it would make the VM's live migration fail. */
static void commit_end(struct source_connection *connection, const char *vm, const char *disk)
{
	int64_t until = clock_monotonic_ms() + COMMIT_END_MS;
	char error[SOURCE_ERROR_LEN] = "QEMU goes on with it";
	int running = 1, ignored = 0, result = 0;

	while (running == 1 && !is_gone(result)) {
		if (clock_monotonic_ms() >= until) {
			log_warning("vm %s: the merge of images on %s does not end (%s): virsh "
				    "blockjob %s %s --abort ends it",
				    vm, disk, error, vm, disk);
			return;
		}
		run_on_disk(connection, vm, disk, commit_abort, &ignored, error);
		result = run_on_disk(connection, vm, disk, commit_look, &running, error);
		clock_sleep_ms(running == 1 ? POLL_MS : 0);
	}
}

static int commit_wait(struct source_connection *connection, const char *vm, const char *disk,
		       const atomic_bool *stop, char error[SOURCE_ERROR_LEN])
{
	int running = 1, lost = 0, result = 0;

	while (running == 1 && lost < COMMIT_LOST_MAX && result != -ENOENT) {
		clock_sleep_ms(POLL_MS);
		if (*stop) {
			commit_end(connection, vm, disk);
			return source_fail(-ECANCELED, error, "given up");
		}
		result = run_on_disk(connection, vm, disk, commit_look, &running, error);
		lost = result < 0 ? lost + 1 : 0;
	}
	if (running == 1) {
		commit_end(connection, vm, disk);
	}
	return result;
}

int source_run_commit(struct source_connection *connection, const char *vm, const char *disk,
		      const char *base, const char *top, const atomic_bool *stop,
		      char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call = NULL;
	cleanup_free char *what = NULL;
	int result;

	if (asprintf(&what, "%s\n%s", disk, base) < 0) {
		what = NULL;
		return source_fail(-ENOMEM, error, "out of memory");
	}
	call = source_call_new(connection, vm, commit_begin, what, top);
	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	call->undo = commit_undo;
	result = source_call_run(call, SOURCE_CALL_CHANGE_MS, error);
	return result < 0 ? result : commit_wait(connection, vm, disk, stop, error);
}

/* ---- what an earlier engine left ---- */

static bool is_our_commit(virDomainPtr domain, const char *disk)
{
	virDomainBlockJobInfo info;

	return virDomainGetBlockJobInfo(domain, disk, &info,
					VIR_DOMAIN_BLOCK_JOB_INFO_BANDWIDTH_BYTES) == 1 &&
	       info.type == VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT &&
	       info.bandwidth == COMMIT_BYTES_PER_S;
}

/* number counts. */
static int end_commit_of(struct source_call *call, virConnectPtr conn, virDomainPtr domain,
			 const char *disk)
{
	int64_t until = clock_monotonic_ms() + COMMIT_END_MS / 4;

	if (!is_our_commit(domain, disk)) {
		return 0;
	}
	if (virDomainBlockJobAbort(domain, disk, 0) < 0) {
		int result =
			source_call_translate(call, conn, "ending a merge of images left behind");

		return is_our_commit(domain, disk) ? result : 0;
	}
	while (is_our_commit(domain, disk)) {
		if (clock_monotonic_ms() >= until) {
			return source_fail(-EAGAIN, call->error,
					   "a merge of images was told to end but still runs");
		}
		clock_sleep_ms(POLL_MS);
	}
	call->number++;
	return 0;
}

static int end_commits(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	cleanup_free char *xml = virDomainGetXMLDesc(domain, 0);
	xmlDoc *doc =
		xml != NULL
			? xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
					XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)
			: NULL;
	xmlXPathContext *context = doc != NULL ? xmlXPathNewContext(doc) : NULL;
	xmlXPathObject *found =
		context != NULL
			? xmlXPathEval((const xmlChar *)"/domain/devices/disk/target/@dev", context)
			: NULL;
	xmlNodeSet *nodes = found != NULL ? found->nodesetval : NULL;
	int result =
		xml != NULL ? 0 : source_call_translate(call, conn, "asking for the VM's disks");

	for (int i = 0; nodes != NULL && i < nodes->nodeNr && result == 0; i++) {
		xmlChar *disk = xmlNodeGetContent(nodes->nodeTab[i]);

		result = disk != NULL ? end_commit_of(call, conn, domain, (const char *)disk) : 0;
		xmlFree(disk);
	}
	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	xmlFreeDoc(doc);
	return result;
}

int source_run_end_commits(struct source_connection *connection, const char *vm,
			   char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, vm, end_commits, NULL, NULL);
	int result = call == NULL ? source_fail(-ENOMEM, error, "out of memory")
				  : source_call_run(call, SOURCE_CALL_CHANGE_MS, error);

	if (result == 0 && call->number > 0) {
		log_notice("vm %s: ended a merge of images of ours that nobody watched", vm);
	}
	return result < 0 ? result : call->number;
}
