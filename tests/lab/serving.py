# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in a node: notes ten times a second who serves at the broker's port there, and who has files
of a replica's store open, until the file STOP is there or the node loses its power.

    serving.py STORAGE OUTPUT STOP

Each line of OUTPUT is JSON: the time (all nodes of the lab have one clock), and pids by kind.
"""
import glob
import json
import os
import sys
import time

BROKER_PORT = "21CA"        # 8650
LISTENING = "0A"
WRITERS = ("qemu-storage-da", "vmreplica-recei")    # as the kernel cuts them off


def broker():
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as file:
            for line in file:
                fields = line.split()
                if fields[1].endswith(f":{BROKER_PORT}") and fields[3] == LISTENING:
                    return [fields[9]]      # its socket: a broker that is started anew has another
    return []


def has_open(folder, storage):
    for link in glob.glob(f"{folder}/fd/*"):
        try:
            if os.readlink(link).startswith(f"{storage}/"):
                return True
        except OSError:
            continue
    return False


def writers(storage):
    found = []
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(f"{folder}/comm") as file:
                name = file.read().strip()
        except OSError:
            continue
        if name in WRITERS and has_open(folder, storage):
            found.append(os.path.basename(folder))
    return found


def main():
    storage, output, stop = sys.argv[1:]
    with open(output, "a") as file:
        while not os.path.exists(stop):
            entry = {"time": time.time(), "broker": broker(), "writer": writers(storage)}
            file.write(json.dumps(entry) + "\n")
            file.flush()
            time.sleep(0.1)


main()
