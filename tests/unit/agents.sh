#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2016 # expressions for the fakes
# The resource agents without a cluster: with the engine alive, dead, hung and absent, and libvirt well,
# busy, down and hung. The CLI and virsh are fakes that the test steers; daemons are copies of sleep, so
# that pids, /proc and signals are real.
set -u

here=$(cd "$(dirname "$0")/../.." && pwd)
: "${OCF_ROOT:=/usr/lib/ocf}"
if [ ! -r "$OCF_ROOT/lib/heartbeat/ocf-shellfuncs" ]; then
    echo "SKIP: resource-agents is not installed"
    exit 77
fi
work=$(mktemp -d)
failed=0
children=()

finish() {
    local pid
    for pid in "${children[@]}"; do
        kill -KILL "$pid" 2>/dev/null
    done
    rm -rf "$work"
}
trap finish EXIT

mkdir -p "$work/bin" "$work/run" "$work/store"
export OCF_ROOT OCF_RA_VERSION_MAJOR=1 OCF_RA_VERSION_MINOR=1
export HA_LOGFILE=$work/log HA_debug=0
export VMREPLICA_SHELLFUNCS=$PWD/agents/vmreplica-shellfuncs VMREPLICA_RUNDIR=$work/run
export VMREPLICA_CLI=$work/bin/vmreplica VMREPLICA_ENGINE=$work/bin/vmreplica-engine
export VMREPLICA_BROKER=$work/bin/vmreplica-broker VMREPLICA_RECEIVER=$work/bin/vmreplica-receiver
export PATH=$work/bin:$PATH work
for program in vmreplica-engine vmreplica-broker vmreplica-receiver qemu-storage-daemon other; do
    cp "$(command -v sleep)" "$work/bin/$program"
done
printf '#!/bin/sh\nexit 0\n' >"$work/bin/getent"

# $work/engine says how the engine takes requests: ok, unknown (VM), silent, refuse, wrong (parameters).
cat >"$work/bin/vmreplica" <<'END'
#!/bin/sh
echo "$*" >>"$work/calls"
case "$(cat "$work/engine")" in
ok) exit 0 ;;
unknown) case "$*" in *"vm monitor"*) exit 7 ;; esac; exit 0 ;;
silent) sleep 0.2; echo "does not answer"; exit 3 ;;
refuse) echo "not now"; exit 1 ;;
again) echo ok >"$work/engine"; exit 4 ;;
wrong) echo "bad parameter"; exit 2 ;;
esac
END

# $work/virsh says what libvirt does: nojob, job, foreign (job), stuck (job that ends only when asked
# twice), merge (of images), foreign-merge, down, hang.
cat >"$work/bin/virsh" <<'END'
#!/bin/sh
shift 3
echo "$*" >>"$work/virsh-calls"
mode=$(cat "$work/virsh")
case "$mode" in
down) echo "error: failed to connect to the hypervisor"; exit 1 ;;
hang) exec sleep 60 ;;
esac
case "$1" in
list) echo web1 ;;
backup-dumpxml)
    case "$mode" in
    job | stuck) echo "<domainbackup mode='pull'><server transport='unix' socket='$VMREPLICA_RUNDIR/backup/web1.sock'/>" ;;
    foreign) echo "<domainbackup mode='pull'><server transport='unix' socket='/var/tmp/other.sock'/>" ;;
    *) echo "error: Requested operation is not valid: no domain backup job present"; exit 1 ;;
    esac ;;
domjobabort)
    case "$mode" in
    job) echo nojob >"$work/virsh" ;;
    stuck) echo job >"$work/virsh" ;;
    esac ;;
domblklist)
    echo " vda      /store/vm-1/vda.qcow2"
    echo " vdb      -" ;;
blockjob)
    case "$mode $3 $*" in
    "merge vdb --info"*) echo "No current block job for vdb" ;;
    "merge vda "*--abort) echo nojob >"$work/virsh" ;;
    "merge vda "*) printf ' type=Block Commit\n bandwidth=67108879\n cur=1\n end=2\n' ;;
    foreign-merge*) printf ' type=Block Commit\n bandwidth=67108864\n cur=1\n end=2\n' ;;
    esac ;;
