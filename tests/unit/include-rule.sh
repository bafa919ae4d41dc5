#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Who may include whom, and which room owns which library (ARCHITECTURE.md, "Rooms"). Reads the sources only.
# Usage: include-rule.sh [TREE]; with --self-test it checks itself on a tree with one fault of each kind.
set -u
faults=0

fault() {
	echo "$1" >&2
	faults=$((faults + 1))
}

# includes FILE: the included names, one a line.
includes() {
	sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]\([^">]*\)[">].*/\1/p' "$1"
}

# The rooms whose headers a room may include.
allowed() {
	case $1 in
	common) echo common ;;
	proto) echo common proto ;;
	cluster) echo common proto cluster ;;
	broker | engine) echo common proto cluster "$1" ;;
	receiver | admin) echo common proto "$1" ;;
	esac
}

# The sources of the CIB helper, the one program that may link Pacemaker's libraries and GLib.
helper_files() {
	echo cluster/cib_helper.c
	sed -n '/^vmreplica_cib_SOURCES/,/[^\\]$/p' cluster/local.mk | grep -o 'cluster/[a-z_]*\.[ch]'
}

# owners NAME: the files (shell patterns) that may include a library's header; nothing if it is free for all.
owners() {
	case $1 in
	openssl/*) printf '%s\n' 'common/tls*' 'common/pki*' common/sha256.c ;;
	libnbd.h) echo 'common/nbd*' ;;
	ini.h) echo 'common/config*' ;;
	seccomp.h) echo 'common/confine*' ;;
	protobuf-c/*) echo 'proto/*' ;;
	zstd.h | lz4*.h | xxhash.h) echo 'proto/codec.c' ;;
	corosync/*) echo 'cluster/*' ;;
	glib.h | glib/* | gio/* | pacemaker.h | pacemaker/* | crm/* | crm_internal.h | pcmki/*) helper_files ;;
	libvirt/*) echo 'engine/*' ;;
	esac
}

check_file() {
	local file=$1 room=${1%%/*} name other pattern patterns ok

	while read -r name; do
		other=${name%%/*}
		case $other in
		common | proto | cluster | broker | engine | receiver | admin)
			if [[ $name == */* && " $(allowed "$room") " != *" $other "* ]]; then
				fault "$file includes $name: $room must not know $other"
			fi
			;;
		esac
		read -r -a patterns < <(owners "$name" | tr '\n' ' ')
		ok=$((${#patterns[@]} == 0))
		for pattern in "${patterns[@]}"; do
			# shellcheck disable=SC2053 # a pattern is meant
			[[ $file == $pattern ]] && ok=1
		done
		((ok)) || fault "$file includes $name: only ${patterns[*]} may"
	done < <(includes "$file")
}

check_tree() {
	local file seen=0

	cd "$1" || exit 1
	for file in {common,proto,cluster,broker,engine,receiver,admin}/*.[ch]; do
		if [[ -f $file && $file != *.pb-c.[ch] ]]; then
			check_file "$file"
			seen=$((seen + 1))
		fi
	done
	if ((seen == 0)); then
		fault "no sources in $1"
	fi
	return $((faults > 0))
}

# One file with one wrong line each; every one must be found.
self_test() {
	local count=0 file line

	tree=$(mktemp -d)
	trap 'rm -rf "$tree"' EXIT
	while IFS=: read -r file line; do
		mkdir -p "$tree/${file%/*}"
		echo "$line" >"$tree/$file"
		count=$((count + 1))
	done <<-'END'
		common/a.c:#include "proto/frame.h"
		proto/a.c:#include "cluster/cluster.h"
		cluster/a.c:#include "engine/source.h"
		broker/a.c:#include "engine/source.h"
		engine/a.c:#include "receiver/store.h"
		receiver/a.c:#include "cluster/cluster.h"
		receiver/b.c:# include "engine/source.h"
		admin/a.c:#include "broker/broker.h"
		engine/b.c:#include <openssl/ssl.h>
		proto/b.c:#include <openssl/evp.h>
		common/b.c:#include <protobuf-c/protobuf-c.h>
		broker/b.c:	#include <corosync/cpg.h>
		cluster/b.c:#include <glib.h>
		cluster/c.c:#include <crm/cib.h>
		receiver/c.c:#include <libvirt/libvirt.h>
		receiver/d.c:#include <libnbd.h>
		receiver/e.c:#include <zstd.h>
		broker/c.c:#include <seccomp.h>
	END
	printf '%s\n' 'vmreplica_cib_SOURCES = \' '	cluster/cib_helper.c' 'other_SOURCES = cluster/b.c' \
		>"$tree/cluster/local.mk"
	(check_tree "$tree") 2>/dev/null && fault "a tree of faults passes"
	count=$((count - $( (check_tree "$tree") 2>&1 >/dev/null | wc -l)))
	((count == 0)) || fault "$count of the faults are not found"
	rm "$tree"/*/*.c
	echo '#include <crm/cib.h>' >"$tree/cluster/cib_helper.c"
	printf '#include <libvirt/libvirt.h>\n#include "proto/wire.pb-c.h"\n' >"$tree/engine/source.c"
	(check_tree "$tree") || fault "a right tree does not pass"
}

if [[ ${1:-} == --self-test ]]; then
	self_test
else
	self_test
	check_tree "${1:-${srcdir:-.}}"
fi
exit $((faults > 0))
