# SPDX-License-Identifier: GPL-2.0-or-later
"""Twenty running VMs, each replicated every 30 s, cause at most two transitions a minute at either
site, in peace and while the WAN is cut (their health then changes, which crm_mon shows)."""
import json
import re
import time

import cib
import replication as rep
import shape as shapes
from case import require, say, wait_until

TIMEOUT = 420
FRESH = True
SHAPE = {"guest": True}
COUNT, FREQUENCY_S = 20, 30
PEACE_S, CUT_S = 60, 120


def run(lab):
    start = time.monotonic()
    names = [f"idle{number}" for number in range(COUNT)]
    make_vms(lab, names)
    say(f"{COUNT} VMs run after {time.monotonic() - start:.0f} s")
    rep.authorize(lab)
    for name in names:
        rep.protect(lab, name, frequency=FREQUENCY_S)
    say(f"protected after {time.monotonic() - start:.0f} s")
    wait_until("all replicate", lambda: all_are(lab, "Replicating", "OK"), 120, 2)
    say(f"all replicate after {time.monotonic() - start:.0f} s")
    wait_quiet(lab)
    watch(lab, "in peace", PEACE_S)
    lab.cut("wan")
    watch(lab, "with the WAN cut", CUT_S)
    require(not all_are(lab, "Replicating", "OK", least=1), "nobody noticed that the WAN is cut")
    lab.heal("wan")


def make_vms(lab, names):
    """Small VMs that find nothing to boot: they run, and write nothing."""
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
    wait_until("all VMs run", lambda: running(lab, names) == COUNT, 120, 2)


def running(lab, names):
    return sum(entry.get("role") == "Started" and entry.get("id") in names
               for entry in lab.crm("A").iter("resource"))


def all_are(lab, state, health, least=COUNT):
    text = lab.vmreplica(rep.node_of(lab, "A"), "status --json")
    return sum(vm["state"] == state and vm["health"] == health and vm["seq"] > 0
               for vm in json.loads(text)["vms"]) >= least


def wait_quiet(lab):
    """What making them caused is over: each attribute has told its `OK`."""
    def told():
        values = [entry.get("value") for entry in lab.crm("A").iter("attribute")
                  if entry.get("name").startswith("vmreplica-idle")]
        return len(values) == COUNT and set(values) == {"OK"}
    wait_until("crm_mon says OK of all", told, 90, 2)
    time.sleep(5)


def watch(lab, what, seconds):
    before = {site: lab.transitions(site) for site in shapes.SITES}
    time.sleep(seconds)
    for site in shapes.SITES:
        count = lab.transitions(site) - before[site]
        say(f"site {site} {what}: {count} transitions in {seconds} s")
        require(count <= 2 * seconds / 60, f"site {site}: {count} transitions in {seconds} s")
