# SPDX-License-Identifier: GPL-2.0-or-later
"""After an unplanned failover the old primary, which wrote on in isolation, becomes the replica by
`vmreplica reverse`: its VM is stopped, what it wrote alone is gone, the new primary's records are
there, and what travelled is a small part of the disks. Then the same in the other direction, from a
cycle three before the last (P = N - 3)."""
import json

import failover_planned as planned
import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 300
SMALL = 40 << 20        # of two disks of 512 MiB


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.authorize(lab, rep.SITE_B, site="A")
    rep.protect(lab, more="--points 24 --point-interval 5")
    rep.wait_replicating(lab)
    rep.wait_cycles(lab, 2, 60)
    round_trip(lab, "A", "B", "latest")
    round_trip(lab, "B", "A", "back 3")


def seq_for(lab, replica, point):
    """What --to says: the newest cycle, or the third before it."""
    if point == "latest":
        return "latest"
    points = json.loads(lab.vmreplica(rep.node_of(lab, replica), "points web1 --cycles --json"))
    return f"seq:{points['points'][-4]['seq']}"


def round_trip(lab, old, new, point):
    """OLD is cut off and writes on; NEW fails over to POINT; OLD comes back and is reversed."""
    lab.records_advance()
    shared = rep.from_owner(lab, old)["relationship"]
    wanted = seq_for(lab, new, point)
    lab.cut("wan")
    node = rep.node_of(lab, new)
    output = lab.vmreplica(node, f"failover web1 --unplanned --force --to {wanted}", 120)
    say(output.strip().replace("\n", " | ")[-200:])
    isolated = [name for name in planned.runs_where(lab) if shapes.site_of(name) == old]
    require(isolated, f"web1 does not run on in isolation at {old}")
    wait_until(f"web1 runs at {new}", lambda: [name for name in planned.runs_where(lab)
                                               if shapes.site_of(name) == new], 60)
    lab.heal()
    rep.wait_health(lab, "Critical", new.lower() + ".example", 90, site=old)
    sent = sum(rep.sent_by(lab, name) for name in lab.live_nodes(new))
    output = lab.vmreplica(node, "reverse web1", 200)
    say(output.strip().replace("\n", " | ")[-300:])
    planned.reversed_cycle(lab, new)
    sent = sum(rep.sent_by(lab, name) for name in lab.live_nodes(new)) - sent
    require({shapes.site_of(name) for name in planned.runs_where(lab)} == {new},
            f"{planned.runs_where(lab)}")
    require(sent < SMALL, f"{sent} bytes travelled")
    judged(lab, old, new)
    say(f"{new} sent {sent >> 10} KiB for {shared}")


def judged(lab, old, new):
    """The images at OLD are a true point in time of what runs at NEW."""
    lab.records_advance()
    newest = lab.guest_status()["seq"]
    lab.vmreplica(rep.node_of(lab, new), "sync web1 --wait", 90)
    def applied():
        found = lab.vm_status(rep.node_of(lab, old), "web1")
        found = lab.vm_status(found["owner"], "web1")
        return found if found["applied_seq"] >= found["seq"] > 0 else None
    found = wait_until(f"applied at {old}", applied, 60)
    facts = lab.judge(found["owner"], rep.replica_images(found), unlocked=True)
    require(facts["newest"] >= newest - 1, f"{facts['newest']} of {newest}")
    say(f"judged at {old}: newest {facts['newest']}, the guest was at {newest}")
