/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The templates on a configuration in memory: what they make, what they take, what they refuse. */
#include <errno.h>
#include <libxml/xpath.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cib_lookup.h"
#include "cluster/cib_settings.h"
#include "cluster/cib_templates.h"
#include "cluster/nvpair_list.h"
#include "cluster/xml_tree.h"
#include "common/cleanup.h"
#include "tests/unit/cib_session.h"
#include "tests/unit/files.h"
#include "tests/unit/unit.h"

/* A configuration in which our resource is named in every way that Pacemaker has. */
static const char crowded[] =
	"<configuration><crm_config/><nodes/><resources>"
	"<primitive id='r' class='ocf' provider='vmreplica' type='vm'><instance_attributes "
	"id='odd'>"
	"<nvpair id='odd-f' name='frequency' value='30'/><nvpair id='odd-b' name='bandwidth' "
	"value='1M'/>"
	"</instance_attributes></primitive>"
	"<primitive id='other' class='ocf' provider='heartbeat' type='Dummy'/>"
	"<group id='g'><primitive id='alone' class='ocf' provider='vmreplica' type='vm'/></group>"
	"<group id='h'><primitive id='two' class='ocf' provider='vmreplica' type='vm'/>"
	"<primitive id='company' class='ocf' provider='heartbeat' type='Dummy'/></group>"
	"</resources><constraints>"
	"<rsc_location id='c1' rsc='r' node='a' score='1'/>"
	"<rsc_location id='c2' rsc='other' node='a' score='1'/>"
	"<rsc_order id='c3' first='other' then='r'/><rsc_order id='c4' first='r' then='other'/>"
	"<rsc_colocation id='c5' rsc='other' with-rsc='r' score='1'/>"
	"<rsc_order id='c6'><resource_set id='s1'><resource_ref id='r'/></resource_set></rsc_order>"
	"<rsc_order id='c7'><resource_set id='s2'><resource_ref id='r'/></resource_set>"
	"<resource_set id='s3'><resource_ref id='other'/></resource_set></rsc_order>"
	"<rsc_order id='c8'><resource_set id='s4'><resource_ref id='r'/><resource_ref id='other'/>"
	"</resource_set></rsc_order>"
	"</constraints><tags><tag id='t1'><obj_ref id='r'/></tag>"
	"<tag id='t2'><obj_ref id='r'/><obj_ref id='other'/></tag></tags></configuration>";

static xmlDoc *base_document(const xmlNode **ret_configuration)
{
	cleanup_free char *xml = NULL;
	size_t len = 0;
	xmlDoc *doc;

	xml = file_read(TEST_FIXTURES "/cib/base.xml", &len);
	doc = xml_document_read(xml, len);
	if (doc != NULL) {
		*ret_configuration = xml_child(xmlDocGetRootElement(doc), "configuration");
	}
	return doc;
}

static int create(const xmlNode *configuration, const Vmreplica__Ipc__CibCreateVm *request,
		  char error[VM_RESOURCE_ERROR_LEN])
{
	xmlDoc *fragment = NULL;
	int result = cib_template_create_vm(configuration, request, &fragment, error);

	CU_ASSERT_EQUAL(result == 0, fragment != NULL);
	xmlFreeDoc(fragment);
	return result;
}

static void test_create_refusals(void)
{
	const xmlNode *configuration = NULL;
	cleanup_xml_doc xmlDoc *doc = base_document(&configuration);
	char error[VM_RESOURCE_ERROR_LEN] = "";
	static char web1[] = "web1", clone[] = "vmreplica-engine-clone", gone[] = "gone",
		    a9[] = "a9";
	Vmreplica__Ipc__CibCreateVm *request = cib_example(0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
	CU_ASSERT_EQUAL(create(configuration, request, error), 0);
	request->resource = web1;
	CU_ASSERT_EQUAL(create(configuration, request, error), -EEXIST);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "web1 is taken"));
	request->resource = clone; /* an id is an id, whatever has it */
	CU_ASSERT_EQUAL(create(configuration, request, error), -EEXIST);
	request = cib_example(0);
	request->vm_resource = gone;
	CU_ASSERT_EQUAL(create(configuration, request, error), -ENOENT);
	request = cib_example(0);
	request->engine_clone = gone;
	CU_ASSERT_EQUAL(create(configuration, request, error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "create the clone"));
	request = cib_example(1);
	request->location_node = a9;
	CU_ASSERT_EQUAL(create(configuration, request, error), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "no node a9"));
}

