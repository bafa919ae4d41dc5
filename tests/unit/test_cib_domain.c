/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The templates of a failover against golden files, and the real helper on a file in the place of
 * the CIB. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cib_domain.h"
#include "cluster/cib_lookup.h"
#include "cluster/nvpair_list.h"
#include "cluster/xml_tree.h"
#include "common/cleanup.h"
#include "tests/unit/cib_session.h"
#include "tests/unit/files.h"
#include "tests/unit/golden.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define OTHER "99999999-2222-3333-4444-555555555555"

static char relationship[] = CIB_EXAMPLE_RELATIONSHIP, other[] = OTHER, web9[] = "web9",
	    web1[] = "web1", web2[] = "web2", config[] = "/srv/replica/a.example/web9-11111111.xml",
	    a1[] = "a1", a9[] = "a9", replica[] = "web1-replica", none[] = "", gone[] = "gone",
	    role[] = "role", primary[] = "primary", peer[] = "peer", epoch[] = "vmreplica-epoch-x",
	    two[] = "2 x b", three[] = "3 a b.example", failover[] = "vmreplica-failover-x",
	    config_name[] = "config", vm_resource[] = "vm_resource";

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

static void example(struct domain_resource *domain, const char *id, const char *node)
{
	domain_resource_fill(domain, NULL, id, relationship, config, node);
}

static int create(const Vmreplica__Ipc__CibCreateDomain *request, char *error)
{
	const xmlNode *configuration = NULL;
	cleanup_xml_doc xmlDoc *doc = base_document(&configuration);
	xmlDoc *fragment = NULL;
	int result = cib_template_create_domain(configuration, request, &fragment, error);

	CU_ASSERT_EQUAL(result == 0, fragment != NULL);
	xmlFreeDoc(fragment);
	return result;
}

static void test_create(void)
{
	const xmlNode *configuration = NULL;
	cleanup_xml_doc xmlDoc *doc = base_document(&configuration);
	char error[VM_RESOURCE_ERROR_LEN];
	struct domain_resource domain;
	xmlDoc *fragment = NULL;
	struct golden golden;

	golden_begin(&golden);
	for (int i = 0; i < 3; i++) {
		example(&domain, web9, i == 0 ? "" : "a1");
		domain.request.test = i == 2;
		domain.request.started = i == 2;
		domain.request.guard_clone = i == 1 ? (char[]){"vmreplica-engine-clone"} : none;
		CU_ASSERT_EQUAL_FATAL(cib_template_create_domain(configuration, &domain.request,
								 &fragment, error),
				      0);
		xmlDocFormatDump(golden.file, fragment, 1);
		xmlFreeDoc(fragment);
	}
	CU_ASSERT(golden_end(&golden, "cib/create-domain.golden"));
}

static void test_create_refusals(void)
{
	static char relative[] = "web9.xml", uuid[] = "1", strange[] = "x' or '1'='1",
		    envvars[] = "envvars";
	char error[VM_RESOURCE_ERROR_LEN] = "";
	struct domain_resource domain;

	example(&domain, web1, "");
	CU_ASSERT_EQUAL(create(&domain.request, error), -EEXIST); /* somebody's production VM */
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "web1 is taken"));
	example(&domain, web9, a9);
	CU_ASSERT_EQUAL(create(&domain.request, error), -ENOENT);
	example(&domain, web9, "");
	domain.request.guard_clone = gone;
	CU_ASSERT_EQUAL(create(&domain.request, error), -ENOENT);
	example(&domain, strange, "");
	CU_ASSERT_EQUAL(create(&domain.request, error), -EINVAL);
	example(&domain, web9, "a b");
	CU_ASSERT_EQUAL(create(&domain.request, error), -EINVAL);
	example(&domain, web9, "");
	domain.request.relationship = uuid;
	CU_ASSERT_EQUAL(create(&domain.request, error), -EINVAL);
	example(&domain, web9, "");
	domain.pairs[0].value = relative;
	CU_ASSERT_EQUAL(create(&domain.request, error), -EINVAL);
	example(&domain, web9, "");
	domain.pairs[1].name = envvars;
	CU_ASSERT_EQUAL(create(&domain.request, error), -EINVAL);
	example(&domain, web9, "");
	domain.request.n_parameters = 0; /* without config it is nothing */
	CU_ASSERT_EQUAL(create(&domain.request, error), -EINVAL);
}

