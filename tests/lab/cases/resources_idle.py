# SPDX-License-Identifier: GPL-2.0-or-later
"""Twenty VMs' replication resources that do nothing cause at most two transitions a minute."""
import json
import time

import replication as rep
from case import require, say, wait_until

SOAK = True     # twenty resources take minutes to make
TIMEOUT = 420
FRESH = True
COUNT = 20


def run(lab):
    """The VMs are shut off (their disks do not change): what is counted is our own noise."""
    rep.authorize(lab)
    node = rep.node_of(lab, "A")
    for number in range(COUNT):
        name = f"idle{number}"
        lab.create_vm(name, "16M")
        lab.on(node, f"virsh define /srv/vms/{name}.xml >/dev/null; "
               f"pcs resource create {name} ocf:heartbeat:VirtualDomain config=/srv/vms/{name}.xml "
               "hypervisor=qemu:///system meta target-role=Stopped --disabled", 60)
        rep.protect(lab, name, frequency=900)
    wait_until("all are known", lambda: len(known(lab)) == COUNT, 60)
    time.sleep(20)
    before = {site: lab.transitions(site) for site in "AB"}
    time.sleep(60)
    for site in "AB":
        count = lab.transitions(site) - before[site]
        say(f"site {site}: {count} transitions in a minute")
        require(count <= 2, f"site {site}: {count} transitions in a minute")


def known(lab):
    text = lab.vmreplica(rep.node_of(lab, "B"), "status --json")
    return [vm for vm in json.loads(text)["vms"] if vm["name"].startswith("idle")]
