# SPDX-License-Identifier: GPL-2.0-or-later
"""Starting and ending a lab: prepare its folder, start the supervisor, wait for both sites."""
import contextlib
import dataclasses
import fcntl
import grp
import json
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

import cib
import client as clients
import guest
import namespaces
import pki
import settings
import shape as shapes
import stage

NODE_TIMEOUT_S, CLUSTER_TIMEOUT_S, GUEST_TIMEOUT_S = 90, 120, 120


class Progress:
    """Lines with the time since the start, so that one sees what takes long."""

    def __init__(self):
        self.start = time.monotonic()

    def __call__(self, text):
        print(f"[{time.monotonic() - self.start:5.1f} s] {text}", flush=True)


def prepare(shape, folder):
    """Everything that the nodes find when they boot for the first time."""
    os.mkdir(folder, 0o755)
    with open(f"{folder}/shape.json", "w") as file:
        json.dump(dataclasses.asdict(shape), file)
    keys = pki.Pki(f"{folder}/pki")
    keys.create(shape)
    for node in shape.all_nodes():
        settings.write_node(shape, shapes.lab_id(), node, f"{folder}/node/{node}", keys)
    os.makedirs(f"{folder}/extras/usr/sbin")
    shutil.copy2(f"{shapes.HERE}/fence_lab", f"{folder}/extras/usr/sbin/fence_lab")
    if shapes.product_staged():
        # A copy: the next build must not change files under the overlays of a running lab.
        shutil.copytree(shapes.STAGE, f"{folder}/stage", symlinks=True)
    for site in shape.sites():
        prepare_site(shape, folder, site)


def prepare_site(shape, folder, site):
    for name, owner in (("vms", (0, 0)), ("replica", (settings.VMREPLICA_ID,) * 2)):
        os.makedirs(f"{folder}/site/{site}/{name}")
        os.chown(f"{folder}/site/{site}/{name}", *owner)
    guests = []
    if shape.guest:
        guest.prepare_site(shape, f"{folder}/site/{site}/vms", with_guest=site == "A")
        guests = ["web1"] if site == "A" else []
    if shape.alone(site):
        return
    product = shapes.product_staged() and not shape.bare
    path = f"{folder}/cib-{site}.xml"
    settings.write(path, cib.document(shape, site, product, guests), 0o600,
                   (pwd.getpwnam("hacluster").pw_uid, grp.getgrnam("haclient").gr_gid))


def start_supervisor(folder, bound):
    """BOUND: the lab ends with us, even if we are killed."""
    with open(f"{folder}/supervisor.log", "a") as log:
        subprocess.Popen(
            ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork",
             "--kill-child=SIGKILL", "--mount-proc", "/usr/bin/python3", "-EsB",
             f"{shapes.HERE}/supervisor.py", folder],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
            preexec_fn=namespaces.die_with_parent if bound else None,
            env=dict(shapes.clean_environment(), VMREPLICA_LAB=shapes.lab_id()))


def wait_nodes(client, progress):
    deadline, seen = time.monotonic() + NODE_TIMEOUT_S, 0
    while time.monotonic() < deadline:
        try:
            status = client.ask("status", **{"from": seen})
        except shapes.LabError:
            time.sleep(0.1)
            continue
        for message in status["messages"]:
            progress(message)
        seen += len(status["messages"])
        if status["failure"]:
            raise shapes.LabError(status["failure"])
        if all(node["state"] == "on" for node in status["nodes"].values()):
            return
        time.sleep(0.1)
    raise shapes.LabError(f"the nodes were not up after {NODE_TIMEOUT_S} s")


def cluster_problem(client, shape, site):
    """Empty when all nodes of SITE are online and all its resources run, else what is not."""
    first = shape.node_names(site)[0]
    result = client.run(first, "crm_mon", "-1", "--output-as=xml", timeout=30)
    if result.returncode != 0:
        return "Pacemaker does not answer yet"
    import xml.etree.ElementTree as tree
    root = tree.fromstring(result.stdout)
    offline = [node.get("name") for node in root.findall("nodes/node")
               if node.get("online") != "true" or node.get("pending") == "true"]
    if offline or len(root.findall("nodes/node")) != shape.nodes:
        return f"nodes not online: {' '.join(offline) or 'some unknown'}"
    if root.find("summary/current_dc").get("present") != "true":
        return "no DC yet"
    for failure in root.findall("failures/failure"):
        return f"{failure.get('op_key')}: {failure.get('exitstatus')} {failure.get('exitreason')}"
    # a replica VM's own resource is disabled until a failover
    waiting = [res.get("id") for res in root.iter("resource")
               if res.get("role") not in ("Started", "Promoted")
               and res.get("target_role") != "Stopped"]
    return f"not started: {' '.join(waiting)}" if waiting else ""


def wait_clusters(client, shape, progress):
    deadline = time.monotonic() + CLUSTER_TIMEOUT_S
    for site in shape.clusters():
        problem = ""
        while time.monotonic() < deadline:
            problem = cluster_problem(client, shape, site)
            if not problem:
                break
            time.sleep(0.5)
        if problem:
            raise shapes.LabError(f"site {site} after {CLUSTER_TIMEOUT_S} s: {problem}")
        progress(f"site {site}: cluster is complete")


