# SPDX-License-Identifier: GPL-2.0-or-later
"""vmreplica verify: a replica that equals its primary is found equal while the guest writes, and
neither the guest nor replication suffers; bytes that somebody changed in a layer's file are listed
by disk and offset, and a resynchronization heals them."""
import json

import replication as rep
from case import require, say, wait_until

TIMEOUT = 150
DIRTY = True  # a layer that was spoilt below the top is noticed again when the store moves
BLOCK = 64 << 10
DIFFERS = 3


def verify(lab, more=""):
    """Exit status and the JSON answer, asked on another node than the VM's."""
    node = lab.live_nodes("A")[-1]
    result = lab.run(node, f"vmreplica verify web1 --json {more}", 90)
    require(result.stdout.strip().startswith("{"), f"{result.stdout} {result.stderr}")
    return result.returncode, json.loads(result.stdout)


def spoil(lab, found):
    """Change a byte of vda's load area in the file that holds it; its offset on the disk."""
    top = {disk["name"]: disk["top"] for disk in found["disks"]}["vda"]
    extents = json.loads(lab.on(found["owner"], f"qemu-img map -U --output=json {top}"))
    extent = next(extent for extent in extents
                  if extent["data"] and not extent["zero"] and "offset" in extent
                  and extent["start"] >= rep.LOAD_OFFSET and extent["length"] >= 2 * BLOCK)
    chain = json.loads(lab.on(found["owner"],
                              f"qemu-img info -U --backing-chain --output=json {top}"))
    holder = chain[extent["depth"]]["filename"]
    at = extent["offset"] + BLOCK + 777
    lab.on(found["owner"], f"""/usr/bin/python3 -c "
import os
fd = os.open('{holder}', os.O_RDWR)
byte = os.pread(fd, 1, {at})
os.pwrite(fd, bytes([byte[0] ^ 255]), {at})
os.fsync(fd)" """)
    return extent["start"] + BLOCK + 777


def run(lab):
    rep.ensure(lab)
    lab.guest("fill 8 0")
    before = rep.sync(lab)
    with rep.unharmed(lab):
        lab.guest("load 400000 50")
        code, answer = verify(lab)
        _, whole = verify(lab, "--one-cut")
    lab.guest("load 0")
    require(whole["state"] == "done" and not whole["differences"] and whole["cuts"] == 1
            and whole["first_seq"] == whole["last_seq"], f"at one cut: {whole}")
    require(code == 0 and answer["state"] == "done" and not answer["differences"], str(answer))
    size = sum(disk["size_bytes"] for disk in rep.status(lab, "A")["disks"])
    require(answer["compared_bytes"] == size, f"{answer} of disks of {size} bytes")
    require(answer["first_seq"] > before["seq"] - 1 and answer["cuts"] >= 1, str(answer))
    found = rep.wait_applied(lab, rep.sync(lab)["seq"])
    offset = spoil(lab, found)
    code, answer = verify(lab)
    require(code == DIFFERS and answer["differing_bytes"] == BLOCK, f"exit {code}: {answer}")
    require(answer["differences"] == [{"disk": "vda", "offset": offset // BLOCK * BLOCK,
                                       "length": BLOCK}], f"spoilt at {offset}: {answer}")
    text = lab.run(lab.live_nodes("A")[0], "vmreplica verify web1", 90).stdout
    require("vda" in text and str(offset // BLOCK * BLOCK) in text, text)
    lab.vmreplica(lab.live_nodes("A")[0], "resync web1")
    wait_until("it is resynchronized", lambda: rep.status(lab, "A")["resyncs"] > before["resyncs"],
               60)
    code, healed = verify(lab)
    require(code == 0, f"after the resynchronization: {healed}")
    rep.no_resync_since(lab, {**before, "resyncs": before["resyncs"] + 1})
    say(f"{size >> 20} MiB compared at {answer['cuts']} cuts; a byte changed at {offset} was found")