domstate) cat "$work/domstate" ;;
resume) echo "running (unpaused)" >"$work/domstate" ;;
esac
END
chmod +x "$work/bin/getent" "$work/bin/vmreplica" "$work/bin/virsh"

reset() {
    local pid
    for pid in "${children[@]}"; do
        kill -KILL "$pid" 2>/dev/null
    done
    children=()
    rm -rf "$work/run"
    mkdir -p "$work/run"
    : >"$work/calls"
    : >"$work/virsh-calls"
    echo ok >"$work/engine"
    echo nojob >"$work/virsh"
    echo "running (booted)" >"$work/domstate"
    export OCF_RESKEY_CRM_meta_timeout=8000 OCF_RESKEY_CRM_meta_interval=10000
}

# daemon NAME [ARGV0]: start a stand-in and write its pid file.
daemon() {
    local pid
    (exec -a "${2:-$1}" "$work/bin/$1" 1000) &
    pid=$!
    disown "$pid" # its end is no news
    children+=("$pid")
    echo "$pid" >"$work/run/${1#vmreplica-}.pid"
    until [ "$(readlink "/proc/$pid/exe")" = "$work/bin/$1" ]; do sleep 0.05; done
}

# Of what is dying already, and of a zombie, the kernel knows no program any more.
alive() {
    readlink "/proc/$1/exe" >/dev/null 2>&1
}

# check STATUS SECONDS AGENT ACTION: its exit status, and that it took at most so long.
check() {
    local status=$1 limit=$2 agent=$3 action=$4 got began=$SECONDS
    # shellcheck disable=SC2154 # the instance is set by the caller
    sh "$here/agents/$agent" "$action" >"$work/out" 2>&1 </dev/null
    got=$?
    [ "$got" -eq "$status" ] || fail "$agent $action ended with $got, not $status: $(cat "$work/out")"
    [ $((SECONDS - began)) -le "$limit" ] || fail "$agent $action took $((SECONDS - began)) s, over $limit s"
}

fail() {
    echo "FAIL (line ${BASH_LINENO[*]}): $*"
    failed=$((failed + 1))
}

has() { # FILE PATTERN
    grep -qE -e "$2" "$work/$1" || fail "$1 has no \"$2\": $(cat "$work/$1")"
}

has_not() {
    ! grep -qE -e "$2" "$work/$1" || fail "$1 has \"$2\""
}

# ---- metadata -------------------------------------------------------------------------------------
for agent in engine broker vm; do
    # It must not need anything but a shell: manual pages are made from it at build time.
    env -i sh "$here/agents/$agent" meta-data >"$work/out" || fail "$agent meta-data"
    if command -v xmllint >/dev/null && [ -r /usr/share/resource-agents/ra-api-1.dtd ]; then
        (cd /usr/share/resource-agents && xmllint --noout --valid - <"$work/out") || fail "$agent: metadata is not valid"
    fi
    for action in start stop monitor reload-agent validate-all meta-data; do
        has out "<action name=\"$action\" timeout=\"[0-9]+s\""
    done
    if command -v shellcheck >/dev/null; then
        shellcheck -s sh "$here/agents/$agent" || fail "$agent is not clean in shellcheck"
    fi
done
if command -v shellcheck >/dev/null; then
    for functions in shellfuncs vm-parameters; do
        shellcheck -s sh "$here/agents/vmreplica-$functions.in" || fail "vmreplica-$functions is not clean in shellcheck"
    done
fi

# ---- engine ---------------------------------------------------------------------------------------
export OCF_RESOURCE_INSTANCE=vmreplica-engine
reset
check 0 2 engine validate-all
check 7 2 engine monitor
check 0 4 engine stop
check 3 2 engine promote

reset # absent: not installed here
VMREPLICA_ENGINE=$work/bin/none check 5 2 engine validate-all
VMREPLICA_ENGINE=$work/bin/none check 5 2 engine start
VMREPLICA_ENGINE=$work/bin/none check 7 2 engine monitor
VMREPLICA_ENGINE=$work/bin/none check 0 4 engine stop

reset # alive
daemon vmreplica-engine
pid=${children[0]}
check 0 2 engine monitor
check 0 2 engine start
check 0 4 engine stop
! alive "$pid" || fail "the engine lives after stop"
[ ! -e "$work/run/engine.pid" ] || fail "stop left the pid file"
has_not virsh-calls domjobabort

