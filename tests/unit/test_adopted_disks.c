/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks with which a side cannot become the replica, and that looking at them changes nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <acl/libacl.h>
#include <sys/acl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/adopted_disks.h"
#include "engine/source_access.h"
#include "tests/unit/shell.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

static char error[SOURCE_ERROR_LEN];

static int check(const char *name)
{
	char path[TEMP_PATH_LEN];

	error[0] = '\0';
	return adopted_disks_check_image(temp_path(path, name), error);
}

/* Two VMs on one template, each with an overlay of its own. */
static void templates_make(void)
{
	shell_run("cd %s && qemu-img create -q -f qcow2 template 1M && "
		  "qemu-img create -q -f qcow2 -F qcow2 -b template one && "
		  "qemu-img create -q -f qcow2 -F qcow2 -b $PWD/template two && "
		  "qemu-img create -q -f qcow2 alone 1M && qemu-img create -q -f raw plain 1M",
		  tempdir());
}

static void test_a_template_is_refused_and_untouched(void)
{
	char path[TEMP_PATH_LEN];
	struct stat before, after;

	templates_make();
	CU_ASSERT_EQUAL(stat(temp_path(path, "template"), &before), 0);
	CU_ASSERT_EQUAL(check("one"), -ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "/template"));
	CU_ASSERT_EQUAL(check("two"), -ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, path));
	CU_ASSERT_EQUAL(check("alone"), 0);
	CU_ASSERT_EQUAL(check("plain"), 0);
	CU_ASSERT_EQUAL(check("nowhere"), 0);				/* somebody else says so */
	if (mknod(temp_path(path, "volume"), S_IFBLK | 0600, 0) == 0) { /* root alone may */
		CU_ASSERT_EQUAL(check("volume"), -ENOTSUP);
		CU_ASSERT_PTR_NOT_NULL(strstr(error, "block device"));
	}
	temp_path(path, "template");
	CU_ASSERT_EQUAL(stat(path, &after), 0);
	CU_ASSERT_EQUAL(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	CU_ASSERT_EQUAL(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	CU_ASSERT_EQUAL(before.st_size, after.st_size);
	CU_ASSERT_EQUAL(before.st_mode, after.st_mode);
}

/* It could not be lent: found before the VM is stopped, not behind it. */
static void test_without_acls(void)
{
	error[0] = '\0';
	CU_ASSERT_EQUAL(adopted_disks_check_image("/proc/version", error), -ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "without ACLs"));
}

/* The layers of a store are the store's; what counts is what its lowest leads to. */
static void test_layers_of_a_store(void)
{
	templates_make();
	shell_run(
		"cd %s && mkdir -p store/gen-1 store/vm-2 && touch store/manifest.json && "
		"qemu-img create -q -f qcow2 store/gen-1/vda-1.qcow2 1M && "
		"qemu-img create -q -f qcow2 -F qcow2 -b ../gen-1/vda-1.qcow2 "
		"store/gen-1/vda-2.qcow2 "
		"&& "
		"qemu-img create -q -f qcow2 -F qcow2 -b ../gen-1/vda-2.qcow2 store/vm-2/vda.qcow2",
		tempdir());
	CU_ASSERT_EQUAL(check("store/vm-2/vda.qcow2"), 0);
	shell_run("cd %s/store/gen-1 && rm vda-1.qcow2 && ln -s ../../alone vda-1.qcow2",
		  tempdir());
	CU_ASSERT_EQUAL(check("store/vm-2/vda.qcow2"), 0);
	shell_run("cd %s/store/gen-1 && rm vda-1.qcow2 && ln -s ../../one vda-1.qcow2", tempdir());
	CU_ASSERT_EQUAL(check("store/vm-2/vda.qcow2"), -ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "/one"));
	shell_run("rm -r %s/store", tempdir());
}

/* ---- a store is the receiver's ---- */

#define QEMU 61234567u /* no such user */

static uid_t receiver(void)
{
	return geteuid() != 0 ? geteuid() : 61234568u;
}

/* With the VM's image left to root, as libvirt may leave it, and a file of somebody else's. */
static void store_make(void)
{
	shell_run(
		"cd %s && mkdir -p store/vm-2 && chmod 750 store store/vm-2 && chown %u store "
		"store/vm-2 && touch "
		"store/manifest.json && qemu-img create -q -f qcow2 store/vm-2/vda.qcow2 1M && "
		"qemu-img create -q -f qcow2 foreign 1M && chmod 600 store/vm-2/vda.qcow2 foreign",
		tempdir(), (unsigned int)receiver());
}

