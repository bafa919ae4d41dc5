# SPDX-License-Identifier: GPL-2.0-or-later
"""ocf:vmreplica:guard: with it a live migration stays live; a site that comes back while the other
holds a higher epoch does not start its VM, and says why; when the other side is silent it starts
after its patience, with health Critical until that side is heard again."""
import time

import replication as rep
from case import require, say, wait_until

TIMEOUT = 240
DIRTY = True
PATIENCE = 5


def run(lab):
    rep.ensure(lab)
    node = rep.node_of(lab, "A")
    identity = rep.status(lab)["relationship"]
    make_guard(lab, node, identity)
    try:
        migrates(lab)
        silent(lab, node, identity)
        refused(lab, node, identity)
    finally:
        forget(lab, node, identity)


def make_guard(lab, node, identity):
    for command in (
            f"pcs resource create web1-guard ocf:vmreplica:guard relationship={identity} "
            f"patience={PATIENCE} meta failure-timeout=10s clone interleave=true --wait=60",
            "pcs constraint order vmreplica-engine-clone then web1-guard-clone kind=Optional",
            "pcs constraint order web1-guard-clone then web1",
            "pcs constraint colocation add web1 with web1-guard-clone"):
        lab.on(node, command, 90)
    lab.wait_resource("web1")


def forget(lab, node, identity):
    lab.run(node, "pcs resource delete web1-guard-clone --force", 90)
    lab.run(node, f"crm_attribute -t crm_config -n vmreplica-epoch-{identity} "
                  "-s vmreplica-settings -D")
    lab.run(node, "pcs resource enable web1; pcs resource cleanup", 60)


def migrates(lab):
    boots = lab.guest_status()["boots"]
    source = lab.wait_resource("web1")
    took = lab.move("web1", lab.other_node(source))
    lab.records_advance()
    require(lab.guest_status()["boots"] == boots, "web1 was restarted, not migrated")
    say(f"migrated live in {took:.1f} s with the guard")


def restart_guard(lab, node):
    lab.on(node, "pcs resource disable web1-guard-clone --wait=90", 120)
    lab.on(node, "pcs resource enable web1-guard-clone", 30)


def silent(lab, node, _identity):
    lab.cut("wan")
    restart_guard(lab, node)
    lab.wait_resource("web1", timeout=90)
    rep.wait_health(lab, "Critical", "silent", 60)
    lab.heal()
    wait_until("the other side is heard again", lambda: rep.status(lab)["health"] != "Critical",
               90, 0.5)
    say("started while the other side was silent, and said so until it was heard")


def refused(lab, node, identity):
    """What a failover of B would leave in this side's settings: the guard of the VM, which is off,
    ends by itself, and does not start again."""
    lab.on(node, "pcs resource disable web1 --wait=90", 120)
    lab.on(node, f"crm_attribute -t crm_config -s vmreplica-settings -n vmreplica-epoch-{identity} "
                 "-v '2 0123abcd b.example'")
    def told():
        lines = [line for line in lab.on(node, "crm_mon -1").splitlines()
                 if "b.example holds epoch 2" in line]
        return lines if len(lines) == len(lab.live_nodes("A")) else None
    why = wait_until("the guard says why on both nodes", told, 60, 0.5)
    lab.on(node, "pcs resource enable web1", 30)
    for _ in range(10):
        require(lab.resource_node("web1") is None, "web1 started although B holds the epoch")
        time.sleep(1)
    say(why[0].strip())
