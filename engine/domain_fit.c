/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/domain_fit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/xml_tree.h"
#include "common/cleanup.h"
#include "engine/domain_fit_devices.h"

/* ---- reading ---- */

static void copy_word(char word[DOMAIN_FIT_WORD_LEN], const char *value)
{
	snprintf(word, DOMAIN_FIT_WORD_LEN, "%s", value != NULL ? value : "");
}

static const char *content(const xmlNode *node)
{
	return node != NULL && node->children != NULL && node->children->content != NULL
		       ? (const char *)node->children->content
		       : "";
}

/* The number in an element, in KiB by its unit. */
static uint64_t read_kib(const xmlNode *node)
{
	static const struct {
		const char *unit;
		unsigned int shift;
	} units[] = {{"KiB", 0},  {"k", 0},  {"MiB", 10}, {"M", 10},
		     {"GiB", 20}, {"G", 20}, {"TiB", 30}, {"T", 30}};
	uint64_t value = node != NULL ? strtoull(content(node), NULL, 10) : 0;
	const char *unit = node != NULL ? xml_attribute(node, "unit") : NULL;

	if (unit == NULL) {
		return value;
	}
	if (strcmp(unit, "b") == 0 || strcmp(unit, "bytes") == 0) {
		return value >> 10;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].unit) == 0) {
			return value > (UINT64_MAX >> 30) ? UINT64_MAX : value << units[i].shift;
		}
	}
	return value;
}

int domain_fit_query(const char *xml, struct domain_fit_query *ret_query)
{
	cleanup_xml_doc xmlDoc *document = xml_document_read(xml, strlen(xml));
	const xmlNode *root = document != NULL ? xmlDocGetRootElement(document) : NULL;
	const xmlNode *type = xml_child(xml_child(root, "os"), "type");
	xmlNode *cpu = xml_child(root, "cpu");
	struct domain_fit_query query = {0};

	if (!xml_is(root, "domain") || type == NULL) {
		return -EBADMSG;
	}
	copy_word(query.type, xml_attribute(root, "type"));
	copy_word(query.arch, xml_attribute(type, "arch"));
	copy_word(query.machine, xml_attribute(type, "machine"));
	if (cpu != NULL) {
		xmlBuffer *buffer = xmlBufferCreate();

		if (buffer != NULL && xmlNodeDump(buffer, document, cpu, 0, 0) >= 0) {
			query.cpu = strdup((const char *)xmlBufferContent(buffer));
		}
		xmlBufferFree(buffer);
		if (query.cpu == NULL) {
			return -ENOMEM;
		}
	}
	*ret_query = query;
	return 0;
}

void domain_fit_query_destroy(struct domain_fit_query *query)
{
	free(query->cpu);
	*query = (struct domain_fit_query){0};
}

/* ---- QEMU and its machines ---- */

static const xmlNode *find_guest(const struct domain_fit_view *view, const char *arch)
{
	for (const xmlNode *guest = xml_child(view->capabilities, "guest"); guest != NULL;
	     guest = xml_next(guest, "guest")) {
		const char *name = xml_attribute(xml_child(guest, "arch"), "name");

		if (strcmp(content(xml_child(guest, "os_type")), "hvm") == 0 &&
		    (arch == NULL || (name != NULL && strcmp(name, arch) == 0))) {
			return xml_child(guest, "arch");
		}
	}
	return NULL;
}

/* Machines stand below the architecture, and again below a kind of domain that has others. */
static const xmlNode *find_machine_in(const xmlNode *parent, const char *wanted)
{
	for (const xmlNode *machine = xml_child(parent, "machine"); machine != NULL;
	     machine = xml_next(machine, "machine")) {
		if (strcmp(content(machine), wanted) == 0) {
			return machine;
		}
	}
	return NULL;
}

static const xmlNode *find_domain(const xmlNode *arch, const char *type)
{
	for (const xmlNode *domain = xml_child(arch, "domain"); domain != NULL;
	     domain = xml_next(domain, "domain")) {
		const char *name = xml_attribute(domain, "type");

		if (name != NULL && strcmp(name, type) == 0) {
			return domain;
		}
	}
	return NULL;
}

