/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hand on the private libvirt hosts of live-libvirt.sh, for test_source_live*.c: virsh, QEMU's
 * monitor and images. */
#ifndef VMR_TESTS_LIVE_HOST_H
#define VMR_TESTS_LIVE_HOST_H

#include <stddef.h>
#include <stdint.h>

/* Exit status of a shell command made from format; its output is kept from the test's unless it
 * fails. */
__attribute__((format(printf, 1, 2))) int live_run(const char *format, ...);
/* First line of its output in ret_line. Returns the exit status. */
__attribute__((format(printf, 3, 4))) int live_line(char *ret_line, size_t size, const char *format,
						    ...);

const char *live_uri(void);	  /* host 1, where the test runs */
const char *live_peer_uri(void);  /* host 2 */
const char *live_directory(void); /* seen by both hosts and by QEMU */

/* Start a transient VM with disks vda (64 MiB) and vdb (32 MiB), qcow2, and vdc (1 MiB, raw), made
 * anew. With a writer its guest writes to vda without pause, 32 KiB at a time over [1 MiB, 64 MiB);
 * else it idles. 0 on success. */
int live_vm_start(const char *vm, int writer);
int live_vm_start_again(const char *vm); /* the same, on the disks as they are */
void live_vm_stop(const char *vm);	 /* on whichever host; 0 also when it was not running */
/* Write to a disk of vm through QEMU, as its guest would. uri says which host it runs on. 0 on
 * success. */
int live_vm_write(const char *uri, const char *vm, int disk, int pattern, uint64_t offset,
		  uint64_t length);
int live_vm_pid(const char *vm); /* QEMU's pid on host 1, or -1 */

#endif
