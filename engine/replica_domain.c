/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/replica_domain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/xml_tree.h"
#include "common/cleanup.h"
#include "engine/domain_own.h"
#include "engine/domain_walk.h"

/* ---- how it boots ---- */

static bool is_uefi(const xmlNode *os)
{
	const xmlNode *loader = domain_child(os, "loader");

	return domain_value_is(os, "firmware", "efi") || domain_value_is(loader, "type", "pflash");
}

static void write_feature(struct domain_walk *walk, const char *name, bool enabled)
{
	domain_start(walk, "feature");
	domain_attribute(walk, "enabled", enabled ? "yes" : "no");
	domain_attribute(walk, "name", name);
	domain_end(walk);
}

/* What the peer's libvirt asked of its firmware, or what the loader that it named can do. */
static void write_features(struct domain_walk *walk, const xmlNode *os)
{
	const xmlNode *firmware = domain_child(os, "firmware");
	const xmlNode *loader = domain_child(os, "loader");
	bool secure_told = false, keys_told = false;

	domain_start(walk, "firmware");
	for (const xmlNode *node = domain_child(firmware, "feature"); node != NULL;
	     node = node->next) {
		bool enabled = domain_value_is(node, "enabled", "yes");

		if (domain_value_is(node, "name", "secure-boot") && !secure_told) {
			write_feature(walk, "secure-boot", enabled);
			secure_told = true;
		} else if (domain_value_is(node, "name", "enrolled-keys") && !keys_told) {
			write_feature(walk, "enrolled-keys", enabled);
			keys_told = true;
		}
	}
	if (!secure_told) {
		write_feature(walk, "secure-boot", domain_value_is(loader, "secure", "yes"));
	}
	domain_end(walk);
}

/* What the VM's own definition says of its firmware. The texts are to be freed. */
struct firmware_need {
	struct firmware_wish wish;
	char *architecture, *machine;
};

static bool feature_is_wanted(const xmlNode *os, const char *name)
{
	for (const xmlNode *node = domain_child(domain_child(os, "firmware"), "feature");
	     node != NULL; node = node->next) {
		if (domain_value_is(node, "name", name)) {
			return domain_value_is(node, "enabled", "yes");
		}
	}
	return false;
}

static void need_find(const struct domain_walk *walk, const xmlNode *os, struct firmware_need *need)
{
	const xmlNode *type = domain_child(os, "type");
	const xmlNode *smm = domain_child(domain_child(os->parent, "features"), "smm");

	need->architecture = domain_value(type, "arch");
	need->machine = domain_value(type, "machine");
	need->wish = (struct firmware_wish){
		.architecture = need->architecture != NULL ? need->architecture : "x86_64",
		.machine = need->machine != NULL ? need->machine : "pc",
		.secure_boot = feature_is_wanted(os, "secure-boot") ||
			       domain_value_is(domain_child(os, "loader"), "secure", "yes"),
		.enrolled_keys = feature_is_wanted(os, "enrolled-keys"),
		.smm = smm != NULL && !domain_value_is(smm, "state", "off"),
		.variables_bytes = walk->options->nvram_bytes,
	};
}

static const struct firmware *find_firmware(const struct domain_walk *walk, const xmlNode *os)
{
	struct firmware_need need;
	const struct firmware *found;

	if (walk->options->firmwares == NULL) {
		return NULL;
	}
	need_find(walk, os, &need);
	found = firmware_choose(walk->options->firmwares, &need.wish);
	free(need.architecture);
	free(need.machine);
	return found;
}

/* The peer's paths mean nothing here: code and the template of variables are this host's. libvirt
 * copies the template where there are no variables yet. */
static void write_loader(struct domain_walk *walk, const xmlNode *os,
			 const struct firmware *firmware)
{
	bool secure = domain_value_is(domain_child(os, "loader"), "secure", "yes") ||
		      feature_is_wanted(os, "secure-boot");

	domain_start(walk, "loader");
	domain_attribute(walk, "readonly", "yes");
	domain_attribute(walk, "secure", secure ? "yes" : "no");
	domain_attribute(walk, "type", "pflash");
	domain_text(walk, firmware->code);
	domain_end(walk);
	domain_start(walk, "nvram");
	domain_attribute(walk, "template", firmware->variables);
	if (walk->options->nvram != NULL) {
		domain_text(walk, walk->options->nvram);
	}
	domain_end(walk);
}

