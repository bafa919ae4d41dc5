# SPDX-License-Identifier: GPL-2.0-or-later
"""The WAN is cut every 20 s during the initial replication, which resumes from its marks: it ends
with at most 1.3 times its bytes on the wire."""
import json
import time

import replication as rep
from case import require, say

TIMEOUT = 420
DATA_MIB = 96


def run(lab):
    rep.remove(lab)
    lab.guest(f"fill {DATA_MIB} 0")
    rep.authorize(lab)
    lab.rate("12mbit")      # about 80 s for the data alone
    rep.protect(lab)
    cuts, deadline = 0, time.monotonic() + 300
    last_heal = time.monotonic()
    while rep.status(lab)["state"] != "Replicating":
        require(time.monotonic() < deadline, f"not done after {cuts} cuts: {rep.status(lab)}")
        if time.monotonic() - last_heal > 20:
            lab.cut("wan")
            time.sleep(3)
            lab.heal("wan")
            cuts, last_heal = cuts + 1, time.monotonic()
        time.sleep(0.5)
    found = rep.status(lab)
    allocated = data_bytes(lab)
    say(f"{cuts} cuts, {found['bytes']['wire'] >> 20} MiB on the wire for "
        f"{allocated >> 20} MiB of data")
    require(cuts >= 2, f"only {cuts} cuts")
    require(found["bytes"]["wire"] <= 1.3 * allocated, "too many bytes on the wire")
    lab.rate(lab.shape.wan_rate)
    rep.wait_cycles(lab, 1, 60)
    rep.compare_at_cut(lab)


def data_bytes(lab):
    """What the images hold: incompressible, so that it is also the least that must travel."""
    total = 0
    for image in lab.primary_images():
        text = lab.on("a1", f"qemu-img map -U --output=json {image}")
        total += sum(part["length"] for part in json.loads(text)
                     if part["data"] and not part["zero"])
    return total
