# SPDX-License-Identifier: GPL-2.0-or-later
"""`pause --release` answers when QEMU holds no change bitmap of ours any more; the pause, the
release and the announced resynchronization outlive a crash of the engine and a live migration; so
does a `resync` that was asked for while paused."""
import json

import replication as rep
from case import require, say, wait_until

TIMEOUT = 240


def run(lab):
    rep.ensure(lab)
    rep.wait_cycles(lab, 1, 60)
    before = rep.status(lab)
    node = lab.wait_resource("web1")
    require(bitmaps(lab, node), "a protected VM without change bitmaps: this case sees nothing")
    lab.guest("load 1000000 50")   # most of the time a cycle is under way
    lab.guest("fill 8 0")
    said = lab.vmreplica("a2", "pause web1 --release")
    say(said.strip())
    require("bitmaps are removed" in said and "resynchronize" in said, said)
    require(not bitmaps(lab, node), f"bitmaps after the answer: {bitmaps(lab, node)}")

    kill_engine(lab, node)
    stays_paused(lab, node, before)
    target = lab.other_node(node)
    lab.move("web1", target)
    stays_paused(lab, target, before)
    said = lab.vmreplica(target, "pause web1")   # once more, without --release
    require(not bitmaps(lab, target), "a second pause brought the bitmaps back")

    lab.vmreplica("a1", "resume web1")
    found = resynced(lab, before["resyncs"] + 1)
    lab.guest("load 0")
    require(bitmaps(lab, target), "no bitmap after resume")
    orders(lab, 0)

    lab.vmreplica("a1", "pause web1")
    said = lab.vmreplica("a1", "resync web1")
    require("resynchronized when it goes on" in said, said)
    kill_engine(lab, target)
    wait_until("paused", lambda: rep.status(lab)["state"] == "ResynchronizeSuspended", 30)
    require(rep.status(lab)["resyncs"] == found["resyncs"], "it resynchronized while paused")
    lab.vmreplica("a1", "resume web1")
    resynced(lab, found["resyncs"] + 1)
    orders(lab, 0)
    rep.compare_at_cut(lab)


def bitmaps(lab, node):
    """Names of our dirty bitmaps in the running QEMU, whatever libvirt knows."""
    names = set()
    for command in ("query-block", "query-named-block-nodes"):
        answer = json.loads(lab.on(node, "virsh qemu-monitor-command web1 "
                                         f"'{{\"execute\": \"{command}\"}}'"))
        for entry in answer["return"]:
            for holder in (entry, entry.get("inserted") or {}):
                names.update(bitmap.get("name", "") for bitmap in holder.get("dirty-bitmaps", []))
    return sorted(name for name in names if name.startswith("vmreplica-"))


def kill_engine(lab, node):
    pid = lab.on(node, "pgrep -x vmreplica-engin").split()[0]
    lab.on(node, f"kill -9 {pid}")
    # Asked there: what the others heard last is not yet true again.
    wait_until("the engine is back", lambda: lab.run(node, f"kill -0 {pid}").returncode != 0 and
               lab.vm_status(node)["owner"] == node, 60)


def stays_paused(lab, node, before):
    found = wait_until(f"paused on {node}", lambda: paused(lab, node), 60)
    require("paused" in found["reason"], found["reason"])
    for _ in range(3):
        lab.records_advance(30)   # more than a frequency's worth, all in all
    found = rep.status(lab)
    require(found["suspended"] and found["resyncs"] == before["resyncs"], f"it went on: {found}")
    require(not bitmaps(lab, node), f"bitmaps are back: {bitmaps(lab, node)}")


def paused(lab, node):
    found = rep.status(lab)
    return found if found["owner"] == node and found["state"] == "ResynchronizeSuspended" else None


def resynced(lab, count):
    def good():
        found = rep.status(lab)
        return found if found["resyncs"] == count and found["state"] == "Replicating" else None
    return wait_until(f"resynchronization {count}", good, 90)


def orders(lab, count):
    """How many orders of the admin stand in the CIB."""
    wait_until(f"{count} standing orders", lambda: len(
        lab.on("a1", "cibadmin --query --scope crm_config | grep -E "
                     "'vmreplica-(suspended|resync)-' || true").splitlines()) == count, 15)
