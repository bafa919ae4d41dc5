# SPDX-License-Identifier: GPL-2.0-or-later
"""Pid 1 of a node: private file systems, the node's services, and reaping.

Killing this process is the power cut: the kernel kills everything in its pid namespace.
Its arguments come as one JSON document (node.py writes it).
"""
import json
import os
import signal
import subprocess
import sys
import time

import namespaces as ns

# Left by packages on the host, or by a service that once ran there: a node begins without them.
EMPTIED = ("etc/libvirt/qemu", "var/lib/corosync", "var/lib/pacemaker/cib", "var/tmp",
           "var/lib/pacemaker/pengine", "var/lib/pacemaker/blackbox", "var/lib/pacemaker/cores",
           "var/lib/libvirt/qemu", "var/log", "var/lib/vmreplica")
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
           "tty": (5, 0), "kvm": (10, 232), "fuse": (10, 229), "loop-control": (10, 237)}


def say(text):
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} init: {text}\n")
    sys.stderr.flush()


def overlay(root, name, lowers, state):
    upper, work = f"{state}/{name}", f"{state}/work-{name}"
    os.makedirs(upper, exist_ok=True)
    os.makedirs(work, exist_ok=True)
    lowers = [low for low in lowers if os.path.isdir(low)] + [f"/{name}"]
    os.makedirs(f"{root}/{name}", exist_ok=True)
    ns.mount("overlay", f"{root}/{name}", "overlay", 0,
             f"lowerdir={':'.join(lowers)},upperdir={upper},workdir={work}")


def make_devices(root):
    dev = f"{root}/dev"
    os.makedirs(dev)
    ns.mount("tmpfs", dev, "tmpfs", ns.MS_NOSUID, "mode=755,size=1m")
    os.umask(0)
    nodes = {name: (number, 0o20666) for name, number in DEVICES.items()
             if os.path.exists(f"/dev/{name}")}
    nodes.update({f"loop{n}": ((7, n), 0o60660) for n in range(8)})
    nodes["net/tun"] = ((10, 200), 0o20666)     # a VM's cable
    os.makedirs(f"{dev}/net")
    for name, ((major, minor), mode) in nodes.items():
        os.mknod(f"{dev}/{name}", mode, os.makedev(major, minor))
    if os.path.exists(f"{dev}/kvm"):
        os.chown(f"{dev}/kvm", 0, os.stat("/dev/kvm").st_gid)
    os.umask(0o022)
    for target, link in (("/proc/self/fd", "fd"), ("fd/0", "stdin"), ("fd/1", "stdout"),
                         ("fd/2", "stderr"), ("pts/ptmx", "ptmx")):
        os.symlink(target, f"{dev}/{link}")
    os.makedirs(f"{dev}/pts")
    ns.mount("devpts", f"{dev}/pts", "devpts", ns.MS_NOSUID | ns.MS_NOEXEC,
             "newinstance,ptmxmode=0666,mode=620,gid=5")
    os.makedirs(f"{dev}/shm")
    ns.mount("tmpfs", f"{dev}/shm", "tmpfs", ns.MS_NOSUID | ns.MS_NODEV, "mode=1777")
    os.makedirs(f"{dev}/mqueue")
    ns.mount("mqueue", f"{dev}/mqueue", "mqueue", ns.MS_NOSUID)


def protect_proc(root):
    """A Pacemaker that panics writes to sysrq-trigger: that would reset the real machine."""
    if os.path.exists(f"{root}/proc/sysrq-trigger"):
        ns.mount("/dev/null", f"{root}/proc/sysrq-trigger", None, ns.MS_BIND)
    for part in ("proc/sys/kernel", "proc/sys/vm", "proc/sys/fs"):
        ns.bind(f"{root}/{part}", f"{root}/{part}", read_only=True)


