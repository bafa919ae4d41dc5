# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine dies in the middle of a protect, when the other side has its replica and this side
has nothing yet: the same protect, asked of another node, completes it with the same relationship."""
import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 150
NOTE = "vmreplica-protecting-"


def run(lab):
    rep.remove(lab)
    rep.authorize(lab)
    command = f"vmreplica protect web1 --to {shapes.broker_address('B')} --frequency {rep.FAST}"
    lab.stall("wan")
    lab.on("a1", f"({command} </dev/null >/tmp/protect.log 2>&1 &)")
    noted = wait_until("the relationship is noted", lambda: notes(lab), 30, 0.1)
    helper = lab.on("a1", "pgrep -P $(pgrep -x vmreplica-engin | head -n 1) -x vmreplica-cib")
    lab.on("a1", f"kill -STOP {helper.strip()}")   # no resource will be made here
    lab.heal("wan")
    b = rep.node_of(lab, "B")
    wait_until("B has its replica", lambda: "web1-a-replica" in lab.on(b, "pcs resource"), 30)
    engine = lab.on("a1", "pgrep -x vmreplica-engin").split()[0]
    lab.on("a1", f"kill -9 {engine} {helper.strip()}")
    require("web1-replica" not in lab.on("a2", "pcs resource"), "the protect was through already")
    left = lab.run("a2", "vmreplica unprotect web1")
    require(left.returncode == 1 and "interrupted" in left.stderr, left.stderr)

    wait_until("a1's engine is back", lambda: lab.run("a1", "vmreplica status").returncode == 0, 60)
    say(lab.on("a2", command, 120).strip())
    wait_until("the note is gone", lambda: not notes(lab), 15)
    rep.wait_replicating(lab)
    relationship = rep.status(lab)["relationship"]
    require(relationship in noted, f"{relationship} is another relationship than {noted}")
    require(rep.replica(lab)["relationship"] == relationship, "B replicates another one")


def notes(lab):
    return lab.on("a2", f"cibadmin --query --scope crm_config | grep -e {NOTE} || true").strip()
