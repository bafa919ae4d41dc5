# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's guest: a distribution kernel (downloaded and unpacked, never installed), an initramfs
of busybox and the writer, its disks and its domain XML.  Built once into the cache."""
import glob
import os
import shutil
import subprocess
import uuid

import shape as shapes

GUEST = f"{shapes.CACHE}/guest"
SOURCE = f"{shapes.HERE}/guest"
KERNEL_PACKAGE = "linux-image-cloud-amd64"
# In this order, each needs the ones before it.  button and evdev are the ACPI power button.
MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
           "virtio_blk", "button", "evdev")
# Besides, for guests with an agent: its channel, and a file system that can be frozen.
AGENT_MODULES = ("virtio_console", "crc32c_generic", "crc16", "mbcache", "jbd2", "ext4")
UEFI_MODULES = ("efivarfs",)        # loaded where there is UEFI
ALL_MODULES = MODULES + AGENT_MODULES + UEFI_MODULES
AGENT = "/usr/sbin/qemu-ga"
MACHINE = "pc-q35-7.2"
MEMORY_MIB = 160
UEFI_MEMORY_MIB = 256
PROBE_TIMEOUT_S = 20


def newest(*paths):
    return max(os.path.getmtime(path) for path in paths)


def run(command, **options):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            **options)
    if result.returncode != 0:
        raise shapes.LabError(f"{' '.join(command)}: {result.stdout.strip()}")
    return result.stdout


def kernel(progress):
    """Download and unpack the kernel once.  The package of that name only depends on the real
    one, whose name carries the version."""
    unpacked = f"{shapes.CACHE}/kernel"
    mark = f"{unpacked}/modules"
    if not os.path.exists(mark) or read(mark).decode().split() != list(ALL_MODULES):
        shutil.rmtree(unpacked, ignore_errors=True)
        os.makedirs(unpacked, exist_ok=True)
        depends = run(["apt-cache", "depends", "--important", KERNEL_PACKAGE])
        names = [line.split()[-1] for line in depends.splitlines() if "linux-image-" in line]
        real = next(name for name in names if name != KERNEL_PACKAGE)
        progress(f"downloading {real} (about 27 MB, unpacked only)")
        run(["apt-get", "-q", "download", real], cwd=unpacked)
        package = glob.glob(f"{unpacked}/{real}_*.deb")[0]
        run(["dpkg-deb", "-x", package, unpacked])
        os.unlink(package)
        keep_only(unpacked)
        with open(mark, "w") as file:
            file.write(" ".join(ALL_MODULES))
    return glob.glob(f"{unpacked}/boot/vmlinuz-*")[0]


def module_path(unpacked, name):
    found = glob.glob(f"{unpacked}/lib/modules/*/kernel/**/{name}.ko*", recursive=True)
    return found[0] if found else None      # built in


def keep_only(unpacked):
    """Of 100 MB of modules the guests need a dozen."""
    wanted = {module_path(unpacked, name) for name in ALL_MODULES}
    for path in glob.glob(f"{unpacked}/lib/modules/*/kernel/**/*.ko*", recursive=True):
        if path not in wanted:
            os.unlink(path)


class Cpio:
    """A `newc` archive, written here so that no device node has to be made on the host."""

    def __init__(self):
        self.parts, self.inode = [], 0

    def add(self, name, mode, data=b"", device=(0, 0)):
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        entry = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        entry += b"\0" * (-len(entry) % 4) + data
        self.parts.append(entry + b"\0" * (-len(entry) % 4))

    def finish(self):
        self.add("TRAILER!!!", 0)
        return b"".join(self.parts)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def add_agent(archive):
    """The distribution's own guest agent, with the libraries that it wants."""
    libraries = {word for word in run(["ldd", AGENT]).split() if word.startswith("/")}
    folders = {os.path.dirname(path) for path in libraries | {AGENT}}
    for folder in sorted({"/".join(folder.split("/")[:end + 1]) for folder in folders
                          for end in range(1, folder.count("/") + 1)}):
        archive.add(folder[1:], 0o40755)
    for path in sorted(libraries | {AGENT}):
        archive.add(path[1:], 0o100755, read(os.path.realpath(path)))


