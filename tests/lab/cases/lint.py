# SPDX-License-Identifier: GPL-2.0-or-later
"""cppcheck and shellcheck find nothing in the sources. clang-tidy takes longer: `./lab soak lint_tidy`."""
import os
import subprocess

import shape as shapes
from case import require, say

PRODUCT = False
LAB = False
TIMEOUT = 600


def lint(*names):
    result = subprocess.run([f"{shapes.TOP}/tests/lint/run", *names], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            cwd=shapes.TOP, env={**os.environ, "LC_ALL": "C"})
    say(result.stdout.strip())
    require(result.returncode == 0, f"{' '.join(names)}: found something")


def run(_lab):
    lint("cppcheck", "shellcheck")