static void check_machine(const struct domain_fit_view *view, const xmlNode *arch,
			  const xmlNode *domain, const char *wanted)
{
	const xmlNode *machine = find_machine_in(arch, wanted);
	unsigned long vcpus = strtoul(content(xml_child(view->root, "vcpu")), NULL, 10);
	const char *most;

	machine = machine != NULL ? machine : find_machine_in(domain, wanted);
	if (machine == NULL) {
		sentence_list_add(
			&view->fit->refusals,
			"QEMU on %s does not know the machine type %s: upgrade QEMU there, "
			"or give the VM an older machine type",
			view->node, wanted);
		return;
	}
	most = xml_attribute(machine, "maxCpus");
	if (most != NULL && vcpus > strtoul(most, NULL, 10)) {
		sentence_list_add(&view->fit->refusals,
				  "the VM has %lu virtual CPUs, machine type %s on %s takes %s at "
				  "most",
				  vcpus, wanted, view->node, most);
	}
}

static void check_qemu(const struct domain_fit_view *view)
{
	const xmlNode *type = xml_child(xml_child(view->root, "os"), "type");
	const char *kind = xml_attribute(view->root, "type"), *arch = xml_attribute(type, "arch");
	const char *machine = xml_attribute(type, "machine");
	const xmlNode *guest = find_guest(view, arch), *domain;

	if (guest == NULL) {
		sentence_list_add(&view->fit->refusals,
				  "%s has no QEMU for %s: install qemu-system for it", view->node,
				  arch != NULL ? arch : "full virtualization");
		return;
	}
	domain = find_domain(guest, kind != NULL ? kind : "kvm");
	if (domain == NULL) {
		sentence_list_add(&view->fit->refusals,
				  "%s cannot run VMs of type %s: enable virtualization in its "
				  "firmware and load the kvm module",
				  view->node, kind != NULL ? kind : "kvm");
	}
	if (machine != NULL) {
		check_machine(view, guest, domain, machine);
	}
}

/* ---- CPU and memory ---- */

static uint64_t host_memory_kib(const struct domain_fit_view *view, unsigned long *ret_cpus)
{
	const xmlNode *cells =
		xml_child(xml_child(xml_child(view->capabilities, "host"), "topology"), "cells");
	uint64_t memory = 0;

	*ret_cpus = 0;
	for (const xmlNode *cell = xml_child(cells, "cell"); cell != NULL;
	     cell = xml_next(cell, "cell")) {
		const xmlNode *cpus = xml_child(cell, "cpus");
		const char *count = cpus != NULL ? xml_attribute(cpus, "num") : NULL;

		memory += read_kib(xml_child(cell, "memory"));
		*ret_cpus += count != NULL ? strtoul(count, NULL, 10) : 0;
	}
	return memory;
}

static void check_size(const struct domain_fit_view *view)
{
	unsigned long vcpus = strtoul(content(xml_child(view->root, "vcpu")), NULL, 10), cpus;
	uint64_t needed = read_kib(xml_child(view->root, "memory"));
	uint64_t memory = host_memory_kib(view, &cpus);

	view->fit->memory_kib = needed;
	if (memory > 0 && needed > memory) {
		sentence_list_add(&view->fit->refusals,
				  "the VM has %" PRIu64 " MiB of memory, %s has %" PRIu64
				  " MiB in all: add memory there, or give the VM less",
				  needed >> 10, view->node, memory >> 10);
	}
	if (cpus > 0 && vcpus > cpus) {
		sentence_list_add(
			&view->fit->warnings,
			"the VM has %lu virtual CPUs, %s has %lu: it will run slower there", vcpus,
			view->node, cpus);
	}
}

static const xmlNode *find_mode(const struct domain_fit_view *view, const char *wanted)
{
	for (const xmlNode *mode = xml_child(xml_child(view->domain_capabilities, "cpu"), "mode");
	     mode != NULL; mode = xml_next(mode, "mode")) {
		const char *name = xml_attribute(mode, "name");

		if (name != NULL && strcmp(name, wanted) == 0) {
			return mode;
		}
	}
	return NULL;
}

