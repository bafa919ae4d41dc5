# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration files of the nodes: Corosync, libvirt, users, hosts, vmreplica."""
import os
import shutil
import stat

from shape import (broker_address, address, host_uuid, site_name, site_of)

VMREPLICA_ID = 990      # user and group inside the nodes, where no package makes them


def corosync_conf(shape, site):
    """Corosync's parser wants `{` to be the last thing on its line."""
    nodes = "".join(
        f"    node {{\n        ring0_addr: {address(name)}\n        name: {name}\n"
        f"        nodeid: {number}\n    }}\n"
        for number, name in enumerate(shape.node_names(site), 1))
    two_node = "    two_node: 1\n" if shape.nodes == 2 else ""
    return (f"totem {{\n    version: 2\n    cluster_name: {site_name(site)}\n"
            "    transport: knet\n    token: 3000\n    crypto_cipher: none\n"
            "    crypto_hash: none\n}\n"
            f"nodelist {{\n{nodes}}}\n"
            f"quorum {{\n    provider: corosync_votequorum\n{two_node}}}\n"
            "logging {\n    to_syslog: no\n    to_stderr: no\n    to_logfile: yes\n"
            "    logfile: /var/log/corosync/corosync.log\n    timestamp: hires\n}\n")


def hosts(shape):
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost"]
    for site in shape.sites():
        lines += [f"{address(n)} {n} {n}.{site_name(site)}" for n in shape.node_names(site)]
        target = address(shape.node_names(site)[0]) if shape.alone(site) else broker_address(site)
        lines.append(f"{target} {site_name(site)}")
    return "\n".join(lines) + "\n"


def libvirtd_conf(lab, node):
    return (f'host_uuid = "{host_uuid(lab, node)}"\n'
            'listen_tls = 0\nlisten_tcp = 1\nauth_tcp = "none"\n'
            'auth_unix_ro = "none"\nauth_unix_rw = "none"\nunix_sock_group = "libvirt"\n'
            'unix_sock_ro_perms = "0777"\nunix_sock_rw_perms = "0770"\n'
            'log_outputs = "2:file:/var/log/libvirt/libvirtd.log"\n')


def qemu_conf(shape):
    """Debian's defaults: QEMU as libvirt-qemu, dynamic ownership, remembered owners, mount
    namespaces.  Nodes of a site share one inode for each disk, so the remembered owner's
    reference count spans a live migration: with remember_owner = 0 the source would give the
    disk back to root while the target uses it.  There is no cgroup mount in a node."""
    if not shape.qemu_root:
        return 'cgroup_controllers = []\n'
    return ('cgroup_controllers = []\nuser = "root"\ngroup = "root"\nsecurity_driver = "none"\n'
            'remember_owner = 0\n')


def vmreplica_conf(shape, node):
    site = site_of(node)
    text = f"[site]\nname = {site_name(site)}\n\n[node]\nname = {node}\n"
    if shape.alone(site):
        text += f"replication-address = {address(node)}\n\n[standalone]\nenabled = yes\n"
    text += "\n[scratch]\ndirectory = /var/lib/vmreplica/scratch\nreserve = 64M\ncap = 1G\n"
    text += "\n[replica]\nboot-directory = /srv/vms/boot\n"
    text += "\n[store]\nreserve = 64M\n"
    return text


def write(path, text, mode=0o644, owner=(0, 0)):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    os.chown(path, *owner)


def write_users(etc):
    """Add vmreplica to copies of the host's user database; nothing on the host changes."""
    lines = {"passwd": f"vmreplica:x:{VMREPLICA_ID}:{VMREPLICA_ID}:vmreplica"
                       ":/var/lib/vmreplica:/usr/sbin/nologin",
             "group": f"vmreplica:x:{VMREPLICA_ID}:",
             "shadow": "vmreplica:!:19000::::::", "gshadow": "vmreplica:!::"}
    for name, line in lines.items():
        source = f"/etc/{name}"
        if not os.path.exists(source):
            continue
        with open(source) as file:
            kept = [old for old in file.read().splitlines() if not old.startswith("vmreplica:")]
        info = os.stat(source)
        write(f"{etc}/{name}", "\n".join(kept + [line]) + "\n", stat.S_IMODE(info.st_mode),
              (info.st_uid, info.st_gid))


def write_node(shape, lab, node, upper, pki):
    """Fill the upper layer of the node's /etc before it is mounted for the first time."""
    etc = f"{upper}/etc"
    write(f"{etc}/hostname", f"{node}\n")
    write(f"{etc}/hosts", hosts(shape))
    write(f"{etc}/libvirt/libvirtd.conf", libvirtd_conf(lab, node))
    write(f"{etc}/libvirt/qemu.conf", qemu_conf(shape), 0o600)
    write(f"{etc}/corosync/corosync.conf", corosync_conf(shape, site_of(node)))
    write(f"{etc}/vmreplica/vmreplica.conf", vmreplica_conf(shape, node))
    write_users(etc)
    folder = f"{etc}/vmreplica/pki"
    os.makedirs(folder, exist_ok=True)
    for name, source in pki.files(node).items():
        shutil.copyfile(source, f"{folder}/{name}")
        os.chmod(f"{folder}/{name}", 0o640 if name.endswith(".key") else 0o644)
        os.chown(f"{folder}/{name}", 0, VMREPLICA_ID if name.endswith(".key") else 0)
