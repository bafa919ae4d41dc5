# SPDX-License-Identifier: GPL-2.0-or-later
"""A planned failover to B, and home to A ordered on the replica's side: no record is lost, at every
moment one side at most runs the VM, and what travels in the other direction is a small part of the
disks. First the line is cut in the middle: A goes back to what it was, by an admin's cancel.
web1 has what only A gives it: an excluded disk, a serial port on a socket, and a network that has
another name at B. B runs it without; at A it has all of it again. Both sides have a guard, made as
README says: it delays nothing, and no action of it has failed."""
import json
import xml.etree.ElementTree as tree

import cib_state
import replication as rep
import shape as shapes
from case import Failure, require, say, wait_until
from cases import guard

TIMEOUT = 420
DIRTY = True            # the guest has another definition
SMALL = 24 << 20        # of two disks of 512 MiB
SCRATCH = "/srv/vms/web1-scratch.img"
MAC = "52:54:00:0a:0b:0c"
MORE = f"""    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{SCRATCH}'/>
      <target dev='vdc' bus='virtio'/>
    </disk>
    <interface type='network'>
      <mac address='{MAC}'/>
      <source network='prod'/>
      <model type='virtio'/>
      <rom enabled='no'/>
    </interface>
"""
NO_JOB = {"id": "", "state": "running", "steps": [{"name": "", "text": ""}]}


def run(lab):
    rep.remove(lab)
    rep.thin(lab)
    rep.authorize(lab)
    rep.authorize(lab, rep.SITE_B, site="A")
    rep.protect(lab, more="--map net:prod=dr")
    rep.wait_replicating(lab)
    identity = rep.status(lab)["relationship"]
    for site in "AB":
        guard.make_guard(lab, rep.node_of(lab, site), identity)
    only_at_a(lab)
    cut(lab)        # and from here on it has what stands in its definition
    require(has(lab) == AT_HOME, f"{has(lab)}")
    lab.guest("load 100000 20")
    lab.records_advance()
    lab.guest("load 0")
    reached = lab.guest_status()["seq"]
    reached = over_to(lab, "A", "B", "A", reached)
    require(has(lab) == {"network": "dr", "serial 0": "pty", "serial 1": "pty"}, f"{has(lab)}")
    stands_on_one(lab, "B")
    enabled(lab, "A")
    over_to(lab, "B", "A", "A", reached)
    require(has(lab) == AT_HOME, f"{has(lab)}")
    lab.records_advance()   # it answers on its socket
    stands_on_one(lab, "A")
    for site in "AB":
        guard.all_guards(lab, site)


AT_HOME = {"vdc": SCRATCH, "network": "prod", "serial 0": "pty", "serial 1": "unix"}


def only_at_a(lab):
    """From its next start on."""
    for site, network in (("A", "prod"), ("B", "dr")):
        for node in lab.live_nodes(site):
            lab.on(node, "mkdir -p /dev/net; [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200; "
                   "ip link add lab-br type bridge && ip link set lab-br up; "
                   f"echo \"<network><name>{network}</name><forward mode='bridge'/>"
                   "<bridge name='lab-br'/></network>\" > /root/network.xml; "
                   f"virsh -q net-define /root/network.xml; virsh -q net-start {network}")
    lab.on("a1", f"truncate -s 16M {SCRATCH}; cat > /root/more.xml <<'END'\n{MORE}END\n"
           "sed -i '/<devices>/r /root/more.xml' /srv/vms/web1.xml && "
           "pcs resource update web1-replica exclude_disks=vdc", 60)
    rep.wait_cycles(lab, 1, 60)


def has(lab):
    """What of the running VM is not its replicated disks."""
    domain = tree.fromstring(lab.on(runs_where(lab)[0], "virsh dumpxml web1"))
    found = {f"serial {port.find('target').get('port')}": port.get("type")
             for port in domain.findall("devices/serial")}
    for disk in domain.findall("devices/disk"):
        if disk.find("target").get("dev") == "vdc":
            found["vdc"] = disk.find("source").get("file")
    for interface in domain.findall("devices/interface"):
        require(interface.find("mac").get("address") == MAC, tree.tostring(interface))
        found["network"] = interface.find("source").get("network")
    return found


def runs_where(lab):
    """Nodes on which libvirt runs web1 at this moment."""
    return [node for site in "AB" for node in lab.live_nodes(site) if lab.run(
        node, "virsh list --name --state-running | grep -qx web1").returncode == 0]


def sides(lab):
    found = runs_where(lab)
    there = {shapes.site_of(name) for name in found}
    require(len(there) <= 1, f"web1 runs on both sides: {found}")
    return there


def never_both(lab):
    """web1 runs on one side at most. The nodes are asked one after the other: what looks like both
    sides counts when it looks so again."""
    for _attempt in range(3):
        found = runs_where(lab)
        if len({shapes.site_of(name) for name in found}) <= 1:
            return
    raise AssertionError(f"web1 runs on both sides: {found}")


def last_job(lab, site, kind="planned-failover"):
    """The newest job of SITE, by the word of any of its engines: one may be away."""
    for node in lab.live_nodes(site):
        result = lab.run(node, "vmreplica jobs --json", 30)
        if result.returncode == 0:
            jobs = json.loads(result.stdout)["jobs"]
            found = [job for job in jobs
                     if job["kind"] == kind and job["node"][0] == site.lower()]
            return found[-1] if found else NO_JOB
    raise Failure(f"no engine of {site} answers")


def last_id(lab, site):
    """Of the newest job of SITE; "" before the first."""
    return last_job(lab, site)["id"]


def describe(job):
    return "; ".join(f"{step['name']}: {step['text'] or ''}" for step in job["steps"])