/* A request with one field replaced; NULL leaves it. */
static int create_with(const char *resource, const char *vm_resource, const char *clone,
		       const char *node, const char *parameter, const char *value)
{
	const xmlNode *configuration = NULL;
	cleanup_xml_doc xmlDoc *doc = base_document(&configuration);
	char error[VM_RESOURCE_ERROR_LEN];
	Vmreplica__Ipc__CibCreateVm *request = cib_example(0);
	char copies[4][VM_RESOURCE_VALUE_MAX + 16];
	char **fields[] = {&request->resource, &request->vm_resource, &request->engine_clone,
			   &request->location_node};
	const char *texts[] = {resource, vm_resource, clone, node};
	Vmreplica__Ipc__CibNvpair extra = VMREPLICA__IPC__CIB_NVPAIR__INIT;
	char name[64], text[VM_RESOURCE_VALUE_MAX + 16];

	for (size_t i = 0; i < 4; i++) {
		if (texts[i] != NULL) {
			snprintf(copies[i], sizeof(copies[i]), "%s", texts[i]);
			*fields[i] = copies[i];
		}
	}
	if (parameter != NULL) {
		snprintf(name, sizeof(name), "%s", parameter);
		snprintf(text, sizeof(text), "%s", value);
		extra.name = name;
		extra.value = text;
		request->parameters[request->n_parameters++] = &extra;
	}
	return create(configuration, request, error);
}

/* No field can carry anything but what belongs there. */
static void test_bad_fields(void)
{
	char long_value[VM_RESOURCE_VALUE_MAX + 2];

	CU_ASSERT_EQUAL(create_with("x' or '1'='1", NULL, NULL, NULL, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(create_with("", NULL, NULL, NULL, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(create_with("1st", NULL, NULL, NULL, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, "a b", NULL, NULL, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, "", NULL, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, "<x/>", NULL, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, "a 1", NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, "a;reboot", NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "envvars", "x"), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "vm", "web2"), -EINVAL); /* twice */
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "storage", "a\nb"), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "storage", "\x1b[0m"), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "storage", "\xff"), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "storage", "\xc3"), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "storage", "\xc0\x80"), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "storage", "\xed\xa0\x80"), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "storage", "\xef\xbf\xbf"), -EINVAL);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "storage", "\xf5\x80\x80\x80"),
			-EINVAL);
	memset(long_value, 'x', sizeof(long_value) - 1);
	long_value[sizeof(long_value) - 1] = '\0';
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "storage", long_value), -EINVAL);
	long_value[VM_RESOURCE_VALUE_MAX] = '\0';
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "storage", long_value), 0);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "storage", "/srv/gr\xc3\xbc\xc3\x9f"),
			0);
	CU_ASSERT_EQUAL(create_with(NULL, NULL, NULL, NULL, "storage", "/\xf0\x9f\x98\x80"), 0);
}

/* The same request again is the same fragment, another relationship is refused. */
static void test_create_again(void)
{
	char text[2048], error[VM_RESOURCE_ERROR_LEN];
	static char r[] = "r";
	Vmreplica__Ipc__CibCreateVm *request = cib_example(0);
	const char *uuids[] = {CIB_EXAMPLE_RELATIONSHIP, "99999999-2222-3333-4444-555555555555"};

	for (int i = 0; i < 2; i++) {
		cleanup_xml_doc xmlDoc *doc = NULL;

		snprintf(text, sizeof(text),
			 "<configuration><nodes/><resources><clone id='vmreplica-engine-clone'/>"
			 "<primitive id='web1' class='ocf' provider='heartbeat' "
			 "type='VirtualDomain'/>"
			 "<primitive id='r' class='ocf' provider='vmreplica' type='vm'>"
			 "<instance_attributes id='ra'><nvpair id='rr' name='relationship' "
			 "value='%s'/>"
			 "</instance_attributes></primitive></resources></configuration>",
			 uuids[i]);
		doc = xml_document_read(text, strlen(text));
		CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
		request->resource = r;
		CU_ASSERT_EQUAL(create(xmlDocGetRootElement(doc), request, error),
				i == 0 ? 0 : -EEXIST);
	}
}

