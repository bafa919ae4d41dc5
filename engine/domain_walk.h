/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk from the peer's definition to ours: what replica_domain.c, domain_walk.c and
 * replica_device*.c share. Private to them. */
#ifndef VMR_ENGINE_DOMAIN_WALK_H
#define VMR_ENGINE_DOMAIN_WALK_H

#include <libxml/xmlwriter.h>
#include <stdbool.h>

#include "engine/domain_rules.h"
#include "engine/replica_domain.h"
#include "proto/limits.h"

#define DOMAIN_PATH_LEN 256

struct domain_walk {
	xmlTextWriterPtr writer;
	const struct replica_domain_options *options;
	struct sentence_list *notes;
	const xmlNode *theirs;	   /* <domain> of what the peer sent */
	const xmlNode *own;	   /* <domain> of what the VM was here; NULL = nothing is known */
	bool disk_seen[DISKS_MAX]; /* beside options->disks */
	unsigned int interfaces;
	bool kernel_taken; /* direct boot: an initrd or a command line without a kernel is an error
			    */
	bool failed;	   /* a write failed: out of memory */
};

/* ---- writing ---- */
void domain_start(struct domain_walk *walk, const char *element);
void domain_end(struct domain_walk *walk);
void domain_attribute(struct domain_walk *walk, const char *name, const char *value);
void domain_text(struct domain_walk *walk, const char *text);

/* ---- reading: strings to free(); NULL when there is none ---- */
const xmlNode *domain_child(const xmlNode *parent, const char *name);
char *domain_value(const xmlNode *node, const char *attribute);
bool domain_value_is(const xmlNode *node, const char *attribute, const char *wanted);
/* The text of an element without elements in it, white space round it gone. */
char *domain_content(const xmlNode *node);

/* ---- copying ---- */
/* Take over an element by its rule, or note that it stays out. path is its path. */
void domain_copy(struct domain_walk *walk, const xmlNode *node, const char *path);
/* The element itself, with what its rule allows. */
void domain_copy_plainly(struct domain_walk *walk, const xmlNode *node,
			 const struct domain_rule *rule);
/* Its allowed attributes, into the element that is open. */
void domain_copy_attributes(struct domain_walk *walk, const xmlNode *node,
			    const struct domain_rule *rule);
/* Its allowed children. */
void domain_copy_children(struct domain_walk *walk, const xmlNode *node, const char *path);

/* ---- elements made anew ---- */
void domain_make_os(struct domain_walk *walk, const xmlNode *node, const struct domain_rule *rule);
void domain_make_kernel(struct domain_walk *walk, const xmlNode *node,
			const struct domain_rule *rule);
void domain_make_cmdline(struct domain_walk *walk, const xmlNode *node,
			 const struct domain_rule *rule);
void domain_make_emulator(struct domain_walk *walk, const xmlNode *node,
			  const struct domain_rule *rule);
void domain_make_disk(struct domain_walk *walk, const xmlNode *node,
		      const struct domain_rule *rule);
void domain_make_interface(struct domain_walk *walk, const xmlNode *node,
			   const struct domain_rule *rule);
void domain_make_serial(struct domain_walk *walk, const xmlNode *node,
			const struct domain_rule *rule);
void domain_make_channel(struct domain_walk *walk, const xmlNode *node,
			 const struct domain_rule *rule);
void domain_make_input(struct domain_walk *walk, const xmlNode *node,
		       const struct domain_rule *rule);
void domain_make_graphics(struct domain_walk *walk, const xmlNode *node,
			  const struct domain_rule *rule);
void domain_make_rng(struct domain_walk *walk, const xmlNode *node, const struct domain_rule *rule);
void domain_make_tpm(struct domain_walk *walk, const xmlNode *node, const struct domain_rule *rule);
/* One that distributions name: the host's own does the same. */
bool domain_emulator_is_usual(const char *path);

#endif
