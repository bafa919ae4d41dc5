# SPDX-License-Identifier: GPL-2.0-or-later
"""The first law: whatever becomes of replication, web1 is not moved, restarted, fenced or paused,
and its records show no gap of more than 5 s."""
import time

import replication as rep
from case import say, wait_until

TIMEOUT = 600
ENGINE_PID = "/run/vmreplica/engine.pid"


def run(lab):
    rep.ensure(lab)
    lab.guest("load 300000 30")
    for harm in (engine_crash_loop, engine_stopped, agent_fails, libvirtd_hung, receiver_disk_full,
                 wan_stalled):
        say(f"---- {harm.__name__}: {harm.__doc__.splitlines()[0]}")
        with rep.unharmed(lab):
            harm(lab, lab.wait_resource("web1"))
        rep.wait_cycles(lab, 1, 150)
    lab.guest("load 0")
    rep.compare_at_cut(lab)


def engine_crash_loop(lab, node):
    """The engine is killed whenever it is there."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        lab.run(node, f"kill -9 $(cat {ENGINE_PID}) 2>/dev/null")
        time.sleep(2)


def engine_stopped(lab, node):
    """The engine hangs (SIGSTOP)."""
    pid = lab.on(node, f"cat {ENGINE_PID}").strip()
    lab.on(node, f"kill -STOP {pid}")
    time.sleep(45)
    lab.run(node, f"kill -CONT {pid}")


def agent_fails(lab, node):
    """Each monitor and start of the replication resource fails."""
    agent = "/usr/lib/ocf/resource.d/vmreplica/vm"
    lab.on(node, f"cp {agent} /run/vm-agent; printf '#!/bin/sh\\ncase $1 in stop) exit 0;; "
           f"meta-data) exec /run/vm-agent meta-data;; esac\\nexit 1\\n' > {agent}.new; "
           f"chmod 755 {agent}.new; mv {agent}.new {agent}")
    try:
        time.sleep(40)
    finally:
        lab.on(node, f"cp /run/vm-agent {agent}; chmod 755 {agent}")
    lab.run(node, "crm_resource --cleanup -r web1-replica", 60)


def libvirtd_hung(lab, node):
    """libvirtd does not answer; VirtualDomain's own monitor must not be what fails first."""
    pid = lab.pid_of(node, "libvirtd")
    lab.on(node, f"kill -STOP {pid}")
    time.sleep(20)
    lab.on(node, f"kill -CONT {pid}")


def receiver_disk_full(lab, _node):
    """B's replica storage has no room above its reserve: the sender says so, and goes on when there is."""
    for name in lab.nodes("B"):
        lab.on(name, "printf '\n[store]\nreserve = 100000G\n' >> /etc/vmreplica/vmreplica.conf")
    restart_engines(lab)
    try:
        wait_until("A says that B's storage is full",
                   lambda: "storage" in rep.status(lab)["reason"], 90)
    finally:
        for name in lab.nodes("B"):
            lab.on(name, "sed -i '/^\\[store\\]/,$d' /etc/vmreplica/vmreplica.conf")
        restart_engines(lab)


def restart_engines(lab):
    lab.on(rep.node_of(lab, "B"), "pcs resource restart vmreplica-engine-clone", 120)


def wan_stalled(lab, _node):
    """Packets vanish for a while; ten minutes of it are in the soak."""
    lab.stall("wan")
    time.sleep(60)
    lab.heal("wan")
