/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/source_security.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "engine/source_call.h"
#include "engine/source_error.h"
#include "engine/source_libxml.h"

static char *content_of(const xmlNode *node)
{
	xmlChar *text = node != NULL ? xmlNodeGetContent(node) : NULL;
	char *copy = text != NULL ? strdup((const char *)text) : NULL;

	xmlFree(text);
	return copy;
}

/* <secmodel><model>dac</model><baselabel type='kvm'>+64055:+64055</baselabel></secmodel> */
static bool take_owner(const xmlNode *model, struct source_security *security)
{
	for (const xmlNode *node = model->children; node != NULL; node = node->next) {
		cleanup_free char *label = strcmp((const char *)node->name, "baselabel") == 0
						   ? content_of(node)
						   : NULL;
		unsigned int uid, gid;

		if (label != NULL && sscanf(label, "+%u:+%u", &uid, &gid) == 2) {
			security->uid = uid;
			security->gid = gid;
			return true;
		}
	}
	return false;
}

int source_security_parse(const char *capabilities, struct source_security *ret_security)
{
	cleanup_xml_doc xmlDocPtr document = source_libxml_parse(capabilities);
	const xmlNode *root = document != NULL ? xmlDocGetRootElement(document) : NULL;
	const xmlNode *host = source_libxml_child(root, "host");
	struct source_security security = {0};
	bool known = false;

	for (const xmlNode *node = host != NULL ? host->children : NULL; node != NULL;
	     node = node->next) {
		cleanup_free char *model = NULL;

		if (strcmp((const char *)node->name, "secmodel") != 0) {
			continue;
		}
		model = content_of(source_libxml_child(node, "model"));
		if (model != NULL && strcmp(model, "dac") == 0) {
			known = take_owner(node, &security);
		}
		security.apparmor |= model != NULL && strcmp(model, "apparmor") == 0;
		security.selinux |= model != NULL && strcmp(model, "selinux") == 0;
	}
	if (!known) {
		return -EBADMSG;
	}
	*ret_security = security;
	return 0;
}

static int ask(struct source_call *call, virConnectPtr conn, virDomainPtr domain)
{
	(void)domain;
	call->reply[0] = virConnectGetCapabilities(conn);
	return call->reply[0] != NULL
		       ? 0
		       : source_call_translate(call, conn, "asking for the host's capabilities");
}

int source_security_ask(struct source_connection *connection, struct source_security *ret_security,
			char error[SOURCE_ERROR_LEN])
{
	cleanup_source_call struct source_call *call =
		source_call_new(connection, NULL, ask, NULL, NULL);
	int result;

	if (call == NULL) {
		return source_fail(-ENOMEM, error, "out of memory");
	}
	result = source_call_run(call, SOURCE_CALL_QUERY_MS, error);
	if (result == 0 && source_security_parse(call->reply[0], ret_security) != 0) {
		result = source_fail(-EBADMSG, error,
				     "libvirt does not say as which user it runs QEMU");
	}
	return result;
}
