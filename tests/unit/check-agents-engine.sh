#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The agents with the real daemons, on a host without a cluster made of namespaces: ocf-tester, and stop
# and monitor with the engine alive, killed and stopped (SIGSTOP). Skipped (77) where that cannot be had.
set -u

skip() {
    echo "SKIP: $1"
    exit 77
}

: "${OCF_ROOT:=/usr/lib/ocf}"
if [ "${1-}" != --inside ]; then
    source=$(cd "${srcdir:-.}" && pwd)
    [ "$(id -u)" = 0 ] || skip "needs root"
    command -v ocf-tester >/dev/null || skip "ocf-tester is not installed"
    grep -q 'VMREPLICA_ENGINE:=/usr/sbin/' agents/vmreplica-shellfuncs || skip "not built for /usr"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    unshare --mount --pid --ipc --uts --net --fork --kill-child --mount-proc \
        bash "$source/tests/unit/check-agents-engine.sh" --inside "$source" "$PWD" "$work"
    exit
fi

source=$2 build=$3 work=$4
failed=0

# ---- a host with the programs where they belong ----------------------------------------------------
mount --make-rprivate /
mount -t tmpfs tmpfs "$work" && mkdir -p "$work/usr" "$work/work" "$work/etc" "$work/store" || exit 1
install -D -t "$work/usr/sbin" "$build/vmreplica-engine" "$build/vmreplica-broker"
install -D -t "$work/usr/bin" "$build/vmreplica"
install -D -t "$work/usr/libexec/vmreplica" "$build/vmreplica-receiver"
install -D -t "$work/usr/lib/ocf/resource.d/vmreplica" "$source/agents/engine" "$source/agents/broker" "$source/agents/vm"
install -D -m 644 -t "$work/usr/lib/ocf/lib/vmreplica" "$build/agents/vmreplica-shellfuncs" "$build/agents/vmreplica-vm-parameters"
mount -t overlay -o "lowerdir=$work/usr:/usr" overlay /usr 2>/dev/null || skip "no overlay mounts here"
for file in passwd group; do
    grep -v '^vmreplica:' "/etc/$file" >"$work/etc/$file"
done
echo 'vmreplica:x:64123:64123::/:/bin/false' >>"$work/etc/passwd"
echo 'vmreplica:x:64123:' >>"$work/etc/group"
mkdir -p "$work/etc/vmreplica/pki" "$work/etc-changes" "$work/etc-work"
cat >"$work/etc/vmreplica/vmreplica.conf" <<END
[site]
name = h.example
[node]
name = h1
[scratch]
reserve = 1M
cap = 1M
[store]
spool-cap = 1M
reserve = 1M
[standalone]
enabled = yes
END
mount -t overlay -o "lowerdir=$work/etc:/etc,upperdir=$work/etc-changes,workdir=$work/etc-work" overlay /etc || exit 1
mount -t tmpfs tmpfs /run && mkdir -m 755 /run/resource-agents /run/lock || exit 1
mount -t tmpfs tmpfs /var/lib && mount -t tmpfs tmpfs /var/log || exit 1
ip link set lo up
hostname h1
vmreplica pki init "$work/ca" >/dev/null && vmreplica pki issue "$work/ca" h1 --site h.example >/dev/null || exit 1
install -m 644 "$work/ca/ca.crt" /etc/vmreplica/pki/ca.crt
install -m 644 "$work/ca/h1.h.example.crt" /etc/vmreplica/pki/node.crt
install -m 640 -g vmreplica "$work/ca/h1.h.example.key" /etc/vmreplica/pki/node.key
chmod 755 "$work"
install -d -o vmreplica "$work/store" "$work/store/web1-a"

# ---- helpers --------------------------------------------------------------------------------------
export OCF_ROOT OCF_RA_VERSION_MAJOR=1 OCF_RA_VERSION_MINOR=1 HA_LOGFILE=/var/log/agents.log
export OCF_RESKEY_CRM_meta_timeout=30000 OCF_RESKEY_CRM_meta_interval=10000

fail() {
    echo "FAIL (line ${BASH_LINENO[0]} of the test): $*"
    failed=$((failed + 1))
}

# agent NAME ACTION STATUS SECONDS
agent() {
    local began=$SECONDS got
    OCF_RESOURCE_INSTANCE=test-$1 "$OCF_ROOT/resource.d/vmreplica/$1" "$2" >/run/agent.out 2>&1 </dev/null
    got=$?
    [ "$got" -eq "$3" ] || fail "$1 $2 ended with $got, not $3: $(cat /run/agent.out)"
    [ $((SECONDS - began)) -le "$4" ] || fail "$1 $2 took $((SECONDS - began)) s"
}

