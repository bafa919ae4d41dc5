/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/check_wrap.h"

#include <stdio.h>
#include <unistd.h>

#include "engine/wrap_access.h"
#include "engine/wrap_record.h"

#define HOOK "/etc/libvirt/hooks/qemu.d/vmreplica"

static void check_access(const struct source_disk *disk, const struct source_security *security,
			 const char *item, struct check_list *list)
{
	struct wrap_disk wrapped = {.size_bytes = disk->size_bytes};
	struct sentence_list warnings = {0};
	struct wrap_problem problem;

	snprintf(wrapped.name, sizeof(wrapped.name), "%s", disk->name);
	snprintf(wrapped.raw, sizeof(wrapped.raw), "%s", disk->data_path);
	if (wrap_access_problem(&wrapped, security, true, &problem)) {
		check_list_add(list, CHECK_FAIL, item, problem.advice, "%s: %s", disk->name,
			       problem.text);
	}
	wrap_access_warn(&wrapped, security, &warnings);
	for (size_t i = 0; i < warnings.count; i++) {
		check_list_add(list, CHECK_WARNING, item,
			       "once that is so, the warning may be ignored: it cannot be seen "
			       "from here",
			       "%s: %s", disk->name, warnings.items[i]);
	}
	sentence_list_destroy(&warnings);
}

static void check_record(const struct source_disk *disk, const char *item, struct check_list *list)
{
	struct wrap_record record;

	wrap_record_read(disk->path, &record, NULL);
	if (record.state == WRAP_DOUBT) {
		check_list_add(list, CHECK_WARNING, item, "the next cycle does so by itself",
			       "%s: %s is to be resynchronized: %s", disk->name, disk->data_path,
			       record.why);
	}
}

void check_wrap_run(struct source_connection *libvirt, const struct source *source,
		    const char *item, struct check_list *list)
{
	char error[SOURCE_ERROR_LEN];
	struct source_security security;
	bool known = false;

	for (size_t i = 0; i < source_disk_count(source); i++) {
		const struct source_disk *disk = source_disk_at(source, i);

		if (disk->data_path == NULL) {
			continue;
		}
		if (!known && source_security_ask(libvirt, &security, error) != 0) {
			check_list_add(list, CHECK_WARNING, item, "try again",
				       "access to raw disks is not known: %s", error);
			return;
		}
		if (!known && access(HOOK, X_OK) != 0) {
			check_list_add(list, CHECK_WARNING, item,
				       "install it (it comes with vmreplica) and restart libvirtd",
				       "without libvirt's hook " HOOK " each start of the VM is "
				       "followed by a resynchronization");
		}
		known = true;
		check_access(disk, &security, item, list);
		check_record(disk, item, list);
	}
}
