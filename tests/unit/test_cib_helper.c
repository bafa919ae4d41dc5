/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The real vmreplica-cib with libcib and crm_mon, on a file in the place of the CIB. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster/nvpair_list.h"
#include "cluster/vm_resource.h"
#include "tests/unit/cib_session.h"
#include "tests/unit/files.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

static char cib_path[TEMP_PATH_LEN];

static bool begin(struct cib_session *session)
{
	char *base = file_read(TEST_FIXTURES "/cib/base.xml", NULL);
	bool ok = base != NULL && file_write(cib_path, base) == 0 &&
		  cib_session_start(session, cib_path) == 0 && cib_session_ready(session);

	free(base);
	return ok;
}

/* The file, which the helper writes at its end, holds (or does not hold) text. */
static bool file_has(const char *text)
{
	char *data = file_read(cib_path, NULL);
	bool has = data != NULL && strstr(data, text) != NULL;

	free(data);
	return has;
}

static int remove_vm(struct cib_session *session, char *resource, char *text)
{
	Vmreplica__Ipc__CibDeleteVm request = VMREPLICA__IPC__CIB_DELETE_VM__INIT;

	request.id = 1;
	request.resource = resource;
	return cib_session_request(session, FRAME_CIB_DELETE_VM, &request.base, text);
}

static int set_setting(struct cib_session *session, char *name, char *value, char *text)
{
	Vmreplica__Ipc__CibSetSetting request = VMREPLICA__IPC__CIB_SET_SETTING__INIT;

	request.id = 1;
	request.name = name;
	request.value = value;
	return cib_session_request(session, FRAME_CIB_SET_SETTING, &request.base, text);
}

static int set_frequency(struct cib_session *session, char *resource, char *value, char *text)
{
	static char name[] = "frequency";
	Vmreplica__Ipc__CibUpdateVm request = VMREPLICA__IPC__CIB_UPDATE_VM__INIT;
	Vmreplica__Ipc__CibNvpair pair = VMREPLICA__IPC__CIB_NVPAIR__INIT;
	Vmreplica__Ipc__CibNvpair *pairs[] = {&pair};

	pair.name = name;
	pair.value = value;
	request.id = 1;
	request.resource = resource;
	request.parameters = pairs;
	request.n_parameters = 1;
	return cib_session_request(session, FRAME_CIB_UPDATE_VM, &request.base, text);
}

/* The frequency of web1-replica, as the newest settings have it; "none" without one, "absent"
 * without the resource. */
static const char *frequency_of(const struct cib_session *session)
{
	for (size_t i = 0; i < session->settings->n_resources; i++) {
		const Vmreplica__Ipc__CibResource *entry = session->settings->resources[i];
		const char *value;

		if (strcmp(entry->id, "web1-replica") == 0) {
			value = nvpair_find(entry->parameters, entry->n_parameters, "frequency");
			return value != NULL ? value : "none";
		}
	}
	return "absent";
}

static bool frequency_is(const struct cib_session *session, const void *arg)
{
	return strcmp(frequency_of(session), arg) == 0;
}

static bool settings_are(const struct cib_session *session, const void *arg)
{
	return session->settings->n_settings == *(const size_t *)arg;
}

static void test_vm(void)
{
	static char replica[] = "web1-replica", ninety[] = "90", none[] = "";
	char text[VM_RESOURCE_ERROR_LEN] = "";
	struct cib_session session;

	CU_ASSERT_TRUE_FATAL(begin(&session));
	CU_ASSERT_EQUAL(session.settings->n_resources, 4);
	CU_ASSERT_EQUAL(
		cib_session_request(&session, FRAME_CIB_CREATE_VM, &cib_example(0)->base, text), 0);
	CU_ASSERT_STRING_EQUAL(text, "");
	CU_ASSERT_TRUE(cib_session_wait(&session, frequency_is, "30"));
	CU_ASSERT_EQUAL(session.settings->n_resources, 5);
	/* asked again (a retry) it is the same; changed and taken out it follows */
	CU_ASSERT_EQUAL(
		cib_session_request(&session, FRAME_CIB_CREATE_VM, &cib_example(0)->base, text), 0);
	CU_ASSERT_EQUAL(set_frequency(&session, replica, ninety, text), 0);
	CU_ASSERT_TRUE(cib_session_wait(&session, frequency_is, "90"));
	CU_ASSERT_EQUAL(set_frequency(&session, replica, none, text), 0);
	CU_ASSERT_TRUE(cib_session_wait(&session, frequency_is, "none"));
	CU_ASSERT_EQUAL(cib_session_end(&session), 0);
	CU_ASSERT_TRUE(file_has("vmreplica-colocation-web1-replica-engine"));
}

