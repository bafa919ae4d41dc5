/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/live_host.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

/* xorw %ax,%ax; movw %ax,%ds
 * again: movw $dap,%si; movb $0x80,%dl; movw $0x4300,%ax; int $0x13   (write 64 sectors from
 * 0x7c00) addl $64,lba; andl $0x1ffff,lba; orl $0x800,lba; jmp again dap: 16, 0, 64 sectors,
 * 0:0x7c00, lba 2048 */
static const unsigned char writer_code[] = {
	0x31, 0xc0, 0x8e, 0xd8, 0xbe, 0x28, 0x7c, 0xb2, 0x80, 0xb8, 0x00, 0x43, 0xcd, 0x13,
	0x66, 0x83, 0x06, 0x30, 0x7c, 0x40, 0x66, 0x81, 0x26, 0x30, 0x7c, 0xff, 0xff, 0x01,
	0x00, 0x66, 0x81, 0x0e, 0x30, 0x7c, 0x00, 0x08, 0x00, 0x00, 0xeb, 0xdc, 0x10, 0x00,
	0x40, 0x00, 0x00, 0x7c, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

const char *live_uri(void)
{
	return getenv("VMREPLICA_TEST_LIBVIRT_URI");
}

const char *live_peer_uri(void)
{
	return getenv("VMREPLICA_TEST_PEER_URI");
}

const char *live_directory(void)
{
	return getenv("VMREPLICA_TEST_DIRECTORY");
}

static int run_command(const char *command, char *ret_line, size_t size)
{
	cleanup_free char *quiet = NULL;
	FILE *pipe;
	char text[4096] = "";
	size_t used;
	int status;

	if (asprintf(&quiet, "{ %s\n} 2>&1", command) < 0) {
		return -1;
	}
	pipe = popen(quiet, "re");
	if (pipe == NULL) {
		return -1;
	}
	used = fread(text, 1, sizeof(text) - 1, pipe);
	text[used] = '\0';
	while (used == sizeof(text) - 1 && fgetc(pipe) != EOF) {
		/* drain */
	}
	status = pclose(pipe);
	if (ret_line != NULL) {
		snprintf(ret_line, size, "%.*s", (int)strcspn(text, "\n"), text);
	} else if (status != 0) {
		fprintf(stderr, "failed: %s\n%s\n", command, text);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int live_run(const char *format, ...)
{
	cleanup_free char *command = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&command, format, args);
	va_end(args);
	return length >= 0 ? run_command(command, NULL, 0) : -1;
}

int live_line(char *ret_line, size_t size, const char *format, ...)
{
	cleanup_free char *command = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&command, format, args);
	va_end(args);
	return length >= 0 ? run_command(command, ret_line, size) : -1;
}

static void write_disk(FILE *file, const char *vm, const char *format, const char *target)
{
	fprintf(file,
		"<disk type='file' device='disk'><driver name='qemu' type='%s' cache='none'/>"
		"<source file='%s/%s-%s.img'/><target dev='%s' bus='virtio'/></disk>\n",
		format, live_directory(), vm, target, target);
}

static int write_definition(const char *vm)
{
	cleanup_fclose FILE *file = NULL;
	cleanup_free char *path = NULL;

	if (asprintf(&path, "%s/%s.xml", live_directory(), vm) < 0) {
		return -1;
	}
	file = fopen(path, "we");
	if (file == NULL) {
		return -1;
	}
	fprintf(file,
		"<domain type='qemu'>\n<name>%s</name>\n<memory unit='MiB'>64</memory>"
		"<vcpu>1</vcpu><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type>"
		"<boot dev='hd'/></os><cpu mode='custom'><model>qemu64</model></cpu>"
		"<on_crash>destroy</on_crash><devices>\n",
		vm);
	write_disk(file, vm, "qcow2", "vda");
	write_disk(file, vm, "qcow2", "vdb");
	write_disk(file, vm, "raw", "vdc");
	fprintf(file, "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
		      "<serial type='null'/><memballoon model='none'/></devices></domain>\n");
	return 0;
}

/* Put the writer into the boot sector of the (raw) file at path. */
static int write_boot_sector(const char *path)
{
	cleanup_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	unsigned char sector[512] = {0};

	memcpy(sector, writer_code, sizeof(writer_code));
	sector[510] = 0x55;
	sector[511] = 0xaa;
	if (fd < 0 || write(fd, sector, sizeof(sector)) != (ssize_t)sizeof(sector)) {
		return -1;
	}
	return 0;
}

static int make_disks(const char *vm, int writer)
{
	const char *dir = live_directory();
	cleanup_free char *boot = NULL;

	if (live_run("cd %s && qemu-img create -q -f qcow2 %s-vda.img 64M && "
		     "qemu-img create -q -f qcow2 %s-vdb.img 32M && truncate -s 0 %s-vdc.img && "
		     "truncate -s 1M %s-vdc.img",
		     dir, vm, vm, vm, vm) != 0) {
		return -1;
	}
	if (!writer) {
		return 0;
	}
	if (asprintf(&boot, "%s/boot.raw", dir) < 0 || write_boot_sector(boot) != 0) {
		return -1;
	}
	return live_run("qemu-io -f qcow2 %s/%s-vda.img -c 'write -s %s 0 512'", dir, vm, boot);
}

int live_vm_start_again(const char *vm)
{
	return live_run("virsh -c %s create %s/%s.xml", live_uri(), live_directory(), vm);
}

int live_vm_start(const char *vm, int writer)
{
	live_vm_stop(vm);
	if (make_disks(vm, writer) != 0 || write_definition(vm) != 0) {
		return -1;
	}
	return live_vm_start_again(vm);
}

void live_vm_stop(const char *vm)
{
	live_run("virsh -c %s destroy %s || virsh -c %s destroy %s || true", live_uri(), vm,
		 live_peer_uri(), vm);
}

int live_vm_write(const char *uri, const char *vm, int disk, int pattern, uint64_t offset,
		  uint64_t length)
{
	char line[256];

	/* The monitor's exit status says nothing of qemu-io's success; its silence does. */
	if (live_line(line, sizeof(line),
		      "virsh -q -c %s qemu-monitor-command %s --hmp 'qemu-io -d "
		      "/machine/peripheral/virtio-disk%d/virtio-backend \"write -P %d %llu %llu\"'",
		      uri, vm, disk, pattern, (unsigned long long)offset,
		      (unsigned long long)length) != 0) {
		return -1;
	}
	return strstr(line, "rror") != NULL || strstr(line, "failed") != NULL ? -1 : 0;
}

int live_vm_pid(const char *vm)
{
	char line[64];

	if (live_line(line, sizeof(line), "cat /run/libvirt/qemu/%s.pid", vm) != 0) {
		return -1;
	}
	return atoi(line);
}
