# SPDX-License-Identifier: GPL-2.0-or-later
"""What cases are written with: a running lab, waiting with a bound, and judging images.

A case is a file in cases/ with a docstring that says what it proves, and
  def run(lab): ...        raise (or assert) when it is not so
  SHAPE = {...}            fields of shape.Shape that it needs (default: the default shape)
  TIMEOUT = 120            seconds after which it is ended and has failed
  FRESH = False            True: a lab of its own, nothing shared with other cases
  DIRTY = False            True: leaves the lab unfit for others
  SOAK = False             True: belongs to `./lab soak`
  PRODUCT = True           False: needs nothing but the lab itself
  LAB = True               False: needs no running lab at all; run(None)
"""
import json
import shlex
import subprocess
import time
import xml.etree.ElementTree as tree

import client as clients
import guest
import lifecycle
import shape as shapes


class Failure(Exception):
    pass


def require(condition, text):
    if not condition:
        raise Failure(text)


def wait_until(what, check, timeout, interval=0.3):
    """Call CHECK until it returns something true and return that; Failure after TIMEOUT s.
    An exception in CHECK counts as "not yet" and is shown if it is the last word."""
    deadline, last = time.monotonic() + timeout, None
    while True:
        try:
            last = check()
            if last:
                return last
        except (Failure, shapes.LabError, ValueError, KeyError) as error:
            last = error
        if time.monotonic() > deadline:
            raise Failure(f"not within {timeout} s: {what} (last: {last!r})")
        time.sleep(interval)


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class Lab:
    """The running lab as a case sees it."""

    def __init__(self, folder=None):
        self.client = clients.Client(folder)
        self.shape = self.client.shape()
        self.folder = self.client.folder

    # ---- commands in nodes

    def run(self, node, command, timeout=60, input_text=None):
        """Run a shell COMMAND in NODE; returns a CompletedProcess whatever its status."""
        try:
            return self.client.run(node, "sh", "-c", command, timeout=timeout,
                                   input_text=input_text)
        except subprocess.TimeoutExpired:
            raise Failure(f"{node}: `{command}` did not end within {timeout} s") from None

    def on(self, node, command, timeout=60):
        """Run a shell COMMAND in NODE, which must succeed; returns its stdout."""
        result = self.run(node, command, timeout)
        if result.returncode != 0:
            raise Failure(f"{node}: `{command}` ended with {result.returncode}: "
                          f"{(result.stderr or result.stdout).strip()}")
        return result.stdout

    def pid_of(self, node, service):
        """The pid of a service started by the node's init, inside the node."""
        return int(self.on(node, f"cat /run/lab/{shlex.quote(service)}.pid"))

    def restart_service(self, node, service, timeout=30):
        """End a service that the node's init starts again (libvirtd, virtlogd)."""
        old = self.pid_of(node, service)
        self.on(node, f"kill {old}")
        wait_until(f"{service} on {node} is back",
                   lambda: self.pid_of(node, service) != old, timeout)

    def kill_program(self, node, program):
        """SIGKILL to a daemon of ours on NODE; its name is longer than the kernel's comm."""
        self.on(node, f"kill -9 $(ps -eo pid,args | awk '$2 ~ /(^|\\/){program}$/ {{print $1}}')")

    # ---- power and cables

    def kill(self, node):
        self.client.ask("kill", node=node)

    def boot(self, node):
        self.client.ask("boot", node=node)

    def cut(self, what, after=0, duration=0):
        self.client.ask("break", name=what, how="cut", **{"in": after, "for": duration})

    def stall(self, what, after=0, duration=0):
        self.client.ask("break", name=what, how="stall", **{"in": after, "for": duration})

    def mute(self, site):
        """What SITE sends over the WAN vanishes; what is sent to it arrives."""
        self.client.ask("break", name=site, how="mute")

    def reset(self, what):
        """As a stall, and each TCP segment that does not get through is answered by a reset."""
        self.client.ask("break", name=what, how="reset")

    def lose(self, node, address):
        """What NODE sends to ADDRESS vanishes, what comes from there arrives; also after a boot.
        Returns the name for heal()."""
        name = f"{node}>{address}"
        self.client.ask("break", name=name, how="lose")
        return name

    def heal(self, what=None):
        self.client.ask("heal", name=what)

    def rate(self, rate):
        self.client.ask("rate", rate=rate)

    def nodes(self, site=None):
        return self.shape.node_names(site) if site else self.shape.all_nodes()

    def live_nodes(self, site):
        states = self.client.ask("status")["nodes"]
        return [name for name in self.nodes(site) if states[name]["state"] == "on"]

    # ---- Pacemaker

    def crm(self, site):
        """crm_mon's XML from any live node of SITE."""
        node = self.live_nodes(site)[0]
        return tree.fromstring(self.on(node, "crm_mon -1 -A --output-as=xml"))

    def resource_node(self, resource, site="A", mon=None):
        """Where RESOURCE is started, or None when it is moving, stopped, blocked or twice. MON:
        what crm() has said already."""
        found = [entry for entry in (self.crm(site) if mon is None else mon).iter("resource")
                 if entry.get("id") == resource and entry.get("active") == "true"]
        if len(found) != 1 or found[0].get("role") not in ("Started", "Promoted"):
            return None
        if found[0].get("failed") == "true" or found[0].get("pending"):
            return None
        names = [node.get("name") for node in found[0].findall("node")]
        return names[0] if len(names) == 1 else None

    def wait_resource(self, resource, node=None, timeout=60, site="A"):
        def there():
            where = self.resource_node(resource, site)
            return where if where and node in (None, where) else None
        return wait_until(f"{resource} on {node or 'some node'}", there, timeout)

    def move(self, resource, target, site="A", timeout=90):
        """A live migration (or move) that pcs waits for; returns its duration in seconds."""
        start = time.monotonic()
        self.on(self.live_nodes(site)[0], f"pcs resource move {resource} {target}", timeout)
        self.wait_resource(resource, target, timeout, site)
        return time.monotonic() - start

    def standby(self, resource, source, target, timeout=90):
        """SOURCE goes on standby, what moves RESOURCE to TARGET; returns the move's duration."""
        start = time.monotonic()
        self.on(target, f"pcs node standby {source}", timeout)
        self.wait_resource(resource, target, timeout)
        return time.monotonic() - start

    def other_node(self, node):
        return next(name for name in self.live_nodes(shapes.site_of(node)) if name != node)

    def attribute(self, node, name):
        for entry in self.crm(shapes.site_of(node)).findall("node_attributes/node"):
            for value in entry.findall("attribute"):
                if entry.get("name") == node and value.get("name") == name:
                    return value.get("value")
        return None

    def transitions(self, site):
        """How many transitions the schedulers of SITE have calculated since their boot: also
        those that a newer one replaced before their end."""
        return sum(int(self.on(node, "grep -c 'Calculated transition' "
                                     "/var/log/pacemaker/pacemaker.log || true"))
                   for node in self.live_nodes(site))

    # ---- guests and images

    def guest(self, command, name="web1", timeout=None):
        timeout = timeout or (600 if command.startswith("fill") else 10)
        try:
            return lifecycle.guest_ask(self.client, name, command, timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{name} did not answer `{command}` within {timeout} s") from None

    def guest_status(self, name="web1"):
        words = self.guest("status", name).split()[1:]
        return {key: float(value) if value.replace(".", "", 1).isdigit() else value
                for key, value in (word.split("=", 1) for word in words)}

    def records_advance(self, count=20, timeout=30, name="web1"):
        """The guest writes: COUNT more records within TIMEOUT."""
        start = wait_until(f"{name} answers", lambda: self.guest_status(name), timeout)["seq"]
        wait_until(f"{name} writes {count} records",
                   lambda: self.guest_status(name)["seq"] >= start + count, timeout)

    def create_vm(self, name, disk_size=None, agent=False, uefi=False):
        """Disks and XML of one more guest on site A's shared storage."""
        vms = f"{self.folder}/site/A/vms"
        guest.create_vm(self.shape, vms, name, disk_size, agent, uefi)

    def stop_guest(self, name="web1", site="A"):
        self.on(self.live_nodes(site)[0], f"pcs resource disable {name} --wait=90", 120)

    def start_guest(self, name="web1", site="A"):
        self.on(self.live_nodes(site)[0], f"pcs resource enable {name} --wait=90", 120)
        wait_until(f"{name} has booted", lambda: self.guest_status(name)["seq"], 60)

    def checker(self, node, arguments, timeout=120):
        return self.run(node, f"/usr/bin/python3 -EsB {shapes.HERE}/checker.py {arguments}",
                        timeout)

    def judge(self, node, images, unlocked=False, torn_ok=False):
        """The facts of a true point in time on NODE's IMAGES (vda, vdb); Failure if it is none."""
        options = ("-U " if unlocked else "") + ("--torn-ok " if torn_ok else "")
        result = self.checker(node, f"judge --json {options}{shlex.join(images)}")
        if result.returncode == 2:
            raise Failure(f"{node}: {result.stderr.strip()}")
        facts = json.loads(result.stdout)
        if not facts["true"]:
            raise Failure(f"{node}: {' '.join(images)} is not a true point in time: "
                          + "; ".join(facts["reasons"][:5]))
        return facts

    def primary_images(self, name="web1"):
        return [f"/srv/vms/{name}-{disk}.qcow2" for disk in ("vda", "vdb")]

    # ---- the product

    def vmreplica(self, node, arguments, timeout=60):
        return self.on(node, f"vmreplica {arguments}", timeout)

    def vm_status(self, node, vm="web1"):
        found = [entry for entry in json.loads(self.vmreplica(node, "status --json"))["vms"]
                 if entry["name"] == vm]
        # A replica that is replicated on has two: the replica is meant.
        found.sort(key=lambda entry: entry["role"] != "replica")
        if found:
            return found[0]
        raise Failure(f"{node}: vmreplica status does not know {vm}")

    def check_complete(self):
        """Fit for the next case: everything healed, on, online and writing."""
        self.heal()
        self.rate(self.shape.wan_rate)
        for node in self.nodes():
            self.boot(node)
        for site in self.shape.clusters():
            # What a case broke on purpose stays in the history of failures otherwise.
            self.run(self.live_nodes(site)[0], "crm_resource --cleanup")
            problem = ["?"]

            def complete():
                problem[0] = lifecycle.cluster_problem(self.client, self.shape, site)
                return not problem[0]
            wait_until(f"site {site} complete", complete, 60)
        if self.shape.guest:
            wait_until("web1 takes commands", lambda: self.guest("load 0"), 60)
            self.records_advance(5)
