# SPDX-License-Identifier: GPL-2.0-or-later
"""`make distcheck`: the tarball holds all that the build, the tests and the installation need, and
what is installed can be taken out again."""
import os
import subprocess

import shape as shapes
from case import require, say

SOAK = True
LAB = False
TIMEOUT = 1500


def run(_lab):
    build = f"{shapes.TOP}/_build"
    result = subprocess.run(["make", f"-j{os.cpu_count()}", "distcheck"], cwd=build,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    lines = result.stdout.strip().splitlines()
    say("\n".join(lines[-6:]))
    require(result.returncode == 0, f"make distcheck failed: {lines[-1] if lines else ''}")
