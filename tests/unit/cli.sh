#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The CLI as an administrator meets it: wrong use is one line and status 2, a missing engine says how to
# start it, --help works everywhere, and pki makes certificates that openssl agrees with.
set -u

cli=$PWD/vmreplica
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export VMREPLICA_RUNDIR=$work/run
unset VMREPLICA_SOCKET
failed=0

# expect STATUS WHERE PATTERN COMMAND...: status, and a line in out or err that matches (extended regex).
expect() {
    local status=$1 where=$2 pattern=$3 got
    shift 3
    "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    if [ "$got" -ne "$status" ]; then
        echo "FAIL: $* ended with $got, not $status"
    elif ! grep -qE -e "$pattern" "$work/$where"; then
        echo "FAIL: $*: nothing like \"$pattern\" in std$where"
    else
        return
    fi
    sed 's/^/    /' "$work/out" "$work/err"
    failed=$((failed + 1))
}

# Wrong use: status 2, nothing on standard output, exactly one line on standard error.
wrong() {
    local pattern=$1
    shift
    expect 2 err "$pattern" "$cli" "$@"
    if [ -s "$work/out" ] || [ "$(wc -l <"$work/err")" -ne 1 ]; then
        echo "FAIL: $*: wrong use must say one line on standard error"
        failed=$((failed + 1))
    fi
}

expect 0 out '^vmreplica [0-9]+\.[0-9]+' "$cli" --version
expect 0 out '^Usage: vmreplica COMMAND' "$cli" --help
for command in status protect unprotect wrap unwrap authorize sync pause resume resync store points failover reverse jobs locate broker events check pki agent; do
    expect 0 out "^Usage: vmreplica $command" "$cli" "$command" --help
done

wrong 'name a command'
wrong '"stauts" is no command' stauts
wrong 'option "--wach"' status --wach
wrong 'option "--json=1"' status --json=1
wrong 'one VM at a time' status web1 web2
wrong 'cannot be the name' status ../web1
wrong 'check DIRECTORY' store
wrong 'check DIRECTORY' store mend /srv
wrong 'one directory' store check
wrong 'one directory' store check /srv /tmp
wrong 'say one of' failover web1
wrong 'say one of' failover web1 --test --unplanned
wrong 'name a VM' failover --test
wrong 'goes with --test' failover web1 --commit --to latest
wrong 'goes with --test' failover web1 --unplanned --network x
wrong 'goes with --unplanned' failover web1 --test --force
wrong 'goes with --unplanned and --cancel' failover web1 --planned --force
wrong 'cannot be a job' jobs web1
wrong 'needs the id' jobs --follow
wrong 'name a VM' protect --to 10.0.0.1
wrong 'where to with --to' protect web1
wrong 'option "--to" needs a value' protect web1 --to
wrong 'no address' protect web1 --to 'b c'
wrong 'frequency "4"' protect web1 --to b --frequency 4
wrong 'frequency "86401"' protect web1 --to b --frequency 86401
wrong 'frequency "1e3"' protect web1 --to b --frequency 1e3
wrong 'bandwidth "fast"' protect web1 --to b --bandwidth fast
wrong 'maps no network' protect web1 --to b --map prod=dr
wrong 'maps no network' protect web1 --to b --map net:prod=../dr
wrong 'mapped already' protect web1 --to b --map net:prod=dr --map net:prod=other
wrong '"/dev/vdb" is no disk' protect web1 --to b --exclude-disk /dev/vdb
wrong 'name a VM' unprotect
wrong 'add, remove or list' authorize
wrong 'add, remove or list' authorize delete a.example
wrong 'go with --storage' authorize add a.example
wrong 'neither a site' authorize add 'a.*.example' --storage /srv
wrong 'no absolute directory' authorize add a.example --storage srv
wrong 'no number of VMs' authorize add a.example --storage /srv --max-vms -1
wrong 'no size' authorize add a.example --storage /srv --max-size much
wrong 'list takes no operand' authorize list a.example
wrong 'give one site' authorize remove
wrong 'timeout "0"' sync web1 --timeout 0
wrong 'name a VM' pause --release
wrong 'name a VM' resume
wrong 'name a VM' resync
wrong 'name a VM' locate
wrong 'too much' broker now
wrong 'too much' events web1
wrong 'say init' pki
wrong 'say init' pki issue "$work/ca"
wrong 'name the site' pki issue "$work/ca" a1
wrong 'no DNS name' pki issue "$work/ca" a1 --site 'a example'
wrong 'cannot be the name of a node' pki issue "$work/ca" '*' --site a.example
wrong 'no IP address' pki issue "$work/ca" a1 --site a.example --address 10.1.0.300
wrong 'not 1 to' pki init "$work/ca" --days 0
wrong 'say ping, reload or vm' agent
wrong 'name the resource' agent vm start vm=web1
wrong 'not NAME=VALUE' agent vm start --resource x web1
wrong 'milliseconds' agent ping engine --timeout soon