def build_initramfs(target, writer, unpacked, agent=False):
    archive, order = Cpio(), []
    for name in ("bin", "dev", "proc", "sys", "modules", "run", "data"):
        archive.add(name, 0o40755)
    if agent:
        add_agent(archive)
    archive.add("dev/console", 0o20600, device=(5, 1))
    archive.add("bin/busybox", 0o100755, read("/bin/busybox"))
    archive.add("init", 0o100755, read(f"{SOURCE}/init"))
    archive.add("writer", 0o100755, read(writer))
    for name in MODULES + (AGENT_MODULES if agent else ()):
        path = module_path(unpacked, name)
        if path:
            order.append(os.path.basename(path))
            archive.add(f"modules/{order[-1]}", 0o100644, read(path))
    for name in UEFI_MODULES if agent else ():
        path = module_path(unpacked, name)
        if path:
            archive.add(f"modules/{os.path.basename(path)}", 0o100644, read(path))
    archive.add("modules/order", 0o100644, "\n".join(order).encode() + b"\n")
    with open(target + ".new", "wb") as file:
        file.write(archive.finish())
    os.rename(target + ".new", target)


def build(progress):
    """Kernel, writer and initramfs in the cache, each made only when it is missing or old."""
    os.makedirs(GUEST, exist_ok=True)
    vmlinuz, writer, initrd = f"{GUEST}/vmlinuz", f"{GUEST}/writer", f"{GUEST}/initrd"
    image = kernel(progress)
    if not os.path.exists(vmlinuz):
        shutil.copyfile(image, vmlinuz)
    sources = sorted(glob.glob(f"{SOURCE}/*.c"))
    if not os.path.exists(writer) \
            or newest(writer) < newest(*sources, *glob.glob(f"{SOURCE}/*.h")):
        progress("compiling the guest's writer")
        run(["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-static", "-pthread",
             "-o", writer, *sources])
    for path, agent in ((initrd, False), (f"{initrd}-agent", True)):
        if not os.path.exists(path) or newest(path) < newest(writer, f"{SOURCE}/init",
                                                             f"{shapes.CACHE}/kernel/modules"):
            build_initramfs(path, writer, f"{shapes.CACHE}/kernel", agent)
    accelerator(progress)


def accelerator(progress=lambda text: None):
    """`kvm` or `tcg`.  /dev/kvm may exist and still not run a guest: one short boot tells."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        boot = file.read().strip()
    mark = f"{GUEST}/accelerator"
    if os.path.exists(mark):
        known, found = read(mark).decode().split()
        if known == boot:
            return found
    found = "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and kvm_boots(progress) else "tcg"
    progress(f"guests run with {found}")
    with open(mark, "w") as file:
        file.write(f"{boot} {found}\n")
    return found


def kvm_boots(progress):
    progress("trying /dev/kvm with a short boot")
    command = ["qemu-system-x86_64", "-accel", "kvm", "-machine", "q35", "-m", str(MEMORY_MIB),
               "-display", "none", "-nodefaults", "-serial", "stdio", "-no-reboot",
               "-kernel", f"{GUEST}/vmlinuz", "-initrd", f"{GUEST}/initrd",
               "-append", "console=ttyS0 quiet panic=-1 lab_probe=1"]
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=PROBE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return False
    return b"lab-probe-ok" in result.stdout


def cache_mode(folder):
    """`none` where the file system can do O_DIRECT (a tmpfs of an older kernel cannot)."""
    path = f"{folder}/.direct"
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_DIRECT, 0o600))
        return "none"
    except OSError:
        return "writeback"
    finally:
        if os.path.exists(path):
            os.unlink(path)


def disk_xml(path, target, cache):
    return (f"    <disk type='file' device='disk'>\n"
            f"      <driver name='qemu' type='qcow2' cache='{cache}' discard='unmap'/>\n"
            f"      <source file='{path}'/>\n      <target dev='{target}' bus='virtio'/>\n"
            f"    </disk>\n")


CHANNEL_XML = """    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
"""


# Without persistent_state libvirt removes it whenever the (transient) domain stops.
TPM_XML = """    <tpm model='tpm-crb'>
      <backend type='emulator' version='2.0' persistent_state='yes'/>
    </tpm>
