# SPDX-License-Identifier: GPL-2.0-or-later
"""The few system calls that Python 3.11 does not offer: mount, pivot_root, setns, prctl."""
import ctypes
import os
import signal

_libc = ctypes.CDLL(None, use_errno=True)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
NODE_NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
PR_SET_PDEATHSIG = 1
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


def _check(result, what):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _bytes(text):
    return None if text is None else str(text).encode()


def mount(source, target, fstype=None, flags=0, data=None):
    _check(_libc.mount(_bytes(source), _bytes(target), _bytes(fstype), ctypes.c_ulong(flags),
                       _bytes(data)), f"mount {source} on {target}")


def bind(source, target, read_only=False):
    """Bind SOURCE on TARGET, creating the target as a file or directory like the source."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    mount(source, target, None, MS_BIND | MS_REC)
    if read_only:
        mount(None, target, None, MS_BIND | MS_REMOUNT | MS_RDONLY)


def unmount(target):
    _check(_libc.umount2(_bytes(target), MNT_DETACH), f"umount {target}")


def make_private():
    mount(None, "/", None, MS_REC | MS_PRIVATE)


def pivot_root(new_root):
    """Make NEW_ROOT the root and let go of the old one."""
    os.chdir(new_root)
    dot = ctypes.c_char_p(b".")
    number = SYS_PIVOT_ROOT[os.uname().machine]
    _check(_libc.syscall(ctypes.c_long(number), dot, dot), f"pivot_root {new_root}")
    _check(_libc.umount2(b".", MNT_DETACH), "umount old root")
    os.chdir("/")


def enter(pidfd):
    """Enter all namespaces of a node; children forked from now on live in its pid namespace."""
    _check(_libc.setns(pidfd, NODE_NAMESPACES), "setns")
    os.chdir("/")


def die_with_parent(sig=signal.SIGKILL):
    _libc.prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)
