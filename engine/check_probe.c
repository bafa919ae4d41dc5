/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "engine/check_probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/pki.h"
#include "common/tls_expiry.h"
#include "engine/adopted_disks.h"
#include "engine/check_wrap.h"
#include "engine/locate_client.h"
#include "engine/order_client.h"
#include "engine/source_version.h"

#define CHECK_DISK_BYTES (1u << 20)

/* The node's, its authority's, and the lists: one line for what runs out, or has. */
static bool certificates_are_well(struct check_probe *probe)
{
	char text[TLS_ERROR_LEN] = "";
	struct tls_context *context = tls_store_get(probe->tls, text);
	enum tls_expiry_verdict verdict = TLS_EXPIRY_OVER;
	struct tls_expiry expiry = {.crl_check = TLS_CRL_REQUIRE};

	if (context != NULL) {
		tls_context_expiry(context, &expiry);
		tls_context_unref(context);
		verdict = tls_expiry_judge(&expiry, clock_wall_ms(), text);
	}
	if (verdict != TLS_EXPIRY_WELL) {
		bool fails = verdict == TLS_EXPIRY_OVER && expiry.crl_check == TLS_CRL_REQUIRE;

		check_list_add(&probe->list, fails ? CHECK_FAIL : CHECK_WARNING, "certificate",
			       "no daemon has to be restarted: they take new files by themselves",
			       "%s", text);
	}
	return verdict == TLS_EXPIRY_WELL;
}

static void probe_certificate(struct check_probe *probe)
{
	const struct config *config = probe->config;
	char error[PKI_ERROR_LEN], when[RFC3339_LEN];
	struct pki_info info;

	if (pki_check(config->tls_ca, config->tls_certificate, config->tls_key, error) != 0 ||
	    pki_show(config->tls_certificate, &info, error) != 0) {
		check_list_add(
			&probe->list, CHECK_FAIL, "certificate",
			"issue one: vmreplica pki issue, and copy it to where vmreplica.conf says",
			"%s", error);
		return;
	}
	clock_format_rfc3339(info.not_after_ms, when);
	if (!certificates_are_well(probe)) {
		return;
	}
	check_list_add(&probe->list, CHECK_OK, "certificate", NULL, "%s, until %s", info.names,
		       when);
}

static void probe_clock(struct check_probe *probe)
{
	struct timex state = {0};

	if (adjtimex(&state) == TIME_ERROR && (state.status & STA_UNSYNC) != 0) {
		check_list_add(&probe->list, CHECK_WARNING, "clock",
			       "run chrony or another time service",
			       "not synchronized: times of cycles and points may mislead");
		return;
	}
	check_list_add(&probe->list, CHECK_OK, "clock", NULL, "synchronized");
}

static void probe_scratch(struct check_probe *probe)
{
	const char *directory = probe->config->scratch_directory;
	struct statvfs fs;
	uint64_t free_bytes;

	if (statvfs(directory, &fs) != 0 || access(directory, W_OK | X_OK) != 0) {
		check_list_add(&probe->list, CHECK_FAIL, "scratch",
			       "make the directory, or name another one: [scratch] directory in "
			       "vmreplica.conf",
			       "%s: %s", directory, strerror(errno));
		return;
	}
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (free_bytes <= probe->config->scratch_reserve_bytes) {
		check_list_add(
			&probe->list, CHECK_FAIL, "scratch",
			"free space there, or lower [scratch] reserve",
			"%s has %llu MiB free, the reserve alone is %llu MiB: no cycle can start",
			directory, (unsigned long long)(free_bytes >> 20),
			(unsigned long long)(probe->config->scratch_reserve_bytes >> 20));
		return;
	}
	check_list_add(
		&probe->list, CHECK_OK, "scratch", NULL, "%s, %llu MiB free above the reserve",
		directory,
		(unsigned long long)((free_bytes - probe->config->scratch_reserve_bytes) >> 20));
}

