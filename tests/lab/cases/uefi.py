# SPDX-License-Identifier: GPL-2.0-or-later
"""A UEFI guest (OVMF) with a TPM: both travel with the cycle in which they changed, each recovery
point has those of its cut, the replica VM's definition names firmware of its own host, and a test
failover to a point boots with that point's. So does an unplanned one, which is cancelled."""
import base64
import json
import struct
import xml.etree.ElementTree as tree

import cib
import replication as rep
from case import require, say, wait_until

TIMEOUT = 360
VM = "uefi1"
MORE = f"--points 10 --point-interval {rep.FAST}"
MARKS = (1001, 1002)
EFIVARS, GUID = "/sys/firmware/efi/efivars", "6f3c2c0e-7d0b-4b61-9d0c-1f6d1c0a5b77"
HEAD, ENTRY, HASH = 16, 24, 32      # proto/vm_state.h


def start_vm(lab):
    lab.create_vm(VM, "128M", agent=True, uefi=True)
    lab.on(rep.node_of(lab, "A"), "cibadmin --modify --allow-create --scope resources "
           f"--xml-text '<resources>{cib.virtual_domain(VM)}</resources>'")
    node = lab.wait_resource(VM, timeout=60)
    wait_until("it writes", lambda: lab.guest_status(VM)["seq"] > 10, 90)
    require(f"/srv/vms/{VM}_VARS.fd" in lab.on(node, f"virsh dumpxml {VM}"), "no UEFI variables")


def manifest(lab, found):
    return json.loads(lab.on(found["owner"], f"cat {found['store']}/manifest.json"))


def archive(lab, found, state):
    """The files of an archive in the store, by name."""
    with open(rep.folder_path(lab, "B", f"{found['store']}/{state['file']}"), "rb") as file:
        data = file.read()
    require(data[:8] == b"VMRSTAT1", f"{state}: no archive")
    count, = struct.unpack("<I", data[8:12])
    files, at = {}, HEAD
    for _ in range(count):
        length, = struct.unpack("<I", data[at + 16:at + 20])
        name = data[at:at + 16].rstrip(b"\0").decode()
        files[name] = data[at + ENTRY:at + ENTRY + length]
        at += ENTRY + length
    require(len(data) == at + HASH, f"{state}: {len(data)} bytes")
    return files


def variables(lab, found, state):
    return archive(lab, found, state)["nvram"]


def primary_tpm(lab):
    """The permanent state of its TPM, where libvirt has it."""
    node = lab.wait_resource(VM)
    text = lab.on(node, f"base64 -w0 /var/lib/libvirt/swtpm/$(virsh domuuid {VM})/"
                  "tpm2/tpm2-00.permall")
    return base64.b64decode(text)


def primary_variables(lab):
    with open(rep.folder_path(lab, "A", f"/srv/vms/{VM}_VARS.fd"), "rb") as file:
        return file.read()


def marks(data):
    return [mark for mark in MARKS if f"LabMark{mark}".encode("utf-16-le") in data]


def state_of(found_manifest, seq):
    return [state for state in found_manifest["states"] if state["seq"] <= seq][-1]


def change(lab):
    """Returns the cycles after which each of the marks is there."""
    since = {}
    for mark in MARKS:
        rep.wait_cycles(lab, 1, 60, VM)
        lab.guest(f"uefi {mark}", VM)
        require(marks(primary_variables(lab))[-1:] == [mark], f"{mark} is not in the variables")
        since[mark] = rep.sync(lab, VM)["seq"]
    rep.wait_cycles(lab, 1, 60, VM)
    return since