def watch(lab, site, done, timeout=150, kind="planned-failover"):
    """Until DONE says so of the job at SITE; meanwhile web1 runs on one side at most."""
    newest = [None]
    def look():
        never_both(lab)
        newest[0] = last_job(lab, site, kind)
        return newest[0] if done(newest[0]) else None
    try:
        return wait_until("the planned failover", look, timeout, 0.3)
    except Failure as error:
        if newest[0] is None:
            raise
        raise Failure(f"{error}: {newest[0]['state']} at {describe(newest[0])}") from None


def ended(job):
    return job["state"] != "running"


def cut(lab):
    """The WAN is cut while the guest shuts down: neither the last cycle nor TAKE gets through. It
    does not hear at first that it shall, so that the cut comes in time."""
    before = lab.guest_status()["seq"]
    node = rep.node_of(lab, "A")
    runs = lab.resource_node("web1")
    lab.on(runs, "virsh suspend web1")
    lab.vmreplica(node, "failover web1 --planned --no-wait")
    watch(lab, "A", lambda job: job["steps"][-1]["name"].startswith("5"))
    lab.cut("wan")
    lab.on(runs, "virsh resume web1 && virsh shutdown web1")    # what it was asked is forgotten
    wait_until("it is stopped", lambda: not runs_where(lab), 90, 0.5)
    lab.run(node, "vmreplica failover web1 --cancel --no-wait", 60)
    lab.heal()
    job = watch(lab, "A", ended)
    say(f"cut: {job['state']}: {job['text']}")
    require(job["state"] == "cancelled", f"it went through a line that was cut: {job}")
    wait_until("web1 writes at A again", lambda: lab.guest_status()["seq"] >= before, 90)
    require(sides(lab) == {"A"}, f"{runs_where(lab)}")
    rep.wait_cycles(lab, 1, 60)


def over_to(lab, old, new, ordered_at, reached):
    """OLD -> NEW. Returns the newest record that is at OLD afterwards."""
    sent = sum(rep.sent_by(lab, node) for node in lab.live_nodes(new))
    before = last_id(lab, old)
    lab.vmreplica(rep.node_of(lab, ordered_at), "failover web1 --planned --no-wait", 60)
    job = watch(lab, old, lambda job: job["id"] != before and ended(job), 300)
    say(describe(job))
    require(job["state"] == "done", f"{job['text']} {job['advice']}")
    require(sides(lab) == {new}, f"{runs_where(lab)}")
    reversed_cycle(lab, new)
    sent = sum(rep.sent_by(lab, node) for node in lab.live_nodes(new)) - sent
    require(sent < SMALL, f"{sent} bytes travelled back")
    say(f"{new} sent {sent >> 10} KiB")
    cib_state.settled(lab, new)
    return judged(lab, old, reached)


def enabled(lab, replica):
    """An admin enables the old primary's resource: it starts nothing on the disks of then."""
    node = rep.node_of(lab, replica)
    config = lab.on(node, "crm_resource -r web1 -g config").strip()
    require(config.startswith(rep.STORAGE), f"its config is still {config}")
    lab.on(node, "pcs resource enable web1")
    wait_until("its start fails", lambda: lab.run(
        node, "crm_mon -1 --output-as=xml | grep -q '<failure.*web1_start_0'").returncode == 0,
        120, 1)
    require(sides(lab) == set("AB") - {replica}, f"it runs: {runs_where(lab)}")
    lab.on(node, "pcs resource disable web1 && pcs resource cleanup web1 "
           "&& pcs resource cleanup web1-guard", 90)
    guard.all_guards(lab, replica)
    say(f"enabled at {replica}, web1 did not start from {config}")


def chain(lab, site):
    """How many files each disk of the running VM stands on."""
    node = runs_where(lab)[0]
    require(shapes.site_of(node) == site, f"web1 runs on {node}")
    listed = lab.run(node, "virsh domblklist web1").stdout
    paths = [word for word in listed.split() if word.endswith(".qcow2")]
    require(paths, f"no images: {listed}")
    return [len(json.loads(lab.run(
        node, f"qemu-img info -U --backing-chain --output=json {path}").stdout)) - 1
        for path in paths]


def stands_on_one(lab, site):
    """What the failover left of layers is merged under the running VM, between cycles, and the
    store that they lie in is told so."""
    def one():
        found = chain(lab, site)
        return found if max(found) == 1 and "-chain-" not in lab.run(
            rep.node_of(lab, site), "cibadmin -Q -o crm_config").stdout else None
    say(f"{site}: disks stand on {chain(lab, site)} files")
    wait_until(f"the layers at {site} are merged", one, 120, 1)


def reversed_cycle(lab, primary):
    """PRIMARY's side replicates to the other."""
    def good():
        found = lab.vm_status(rep.node_of(lab, primary), "web1")
        return found if (found["role"] == "primary" and found["state"] == "Replicating"
                         and found["cycles"]["ok"] > 1) else None
    return wait_until(f"{primary} replicates to the other side", good, 180, 0.5)


def judged(lab, site, reached):
    """The replica at SITE is a true point in time, newer than REACHED: returns its newest record."""
    def newer():
        found = lab.vm_status(rep.node_of(lab, site), "web1")
        found = lab.vm_status(found["owner"], "web1")
        if (found["role"] != "replica" or found["state"] != "Replicating"
                or found["applied_seq"] < found["seq"]):
            return None
        facts = lab.judge(found["owner"], rep.replica_images(found), unlocked=True)
        return facts["newest"] if facts["newest"] > reached else None
    newest = wait_until(f"a record after {reached} at {site}", newer, 150, 0.5)
    say(f"judged at {site}: newest {newest}, was {reached} before")
    return newest
