# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in a node: what its processes show of who does what, as JSON.

  brokers   pids of vmreplica-broker whose parent is none
  listening what vmreplica-broker listens at, of its TCP ports
  guests    {VM: how many QEMU processes}
  stores    {directory: {pid: [program, parent]}} of those that can write in a replica's store:
            they have a file there open for writing
"""
import json
import os
import re

STORE = re.compile(r"(/srv/replica/[^/]+/[^/]+)/")


def program(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).removesuffix(" (deleted)")
    except OSError:
        return ""


def parent(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])


def written_stores(pid):
    found = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        path = STORE.match(os.readlink(f"/proc/{pid}/fd/{number}"))
        with open(f"/proc/{pid}/fdinfo/{number}") as file:
            flags = int(re.search(r"flags:\s*(\d+)", file.read()).group(1), 8)
        if path and flags & os.O_ACCMODE != os.O_RDONLY:
            found.add(path.group(1))
    return found


def listening(pids):
    """Local ports of the listening sockets that the processes have."""
    sockets = set()
    for pid in pids:
        for number in os.listdir(f"/proc/{pid}/fd"):
            sockets.update(re.findall(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{number}")))
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as file:
            rows = [line.split() for line in file.readlines()[1:]]
        found.update(int(row[1].rsplit(":", 1)[1], 16) for row in rows
                     if row[3] == "0A" and row[9] in sockets)
    return sorted(found)


def guest_name(pid):
    with open(f"/proc/{pid}/cmdline") as file:
        found = re.search(r"\0guest=([^,\0]+)", file.read())
    return found.group(1) if found else ""


def main():
    programs, guests, stores = {}, {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            programs[int(pid)] = name = program(pid)
            if name.startswith("qemu-system-"):
                guests[guest_name(pid)] = guests.get(guest_name(pid), 0) + 1
            for store in written_stores(pid):
                stores.setdefault(store, {})[pid] = [name, parent(pid)]
        except (OSError, AttributeError):
            continue        # it has just ended, or just closed that file
    brokers = [pid for pid, name in programs.items() if name == "vmreplica-broker"]
    first = [pid for pid in brokers if programs.get(parent(pid)) != "vmreplica-broker"]
    print(json.dumps({"brokers": first, "listening": listening(brokers), "guests": guests,
                      "stores": stores}))


main()