/* Delete what xpath matches; -1 when one match lies inside another. */
static int apply_delete(xmlDoc *doc, const char *xpath)
{
	xmlXPathContext *context = xmlXPathNewContext(doc);
	xmlXPathObject *found = xmlXPathEval((const xmlChar *)xpath, context);
	int count = found != NULL && found->nodesetval != NULL ? found->nodesetval->nodeNr : 0;
	int result = count;

	for (int i = 0; i < count; i++) {
		for (int j = 0; j < count; j++) {
			const xmlNode *up = found->nodesetval->nodeTab[i]->parent;

			while (up != NULL && up != found->nodesetval->nodeTab[j]) {
				up = up->parent;
			}
			result = up != NULL ? -1 : result;
		}
	}
	for (int i = 0; i < count && result >= 0; i++) {
		xmlUnlinkNode(found->nodesetval->nodeTab[i]);
		xmlFreeNode(found->nodesetval->nodeTab[i]);
	}
	xmlXPathFreeObject(found);
	xmlXPathFreeContext(context);
	return result;
}

static void test_delete(void)
{
	static const char *const kept[] = {"other", "c2", "c7", "s3", "c8", "s4", "t2", "g", "h"};
	static const char *const gone[] = {"r", "c1", "c3", "c4", "c5", "c6", "s1", "s2", "t1"};
	cleanup_xml_doc xmlDoc *doc = xml_document_read(crowded, strlen(crowded));
	const xmlNode *root = xmlDocGetRootElement(doc);
	char error[VM_RESOURCE_ERROR_LEN];
	cleanup_free char *xpath = NULL;

	CU_ASSERT_EQUAL_FATAL(cib_template_delete_vm(root, "r", &xpath, error), 0);
	CU_ASSERT_EQUAL(apply_delete(doc, xpath), 10);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		CU_ASSERT_PTR_NOT_NULL(cib_find_id(root, kept[i]));
	}
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
		CU_ASSERT_PTR_NULL(cib_find_id(root, gone[i]));
	}
}

/* A VM that was bound for its replica's sake is free when that goes; one that came home stands on
 * the store, and one that an admin bound is not ours to free. */
static void test_delete_location(void)
{
	static const char format[] =
		"<configuration><crm_config/><nodes/><resources>"
		"<primitive id='r' class='ocf' provider='vmreplica' type='vm'>"
		"<instance_attributes id='i'><nvpair id='i1' name='role' value='%s'/>"
		"<nvpair id='i2' name='vm_resource' value='%s'/></instance_attributes></primitive>"
		"<primitive id='v' class='ocf' provider='heartbeat' type='VirtualDomain'/>"
		"</resources><constraints>"
		"<rsc_location id='vmreplica-location-v' rsc='v' node='a' score='1'/>"
		"<rsc_location id='admins' rsc='v' node='a' score='1'/>"
		"</constraints></configuration>";
	static const struct {
		const char *role, *vm;
		bool goes;
	} cases[] = {{"replica", "v", true}, {"primary", "v", false}, {"replica", "x'y", false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[2048], escaped[64], error[VM_RESOURCE_ERROR_LEN];
		cleanup_xml_doc xmlDoc *doc = NULL;
		cleanup_free char *xpath = NULL;
		const xmlNode *root;

		snprintf(escaped, sizeof(escaped), "%s",
			 strchr(cases[i].vm, '\'') != NULL ? "x&apos;y" : cases[i].vm);
		snprintf(text, sizeof(text), format, cases[i].role, escaped);
		doc = xml_document_read(text, strlen(text));
		root = xmlDocGetRootElement(doc);
		CU_ASSERT_EQUAL_FATAL(cib_template_delete_vm(root, "r", &xpath, error), 0);
		CU_ASSERT_EQUAL(apply_delete(doc, xpath), cases[i].goes ? 2 : 1);
		CU_ASSERT_EQUAL(cib_find_id(root, "vmreplica-location-v") == NULL, cases[i].goes);
		CU_ASSERT_PTR_NOT_NULL(cib_find_id(root, "admins"));
	}
}

static void test_delete_refusals(void)
{
	cleanup_xml_doc xmlDoc *doc = xml_document_read(crowded, strlen(crowded));
	const xmlNode *root = xmlDocGetRootElement(doc);
	char error[VM_RESOURCE_ERROR_LEN] = "";
	char *xpath = NULL;

	/* never anything that is not ours */
	CU_ASSERT_EQUAL(cib_template_delete_vm(root, "other", &xpath, error), -ENOENT);
	CU_ASSERT_EQUAL(cib_template_delete_vm(root, "g", &xpath, error), -ENOENT);
	CU_ASSERT_EQUAL(cib_template_delete_vm(root, "nothing", &xpath, error), -ENOENT);
	CU_ASSERT_EQUAL(cib_template_delete_vm(root, "x']|//*['", &xpath, error), -EINVAL);
	CU_ASSERT_EQUAL(cib_template_delete_vm(root, "alone", &xpath, error), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "pcs resource ungroup"));
	CU_ASSERT_PTR_NULL(xpath);
	CU_ASSERT_EQUAL(cib_template_delete_vm(root, "two", &xpath, error), 0);
	free(xpath);
}

