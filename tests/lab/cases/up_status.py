# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab itself: both sites complete, nodes reach each other, status tells the truth, nothing of
it is to be seen on the host, and commands in nodes behave as if they were run there."""
import os
import subprocess
import time

import shape as shapes
from case import require, say

PRODUCT = False


def lab(*arguments):
    return subprocess.run([f"{shapes.TOP}/lab", *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)


UP_MOST_S = 90


def run(running):
    with open(f"{running.folder}/up_seconds") as file:
        took = float(file.read())
    say(f"the lab was up in {took} s")
    require(took <= UP_MOST_S, f"the lab took {took} s to come up")
    lines = lab("status").stdout.splitlines()
    for name in running.nodes():
        require(f"node {name} {shapes.address(name)} on" in lines, f"status lacks {name}: {lines}")
    require("broker A 10.77.1.100" in lines and "broker B 10.77.2.100" in lines, "no brokers")
    for name in running.nodes():
        require(running.on(name, "hostname").strip() == name, "hostname")
        require("uid=0" in running.on(name, "id"), "root")
    probe = "import socket; socket.create_connection(('b2', 16509), 5)"
    running.on("a1", f'/usr/bin/python3 -c "{probe}"')
    exit_status()
    own_user(running)
    host_is_clean()


def exit_status():
    require(lab("on", "a1", "sh", "-c", "exit 7").returncode == 7, "exit status 7")
    require(lab("on", "a1", "nosuchcommand").returncode == 127, "exit status 127")
    require(lab("on", "c9", "true").returncode == 1, "unknown node")
    require(lab("nonsense").returncode == 2, "unknown command")
    start = time.monotonic()
    done = subprocess.run(["timeout", "1", f"{shapes.TOP}/lab", "on", "b1", "sleep", "77.5"],
                          stdin=subprocess.DEVNULL)
    require(done.returncode == 124 and time.monotonic() - start < 10, "a signal is passed on")
    require("77.5" not in lab("on", "b1", "ps", "-eo", "args").stdout, "sleep was left behind")


def own_user(running):
    """QEMU runs as on a real host, where permissions matter."""
    users = running.on(running.resource_node("web1"),
                       "ps -eo user:20,args | grep '[q]emu-system.*guest=web1' | cut -d' ' -f1")
    require(users.strip() == "libvirt-qemu", f"QEMU runs as {users}")


def host_is_clean():
    links = os.listdir("/sys/class/net")
    require(not [name for name in links if name.startswith(("br", "p-", "wan"))], f"{links}")
    with open("/proc/self/mounts") as mounts:
        require("vmreplica-lab" not in mounts.read(), "mounts of the lab on the host")