def judge(lab, since):
    lab.vmreplica(rep.node_of(lab, "A"), f"pause {VM}")
    found = rep.wait_applied(lab, rep.status(lab, "A", VM)["seq"], vm=VM)
    known = manifest(lab, found)
    for point in known["points"]:
        seq = point["cut"]["seq"]
        has = marks(variables(lab, found, state_of(known, seq)))
        due = [mark for mark in MARKS if since[mark] <= seq]
        # A cut that the mark came just before may have it too: no cut has a later one's.
        require(has in (due, list(MARKS[:len(due) + 1])), f"point {seq}: {has}, not {due}")
    kinds = [marks(variables(lab, found, state_of(known, point["cut"]["seq"])))
             for point in known["points"]]
    require([] in kinds and [MARKS[0]] in kinds and list(MARKS) in kinds, f"points have {kinds}")
    newest = archive(lab, found, known["states"][-1])
    require(newest["nvram"] == primary_variables(lab), "the newest variables are not the primary's")
    require(newest["tpm-2.0"] == primary_tpm(lab), "the newest TPM is not the primary's")
    say(f"{len(known['points'])} points with {len(known['states'])} states: {kinds}")
    return found


def definition(lab, found):
    text = lab.on(found["owner"], f"cat {found['definition']}")
    root = tree.fromstring(text)
    nvram = root.find("os/nvram")
    require(root.find("os/loader").text == "/usr/share/OVMF/OVMF_CODE_4M.fd"
            and nvram.get("template") == "/usr/share/OVMF/OVMF_VARS_4M.fd"
            and nvram.text == f"{found['store']}_VARS.fd", text)


def point_with(lab, found, wanted):
    """The cycle of a recovery point that has the marks WANTED."""
    known = manifest(lab, found)
    return next(point["cut"]["seq"] for point in known["points"] if marks(
        variables(lab, found, state_of(known, point["cut"]["seq"]))) == wanted)


def boots_with(lab, name, wanted):
    """The guest of NAME at B finds the marks WANTED in its variables, and its old TPM."""
    where = lab.wait_resource(name, timeout=60, site="B")
    ask = f"virsh qemu-agent-command {name}"
    wait_until("its agent answers", lambda: lab.run(
        where, f"{ask} '{{\"execute\":\"guest-ping\"}}'").returncode == 0, 120, 1)
    opened = [mark for mark in MARKS if lab.run(
        where, f"{ask} '{{\"execute\":\"guest-file-open\",\"arguments\":"
        f"{{\"path\":\"{EFIVARS}/LabMark{mark}-{GUID}\"}}}}'").returncode == 0]
    require(opened == wanted, f"{name} has the marks {opened}, not {wanted}")
    log = lab.on(where, f"cat /var/log/swtpm/libvirt/qemu/{name}-swtpm.log")
    require("manufacturing" not in log, f"the TPM of {name} is a new one: {log}")


def drill(lab, found):
    """A test failover to a point between the two: the guest finds the first mark and not the
    second."""
    seq = point_with(lab, found, [MARKS[0]])
    node = rep.node_of(lab, "B")
    lab.vmreplica(node, f"failover {VM} --test --to seq:{seq}", 120)
    try:
        boots_with(lab, f"{VM}-test", [MARKS[0]])
    finally:
        lab.vmreplica(node, f"failover {VM} --test-cleanup", 120)
    say(f"test failover to cycle {seq}: OVMF boots with that point's variables and TPM")


def failed_over(lab, found):
    """Unplanned, to a point before both: the guest finds neither, which the newest state has."""
    seq = point_with(lab, found, [])
    node = rep.node_of(lab, "B")
    lab.vmreplica(node, f"failover {VM} --unplanned --force --to seq:{seq}", 150)
    try:
        boots_with(lab, VM, [])
    finally:
        lab.vmreplica(node, f"failover {VM} --cancel", 180)
    say(f"failed over to cycle {seq} with that point's variables and TPM, and cancelled")


def run(lab):
    rep.remove(lab)
    start_vm(lab)
    try:
        rep.authorize(lab)
        rep.protect(lab, VM, more=MORE)
        rep.wait_replicating(lab, vm=VM)
        since = change(lab)
        found = judge(lab, since)
        definition(lab, found)
        drill(lab, found)
        failed_over(lab, found)
    finally:
        rep.remove(lab, VM)
        lab.on(rep.node_of(lab, "A"), f"pcs resource delete {VM} --force", 120)
