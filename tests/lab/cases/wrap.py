# SPDX-License-Identifier: GPL-2.0-or-later
"""A VM on a raw file and a loop device: `vmreplica wrap` puts headers in front without touching a byte of
either, what libvirt must be told is said and is enough, and it is then protected, replicated while it
writes, and moved live like any other.  A raw disk that somebody writes to while the VM is off is
resynchronized; a file that nobody touched is not doubted.  `unwrap` gives back what was there.  Failed
over to the other site and home again, it is written through its headers as a replica's base, and
read without them it is a true point in time; `unwrap` then brings down what stands on the headers, and
it runs on its raw disks alone.  A block device is resynchronized after each start: nobody knows what
was written to it meanwhile."""
import contextlib
import json
import re
import time

import cib
import cib_state
import replication as rep
from case import Failure, require, say, wait_until

TIMEOUT = 600
VM, SIZE_MIB = "rawvm", 128
FILE, BACKING = f"/srv/vms/{VM}-vda.img", f"/srv/vms/{VM}-vdb.img"
HEADERS = f"{FILE}.vmreplica.qcow2", f"/srv/vms/{VM}-vdb.vmreplica.qcow2"
QEMU_CONF = "/etc/libvirt/qemu.conf"


def run(lab):
    rep.remove(lab)
    device = make_vm(lab)
    try:
        wrapped(lab)
        replicated(lab)
        repaired(lab)
        doubted(lab, device)
        unwrapped(lab, device)
        failed_over(lab, device)
    finally:
        remove_vm(lab, device)


# ---- the VM, as an admin of raw disks would have it


def make_vm(lab):
    lab.create_vm(VM, "16M")
    lab.on("a1", f"rm -f {' '.join(lab.primary_images(VM))}; truncate -s {SIZE_MIB}M {FILE} {BACKING}")
    device = lab.on("a1", f"losetup --find --show {BACKING}").strip()
    path = f"{lab.folder}/site/A/vms/{VM}.xml"
    with open(path) as file:
        text = file.read().replace("type='qcow2'", "type='raw'")
    text = text.replace(f"file='/srv/vms/{VM}-vda.qcow2'", f"file='{FILE}'")
    text = re.sub(rf"<disk type='file'([^>]*>\s*<driver[^>]*>\s*)<source file='/srv/vms/{VM}-vdb.qcow2'",
                  rf"<disk type='block'\1<source dev='{device}'", text)
    with open(path, "w") as file:
        file.write(text)
    lab.on("a1", "cibadmin --modify --allow-create --scope resources "
           f"--xml-text '<resources>{cib.virtual_domain(VM)}</resources>'")
    wait_until(f"{VM} writes to its raw disks", lambda: lab.guest_status(VM)["seq"] > 50, 60)
    return device


def remove_vm(lab, device):
    rep.remove(lab, VM)
    off(lab)
    lab.run("a1", f"pcs resource delete {VM} --force", 60)
    lab.run("a1", f"losetup -d {device}; rm -f /srv/vms/{VM}-*")
    for node in lab.nodes("A"):
        lab.on(node, f"sed -i '/cgroup_device_acl/d' {QEMU_CONF}")
        lab.restart_service(node, "libvirtd")


def sums(lab, device):
    """Of the raw bytes, read past every cache of a file that is no longer in use."""
    return lab.on("a1", f"cat {FILE} | sha256sum; dd if={device} bs=1M iflag=direct status=none "
                  "| sha256sum").split()[::2]


def target(lab, role):
    """As pcs resource enable and disable, whose --wait takes ten seconds more than the VM."""
    lab.on("a1", f"crm_resource --resource {VM} --meta --set-parameter target-role "
           f"--parameter-value {role}")


def off(lab):
    target(lab, "Stopped")
    wait_until(f"{VM} is off", lambda: not any(
        entry.get("id") == VM and entry.get("active") == "true" or entry.get("pending")
        for entry in lab.crm("A").iter("resource")), 60)


def on(lab):
    target(lab, "Started")
    wait_until(f"{VM} has booted", lambda: lab.guest_status(VM)["seq"], 60)


# ---- wrap


