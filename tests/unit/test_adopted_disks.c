/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks with which a side cannot become the replica, and that looking at them changes nothing. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/adopted_disks.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

static char error[SOURCE_ERROR_LEN];

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...)
{
	char command[8 * TEMP_PATH_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

static int check(const char *name)
{
	char path[TEMP_PATH_LEN];

	error[0] = '\0';
	return adopted_disks_check_image(temp_path(path, name), error);
}

/* Two VMs on one template, each with an overlay of its own. */
static void templates_make(void)
{
	run("cd %s && qemu-img create -q -f qcow2 template 1M && "
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
	CU_ASSERT_EQUAL(check("nowhere"), 0); /* somebody else says so */
	CU_ASSERT_EQUAL(stat(path, &after), 0);
	CU_ASSERT_EQUAL(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	CU_ASSERT_EQUAL(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	CU_ASSERT_EQUAL(before.st_size, after.st_size);
	CU_ASSERT_EQUAL(before.st_mode, after.st_mode);
}

/* The layers of a store are the store's; what counts is what its lowest leads to. */
static void test_layers_of_a_store(void)
{
	templates_make();
	run("cd %s && mkdir -p store/gen-1 store/vm-2 && touch store/manifest.json && "
	    "qemu-img create -q -f qcow2 store/gen-1/vda-1.qcow2 1M && "
	    "qemu-img create -q -f qcow2 -F qcow2 -b ../gen-1/vda-1.qcow2 store/gen-1/vda-2.qcow2 "
	    "&& "
	    "qemu-img create -q -f qcow2 -F qcow2 -b ../gen-1/vda-2.qcow2 store/vm-2/vda.qcow2",
	    tempdir());
	CU_ASSERT_EQUAL(check("store/vm-2/vda.qcow2"), 0);
	run("cd %s/store/gen-1 && rm vda-1.qcow2 && ln -s ../../alone vda-1.qcow2", tempdir());
	CU_ASSERT_EQUAL(check("store/vm-2/vda.qcow2"), 0);
	run("cd %s/store/gen-1 && rm vda-1.qcow2 && ln -s ../../one vda-1.qcow2", tempdir());
	CU_ASSERT_EQUAL(check("store/vm-2/vda.qcow2"), -ENOTSUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "/one"));
	run("rm -r %s/store", tempdir());
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"a template is refused and untouched", test_a_template_is_refused_and_untouched},
		{"layers of a store", test_layers_of_a_store},
	};
	int status = unit_run("adopted disks", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
