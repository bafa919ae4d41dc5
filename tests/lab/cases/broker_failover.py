# SPDX-License-Identifier: GPL-2.0-or-later
"""The broker's node loses power in the middle of a cycle that goes through its relay: replication
goes on by itself, and the broker on the other node gives site A the right answer at most 2 s after
Pacemaker has begun to start it; it never gives a wrong one."""
import json

import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 300
RESOURCE, BROKER = "web1-a-replica", "vmreplica-broker"
MIB = 1 << 20
RATE, FILL_MIB, UNSENT = "16mbit", 32, 10 * MIB
MOST_S = 2.0
# When a process began: its age in clock ticks since the boot, taken from the time now.
BEGAN = (r"""/usr/bin/python3 -c 'import os, time; pid = open("/run/vmreplica/broker.pid").read().strip();
ticks = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[19]);
age = float(open("/proc/uptime").read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK");
print(time.time() - age)'""")


def run(lab):
    before = rep.ensure(lab)
    broker = lab.wait_resource(BROKER, site="B")
    survivor = lab.other_node(broker)
    lab.on(survivor, f"pcs resource update {BROKER} relay=always")
    try:
        through_relay(lab, broker, survivor)
        failover(lab, broker, survivor)
        wait_until("the new broker relays", lambda: streams(lab, survivor), 30)
        lab.boot(broker)
    finally:
        lab.on(survivor, f"pcs resource update {BROKER} relay=auto")
    lab.guest("load 0")
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def through_relay(lab, broker, survivor):
    """The replica lives on the node that will live, and is sent there through the broker."""
    if lab.wait_resource(RESOURCE, site="B") == broker:
        lab.move(RESOURCE, survivor, site="B")
    else:
        lab.kill_program(survivor, "vmreplica-receiver")
    rep.wait_cycles(lab, 1, 60)
    found = wait_until("the stream is relayed", lambda: streams(lab, survivor), 30)
    require(found[0]["node"] == survivor, f"relayed to {found}")


def failover(lab, broker, survivor):
    relationship = rep.status(lab)["relationship"]
    lab.rate(RATE)
    lab.guest(f"fill {FILL_MIB} 0")
    lab.guest("load 800000 20")
    found = rep.wait_mid_cycle(lab, UNSENT)
    lab.kill(broker)
    require(rep.status(lab)["seq"] == found["seq"], "the cycle was committed before the kill")
    lab.rate(lab.shape.wan_rate)
    answer = json.loads(lab.on("a1", f"{rep.WIRE} await {shapes.broker_address('B')} "
                               f"{relationship} 90", 100))
    took = answer["time"] - float(lab.on(survivor, BEGAN))
    say(f"{broker} lost power with {rep.unsent(found) / MIB:.1f} MiB unsent; the broker on "
        f"{survivor} answered {took:.2f} s after its start: {answer}")
    require((answer["answer"], answer["2"]) == ("RELAY", survivor), f"a wrong answer: {answer}")
    require(0 < took <= MOST_S, f"it took {took:.2f} s, {MOST_S} are allowed")
    rep.wait_cycles(lab, 2, 90)


def streams(lab, node):
    return json.loads(lab.vmreplica(node, "broker --json"))["streams"]
