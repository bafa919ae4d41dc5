# SPDX-License-Identifier: GPL-2.0-or-later
"""Each fuzz target runs for 15 s on its kept corpus, under ASan and UBSan, and finds nothing."""
import os
import subprocess

import shape as shapes
from case import require, say

PRODUCT = False
LAB = False
TIMEOUT = 600
SECONDS = 15


def run(_lab):
    result = subprocess.run([f"{shapes.TOP}/tests/fuzz/run", str(SECONDS)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            cwd=shapes.TOP, env={**os.environ, "LC_ALL": "C"})
    lines = result.stdout.strip().splitlines()
    say("\n".join(lines[-12:]))
    require(result.returncode == 0, f"a fuzz target failed: {lines[-1] if lines else ''}")
