# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults of the network that case network_faults goes through after its cuts, and the ledger of
what the guest wrote and what travelled for it."""
import datetime
import json
import time

import replication as rep
import shape as shapes
from case import require, say, wait_until

SLOW, SLOW_BYTES_S, FAST = "8mbit", 1000000, "60mbit"
LOAD = "load 700000 0"      # incompressible: what is dirty is what must travel
MIB = 1 << 20
# The guest's blocks are 4 KiB, bitmaps count in 64 KiB: records, anchors and the load's edges.
SLACK_CYCLE, OVERHEAD = MIB, 1.02
RESOURCE, BROKER = "web1-a-replica", "vmreplica-broker"


def owned(lab, site="A"):
    """By the owner's own word, which other nodes hear a moment later."""
    return rep.from_owner(lab, site)


def streams(lab):
    """The local ports of the sender's streams to owners of replicas."""
    text = lab.on(lab.wait_resource("web1"), "ss -Htn state established dport = :8651")
    return {line.split()[2].rpartition(":")[2] for line in text.splitlines()}


def cut_time(found):
    """The wall clock, in seconds, of the cut that was committed last."""
    text = found["last_replicated"].replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(text).timestamp()


class Ledger:
    """What the guest has written since a cut that is committed, and what travelled since then."""

    def __init__(self, lab):
        self.lab, self.samples = lab, []
        self.base = self.first = self.sample()
        self.before = rep.sync(lab)
        self.first_wire = self.before["bytes"]["wire"]

    def sample(self):
        """Bytes that the guest has written until now."""
        found, now = self.lab.guest_status(), time.time()
        self.samples.append((now, int(found["load_done"] + found["seq"]) * 4096))
        return self.samples[-1][1]

    def cut_since(self, wall_s):
        """The status, once a cycle is committed whose cut came after WALL_S; called again and again."""
        self.sample()
        found = owned(self.lab)
        return found if cut_time(found) > wall_s else None

    def settle(self, found, unacknowledged, facts):
        """At a moment when FOUND is the status.  What travelled may be what was written, what a
        broken stream had sent without being acknowledged, and the slack."""
        now = self.sample()
        facts["wire"] = found["bytes"]["wire"] - self.before["bytes"]["wire"]
        facts["wrote"], facts["unacknowledged"] = now - self.base, unacknowledged
        cycles = found["cycles"]["ok"] - self.before["cycles"]["ok"] + 2    # broken, under way
        facts["most"] = int(OVERHEAD * (facts["wrote"] + unacknowledged + cycles * SLACK_CYCLE))
        require(facts["wire"] <= facts["most"], f"too much travelled: {facts}")
        require(found["resyncs"] == self.before["resyncs"], "a resynchronization, none was due")
        cut = cut_time(found)
        self.base = max([size for when, size in self.samples if when <= cut] or [self.base])
        self.before, self.samples = found, [(time.time(), now)]

    def total(self):
        """Bytes on the wire, and bytes that the guest wrote, since the beginning."""
        return self.before["bytes"]["wire"] - self.first_wire, self.sample() - self.first


LEGS = ()