/* What an admin should know before the day of a failover. */
static void note_variables(struct domain_walk *walk, const struct firmware *firmware)
{
	const struct replica_domain_options *options = walk->options;

	if (options->nvram != NULL && options->nvram_bytes == 0) {
		sentence_list_add(walk->notes,
				  "no UEFI variables (NVRAM) have come from the primary side: the "
				  "replica VM would start with fresh ones");
	}
	if (options->nvram_bytes != 0 && firmware == NULL && options->firmwares != NULL) {
		sentence_list_add(walk->notes,
				  "no UEFI firmware here suits the VM's variables of %llu bytes: "
				  "install the one that the primary side has",
				  (unsigned long long)options->nvram_bytes);
	}
}

/* Where no descriptor suits, libvirt chooses; with that it takes a file of variables but no
 * template (9.0, measured). What the host lacks is told by domain_fit.c. */
static void write_firmware(struct domain_walk *walk, const xmlNode *os,
			   const struct firmware *firmware)
{
	if (firmware != NULL) {
		write_loader(walk, os, firmware);
	} else {
		write_features(walk, os);
	}
	if (firmware == NULL && walk->options->nvram != NULL) {
		domain_start(walk, "nvram");
		domain_text(walk, walk->options->nvram);
		domain_end(walk);
	}
	note_variables(walk, firmware);
}

/* A kernel outside the disks is a file of the host. One of the same name is used where this site
 * keeps such files; elsewhere the peer could name any file that libvirt may read. */
static bool find_boot_file(const struct domain_walk *walk, const char *theirs,
			   char path[PATH_LEN_MAX + 1])
{
	const char *directory = walk->options->boot_directory;
	const char *slash = theirs != NULL ? strrchr(theirs, '/') : NULL;
	const char *base = slash != NULL ? slash + 1 : "";

	return directory != NULL && base[0] != '\0' && base[0] != '.' &&
	       domain_rule_text_is_plain(DOMAIN_TEXT_WORD, base) &&
	       (size_t)snprintf(path, PATH_LEN_MAX + 1, "%s/%s", directory, base) <= PATH_LEN_MAX;
}

void domain_make_kernel(struct domain_walk *walk, const xmlNode *node,
			const struct domain_rule *rule)
{
	cleanup_free char *theirs = domain_content(node);
	char path[PATH_LEN_MAX + 1];

	if (domain_own_has_kernel(walk) && !walk->kernel_taken) {
		return; /* it is put back */
	}
	if (!find_boot_file(walk, theirs, path)) {
		sentence_list_add(walk->notes,
				  "the VM boots a file of its host (%s %.80s): keep that file in a "
				  "directory here and name it in vmreplica.conf, [replica] "
				  "boot-directory",
				  rule->path, theirs != NULL ? theirs : "");
		return;
	}
	if (!walk->kernel_taken) {
		return; /* an initrd; what is wrong with the kernel has been said */
	}
	domain_start(walk, (const char *)node->name);
	domain_text(walk, path);
	domain_end(walk);
}

void domain_make_cmdline(struct domain_walk *walk, const xmlNode *node,
			 const struct domain_rule *rule)
{
	if (walk->kernel_taken) {
		domain_copy_plainly(walk, node, rule);
	}
}

void domain_make_os(struct domain_walk *walk, const xmlNode *node, const struct domain_rule *rule)
{
	cleanup_free char *kernel = domain_content(domain_child(node, "kernel"));
	char path[PATH_LEN_MAX + 1];
	bool uefi = is_uefi(node);
	const struct firmware *firmware = uefi ? find_firmware(walk, node) : NULL;

	walk->kernel_taken = find_boot_file(walk, kernel, path);
	domain_start(walk, "os");
	domain_copy_attributes(walk, node, rule);
	if (uefi && firmware == NULL) {
		domain_attribute(walk, "firmware", "efi");
	} else if (!uefi && domain_child(node, "loader") != NULL) {
		sentence_list_add(walk->notes,
				  "the firmware named as loader is not taken over: the replica VM "
				  "has its host's own");
	}
	domain_copy_children(walk, node, rule->path);
	if (uefi) {
		write_firmware(walk, node, firmware);
	}
	domain_end(walk);
}

bool domain_emulator_is_usual(const char *path)
{
	static const char *const usual[] = {"/usr/bin/kvm", "/usr/libexec/qemu-kvm",
					    "/usr/bin/qemu-kvm"};
	bool is_usual = path != NULL && strncmp(path, "/usr/bin/qemu-system-", 21) == 0;

	for (size_t i = 0; path != NULL && i < sizeof(usual) / sizeof(usual[0]); i++) {
		is_usual = is_usual || strcmp(path, usual[i]) == 0;
	}
	return is_usual;
}