# Nobody there: what failed, then what to do.
for command in "status" "status web1" "protect web1 --to b" "unprotect web1" "authorize list" "sync web1" "pause web1" \
    "resume web1" "resync web1" "locate web1" "broker" "events" "check"; do
    # shellcheck disable=SC2086 # words
    expect 1 err '^vmreplica: vmreplica-engine does not run on this node' "$cli" $command
    # shellcheck disable=SC2086
    expect 1 err '^  Start it: ' "$cli" $command
done

# Without quorum Pacemaker starts no engine: no advice to start one, but what a lone survivor needs.
mkdir "$work/bin"
cat >"$work/bin/corosync-quorumtool" <<'END'
#!/bin/sh
[ "$*" = -s ] || exit 1
printf '%s\n' 'Quorate:          No' '' 'Expected votes:   2' 'Total votes:      1' \
    'Quorum:           1 Activity blocked' 'Flags:            2Node WaitForAll '
exit 2
END
chmod +x "$work/bin/corosync-quorumtool"
for command in status check; do
    expect 1 err '1 of 2 votes are present.*switched off and stays off, then on this node: pcs quorum unblock' \
        env PATH="$work/bin:$PATH" "$cli" $command
    if grep -q 'Start it: ' "$work/err"; then
        echo "FAIL: $command: advice that does not help without quorum"
        failed=$((failed + 1))
    fi
done
expect 3 err 'vmreplica-engine does not answer' "$cli" agent ping engine --timeout 500
expect 1 err 'cannot write the output' sh -c "'$cli' --help >/dev/full"

# Certificates.
expect 0 out 'stays here and secret' "$cli" pki init "$work/ca"
expect 1 err 'exists' "$cli" pki init "$work/ca"
expect 0 out 'as node.key' "$cli" pki issue "$work/ca" a1 --site a.example --address 10.1.0.100 --address fd00::1
expect 1 err 'exists' "$cli" pki issue "$work/ca" a1 --site a.example
expect 1 err '.' "$cli" pki issue "$work/nowhere" a1 --site a.example
expect 0 out '^names .*DNS:a1\.a\.example.*DNS:a\.example.*IP:10\.1\.0\.100' "$cli" pki show "$work/ca/a1.a.example.crt"
expect 0 out '"server_auth": true' "$cli" pki show --json "$work/ca/a1.a.example.crt"
expect 0 out '"ca": true' "$cli" pki show --json "$work/ca/ca.crt"
expect 1 err '.' "$cli" pki show "$work/ca/ca.key"
expect 1 err '.' "$cli" pki show "$work/nothing.crt"
if [ "$(stat -c %a "$work/ca/ca.key")" != 600 ]; then
    echo "FAIL: the authority's key can be read by others"
    failed=$((failed + 1))
fi
if command -v openssl >/dev/null; then
    expect 0 out ': OK$' openssl verify -x509_strict -purpose sslserver -verify_hostname a1.a.example \
        -CAfile "$work/ca/ca.crt" "$work/ca/a1.a.example.crt"
    expect 0 out ': OK$' openssl verify -x509_strict -purpose sslclient -verify_ip fd00::1 \
        -CAfile "$work/ca/ca.crt" "$work/ca/a1.a.example.crt"
    expect 2 err 'hostname mismatch' openssl verify -verify_hostname b1.b.example \
        -CAfile "$work/ca/ca.crt" "$work/ca/a1.a.example.crt"
fi

[ "$failed" -eq 0 ] || echo "$failed failed"
[ "$failed" -eq 0 ]