pid_of() {
    cat "/run/vmreplica/$1.pid"
}

receivers() {
    pgrep -f '^/usr/libexec/vmreplica/vmreplica-receiver' || true
}

tester() { # AGENT OPTIONS...
    local name=$1
    shift
    ocf-tester -n "tester-$name" "$@" "$OCF_ROOT/resource.d/vmreplica/$name" >/run/tester.out 2>&1 ||
        fail "ocf-tester $name: $(cat /run/tester.out)"
}

replica=(-o relationship=11111111-2222-4333-8444-555555555555 -o vm=web1 -o role=replica
    -o peer=a.example -o "storage=$work/store/web1-a")

# ---- engine ---------------------------------------------------------------------------------------
tester engine
agent engine monitor 7 3
agent engine start 0 15
agent engine monitor 0 3
[ -n "$(receivers)" ] || fail "no receiver runs below the engine"

# Who watches is told once that the engine is away, and watches on when it is back.
vmreplica status --watch --json >/run/watch.out 2>/run/watch.err &
watcher=$!
sleep 1.5
kill -KILL "$(pid_of engine)"
agent engine monitor 7 3
sleep 2.5
lines=$(wc -l </run/watch.out)
agent engine start 0 15
sleep 2.5
[ "$(grep -c 'does not run' /run/watch.err)" -eq 1 ] || fail "status --watch: $(cat /run/watch.err)"
[ "$lines" -ge 1 ] || fail "status --watch showed nothing"
[ "$(wc -l </run/watch.out)" -gt "$lines" ] || fail "status --watch does not go on: $(cat /run/watch.out)"
kill "$watcher" || fail "status --watch has ended"
kill -STOP "$(pid_of engine)"
agent engine monitor 1 20
agent engine stop 0 15
[ -z "$(receivers)" ] || fail "a receiver survived its engine"
agent engine monitor 7 3
agent engine stop 0 5

# ---- broker ---------------------------------------------------------------------------------------
agent engine start 0 15
tester broker -o address=127.0.0.1 -o relay=never
export OCF_RESKEY_address=127.0.0.1
agent broker start 0 15
agent broker monitor 0 3
OCF_RESKEY_relay=always agent broker reload-agent 0 5
vmreplica broker | grep -q '^relay always' || fail "reload-agent did not change relay"
agent broker reload-agent 0 15
vmreplica broker | grep -q '^relay auto' || fail "without the parameter relay is not the configuration's"
kill -STOP "$(pid_of broker)"
agent broker monitor 1 20
agent broker stop 0 15
agent broker monitor 7 3
agent engine stop 0 15

# ---- vm: a primary whose libvirt is away: health, not failure --------------------------------------
agent engine start 0 15
tester vm -o relationship=11111111-2222-4333-8444-555555555556 -o vm=web2 -o role=primary -o vm_resource=web2 \
    -o peer=10.255.0.1
agent engine stop 0 15

# ---- vm: a replica --------------------------------------------------------------------------------
agent engine start 0 15
tester vm "${replica[@]}"
export OCF_RESKEY_relationship=11111111-2222-4333-8444-555555555555 OCF_RESKEY_vm=web1 OCF_RESKEY_role=replica
export OCF_RESKEY_peer=a.example OCF_RESKEY_storage=$work/store/web1-a
agent vm start 0 10
vmreplica status web1 --json >/run/status.out || fail "status does not know the replica"
grep -q '"role": "replica"' /run/status.out || fail "status: $(cat /run/status.out)"
pkill -KILL -o -f '^/usr/sbin/vmreplica-engine'
agent vm monitor 0 10
agent engine start 0 15
vmreplica status web1 >/dev/null 2>&1 && fail "a new engine knows the replica before anybody told it"
agent vm monitor 0 10
vmreplica status web1 >/dev/null || fail "the monitor did not hand the replica to the new engine"
# shellcheck disable=SC2046 # words
kill -STOP "$(pid_of engine)" $(receivers)
agent vm monitor 0 10
agent vm stop 0 16
[ -z "$(receivers)" ] || fail "a hung receiver survived the replica's stop"
agent vm monitor 7 3
agent engine monitor 7 3

[ "$failed" -eq 0 ] || tail -n 50 /var/log/vmreplica/*.log /var/log/agents.log
[ "$failed" -eq 0 ]