"""


def firmware_xml(name):
    """libvirt chooses it; the variables are on the site's shared storage."""
    return f"""
    <firmware>
      <feature enabled='no' name='secure-boot'/>
    </firmware>
    <nvram>/srv/vms/{name}_VARS.fd</nvram>"""


def domain_xml(name, record_rate, cache, agent=False, uefi=False):
    """VirtualDomain finds the name by a line-based match: it stands alone on its line."""
    accel = accelerator()
    disks = "".join(disk_xml(f"/srv/vms/{name}-{disk}.qcow2", disk, cache)
                    for disk in ("vda", "vdb") + (("vdc",) if agent else ()))
    return f"""<domain type='{'kvm' if accel == 'kvm' else 'qemu'}'>
  <name>{name}</name>
  <uuid>{uuid.uuid5(shapes.NAMESPACE, f"{shapes.lab_id()}/{name}")}</uuid>
  <memory unit='MiB'>{UEFI_MEMORY_MIB if uefi else MEMORY_MIB}</memory>
  <vcpu>1</vcpu>
  <os{" firmware='efi'" if uefi else ''}>
    <type arch='x86_64' machine='{MACHINE}'>hvm</type>{firmware_xml(name) if uefi else ''}
    <kernel>/srv/vms/boot/vmlinuz</kernel>
    <initrd>/srv/vms/boot/initrd{'-agent' if agent else ''}</initrd>
    <cmdline>console=ttyS0 quiet panic=1 mitigations=off lab_rate={record_rate}\
{' lab_agent=1' if agent else ''}{' lab_uefi=1' if uefi else ''}</cmdline>
  </os>
  <features>
    <acpi/>
    <apic/>
  </features>
  <cpu mode='custom' match='exact'>
    <model>qemu64</model>
  </cpu>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
{disks}{CHANNEL_XML if agent else ''}{TPM_XML if uefi else ''}    <controller type='usb' model='none'/>
    <serial type='pty'>
      <target port='0'/>
      <log file='/var/log/libvirt/qemu/{name}-console.log' append='on'/>
    </serial>
    <serial type='unix'>
      <source mode='bind' path='/var/lib/libvirt/qemu/{name}-control.sock'/>
      <target port='1'/>
    </serial>
    <video>
      <model type='none'/>
    </video>
    <memballoon model='none'/>
  </devices>
</domain>
"""


def create_file_system(path):
    """An ext4 in a disk image, its journal and tables written whole."""
    run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", f"{path}.raw",
         "16M"])
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", f"{path}.raw", path])
    os.unlink(f"{path}.raw")


def create_vm(shape, vms, name, disk_size=None, agent=False, uefi=False):
    for disk in ("vda", "vdb"):
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", "compat=1.1",
             f"{vms}/{name}-{disk}.qcow2", disk_size or shape.disk_size])
        os.chmod(f"{vms}/{name}-{disk}.qcow2", 0o600)   # as virt-install makes them
    with open(f"{vms}/{name}.xml", "w") as file:
        file.write(domain_xml(name, shape.record_rate, cache_mode(vms), agent, uefi))
    if agent:
        create_file_system(f"{vms}/{name}-vdc.qcow2")


def prepare_site(shape, vms, with_guest):
    """Both sites have the kernel at the same path: the replica VM's domain XML names it."""
    os.makedirs(f"{vms}/boot")
    for name in ("vmlinuz", "initrd", "initrd-agent"):
        shutil.copyfile(f"{GUEST}/{name}", f"{vms}/boot/{name}")
    if with_guest:
        create_vm(shape, vms, "web1")
