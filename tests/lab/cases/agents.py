# SPDX-License-Identifier: GPL-2.0-or-later
"""The resource agents by OCF 1.1: ocf-tester, and stop and monitor with the engine dead, hung and
absent, and for a replica with the engine hung."""
import contextlib
import xml.etree.ElementTree as tree

import confined
import replication as rep
from case import require, say, wait_until

TIMEOUT = 400
ENGINE = "vmreplica-engine-clone"
ENGINE_PID = "/run/vmreplica/engine.pid"
AGENTS = "/usr/lib/ocf/resource.d/vmreplica"


def run(lab):
    rep.ensure(lab)
    least_privilege(lab)
    replica(lab)
    node = lab.wait_resource("web1")
    agent = Agent(lab, node, "web1-replica")
    with by_hand(agent):
        dead(agent)
        hung(agent)
        absent(agent)
    rep.wait_cycles(lab, 1, 120)
    for name in ("broker", "engine", "vm"):
        tester(lab, name, agent.parameters)


def least_privilege(lab):
    """Of daemons that Pacemaker started."""
    seen = [program for node in lab.nodes() for program in confined.check(lab, node)]
    for program in ("vmreplica-engine", "vmreplica-cib", *confined.BARE):
        require(program in seen, f"no {program} anywhere: {seen}")
    for node in lab.nodes():
        confined.check_landlock(lab, node)
    node = lab.wait_resource("web1")
    disks = lab.on(node, "virsh domblklist web1 | awk '$2 ~ /^\\// {print $2}'").split()
    require(disks, "web1 has no disks")
    confined.check_rights(lab, node, disks)


def replica(lab):
    """The same of role=replica: after a stop nothing is left that could write to the store."""
    agent = Agent(lab, lab.wait_resource("web1-a-replica", site="B"), "web1-a-replica")
    with by_hand(agent):
        require(writers(agent), "no process has the replica's images open")
        hung(agent)
    rep.wait_cycles(lab, 1, 120)


class Agent:
    """ocf:vmreplica:vm called by hand on NODE, with the parameters of RESOURCE."""

    def __init__(self, lab, node, resource):
        self.lab, self.node, self.resource = lab, node, resource
        root = tree.fromstring(lab.on(node, "cibadmin --query --scope resources"))
        self.parameters = {pair.get("name"): pair.get("value")
                           for primitive in root.iter("primitive")
                           if primitive.get("id") == resource
                           for pair in primitive.findall("instance_attributes/nvpair")}
        self.is_replica = self.parameters["role"] == "replica"

    def expect(self, action, status):
        words = " ".join(f"OCF_RESKEY_{name}='{value}'" for name, value in self.parameters.items())
        result = self.lab.run(self.node, "env OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE="
                              f"{self.resource} OCF_RESKEY_CRM_meta_timeout=20000 {words} "
                              f"{AGENTS}/vm {action}", 40)
        require(result.returncode == status, f"{self.resource} {action}: {result.returncode}, "
                f"not {status}: {result.stderr.strip()}")


@contextlib.contextmanager
def by_hand(agent):
    lab, node, resource = agent.lab, agent.node, agent.resource
    # Without its monitors: Pacemaker never runs one while it stops a resource, and one that waits
    # for the engine would hand it the VM again.
    lab.on(node, f"pcs resource unmanage {resource} --monitor")
    try:
        yield
    finally:
        lab.on(node, f"pcs resource manage {resource} --monitor")
        # What Pacemaker remembers of it is older than what was done by hand: probe it anew.
        lab.on(node, f"crm_resource --refresh -r {resource}; crm_resource --cleanup", 60)


def nothing_left(agent):
    """No job on web1 (libvirt takes a moment to forget one), no process that writes to its replica."""
    if agent.is_replica:
        require(not writers(agent), f"these still write: {writers(agent)}")
        return
    wait_until("no job is left", lambda: "None" in agent.lab.run(
        agent.node, "virsh domjobinfo web1").stdout, 5)


def writers(agent):
    """What holds files of a store open: a receiver its log, qemu-storage-daemon the images."""
    return agent.lab.on(agent.node, "for entry in /proc/[0-9]*; do ls -l $entry/fd 2>/dev/null | "
                        f"grep -q {rep.STORAGE}/ && tr '\\0' ' ' < $entry/cmdline; done; :").split()


def start_again(agent):
    """The engine is back (Pacemaker restarts it), and so is the resource."""
    wait_until("the engine answers", lambda: agent.lab.run(
        agent.node, "vmreplica status").returncode == 0, 90)
    agent.expect("start", 0)
    agent.expect("monitor", 0)
    rep.wait_cycles(agent.lab, 1, 120)


def dead(agent):
    say("engine dead")
    agent.lab.on(agent.node, f"kill -9 $(cat {ENGINE_PID})")
    agent.expect("monitor", 0)
    agent.expect("stop", 0)
    nothing_left(agent)
    agent.expect("monitor", 7)
    agent.expect("stop", 0)
    start_again(agent)


def hung(agent):
    say(f"engine hung, {agent.resource}")
    lab, node = agent.lab, agent.node
    # A new engine would adopt what Pacemaker, which saw no stop, takes for started.
    lab.on(node, f"pcs resource unmanage {ENGINE}")
    pid = lab.on(node, f"cat {ENGINE_PID}").strip()
    lab.on(node, f"kill -STOP {pid}")
    try:
        # That it hangs is told as health; what is started stays so until it is stopped.
        agent.expect("monitor", 0)
        agent.expect("stop", 0)
        nothing_left(agent)
        agent.expect("monitor", 7)
        agent.expect("stop", 0)
    finally:
        lab.run(node, f"kill -CONT {pid}")
        lab.on(node, f"pcs resource manage {ENGINE}")
    start_again(agent)


def absent(agent):
    say("engine absent")
    lab, node = agent.lab, agent.node
    lab.on(node, "mkdir -p /run/hidden && mount --bind /run/hidden /run/vmreplica")
    try:
        agent.expect("stop", 0)
        agent.expect("monitor", 7)
        agent.expect("validate-all", 0)
    finally:
        # A monitor of the cluster's own may be looking into it.
        wait_until("it is there again",
                   lambda: lab.run(node, "umount /run/vmreplica").returncode == 0, 30, 0.5)
    agent.expect("stop", 0)
    start_again(agent)


def tester(lab, name, parameters):
    """ocf-tester, on a node where the resource under test does not run."""
    given = {"broker": {"address": "10.77.1.77"}, "engine": {},
             "vm": {**parameters, "relationship": "11111111-2222-4333-8444-555555555555"}}[name]
    words = " ".join(f"-o {key}='{value}'" for key, value in given.items())
    node = lab.other_node(lab.wait_resource("vmreplica-broker"))
    if name == "broker":
        lab.on(node, "ip addr add 10.77.1.77/16 dev eth0")
    if name == "engine":
        lab.on(node, "pcs property set maintenance-mode=true; sleep 2")
    try:
        result = lab.run(node, f"ocf-tester -n test-{name} {words} {AGENTS}/{name}", 120)
        require(result.returncode == 0, f"ocf-tester {name}: {result.stdout} {result.stderr}")
        say(result.stdout.strip().splitlines()[-1])
    finally:
        if name == "broker":
            lab.on(node, "ip addr del 10.77.1.77/16 dev eth0")
        if name == "engine":
            lab.on(node, "pcs property set maintenance-mode=false")
