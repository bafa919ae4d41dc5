# SPDX-License-Identifier: GPL-2.0-or-later
"""After an unplanned failover the old primary becomes the replica by `vmreplica reverse`: its VM is
stopped, what it wrote alone is gone, and its disks hold what the new primary's hold, block by
block, though what travelled is a small part of them. Four times, each in the other direction:
  - P = N: it wrote on in isolation; the failover was committed, and its VM moved live while its
    images were merged;
  - and a cut N + 1, in whose middle the line broke, was never acknowledged;
  - P = N - 3: the VM began from a cycle three before the last;
  - the old primary's node lost power, and with it the bitmaps: everything is compared, which is
    announced with an estimate."""
import contextlib
import json
import re

import cib_state
from cases import failover_planned as planned
import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 600
DIRTY = True            # web1 comes home with a definition made anew, which the lab cannot ask
MIB = 1 << 20
BALLAST_MIB = 64        # incompressible, on both sides: a copy of the disks would send it
SMALL = 16 * MIB
MERGED_MIB = 192
# On the VM's node: the first merge of which more than 10 MiB are left is made to last, at 1 MiB/s.
SLOW_MERGE = r"""for round in $(seq 1500); do
	for disk in vda vdb; do
		set -- $(virsh blockjob web1 $disk --info --bytes --raw 2>/dev/null | sed -n 's/^ *\(cur\|end\)=//p')
		if [ $((${2:-0} - ${1:-0})) -gt 10485760 ] && virsh -q blockjob web1 $disk 1; then exit 0; fi
	done
done
echo "no merge was seen" >&2; exit 1"""
SOON_MS = 15000         # a stream that is silent in the middle of a frame holds up nothing
# 2 MB/s on the wire: what is unsent when the line is cut would have taken another five seconds.
RATE, FILL_MIB, UNSENT = "16mbit", 32, 10 * MIB


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.authorize(lab, rep.SITE_B, site="A")
    lab.guest(f"fill {BALLAST_MIB} 0")
    rep.protect(lab, more="--points 24 --point-interval 5")
    rep.wait_replicating(lab)
    rep.wait_cycles(lab, 2, 60)
    reached = lab.guest_status()["seq"]
    # the lab's own; the resource of a VM that runs would be restarted for it
    lab.on("b1", "pcs resource update web1 migration_transport=tcp migrate_options=--unsafe")
    lab.guest(f"fill {MERGED_MIB} 1")
    rep.wait_cycles(lab, 1, 120)
    reached = round_trip(lab, "A", "B", reached, unacknowledged, then=committed_and_moved)
    reached = round_trip(lab, "B", "A", reached, cut_off)
    reached = round_trip(lab, "A", "B", 0, cut_off, "back 3")
    round_trip(lab, "B", "A", reached, power_cut, known=False)


def cut_off(lab, _old, _new):
    lab.cut("wan")


def unacknowledged(lab, _old, new):
    """A cycle is cut and much of it sent when the line breaks: no word comes back of it."""
    for _attempt in range(3):
        lab.rate(RATE)
        lab.guest(f"fill {FILL_MIB} 0")
        found = rep.wait_mid_cycle(lab, UNSENT, 90)
        lab.cut("wan")
        lab.rate(lab.shape.wan_rate)
        if rep.from_owner(lab, new)["seq"] == found["seq"]:
            break
        lab.heal()      # it was through before the line was cut
        rep.wait_cycles(lab, 1, 90)
    else:
        raise AssertionError("the line was never cut in the middle of a cycle")
    node = rep.from_owner(lab, "A")["owner"]
    cuts = [int(name.split("-")[-2]) for name in lab.on(
        node, "virsh checkpoint-list web1 --name").split() if name.startswith("vmreplica-")]
    require(any(cut > found["seq"] for cut in cuts), f"{cuts} with cycle {found['seq']} committed")
    say(f"cycle {found['seq']} is committed, of the next one "
        f"{rep.unsent(found) / MIB:.1f} MiB were unsent; cuts: {cuts}")


def power_cut(lab, old, _new):
    """The VM's node at OLD dies; Pacemaker starts the VM on the other one, cut off from NEW."""
    lab.cut("wan")
    victim = next(name for name in planned.runs_where(lab) if shapes.site_of(name) == old)
    lab.kill(victim)
    say(f"{victim} has lost power")


def wanted(lab, replica, point):
    """What --to says: the newest cycle, or the third before it."""
    if point == "latest":
        return "latest"
    def enough():
        found = json.loads(lab.vmreplica(rep.node_of(lab, replica),
                                         "points web1 --cycles --json"))["points"]
        return found if len(found) >= 5 else None
    return f"seq:{wait_until('five cycles to choose from', enough, 60, 1)[-4]['seq']}"


def runs_at(lab):
    return {shapes.site_of(name) for name in planned.runs_where(lab)}


def writes(lab, site):
    """The VM at SITE has written since its start: it has booted, and hears when it shall stop."""
    found = [name for name in planned.runs_where(lab) if shapes.site_of(name) == site]
    return found and re.search(r"wr_req [1-9]", lab.on(found[0], "virsh domblkstat web1 vda"))