def guest_ask(client, name, command, timeout=10):
    """Send one command to the writer in a guest, wherever it runs."""
    answers = []
    shape = client.shape()
    status = client.ask("status")["nodes"]
    path = f"/var/lib/libvirt/qemu/{name}-control.sock"
    for node in shape.all_nodes():
        if status[node]["state"] != "on":
            continue
        result = client.run(node, "/usr/bin/python3", "-EsB", f"{shapes.HERE}/guest/ask.py",
                            path, command, str(timeout), timeout=timeout + 30)
        if result.returncode == 0:
            return result.stdout.strip()
        if result.returncode not in (3, 4):
            raise shapes.LabError(f"{name} on {node}: {result.stderr.strip()}")
        if result.returncode == 4:      # it may be the target of a migration under way
            answers.append(node)
    if answers:
        raise shapes.LabError(f"{name} does not answer on {' '.join(answers)}")
    raise shapes.LabError(f"{name} runs on no node")


def wait_guest(client, shape, progress):
    if shape.standalone:
        for command in (("define", "/srv/vms/web1.xml"), ("start", "web1")):
            result = client.run("a1", "virsh", *command)
            if result.returncode != 0:
                raise shapes.LabError(f"virsh {command[0]}: {result.stderr.strip()}")
    deadline, last = time.monotonic() + GUEST_TIMEOUT_S, ""
    while time.monotonic() < deadline:
        try:
            last = guest_ask(client, "web1", "status", 3)
            if " seq=0 " not in last:
                progress(f"web1: {last}")
                return
        except (shapes.LabError, subprocess.TimeoutExpired) as error:
            last = str(error)
        time.sleep(0.3)
    raise shapes.LabError(f"web1 does not write after {GUEST_TIMEOUT_S} s: {last}")


@contextlib.contextmanager
def lock(name):
    """Only one at a time of what NAME says, for this lab."""
    os.makedirs(shapes.CACHE, exist_ok=True)
    with open(f"{shapes.CACHE}/{shapes.lab_id()}-{name}.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise shapes.LabError(f"another `{name}` of this lab is at work") from None
        yield


def up(shape, progress=None, build=True, bound=False):
    """Start a lab; on any failure take down what was started and say where its logs are."""
    with lock("up"):
        return start(shape, progress or Progress(), build, bound)


def start(shape, progress, build, bound):
    folder, client = shapes.state_dir(), clients.Client()
    if client.running():
        raise shapes.LabError(f"a lab is running already ({folder}); ./lab down ends it")
    remove(folder)
    if build and not shape.bare:
        stage.build(progress)
    if build and shape.guest:
        guest.build(progress)
    began = time.monotonic()
    try:
        prepare(shape, folder)
        progress(f"prepared {folder}")
        start_supervisor(folder, bound)
        wait_nodes(client, progress)
        if not shape.standalone:
            wait_clusters(client, shape, progress)
        if shape.guest:
            wait_guest(client, shape, progress)
        settings.write(f"{folder}/up_seconds", f"{time.monotonic() - began:.1f}\n")
    except BaseException:
        kept = keep_logs(folder)
        sys.stderr.write(f"lab: it did not come up; its logs are in {kept}\n")
        down()
        raise
    return client


def keep_logs(folder, target=None):
    """Copy what is worth reading afterwards out of the lab's folder."""
    target = target or os.path.join(shapes.TOP, "_build", "lab-logs", time.strftime("%H%M%S"))
    os.makedirs(target, exist_ok=True)
    for name in ("supervisor.log", "shape.json", "cib-A.xml", "cib-B.xml"):
        if os.path.exists(f"{folder}/{name}"):
            shutil.copy(f"{folder}/{name}", target)
    nodes = f"{folder}/node"
    for node in sorted(os.listdir(nodes)) if os.path.isdir(nodes) else []:
        copy_files(f"{nodes}/{node}/var/log", f"{target}/{node}")
        if os.path.exists(f"{nodes}/{node}/init.log"):
            shutil.copy(f"{nodes}/{node}/init.log", f"{target}/{node}")
    return target


def copy_files(source, target):
    """Regular files only: an overlay's upper layer also has whiteouts, which are devices."""
    os.makedirs(target, exist_ok=True)
    for folder, _dirs, names in os.walk(source):
        into = os.path.join(target, os.path.relpath(folder, source))
        for name in names:
            path = f"{folder}/{name}"
            if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path):
                os.makedirs(into, exist_ok=True)
                shutil.copy(path, into)


def supervisor_pid(folder):
    """The supervisor's pid as seen here: who listens on the socket."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{folder}/sock")
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except OSError:
        return 0
    return int.from_bytes(credentials[:4], sys.byteorder)


def remove(folder):
    if not os.path.isdir(folder):
        return
    if os.stat(folder).st_uid != os.geteuid():
        raise shapes.LabError(f"{folder} belongs to somebody else")
    shutil.rmtree(folder)


def down():
    """End the supervisor, and with it every process, mount and namespace of the lab."""
    folder = shapes.state_dir()
    pid = supervisor_pid(folder)
    if pid:
        descriptor = os.pidfd_open(pid)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [], 60)
        os.close(descriptor)
    if os.path.isdir(folder):
        wait_processes_gone(folder)
    remove(folder)


def wait_processes_gone(folder):
    """The kernel ends everything in the lab's pid namespace; wait until it has."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        users = [pid for pid in os.listdir("/proc") if pid.isdigit() and uses(pid, folder)]
        if not users:
            return
        time.sleep(0.05)
    raise shapes.LabError(f"still running after 30 s: {' '.join(users)}")


def uses(pid, folder):
    """Is process PID in a node's mount namespace: does an overlay there name the folder?"""
    try:
        with open(f"/proc/{pid}/mounts") as mounts:
            return f"upperdir={folder}/" in mounts.read()
    except OSError:
        return False
