# SPDX-License-Identifier: GPL-2.0-or-later
"""What a lab looks like: sites, nodes, addresses, where its state lives.  Pure data."""
import dataclasses
import hashlib
import json
import os
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
STAGE = os.environ.get("VMREPLICA_LAB_STAGE") or os.path.join(TOP, "_stage")
CACHE = os.environ.get("VMREPLICA_LAB_CACHE") or os.path.join(TOP, "_build", "lab-cache")

SITES = {"A": 1, "B": 2, "C": 3}    # C: see Shape.third
PREFIX_LENGTH = 16
NAMESPACE = uuid.UUID("6f3c2c0e-7d0b-4b61-9d0c-1f6d1c0a5b77")


class LabError(Exception):
    """Something a user of the lab can understand and do something about."""


@dataclasses.dataclass
class Shape:
    nodes: int = 2              # per site
    standalone: bool = False    # one host a site with libvirt only, no cluster
    third: bool = False         # a site C: one host with libvirt only, behind B
    bare: bool = False          # everything but the product's resources
    wan_rate: str = "100mbit"
    disk_size: str = "512M"
    record_rate: int = 20       # records a second that web1 writes
    guest: bool = True
    qemu_root: bool = False     # debugging switch: hides every permission problem of a real host
    scratch_size: str = ""      # a tmpfs of this size as the scratch directory of each node

    def node_names(self, site):
        count = 1 if self.alone(site) else self.nodes
        return [f"{site.lower()}{n}" for n in range(1, count + 1)]

    def all_nodes(self):
        return [name for site in self.sites() for name in self.node_names(site)]

    def sites(self):
        return ["A", "B", "C"] if self.third else ["A", "B"]

    def alone(self, site):
        """SITE is one host without a cluster."""
        return self.standalone or site == "C"

    def clusters(self):
        return [site for site in self.sites() if not self.alone(site)]

    def key(self):
        """Cases whose shapes have the same key may share a running lab."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def site_of(node):
    return node[0].upper()


def site_name(site):
    return f"{site.lower()}.example"


def address(node):
    return f"10.77.{SITES[site_of(node)]}.{int(node[1:])}"


def broker_address(site):
    return f"10.77.{SITES[site]}.100"


def address6(node):
    return f"fd77::{SITES[site_of(node)]}:{int(node[1:])}"


def broker_address6(site):
    """For cases that move the broker there; certificates hold for it from the start."""
    return f"fd77::{SITES[site]}:100"


def host_uuid(lab, node):
    return str(uuid.uuid5(NAMESPACE, f"{lab}/{node}"))


def lab_id():
    name = os.environ.get("VMREPLICA_LAB", "")
    if name:
        if not name.replace("-", "").replace("_", "").isalnum() or len(name) > 40:
            raise LabError(f"VMREPLICA_LAB={name}: letters, digits, - and _ only, at most 40")
        return name
    return hashlib.sha256(TOP.encode()).hexdigest()[:8]


def state_dir():
    """All state of one lab.  Neither below /usr, /etc nor /var: those are lower layers of the
    nodes' overlays, and the kernel refuses an upper layer inside its own lower layer."""
    base = os.environ.get("VMREPLICA_LAB_DIR", "/tmp")
    for lower in ("/usr", "/etc", "/var"):
        if os.path.realpath(base).startswith(lower):
            raise LabError(f"VMREPLICA_LAB_DIR={base}: must not be below {lower}")
    return os.path.join(base, f"vmreplica-lab-{lab_id()}")


def product_staged():
    return os.path.exists(os.path.join(STAGE, "usr/sbin/vmreplica-engine"))


def clean_environment():
    """What the lab's processes inherit: nothing of the caller's own set-up."""
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
           "HOME": "/root", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "USER": "root",
           "TERM": os.environ.get("TERM", "dumb")}
    env.update({k: v for k, v in os.environ.items() if k.startswith("VMREPLICA_")})
    return env