def committed_and_moved(lab, site):
    """A move ends the merge first, stays live, and the merge goes on where the VM is."""
    source = lab.resource_node("web1", site)
    output = lab.vmreplica(source, "failover web1 --commit --no-wait", 60)
    identity = re.search(r"job ([0-9a-f]{8})", output).group(1)
    lab.on(source, SLOW_MERGE, 90)
    target = lab.other_node(source)
    lab.on(source, f"crm_resource --move --resource web1 --node {target}")  # at once, unlike pcs
    lab.wait_resource("web1", target, 90, site)
    lab.on(source, "crm_resource --clear --resource web1")
    operations = lab.on(target, "crm_resource --list-all-operations --resource web1")
    require("web1_migrate_from_0" in operations, f"it was started anew: {operations}")
    def done():
        jobs = json.loads(lab.vmreplica(target, f"jobs {identity} --json"))["jobs"]
        return jobs[0] if jobs[0]["state"] != "running" else None
    job = wait_until("the commit ends", done, 120, 0.5)
    require(job["state"] == "done", f"{job}")
    say(f"committed with its VM moved live from {source}: "
        + " | ".join(f"{step['name']} on {step.get('node', '?')}" for step in job["steps"]))
    cib_state.settled(lab, failed_over=True, sites=site)


def round_trip(lab, old, new, reached, trouble, point="latest", known=True, then=None):
    """OLD is cut off by TROUBLE and writes on; NEW fails over to POINT, and THEN; OLD comes back and
    is reversed. Returns the newest record there; REACHED must be older."""
    target = wanted(lab, new, point)
    trouble(lab, old, new)
    node = rep.node_of(lab, new)
    output = lab.vmreplica(node, f"failover web1 --unplanned --force --to {target}", 120)
    say(output.strip().splitlines()[-1])
    asked_ms = int(re.search(r"requested (\d+) ms after the order", output).group(1))
    require(asked_ms < SOON_MS, f"its start was asked for after {asked_ms} ms: {output}")
    wait_until(f"it runs at {new}, and writes on at {old} in isolation",
               lambda: runs_at(lab) == {"A", "B"} and writes(lab, old), 120, 0.5)
    if then:
        then(lab, new)
    lab.heal()
    lab.run(rep.node_of(lab, old), "vmreplica sync web1", 20)   # it need not wait for its retry
    found = rep.wait_health(lab, "Critical", f"{new.lower()}.example", 120, site=old)
    say(found["reason"])
    sent = sum(rep.sent_by(lab, name) for name in lab.live_nodes(new))
    output = lab.vmreplica(node, "reverse web1", 200)
    announced(output, known)
    planned.reversed_cycle(lab, new)
    sent = sum(rep.sent_by(lab, name) for name in lab.live_nodes(new)) - sent
    require(planned.sides(lab) == {new}, f"{planned.runs_where(lab)}")
    say(f"{new} sent {sent >> 10} KiB")
    require(sent < SMALL, f"{sent} bytes travelled")
    same_content(lab, new, old)
    cib_state.settled(lab, new)
    return planned.judged(lab, old, reached)


def announced(output, known):
    """A delta; or that all is compared, with how much and for how long."""
    if known:
        require("a delta is enough" in output, output)
        return
    require("a delta is enough" not in output and "everything is compared" in output, output)
    line = next(line for line in output.splitlines() if "everything is compared" in line)
    require(re.search(r"\d+(\.\d+)? [MG]iB", line) and "about" in line, output)
    say(line.strip())


@contextlib.contextmanager
def still(lab, node):
    """The VM does not run for a moment: nothing is written, and QEMU has written out all."""
    lab.on(node, "virsh suspend web1")
    try:
        yield
    finally:
        lab.on(node, "virsh resume web1")


def same_content(lab, primary, replica):
    """Both disks at REPLICA hold the bytes that the VM's have at PRIMARY, looked at without the
    product."""
    node = wait_until("web1 runs on one node", lambda: planned.runs_where(lab), 20)[0]
    with still(lab, node):
        lab.vmreplica(node, "sync web1 --wait", 120)
        seq = rep.from_owner(lab, primary)["seq"]
        def applied():
            found = rep.from_owner(lab, replica)
            there = found["seq"] >= seq and found["applied_seq"] >= found["seq"]
            return found if there else None
        found = wait_until(f"cycle {seq} is applied at {replica}", applied, 90)
        disks = dict(line.split()[:2] for line in lab.on(
            node, "virsh domblklist web1").splitlines() if " /" in line)
        for disk, theirs in zip(sorted(disks), rep.replica_images(found)):
            copy = f"/srv/vms/compare-{disk}.raw"
            lab.on(node, f"qemu-img convert -U -O raw {disks[disk]} {copy}", 120)
            try:
                rep.compare(lab, found["owner"], rep.folder_path(lab, primary, copy), theirs)
            finally:
                lab.on(node, f"rm -f {copy}")
    say(f"{replica} equals {primary} bit for bit at cycle {seq}")
