# SPDX-License-Identifier: GPL-2.0-or-later
"""The resource agents by OCF 1.1: ocf-tester, and stop and monitor with the engine dead, hung and
absent."""
import xml.etree.ElementTree as tree

import replication as rep
from case import require, say, wait_until

TIMEOUT = 400
ENGINE_PID = "/run/vmreplica/engine.pid"
AGENTS = "/usr/lib/ocf/resource.d/vmreplica"


def run(lab):
    rep.ensure(lab)
    node = lab.wait_resource("web1")
    parameters = resource_parameters(lab, "web1-replica")
    lab.on(node, "pcs resource unmanage web1-replica")
    try:
        dead(lab, node, parameters)
        hung(lab, node, parameters)
        absent(lab, node, parameters)
    finally:
        lab.on(node, "pcs resource manage web1-replica")
        # What Pacemaker remembers of it is older than what was done by hand: probe it anew.
        lab.on(node, "crm_resource --refresh -r web1-replica; crm_resource --cleanup", 60)
    rep.wait_cycles(lab, 1, 120)
    for name in ("broker", "engine", "vm"):
        tester(lab, name, parameters)


def resource_parameters(lab, resource):
    root = tree.fromstring(lab.on("a1", "cibadmin --query --scope resources"))
    return {pair.get("name"): pair.get("value") for primitive in root.iter("primitive")
            if primitive.get("id") == resource
            for pair in primitive.findall("instance_attributes/nvpair")}


def agent(lab, node, parameters, action, timeout=40):
    words = " ".join(f"OCF_RESKEY_{name}='{value}'" for name, value in parameters.items())
    result = lab.run(node, f"env OCF_ROOT=/usr/lib/ocf OCF_RESOURCE_INSTANCE=web1-replica "
                     f"OCF_RESKEY_CRM_meta_timeout=20000 {words} {AGENTS}/vm {action}", timeout)
    return result.returncode


def expect(lab, node, parameters, action, status):
    got = agent(lab, node, parameters, action)
    require(got == status, f"{action}: {got}, not {status}")


def no_job(lab, node):
    text = lab.on(node, "virsh domjobinfo web1")
    require("None" in text, f"a job is left: {text}")


def start_again(lab, node, parameters):
    """The engine is back (Pacemaker restarts it), and so is the resource."""
    wait_until("the engine answers", lambda: lab.run(node, "vmreplica status").returncode == 0, 90)
    expect(lab, node, parameters, "start", 0)
    expect(lab, node, parameters, "monitor", 0)
    rep.wait_cycles(lab, 1, 120)


def dead(lab, node, parameters):
    say("engine dead")
    lab.on(node, f"kill -9 $(cat {ENGINE_PID})")
    expect(lab, node, parameters, "monitor", 0)
    expect(lab, node, parameters, "stop", 0)
    no_job(lab, node)
    expect(lab, node, parameters, "monitor", 7)
    expect(lab, node, parameters, "stop", 0)
    start_again(lab, node, parameters)


def hung(lab, node, parameters):
    say("engine hung")
    pid = lab.on(node, f"cat {ENGINE_PID}").strip()
    lab.on(node, f"kill -STOP {pid}")
    try:
        expect(lab, node, parameters, "stop", 0)
        no_job(lab, node)
    finally:
        lab.run(node, f"kill -CONT {pid}")
    start_again(lab, node, parameters)


def absent(lab, node, parameters):
    say("engine absent")
    lab.on(node, "mkdir -p /run/hidden && mount --bind /run/hidden /run/vmreplica")
    try:
        expect(lab, node, parameters, "stop", 0)
        expect(lab, node, parameters, "monitor", 7)
        expect(lab, node, parameters, "validate-all", 0)
    finally:
        lab.on(node, "umount /run/vmreplica")
    expect(lab, node, parameters, "stop", 0)
    start_again(lab, node, parameters)


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
