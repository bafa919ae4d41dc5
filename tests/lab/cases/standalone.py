# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts with only libvirt and certificates replicate straight to each other, configured by
files; a stop of either engine is survived without a resynchronization."""
import replication as rep
import shape as shapes
from case import require, say, wait_until

SHAPE = {"standalone": True}
TIMEOUT = 240


def run(lab):
    lab.vmreplica("b1", "authorize add a.example --storage /srv/replica")
    preflight(lab)
    wrapped(lab)
    lab.vmreplica("a1", "protect web1 --to b.example --frequency 5", 60)
    before = rep.wait_replicating(lab)
    lab.guest("load 300000 50")
    rep.wait_cycles(lab, 4, 60)
    for node in ("a1", "b1"):
        restart_engine(lab, node)
        rep.wait_cycles(lab, 2, 60)
    lab.guest("load 0")
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)
    lab.vmreplica("a1", "unprotect web1", 60)
    require(not lab.on("a1", "virsh checkpoint-list web1 --name").strip(), "checkpoints are left")
    wait_until("B forgot it", lambda: not rep.known(lab, "B", "web1"), 30)


def preflight(lab):
    """What libvirt knows is looked at before it is protected; what it does not is said."""
    shown = lab.vmreplica("a1", "check web1 --peer b.example")
    for words in ("VM web1: not protected yet, runs on this node", "disks web1: vdb: /srv/vms/",
                  "peer b.example: reachable, and authorizes us for /srv/replica"):
        require(words in shown, f"no '{words}' in {shown}")
    result = lab.run("a1", "vmreplica check nosuchvm")
    lines = [line for line in result.stdout.splitlines() if "nosuchvm" in line]
    require(result.returncode == 1 and len(lines) == 1 and lines[0].startswith("fail"),
            f"exit {result.returncode}: {result.stdout}")
    say(lines[0])


def wrapped(lab):
    """libvirt's own persistent definition is what wrap changes where there is no Pacemaker."""
    lab.create_vm("rawvm", "16M")
    lab.on("a1", "cd /srv/vms && for d in vda vdb; do rm rawvm-$d.qcow2; truncate -s 16M rawvm-$d.img; "
           "done; sed \"s/type='qcow2'/type='raw'/; s/\\.qcow2'/.img'/\" rawvm.xml > raw.xml && "
           "virsh -q define raw.xml")
    before = lab.on("a1", "sha256sum /srv/vms/rawvm-*.img")
    lab.vmreplica("a1", "wrap rawvm")
    require(lab.on("a1", "virsh domblklist rawvm").count(".img.vmreplica.qcow2") == 2, "not wrapped")
    lab.vmreplica("a1", "unwrap rawvm")
    require(".vmreplica." not in lab.on("a1", "virsh domblklist rawvm; ls /srv/vms"), "not unwrapped")
    require(lab.on("a1", "sha256sum /srv/vms/rawvm-*.img") == before, "the raw bytes have changed")
    lab.on("a1", "virsh -q undefine rawvm; rm /srv/vms/raw*")


def restart_engine(lab, node):
    """As `systemctl restart vmreplica-engine`: the broker's unit is part of the engine's."""
    for name in ("vmreplica-broker", "vmreplica-engine"):
        pid = lab.on(node, f"ps -eo pid,args | awk '$2 ~ /{name}$/ {{print $1; exit}}'").strip()
        lab.on(node, f"kill {pid}; while [ -e /proc/{pid} ]; do sleep 0.1; done")
    lab.on(node, f"vmreplica-engine && vmreplica-broker --address {shapes.address(node)}")