static void probe_version(struct check_probe *probe, const char *name,
			  struct source_version version, struct source_version least)
{
	if (source_version_is_enough(version, least)) {
		check_list_add(&probe->list, CHECK_OK, name, NULL, "%u.%u.%u", version.major,
			       version.minor, version.release);
		return;
	}
	check_list_add(&probe->list, CHECK_FAIL, name, "upgrade it",
		       "%u.%u.%u, needs %u.%u or newer", version.major, version.minor,
		       version.release, least.major, least.minor);
}

/* False when libvirt does not answer: its VMs cannot be looked at. */
static bool probe_libvirt(struct check_probe *probe)
{
	struct source_version libvirt, qemu;
	char error[SOURCE_ERROR_LEN];

	if (source_versions(probe->libvirt, &libvirt, &qemu, error) != 0) {
		check_list_add(&probe->list, CHECK_FAIL, "libvirt",
			       "is libvirtd running? systemctl status libvirtd", "%s", error);
		return false;
	}
	probe_version(probe, "libvirt", libvirt, SOURCE_LIBVIRT_MIN);
	probe_version(probe, "QEMU", qemu, SOURCE_QEMU_MIN);
	return true;
}

static void probe_disks(struct check_probe *probe, const struct check_vm *vm)
{
	struct source_options options = {
		.vm = vm->vm,
		.scratch_directory = probe->config->scratch_directory,
		.scratch_reserve_bytes = probe->config->scratch_reserve_bytes,
		.scratch_cap_bytes = probe->config->scratch_cap_bytes,
		.socket_directory = VMR_RUNDIR "/backup",
	};
	char error[SOURCE_ERROR_LEN], item[VM_NAME_MAX + 8];
	struct source *source = NULL;

	snprintf(item, sizeof(item), "disks %s", vm->vm);
	if (source_open(probe->libvirt, &options, &source, error) != 0) {
		check_list_add(&probe->list, CHECK_FAIL, item,
			       "virsh list --all shows the VMs of this node", "%s", error);
		return;
	}
	for (size_t i = 0; i < source_disk_count(source); i++) {
		const struct source_disk *disk = source_disk_at(source, i);

		if (disk->problem != NULL) {
			check_list_add(&probe->list, CHECK_FAIL, item,
				       "or leave it out: --exclude-disk", "%s: %s", disk->name,
				       disk->problem);
		} else {
			check_list_add(&probe->list, CHECK_OK, item, NULL, "%s: %s, %llu MiB",
				       disk->name, disk->path,
				       (unsigned long long)(disk->size_bytes >> 20));
			if (adopted_disks_check_image(disk->path, error) == -ENOTSUP) {
				check_list_add(
					&probe->list, CHECK_WARNING, item,
					"it can fail over, but neither --planned nor reverse "
					"bring it back here",
					"%s: %s", disk->name, error);
			}
		}
	}
	check_wrap_run(probe->libvirt, source, item, &probe->list);
	source_close(source);
}

static void peer_failed_line(struct check_probe *probe, const char *item, const char *text)
{
	check_list_add(&probe->list, CHECK_FAIL, item,
		       "on the other side: vmreplica authorize list, vmreplica broker", "%s", text);
}

/* Does the other side know the replica? */
static void probe_replica(struct check_probe *probe, const struct check_vm *vm,
			  const struct locate_client *client, const char *item)
{
	struct locate_answer answer;
	struct trouble trouble;

	if (locate_client_ask(client, vm->relationship, false, &answer, &trouble) != 0) {
		peer_failed_line(probe, item, trouble.text);
	} else if (answer.kind == LOCATE_ABSENT) {
		peer_failed_line(probe, item, answer.reason);
	} else {
		check_list_add(&probe->list, CHECK_OK, item, NULL, "%s: replica on %s", vm->vm,
			       answer.node);
	}
}

/* The way back, after a failover: the other side must answer, and be authorized here. Replication
 * needs neither: a warning. */