static void test_update(void)
{
	cleanup_xml_doc xmlDoc *doc = xml_document_read(crowded, strlen(crowded));
	Vmreplica__Ipc__CibNvpair pairs[3], *list[3] = {&pairs[0], &pairs[1], &pairs[2]};
	static char r[] = "r", frequency[] = "frequency", sixty[] = "60", bandwidth[] = "bandwidth",
		    none[] = "", priority[] = "priority", five[] = "5", other[] = "other";
	Vmreplica__Ipc__CibUpdateVm request = VMREPLICA__IPC__CIB_UPDATE_VM__INIT;
	char *names[] = {frequency, bandwidth, priority};
	char *values[] = {sixty, none, five};
	char error[VM_RESOURCE_ERROR_LEN];
	xmlDoc *fragment = NULL;
	char *xpath = NULL, *delete_xpath = NULL;

	for (int i = 0; i < 3; i++) {
		vmreplica__ipc__cib_nvpair__init(&pairs[i]);
		pairs[i].name = names[i];
		pairs[i].value = values[i];
	}
	request.resource = r;
	request.parameters = list;
	request.n_parameters = 3;
	CU_ASSERT_EQUAL_FATAL(cib_template_update_vm(xmlDocGetRootElement(doc), &request, &fragment,
						     &xpath, &delete_xpath, error),
			      0);
	/* what is there keeps its ids, what is new gets pcs's */
	CU_ASSERT_PTR_NOT_NULL(xml_find_id(xmlDocGetRootElement(fragment), "odd-f"));
	CU_ASSERT_PTR_NOT_NULL(xml_find_id(xmlDocGetRootElement(fragment), "odd-priority"));
	CU_ASSERT_STRING_EQUAL(xpath, "//resources//primitive[@id='r']");
	CU_ASSERT_EQUAL(apply_delete(doc, delete_xpath), 1);
	CU_ASSERT_PTR_NULL(cib_find_id(xmlDocGetRootElement(doc), "odd-b"));
	xmlFreeDoc(fragment);
	free(xpath);
	free(delete_xpath);
	request.resource = other;
	CU_ASSERT_EQUAL(cib_template_update_vm(xmlDocGetRootElement(doc), &request, &fragment,
					       &xpath, &delete_xpath, error),
			-ENOENT);
}

