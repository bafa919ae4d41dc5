# SPDX-License-Identifier: GPL-2.0-or-later
"""Recovery points: one every second cycle, four kept, the older ones merged away while the guest
writes. Every listed one is a true point in time, and the replica itself stays the primary's equal.
A move of the replica leaves them as they were: the same ones are listed, and a test failover to one from
before the move runs on what it held. A byte changed in the log that leads to one is named by file
and offset when that point is verified."""
import json

import replication as rep
from case import Failure, require, say, wait_until

TIMEOUT = 220
RESOURCE = "web1-a-replica"
DAMAGED = 3
POINTS = 4
MORE = f"--points {POINTS} --point-interval {2 * rep.FAST}"


def manifest(lab, found):
    return json.loads(lab.on(found["owner"], f"cat {found['store']}/manifest.json"))


def layers(lab, found):
    return max(len(disk["layers"]) for disk in manifest(lab, found)["current"])


def listed(lab, more=""):
    """As any node of the replica's side says it."""
    node = lab.live_nodes("B")[-1]
    return json.loads(lab.vmreplica(node, f"points web1 --json {more}"))["points"]


def judge_points(lab, found):
    """Each point's images by their own content; the newest records ascend.  What is merged while it
    is looked at is another file then: that is no fault, and all of them are looked at again."""
    for _ in range(20):
        before = manifest(lab, found)
        try:
            newest = [newest_of(lab, found, point) for point in before["points"]]
        except Failure:
            if manifest(lab, found) == before:
                raise
            continue
        require(newest == sorted(set(newest)), f"the points do not ascend: {newest}")
        return newest
    raise Failure("the store changes all the time")


def newest_of(lab, found, point):
    files = {disk["name"]: f"{found['store']}/{disk['file']}" for disk in point["disks"]}
    return lab.judge(found["owner"], [files[name] for name in sorted(files)],
                     unlocked=True)["newest"]


def check_store(lab, found):
    """The store's own check, beside the running receiver, says the same."""
    verdict = json.loads(lab.vmreplica(found["owner"], f"store check {found['store']} --json"))
    require(verdict["sound"] and verdict["in_use"], f"store check: {verdict}")
    require(verdict["checked"]["points"] == POINTS and verdict["checked"]["logs"] > 0,
            f"store check: {verdict}")


def moved(lab, newest):
    """All is as before on another node, where a VM runs on the second point."""
    before = listed(lab)
    took = lab.move(RESOURCE, lab.other_node(rep.replica(lab)["owner"]), site="B")
    found = rep.wait_applied(lab, rep.status(lab, "A")["seq"])
    wait_until("the same points are listed", lambda: listed(lab) == before, 20)
    output = lab.vmreplica(found["owner"], f"failover web1 --test --to seq:{before[1]['seq']}", 120)
    try:
        require(f"runs on {found['owner']} from cycle {before[1]['seq']}" in output, output)
        base = lab.judge(found["owner"], rep.test_base(lab, found), unlocked=True)["newest"]
        require(base == newest[1], f"the test began from record {base}, not {newest[1]}")
    finally:
        lab.vmreplica(found["owner"], "failover web1 --test-cleanup", 120)
    say(f"moved in {took:.1f} s; a test of cycle {before[1]['seq']} began from record {base}")
    return found


def flip(lab, found, file, offset):
    lab.on(found["owner"], f"""/usr/bin/python3 -c "
import os
fd = os.open('{found['store']}/{file}', os.O_RDWR)
os.pwrite(fd, bytes([os.pread(fd, 1, {offset})[0] ^ 255]), {offset})
os.fsync(fd)" """)


def verify_point(lab, found):
    """Good, with a byte changed in the point's log, and good again when it is changed back."""
    point, owner = listed(lab)[-1], found["owner"]
    command = f"vmreplica verify web1 --point seq:{point['seq']}"
    good = lab.run(owner, command, 60)
    require(good.returncode == 0 and f"cycle {point['seq']} is compared" in good.stdout
            and good.stdout.endswith("\nsound\n"), f"{good.stdout} {good.stderr}")
    file = lab.on(owner, f"cd {found['store']} && ls gen-*/{point['seq']}.vrl").strip()
    middle = int(lab.on(owner, f"stat -c %s {found['store']}/{file}")) // 2
    flip(lab, found, file, middle)
    try:
        bad = lab.run(owner, command, 60)
    finally:
        flip(lab, found, file, middle)
    damage = [line for line in bad.stdout.splitlines() if line.startswith("DAMAGE")]
    require(bad.returncode == DAMAGED and f"{file} at byte " in damage[0],
            f"exit {bad.returncode}: {bad.stdout} {bad.stderr}")
    named = int(damage[0].split(" at byte ")[1].split(":")[0])
    require(named <= middle, f"byte {middle} was changed: {damage}")
    again = json.loads(lab.vmreplica(owner, command.removeprefix("vmreplica ") + " --json", 60))
    require(again["sound"], f"changed back: {again}")
    say(f"byte {middle} of {file} was changed: {damage[0]}")


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.protect(lab, more=MORE)
    rep.wait_replicating(lab)
    lab.guest("load 400000 50")
    rep.wait_cycles(lab, 11, 90)
    lab.guest("load 0")
    lab.vmreplica(rep.node_of(lab, "A"), "pause web1")
    try:
        found = rep.wait_applied(lab, rep.status(lab, "A")["seq"])
        wait_until("the older points are merged", lambda: layers(lab, found) <= POINTS + 1, 30, 0.5)
        points = listed(lab)
        require(len(points) == POINTS, f"{len(points)} points are listed: {points}")
        require(all(point["verdict"] == "ok" for point in points[1:]), f"verdicts: {points}")
        require([point["seq"] for point in points] ==
                [point["cut"]["seq"] for point in manifest(lab, found)["points"]], str(points))
        cycles = listed(lab, "--cycles")
        require(cycles[-1]["seq"] == found["seq"] and len(cycles) > len(points), str(cycles))
        newest = judge_points(lab, found)
        check_store(lab, found)
        say(f"{len(points)} points with newest records {newest}")
        found = moved(lab, newest)
        verify_point(lab, found)
    finally:
        lab.vmreplica(rep.node_of(lab, "A"), "resume web1")
    rep.compare_at_cut(lab)
    say(f"{len(cycles)} recoverable cycles, {layers(lab, found)} layers")