reset # hung
daemon vmreplica-engine
pid=${children[0]}
kill -STOP "$pid"
echo silent >"$work/engine"
echo job >"$work/virsh"
check 1 6 engine monitor
has out 'has not answered'
check 1 6 engine start
check 0 5 engine stop
! alive "$pid" || fail "a stopped engine survived stop"
has virsh-calls 'domjobabort web1'
check 7 2 engine monitor

reset # a hung engine's job, libvirt hung too: no reason to be fenced
daemon vmreplica-engine
kill -STOP "${children[0]}"
echo hang >"$work/virsh"
OCF_RESKEY_CRM_meta_timeout=20000 check 0 12 engine stop

reset # its pid file names somebody else's process
daemon other
echo "${children[0]}" >"$work/run/engine.pid"
check 7 2 engine monitor
check 0 4 engine stop
alive "${children[0]}" || fail "stop killed a process that is not the engine"

reset # its pid file is lost
daemon vmreplica-engine
rm "$work/run/engine.pid"
check 0 2 engine monitor
check 0 4 engine stop
! alive "${children[0]}" || fail "an engine whose pid file was lost survived stop"

reset # what the engine leaves behind goes too
daemon vmreplica-receiver
daemon qemu-storage-daemon "qemu-storage-daemon --nbd-server addr.path=$work/run/receiver/x.sock"
check 0 5 engine stop
! alive "${children[0]}" || fail "the receiver survived the engine's stop"
! alive "${children[1]}" || fail "a storage daemon survived the engine's stop"

# ---- broker ---------------------------------------------------------------------------------------
export OCF_RESOURCE_INSTANCE=vmreplica-broker
reset
check 6 2 broker validate-all
has out 'address is missing'
export OCF_RESKEY_address=10.2.0.100
check 0 2 broker validate-all
OCF_RESKEY_address=fd00::100 check 0 2 broker validate-all
OCF_RESKEY_address='b.example' check 6 2 broker validate-all
OCF_RESKEY_port=70000 check 6 2 broker start
OCF_RESKEY_relay=sometimes check 6 2 broker start
VMREPLICA_BROKER=$work/bin/none check 5 2 broker start
check 7 2 broker monitor
check 0 2 broker stop
daemon vmreplica-broker
check 0 2 broker monitor
OCF_RESKEY_relay=always check 0 2 broker reload-agent
has calls 'agent reload broker .*relay=always'
kill -STOP "${children[0]}"
echo silent >"$work/engine"
check 1 6 broker monitor
check 0 6 broker stop
! alive "${children[0]}" || fail "a stopped broker survived stop"

# ---- guard ----------------------------------------------------------------------------------------
export OCF_RESOURCE_INSTANCE=web1-guard:0
guarded=$work/run/resources/web1-guard
reset
check 6 2 guard validate-all
has out 'is no UUID'
export OCF_RESKEY_relationship=11111111-2222-4333-8444-555555555555
check 0 2 guard validate-all
OCF_RESKEY_on_silence=never check 6 2 guard start
OCF_RESKEY_patience=long check 6 2 guard start
VMREPLICA_CLI=$work/bin/none check 5 2 guard start
check 7 2 guard monitor
check 0 2 guard stop

check 0 2 guard start
has calls 'agent guard start --timeout [0-9]+ relationship=1'
[ -e "$guarded" ] || fail "the guard's start left no state file"
check 0 2 guard monitor
has calls 'agent guard monitor'
check 0 2 guard reload-agent
echo silent >"$work/engine" # neither our engine's silence nor the other site's takes the VM's guard away
check 0 2 guard monitor
echo refuse >"$work/engine" # the engine says so only when the VM does not run
check 1 2 guard monitor
has out 'not now'
check 0 2 guard stop
check 7 2 guard monitor

reset # the other site holds the epoch
echo refuse >"$work/engine"
check 1 2 guard start
has out 'not now'
check 7 2 guard monitor

reset # it is silent
echo silent >"$work/engine"
OCF_RESKEY_patience=2 OCF_RESKEY_on_silence=wait check 1 6 guard start
has out 'does not answer'
has_not calls 'agent guard blind'
check 7 2 guard monitor
OCF_RESKEY_patience=2 check 0 6 guard start
has calls 'agent guard blind'
check 0 2 guard monitor
check 0 2 guard stop

