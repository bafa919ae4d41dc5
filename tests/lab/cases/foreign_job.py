# SPDX-License-Identifier: GPL-2.0-or-later
"""Another tool's backup job: replication waits with that reason and goes on after it; pause
--release takes our bitmaps away for tools that refuse them."""
import json

import replication as rep
from case import require

TIMEOUT = 240
JOB = ("<domainbackup mode='pull'><server transport='unix' socket='/run/foreign.sock'/><disks>"
       "<disk name='vda' backup='yes' type='file'><scratch file='/run/foreign-scratch'/></disk>"
       "<disk name='vdb' backup='no'/></disks></domainbackup>")


def run(lab):
    before = rep.ensure(lab)
    node = lab.wait_resource("web1")
    lab.vmreplica(node, "pause web1")
    rep.wait_state(lab, "Suspended")
    lab.on(node, "mkdir -p /var/lib/libvirt/qemu/foreign && chown libvirt-qemu "
           "/var/lib/libvirt/qemu/foreign")
    job = JOB.replace("/run/foreign", "/var/lib/libvirt/qemu/foreign/f")
    lab.on(node, f"cat > /run/job.xml <<'X'\n{job}\nX\nvirsh backup-begin web1 /run/job.xml")
    try:
        lab.vmreplica(node, "resume web1")
        rep.wait_health(lab, "Warning", "backup job", 90)
    finally:
        lab.on(node, "virsh domjobabort web1")
    rep.wait_cycles(lab, 1, 120)
    rep.no_resync_since(lab, before)
    require(bitmaps(lab, node), "no bitmap of ours is found while replication is at work")
    lab.vmreplica(node, "pause web1 --release")
    require(not bitmaps(lab, node), f"left after pause --release: {bitmaps(lab, node)}")
    lab.vmreplica(node, "resume web1")
    rep.wait_cycles(lab, 1, 150)
    rep.compare_at_cut(lab)


def bitmaps(lab, node):
    """What is left of ours in the running QEMU, in the image files and in libvirt: each asked by
    its own name, because libvirt's list may be empty where QEMU's is not."""
    found = lab.on(node, "virsh checkpoint-list web1 --name").split()
    for command in ("query-block", "query-named-block-nodes"):
        text = lab.on(node, f"virsh qemu-monitor-command web1 '{{\"execute\": \"{command}\"}}'")
        found += [f"{command}: {bitmap['name']}" for bitmap in dirty_bitmaps(json.loads(text))]
    for image in lab.primary_images():
        info = json.loads(lab.on(node, f"qemu-img info -U --output=json {image}"))
        found += [f"{image}: {bitmap['name']}" for bitmap in
                  info["format-specific"]["data"].get("bitmaps", [])]
    return [name for name in found if "vmreplica" in name]


def dirty_bitmaps(value):
    """Every entry of every list called dirty-bitmaps, however deep it lies."""
    if isinstance(value, list):
        return [bitmap for entry in value for bitmap in dirty_bitmaps(entry)]
    if not isinstance(value, dict):
        return []
    return [bitmap for bitmap in value.get("dirty-bitmaps", []) if bitmap.get("name")] \
        + [bitmap for entry in value.values() for bitmap in dirty_bitmaps(entry)]
