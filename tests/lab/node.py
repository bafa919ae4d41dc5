# SPDX-License-Identifier: GPL-2.0-or-later
"""One node as the supervisor sees it: a process tree in namespaces, a cable, a power state."""
import json
import os
import signal
import subprocess
import threading
import time

import settings
import shape as shapes

OFF, BOOTING, ON = "off", "booting", "on"
ROOT_OWNED, VMREPLICA_OWNED = (0, 0), (settings.VMREPLICA_ID, settings.VMREPLICA_ID)


def service(name, command, ready="", respawn=False):
    return {"name": name, "command": command, "ready": ready, "respawn": respawn}


def services(shape, staged, node_address, alone):
    found = [service("virtlogd", ["virtlogd"], "/run/libvirt/virtlogd-sock", True),
             service("libvirtd", ["libvirtd", "--listen"], "/run/libvirt/libvirt-sock", True)]
    if alone:
        if staged and not shape.bare:
            # Its parent returns when it is ready; a case may end and start it by hand.
            found.append(service("vmreplica-engine", ["vmreplica-engine"],
                                 "/run/vmreplica/engine.sock"))
            found.append(service("vmreplica-broker",
                                 ["vmreplica-broker", "--address", node_address],
                                 "/run/vmreplica/broker.sock"))
        return found
    # Corosync stays down once it ended, as under systemd; Pacemaker follows it.
    return [service("corosync", ["corosync", "-f"], "@cmap")] + found \
        + [service("pacemakerd", ["pacemakerd"])]


class Node:
    def __init__(self, name, shape, lab, folder, network, say):
        self.name, self.shape, self.lab, self.network, self.say = name, shape, lab, network, say
        self.folder = folder
        self.state_dir = f"{folder}/node/{name}"
        self.site = shapes.site_of(name)
        self.state, self.plugged = OFF, True
        self.process = self.pid = None
        self.lock = threading.Lock()
        self.boots = 0

    def spec(self):
        site = f"{self.folder}/site/{self.site}"
        binds = [(f"{self.folder}/fence-{self.site}.sock", "/run/lab/fence.sock", False),
                 (f"{site}/vms", "/srv/vms", False), (f"{site}/replica", "/srv/replica", False),
                 # Only for looking at: the checkout, and what both sites have stored, so that
                 # the checker can compare them.
                 (shapes.TOP, shapes.TOP, True),
                 (f"{self.folder}/site", f"{self.folder}/site", True)]
        seed = []
        if not self.shape.alone(self.site):
            seed.append((f"{self.folder}/cib-{self.site}.xml", "/var/lib/pacemaker/cib/cib.xml"))
        return {"name": self.name, "root": f"{self.state_dir}/mnt", "state": self.state_dir,
                "extras": f"{self.folder}/extras", "stage": f"{self.folder}/stage",
                "binds": binds, "seed": seed, "services": services(
                    self.shape, os.path.isdir(f"{self.folder}/stage"),
                    shapes.address(self.name), self.shape.alone(self.site)),
                "scratch_size": self.shape.scratch_size,
                "directories": [("/run/vmreplica", (0, settings.VMREPLICA_ID), 0o750),
                                ("/var/lib/vmreplica", VMREPLICA_OWNED, 0o755),
                                ("/var/log/vmreplica", VMREPLICA_OWNED, 0o755),
                                ("/run/lock", ROOT_OWNED, 0o1777)],
                "environment": {"PCMK_logfacility": "none", "PCMK_logfile":
                                "/var/log/pacemaker/pacemaker.log", "PCMK_debug": "no"}}

    def boot(self):
        """Power on and wait until its services are started."""
        with self.lock:
            self.plugged = True
            if self.state != OFF:
                return
            self.state = BOOTING
            try:
                self._start()
            except Exception:
                self._end()
                raise

    def _start(self):
        os.makedirs(self.state_dir, exist_ok=True)
        self.boots += 1
        with open(f"{self.state_dir}/init.log", "a") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--ipc", "--uts", "--net", "--fork",
                 "--kill-child=SIGKILL", "/usr/bin/python3", "-EsB",
                 f"{shapes.HERE}/node_init.py", json.dumps(self.spec())],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                start_new_session=True)
        if self.process.stdout.readline() != "alive\n":
            raise shapes.LabError(f"{self.name}: no life, see {self.state_dir}/init.log")
        task = self.process.pid
        with open(f"/proc/{task}/task/{task}/children") as children:
            self.pid = int(children.read().split()[0])
        self.network.plug(self.name, self.pid)
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "up\n":
            raise shapes.LabError(f"{self.name}: did not come up, see {self.state_dir}/init.log")
        self.state = ON
        self.say(f"{self.name} is up")
        threading.Thread(target=self._watch, args=(self.process,), daemon=True).start()

    def _watch(self, process):
        """A node that ends by itself called reboot(2): Pacemaker's suicide.  Power is still
        there, so it comes back."""
        process.wait()
        with self.lock:
            if self.process is not process or self.state != ON:
                return
            self._end()
        self.say(f"{self.name} went down by itself")
        if self.plugged:
            time.sleep(1)
            self.boot()

    def power_off(self, unplug=False):
        with self.lock:
            if unplug:
                self.plugged = False
            was = self.state
            self._end()
        if was != OFF:
            self.say(f"{self.name} lost its power")

    def _end(self):
        """Kill pid 1 and wait: when unshare has ended, so has everything in the node."""
        process, self.state = self.process, OFF
        if process is None:
            return
        for pid in (self.pid, process.pid):
            try:
                if pid and process.poll() is None:
                    os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            if pid == self.pid:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    pass
        process.wait()
        process.stdin.close()
        process.stdout.close()
        self.process = self.pid = None
