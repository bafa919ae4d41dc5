# SPDX-License-Identifier: GPL-2.0-or-later
"""Application-consistent points: the guest's file system holds still at the cut, so the point's
journal is empty and its file as young as the records beside it; a crash-consistent one's is not. A
frozen guest is thawed although the engine is killed, and although the process that thaws is killed
too. Without an agent points are crash-consistent, and that is said, once."""
import json
import os
import struct
import time

import cib
import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 300
VM, POINTS, APP_S = "app1", 12, 2 * rep.FAST
MORE = f"--points {POINTS} --point-interval {rep.FAST} --app-interval {APP_S}"
NOTE = f"/run/vmreplica/frozen/{VM}"
ENGINE_PID = "/run/vmreplica/engine.pid"
NEEDS_RECOVERY = 0x4        # of ext4's incompatible features: its journal has to be replayed
FROZEN_MAX_MS = 3000        # engine/source_freeze.h


def start_vm(lab):
    lab.create_vm(VM, "128M", agent=True)
    lab.on(rep.node_of(lab, "A"), "cibadmin --modify --allow-create --scope resources "
           f"--xml-text '<resources>{cib.virtual_domain(VM)}</resources>'")
    node = lab.wait_resource(VM, timeout=60)
    wait_until("its agent answers", lambda: lab.run(
        node, f"virsh qemu-agent-command {VM} '{{\"execute\":\"guest-ping\"}}'").returncode == 0, 60)
    wait_until("it writes to its file", lambda: lab.guest_status(VM)["file_lines"] > 10, 20)


def listed(lab, vm=VM):
    node = rep.node_of(lab, "B")
    return json.loads(lab.vmreplica(node, f"points {vm} --json"))["points"]


def manifest(lab, found):
    return json.loads(lab.on(found["owner"], f"cat {found['store']}/manifest.json"))


def file_system(lab, found, image):
    """(journal has to be replayed, the newest record that the file names) of a point's vdc."""
    raw, copy = f"/srv/replica/{VM}.raw", f"/srv/replica/{VM}.file"
    lab.on(found["owner"], f"qemu-img convert -U -O raw {image} {raw} && rm -f {copy} && "
           f"debugfs -R 'dump /file {copy}' {raw} 2>/dev/null")
    with open(rep.folder_path(lab, "B", raw), "rb") as file:
        file.seek(1024 + 0x60)
        features, = struct.unpack("<I", file.read(4))
    with open(rep.folder_path(lab, "B", copy)) as file:
        lines = file.read().split("\n")[:-1]
    require(all(int(line.split()[0]) == number + 1 for number, line in enumerate(lines)),
            f"{image}: the file has a hole")
    for path in (raw, copy):
        os.unlink(rep.folder_path(lab, "B", path))
    return bool(features & NEEDS_RECOVERY), int(lines[-1].split()[1]) if lines else 0


def judge_points(lab, found):
    """Each point's claim against what it holds."""
    ages = {"application": [], "crash": []}
    said = {point["seq"]: point["consistency"] for point in listed(lab)}
    for point in manifest(lab, found)["points"][1:]:
        files = {disk["name"]: f"{found['store']}/{disk['file']}" for disk in point["disks"]}
        facts = lab.judge(found["owner"], [files["vda"], files["vdb"]], unlocked=True)
        dirty, youngest = file_system(lab, found, files["vdc"])
        kind, age = said[point["cut"]["seq"]], facts["newest"] - youngest
        ages[kind].append(age)
        require(dirty == (kind == "crash"), f"point {point['cut']['seq']} is {kind}, and its "
                f"journal {'has' if dirty else 'has not'} to be replayed")
        # Records go on while the file is held still: as many as fit into the bound.
        require(kind == "crash" or age <= lab.shape.record_rate * FROZEN_MAX_MS / 1000,
                f"point {point['cut']['seq']}: its file is {age} records old")
    require(len(ages["application"]) >= 2 and ages["crash"], f"points: {ages}")
    require(max(ages["crash"]) > max(ages["application"]), f"ages do not differ: {ages}")
    return ages


def content(lab):
    lab.guest("gap-reset", VM)
    wait_until("points of both kinds", lambda: [
        point["consistency"] for point in listed(lab)[1:]].count("application") >= 2, 60, 1)
    gap = lab.guest_status(VM)["file_gap_ms"]
    lab.vmreplica(rep.node_of(lab, "A"), f"pause {VM}")
    found = rep.wait_applied(lab, rep.status(lab, "A", VM)["seq"], vm=VM)
    ages = judge_points(lab, found)
    primary = rep.from_owner(lab, "A", VM)["application_consistent"]
    newest = [point["time"] for point in listed(lab) if point["consistency"] == "application"][-1]
    require(primary["last"] == found["application_consistent"]["last"] == newest
            and primary["reason"] is None, f"{primary}, {found['application_consistent']}, {newest}")
    require(0 < primary["frozen_ms"] <= FROZEN_MAX_MS, str(primary))
    require(gap <= FROZEN_MAX_MS, f"the guest's writer was held for {gap} ms")
    say(f"ages of the file in records {ages}; frozen {primary['frozen_ms']} ms, longest gap of a "
        f"write {gap:.0f} ms")
    latest_app(lab)
    lab.vmreplica(rep.node_of(lab, "A"), f"resume {VM}")


