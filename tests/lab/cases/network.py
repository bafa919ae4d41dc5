# SPDX-License-Identifier: GPL-2.0-or-later
"""The WAN has the rate asked for; a stall and a cut stop all traffic between the sites without
resetting a connection, and leave each site's own cluster whole; heal brings it back."""
import subprocess
import time

import shape as shapes
from case import require, say

PRODUCT = False
PIPE = f"/usr/bin/python3 -EsB {shapes.HERE}/pipe.py"


def transfer(lab, port, seconds, during=None):
    """Bytes a second from a1 to b1 for some seconds, DURING called in between."""
    sink = subprocess.Popen([f"{shapes.TOP}/lab", "on", "b1", *PIPE.split(), "sink", str(port)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    source = subprocess.Popen([f"{shapes.TOP}/lab", "on", "a1", *PIPE.split(), "source", "b1",
                               str(port), str(seconds)], stdin=subprocess.DEVNULL)
    try:
        if during:
            during()
        require(source.wait(60) == 0, "the connection was reset")
        size, took = sink.communicate(timeout=60)[0].split()
    finally:
        for process in (sink, source):
            if process.poll() is None:
                process.kill()
                process.wait()
    return int(size) / float(took)


def reachable(lab, node, target):
    probe = f"import socket; socket.create_connection(('{target}', 16509), 2)"
    return lab.run(node, f'/usr/bin/python3 -c "{probe}"').returncode == 0


def run(lab):
    lab.rate("40mbit")
    rate = transfer(lab, 7001, 4)
    say(f"40 Mbit/s is 5.0 MB/s: measured {rate / 1e6:.1f} MB/s")
    require(3.5e6 < rate < 6.5e6, f"the WAN's rate is {rate:.0f} bytes/s")
    for how in (lab.stall, lab.cut):
        start = time.monotonic()
        rate = transfer(lab, 7002, 4, lambda how=how: how("wan", after=1, duration=5))
        took = time.monotonic() - start
        say(f"{how.__name__} for 5 s: {rate / 1e6:.1f} MB/s, ended after {took:.1f} s")
        require(took > 6, f"{how.__name__} did not hold anything up")
    lab.stall("wan")
    require(not reachable(lab, "a1", "b1") and reachable(lab, "a1", "a2"), "stall wan")
    lab.heal("wan")
    require(reachable(lab, "a1", "b1"), "heal wan")
