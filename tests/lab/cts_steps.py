# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps of case cts (cts_plan.py says which), done to a running lab."""
import time

import cts_plan
import served
from case import Lab, require, wait_until

WAIT_S = 120
PROGRAMS = {"engine": "vmreplica-engine", "receiver": "vmreplica-receiver",
            "broker": "vmreplica-broker", "qemu-storage-daemon": "qemu-storage-daemon",
            "cib helper": "vmreplica-cib", "libvirtd": "libvirtd"}
RESOURCES = {"engine": "vmreplica-engine-clone", "broker": "vmreplica-broker"}
BROKER_GROUP, BROKER = "vmreplica", "vmreplica-broker"


class CtsLab(Lab):
    """A lab whose live nodes are those that the cluster has and may use: the others (cut off, on
    standby) have power, but neither an engine nor a say."""

    def __init__(self, vms):
        super().__init__()
        self.client = served.Client(self.folder)
        self.vms = vms
        self.state = cts_plan.State({site: self.nodes(site) for site in "AB"}, vms)

    def live_nodes(self, site):
        usable = self.state.usable(site)
        return [name for name in super().live_nodes(site) if name in usable]

    def powered(self, site):
        return super().live_nodes(site)

    def replica_resource(self, vm):
        return f"{vm}-a-replica"

    def pcs(self, site, command, timeout=WAIT_S):
        self.on(self.live_nodes(site)[0], f"pcs {command}", timeout + 30)

    def picked(self, step, names):
        return sorted(names)[step.pick % len(names)]


def do(lab, step):
    """Returns the VMs whose QEMU it ends."""
    lost = []
    if step.name in ("kill node", "cut node"):
        lost = [vm for vm in lab.vms if lab.resource_node(vm) == step.target]
    time.sleep(step.wait_s)
    DO[step.name](lab, step)
    lab.state.apply(step)
    return lost


# ---- nodes

def kill_node(lab, step):
    lab.kill(step.target)


def boot_node(lab, step):
    lab.boot(step.target)


def standby(lab, step):
    lab.pcs(step.site, f"node standby {step.target} --wait={WAIT_S}")


def unstandby(lab, step):
    lab.pcs(step.site, f"node unstandby {step.target} --wait={WAIT_S}")


def cut_node(lab, step):
    """Until the others have shot it: before that it runs what it ran."""
    boots = lab.client.ask("status")["nodes"][step.target]["boots"]
    lab.cut(step.target)
    wait_until(f"{step.target} is shot", lambda: lab.client.ask("status")["nodes"][step.target][
        "boots"] > boots, WAIT_S)


def heal_node(lab, step):
    lab.heal(step.target)


# ---- moves

def move(lab, site, resource, step, leads=""):
    """LEADS: the one of a group RESOURCE that tells where it is."""
    source = lab.wait_resource(leads or resource, site=site)
    target = lab.picked(step, [name for name in lab.live_nodes(site) if name != source])
    lab.pcs(site, f"resource move {resource} {target}")
    lab.wait_resource(leads or resource, target, WAIT_S, site)


def move_vm(lab, step):
    move(lab, step.site, step.target, step)


def move_replica(lab, step):
    move(lab, step.site, lab.replica_resource(step.target), step)


def move_broker(lab, step):
    move(lab, step.site, BROKER_GROUP, step, BROKER)


# ---- daemons

def victim(lab, step):
    """The node of the daemon that is meant: where there is one only, that one."""
    if step.target == "broker":
        return lab.wait_resource(BROKER, site=step.site)
    if step.target in ("receiver", "qemu-storage-daemon"):
        return lab.wait_resource(lab.replica_resource(lab.picked(step, lab.vms)), site="B")
    return lab.picked(step, lab.live_nodes(step.site))


def pids(lab, node, program):
    match = f"/(^|\\/){program}$/"
    return set(lab.on(node, f"ps -eo pid,args | awk '$2 ~ {match} {{print $1}}'").split())


def kill_daemon(lab, step):
    """Until another one is there: Pacemaker notices it at the next monitor."""
    node, program = victim(lab, step), PROGRAMS[step.target]
    before = pids(lab, node, program)
    lab.kill_program(node, program)
    wait_until(f"{program} is back", lambda: any(
        pids(lab, name, program) - (before if name == node else set())
        for name in ([node] if step.target != "broker" else lab.live_nodes(step.site))), WAIT_S, 1)


def hang_daemon(lab, step):
    """Stopped by a signal; its agent may have killed it before it is to go on."""
    node, program = victim(lab, step), PROGRAMS[step.target]
    stopped = " ".join(pids(lab, node, program))
    require(stopped, f"no {program} on {node}")
    lab.on(node, f"kill -STOP {stopped}")
    time.sleep(step.last_s)
    lab.run(node, f"kill -CONT {stopped}")


def restart_daemon(lab, step):
    """Stopped and started by Pacemaker, on all nodes of the site."""
    resource, program = RESOURCES[step.target], PROGRAMS[step.target]
    lab.pcs(step.site, f"resource disable {resource} --wait={WAIT_S}")
    try:
        for node in lab.live_nodes(step.site):
            found = lab.run(node, f"ps -eo args | grep -E '^([^ ]*/)?{program}( |$)'").stdout
            require(not found, f"{program} still runs on {node} when its resource is disabled")
        time.sleep(step.last_s)
    finally:
        lab.pcs(step.site, f"resource enable {resource} --wait={WAIT_S}")


# ---- the line and the cluster

def cut_line(lab, step):
    {"both ways": lambda: lab.cut("wan"), "silently": lambda: lab.stall("wan"),
     "from A": lambda: lab.mute("A"), "from B": lambda: lab.mute("B")}[step.target]()


def heal_line(lab, step):
    lab.heal({"from A": "A", "from B": "B"}.get(step.target, "wan"))


def maintenance(lab, step):
    lab.pcs(step.site, "property set maintenance-mode=true")


def end_maintenance(lab, step):
    lab.pcs(step.site, "property set maintenance-mode=false")


DO = {"kill node": kill_node, "boot node": boot_node, "standby": standby, "unstandby": unstandby,
      "cut node": cut_node, "heal node": heal_node, "move VM": move_vm,
      "move replica": move_replica, "move broker": move_broker, "kill daemon": kill_daemon,
      "hang daemon": hang_daemon, "restart daemon": restart_daemon, "cut line": cut_line,
      "heal line": heal_line, "maintenance": maintenance, "end maintenance": end_maintenance}
