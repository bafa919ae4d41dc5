#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two private libvirt hosts (namespaces, QEMU as libvirt-qemu, storage that both see) round one command:
#   live-libvirt.sh COMMAND...      runs COMMAND inside host 1; exit status is the command's, or 77 (skipped)
# The command finds VMREPLICA_TEST_LIBVIRT_URI, VMREPLICA_TEST_PEER_URI (host 2), VMREPLICA_TEST_DIRECTORY (seen by both
# hosts and by QEMU) and VMREPLICA_TEST_LIBVIRTD_PID. Nothing of it is left behind, and nothing of the host is touched.
set -u

skip() {
	echo "live-libvirt: skipped: $1" >&2
	exit 77
}

prepare_configuration() { # NUMBER
	cp -a /etc/libvirt "$WORK/etc$1"
	mkdir -p "$WORK/lib$1" "$WORK/log$1" "$WORK/cache$1"
	cp -a /var/lib/libvirt/. "$WORK/lib$1/"
	cat > "$WORK/etc$1/libvirtd.conf" <<CONF
host_uuid = "00000000-0000-4000-8000-00000000000$1"
listen_tls = 0
listen_tcp = 1
auth_tcp = "none"
auth_unix_rw = "none"
log_outputs = "2:file:/var/log/libvirtd.log"
CONF
	# The cgroup and mount namespace set-up of QEMU needs a systemd host; ownership and the user stay Debian's own.
	cat > "$WORK/etc$1/qemu.conf" <<CONF
security_driver = "none"
cgroup_controllers = []
namespaces = []
migration_host = "10.77.0.$1"
CONF
}

# Pid 1 of a host: bash reaps what is left to it (a libvirtd whose probes nobody reaps waits 40 s for each).
run_host() { # NUMBER
	hostname "vmr-host$1"
	mount --make-rprivate /
	mount -t tmpfs tmpfs /run
	mount --bind "$WORK/etc$1" /etc/libvirt
	mount --bind "$WORK/lib$1" /var/lib/libvirt
	mount --bind "$WORK/cache$1" /var/cache
	mount --bind "$WORK/log$1" /var/log
	[ ! -e /dev/kvm ] || mount --bind "$WORK/no-kvm" /dev/kvm
	mkdir -p /var/log/libvirt/qemu /var/cache/libvirt /run/libvirt
	ip link set lo up
	virtlogd </dev/null >/var/log/virtlogd.out 2>&1 &
	until [ -S /run/libvirt/virtlogd-sock ]; do sleep 0.1; done
	libvirtd --listen --timeout 0 </dev/null >/var/log/libvirtd.out 2>&1 &
	echo $! > "$WORK/libvirtd$1.pid"
	touch "$WORK/up$1"
	trap 'exit 0' TERM
	while :; do sleep 3600 & wait $!; done
}

start_host() { # NUMBER: leaves its pid 1, as this side sees it, in HOST_PID[NUMBER]
	local parent
	unshare --mount --pid --ipc --uts --net --fork --kill-child --mount-proc \
		bash "$SELF" --host "$WORK" "$1" > "$WORK/host$1.out" 2>&1 &
	parent=$!
	SUPERVISORS+=("$parent")
	for _ in $(seq 100); do
		[ -e "$WORK/up$1" ] && break
		sleep 0.1
	done
	HOST_PID[$1]=$(cat "/proc/$parent/task/$parent/children" 2>/dev/null | tr -d ' ')
	[ -n "${HOST_PID[$1]}" ] && [ -e "$WORK/up$1" ]
}

in_host() { # NUMBER COMMAND...
	local number=$1
	shift
	nsenter -t "${HOST_PID[$number]}" --mount --pid --ipc --uts --net -- "$@"
}

join_hosts() {
	ip link add name vmr0 netns "${HOST_PID[1]}" type veth peer name vmr0 netns "${HOST_PID[2]}" || return 1
	for number in 1 2; do
		in_host "$number" ip address add "10.77.0.$number/24" dev vmr0 || return 1
		in_host "$number" ip link set vmr0 up || return 1
	done
}

wait_for_libvirt() { # NUMBER
	for _ in $(seq 150); do
		in_host "$1" virsh -q -c qemu:///system version >/dev/null 2>&1 && return 0
		sleep 0.2
	done
	return 1
}

clean_up() {
	for pid in "${SUPERVISORS[@]}"; do
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	[ "${VMREPLICA_TEST_KEEP:-}" = 1 ] || rm -rf "$WORK"
}

SELF=$(readlink -f "$0")
if [ "${1:-}" = --host ]; then
	WORK=$2
	run_host "$3"
	exit
fi
[ $# -gt 0 ] || { echo "usage: live-libvirt.sh COMMAND..." >&2; exit 2; }
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in libvirtd virtlogd virsh qemu-system-x86_64 qemu-img unshare nsenter ip; do
	command -v "$tool" >/dev/null || skip "$tool is not installed"
done
unshare --mount --pid --ipc --uts --net --fork --mount-proc true 2>/dev/null || skip "namespaces are not allowed here"

WORK=$(mktemp -d /var/tmp/vmr-live.XXXXXX)
SUPERVISORS=()
declare -A HOST_PID
trap clean_up EXIT
chmod 0755 "$WORK"
mkdir -m 0755 "$WORK/vms"
# TCG only: with a /dev/kvm that root alone can open, libvirt probes QEMU again at every start (10 s each).
(umask 077 && : > "$WORK/no-kvm")
for number in 1 2; do
	prepare_configuration "$number"
	start_host "$number" || { echo "live-libvirt: host $number did not start" >&2; cat "$WORK/host$number.out" >&2; exit 1; }
done
join_hosts || { echo "live-libvirt: the hosts could not be joined" >&2; exit 1; }
for number in 1 2; do
	wait_for_libvirt "$number" || { echo "live-libvirt: libvirtd $number does not answer" >&2; cat "$WORK"/log"$number"/libvirtd.* >&2; exit 1; }
done
export VMREPLICA_TEST_LIBVIRT_URI=qemu:///system VMREPLICA_TEST_PEER_URI=qemu+tcp://10.77.0.2/system
export VMREPLICA_TEST_DIRECTORY="$WORK/vms"
VMREPLICA_TEST_LIBVIRTD_PID=$(cat "$WORK/libvirtd1.pid")
export VMREPLICA_TEST_LIBVIRTD_PID
in_host 1 "$@"
