# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster's database as each node finds it at its first start.

Writing it before the first start saves a DC election of 20 s (dc-deadtime) and about a second
for each pcs call.  Everything here is what pcs would have made.
"""
from xml.sax.saxutils import quoteattr

from shape import PREFIX_LENGTH, broker_address

PROPERTIES = {"dc-deadtime": "3s", "stonith-enabled": "true", "stonith-timeout": "60s",
              "cluster-recheck-interval": "60s", "have-watchdog": "false"}


def nvpairs(owner, kind, values):
    if not values:
        return ""
    pairs = "".join(f"<nvpair id={quoteattr(f'{owner}-{kind}-{name}')} name={quoteattr(name)} "
                    f"value={quoteattr(str(value))}/>" for name, value in values.items())
    return f'<{kind} id="{owner}-{kind}">{pairs}</{kind}>'


def operations(owner, values):
    rows = "".join(f'<op id="{owner}-{name}" name="{name}" interval="{interval}" '
                   f'timeout="{timeout}"/>' for name, (interval, timeout) in values.items())
    return f"<operations>{rows}</operations>" if rows else ""


def primitive(name, agent, parameters=None, meta=None, ops=None):
    kind, provider, agent_type = agent if len(agent) == 3 else (agent[0], None, agent[1])
    provided = f'provider="{provider}" ' if provider else ""
    return (f'<primitive id="{name}" class="{kind}" {provided}type="{agent_type}">'
            + nvpairs(name, "instance_attributes", parameters) + operations(name, ops or {})
            + nvpairs(name, "meta_attributes", meta) + "</primitive>")


def fencing(shape, site):
    """Without a majority both halves of a split would shoot each other: of two nodes the first
    is given a head start (its own fencing is delayed)."""
    names = shape.node_names(site)
    parameters = {"pcmk_host_list": " ".join(names), "pcmk_host_check": "static-list"}
    if len(names) == 2:
        parameters["pcmk_delay_base"] = f"{names[0]}:3s;{names[1]}:0s"
    return primitive("fence", ("stonith", "fence_lab"), parameters,
                     ops={"monitor": ("60s", "30s")})


def virtual_domain(name):
    return primitive(
        name, ("ocf", "heartbeat", "VirtualDomain"),
        {"config": f"/srv/vms/{name}.xml", "hypervisor": "qemu:///system",
         "migration_transport": "tcp", "migrate_options": "--unsafe", "force_stop": "false"},
        {"allow-migrate": "true"},
        {"start": ("0s", "90s"), "stop": ("0s", "60s"), "monitor": ("10s", "30s"),
         "migrate_to": ("0s", "120s"), "migrate_from": ("0s", "60s")})


def broker_group(site):
    address = broker_address(site)
    return ('<group id="vmreplica">'
            + primitive("vmreplica-ip", ("ocf", "heartbeat", "IPaddr2"),
                        {"ip": address, "cidr_netmask": PREFIX_LENGTH, "nic": "eth0"},
                        ops={"monitor": ("10s", "20s")})
            + primitive("vmreplica-broker", ("ocf", "vmreplica", "broker"),
                        {"address": address},
                        ops={"start": ("0s", "30s"), "stop": ("0s", "30s"),
                             "monitor": ("10s", "20s")})
            + "</group>")


def engine_clone():
    return ('<clone id="vmreplica-engine-clone">'
            + primitive("vmreplica-engine", ("ocf", "vmreplica", "engine"), {}, None,
                        {"start": ("0s", "60s"), "stop": ("0s", "60s"),
                         "monitor": ("10s", "20s")})
            + nvpairs("vmreplica-engine-clone", "meta_attributes", {"interleave": "true"})
            + "</clone>")


def document(shape, site, product, guests):
    names = shape.node_names(site)
    nodes = "".join(f'<node id="{number}" uname="{name}"/>'
                    for number, name in enumerate(names, 1))
    resources = fencing(shape, site) + "".join(virtual_domain(guest) for guest in guests)
    if product:
        resources += broker_group(site) + engine_clone()
    properties = "".join(f'<nvpair id="cib-bootstrap-options-{name}" name="{name}" '
                         f'value="{value}"/>' for name, value in PROPERTIES.items())
    return ('<?xml version="1.0"?>\n'
            '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" '
            'num_updates="0" admin_epoch="0"><configuration><crm_config>'
            f'<cluster_property_set id="cib-bootstrap-options">{properties}'
            '</cluster_property_set></crm_config>'
            f'<nodes>{nodes}</nodes><resources>{resources}</resources><constraints/>'
            '<rsc_defaults><meta_attributes id="rsc-options"><nvpair id="rsc-options-stickiness" '
            'name="resource-stickiness" value="1"/></meta_attributes></rsc_defaults>'
            '</configuration><status/></cib>\n')
