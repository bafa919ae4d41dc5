# SPDX-License-Identifier: GPL-2.0-or-later
"""The checker accepts true points in time and catches each negative control."""
import checker_selftest

PRODUCT = False
LAB = False
TIMEOUT = 120


def run(_lab):
    checker_selftest.main()
