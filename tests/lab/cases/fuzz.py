# SPDX-License-Identifier: GPL-2.0-or-later
"""Each fuzz target replays its kept corpus and runs for 4 s from there, under ASan and UBSan, and finds nothing. The
long version is tests/fuzz/run 1200."""
import os
import subprocess

import shape as shapes
from case import require, say

PRODUCT = False
LAB = False
TIMEOUT = 600
SECONDS = 4


def run(_lab):
    result = subprocess.run([f"{shapes.TOP}/tests/fuzz/run", str(SECONDS)], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            cwd=shapes.TOP, env={**os.environ, "LC_ALL": "C"})
    lines = result.stdout.strip().splitlines()
    say("\n".join(lines[-12:]))
    require(result.returncode == 0, f"a fuzz target failed: {lines[-1] if lines else ''}")
