#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The source in trouble, against real libvirt and QEMU, in private hosts; skipped (77) where those cannot be had.
exec "${srcdir:-.}/tests/unit/live-libvirt.sh" "$PWD/tests/unit/test_source_harm"