static void test_vm_deleted(void)
{
	static char web1[] = "web1", replica[] = "web1-replica";
	char text[VM_RESOURCE_ERROR_LEN] = "";
	struct cib_session session;

	CU_ASSERT_TRUE_FATAL(begin(&session));
	CU_ASSERT_EQUAL(
		cib_session_request(&session, FRAME_CIB_CREATE_VM, &cib_example(0)->base, text), 0);
	CU_ASSERT_EQUAL(remove_vm(&session, web1, text), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "no resource web1 of type"));
	CU_ASSERT_EQUAL(remove_vm(&session, replica, text), 0);
	CU_ASSERT_EQUAL(remove_vm(&session, replica, text), -ENOENT);
	CU_ASSERT_EQUAL(cib_session_end(&session), 0);
	CU_ASSERT_TRUE(file_has("id=\"web1\""));
	CU_ASSERT_FALSE(file_has("web1-replica"));
}

static void test_settings(void)
{
	static char name[] = "vmreplica-authorize-0123456789abcdef", stray[] = "vmreplica-stray";
	static char value[] = "pattern=a.example storage=/srv/replica group=- max-vms=0",
		    none[] = "";
	static char foreign[] = "stonith-enabled";
	const size_t zero = 0, two = 2;
	char text[VM_RESOURCE_ERROR_LEN] = "";
	struct cib_session session;

	CU_ASSERT_TRUE_FATAL(begin(&session));
	CU_ASSERT_EQUAL(set_setting(&session, name, value, text), 0);
	CU_ASSERT_TRUE(cib_session_wait(&session, settings_are, &two));
	CU_ASSERT_STRING_EQUAL(session.settings->settings[0]->value, value);
	CU_ASSERT_EQUAL(set_setting(&session, foreign, value, text), -EINVAL);
	CU_ASSERT_EQUAL(set_setting(&session, stray, none, text), 0);
	CU_ASSERT_EQUAL(set_setting(&session, name, none, text), 0);
	CU_ASSERT_EQUAL(set_setting(&session, name, none, text), 0); /* is gone: as wanted */
	CU_ASSERT_TRUE(cib_session_wait(&session, settings_are, &zero));
	CU_ASSERT_EQUAL(cib_session_end(&session), 0);
	CU_ASSERT_FALSE(file_has("vmreplica-authorize"));
}

/* It answers its daemon only, and a frame that does not belong there ends it. */
static void test_wrong_frame(void)
{
	Vmreplica__Ipc__CibState state = VMREPLICA__IPC__CIB_STATE__INIT;
	struct cib_session session;

	CU_ASSERT_TRUE_FATAL(begin(&session));
	CU_ASSERT_EQUAL(channel_send(&session.channel, FRAME_CIB_STATE, &state.base, NULL, 0, 1000),
			0);
	CU_ASSERT_EQUAL(cib_session_end(&session), 1);
}

static const struct unit_test tests[] = {
	{"create, change", test_vm},
	{"delete", test_vm_deleted},
	{"settings", test_settings},
	{"wrong frame", test_wrong_frame},
};

int main(void)
{
	int status;

	if (system("command -v crm_mon >/dev/null 2>&1") != 0) {
		printf("skipped: crm_mon is missing\n");
		return 77;
	}
	(void)temp_path(cib_path, "cib.xml");
	(void)setenv("VMREPLICA_CIB_HELPER", TEST_BUILDDIR "/vmreplica-cib", 1);
	status = unit_run("cib_helper", tests, sizeof(tests) / sizeof(tests[0]));
	tempdir_remove();
	return status;
}
