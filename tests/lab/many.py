# SPDX-License-Identifier: GPL-2.0-or-later
"""Twenty small VMs that run, are replicated, and write nothing; and what they cost Pacemaker."""
import concurrent.futures
import json
import re
import time

import cib
import replication as rep
import shape as shapes
from case import say, wait_until

COUNT, FREQUENCY_S = 20, 30
NAMES = [f"idle{number}" for number in range(COUNT)]


def replicate(lab):
    """Returns when all replicate and crm_mon says so."""
    start = time.monotonic()
    make_vms(lab)
    say(f"{COUNT} VMs run after {time.monotonic() - start:.0f} s")
    rep.authorize(lab)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: rep.protect(lab, name, frequency=FREQUENCY_S), NAMES))
    say(f"protected after {time.monotonic() - start:.0f} s")
    wait_until("all replicate", lambda: len(healthy(lab)) == COUNT, 120, 2)
    # A node attribute changes once a minute at most: this is where that minute is waited for.
    wait_told(lab, 120)
    say(f"crm_mon says OK of all after {time.monotonic() - start:.0f} s")
    time.sleep(5)


def make_vms(lab, names=tuple(NAMES)):
    """They find nothing to boot."""
    for name in names:
        lab.create_vm(name, "16M")
        path = f"{lab.folder}/site/A/vms/{name}.xml"
        with open(path) as file:
            text = re.sub(r"\n *<(kernel|initrd|cmdline)>.*", "", file.read())
        with open(path, "w") as file:
            file.write(re.sub(r"(<memory unit='MiB'>)\d+", r"\g<1>16", text))
    xml = "".join(cib.virtual_domain(name) for name in names)
    lab.on(rep.node_of(lab, "A"), "cibadmin --modify --allow-create --scope resources "
           f"--xml-text '<resources>{xml}</resources>'")
    wait_until("all VMs run", lambda: sum(
        entry.get("role") == "Started" and entry.get("id") in names
        for entry in lab.crm("A").iter("resource")) == len(names), 150, 2)


def healthy(lab):
    text = lab.vmreplica(rep.node_of(lab, "A"), "status --json")
    return [vm for vm in json.loads(text)["vms"] if vm["name"] in NAMES and vm["seq"] > 0
            and vm["state"] == "Replicating" and vm["health"] == "OK"]


def told(lab, site="A"):
    """What crm_mon says of each."""
    return [entry.get("value") for entry in lab.crm(site).iter("attribute")
            if entry.get("name").startswith("vmreplica-idle")]


def wait_told(lab, timeout):
    for site in lab.shape.sites():
        wait_until(f"crm_mon of {site} says OK of all",
                   lambda: told(lab, site).count("OK") == COUNT, timeout, 2)


def transitions(lab, what, seconds):
    """How many each site's scheduler calculates in SECONDS."""
    before = {site: lab.transitions(site) for site in lab.shape.sites()}
    time.sleep(seconds)
    counts = {site: lab.transitions(site) - before[site] for site in lab.shape.sites()}
    say(f"{what}: transitions in {seconds} s: {counts}")
    return counts
