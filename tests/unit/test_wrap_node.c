/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which disks unwrap finds, from the definition's file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/vm_resource.h"
#include "engine/wrap_image.h"
#include "engine/wrap_job.h"
#include "engine/wrap_node.h"
#include "engine/wrap_record.h"
#include "tests/unit/tempdir.h"
#include "tests/unit/unit.h"

#define MIB (1u << 20)

static void define(const char *name, const char *type, const char *image)
{
	char path[TEMP_PATH_LEN], text[2048];

	snprintf(text, sizeof(text),
		 "<domain>\n<name>web1</name>\n<devices><disk type='file' device='disk'>"
		 "<driver name='qemu' type='%s'/><source file='%s'/><target dev='vda'/></disk>"
		 "</devices></domain>\n",
		 type, image);
	temp_file(path, name, text);
}

static void look(struct wrap_node *node)
{
	memset(node, 0, sizeof(*node));
	CU_ASSERT_EQUAL_FATAL(wrap_node_init(node), 0);
	node->node = "a1";
	snprintf(node->vm, sizeof(node->vm), "web1");
	temp_path(node->config, "web1.xml");
	node->unwrap = true;
	CU_ASSERT_EQUAL(wrap_node_look(node), 0);
}

static void paths(char raw[TEMP_PATH_LEN], char header[TEMP_PATH_LEN])
{
	temp_file(raw, "vda.img", "a disk");
	CU_ASSERT_EQUAL(truncate(raw, MIB), 0);
	snprintf(header, TEMP_PATH_LEN, "%.480s" WRAP_HEADER_SUFFIX, raw);
}

/* Another node's unwrap has removed the header; this one was away, and its definition names it. */
static void test_header_gone(void)
{
	char raw[TEMP_PATH_LEN], header[TEMP_PATH_LEN], error[SOURCE_ERROR_LEN] = "";
	struct wrap_node node;

	paths(raw, header);
	define("web1.xml", "qcow2", header);
	look(&node);
	CU_ASSERT_EQUAL(node.count, 0); /* nothing tells which disk it was */
	wrap_node_destroy(&node);
	define("web1.xml.before-wrap", "raw", raw);
	look(&node);
	CU_ASSERT_EQUAL_FATAL(node.count, 1);
	CU_ASSERT_STRING_EQUAL(node.disks[0].name, "vda");
	CU_ASSERT_STRING_EQUAL(node.disks[0].raw, raw);
	CU_ASSERT_STRING_EQUAL(node.disks[0].header, header);
	CU_ASSERT_EQUAL(node.disks[0].size_bytes, MIB);
	CU_ASSERT_FALSE(node.disks[0].block);
	wrap_node_destroy(&node);
	/* one that is there says so itself, whatever was before */
	define("web1.xml.before-wrap", "raw", "/nonexistent/other.img");
	CU_ASSERT_EQUAL(wrap_image_make(raw, MIB, header, error), 0);
	look(&node);
	CU_ASSERT_EQUAL_FATAL(node.count, 1);
	CU_ASSERT_STRING_EQUAL(node.disks[0].raw, raw);
	CU_ASSERT_FALSE(node.above);
	wrap_node_destroy(&node);
}

/* After it has come home the VM's image stands on the header: the raw disk is not the VM's any
 * more. */
static void test_above_header(void)
{
	char raw[TEMP_PATH_LEN], header[TEMP_PATH_LEN], image[TEMP_PATH_LEN], layer[TEMP_PATH_LEN];
	char command[4 * TEMP_PATH_LEN], error[SOURCE_ERROR_LEN] = "";
	struct wrap_node node;

	paths(raw, header);
	CU_ASSERT_EQUAL(wrap_image_make(raw, MIB, header, error), 0);
	CU_ASSERT_EQUAL(symlink(header, temp_path(layer, "layer.qcow2")), 0);
	snprintf(command, sizeof(command), "qemu-img create -q -f qcow2 -F qcow2 -b %s %s", layer,
		 temp_path(image, "home.qcow2"));
	CU_ASSERT_EQUAL_FATAL(system(command), 0); /* NOLINT(cert-env33-c): a test's own file */
	define("web1.xml", "qcow2", image);
	look(&node);
	CU_ASSERT_EQUAL(node.count, 0);
	CU_ASSERT_TRUE(node.above);
	wrap_node_destroy(&node);
}

static void parameter_set(Vmreplica__Ipc__CibNvpair *pair, const char *value)
{
	vmreplica__ipc__cib_nvpair__init(pair);
	pair->name = (char *)(uintptr_t) "relationship";
	pair->value = (char *)(uintptr_t)value;
}

/* Images of a store belong to its relationship, whatever that makes of this side. */
static void test_held(void)
{
	Vmreplica__Ipc__CibSettings settings = VMREPLICA__IPC__CIB_SETTINGS__INIT;
	Vmreplica__Ipc__CibResource resource = VMREPLICA__IPC__CIB_RESOURCE__INIT;
	Vmreplica__Ipc__CibResource *resources[] = {&resource};
	Vmreplica__Ipc__CibNvpair parameter, *parameters[] = {&parameter};
	struct wrap_node node = {.count = 2};

	CU_ASSERT_EQUAL_FATAL(wrap_node_init(&node), 0);
	snprintf(node.disks[1].image, sizeof(node.disks[1].image),
		 "/srv/replica/b.example/web1-0b0c6a0e/vm-3/vda.qcow2");
	resource.type = (char *)(uintptr_t)VM_RESOURCE_AGENT;
	resource.parameters = parameters;
	resource.n_parameters = 1;
	settings.resources = resources;
	CU_ASSERT_PTR_NULL(wrap_find_holder(NULL, &node));
	CU_ASSERT_PTR_NULL(wrap_find_holder(&settings, &node));
	settings.n_resources = 1;
	parameter_set(&parameter, "0b0c6a0e-3f1d-4c53-9d27-2f3f0d3f7a11");
	CU_ASSERT_PTR_EQUAL(wrap_find_holder(&settings, &node), &resource);
	parameter_set(&parameter, "0b0c6a0f-3f1d-4c53-9d27-2f3f0d3f7a11");
	CU_ASSERT_PTR_NULL(wrap_find_holder(&settings, &node));
	parameter_set(&parameter, "");
	CU_ASSERT_PTR_NULL(wrap_find_holder(&settings, &node));
	wrap_node_destroy(&node);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{"header gone", test_header_gone},
		{"above a header", test_above_header},
		{"held", test_held},
	};
	int status = unit_run("wrap node", tests, sizeof(tests) / sizeof(tests[0]));

	tempdir_remove();
	return status;
}