reset # the patience is longer than the action may take
echo silent >"$work/engine"
OCF_RESKEY_CRM_meta_timeout=12000 OCF_RESKEY_patience=600 check 0 8 guard start
check 0 2 guard stop
unset OCF_RESKEY_relationship

# ---- vm, primary ----------------------------------------------------------------------------------
export OCF_RESOURCE_INSTANCE=web1-replica
export OCF_RESKEY_relationship=11111111-2222-4333-8444-555555555555 OCF_RESKEY_vm=web1 OCF_RESKEY_vm_resource=web1
export OCF_RESKEY_role=primary OCF_RESKEY_peer=10.2.0.100 OCF_RESKEY_frequency=30
state=$work/run/resources/web1-replica
reset
check 0 2 vm validate-all
check 7 2 vm monitor
OCF_RESKEY_CRM_meta_interval=0 check 7 2 vm monitor
check 0 2 vm stop
OCF_RESKEY_relationship=x check 6 2 vm start
OCF_RESKEY_role=both check 6 2 vm start
OCF_RESKEY_vm_resource='' check 6 2 vm start
OCF_RESKEY_frequency=4 check 6 2 vm start
OCF_RESKEY_bandwidth=fast check 6 2 vm start
OCF_RESKEY_bandwidth=20M check 0 2 vm validate-all
OCF_RESKEY_resync=never check 6 2 vm start
OCF_RESKEY_priority=-5 check 0 2 vm validate-all
OCF_RESKEY_priority=5-5 check 6 2 vm validate-all
OCF_RESKEY_map='net:prod=dr,bridge:br0=br7' check 0 2 vm validate-all
OCF_RESKEY_map='net:prod=/etc' check 6 2 vm validate-all
OCF_RESKEY_role=replica OCF_RESKEY_storage=here check 6 2 vm start
VMREPLICA_CLI=$work/bin/none check 5 2 vm start
VMREPLICA_CLI=$work/bin/none check 7 2 vm monitor
check 3 2 vm promote

reset # alive
check 0 2 vm start
[ -e "$state" ] || fail "start left no state file"
has calls 'agent vm start --resource web1-replica --timeout [0-9]+ relationship=1.* vm=web1 .*frequency=30'
check 0 2 vm start
check 0 2 vm monitor
check 0 2 vm reload-agent
has calls 'agent vm reload'
check 0 2 vm stop
has calls 'agent vm stop'
[ ! -e "$state" ] || fail "stop left the state file"
has_not virsh-calls .
check 7 2 vm monitor

reset # the engine was restarted and knows nothing
check 0 2 vm start
echo unknown >"$work/engine"
: >"$work/calls"
check 0 2 vm monitor
has calls 'agent vm start'
check 0 2 vm reload-agent

reset # losing replication is health
check 0 2 vm start
for mode in silent refuse wrong; do
    echo $mode >"$work/engine"
    check 0 4 vm monitor
    [ -e "$state" ] || fail "a monitor with the engine $mode forgot that the VM is started"
done
has_not virsh-calls domjobabort

reset # an engine that stays away has its open job ended
check 0 2 vm start
echo silent >"$work/engine"
echo job >"$work/virsh"
check 0 4 vm monitor
has_not virsh-calls domjobabort
echo 1 >"$state.silent"
check 0 6 vm monitor
has virsh-calls 'domjobabort web1'
echo ok >"$work/engine"
check 0 2 vm monitor
[ ! -e "$state.silent" ] || fail "an answer did not end the silence"

reset # start with the engine away, and with parameters that it refuses
echo silent >"$work/engine"
check 1 8 vm start
check 7 2 vm monitor
echo refuse >"$work/engine"
check 1 4 vm start
echo wrong >"$work/engine"
check 6 4 vm start
has out 'bad parameter'

reset # the engine is still letting go of the VM
echo again >"$work/engine"
check 0 4 vm start

reset # stop takes what was started, and never ends an engine because of a parameter
daemon vmreplica-engine
check 0 2 vm start
OCF_RESKEY_vm=other check 0 4 vm stop
has calls 'agent vm stop .* vm=web1 '
echo wrong >"$work/engine"
OCF_RESKEY_relationship=x check 0 4 vm stop
alive "${children[0]}" || fail "a wrong parameter had the engine killed"