static void check_cpu_model(const struct domain_fit_view *view, const char *wanted)
{
	const xmlNode *model = xml_child(find_mode(view, "custom"), "model");
	const char *usable;

	while (model != NULL && strcmp(content(model), wanted) != 0) {
		model = xml_next(model, "model");
	}
	if (model == NULL) {
		sentence_list_add(&view->fit->refusals,
				  "%s does not know the CPU model %s: upgrade QEMU and libvirt "
				  "there, or give the VM a model that both sites have",
				  view->node, wanted);
		return;
	}
	usable = xml_attribute(model, "usable");
	if (usable != NULL && strcmp(usable, "no") == 0) {
		sentence_list_add(
			&view->fit->warnings,
			"the processors of %s lack features of the CPU model %s: the guest "
			"may miss them, or not start; choose a model that both sites have",
			view->node, wanted);
	}
}

static void check_cpu(const struct domain_fit_view *view)
{
	const xmlNode *cpu = xml_child(view->root, "cpu");
	const char *mode = cpu != NULL ? xml_attribute(cpu, "mode") : NULL;
	const char *verdict = xml_attribute(view->host, "cpu");
	const xmlNode *offered = mode != NULL ? find_mode(view, mode) : NULL;
	const char *type = xml_attribute(view->root, "type");
	bool kvm = type == NULL || strcmp(type, "kvm") == 0;
	const char *supported = offered != NULL ? xml_attribute(offered, "supported") : NULL;

	if (supported != NULL && strcmp(supported, "no") == 0) {
		sentence_list_add(&view->fit->refusals,
				  "%s cannot give a VM the CPU mode %s: choose a model that both "
				  "sites have",
				  view->node, mode);
	} else if (verdict != NULL && strcmp(verdict, "incompatible") == 0) {
		/* an emulated processor starts without what it cannot have */
		sentence_list_add(kvm ? &view->fit->refusals : &view->fit->warnings,
				  "the VM's CPU needs what the processors of %s do not have: give "
				  "it a model and features that both sites have (virsh "
				  "hypervisor-cpu-baseline)",
				  view->node);
	} else if (mode != NULL && strcmp(mode, "custom") == 0 && offered != NULL &&
		   xml_child(cpu, "model") != NULL) {
		check_cpu_model(view, content(xml_child(cpu, "model")));
	} else if (mode != NULL && strcmp(mode, "host-passthrough") == 0) {
		sentence_list_add(&view->fit->warnings,
				  "the VM sees its host's own processor (host-passthrough): on %s "
				  "the guest finds another one; systems that are bound to a "
				  "processor notice it",
				  view->node);
	}
}

int domain_fit_check(const char *xml, const char *host, const char *node, struct domain_fit *fit)
{
	cleanup_xml_doc xmlDoc *domain = xml_document_read(xml, strlen(xml));
	cleanup_xml_doc xmlDoc *told = xml_document_read(host, strlen(host));
	struct domain_fit_view view = {.node = node, .fit = fit};

	view.root = domain != NULL ? xmlDocGetRootElement(domain) : NULL;
	view.host = told != NULL ? xmlDocGetRootElement(told) : NULL;
	if (!xml_is(view.root, "domain") || !xml_is(view.host, "host")) {
		return -EBADMSG;
	}
	view.capabilities = xml_child(view.host, "capabilities");
	view.domain_capabilities = xml_child(view.host, "domainCapabilities");
	if (view.capabilities != NULL) {
		check_qemu(&view);
		check_size(&view);
	}
	if (view.domain_capabilities != NULL) {
		check_cpu(&view);
		domain_fit_firmware(&view);
		domain_fit_devices(&view);
	}
	domain_fit_networks(&view);
	return 0;
}

void domain_fit_destroy(struct domain_fit *fit)
{
	sentence_list_destroy(&fit->refusals);
	sentence_list_destroy(&fit->warnings);
	sentence_list_destroy(&fit->networks);
}
