# SPDX-License-Identifier: GPL-2.0-or-later
"""A UEFI guest (OVMF) with a TPM: both travel with the cycle in which they changed, each recovery
point has those of its cut, the replica VM's definition names firmware of its own host, and a test
failover to a point boots with that point's. So does an unplanned one, which is cancelled.  A planned
one takes over what the VM had when it was stopped, byte for byte, and what it changes there comes home."""
import base64
import contextlib
import glob
import json
import os
import shlex
import struct
import time
import xml.etree.ElementTree as tree
from concurrent.futures import ThreadPoolExecutor

import cib
import replication as rep
from case import require, say, wait_until

TIMEOUT = 480
VM = "uefi1"
MORE = f"--points 10 --point-interval {rep.FAST}"
MARKS = (1001, 1002)
THERE = 1003        # made at B
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
        return unpacked(file.read())


def unpacked(data):
    require(data[:8] == b"VMRSTAT1", f"{data[:8]}: no archive")
    count, = struct.unpack("<I", data[8:12])
    files, at = {}, HEAD
    for _ in range(count):
        length, = struct.unpack("<I", data[at + 16:at + 20])
        name = data[at:at + 16].rstrip(b"\0").decode()
        files[name] = data[at + ENTRY:at + ENTRY + length]
        at += ENTRY + length
    require(len(data) == at + HASH, f"{len(data)} bytes")
    return files


def variables(lab, found, state):
    return archive(lab, found, state)["nvram"]


def tpm(lab, node, uuid):
    """The permanent state of its TPM, where libvirt has it."""
    text = lab.on(node, f"base64 -w0 /var/lib/libvirt/swtpm/{uuid}/tpm2/tpm2-00.permall")
    return base64.b64decode(text)


def uuid_of(lab, node):
    return lab.on(node, f"virsh domuuid {VM}").strip()


def primary_tpm(lab):
    node = lab.wait_resource(VM)
    return tpm(lab, node, uuid_of(lab, node))


def primary_variables(lab, site="A", path=f"/srv/vms/{VM}_VARS.fd"):
    with open(rep.folder_path(lab, site, path), "rb") as file:
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


def agent(lab, where, name, command, **arguments):
    """What the guest's agent returns; None when it fails."""
    text = shlex.quote(json.dumps({"execute": command, "arguments": arguments}))
    result = lab.run(where, f"virsh qemu-agent-command {name} {text}")
    return json.loads(result.stdout)["return"] if result.returncode == 0 else None


def mark_path(mark):
    return f"{EFIVARS}/LabMark{mark}-{GUID}"


def boots_with(lab, name, wanted, site="B", made=0):
    """The guest of NAME finds the marks WANTED in its variables, and its old TPM: so many were MADE
    on that node before."""
    where = lab.wait_resource(name, timeout=60, site=site)
    wait_until("its agent answers",
               lambda: agent(lab, where, name, "guest-ping") is not None, 120, 1)
    opened = [mark for mark in (*MARKS, THERE) if agent(
        lab, where, name, "guest-file-open", path=mark_path(mark)) is not None]
    require(opened == list(wanted), f"{name} has the marks {opened}, not {wanted}")
    require(made_on(lab, where, name) == made, f"the TPM of {name} is a new one")
    return where


def made_on(lab, node, name=VM):
    """How often a TPM was made there for NAME."""
    return int(lab.run(node, f"cat /var/log/swtpm/libvirt/qemu/{name}-swtpm.log 2>/dev/null "
                       "| grep -ic manufacturing").stdout)


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


def mark_there(lab, where):
    """As the guest's own `uefi` does it, whose console the replica VM has not.  The agent's own files
    will not do: it changes the mode of a new one, and a variable's is immutable."""
    script = f"printf '\\007\\000\\000\\000\\001' > {mark_path(THERE)}"
    started = agent(lab, where, VM, "guest-exec", path="/bin/busybox", arg=["sh", "-c", script])
    require(started is not None, "the agent runs nothing")

    def ended():
        return agent(lab, where, VM, "guest-exec-status", pid=started["pid"])["exited"]
    wait_until("the mark is made", ended, 30, 0.5)
    require(agent(lab, where, VM, "guest-file-open", path=mark_path(THERE)) is not None,
            "there is no such variable")


def planned(lab, old, new, path):
    """Over to NEW: what came there last is what it had at OLD when it was stopped, byte for byte,
    its variables in PATH."""
    source = lab.wait_resource(VM, site=old)
    uuid = uuid_of(lab, source)
    store = rep.folder_path(lab, new, rep.from_owner(lab, new, VM)["store"])
    newest, stopped = (0, b""), b""
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(lab.vmreplica, rep.node_of(lab, old), f"failover {VM} --planned", 240)
        while not job.done():       # both may go once NEW replicates back
            newest = max(newest, newest_state(store))
            with contextlib.suppress(FileNotFoundError):
                stopped = primary_variables(lab, old, path)
            time.sleep(0.1)
        say(job.result().strip().splitlines()[-1])
    files = unpacked(newest[1])
    require(files["nvram"] == stopped, "not the variables at its stop")
    require(files["tpm-2.0"] == tpm(lab, source, uuid), "not the TPM at its stop")


def newest_state(store):
    """(seq, bytes) of the newest archive that a store has."""
    found = {int(os.path.basename(path)[:-len(".state")]): path
             for path in glob.glob(f"{store}/gen-*/*.state")
             if os.path.basename(path)[:-len(".state")].isdigit()}
    try:
        with open(found[max(found)], "rb") as file:
            return max(found), file.read()
    except (ValueError, OSError):   # none, or gone meanwhile
        return 0, b""


def over_and_home(lab):
    rep.authorize(lab, rep.SITE_B, site="A")
    rep.wait_cycles(lab, 1, 90, VM)
    made = {node: made_on(lab, node) for node in lab.live_nodes("A")}
    path = f"{rep.from_owner(lab, 'B', VM)['store']}_VARS.fd"
    planned(lab, "A", "B", f"/srv/vms/{VM}_VARS.fd")
    mark_there(lab, boots_with(lab, VM, MARKS))
    replicates_from(lab, "B")
    planned(lab, "B", "A", path)
    where = lab.wait_resource(VM, timeout=60)
    boots_with(lab, VM, (*MARKS, THERE), "A", made[where])
    replicates_from(lab, "A")
    say("planned over and home: variables and TPM as they were at each stop")


def replicates_from(lab, primary):
    def good():
        found = rep.status(lab, primary, VM)
        return found if (found["role"] == "primary" and found["state"] == "Replicating"
                         and found["cycles"]["ok"] > 1) else None
    wait_until(f"{VM} replicates from {primary}", good, 90, 0.5)


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
        lab.vmreplica(rep.node_of(lab, "A"), f"resume {VM}")
        over_and_home(lab)
    finally:
        rep.remove(lab, VM)
        lab.on(rep.node_of(lab, "A"), f"pcs resource delete {VM} --force", 120)
