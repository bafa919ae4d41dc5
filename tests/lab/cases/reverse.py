# SPDX-License-Identifier: GPL-2.0-or-later
"""After an unplanned failover the old primary, which wrote on in isolation, becomes the replica by
`vmreplica reverse`: its VM is stopped, what it wrote alone is gone, the new primary's records are
there, and what travelled is a small part of the disks. Then the same in the other direction, from a
cycle three before the last (P = N - 3)."""
import json

from cases import failover_planned as planned
import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 300
DIRTY = True            # web1 comes home with a definition made anew, which the lab cannot ask
SMALL = 40 << 20        # of two disks of 512 MiB


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.authorize(lab, rep.SITE_B, site="A")
    rep.protect(lab, more="--points 24 --point-interval 5")
    rep.wait_replicating(lab)
    rep.wait_cycles(lab, 2, 60)
    reached = lab.guest_status()["seq"]
    reached = round_trip(lab, "A", "B", "latest", reached)
    round_trip(lab, "B", "A", "back 3", reached)


def wanted(lab, replica, point):
    """What --to says: the newest cycle, or the third before it."""
    if point == "latest":
        return "latest"
    def enough():
        found = json.loads(lab.vmreplica(rep.node_of(lab, replica),
                                         "points web1 --cycles --json"))["points"]
        return found if len(found) >= 5 else None
    return f"seq:{wait_until('five cycles to choose from', enough, 60, 1)[-4]['seq']}"


def round_trip(lab, old, new, point, reached):
    """OLD is cut off and writes on; NEW fails over to POINT; OLD comes back and is reversed."""
    target = wanted(lab, new, point)
    lab.cut("wan")
    node = rep.node_of(lab, new)
    output = lab.vmreplica(node, f"failover web1 --unplanned --force --to {target}", 120)
    say(output.strip().splitlines()[-1])
    where = {shapes.site_of(name) for name in planned.runs_where(lab)}
    require(where == {"A", "B"}, f"it should run on in isolation, and at {new}: {where}")
    lab.heal()
    lab.run(rep.node_of(lab, old), "vmreplica sync web1", 20)   # it need not wait for its retry
    found = rep.wait_health(lab, "Critical", f"{new.lower()}.example", 120, site=old)
    say(found["reason"])
    sent = sum(rep.sent_by(lab, name) for name in lab.live_nodes(new))
    output = lab.vmreplica(node, "reverse web1", 200)
    require("a delta is enough" in output, output)
    planned.reversed_cycle(lab, new)
    sent = sum(rep.sent_by(lab, name) for name in lab.live_nodes(new)) - sent
    require(planned.sides(lab) == {new}, f"{planned.runs_where(lab)}")
    require(sent < SMALL, f"{sent} bytes travelled")
    say(f"{new} sent {sent >> 10} KiB")
    return planned.judged(lab, old, 0 if point != "latest" else reached)
