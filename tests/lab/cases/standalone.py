# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts with only libvirt and certificates replicate straight to each other, configured by
files; a stop of either engine is survived without a resynchronization. The VM changes sides: planned
there and back, and after A's power was cut; A boots while B holds the VM, and does not start it.
libvirt runs it on one side at most, and what is a replica afterwards is judged by its content."""
import json

from cases import failover_planned as planned
import replication as rep
import shape as shapes
from case import require, say, wait_until

SHAPE = {"standalone": True}
TIMEOUT = 480
DIRTY = True            # web1 comes home with a definition made anew, which the lab cannot ask


def run(lab):
    lab.vmreplica("b1", "authorize add a.example --storage /srv/replica")
    preflight(lab)
    wrapped(lab)
    lab.on("a1", "virsh -q autostart web1")
    lab.vmreplica("a1", "protect web1 --to b.example --frequency 5 --points 24 --point-interval 5", 60)
    before = rep.wait_replicating(lab)
    lab.guest("load 300000 50")
    rep.wait_cycles(lab, 4, 60)
    for node in ("a1", "b1"):
        restart_engine(lab, node)
        rep.wait_cycles(lab, 2, 60)
    lab.guest("load 0")
    rep.no_resync_since(lab, before)
    rep.compare_at_cut(lab)
    wait_until("the engine starts it with the host", lambda: not autostart(lab, "a1"), 60, 1)
    drill(lab)
    lab.vmreplica("a1", "authorize add b.example --storage /srv/replica")
    reached = change_sides(lab, "A", "B", "A", lab.guest_status()["seq"])
    reached = change_sides(lab, "B", "A", "A", reached)
    power_cut(lab, reached)
    unprotect(lab)


# ---- changing sides

def autostart(lab, node):
    return "enable" in [line.split()[-1] for line in lab.on(node, "virsh dominfo web1").splitlines()
                        if line.startswith("Autostart:")]


FOREIGN = """<domain type='qemu'><name>web1-test</name><memory unit='MiB'>32</memory><os>
<type arch='x86_64'>hvm</type></os></domain>"""


def anothers(lab):
    """A VM of somebody else that has the name of the test's is not taken for that, on or off."""
    lab.on("b1", f"cat > /root/other.xml <<'END'\n{FOREIGN}\nEND\nvirsh -q define /root/other.xml")
    for step in ("start", "destroy"):
        lab.on("b1", f"virsh -q {step} web1-test")
        refused = lab.run("b1", "vmreplica failover web1 --test", 90)
        require(refused.returncode == 1 and "another VM called web1-test" in refused.stderr,
                f"{refused.stdout}{refused.stderr}")
        state = lab.on("b1", "virsh domstate web1-test").strip()
        require(state == ("running" if step == "start" else "shut off"), f"web1-test is {state}")
    say(refused.stderr.strip().splitlines()[-1])
    lab.on("b1", "virsh -q undefine web1-test")


def drill(lab):
    anothers(lab)
    lab.vmreplica("b1", "failover web1 --test", 90)
    names = lab.on("b1", "virsh list --name").split()
    lab.vmreplica("b1", "failover web1 --test-cleanup", 90)
    require(names == ["web1-test"], f"{names}")
    require(not lab.on("b1", "virsh list --all --name").split(), "the test has left a VM")


def known_vms(lab, node):
    return lab.on(node, "virsh list --all --name").split()


def change_sides(lab, old, new, ordered_at, reached):
    """OLD -> NEW, planned. The side that made way knows the VM no more: nobody starts it there."""
    reached = planned.over_to(lab, old, new, ordered_at, reached)
    require(not known_vms(lab, old.lower() + "1"), f"{old} still has the VM")
    require(known_vms(lab, new.lower() + "1") == ["web1"], f"{new} has not defined it")
    return reached


def power_cut(lab, reached):
    """A loses its power, B fails over; A boots with the VM defined, which it would have started."""
    planned.reversed_cycle(lab, "A")
    lab.kill("a1")
    output = lab.vmreplica("b1", "failover web1 --unplanned", 120)
    say(output.strip().splitlines()[-1])
    lab.boot("a1")
    found = wait_until("A says why it does not start web1", lambda: refusal(lab), 120, 1)
    say(found)
    require(planned.sides(lab) == {"B"}, f"{planned.runs_where(lab)}")
    result = lab.run("a1", "vmreplica unprotect web1", 60)
    require(result.returncode != 0 and "failed over" in result.stderr + result.stdout, f"{result}")
    output = lab.vmreplica("b1", "reverse web1", 200)
    planned.reversed_cycle(lab, "B")
    require(planned.sides(lab) == {"B"} and not known_vms(lab, "a1"), f"{planned.runs_where(lab)}")
    planned.judged(lab, "A", reached)


def refusal(lab):
    events = json.loads(lab.vmreplica("a1", "events --json"))["events"]
    return next((event["text"] for event in events
                 if "is not started with the host" in event["text"]), None)


def unprotect(lab):
    """At B, which is the primary now: the disks of A's replica are A's own again."""
    lab.vmreplica("b1", "unprotect web1", 60)
    require(not lab.on("b1", "virsh checkpoint-list web1 --name").strip(), "checkpoints are left")
    wait_until("A forgot it", lambda: not rep.known(lab, "A", "web1"), 30)
    wait_until("libvirt starts it with the host again", lambda: autostart(lab, "b1"), 30)


# ---- the rest

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
