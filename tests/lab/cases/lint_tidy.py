# SPDX-License-Identifier: GPL-2.0-or-later
"""clang-tidy finds nothing of what .clang-tidy asks."""
from cases.lint import lint

PRODUCT = False
SOAK = True
LAB = False
TIMEOUT = 3600


def run(_lab):
    lint("tidy")