static int lend(void)
{
	char xml[TEMP_PATH_LEN], image[TEMP_PATH_LEN], text[2 * TEMP_PATH_LEN];
	const struct adopted_users users = {.receiver = receiver(), .qemu = QEMU};
	struct source_defined_disk *disks = NULL;
	size_t count = 0;
	int result;

	snprintf(text, sizeof(text),
		 "<domain><name>web1</name><devices><disk type='file' device='disk'>"
		 "<driver type='qcow2'/><source file='%s'/><target dev='vda'/></disk></devices>"
		 "</domain>",
		 temp_path(image, "store/vm-2/vda.qcow2"));
	error[0] = '\0';
	result = adopted_disks_lend(temp_file(xml, "vm.xml", text), NULL, &users, &disks, &count,
				    error);
	CU_ASSERT_EQUAL(count, result == 0 ? 1 : 0);
	source_defined_disks_free(disks, count);
	return result;
}

/* Is there anything in its ACL? */
static bool is_shared(const char *name)
{
	char path[TEMP_PATH_LEN];
	acl_t acl = acl_get_file(temp_path(path, name), ACL_TYPE_ACCESS);
	bool shared = acl != NULL && acl_entries(acl) > 3;

	acl_free(acl);
	return shared;
}

static void test_an_image_of_the_store_is_lent(void)
{
	char path[TEMP_PATH_LEN];
	bool granted = true;

	store_make();
	CU_ASSERT_EQUAL(lend(), 0);
	CU_ASSERT_TRUE(is_shared("store/vm-2/vda.qcow2") && is_shared("store/vm-2") &&
		       is_shared("store"));
	temp_path(path, "store/vm-2/vda.qcow2");
	CU_ASSERT_EQUAL(source_access_grant_image(path, receiver(), &granted), 0);
	CU_ASSERT_FALSE(granted);   /* libvirt's change of owner has not shut the receiver out */
	CU_ASSERT_EQUAL(lend(), 0); /* as at each start of the replica */
	shell_run("rm -r %s/store", tempdir());
}

static void test_a_link_in_the_store_lends_nothing(void)
{
	store_make();
	shell_run("cd %s && ln -sf $PWD/foreign store/vm-2/vda.qcow2", tempdir());
	CU_ASSERT_EQUAL(lend(), -ELOOP);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "vda.qcow2"));
	CU_ASSERT_FALSE(is_shared("foreign"));
	shell_run("cd %s && rm -r store/vm-2 && mkdir other && mv foreign other/vda.qcow2 && "
		  "ln -s ../other store/vm-2",
		  tempdir());
	CU_ASSERT_EQUAL(lend(), -ENOTDIR); /* in the middle */
	CU_ASSERT_FALSE(is_shared("other/vda.qcow2") || is_shared("other"));
	shell_run("rm -r %s/store %s/other", tempdir(), tempdir());
}

static void test_other_files_in_the_store_lend_nothing(void)
{
	store_make();
	shell_run("cd %s && rm foreign && qemu-img create -q -f qcow2 -o "
		  "data_file=$PWD/foreign,data_file_raw=on,preallocation=metadata "
		  "store/vm-2/vda.qcow2 1M && chmod 600 store/vm-2/vda.qcow2 foreign",
		  tempdir());
	CU_ASSERT_EQUAL(lend(), -EPERM);
	CU_ASSERT_FALSE(is_shared("foreign") || is_shared("store/vm-2/vda.qcow2"));
	if (geteuid() == 0) { /* else it is the receiver's own */
		shell_run("cd %s && rm foreign && qemu-img create -q -f qcow2 foreign 1M && "
			  "chmod 600 foreign && ln -f foreign store/vm-2/vda.qcow2",
			  tempdir());
		CU_ASSERT_EQUAL(lend(), -EPERM);
		CU_ASSERT_FALSE(is_shared("foreign"));
	}
	shell_run("rm -r %s/store", tempdir());
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"without ACLs", test_without_acls},
		{"a template is refused and untouched", test_a_template_is_refused_and_untouched},
		{"layers of a store", test_layers_of_a_store},
		{"an image of the store is lent", test_an_image_of_the_store_is_lent},
		{"a link in the store lends nothing", test_a_link_in_the_store_lends_nothing},
		{"other files in the store lend nothing",
		 test_other_files_in_the_store_lend_nothing},
	};
	int status = unit_run("adopted disks", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
