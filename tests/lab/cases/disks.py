# SPDX-License-Identifier: GPL-2.0-or-later
"""A primary's disks change while it is replicated: one is grown, one is added, one is removed. The
others are never sent again, there is no resynchronization, and the points keep the disks they had."""
import json
import time

import replication as rep
from case import require, say, wait_until
from cases.qemu_crash import MIB

TIMEOUT = 220
FRESH = True     # the guest has another definition afterwards
GROW = 64 * MIB
ADDED = "/srv/vms/web1-vdc.qcow2"
DATA = 12       # MiB that the added disk holds when it comes


def sizes(lab, site="B"):
    return {disk["name"]: disk["size_bytes"] for disk in rep.from_owner(lab, site)["disks"]}


def wait_disks(lab, expected):
    def there():
        found = sizes(lab)
        return found if found == expected else None
    return wait_until(f"the replica has {expected}", there, 40, 0.5)


def points(lab):
    found = rep.from_owner(lab, "B")
    text = lab.on(found["owner"], f"cat {found['store']}/manifest.json")
    return {point["cut"]["seq"]: {disk["name"]: disk for disk in point["disks"]}
            for point in json.loads(text)["points"]}


def virtual_size(lab, path):
    return json.loads(lab.on(lab.live_nodes("B")[0],
                             f"qemu-img info -U --output=json {path}"))["virtual-size"]


def grow(lab, node, before):
    disk = rep.from_owner(lab, "B")
    old = sizes(lab)
    with rep.unharmed(lab):
        lab.guest("load 200000 50")
        lab.on(node, f"virsh blockresize web1 vdb --size {old['vdb'] + GROW}B", 60)
        wait_disks(lab, {**old, "vdb": old["vdb"] + GROW})
        lab.guest("load 0")
    kept = [found for found in points(lab).values()]
    tops = {virtual_size(lab, f"{disk['store']}/{found['vdb']['file']}") for found in kept}
    require(old["vdb"] in tops and tops <= {old["vdb"], old["vdb"] + GROW}, f"points: {tops}")
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def point_every(lab, seconds):
    name = rep.from_owner(lab, "B")["resource"]
    lab.on("b1", f"pcs resource update {name} point_interval={seconds}", 60)
    time.sleep(3)       # until the receiver has it


def add(lab, node, before):
    old = sizes(lab)
    lab.on(node, f"qemu-img create -q -f qcow2 {ADDED} 256M && "
                 f"qemu-io -f qcow2 -c 'write -P 90 8M {DATA}M' {ADDED} >/dev/null && "
                 f"chmod 666 {ADDED}")
    point_every(lab, 3600)      # the first cycle with it becomes one all the same
    sent = rep.sent_by(lab, node)
    lab.on(node, f"virsh attach-disk web1 {ADDED} vdc --driver qemu --subdriver qcow2 --live", 60)
    wait_disks(lab, {**old, "vdc": 256 * MIB})
    rep.wait_cycles(lab, 1, 40)
    sent = rep.sent_by(lab, node) - sent
    found = rep.wait_applied(lab, rep.sync(lab)["seq"])
    top = {disk["name"]: disk["top"] for disk in found["disks"]}["vdc"]
    rep.compare(lab, found["owner"], rep.folder_path(lab, "A", ADDED), top)
    require(sent < 3 * MIB, f"{sent / MIB:.1f} MiB were sent for a compressible disk")
    with_it = [seq for seq, disks in points(lab).items() if "vdc" in disks]
    require(len(with_it) == 1, f"points with the added disk: {with_it}")
    point_every(lab, 5)
    rep.no_resync_since(lab, before)
    say(f"an added disk: {sent / MIB:.1f} MiB were sent")


def remove(lab, node, before):
    old = sizes(lab)
    with_it = {seq for seq, disks in points(lab).items() if "vdc" in disks}
    require(with_it, "no point holds the added disk")
    lab.on(node, "virsh detach-disk web1 vdc --live", 60)
    old.pop("vdc")
    wait_disks(lab, old)
    rep.wait_cycles(lab, 2, 40)
    left = points(lab)
    require(all("vdc" in left[seq] for seq in with_it & set(left)) and "vdc" not in
            left[max(left)], f"points: {left}")
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)


def room_for_disks(lab):
    """A q35 machine takes another disk only where a root port is free."""
    ports = "".join(f"<controller type='pci' index='{index}' "
                    f"model='pcie-root{'-port' if index else ''}'/>" for index in range(7))
    lab.stop_guest()
    lab.on("a1", f"sed -i \"s#^  <devices>#  <devices>{ports}#\" /srv/vms/web1.xml && "
                 "virsh domxml-to-native qemu-argv /srv/vms/web1.xml >/dev/null")
    lab.start_guest()


def run(lab):
    rep.remove(lab)
    room_for_disks(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.protect(lab, more="--points 12 --point-interval 5")
    rep.wait_replicating(lab)
    rep.wait_cycles(lab, 2, 40)
    before = rep.sync(lab)
    node = lab.wait_resource("web1")
    grow(lab, node, before)
    add(lab, node, before)
    remove(lab, node, before)
    lab.vmreplica("a1", "pause web1")       # else the oldest go while they are looked at
    try:
        rep.wait_applied(lab, rep.status(lab)["seq"])
        judge_points(lab)
    finally:
        lab.vmreplica("a1", "resume web1")


def judge_points(lab):
    """By what the guest wrote on its own two disks; the newest records ascend."""
    found = rep.from_owner(lab, "B")
    newest = [lab.judge(found["owner"], [f"{found['store']}/{disks[name]['file']}"
                                         for name in ("vda", "vdb")], unlocked=True)["newest"]
              for seq, disks in sorted(points(lab).items())]
    require(newest == sorted(newest), f"the points do not ascend: {newest}")
