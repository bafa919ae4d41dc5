# SPDX-License-Identifier: GPL-2.0-or-later
"""What must hold after each step of case cts, whatever the step was.  Each audit waits, within a
bound, until the clusters are idle and replication goes on, and then raises Failure when something
is not so."""
import json
from concurrent.futures import ThreadPoolExecutor

import cts_steps as steps
import replication as rep
import shape as shapes
from case import require, wait_until

IDLE_S, REPLICATES_S, TOLD_S = 240, 240, 40
LOOK = f"/usr/bin/python3 -EsB {shapes.HERE}/node_look.py"
CYCLES = 2


class Books:
    """What was known of each VM at the last audit."""

    def __init__(self, lab):
        self.boots = {vm: lab.guest_status(vm)["boots"] for vm in lab.vms}
        self.resyncs = {vm: rep.status(lab, vm=vm)["resyncs"] for vm in lab.vms}
        self.due = {vm: 0 for vm in lab.vms}    # resynchronizations that a lost QEMU explains
        self.reached = {vm: 0 for vm in lab.vms}
        self.resynced = {}                      # at this audit


def each(things, act):
    """All at the same time: most of it is waiting. Raises what the first of them has raised."""
    with ThreadPoolExecutor(len(things)) as pool:
        return list(pool.map(act, things))


def audit(lab, books, lost):
    """LOST: the VMs whose QEMU the step has ended."""
    for vm in lost:
        books.boots[vm] += 1
        books.due[vm] += 1
    each("AB", lambda site: wait_until(f"site {site} is idle", lambda: idle(lab, site), IDLE_S, 1))
    each(lab.vms, lambda vm: guest_runs(lab, books, vm))
    if not lab.state.line:
        each(lab.vms, lambda vm: replication_goes_on(lab, vm))
    wait_until("there is one of each", lambda: one_of_each(lab), TOLD_S, 1)
    each(lab.vms, lambda vm: of_vm(lab, books, vm))


def of_vm(lab, books, vm):
    wait_until(f"the brokers know where {vm} is", lambda: routes(lab, vm), TOLD_S, 1)
    resynchronized(lab, books, vm)
    content(lab, books, vm)


# ---- idle

def idle(lab, site):
    """All nodes that should be are online, everything that should run does, and the scheduler has
    nothing left to do."""
    mon = lab.crm(site)
    online = {node.get("name") for node in mon.findall("nodes/node") if node.get("online") == "true"
              and node.get("pending") == "false" and node.get("standby") == "false"}
    require(online == set(lab.live_nodes(site)), f"online are {sorted(online)}")
    wanted = [steps.BROKER, "vmreplica-ip"]
    wanted += [name for vm in lab.vms for name in
               ((vm, f"{vm}-replica") if site == "A" else (lab.replica_resource(vm),))]
    missing = [name for name in wanted if not lab.resource_node(name, site, mon)]
    require(not missing, f"not started: {missing}")
    engines = [entry for entry in mon.iter("resource") if entry.get("id") == "vmreplica-engine"
               and entry.get("role") == "Started" and entry.get("failed") == "false"]
    require(len(engines) == len(online), f"{len(engines)} engines run")
    waited = lab.run(lab.live_nodes(site)[0], "crm_resource --wait --timeout=5s")
    require(waited.returncode == 0, "Pacemaker is at work")
    return True


def replication_goes_on(lab, vm):
    """Both sides are well, and more cycles are committed."""
    def well():
        ours, theirs = rep.from_owner(lab, "A", vm), rep.from_owner(lab, "B", vm)
        for found in (ours, theirs):
            require(found["state"] == "Replicating" and found["health"] != "Critical",
                    f"{found['role']}: {found['state']} {found['health']} {found['reason']}")
        return ours
    first = wait_until(f"{vm} replicates", well, REPLICATES_S, 1)["seq"]
    wait_until(f"cycles of {vm} go on", lambda: well()["seq"] >= first + CYCLES, REPLICATES_S, 1)


# ---- who does what

def look(lab):
    """{node: what its processes show}, of all that have power."""
    nodes = lab.powered("A") + lab.powered("B")
    return dict(zip(nodes, each(nodes, lambda node: json.loads(lab.on(node, LOOK)))))


def one_of_each(lab):
    """A hung daemon may have been killed only now: so there may be none for a moment. That there
    are never two is for cts_watch.py to see."""
    looks = look(lab)
    each("AB", lambda site: one_broker(lab, site, looks))
    each(lab.vms, lambda vm: one_guest(lab, vm, looks))
    each(lab.vms, lambda vm: one_writer(lab, vm, looks))
    return True