def wrapped(lab):
    """It is all said before the VM is shut off, which Pacemaker then does for a moment."""
    rep.authorize(lab)
    refused(lab, f"protect {VM} --to 10.77.2.100", f"vmreplica wrap {VM}")
    refused(lab, f"wrap {VM} --directory /root", "cannot reach /root")
    obey(lab, refused(lab, f"wrap {VM}", "cgroup_device_acl = ["))
    dry = lab.vmreplica("a1", f"wrap {VM} --dry-run")
    require(all(header in dry for header in HEADERS), dry)
    refused(lab, f"wrap {VM}", f"pcs resource disable {VM}")
    require(lab.run("a1", f"ls {' '.join(HEADERS)}").returncode != 0, "a refused wrap left headers")
    start = time.monotonic()
    say(lab.vmreplica("a1", f"wrap {VM} --restart", 200).strip().replace("\n", "; "))
    say(f"wrapping with a restart took {time.monotonic() - start:.1f} s")
    definition = lab.on("a2", f"cat /srv/vms/{VM}.xml")
    require(f"\n  <name>{VM}</name>\n" in definition and not definition.startswith("<?xml"),
            "VirtualDomain does not find the name any more")
    wait_until(f"{VM} has booted", lambda: lab.guest_status(VM)["seq"], 60)


def refused(lab, arguments, words):
    result = lab.run("a1", f"vmreplica {arguments}", 90)
    require(result.returncode == 1 and words in result.stderr,
            f"vmreplica {arguments}: exit {result.returncode}, no '{words}': {result.stderr}")
    return result.stderr


def obey(lab, text):
    """Do what the refusal says, word by word."""
    line = re.search(r"cgroup_device_acl = \[.*?\]", text).group()
    for node in lab.nodes("A"):
        lab.on(node, f"cat >> {QEMU_CONF} <<'X'\n{line}\nX")
        lab.restart_service(node, "libvirtd")
        wait_until(f"libvirtd of {node} answers", lambda: lab.on(node, "virsh list"), 30)


# ---- replication


def replicated(lab):
    rep.protect(lab, VM)
    before = rep.wait_replicating(lab, vm=VM)
    lab.guest("load 200000 50", VM)
    rep.wait_cycles(lab, 2, 40, VM)
    source = lab.wait_resource(VM)
    boots = lab.guest_status(VM)["boots"]
    took = lab.move(VM, lab.other_node(source))
    rep.wait_cycles(lab, 2, 60, VM)
    require(lab.guest_status(VM)["boots"] == boots, "the migration was not live")
    lab.guest("load 0", VM)
    after = rep.no_resync_since(lab, before, VM)
    compare(lab)
    say(f"moved live in {took:.1f} s, cycles {after['cycles']}")


def compare(lab, records=True):
    """The replica is what the raw bytes are, which are a true point in time by themselves."""
    with rep.quiet_guest(lab, VM):
        seq = rep.sync(lab, VM)["seq"]
        found = rep.wait_applied(lab, seq, vm=VM)
        for raw, image in zip((FILE, BACKING), rep.replica_images(found)):
            rep.compare(lab, found["owner"], rep.folder_path(lab, "A", raw), image)
        if records:
            lab.judge(lab.wait_resource(VM), [FILE, BACKING], unlocked=True)


def repaired(lab):
    """`check` sees that QEMU's user has lost its access; wrap given again mends that alone."""
    node = lab.wait_resource(VM)
    lab.vmreplica(node, f"check {VM}", 90)
    lab.on("a1", f"setfacl -b {FILE}")
    result = lab.run(node, f"vmreplica check {VM}", 90)
    require(result.returncode == 1 and "cannot open" in result.stdout, result.stdout)
    require(lab.vmreplica("a1", f"wrap {VM}").strip().endswith("already"), "twice is once")
    lab.vmreplica(node, f"check {VM}", 90)


# ---- behind the header's back


def doubted(lab, device):
    """One of the disks is written to while the VM is off, the other is left alone."""
    before = rep.status(lab, vm=VM)
    off(lab)
    # a block of no file, no record and no sample: the guest does not mind, the bitmaps do not know
    stray_block(lab, device, "/dev/urandom")
    on(lab)
    require(state_of(lab, HEADERS[0]) == "open", "what nobody touched is doubted")
    found = wait_until("it was resynchronized", lambda: resynced(lab, before), 120)
    events = lab.vmreplica(found["owner"], "events")
    require("raw disk of vdb may hold changes" in events
            and "raw disk of vda may hold changes" not in events, events)
    compare(lab, records=False)


def stray_block(lab, device, source):
    """Between the guest's ring and its load; the samples of a look are a block each 2 MiB, and the edges."""
    lab.on("a1", f"dd if={source} of={device} bs=4096 count=1 seek={40 * 256 + 100} "
           "oflag=direct conv=notrunc status=none")