/* Ours, and one that is not. */
static const char made[] =
	"<configuration><nodes/><resources>"
	"<primitive id='web9' class='ocf' provider='heartbeat' type='VirtualDomain'>"
	"<meta_attributes id='m'><nvpair id='mr' name='vmreplica-relationship' "
	"value='" CIB_EXAMPLE_RELATIONSHIP "'/></meta_attributes></primitive>"
	"<primitive id='mine' class='ocf' provider='heartbeat' type='VirtualDomain'/>"
	"</resources><constraints><rsc_location id='l' rsc='web9' node='a1' score='1'/>"
	"</constraints></configuration>";

static int delete (const xmlNode *configuration, char *resource, char *of, char **ret_xpath)
{
	Vmreplica__Ipc__CibDeleteDomain request = VMREPLICA__IPC__CIB_DELETE_DOMAIN__INIT;
	char error[VM_RESOURCE_ERROR_LEN];

	request.resource = resource;
	request.relationship = of;
	return cib_template_delete_domain(configuration, &request, ret_xpath, error);
}

static void test_again(void)
{
	static char mine[] = "mine", injected[] = "x']|//*['";
	cleanup_xml_doc xmlDoc *doc = xml_document_read(made, strlen(made));
	const xmlNode *configuration = xmlDocGetRootElement(doc);
	char error[VM_RESOURCE_ERROR_LEN];
	struct domain_resource domain;
	xmlDoc *fragment = NULL;
	char *xpath = NULL;

	/* it may have been started since: nothing to merge */
	example(&domain, web9, "");
	CU_ASSERT_EQUAL(
		cib_template_create_domain(configuration, &domain.request, &fragment, error), 0);
	CU_ASSERT_PTR_NULL(fragment);
	domain.request.relationship = other;
	CU_ASSERT_EQUAL(
		cib_template_create_domain(configuration, &domain.request, &fragment, error),
		-EEXIST);
	CU_ASSERT_EQUAL(delete (configuration, mine, relationship, &xpath), -ENOENT);
	CU_ASSERT_EQUAL(delete (configuration, web9, other, &xpath), -ENOENT);
	CU_ASSERT_EQUAL(delete (configuration, gone, relationship, &xpath), -ENOENT);
	CU_ASSERT_EQUAL(delete (configuration, injected, relationship, &xpath), -EINVAL);
	CU_ASSERT_PTR_NULL(xpath);
	CU_ASSERT_EQUAL(delete (configuration, web9, relationship, &xpath), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(xpath);
	CU_ASSERT_PTR_NOT_NULL(strstr(xpath, "primitive[@id='web9']"));
	free(xpath);
}

/* ---- the change of roles ---- */

struct pairs {
	Vmreplica__Ipc__CibNvpair items[3], *list[3];
	size_t count;
};

static void add(struct pairs *pairs, char *name, char *value)
{
	vmreplica__ipc__cib_nvpair__init(&pairs->items[pairs->count]);
	pairs->items[pairs->count].name = name;
	pairs->items[pairs->count].value = value;
	pairs->list[pairs->count] = &pairs->items[pairs->count];
	pairs->count++;
}

static void print_switch(const xmlNode *configuration, const Vmreplica__Ipc__CibSwitch *request,
			 FILE *out)
{
	char error[VM_RESOURCE_ERROR_LEN] = "";
	struct cib_switch change = {0};
	int result = cib_template_switch(configuration, request, &change, error);

	fprintf(out, "--- %d %s\n%s\n", result, error,
		change.before_xpath != NULL ? change.before_xpath : "nothing goes before");
	if (change.fragment != NULL) {
		xmlDocFormatDump(out, change.fragment, 1);
	} else {
		fputs("nothing comes\n", out);
	}
	fprintf(out, "%s\n",
		change.after_xpath != NULL ? change.after_xpath : "nothing goes behind");
	cib_switch_destroy(&change);
}

static xmlDoc *replicated_document(const xmlNode **ret_configuration)
{
	static const char primitive[] =
		"<primitive id='web1-replica' class='ocf' provider='vmreplica' type='vm'>"
		"<instance_attributes id='odd'><nvpair id='odd-role' name='role' value='replica'/>"
		"<nvpair id='odd-peer' name='peer' value='b'/></instance_attributes></primitive>";
	xmlDoc *doc = base_document(ret_configuration), *more;

	more = xml_document_read(primitive, strlen(primitive));
	xmlAddChild(xml_child(*ret_configuration, "resources"),
		    xmlDocCopyNode(xmlDocGetRootElement(more), doc, 1));
	xmlFreeDoc(more);
	return doc;
}

static void test_switch(void)
{
	const xmlNode *configuration = NULL;
	cleanup_xml_doc xmlDoc *doc = replicated_document(&configuration);
	Vmreplica__Ipc__CibSwitch request = VMREPLICA__IPC__CIB_SWITCH__INIT;
	struct pairs parameters = {0}, settings = {0}, vm = {0};
	struct golden golden;

	golden_begin(&golden);
	/* started, with an epoch; then stopped in a group, whose set is made */
	add(&settings, epoch, two);
	request.vm_resource = web1;
	request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STARTED;
	request.settings = settings.list;
	request.n_settings = settings.count;
	print_switch(configuration, &request, golden.file);
	request.n_settings = 0;
	request.vm_resource = web2;
	request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STOPPED;
	print_switch(configuration, &request, golden.file);
	/* a replica becomes the primary: everything at once */
	add(&parameters, role, primary);
	add(&parameters, peer, none);
	add(&parameters, vm_resource, web2);
	add(&settings, failover, none);
	add(&vm, config_name, config);
	request.resource = replica;
	request.parameters = parameters.list;
	request.n_parameters = parameters.count;
	request.settings = settings.list;
	request.n_settings = settings.count;
	request.vm_parameters = vm.list;
	request.n_vm_parameters = vm.count;
	request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_ADD;
	request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STARTED;
	print_switch(configuration, &request, golden.file);
	/* and follows no longer */
	vmreplica__ipc__cib_switch__init(&request);
	request.resource = replica;
	request.vm_resource = web1;
	request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_REMOVE;
	print_switch(configuration, &request, golden.file);
	/* only where the VM goes */
	request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_MOVES;
	print_switch(configuration, &request, golden.file);
	/* the storage is a node's own; then it is no more */
	vmreplica__ipc__cib_switch__init(&request);
	request.resource = replica;
	request.vm_resource = web1;
	request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_REMOVE;
	request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STOPPED;
	request.relocate = true;
	request.location_node = a1;
	print_switch(configuration, &request, golden.file);
	request.location_node = none;
	request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_KEEP;
	request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_KEEP;
	print_switch(configuration, &request, golden.file);
	/* refused */
	request.location_node = gone;
	print_switch(configuration, &request, golden.file);
	request.relocate = false;
	print_switch(configuration, &request, golden.file);
	request.location_node = none;
	request.follow = VMREPLICA__IPC__CIB_FOLLOW__CIB_FOLLOW_MOVES;
	request.vm_resource = gone;
	print_switch(configuration, &request, golden.file);
	request.resource = web1; /* not one of ours */
	request.vm_resource = web1;
	print_switch(configuration, &request, golden.file);
	request.resource = none;
	print_switch(configuration, &request, golden.file);
	vm.items[0].name = role;
	vmreplica__ipc__cib_switch__init(&request);
	request.vm_resource = web1;
	request.vm_parameters = vm.list;
	request.n_vm_parameters = 1;
	print_switch(configuration, &request, golden.file);
	CU_ASSERT(golden_end(&golden, "cib/switch.golden"));
}

/* What stands in the configuration decides, not what the asker has heard last. */
static int conditional(const char *standing, char *from_role, const char *expected)
{
	const xmlNode *configuration = NULL;
	cleanup_xml_doc xmlDoc *doc = replicated_document(&configuration);
	Vmreplica__Ipc__CibSwitch request = VMREPLICA__IPC__CIB_SWITCH__INIT;
	struct pairs settings = {0}, conditions = {0};
	char error[VM_RESOURCE_ERROR_LEN] = "", xml[256], value[32];
	struct cib_switch change = {0};
	xmlDoc *set;
	int result;

	snprintf(xml, sizeof(xml),
		 "<cluster_property_set id='vmreplica-settings'><nvpair id='s' name='%s' "
		 "value='%s'/></cluster_property_set>",
		 epoch, standing);
	set = xml_document_read(xml, strlen(xml));
	xmlAddChild(xml_child(configuration, "crm_config"),
		    xmlDocCopyNode(xmlDocGetRootElement(set), doc, 1));
	xmlFreeDoc(set);
	snprintf(value, sizeof(value), "%s", expected != NULL ? expected : "");
	add(&settings, epoch, three);
	add(&conditions, expected != NULL ? epoch : failover, value);
	request.resource = replica;
	request.settings = settings.list;
	request.n_settings = 1;
	request.from_role = from_role;
	request.expected = conditions.list;
	request.n_expected = 1;
	result = cib_template_switch(configuration, &request, &change, error);
	CU_ASSERT_EQUAL(result < 0, error[0] != '\0');
	CU_ASSERT_EQUAL(result < 0, change.fragment == NULL);
	cib_switch_destroy(&change);
	return result;
}

static void test_conditions(void)
{
	CU_ASSERT_EQUAL(conditional("2 a b.example", none, NULL), 0);
	CU_ASSERT_EQUAL(conditional("3 a b.example", none, NULL), 0); /* once more */
	CU_ASSERT_EQUAL(conditional("4 a a.example", none, NULL), -ESTALE);
	CU_ASSERT_EQUAL(conditional("scribble", none, NULL), -ESTALE);
	CU_ASSERT_EQUAL(conditional("none", none, NULL), 0); /* it counts as gone */
	CU_ASSERT_EQUAL(conditional("2 a b.example", primary, NULL), -ESTALE); /* it is a replica */
	CU_ASSERT_EQUAL(conditional("2 a b.example", none, "2 a b.example"), 0);
	CU_ASSERT_EQUAL(conditional("2 a b.example", none, "1 a b.example"), -ESTALE);
	CU_ASSERT_EQUAL(conditional("none", none, "2 a b.example"), -ESTALE);
}

/* ---- which id, as what others have ---- */

static Vmreplica__Ipc__CibResource *resource_add(Vmreplica__Ipc__CibResource *resource, char *id,
						 char *type, struct pairs *parameters,
						 struct pairs *meta)
{
	vmreplica__ipc__cib_resource__init(resource);
	resource->id = id;
	resource->type = type;
	resource->parameters = parameters->list;
	resource->n_parameters = parameters->count;
	resource->meta = meta->list;
	resource->n_meta = meta->count;
	return resource;
}

static void test_choice(void)
{
	static char type[] = DOMAIN_RESOURCE_AGENT, transport[] = "migration_transport",
		    tcp[] = "tcp", migrate[] = "allow-migrate", yes[] = "true",
		    mark[] = DOMAIN_META_RELATIONSHIP, test_mark[] = DOMAIN_META_TEST,
		    test_id[] = "web9-test", guard[] = "vmreplica-guard",
		    guard_type[] = "ocf:vmreplica:guard";
	struct pairs theirs = {0}, their_meta = {0}, nothing = {0}, ours = {0}, tests = {0};
	Vmreplica__Ipc__CibResource resources[4], *list[4];
	Vmreplica__Ipc__CibSettings settings = VMREPLICA__IPC__CIB_SETTINGS__INIT;
	char id[RESOURCE_ID_MAX + 1];
	struct domain_resource domain;

	add(&theirs, transport, tcp);
	add(&their_meta, migrate, yes);
	add(&tests, mark, relationship);
	add(&tests, test_mark, yes);
	add(&ours, mark, relationship);
	list[0] = resource_add(&resources[0], web1, type, &theirs, &their_meta);
	list[1] = resource_add(&resources[1], test_id, type, &nothing, &tests);
	list[2] = resource_add(&resources[2], guard, guard_type, &nothing, &nothing);
	list[3] = resource_add(&resources[3], web9, type, &nothing, &ours);
	settings.resources = list;
	settings.n_resources = 3;
	domain_resource_id(&settings, "web9", relationship, "a.example", id);
	CU_ASSERT_STRING_EQUAL(id, "web9");
	domain_resource_id(&settings, "web1", relationship, "a.example", id);
	CU_ASSERT_STRING_EQUAL(id, "web1-a"); /* B has a web1 of its own */
	domain_resource_id(&settings, "1_x", relationship, "a.example", id);
	CU_ASSERT_STRING_EQUAL(id, "vm-1_x");
	CU_ASSERT_PTR_NULL(domain_resource_find(&settings, relationship, false));
	CU_ASSERT_PTR_EQUAL(domain_resource_find(&settings, relationship, true), list[1]);
	CU_ASSERT_PTR_NULL(domain_resource_find(&settings, other, true));
	domain_resource_fill(&domain, &settings, "web9", relationship, config, "");
	CU_ASSERT_STRING_EQUAL(domain.pairs[2].value, "tcp");
	CU_ASSERT(domain.request.allow_migrate);
	domain_resource_fill(&domain, &settings, "web9", relationship, config, "a1");
	CU_ASSERT_FALSE(domain.request.allow_migrate);
	settings.n_resources = 4;
	domain_resource_id(&settings, "anything", relationship, "a.example", id);
	CU_ASSERT_STRING_EQUAL(id, "web9"); /* what it is called already */
}

/* ---- the helper ---- */

static bool has_web9(const struct cib_session *session, const void *arg)
{
	bool there = domain_resource_find(session->settings, relationship, false) != NULL;

	return there == *(const bool *)arg;
}

static const char *target_of(const Vmreplica__Ipc__CibSettings *settings)
{
	const Vmreplica__Ipc__CibResource *resource =
		domain_resource_find(settings, relationship, false);
	const char *value = resource != NULL
				    ? nvpair_find(resource->meta, resource->n_meta, "target-role")
				    : NULL;

	return value != NULL ? value : "";
}

static bool target_is(const struct cib_session *session, const void *arg)
{
	return strcmp(target_of(session->settings), arg) == 0;
}

static int crm_verify(const char *path)
{
	char command[TEMP_PATH_LEN + 64];

	snprintf(command, sizeof(command), "crm_verify --xml-file=%s", path);
	return system(command);
}

static void test_helper(void)
{
	Vmreplica__Ipc__CibSwitch request = VMREPLICA__IPC__CIB_SWITCH__INIT;
	Vmreplica__Ipc__CibDeleteDomain removal = VMREPLICA__IPC__CIB_DELETE_DOMAIN__INIT;
	char path[TEMP_PATH_LEN], text[VM_RESOURCE_ERROR_LEN] = "";
	cleanup_free char *base = file_read(TEST_FIXTURES "/cib/base.xml", NULL);
	struct pairs settings = {0};
	struct domain_resource domain;
	struct cib_session session;
	bool yes = true, no = false;

	CU_ASSERT_EQUAL_FATAL(file_write(temp_path(path, "cib.xml"), base), 0);
	CU_ASSERT_EQUAL_FATAL(cib_session_start(&session, path), 0);
	CU_ASSERT_TRUE_FATAL(cib_session_ready(&session));
	example(&domain, web9, a1);
	domain.request.id = request.id = removal.id = 1;
	CU_ASSERT_EQUAL(
		cib_session_request(&session, FRAME_CIB_CREATE_DOMAIN, &domain.request.base, text),
		0);
	CU_ASSERT_TRUE(cib_session_wait(&session, has_web9, &yes));
	CU_ASSERT_STRING_EQUAL(target_of(session.settings), "Stopped");
	add(&settings, epoch, two);
	request.vm_resource = web9;
	request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STARTED;
	request.settings = settings.list;
	request.n_settings = 1;
	CU_ASSERT_EQUAL(cib_session_request(&session, FRAME_CIB_SWITCH, &request.base, text), 0);
	CU_ASSERT_TRUE(cib_session_wait(&session, target_is, "Started"));
	/* a retried creation does not stop it */
	CU_ASSERT_EQUAL(
		cib_session_request(&session, FRAME_CIB_CREATE_DOMAIN, &domain.request.base, text),
		0);
	request.vm_resource = web2; /* in a group */
	request.target = VMREPLICA__IPC__CIB_TARGET__CIB_TARGET_STOPPED;
	settings.items[0].value = none;
	CU_ASSERT_EQUAL(cib_session_request(&session, FRAME_CIB_SWITCH, &request.base, text), 0);
	CU_ASSERT_STRING_EQUAL(target_of(session.settings), "Started");
	CU_ASSERT_EQUAL(cib_session_end(&session), 0);
	CU_ASSERT_EQUAL(crm_verify(path), 0);
	CU_ASSERT_EQUAL_FATAL(cib_session_start(&session, path), 0);
	CU_ASSERT_TRUE_FATAL(cib_session_ready(&session));
	CU_ASSERT_EQUAL(session.settings->n_settings, 1); /* base's own */
	removal.resource = web9;
	removal.relationship = relationship;
	CU_ASSERT_EQUAL(cib_session_request(&session, FRAME_CIB_DELETE_DOMAIN, &removal.base, text),
			0);
	CU_ASSERT_TRUE(cib_session_wait(&session, has_web9, &no));
	CU_ASSERT_EQUAL(cib_session_end(&session), 0);
	tempdir_remove();
}

static const struct unit_test tests[] = {
	{"create", test_create},	 {"create: refusals", test_create_refusals},
	{"again", test_again},		 {"switch", test_switch},
	{"conditions", test_conditions}, {"choice", test_choice},
	{"helper", test_helper},
};

int main(void)
{
	setenv("VMREPLICA_CIB_HELPER", TEST_BUILDDIR "/vmreplica-cib", 1);
	return unit_run("cib_domain", tests, sizeof(tests) / sizeof(tests[0]));
}