/* The host's own QEMU runs the VM. That it was another program there is worth a word. */
void domain_make_emulator(struct domain_walk *walk, const xmlNode *node,
			  const struct domain_rule *rule)
{
	cleanup_free char *path = domain_content(node);

	(void)rule;
	if (!domain_emulator_is_usual(path)) {
		sentence_list_add(walk->notes,
				  "emulator %.100s is not taken over: the host's own QEMU runs the "
				  "replica VM",
				  path != NULL ? path : "");
	}
}

/* ---- the whole ---- */

static bool has_essentials(const xmlNode *root)
{
	const xmlNode *os = domain_child(root, "os");
	cleanup_free char *memory = domain_content(domain_child(root, "memory"));
	cleanup_free char *machine = domain_content(domain_child(os, "type"));

	return domain_child(root, "name") != NULL && domain_child(root, "devices") != NULL &&
	       memory != NULL && domain_rule_text_is_plain(DOMAIN_TEXT_NUMBER, memory) &&
	       machine != NULL && strcmp(machine, "hvm") == 0;
}

static void note_missing_disks(struct domain_walk *walk)
{
	for (size_t i = 0; i < walk->options->disk_count; i++) {
		if (!walk->disk_seen[i]) {
			sentence_list_add(walk->notes,
					  "disk %.32s is replicated, but the VM's definition does "
					  "not have it",
					  walk->options->disks[i].target);
		}
	}
}

static void write_domain(struct domain_walk *walk, const xmlNode *root, const char *type)
{
	walk->failed |= xmlTextWriterSetIndent(walk->writer, 1) < 0 ||
			xmlTextWriterSetIndentString(walk->writer, (const xmlChar *)"  ") < 0;
	domain_start(walk, "domain");
	domain_attribute(walk, "type", type);
	domain_copy_children(walk, root, "");
	domain_end(walk);
	note_missing_disks(walk);
}

static int make_text(struct domain_walk *walk, const xmlNode *root, const char *type,
		     char **ret_xml)
{
	xmlBuffer *buffer = xmlBufferCreate();
	char *text = NULL;

	walk->writer = buffer != NULL ? xmlNewTextWriterMemory(buffer, 0) : NULL;
	if (walk->writer != NULL) {
		write_domain(walk, root, type);
		walk->failed |= xmlTextWriterEndDocument(walk->writer) < 0;
		xmlFreeTextWriter(walk->writer);
		text = walk->failed ? NULL : strdup((const char *)xmlBufferContent(buffer));
	}
	xmlBufferFree(buffer);
	if (text == NULL) {
		return -ENOMEM;
	}
	*ret_xml = text;
	return 0;
}

/* NULL: there is none, or none that could be used. */
static xmlDoc *read_own(const struct replica_domain_own *own, struct sentence_list *notes)
{
	char error[DOMAIN_ERROR_LEN];
	xmlDoc *document = NULL;

	if (own != NULL && domain_document_read(own->xml, own->len, &document, error) < 0) {
		sentence_list_add(
			notes,
			"what only this side had of the VM does not come home: kept of it "
			"here, %s",
			error);
		return NULL;
	}
	return document;
}

static int make(const xmlNode *root, const struct replica_domain_options *options, char **ret_xml,
		struct sentence_list *notes, char error[DOMAIN_ERROR_LEN])
{
	cleanup_xml_doc xmlDoc *own = read_own(options->own, notes);
	struct domain_walk walk = {.options = options,
				   .notes = notes,
				   .theirs = root,
				   .own = own != NULL ? xmlDocGetRootElement(own) : NULL};
	cleanup_free char *type = domain_value(root, "type");

	if (type == NULL || (strcmp(type, "kvm") != 0 && strcmp(type, "qemu") != 0)) {
		snprintf(error, DOMAIN_ERROR_LEN, "the VM is not one of KVM's or QEMU's");
		return -EBADMSG;
	}
	if (!has_essentials(root) || options->disk_count > DISKS_MAX) {
		snprintf(error, DOMAIN_ERROR_LEN,
			 "the VM's definition lacks its name, memory, <type>hvm</type> or devices");
		return -EBADMSG;
	}
	if (make_text(&walk, root, type, ret_xml) < 0) {
		snprintf(error, DOMAIN_ERROR_LEN, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

int replica_domain_make(const char *xml, size_t len, const struct replica_domain_options *options,
			char **ret_xml, struct sentence_list *notes, char error[DOMAIN_ERROR_LEN])
{
	xmlDoc *document;
	int result = domain_document_read(xml, len, &document, error);

	if (result < 0) {
		return result;
	}
	result = make(xmlDocGetRootElement(document), options, ret_xml, notes, error);
	xmlFreeDoc(document);
	return result;
}
