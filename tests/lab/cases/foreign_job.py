# SPDX-License-Identifier: GPL-2.0-or-later
"""Another tool's backup job: replication waits with that reason and goes on after it; pause
--release takes our bitmaps away for tools that refuse them."""
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
    lab.vmreplica(node, "pause web1 --release")
    left = lab.on(node, "virsh qemu-monitor-command web1 --hmp 'info block' ; "
                  "virsh checkpoint-list web1 --name").strip()
    require("vmreplica-" not in left, f"bitmaps are left: {left}")
    lab.vmreplica(node, "resume web1")
    rep.wait_cycles(lab, 1, 150)
    rep.compare_at_cut(lab)