static void test_settings_fields(void)
{
	char error[VM_RESOURCE_ERROR_LEN], longest[sizeof("vmreplica-") + RESOURCE_ID_MAX + 1];
	xmlDoc *fragment = NULL;
	char *xpath = NULL;

	memset(longest, 0, sizeof(longest));
	memcpy(longest, "vmreplica-", strlen("vmreplica-"));
	memset(longest + strlen("vmreplica-"), 'x', RESOURCE_ID_MAX);
	CU_ASSERT_EQUAL(cib_template_set_setting("stonith-enabled", "false", &fragment, error),
			-EINVAL);
	CU_ASSERT_EQUAL(cib_template_set_setting("vmreplica-", "x", &fragment, error), -EINVAL);
	CU_ASSERT_EQUAL(cib_template_set_setting("vmreplica-a b", "x", &fragment, error), -EINVAL);
	CU_ASSERT_EQUAL(cib_template_set_setting("vmreplica-a", "x\ty", &fragment, error), -EINVAL);
	CU_ASSERT_EQUAL(cib_template_unset_setting("vmreplica-'", &xpath, error), -EINVAL);
	CU_ASSERT_EQUAL(cib_template_unset_setting("cluster-name", &xpath, error), -EINVAL);
	CU_ASSERT_PTR_NULL(fragment);
	CU_ASSERT_PTR_NULL(xpath);
	CU_ASSERT_EQUAL(vm_resource_check_health("vmreplica-web1", "Warning: x", error), 0);
	CU_ASSERT_EQUAL(vm_resource_check_health(longest, "OK", error), 0);
	longest[strlen(longest)] = 'x';
	CU_ASSERT_EQUAL(vm_resource_check_health(longest, "OK", error), -EINVAL);
	CU_ASSERT_EQUAL(vm_resource_check_health("standby", "on", error), -EINVAL);
	CU_ASSERT_EQUAL(vm_resource_check_health("vmreplica--x", "", error), -EINVAL);
	CU_ASSERT_EQUAL(vm_resource_check_health("vmreplica-web1", "a\nb", error), -EINVAL);
}

static const Vmreplica__Ipc__CibResource *resource_of(const Vmreplica__Ipc__CibSettings *settings,
						      const char *id)
{
	for (size_t i = 0; i < settings->n_resources; i++) {
		if (strcmp(settings->resources[i]->id, id) == 0) {
			return settings->resources[i];
		}
	}
	return NULL;
}

static void test_settings_read(void)
{
	const xmlNode *configuration = NULL;
	cleanup_xml_doc xmlDoc *doc = base_document(&configuration);
	const Vmreplica__Ipc__CibResource *web2, *broker;
	Vmreplica__Ipc__CibSettings *settings;

	CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
	settings = cib_settings_read(configuration);
	CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
	CU_ASSERT_EQUAL(settings->n_settings, 1); /* one that a change of role took is none */
	CU_ASSERT_STRING_EQUAL(settings->settings[0]->name, "vmreplica-stray");
	CU_ASSERT_EQUAL(settings->n_resources, 4); /* not the IP address */
	/* in a group, from a template, with a rule (left out), a reference and its own parameter */
	web2 = resource_of(settings, "web2");
	CU_ASSERT_PTR_NOT_NULL_FATAL(web2);
	CU_ASSERT_STRING_EQUAL(web2->type, "ocf:heartbeat:VirtualDomain");
	CU_ASSERT_EQUAL(web2->n_parameters, 2);
	CU_ASSERT_STRING_EQUAL(nvpair_find(web2->parameters, web2->n_parameters, "config"),
			       "/srv/vms/web2.xml");
	CU_ASSERT_STRING_EQUAL(nvpair_find(web2->parameters, web2->n_parameters, "hypervisor"),
			       "qemu:///system");
	CU_ASSERT_STRING_EQUAL(nvpair_find(web2->meta, web2->n_meta, "allow-migrate"), "true");
	broker = resource_of(settings, "vmreplica-broker");
	CU_ASSERT_PTR_NOT_NULL_FATAL(broker);
	CU_ASSERT_STRING_EQUAL(nvpair_find(broker->parameters, broker->n_parameters, "address"),
			       "192.0.2.100");
	CU_ASSERT_PTR_NOT_NULL(resource_of(settings, "vmreplica-engine"));
	vmreplica__ipc__cib_settings__free_unpacked(settings, NULL);
}

static const struct unit_test tests[] = {
	{"create: refusals", test_create_refusals},
	{"create: bad fields", test_bad_fields},
	{"create again", test_create_again},
	{"delete", test_delete},
	{"delete: refusals", test_delete_refusals},
	{"delete with its location", test_delete_location},
	{"update", test_update},
	{"settings: fields", test_settings_fields},
	{"settings: read", test_settings_read},
};
UNIT_MAIN("cib_templates", tests)
