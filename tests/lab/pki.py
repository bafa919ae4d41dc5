# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates of the lab: one CA, one certificate a node (a small stand-in made by openssl)."""
import os
import subprocess
import tempfile

from shape import address, broker_address, broker_address6, site_name, site_of

EXTENSIONS = """basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectAltName={names}
"""


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class Pki:
    def __init__(self, folder):
        self.folder = folder
        self.ca = f"{folder}/ca"

    def create(self, shape):
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self.create_ca()
        for node in shape.all_nodes():
            site = site_name(site_of(node))
            self.issue(node, [f"DNS:{node}.{site}", f"DNS:{site}",
                              f"IP:{broker_address(site_of(node))}",
                              f"IP:{broker_address6(site_of(node))}",
                              # Where its own broker listens on a host without a cluster.
                              *([f"IP:{address(node)}"] if shape.alone(site_of(node)) else [])])

    def create_ca(self, name="ca", subject="vmreplica lab CA"):
        base = f"{self.folder}/{name}"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{base}.key", "-out", f"{base}.crt", "-days", "90",
                "-subj", f"/CN={subject}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, alternative_names, days=90, ca="ca"):
        """Make NAME.crt and NAME.key; days < 0 makes an expired one, another CA a foreign one."""
        base = f"{self.folder}/{name}"
        extensions = f"{base}.ext"
        with open(extensions, "w") as file:
            file.write(EXTENSIONS.format(names=",".join(alternative_names)))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{base}.key", "-out", f"{base}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{base}.csr", "-CA", f"{self.folder}/{ca}.crt",
                "-CAkey", f"{self.folder}/{ca}.key", "-CAcreateserial", "-out", f"{base}.crt",
                "-days", str(days), "-extfile", extensions)

    def files(self, node):
        return {"ca.crt": f"{self.ca}.crt", "node.crt": f"{self.folder}/{node}.crt",
                "node.key": f"{self.folder}/{node}.key"}


NODE_PKI = "/etc/vmreplica/pki"


def put(lab, node, days):
    """Give a node of A another certificate by the lab's authority, for its own names."""
    folder = f"{lab.folder}/site/A/vms/certificate"
    with tempfile.TemporaryDirectory() as work:
        script = (
            f"openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {work}/key"
            f" -subj /CN={node} -out {work}/csr && printf 'subjectAltName=DNS:{node}.a.example,"
            "DNS:a.example\nextendedKeyUsage=serverAuth,clientAuth\n' > " f"{work}/ext && "
            f"openssl x509 -req -in {work}/csr -CA {lab.folder}/pki/ca.crt -CAkey "
            f"{lab.folder}/pki/ca.key -CAserial {work}/serial -CAcreateserial -days {days} -extfile "
            f"{work}/ext -out {work}/crt && mkdir -p {folder} && cp {work}/key {work}/crt {folder}/")
        subprocess.run(["sh", "-c", script], check=True, capture_output=True)
    lab.on(node, f"cd /srv/vms/certificate && cp crt {NODE_PKI}/node.crt && "
           f"cp key {NODE_PKI}/node.key && rm -r /srv/vms/certificate && "
           f"chgrp vmreplica {NODE_PKI}/node.key && chmod 640 {NODE_PKI}/node.key")
