#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ocf:vmreplica:vm against real libvirt and QEMU, with no engine: what it must end it ends, what it must
# leave it leaves, and a hung libvirtd neither fails the stop nor keeps the job. Skipped (77) where
# private hosts cannot be had.
set -u

if [ -z "${VMREPLICA_TEST_DIRECTORY-}" ]; then
    [ -r "${OCF_ROOT:=/usr/lib/ocf}/lib/heartbeat/ocf-shellfuncs" ] || exit 77
    source=$(cd "${srcdir:-.}" && pwd)
    exec "$source/tests/unit/live-libvirt.sh" bash "$source/tests/unit/check-agents-libvirt.sh" "$source" "$PWD"
fi

source=$1
build=$2
store=$VMREPLICA_TEST_DIRECTORY
: "${OCF_ROOT:=/usr/lib/ocf}"
export OCF_ROOT OCF_RA_VERSION_MAJOR=1 OCF_RA_VERSION_MINOR=1 HA_LOGFILE=/var/log/agents.log
export OCF_RESOURCE_INSTANCE=guest-replica OCF_RESKEY_CRM_meta_timeout=20000 OCF_RESKEY_CRM_meta_interval=10000
export OCF_RESKEY_relationship=11111111-2222-4333-8444-555555555555 OCF_RESKEY_vm=guest OCF_RESKEY_vm_resource=guest
export OCF_RESKEY_role=primary OCF_RESKEY_peer=10.2.0.100
export VMREPLICA_SHELLFUNCS=$build/agents/vmreplica-shellfuncs VMREPLICA_CLI=$build/vmreplica
failed=0

fail() {
    echo "FAIL (line ${BASH_LINENO[0]}): $*"
    failed=$((failed + 1))
}

virsh_() {
    virsh -q -c qemu:///system "$@"
}

job_is_open() {
    virsh_ backup-dumpxml guest >/dev/null 2>&1
}

begin_job() { # SOCKET
    rm -f "$1"
    cat >/run/job.xml <<END
<domainbackup mode='pull'><server transport='unix' socket='$1'/>
<disks><disk name='vda' backup='yes' type='file'><scratch file='$store/scratch'/></disk></disks></domainbackup>
END
    rm -f "$store/scratch"
    virsh_ backup-begin guest /run/job.xml >/dev/null || fail "cannot begin a backup job"
}

agent() { # ACTION STATUS SECONDS
    local began=$SECONDS got
    sh "$source/agents/vm" "$1" >/run/agent.out 2>&1 </dev/null
    got=$?
    [ "$got" -eq "$2" ] || fail "$1 ended with $got, not $2: $(cat /run/agent.out)"
    [ $((SECONDS - began)) -le "$3" ] || fail "$1 took $((SECONDS - began)) s"
}

started() {
    mkdir -p /run/vmreplica/resources
    : >/run/vmreplica/resources/guest-replica
}

qemu-img create -q -f qcow2 -o compat=v3 "$store/guest.qcow2" 64M
chown libvirt-qemu "$store" "$store/guest.qcow2"
cat >/run/guest.xml <<END
<domain type='qemu'>
<name>guest</name>
<memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os><cpu mode='custom'><model>qemu64</model></cpu>
<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='$store/guest.qcow2'/>
<target dev='vda' bus='virtio'/></disk><serial type='null'/><memballoon model='none'/></devices>
</domain>
END
virsh_ create /run/guest.xml >/dev/null || exit 1
pid=$(cat /run/libvirt/qemu/guest.pid)
mkdir -p /run/vmreplica/backup
chown libvirt-qemu /run/vmreplica/backup

# Nothing to end.
agent stop 0 3

# A job of ours, the engine dead.
begin_job /run/vmreplica/backup/vmreplica-guest.sock
started
agent stop 0 6
! job_is_open || fail "stop left our job open"
agent monitor 7 2

# Another tool's job.
begin_job "$store/other.sock"
started
agent stop 0 6
job_is_open || fail "stop ended another tool's job"
virsh_ domjobabort guest

# A monitor does not touch a job at first, then ends it.
begin_job /run/vmreplica/backup/vmreplica-guest.sock
started
agent monitor 0 6
job_is_open || fail "the first monitor ended the job: the engine may be restarting"
echo 1 >/run/vmreplica/resources/guest-replica.silent
agent monitor 0 12
! job_is_open || fail "a monitor left the job of an engine that is long away"
agent stop 0 6

# libvirtd hangs: the stop succeeds in time, and the job is ended as soon as libvirtd is back.
begin_job /run/vmreplica/backup/vmreplica-guest.sock
started
libvirtd=$(pgrep -o -x libvirtd)
kill -STOP "$libvirtd"
agent stop 0 16
kill -CONT "$libvirtd"
for _ in $(seq 100); do
    job_is_open || break
    sleep 0.2
done
! job_is_open || fail "nobody ended the job after libvirtd came back"

# A VM that is not there, and one that is shut off.
started
OCF_RESKEY_vm=nobody agent stop 0 6
[ "$(virsh_ domstate guest)" = running ] || fail "the guest does not run any more"
[ "$(cat /run/libvirt/qemu/guest.pid)" = "$pid" ] || fail "the guest was restarted"
virsh_ destroy guest >/dev/null
started
agent stop 0 6

[ "$failed" -eq 0 ] || cat /var/log/agents.log
[ "$failed" -eq 0 ]
