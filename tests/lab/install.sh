# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Sourced by ./lab: refuse where a lab must not run, install what is missing.

lab_die() {
    printf 'lab: %s\n' "$*" >&2
    exit 1
}

# The lab needs root and the capabilities to make namespaces, mounts, links and device nodes.
# A Corosync outside any lab means a real cluster node: nothing is installed or started there.
lab_refuse() {
    local bits bit name missing='' pid
    [ "$(id -u)" = 0 ] || lab_die 'must run as root'
    bits=$((16#$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)))
    for name in 0:CAP_CHOWN 1:CAP_DAC_OVERRIDE 3:CAP_FOWNER 5:CAP_KILL 7:CAP_SETUID \
        12:CAP_NET_ADMIN 18:CAP_SYS_CHROOT 19:CAP_SYS_PTRACE 21:CAP_SYS_ADMIN 27:CAP_MKNOD; do
        bit=${name%%:*}
        [ $(((bits >> bit) & 1)) = 1 ] || missing+=" ${name#*:}"
    done
    [ -z "$missing" ] || lab_die "capabilities are missing:$missing (a privileged container or a VM has them)"
    for pid in /proc/[0-9]*; do
        [ "$(cat "$pid/comm" 2>/dev/null)" = corosync ] || continue
        # One of a lab has a pid namespace of its own.
        [ "$(readlink "$pid/ns/pid")" = "$(readlink /proc/self/ns/pid)" ] &&
            lab_die "Corosync runs on this machine (pid ${pid#/proc/}): the lab does not go on a cluster node"
    done
    unshare --mount --net --pid --fork true 2>/dev/null ||
        lab_die 'this kernel or container refuses new namespaces'
}

lab_packages() {
    sed 's/#.*//' "$1" | tr -s '[:space:]' '\n' | sed '/^$/d'
}

lab_missing() {
    local name
    for name in $(lab_packages "$1"); do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
            printf '%s\n' "$name"
    done
}

# Packages start their services when they are installed: a policy-rc.d that denies it comes
# first, and what was there before comes back afterwards.
lab_install() {
    local missing policy=/usr/sbin/policy-rc.d saved=''
    command -v dpkg-query >/dev/null || lab_die 'only Debian and its relatives are supported by the lab'
    missing=$(lab_missing "$1")
    [ -n "$missing" ] || return 0
    printf 'lab: installing from the distribution (services are kept from starting): %s\n' \
        "$(printf '%s' "$missing" | tr '\n' ' ')"
    if [ -e "$policy" ]; then
        saved=$(mktemp)
        cp -p "$policy" "$saved"
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    # shellcheck disable=SC2064 # the values of now are wanted
    trap "lab_policy_restore '$policy' '$saved'" EXIT
    trap 'exit 130' INT TERM
    lab_apt "$missing"
    lab_policy_restore "$policy" "$saved"
    trap - EXIT INT TERM
}

# apt's own talk goes to a log that is shown when it fails.
lab_apt() {
    local log
    log=$(mktemp "${TMPDIR:-/tmp}/lab-install.XXXXXX")
    export DEBIAN_FRONTEND=noninteractive
    echo 'lab: apt-get update'
    if apt-get -q update >"$log" 2>&1; then
        echo 'lab: apt-get install (this takes a minute or two)'
        # shellcheck disable=SC2086 # a list of names
        if apt-get -q install -y --no-install-recommends $1 >>"$log" 2>&1; then
            rm -f "$log"
            return 0
        fi
    fi
    tail -n 20 "$log" >&2
    lab_die "the distribution's packages could not be installed (all of it: $log)"
}

lab_policy_restore() {
    if [ -n "$2" ]; then
        cp -p "$2" "$1"
        rm -f "$2"
    else
        rm -f "$1"
    fi
}
