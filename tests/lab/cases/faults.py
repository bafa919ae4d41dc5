# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults under the store of a real receiver, whole: every n-th write, fsync, rename, open and each
FAULT_STEP-th allocation of a cycle that fails; power cut at every flush and 1,000 times at random;
a disk that gets full at each write of a cycle; jumps of the wall clock; torn tails and flipped bits
in logs, manifest and layers; 10,000 streams of frames in the wrong place.  Needs no lab.  FAULT_SEED
may be given, FAULT_PROGRAM for one of them."""
import os
import subprocess

import shape as shapes
from case import require, say

PRODUCT = False
LAB = False
SOAK = True
TIMEOUT = 6 * 3600
PROGRAMS = ["calls", "power_loss", "full_disk", "clock_jumps", "torn", "wrong_frames"]


def run(_lab):
    build = f"{shapes.TOP}/_build"
    failed = []
    for name in [os.environ.get("FAULT_PROGRAM")] if os.environ.get("FAULT_PROGRAM") else PROGRAMS:
        program = f"tests/faults/test_{name}"
        subprocess.run(["make", "-s", "-C", build, program, "tests/faults/shim.so",
                        "vmreplica-receiver"], check=True, stdin=subprocess.DEVNULL)
        environment = {"FAULT_SHARE": "0", "FAULT_STEP": "499", **os.environ, "LC_ALL": "C"}
        result = subprocess.run([f"./{program}"], cwd=build, env=environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        say("\n".join(result.stdout.strip().splitlines()[-40:]))
        if result.returncode != 0:
            failed.append(name)
    require(not failed, f"faults that did harm: {' '.join(failed)}; the seed is above")
