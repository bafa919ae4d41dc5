# SPDX-License-Identifier: GPL-2.0-or-later
"""The first law: whatever becomes of replication, web1 is not moved, restarted, fenced or paused,
and its records show no gap of more than 5 s.  (harm_scratch and harm_storage: full file systems;
harm_wan_stall: ten minutes of it.)"""
import time

import replication as rep
from case import say, wait_until

TIMEOUT = 600
ENGINE_PID = "/run/vmreplica/engine.pid"


def run(lab):
    rep.ensure(lab)
    lab.guest("load 300000 30")
    for harm in (engine_crash_loop, engine_stopped, agent_fails, libvirtd_hung, wan_stalled):
        say(f"---- {harm.__name__}: {harm.__doc__.splitlines()[0]}")
        with rep.unharmed(lab):
            harm(lab, lab.wait_resource("web1"))
        rep.wait_cycles(lab, 1, 150)
    lab.guest("load 0")
    rep.compare_at_cut(lab)


def engine_crash_loop(lab, node):
    """The engine is killed whenever it is there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        lab.run(node, f"kill -9 $(cat {ENGINE_PID}) 2>/dev/null")
        time.sleep(1)


def engine_stopped(lab, node):
    """The engine hangs (SIGSTOP) until Pacemaker has replaced it."""
    pid = lab.on(node, f"cat {ENGINE_PID}").strip()
    lab.on(node, f"kill -STOP {pid}")
    wait_until("another engine runs", lambda: lab.on(node, f"cat {ENGINE_PID}").strip() != pid, 120)


def agent_fails(lab, node):
    """Each monitor and start of the replication resource fails, until Pacemaker gives it up."""
    agent = "/usr/lib/ocf/resource.d/vmreplica/vm"
    lab.on(node, f"cp {agent} /run/vm-agent; printf '#!/bin/sh\ncase $1 in stop) exit 0;; "
           f"meta-data) exec /run/vm-agent meta-data;; esac\nexit 1\n' > {agent}.new; "
           f"chmod 755 {agent}.new; mv {agent}.new {agent}")
    try:
        wait_until("its start has failed", lambda: "web1-replica_start_0" in
                   [entry.get("op_key") for entry in lab.crm("A").iter("failure")], 90, 1)
        time.sleep(10)
    finally:
        lab.on(node, f"cp /run/vm-agent {agent}; chmod 755 {agent}")
    lab.run(node, "crm_resource --cleanup -r web1-replica", 60)


def libvirtd_hung(lab, node):
    """libvirtd does not answer; VirtualDomain's own monitor must not be what fails first."""
    pid = lab.pid_of(node, "libvirtd")
    lab.on(node, f"kill -STOP {pid}")
    time.sleep(20)
    lab.on(node, f"kill -CONT {pid}")


def wan_stalled(lab, _node):
    """Packets vanish for longer than a connection lives."""
    lab.stall("wan")
    time.sleep(35)
    lab.heal("wan")
