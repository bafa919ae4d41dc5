# SPDX-License-Identifier: GPL-2.0-or-later
"""Planned failovers to and fro, with an engine killed or the line cut in each step of each side:
after each the VM runs on one side, has all its records, and replicates to the other.  PLANNED_ROUNDS
may give the number of strikes (else each step once by each).  The results of all runs add up in
_build/planned-results.jsonl: one line a strike, with the step that it hit."""
import json
import os
import random
import time

import crash_rounds
import failover_planned_kills as kills
import shape as shapes
from case import require, say

SOAK = True
DIRTY = True
TIMEOUT = 3 * 3600
RESULTS = f"{shapes.TOP}/_build/planned-results.jsonl"


def aims():
    """Each step of each side by each means: an engine killed, the line cut for 5 s."""
    every = [("old", step, what) for step in kills.OLD_STEPS for what in ("vmreplica-engine", "wan")]
    every += [("new", step, what) for step in kills.NEW_STEPS for what in ("vmreplica-engine", "wan")]
    seed = int(os.environ.get("CRASH_SEED", time.time()))
    say(f"CRASH_SEED={seed}")
    random.Random(seed).shuffle(every)
    wanted = int(os.environ.get("PLANNED_ROUNDS", len(every)))
    return [every[number % len(every)] for number in range(wanted)]


def run(lab):
    kills.prepare(lab)
    reached, old = lab.guest_status()["seq"], "A"
    commit, hit_steps = crash_rounds.commit(), {}
    for number, aim in enumerate(aims()):
        hits, start = [], time.monotonic()
        entry = {"round": number, "aim": aim, "from": old, "commit": commit, "ok": False}
        try:
            reached, old, job = kills.way(lab, old, reached, [aim], hits, must=False)
            entry.update(ok=True, state=job["state"], text=job["text"])
        finally:
            entry.update(hit=hits[0][1] if hits else "", seconds=round(time.monotonic() - start))
            with open(RESULTS, "a") as file:
                file.write(json.dumps(entry) + "\n")
        for (where, _step, what), step in hits:
            key = f"{where} {step} {what}"
            hit_steps[key] = hit_steps.get(key, 0) + 1
    for key in sorted(hit_steps):
        say(f"{hit_steps[key]} x {key}")
    with open(RESULTS) as file:
        rounds = [json.loads(line) for line in file]
    good = sum(1 for one in rounds if one["ok"])
    say(f"in all {len(rounds)} strikes are in {RESULTS}, {len(rounds) - good} of them failed")
    require(sum(hit_steps.values()) * 2 >= number + 1, "most strikes came too late")
