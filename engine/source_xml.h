/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The XML that libvirt takes and gives for jobs and checkpoints. Pure. Private to source*.c. */
#ifndef VMR_ENGINE_SOURCE_XML_H
#define VMR_ENGINE_SOURCE_XML_H

#include <stdint.h>

#include "engine/source.h"

/* The bitmap's export name in our jobs: "qemu:dirty-bitmap:" SOURCE_EXPORT_BITMAP. */
#define SOURCE_EXPORT_BITMAP "vmreplica"

struct source_xml_disk {
	const char *name;
	const char *scratch; /* scratch file's path; unused for checkpoints */
	bool full;	     /* read whole although the job is incremental */
};

/* <domainbackup> in pull mode on a Unix socket; incremental is a checkpoint's name or NULL. Returns
 * a string to free, NULL when out of memory. */
char *source_xml_backup(const char *socket_path, const char *incremental,
			const struct source_xml_disk *disks, size_t count);
/* <domaincheckpoint> of a new checkpoint over disks. Likewise. */
char *source_xml_checkpoint(const char *name, const struct source_xml_disk *disks, size_t count);
/* <domaincheckpoint> to tell libvirt of bitmaps that exist already. It must hold the domain's full
 * XML; parent may be NULL. Likewise. */
char *source_xml_redefine(const char *name, const char *parent, int64_t creation_time_s,
			  const struct source_xml_disk *disks, size_t count,
			  const char *domain_xml);

/* Unix socket of a pull job's <domainbackup>; NULL when it is another kind of job. To free. */
char *source_xml_backup_socket(const char *xml);
/* A phrase for an admin: "pull mode, NBD on /path" or "push mode". To free; NULL when out of
 * memory. */
char *source_xml_backup_describe(const char *xml);

#endif
