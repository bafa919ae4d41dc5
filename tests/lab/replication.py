# SPDX-License-Identifier: GPL-2.0-or-later
"""What cases about replication share: protect web1, wait, and judge the replica by its content."""
import contextlib
import json
import time

import shape as shapes
from case import Failure, require, say, wait_until

SITE_A, SITE_B = "a.example", "b.example"
STORAGE = "/srv/replica"
# A peer made by hand: what the product's own sender never does.
WIRE = f"/usr/bin/python3 -EsB {shapes.HERE}/wire.py"
# Where a case needs many cycles: the shortest frequency that there is.
FAST = 5
LOAD_OFFSET = 64 << 20      # guest/layout.h


def node_of(lab, site):
    return lab.live_nodes(site)[0]


def status(lab, site="A", vm="web1"):
    return lab.vm_status(node_of(lab, site), vm)


def replica(lab, vm="web1"):
    return status(lab, "B", vm)


def authorize(lab, pattern=SITE_A, storage=STORAGE, site="B", more=""):
    lab.vmreplica(node_of(lab, site), f"authorize add '{pattern}' --storage {storage} {more}")


def protect(lab, vm="web1", frequency=FAST, more=""):
    lab.vmreplica(node_of(lab, "A"),
                  f"protect {vm} --to {shapes.broker_address('B')} --frequency {frequency} {more}",
                  120)
    wait_until(f"every node of A shows {vm}", lambda: all(
        lab.vm_status(node, vm) for node in lab.live_nodes("A")), 3, 0.2)


def protected(lab, vm="web1"):
    result = lab.run(node_of(lab, "A"), f"vmreplica status {vm} --json")
    return result.returncode == 0 and f'"{vm}"' in result.stdout


def ensure(lab, frequency=FAST, more="", timeout=180):
    """web1 is protected and replicating, by this call or by an earlier case."""
    if not protected(lab):
        authorize(lab)
        protect(lab, frequency=frequency, more=more)
    return wait_replicating(lab, timeout)


def remove(lab, vm="web1"):
    """Back to a lab without replication of VM."""
    if protected(lab, vm):
        lab.vmreplica(node_of(lab, "A"), f"unprotect {vm}", 120)
    wait_until(f"{vm} forgotten on both sides", lambda: not known(lab, "A", vm)
               and not known(lab, "B", vm), 60)


def known(lab, site, vm):
    result = lab.run(node_of(lab, site), "vmreplica status --json")
    return f'"name": "{vm}"' in result.stdout or f'"name":"{vm}"' in result.stdout


def wait_replicating(lab, timeout=180, vm="web1"):
    def good():
        found = status(lab, "A", vm)
        return found if found["state"] == "Replicating" and found["seq"] > 0 else None
    return wait_until(f"{vm} replicates", good, timeout, 0.5)


def wait_state(lab, state, timeout=60, site="A", vm="web1"):
    def there():
        found = status(lab, site, vm)
        return found if found["state"] == state else None
    return wait_until(f"{vm} is {state}", there, timeout, 0.3)


def wait_health(lab, health, reason="", timeout=60, site="A", vm="web1"):
    """The health word, and REASON somewhere in its text (case does not matter)."""
    def there():
        found = status(lab, site, vm)
        fits = found["health"] == health and reason.lower() in found["reason"].lower()
        return found if fits else None
    return wait_until(f"{vm} at {site} has health {health} {reason!r}", there, timeout, 0.3)


def wait_cycles(lab, count, timeout, vm="web1"):
    """COUNT more cycles are committed."""
    start = wait_until("status", lambda: status(lab, "A", vm), 20)["cycles"]["ok"]
    def more():
        found = status(lab, "A", vm)
        return found if found["cycles"]["ok"] >= start + count else None
    return wait_until(f"{count} more cycles of {vm}", more, timeout, 0.5)


def unsent(found):
    """Bytes of the delta that is under way which have not left yet; 0 when none is under way."""
    progress = found["progress"]
    if not progress or progress["kind"] != "delta":
        return 0
    return progress["total_bytes"] - progress["done_bytes"]


def wait_mid_cycle(lab, least, timeout=60, vm="web1"):
    """A delta is under way: some of it has travelled, LEAST bytes of it have not.  The owner is
    asked: other nodes hear of it a moment later."""
    owner = status(lab, "A", vm)["owner"]

    def there():
        found = lab.vm_status(owner, vm)
        return found if unsent(found) >= least and found["progress"]["done_bytes"] > 0 else None
    return wait_until(f"{vm} is in the middle of a cycle", there, timeout, 0.1)


def sent_by(lab, node):
    """Bytes that have left NODE's network interface since its boot, whatever they were."""
    return int(lab.on(node, "cat /sys/class/net/eth0/statistics/tx_bytes"))


def sync(lab, vm="web1", timeout=90):
    lab.vmreplica(node_of(lab, "A"), f"sync {vm} --wait", timeout)
    return from_owner(lab, "A", vm)


