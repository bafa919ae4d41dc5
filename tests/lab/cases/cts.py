# SPDX-License-Identifier: GPL-2.0-or-later
"""A small cluster test suite: 100 random steps (a node is killed, cut off, on standby; a VM, a
replica, the broker is moved; a daemon killed, hung, stopped and started; the line cut; maintenance
mode) on two sites with two VMs that write.  Never two brokers at a site or two writers of a
replica; and after each step, once all is idle again: one broker a site, one writer of each replica,
one QEMU of each VM, the brokers' routes as Pacemaker says, no resynchronization but for a VM whose
QEMU was lost, no VM restarted but for the same, and on each replica every write from before the
acknowledged cut.  CTS_SEED, CTS_STEPS and CTS_VMS may be given; the results of all runs add up in
_build/cts-results.jsonl."""
import json
import os
import time

import cib
import crash_rounds
import cts_audit
import cts_plan
import cts_steps
import cts_watch
import replication as rep
import shape as shapes
from case import Failure, say

SOAK = True
FRESH = True
DIRTY = True
STEPS = int(os.environ.get("CTS_STEPS") or 100)
SEED = int(os.environ.get("CTS_SEED") or time.time() % 1000000)
VMS = [f"web{number}" for number in range(1, 1 + int(os.environ.get("CTS_VMS") or 2))]
SHAPE = {"disk_size": "128M"}
TIMEOUT = 900 + 240 * STEPS
RESULTS = f"{shapes.TOP}/_build/cts-results.jsonl"
COMPARE_EACH = 10
COMMIT = crash_rounds.commit()      # of the build that is tried, whatever is checked out later


def run(_lab):
    say(f"CTS_SEED={SEED} CTS_STEPS={STEPS} CTS_VMS={len(VMS)}")
    lab = cts_steps.CtsLab(VMS)
    prepare(lab)
    books = cts_audit.Books(lab)
    plan, after = cts_plan.steps(SEED, STEPS, lab.state.nodes, VMS)
    for number, step in enumerate(plan):
        one_step(lab, books, number, step)
        if number % COMPARE_EACH == COMPARE_EACH - 1 and not lab.state.line:
            compared(lab, books)
    for step in after:
        say(f"in the end: {step}")
        cts_steps.do(lab, step)
    cts_audit.audit(lab, books, [])
    compared(lab, books)
    tell()


def prepare(lab):
    for vm in VMS[1:]:
        lab.create_vm(vm)
        lab.on(rep.node_of(lab, "A"), "cibadmin --modify --allow-create --scope resources "
               f"--xml-text '<resources>{cib.virtual_domain(vm)}</resources>'")
    rep.authorize(lab)
    for vm in VMS:
        lab.wait_resource(vm)
        lab.records_advance(5, 120, vm)
        rep.protect(lab, vm)
        rep.wait_replicating(lab, vm=vm)
        cts_audit.load(lab, vm)


def one_step(lab, books, number, step):
    facts = {"seed": SEED, "step": number, "what": step.name, "site": step.site,
             "target": step.target, "vms": len(VMS), "commit": COMMIT, "ok": False}
    say(f"step {number}: {step}")
    begin = time.monotonic()
    try:
        with cts_watch.Watch(lab, cts_audit.LOOK) as watch:
            facts["lost"] = cts_steps.do(lab, step)
            cts_audit.audit(lab, books, facts["lost"])
        facts["looks"] = watch.rounds
        facts.update(ok=True, resyncs=sum(books.resynced.values()))
        say(f"step {number}: good after {time.monotonic() - begin:.0f} s; records {books.reached}"
            + (f", lost {facts['lost']}" if facts["lost"] else "")
            + (f", resynchronized {books.resynced}" if facts["resyncs"] else ""))
    except Exception as error:
        facts["error"] = str(error)
        raise Failure(f"CTS_SEED={SEED} step {number} ({step}): {error}") from error
    finally:
        facts["seconds"] = round(time.monotonic() - begin)
        with open(RESULTS, "a") as file:
            file.write(json.dumps(facts) + "\n")


def compared(lab, books):
    for vm in VMS:
        books.reached[vm] = rep.compare_at_cut(lab, vm)["newest"]
        cts_audit.load(lab, vm)


def tell():
    with open(RESULTS) as file:
        found = [json.loads(line) for line in file]
    bad = sum(1 for one in found if not one["ok"])
    say(f"in all {len(found)} steps are in {RESULTS}, {bad} of them failed")