def one_broker(lab, site, looks):
    looks = {node: found for node, found in looks.items() if shapes.site_of(node) == site}
    there = lab.resource_node(steps.BROKER, site)
    run = [(node, pid) for node, found in looks.items() for pid in found["brokers"]]
    listen = [node for node, found in looks.items() if 8650 in found["listening"]]
    require(there and [node for node, _pid in run] == [there] == listen,
            f"site {site}: Pacemaker runs the broker on {there}, processes {run} are there, "
            f"and {listen} listen")


def one_guest(lab, vm, looks):
    run = {node: found["guests"][vm] for node, found in looks.items() if vm in found["guests"]}
    there = lab.resource_node(vm)
    require(there and run == {there: 1}, f"{vm}: Pacemaker runs it on {there}, QEMUs are {run}")


def one_writer(lab, vm, looks):
    """One receiver, and the qemu-storage-daemon that is its child, where Pacemaker says; and one
    owner's directory."""
    there = lab.resource_node(lab.replica_resource(vm), "B")
    found = rep.from_owner(lab, "B", vm)
    writers = [(node, int(pid), *what) for node, seen in looks.items()
               for pid, what in seen["stores"].get(found["store"], {}).items()]
    receivers = [(node, pid) for node, pid, program, _parent in writers
                 if program == "vmreplica-receiver"]
    strange = [writer for writer in writers if (writer[0], writer[1]) not in receivers
               and (writer[2] != "qemu-storage-daemon" or (writer[0], writer[3]) not in receivers)]
    require(there and [node for node, _pid in receivers] == [there] and not strange,
            f"{vm}'s replica: Pacemaker says {there}, its writers are {writers}")
    owners = lab.on(there, f"cd {found['store']} && ls -d own-*").split()
    require(owners == [f"own-{found['generation']}"],
            f"{vm}'s replica: owners {owners}, generation {found['generation']}")


def routes(lab, vm):
    """What the brokers say of VM is what Pacemaker says, at both sites; and a sender is told it."""
    for site, resource in (("A", f"{vm}-replica"), ("B", lab.replica_resource(vm))):
        there = lab.resource_node(resource, site)
        text = lab.vmreplica(rep.node_of(lab, site), "broker --json")
        found = [entry for entry in json.loads(text)["routes"] if entry["vm"] == vm]
        told = [(entry["owner"], entry["moving"]) for entry in found]
        require(there and told == [(there, False)],
                f"{vm} at {site}: Pacemaker says {there}, the broker {found}")
    require(lab.resource_node(vm) == lab.resource_node(f"{vm}-replica"),
            f"{vm} and its replication are on two nodes")
    if not lab.state.line:
        relationship = rep.status(lab, "A", vm)["relationship"]
        answer = json.loads(lab.on(rep.node_of(lab, "A"), f"{rep.WIRE} locate "
                                   f"{shapes.broker_address('B')} {relationship}"))
        require(answer["answer"] in ("REDIRECT", "RELAY") and there in answer.values(),
                f"{vm}: the replica is on {there}, a sender is told {answer}")
    return True


# ---- what became of the VMs and their replicas

def guest_runs(lab, books, vm):
    """It was restarted where its node was lost, and never else; and it writes."""
    lab.records_advance(5, 90, vm)
    found = lab.guest_status(vm)
    require(found["boots"] == books.boots[vm] and found["error"] == 0, f"{vm} has booted "
            f"{found['boots']:.0f} times, {books.boots[vm]:.0f} are explained: {found}")
    load(lab, vm)


def load(lab, vm):
    lab.guest("load 200000 20", vm)


def resynchronized(lab, books, vm):
    found = rep.from_owner(lab, "A", vm)["resyncs"]
    count = found - books.resyncs[vm]
    require(0 <= count <= books.due[vm], f"{vm}: {count} resynchronizations, {books.due[vm]} "
            "are explained by a lost QEMU")
    if not lab.state.line:
        # what was not needed by now will not be: the cycles go on
        books.due[vm] = 0
    books.resyncs[vm] = found
    books.resynced[vm] = count


def content(lab, books, vm):
    """A cut is acknowledged, and the replica read at it has all that the guest had written before;
    without a line: at the last acknowledged one."""
    if lab.state.line:
        facts = wait_until(f"the replica of {vm} can be read", lambda: untouched(lab, vm), 60, 2)
        least = books.reached[vm]
    else:
        least = lab.guest_status(vm)["seq"]
        rep.sync(lab, vm)
        facts = rep.judge_replica(lab, vm)
    require(facts["newest"] >= least, f"the replica of {vm} ends with record {facts['newest']}, "
            f"{least:.0f} was there before the acknowledged cut")
    books.reached[vm] = facts["newest"]


def untouched(lab, vm):
    """Nothing comes in: what was committed is applied, and then nothing writes."""
    found = rep.from_owner(lab, "B", vm)
    if found["applied_seq"] < found["seq"] or found["batch_seq"]:
        return None
    return lab.judge(found["owner"], rep.replica_images(found), unlocked=True)
