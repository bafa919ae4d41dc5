# SPDX-License-Identifier: GPL-2.0-or-later
"""Storage of the other side: each node's own keeps a replica on its node; without room a new one
is refused; a replica's image that was changed behind our back is noticed, both sides say so, and
a resynchronization makes it true again."""
import json
import xml.etree.ElementTree as tree

import replication as rep
from case import require, say, wait_until

TIMEOUT = 200
LOCAL, SMALL = "/srv/local", "/srv/small"
CHANGED = "changed behind our back"


def run(lab):
    rep.remove(lab)
    for node in lab.nodes("B"):
        for path, size in ((LOCAL, "1500M"), (SMALL, "48M")):
            lab.on(node, f"mkdir -p {path} && mount -t tmpfs -o size={size} local {path} && "
                   f"chown vmreplica {path}")
    try:
        no_room(lab)
        local_storage(lab)
        changed(lab)
        rep.remove(lab)
    finally:
        rep.authorize(lab)
        for node in lab.nodes("B"):
            lab.run(node, f"umount {LOCAL} {SMALL} && rmdir {LOCAL} {SMALL}")


def no_room(lab):
    """The reserve of the lab's nodes, 64 MiB, is more than there is."""
    rep.authorize(lab, storage=SMALL)

    def refused():
        result = lab.run("a1", "vmreplica protect web1 --to 10.77.2.100")
        require(result.returncode == 1, f"exit {result.returncode}: {result.stdout}")
        return result.stderr if "can take the replica" in result.stderr else None
    said = wait_until("protect is refused for want of room", refused, 20, 1)
    say(said.strip())
    require(SMALL in said and "b.example" in said, said)
    require("authorize this site" not in said, f"that would not help: {said}")
    denials = json.loads(lab.vmreplica("b1", "broker --json"))["denials"]
    require(any("can take the replica" in entry["reason"] for entry in denials), f"{denials}")


def local_storage(lab):
    rep.authorize(lab, storage=LOCAL)
    wait_until("B has room", lambda: lab.run("a1", "vmreplica protect web1 --to 10.77.2.100 "
                                             "--frequency 5").returncode == 0, 30, 1)
    rep.wait_replicating(lab, 60)
    owner = rep.replica(lab)["owner"]
    root = tree.fromstring(lab.on(owner, "cibadmin --query --scope constraints"))
    rules = [rule for place in root.iter("rsc_location") if place.get("rsc") == "web1-a-replica"
             for rule in place.iter("expression")]
    require([(rule.get("attribute"), rule.get("operation"), rule.get("value")) for rule in rules]
            == [("#uname", "ne", owner)], f"no constraint keeps the replica on {owner}")


def changed(lab):
    node = rep.node_of(lab, "A")
    lab.on(node, "pcs resource update web1-replica resync=manual frequency=300")
    wait_until("the frequency holds", lambda: rep.status(lab)["frequency_s"] == 300, 30)
    before = rep.wait_applied(lab, rep.sync(lab)["seq"])
    owner, top = before["owner"], rep.replica_images(before)[0]
    lab.on(owner, "pcs resource disable web1-a-replica --wait=60", 90)
    lab.on(owner, f"qemu-io -f qcow2 -c 'write -P 0x55 300M 64k' {top}")
    lab.on(owner, "pcs resource enable web1-a-replica --wait=60", 90)
    lab.run(node, "vmreplica sync web1")
    found = rep.wait_health(lab, "Critical", CHANGED, 30)
    say(f"A: {found['state']}: {found['reason']}")
    require(found["state"] == "WaitingForResynchronize", f"A is {found['state']}")
    found = rep.wait_health(lab, "Critical", CHANGED, 15, "B")
    say(f"B: {found['state']}: {found['reason']}")
    require(found["seq"] == before["seq"], "B took a cycle on a changed image")
    lab.vmreplica(node, "resync web1")
    rep.wait_replicating(lab, 60)
    rep.wait_health(lab, "OK", site="B", timeout=30)
    with rep.quiet_guest(lab):
        found = rep.wait_applied(lab, rep.sync(lab)["seq"])
        for mine, theirs in zip(lab.primary_images(), rep.replica_images(found)):
            rep.compare(lab, owner, rep.folder_path(lab, "A", mine), theirs)