def state_of(lab, header):
    return json.loads(lab.on("a1", f"cat {header}.witness"))["state"]


def resynced(lab, before):
    """While the VM was off, it may be, and in any case once it runs: nothing is doubted any more."""
    found = rep.status(lab, vm=VM)
    good = (found["resyncs"] > before["resyncs"] and found["state"] == "Replicating"
            and state_of(lab, HEADERS[1]) == "open")
    return found if good else None


# ---- unwrap


def unwrapped(lab, device):
    refused(lab, f"unwrap {VM}", "unprotect")
    rep.remove(lab, VM)
    off(lab)
    before = sums(lab, device)
    lab.vmreplica("a1", f"unwrap {VM}")
    require(sums(lab, device) == before, "unwrap has changed the raw bytes")
    start = time.monotonic()
    lab.vmreplica("a1", f"wrap {VM}")
    say(f"wrapping {2 * SIZE_MIB} MiB took {time.monotonic() - start:.1f} s")
    require(sums(lab, device) == before, "wrap has changed the raw bytes")
    lab.vmreplica("a1", f"unwrap {VM}")
    left = lab.on("a1", f"ls /srv/vms | grep {VM}; getfacl -p /srv/vms/*.img /dev/loop* 2>/dev/null")
    require(".vmreplica." not in left and "user:libvirt-qemu" not in left, left)
    for node in lab.nodes("A"):
        require(lab.run(node, f"ls /etc/udev/rules.d/*{VM}*").returncode != 0, "a rule is left")
    stray_block(lab, device, "/dev/zero")       # what is judged from here on is the guest's alone
    try:
        on(lab)
    except Failure as error:
        raise Failure(f"{VM} does not run on its raw disks again: {error}") from None
    lab.records_advance(name=VM)


# ---- over and home

BALLAST_MIB = 32        # incompressible, on both sides: a copy of the disks would send it
SMALL = 24 << 20        # with what Corosync says meanwhile


def failed_over(lab, device):
    """Planned to B and home: the raw disks become the base of A's replica, whose merges write them
    through their headers, and the VM's own again."""
    lab.vmreplica("a1", f"wrap {VM} --restart", 200)
    wait_until(f"{VM} has booted", lambda: lab.guest_status(VM)["seq"], 60)
    lab.guest(f"fill {BALLAST_MIB} 0", VM)
    rep.authorize(lab, rep.SITE_B, site="A")
    rep.protect(lab, VM, more=f"--points 2 --point-interval {rep.FAST}")
    rep.wait_replicating(lab, vm=VM)
    before, boots = (int(lab.guest_status(VM)[name]) for name in ("seq", "boots"))
    sent = {site: bytes_sent(lab, site) for site in "AB"}
    planned(lab, "A", "B", "A")
    reached = judged(lab, "A", before, boots=boots + 1)
    merged_into_raw(lab, device, reached)
    lent_again(lab, device)
    planned(lab, "B", "A", "B")
    reached = judged(lab, "B", reached, boots=boots + 2)
    for site, bytes_before in sent.items():
        took = bytes_sent(lab, site) - bytes_before
        require(took < SMALL, f"{site} sent {took} bytes")
    say(f"over and home: newest record {reached}, was {before}")
    relationship = rep.status(lab, vm=VM)["relationship"]
    refused(lab, f"unwrap {VM} --force", f"vmreplica unprotect {VM}")
    rep.remove(lab, VM)
    cib_state.gone(lab, relationship, vm=VM)
    unwrapped_at_home(lab, device, reached, boots + 2)


