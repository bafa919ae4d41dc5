# SPDX-License-Identifier: GPL-2.0-or-later
"""A replica whose resource is merely stopped is waited for. One that B's admin deletes stays
deleted: A becomes Critical and says what to do, and `protect`, asked again as before, brings it
back; asked for something else it is refused with the way to change it."""
import time

import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 200
RESOURCE = "web1-a-replica"


def run(lab):
    rep.ensure(lab)
    before = rep.status(lab)
    b = rep.node_of(lab, "B")
    lab.on(b, f"pcs resource disable {RESOURCE} --wait=40", 60)
    time.sleep(8)
    lab.on(b, f"pcs resource enable {RESOURCE} --wait=40", 60)
    rep.wait_cycles(lab, 2, 60)
    rep.no_resync_since(lab, before)

    refused_and_repeated(lab)
    lab.on(b, f"pcs resource delete {RESOURCE}", 60)
    found = rep.wait_health(lab, "Critical", "removed there", 60)
    say(found["reason"])
    require("vmreplica protect web1 --to" in found["reason"]
            and "vmreplica unprotect web1" in found["reason"], found["reason"])
    sync = lab.run("a1", "vmreplica sync web1 --wait --timeout 10")
    require(sync.returncode == 1 and "removed there" in sync.stderr, sync.stderr)
    time.sleep(7)   # more than a frequency: it does not come back by itself
    require(RESOURCE not in lab.on(b, "pcs resource"), "the replica came back by itself")

    said = lab.vmreplica("a2", f"protect web1 --to {shapes.broker_address('B')}", 120)
    say(said.strip())
    require("already" in said and RESOURCE in said, said)
    wait_until("it replicates again", lambda: good(lab), 90)
    rep.no_resync_since(lab, before)   # its files were still there
    rep.compare_at_cut(lab)


def good(lab):
    found = rep.status(lab)
    return found["state"] == "Replicating" and found["health"] != "Critical"


def refused_and_repeated(lab):
    to = shapes.broker_address("B")
    said = lab.vmreplica("a2", f"protect web1 --to {to} --frequency {rep.FAST}", 120)
    require("already" in said, said)
    other = lab.run("a1", f"vmreplica protect web1 --to {to} --frequency 77")
    require(other.returncode == 1 and "pcs resource update web1-replica frequency=77"
            in other.stderr, f"{other.returncode} {other.stderr}")
    gone = lab.run("a1", "vmreplica unprotect nosuch")
    require(gone.returncode == 1 and "protected here" in gone.stderr, gone.stderr)