reset # stop with the engine dead
check 0 2 vm start
echo silent >"$work/engine"
echo stuck >"$work/virsh"
echo "paused (I/O error)" >"$work/domstate"
check 0 5 vm stop
[ "$(grep -c domjobabort "$work/virsh-calls")" -eq 2 ] || fail "a job that took two attempts to end"
has virsh-calls 'resume web1'
check 7 2 vm monitor

reset # stop with the engine hung: it must not wake up and use the VM again
check 0 2 vm start
daemon vmreplica-engine
kill -STOP "${children[0]}"
echo silent >"$work/engine"
echo job >"$work/virsh"
check 0 5 vm stop
! alive "${children[0]}" || fail "a hung engine survived the stop"
has virsh-calls 'domjobabort web1'

reset # an engine that cannot let go
check 0 2 vm start
daemon vmreplica-engine
echo refuse >"$work/engine"
check 0 5 vm stop
! alive "${children[0]}" || fail "an engine that refused the stop survived it"

reset # stop with another tool's job
check 0 2 vm start
echo silent >"$work/engine"
echo foreign >"$work/virsh"
check 0 5 vm stop
has_not virsh-calls domjobabort

reset # a merge of images that the engine left, and another tool's
check 0 2 vm start
echo silent >"$work/engine"
echo merge >"$work/virsh"
check 0 5 vm stop
has virsh-calls 'blockjob web1 vda --abort'
has_not virsh-calls 'vdb --abort'
reset
check 0 2 vm start
echo silent >"$work/engine"
echo foreign-merge >"$work/virsh"
check 0 5 vm stop
has virsh-calls 'blockjob web1 vda --info'
has_not virsh-calls '--abort'

reset # stop with libvirtd hung or restarting: succeeds, and the job is ended when libvirtd is back
check 0 2 vm start
echo silent >"$work/engine"
echo hang >"$work/virsh"
OCF_RESKEY_CRM_meta_timeout=20000 check 0 16 vm stop
echo down >"$work/virsh"
check 0 5 vm stop
echo job >"$work/virsh"
for _ in $(seq 100); do
    [ "$(cat "$work/virsh")" = job ] || break
    sleep 0.2
done
has virsh-calls 'domjobabort web1'

reset # ... unless the VM was started again meanwhile
echo silent >"$work/engine"
echo down >"$work/virsh"
check 0 5 vm stop
echo ok >"$work/engine"
check 0 2 vm start
sleep 6
: >"$work/virsh-calls"
echo job >"$work/virsh"
sleep 2
has_not virsh-calls .

# ---- vm, replica ----------------------------------------------------------------------------------
export OCF_RESOURCE_INSTANCE=web1-a-replica OCF_RESKEY_role=replica OCF_RESKEY_storage=$work/store/web1-a
export OCF_RESKEY_peer=a.example OCF_RESKEY_vm_resource=
reset
check 0 2 vm start
check 0 2 vm monitor
check 0 2 vm stop

reset # the engine hung: receiver and storage daemon still hold the store
check 0 2 vm start
daemon vmreplica-engine
daemon vmreplica-receiver
daemon qemu-storage-daemon "qemu-storage-daemon --nbd-server addr.path=$work/run/receiver/x.sock"
daemon qemu-storage-daemon "qemu-storage-daemon --nbd-server addr.path=$work/elsewhere/x.sock"
kill -STOP "${children[@]:0:3}"
echo silent >"$work/engine"
echo merge >"$work/virsh" # of a committed failover's images
check 0 5 vm stop
! alive "${children[0]}" || fail "a hung engine survived the stop of a replica"
! alive "${children[1]}" || fail "a hung receiver survived the stop of a replica"
! alive "${children[2]}" || fail "the replica's storage daemon survived its stop"
alive "${children[3]}" || fail "a storage daemon that is not ours was killed"
has virsh-calls 'blockjob web1 vda --abort'
has_not virsh-calls domjobabort
check 7 2 vm monitor

[ "$failed" -eq 0 ] || echo "$failed failed"
[ "$failed" -eq 0 ]