static void probe_reverse(struct check_probe *probe, const struct check_vm *vm,
			  const struct locate_client *client)
{
	struct order_answer answer;
	struct trouble trouble;
	char item[VM_NAME_MAX + 16];

	snprintf(item, sizeof(item), "failover %s", vm->vm);
	if (order_client_query(client, vm->relationship, probe->config->site, NULL, &answer,
			       &trouble) < 0) {
		check_list_add(&probe->list, CHECK_WARNING, item,
			       "update the broker there; it must be able to answer QUERY", "%s",
			       trouble.text);
	} else if (authorization_match_name(&probe->authorizations, answer.site) == NULL) {
		check_list_add(&probe->list, CHECK_WARNING, item,
			       "vmreplica authorize add SITE --storage DIRECTORY, on this side",
			       "%s is not authorized here: after a failover it could not replicate "
			       "back",
			       answer.site[0] != '\0' ? answer.site : client->host);
	} else {
		check_list_add(&probe->list, CHECK_OK, item, NULL,
			       "%s answers, and may replicate back to here", answer.site);
	}
}

/* Would the other side take a VM of ours? Asked as a dry run of protect. */
static void probe_authorization(struct check_probe *probe, const struct check_vm *vm,
				const struct locate_client *client, const char *item)
{
	/* An enrollment names at least one disk; a small one asks for no room that matters. */
	Vmreplica__Wire__Disk disk = VMREPLICA__WIRE__DISK__INIT, *disks[] = {&disk};
	Vmreplica__Wire__Enroll enroll = VMREPLICA__WIRE__ENROLL__INIT;
	char relationship[RELATIONSHIP_LEN + 1], disk_name[] = "vda";
	struct locate_enrolled enrolled = {0};
	struct trouble trouble;

	if (name_make_uuid(relationship) != 0) {
		peer_failed_line(probe, item, "no random numbers to be had");
		return;
	}
	enroll.relationship = relationship;
	enroll.vm = (char *)(uintptr_t)vm->vm;
	enroll.site = probe->config->site;
	enroll.frequency_s = FREQUENCY_DEFAULT_S;
	enroll.dry_run = true;
	disk.name = disk_name;
	disk.size_bytes = CHECK_DISK_BYTES;
	enroll.disks = disks;
	enroll.n_disks = 1;
	if (locate_client_enroll(client, &enroll, &enrolled, &trouble) == 0) {
		check_list_add(&probe->list, CHECK_OK, item, NULL,
			       "reachable, and authorizes us for %s", enrolled.storage);
	} else {
		peer_failed_line(probe, item, trouble.text);
	}
	locate_enrolled_destroy(&enrolled);
}

static void probe_peer(struct check_probe *probe, const struct check_vm *vm)
{
	struct locate_client client = {.tls = probe->tls, .host = vm->host, .port = vm->port};
	char item[VM_SETTINGS_HOST_LEN + 8];

	snprintf(item, sizeof(item), "peer %s", vm->host);
	if (vm->relationship[0] != '\0') {
		probe_replica(probe, vm, &client, item);
		probe_reverse(probe, vm, &client);
	} else {
		probe_authorization(probe, vm, &client, item);
	}
}

/* What is wrong in the file now strikes at the next start, when the old one is gone. */
static void probe_config(struct check_probe *probe)
{
	char error[CONFIG_ERROR_LEN] = "";
	struct config config;

	if (probe->config_path == NULL) {
		return;
	}
	if (config_load(probe->config_path, &config, error) < 0) {
		check_list_add(&probe->list, CHECK_FAIL, "configuration",
			       "correct it: the daemons of this node will not start again with it",
			       "%s", error);
		return;
	}
	config_destroy(&config);
	check_list_add(&probe->list, CHECK_OK, "configuration", NULL, "%s", probe->config_path);
}

void check_probe_run(struct check_probe *probe)
{
	bool libvirt;

	probe_config(probe);
	probe_certificate(probe);
	probe_clock(probe);
	probe_scratch(probe);
	check_storages_run(&probe->storages, &probe->list);
	libvirt = probe_libvirt(probe);
	if (libvirt) {
		check_replicas_run(&probe->replicas, probe->config, probe->libvirt, &probe->list);
	}
	for (size_t i = 0; i < probe->vm_count; i++) {
		if (libvirt && probe->vms[i].disks) {
			probe_disks(probe, &probe->vms[i]);
		}
		if (probe->vms[i].host[0] != '\0') {
			probe_peer(probe, &probe->vms[i]);
		}
	}
}