def latest_app(lab):
    """A test failover to `latest-app` runs on the newest such point: its journal is empty."""
    node, point = rep.node_of(lab, "B"), [point for point in listed(lab)
                                          if point["consistency"] == "application"][-1]
    output = lab.vmreplica(node, f"failover {VM} --test --to latest-app", 120)
    try:
        found = rep.from_owner(lab, "B", VM)
        require(f"from cycle {point['seq']}" in output, f"not cycle {point['seq']}: {output}")
        base = rep.test_base(lab, found, ("vda", "vdb", "vdc"))
        facts = lab.judge(found["owner"], base[:2], unlocked=True)
        dirty, youngest = file_system(lab, found, base[2])
        age = facts["newest"] - youngest
        require(not dirty and age <= lab.shape.record_rate * FROZEN_MAX_MS / 1000,
                f"journal to be replayed: {dirty}; the file is {age} records old")
    finally:
        lab.vmreplica(node, f"failover {VM} --test-cleanup", 120)
    say(f"latest-app is cycle {point['seq']}: its file is {age} records old")


def kill_when_frozen(lab, node, what):
    """SIGKILL to WHAT at a moment when the guest is frozen."""
    lab.on(node, f"until grep -q frozen {NOTE} 2>/dev/null; do :; done; {what}", 60)
    return time.monotonic()


def engine_killed(lab):
    node = lab.wait_resource(VM)
    lab.guest("gap-reset", VM)
    killed = kill_when_frozen(lab, node, f"kill -9 $(cat {ENGINE_PID})")
    wait_until("thawed", lambda: lab.run(node, f"test -e {NOTE}").returncode == 1, 5, 0.05)
    took = time.monotonic() - killed
    lines = lab.guest_status(VM)["file_lines"]
    wait_until("its writer goes on", lambda: lab.guest_status(VM)["file_lines"] > lines, 5, 0.1)
    gap = lab.guest_status(VM)["file_gap_ms"]
    require(gap <= FROZEN_MAX_MS, f"engine killed: the writer was held for {gap} ms")
    say(f"engine killed while frozen: thawed within {took:.2f} s, longest gap {gap:.0f} ms")
    rep.wait_cycles(lab, 1, 60, VM)


def both_killed(lab):
    """Nobody is left who knows: the note is."""
    node = lab.wait_resource(VM)
    # An engine that is stopped orders no thaw while the other one is looked for.
    both = (f"kill -STOP $(cat {ENGINE_PID}); "
            f"kill -9 $(pgrep -f '[v]mreplica-freeze --freeze {VM}') $(cat {ENGINE_PID})")
    for _ in range(5):          # a freeze lasts for tenths of a second: it may be over by then
        killed = kill_when_frozen(lab, node, both)
        if lab.run(node, f"grep -q frozen {NOTE}").returncode == 0:
            break
        rep.wait_cycles(lab, 1, 60, VM)
    else:
        raise AssertionError("five times it was thawed before both were killed")
    wait_until("thawed by the agent or the next engine",
               lambda: lab.run(node, f"test -e {NOTE}").returncode == 1, 45, 0.2)
    took = time.monotonic() - killed
    lines = lab.guest_status(VM)["file_lines"]
    wait_until("its writer goes on", lambda: lab.guest_status(VM)["file_lines"] > lines, 5, 0.1)
    require("was left frozen" in lab.on(node, "cat /var/log/vmreplica/vmreplica-freeze.log"), "log")
    say(f"engine and the one that thaws killed: thawed after {took:.1f} s")
    rep.wait_cycles(lab, 1, 60, VM)


def without_agent(lab):
    """web1 has none."""
    rep.wait_cycles(lab, 1, 60)
    node = lab.wait_resource("web1")
    found = lab.vm_status(node, "web1")["application_consistent"]
    require(found["last"] is None and "org.qemu.guest_agent.0" in found["reason"], str(found))
    require("only crash" in lab.vmreplica(node, "status web1"), "status does not say so")
    kinds = {point["consistency"] for point in listed(lab, "web1")}
    require(kinds == {"crash"}, f"web1 has points that are {kinds}")
    told = [line for line in lab.vmreplica(node, "events").splitlines()
            if "web1" in line and "cannot be frozen" in line]
    require(len(told) == 1, f"told {len(told)} times: {told}")
    say(f"without an agent: {found['reason']}")


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    start_vm(lab)
    try:
        rep.authorize(lab)
        told = lab.run(rep.node_of(lab, "A"), f"vmreplica protect web1 --to "
                       f"{shapes.broker_address('B')} --dry-run {MORE}")
        require("org.qemu.guest_agent.0" in told.stderr, f"protect did not tell: {told.stderr}")
        rep.protect(lab, more=MORE)
        rep.protect(lab, VM, more=MORE)
        rep.wait_replicating(lab)
        rep.wait_replicating(lab, vm=VM)
        content(lab)
        without_agent(lab)
        engine_killed(lab)
        both_killed(lab)
    finally:
        rep.remove(lab, VM)
        rep.remove(lab)
        lab.on(rep.node_of(lab, "A"), f"pcs resource delete {VM} --force", 120)