def make_root(spec):
    root, state = spec["root"], spec["state"]
    os.makedirs(root, exist_ok=True)
    ns.make_private()
    ns.mount("tmpfs", root, "tmpfs", 0, "mode=755,size=16m")
    for name in ("usr", "etc", "var"):
        overlay(root, name, [f"{spec['extras']}/{name}", f"{spec['stage']}/{name}"], state)
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
    for name, mode in (("tmp", 0o1777), ("root", 0o700), ("srv", 0o755)):
        os.makedirs(f"{state}/{name}", exist_ok=True)
        os.chmod(f"{state}/{name}", mode)
        ns.bind(f"{state}/{name}", f"{root}/{name}")
    for name in ("mnt", "home", "opt"):
        os.makedirs(f"{root}/{name}")
    os.makedirs(f"{root}/run")
    ns.mount("tmpfs", f"{root}/run", "tmpfs", ns.MS_NOSUID | ns.MS_NODEV, "mode=755,size=256m")
    os.makedirs(f"{root}/proc")
    ns.mount("proc", f"{root}/proc", "proc", ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC)
    os.makedirs(f"{root}/sys")
    ns.mount("sysfs", f"{root}/sys", "sysfs", ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC)
    make_devices(root)
    protect_proc(root)


def empty_once(spec):
    mark = f"{spec['state']}/emptied"
    if os.path.exists(mark):
        return
    for place in EMPTIED:
        top = f"{spec['root']}/{place}"
        for folder, _dirs, files in os.walk(top):
            for name in files:
                os.unlink(f"{folder}/{name}")
    for source, target in spec["seed"]:
        subprocess.run(["cp", "-a", source, f"{spec['root']}{target}"], check=True)
    open(mark, "w").close()


def bind_places(spec):
    root = spec["root"]
    for source, target, read_only in spec["binds"]:
        if os.path.exists(source):
            ns.bind(source, f"{root}{target}", read_only)
    if spec["scratch_size"]:
        scratch = f"{root}/var/lib/vmreplica/scratch"
        os.makedirs(scratch, exist_ok=True)
        ns.mount("tmpfs", scratch, "tmpfs", 0, f"size={spec['scratch_size']},mode=755")
    for path, user, mode in spec["directories"]:
        os.makedirs(f"{root}{path}", exist_ok=True)
        os.chown(f"{root}{path}", *user)
        os.chmod(f"{root}{path}", mode)


class Services:
    """The node's daemons in their order; `respawn` is what their systemd units would do."""

    def __init__(self, spec):
        self.spec, self.children, self.due = spec, {}, []
        self.env = dict(os.environ, **spec["environment"])

    def start(self, service):
        log = os.open(f"/var/log/{service['name']}.out",
                      os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        child = subprocess.Popen(service["command"], stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=log, env=self.env, start_new_session=True, cwd="/",
                                 preexec_fn=lambda: signal.pthread_sigmask(
                                     signal.SIG_SETMASK, []))
        os.close(log)
        self.children[child.pid] = service
        self.write_pids()
        say(f"{service['name']} started, pid {child.pid}")

    def write_pids(self):
        os.makedirs("/run/lab", exist_ok=True)
        for pid, service in self.children.items():
            with open(f"/run/lab/{service['name']}.pid", "w") as file:
                file.write(f"{pid}\n")

    def start_all(self):
        for service in self.spec["services"]:
            self.start(service)
            self.wait_ready(service)

    def wait_ready(self, service):
        deadline = time.monotonic() + 30
        while service["ready"] and time.monotonic() < deadline:
            self.reap()
            if ready(service["ready"]):
                return
            time.sleep(0.05)

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            service = self.children.pop(pid, None)
            if service:
                say(f"{service['name']} ended: {os.waitstatus_to_exitcode(status)}")
                if service["respawn"]:
                    self.due.append((time.monotonic() + 1, service))

    def respawn(self):
        now = time.monotonic()
        for item in [item for item in self.due if item[0] <= now]:
            self.due.remove(item)
            self.start(item[1])


def ready(what):
    """`@name` is an abstract socket, anything else a path."""
    if what.startswith("@"):
        with open("/proc/net/unix") as table:
            return any(line.split()[-1].startswith(what) for line in table)
    return os.path.exists(what)


def main():
    spec = json.loads(sys.argv[1])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT})
    print("alive", flush=True)
    if sys.stdin.readline() != "go\n":      # the supervisor plugs our cable in between
        sys.exit(1)
    make_root(spec)
    empty_once(spec)
    bind_places(spec)
    ns.pivot_root(spec["root"])
    subprocess.run(["hostname", spec["name"]], check=True)
    services = Services(spec)
    services.start_all()
    print("up", flush=True)
    while True:
        signal.sigtimedwait({signal.SIGCHLD}, 1.0)
        services.reap()
        services.respawn()


main()
