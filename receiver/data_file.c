/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "receiver/data_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* qcow2's header, big endian. */
#define HEADER_LEN	  112u
#define AT_INCOMPATIBLE	  72u
#define AT_LENGTH	  100u
#define INCOMPATIBLE_DATA 4u
#define EXTENSION_END	  0u
#define EXTENSION_DATA	  0x44415441u
#define EXTENSIONS_MAX	  64u

static uint64_t read_be(const uint8_t *at, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++) {
		value = value << 8 | at[i];
	}
	return value;
}

void data_file_read(int fd, char ret_path[PATH_MAX])
{
	uint8_t header[HEADER_LEN], extension[8];
	off_t at;

	ret_path[0] = '\0';
	if (pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header, "QFI\xfb", 4) != 0 || read_be(header + 4, 4) < 3 ||
	    (read_be(header + AT_INCOMPATIBLE, 8) & INCOMPATIBLE_DATA) == 0) {
		return;
	}
	at = (off_t)read_be(header + AT_LENGTH, 4);
	for (unsigned int i = 0; i < EXTENSIONS_MAX; i++) {
		uint32_t type, len;

		if (pread(fd, extension, sizeof(extension), at) != (ssize_t)sizeof(extension)) {
			return;
		}
		type = (uint32_t)read_be(extension, 4);
		len = (uint32_t)read_be(extension + 4, 4);
		at += (off_t)sizeof(extension);
		if (type == EXTENSION_END) {
			return;
		}
		if (type == EXTENSION_DATA) {
			bool whole = len < PATH_MAX && pread(fd, ret_path, len, at) == (ssize_t)len;

			ret_path[whole ? len : 0] = '\0';
			return;
		}
		at += (off_t)((len + 7ull) & ~7ull);
	}
}
