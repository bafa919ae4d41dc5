# SPDX-License-Identifier: GPL-2.0-or-later
"""The WAN is cut every 20 s during the initial replication, which resumes from its marks: it ends
with at most 1.3 times its bytes on the wire, by the product's count and by that of the node's own
network interface.  Two of the cuts last until the connection is given up; the others are short
enough for TCP to get over them."""
import json
import time

import replication as rep
from case import require, say

TIMEOUT = 420
DATA_MIB = 96
SHORT_S, LONG_S = 3, 28     # a line that stays dead for 25 s is given up


def run(lab):
    rep.remove(lab)
    rep.thin(lab)       # what earlier cases wrote would take longer than this case may
    lab.guest(f"fill {DATA_MIB} 0")
    rep.authorize(lab)
    before = resumed(lab)
    lab.rate("12mbit")      # about 80 s for the data alone
    node = lab.wait_resource("web1")
    left = rep.sent_by(lab, node)
    rep.protect(lab)
    cuts, deadline = 0, time.monotonic() + 300
    last_heal = time.monotonic()
    while rep.status(lab)["state"] != "Replicating":
        require(time.monotonic() < deadline, f"not done after {cuts} cuts: {rep.status(lab)}")
        if time.monotonic() - last_heal > 20:
            lab.cut("wan")
            time.sleep(SHORT_S if cuts > 1 else LONG_S)
            lab.heal("wan")
            cuts, last_heal = cuts + 1, time.monotonic()
        time.sleep(0.5)
    left, found = rep.sent_by(lab, node) - left, rep.status(lab)
    allocated = data_bytes(lab)
    times = resumed(lab) - before
    say(f"{cuts} cuts, resumed {times} times, {found['bytes']['wire'] >> 20} MiB on the wire, "
        f"{left >> 20} MiB left {node}, for {allocated >> 20} MiB of data")
    require(cuts >= 3, f"only {cuts} cuts")
    require(times >= 2, f"resumed from a mark {times} times: the cuts did not break the stream")
    require(found["bytes"]["wire"] <= 1.3 * allocated, "too many bytes on the wire")
    # TCP's own, what it repeated, and the cluster's talk included.
    require(left <= 1.3 * allocated, f"{left} bytes left {node} for {allocated} bytes of data")
    lab.rate(lab.shape.wan_rate)
    rep.wait_cycles(lab, 1, 60)
    rep.compare_at_cut(lab)


def resumed(lab):
    """How often the receivers of B took an initial replication up at a mark."""
    log = "/var/log/vmreplica/vmreplica-receiver.log"
    return sum(int(lab.on(node, f"grep -c 'initial of cycle .* goes on' {log} || true"))
               for node in lab.live_nodes("B"))


def data_bytes(lab):
    """What the images hold: incompressible, so that it is also the least that must travel."""
    total = 0
    for image in lab.primary_images():
        text = lab.on("a1", f"qemu-img map -U --output=json {image}")
        total += sum(part["length"] for part in json.loads(text)
                     if part["data"] and not part["zero"])
    return total