def from_owner(lab, site, vm="web1"):
    """The status of VM by its owner's own word: other nodes learn it a moment later."""
    return lab.vm_status(status(lab, site, vm)["owner"], vm)


def wait_applied(lab, seq, timeout=60, vm="web1"):
    """The replica's top image holds cycle SEQ: what the checker may look at."""
    def applied():
        found = from_owner(lab, "B", vm)
        return found if found["seq"] >= seq and found["applied_seq"] >= found["seq"] else None
    return wait_until(f"cycle {seq} of {vm} is applied", applied, timeout, 0.3)


def replica_images(found):
    images = {disk["name"]: disk["top"] for disk in found["disks"]}
    return [images[name] for name in sorted(images)]


def thin(lab, vm="web1"):
    """The guest discards all of its load: what earlier cases wrote need not travel again."""
    size = int(lab.shape.disk_size.rstrip("M")) << 20
    for disk in (0, 1):
        lab.guest(f"discard {disk} {LOAD_OFFSET} {size - LOAD_OFFSET}", vm)


@contextlib.contextmanager
def quiet_guest(lab, vm="web1"):
    """The guest lives but writes nothing: both sides can be compared bit for bit."""
    lab.guest("load 0", vm)
    lab.guest("stop", vm)
    lab.guest("sync", vm)
    try:
        yield
    finally:
        lab.guest("go", vm)


def compare_at_cut(lab, vm="web1"):
    """Both disks of VM are the same bytes on both sides at one cut, and are a true point in
    time by their own content."""
    with quiet_guest(lab, vm):
        seq = sync(lab, vm)["seq"]
        found = wait_applied(lab, seq, vm=vm)
        owner = found["owner"]
        for mine, theirs in zip(lab.primary_images(vm), replica_images(found)):
            # The replica's owner sees its own storage; A's is shown to every node of the lab.
            compare(lab, owner, folder_path(lab, "A", mine), theirs)
        facts = lab.judge(owner, replica_images(found), unlocked=True)
    say(f"{vm}: equal bit for bit at cycle {seq}, newest record {facts['newest']}")
    return facts


def folder_path(lab, site, path):
    """A path of the site's shared storage as any node of the lab can be shown it."""
    for inside, outside in (("/srv/vms", "vms"), ("/srv/replica", "replica")):
        if path.startswith(inside + "/"):
            return f"{lab.folder}/site/{site}/{outside}{path[len(inside):]}"
    raise Failure(f"{path} is not on the site's shared storage")


def compare(lab, node, left, right):
    result = lab.checker(node, f"compare -U {left} {right}", 180)
    require(result.returncode == 0,
            f"{left} and {right}: {result.stdout.strip()} {result.stderr.strip()}")


def judge_replica(lab, vm="web1"):
    """The replica's content, as it is while replication goes on, is a true point in time.
    Replication is paused for as long as the checker reads."""
    node = node_of(lab, "A")
    lab.vmreplica(node, f"pause {vm}")
    try:
        seq = status(lab, "A", vm)["seq"]
        found = wait_applied(lab, seq, vm=vm)
        return lab.judge(found["owner"], replica_images(found), unlocked=True)
    finally:
        lab.vmreplica(node, f"resume {vm}")


def test_base(lab, found, disks=("vda", "vdb")):
    """The images that a test failover's VM was begun from: those below its own."""
    images = [f"{found['store']}.test/{disk}.qcow2" for disk in disks]
    return [json.loads(lab.on(found["owner"], f"qemu-img info -U --output=json {image}"))
            ["full-backing-filename"] for image in images]


def no_resync_since(lab, before, vm="web1"):
    found = status(lab, "A", vm)
    require(found["resyncs"] == before["resyncs"],
            f"{found['resyncs'] - before['resyncs']} resynchronizations, none was due")
    return found


@contextlib.contextmanager
def unharmed(lab, most_gap_s=5.0, may_move=False):
    """web1 is not moved, restarted, fenced or paused meanwhile, and keeps writing."""
    node, before = lab.wait_resource("web1"), lab.guest_status()
    boots = {name: entry["boots"] for name, entry in lab.client.ask("status")["nodes"].items()}
    lab.guest("gap-reset")
    start = time.monotonic()
    yield
    took = time.monotonic() - start
    after = lab.guest_status()
    where = lab.wait_resource("web1")
    require(may_move or where == node, f"web1 was moved from {node} to {where}")
    require(after["boots"] == before["boots"], "web1 was restarted")
    require(lab.client.ask("status")["nodes"][node]["boots"] == boots[node], f"{node} was fenced")
    require("paused" not in lab.on(where, "virsh domstate web1"), "web1 is paused")
    require(after["seq"] > before["seq"], "web1 does not write")
    require(after["max_gap_ms"] <= most_gap_s * 1000,
            f"web1's records have a gap of {after['max_gap_ms']:.0f} ms")
    require(after["error"] == 0, f"web1 saw an I/O error: {after['error']}")
    say(f"web1 unharmed for {took:.0f} s: largest gap {after['max_gap_ms']:.0f} ms")
