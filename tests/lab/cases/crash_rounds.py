# SPDX-License-Identifier: GPL-2.0-or-later
"""200 rounds of kill -9 at random moments of a real receiver, its qemu-storage-daemon or its engine's
end of the link, over receiving, applying, making points, merging, resynchronizing, verifying, test
failovers, failovers, cancels, commits and adoptions: after each the replica equals an acknowledged
cycle and every point is a true one.  Needs no lab.  CRASH_ROUNDS and CRASH_SEED may be given; the
results of all runs, those of crash_lab too, add up in _build/crash-results.jsonl (one line a round:
seed, what was killed in what, commit)."""
import json
import os
import subprocess

import shape as shapes
from case import require, say

PRODUCT = False
LAB = False
SOAK = True
TIMEOUT = 3600
RESULTS = f"{shapes.TOP}/_build/crash-results.jsonl"


def commit():
    found = subprocess.run(["git", "-C", shapes.TOP, "rev-parse", "HEAD"], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True)
    return found.stdout.strip()


def run(_lab):
    build = f"{shapes.TOP}/_build"
    program = "tests/unit/test_crash_rounds"
    subprocess.run(["make", "-s", "-C", build, program, "vmreplica-receiver"], check=True,
                   stdin=subprocess.DEVNULL)
    environment = {"CRASH_ROUNDS": "200", **os.environ, "CRASH_RESULTS": RESULTS,
                   "CRASH_COMMIT": commit(), "LC_ALL": "C"}
    result = subprocess.run([f"./{program}"], cwd=build, env=environment, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    say("\n".join(result.stdout.strip().splitlines()[-20:]))
    with open(RESULTS) as file:
        rounds = [json.loads(line) for line in file]
    good = sum(1 for one in rounds if one["ok"])
    say(f"in all {len(rounds)} rounds are in {RESULTS}, {len(rounds) - good} of them failed")
    require(result.returncode == 0, "a crash round failed: its seed is above")
