# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in a node: waits until a job of a kind is in a step or beyond it, kills one process, and
prints the step that it was in; "ended" when the job was over before.

    strike.py KIND NOT_BEFORE_MS STEP,STEP,... PID SECONDS

The engine keeps each job as /var/lib/vmreplica/jobs/<id>.json: to ask the engine would take as
long as a step does.  PID 0 kills nobody.
"""
import glob
import json
import os
import signal
import sys
import time

JOBS = "/var/lib/vmreplica/jobs/*.json"


def newest(kind, not_before_ms):
    found = []
    for path in glob.glob(JOBS):
        try:
            with open(path) as file:
                job = json.load(file)
        except (OSError, ValueError):
            continue        # being replaced
        if job["kind"] == kind and job["begin_ms"] >= not_before_ms and job["steps"]:
            found.append((job["begin_ms"], job))
    return max(found, key=lambda entry: entry[0])[1] if found else None


def main():
    kind, not_before_ms, steps, pid, seconds = sys.argv[1:]
    wanted, deadline = steps.split(","), time.monotonic() + float(seconds)
    while time.monotonic() < deadline:
        job = newest(kind, int(not_before_ms))
        if job and job["state"] != "running":
            print("ended")
            return
        if job and any(step["name"] in wanted for step in job["steps"]):
            if int(pid):
                os.kill(int(pid), signal.SIGKILL)
            print(job["steps"][-1]["name"])
            return
        time.sleep(0.02)
    print("ended")


main()