def unwrapped_at_home(lab, device, reached, boots):
    """It runs on images of the store that it came home with, over the headers: what those hold goes
    down into the raw disks, and nothing of it all is left."""
    node = lab.wait_resource(VM)
    images = [line.split()[1] for line in lab.on(node, f"virsh domblklist {VM}").splitlines()[2:4]]
    store = images[0].split("/vm-")[0]
    require(store.startswith(rep.STORAGE) and store.split("/vm-")[0] in images[1], str(images))
    off(lab)
    wanted = [lab.on("a1", f"qemu-img convert -O raw {image} {FILE}.sum && sha256sum < {FILE}.sum; "
                     f"rm {FILE}.sum").split()[0] for image in images]
    require(sums(lab, device) != wanted, "there is nothing to bring down")
    require("is merged" in lab.vmreplica("a1", f"unwrap {VM} --dry-run"), "not said beforehand")
    start = time.monotonic()
    say(lab.vmreplica("a1", f"unwrap {VM}", 200).strip().replace("\n", "; "))
    took = time.monotonic() - start
    require(sums(lab, device) == wanted, "the raw disks are not what the VM had")
    facts = lab.judge("a1", [FILE, BACKING], unlocked=True)
    require(facts["newest"] >= reached and facts["boots"] == boots, str(facts))
    for name in lab.nodes("A"):
        left = lab.on(name, f"ls -d /srv/vms/*{VM}* {store}* 2>/dev/null || true; "
                      f"getfacl -p {FILE} {device}")
        require(".vmreplica." not in left and f"{store}\n" not in left
                and f"{store}.lent" not in left and "user:vmreplica" not in left
                and "user:libvirt-qemu" not in left, f"{name}: {left}")
    target(lab, "Started")
    node = lab.wait_resource(VM, timeout=60)
    require(lab.on(node, f"virsh domblklist {VM}").count(store) == 0, "it runs on another image")
    in_the_raw(lab, device, lambda now: now["newest"] > facts["newest"]
               and now["boots"] == boots + 1, "a record of the next boot", node)
    say(f"unwrapped at home in {took:.1f} s: newest record {facts['newest']}")


def lent_again(lab, device):
    """A device's ACL is its node's, and goes with a reboot: it is lent again when the store opens."""
    found = rep.from_owner(lab, "A", VM)
    node = found["owner"]
    lab.on(node, f"setfacl -x u:vmreplica {device}")
    lab.on(node, f"crm_resource --resource {VM}-replica --restart", 180)

    def opened():
        now = rep.from_owner(lab, "A", VM)
        return (now["applied_seq"] >= found["applied_seq"] and "user:vmreplica:rw"
                in lab.on(now["owner"], f"getfacl -p {device}"))
    wait_until("the device is lent again, and the store open", opened, 60, 0.5)


def bytes_sent(lab, site):
    return sum(rep.sent_by(lab, node) for node in lab.live_nodes(site))


def planned(lab, old, new, ordered_at):
    said = lab.vmreplica(rep.node_of(lab, ordered_at), f"failover {VM} --planned", 240)
    say(said.strip().splitlines()[-1])
    cib_state.settled(lab, new, VM)

    def replicates():
        found = rep.status(lab, new, VM)
        return found if (found["role"] == "primary" and found["state"] == "Replicating"
                         and found["cycles"]["ok"] > 1) else None
    wait_until(f"{VM} replicates from {new} to {old}", replicates, 90, 0.5)
    said = lab.vmreplica(rep.node_of(lab, new), f"verify {VM}", 120)
    say(said.strip().splitlines()[-1])


@contextlib.contextmanager
def paused(lab, primary):
    """Nothing is sent: what is read of several disks is of one cycle."""
    node = rep.node_of(lab, primary)
    lab.vmreplica(node, f"pause {VM}")
    try:
        yield
    finally:
        lab.vmreplica(node, f"resume {VM}")


def judged(lab, site, reached, boots):
    """The replica at SITE is a true point in time, newer than REACHED, written by that boot."""
    def newer():
        found = rep.from_owner(lab, site, VM)
        require(found["applied_seq"] >= found["seq"], "it is not applied")
        facts = lab.judge(found["owner"], rep.replica_images(found), unlocked=True)
        return facts["newest"] if facts["newest"] > reached and facts["boots"] == boots else None
    with paused(lab, cib_state.OTHER[site]):
        return wait_until(f"a record after {reached} at {site}", newer, 60, 0.5)


def merged_into_raw(lab, device, reached):
    """The oldest points are merged down to the raw disks: read without their headers they are a
    true point in time again, newer than REACHED."""
    newest = in_the_raw(lab, device, lambda facts: facts["newest"] > reached,
                        f"a record after {reached}")
    say(f"merged into the raw disks: newest record {newest}, was {reached} before")


def in_the_raw(lab, device, good, what, runs=None):
    """The newest record of the raw disks, once they are a true point in time that is GOOD.  RUNS: the
    node where the VM writes to them, and stands still while both are read."""
    node = runs or rep.node_of(lab, "A")

    def look():
        if runs:
            lab.on(runs, f"virsh suspend {VM}")
        try:
            lab.on(node, f"sync {FILE}; blockdev --flushbufs {device}")
            facts = lab.judge(node, [FILE, BACKING], unlocked=True)
        finally:
            if runs:
                lab.on(runs, f"virsh resume {VM}")
        return facts["newest"] if good(facts) else None
    return wait_until(f"the raw disks hold {what}", look, 90, 1)
