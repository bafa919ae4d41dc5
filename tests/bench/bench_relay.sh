#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The broker's relay beside haproxy with splice (tcp mode, server name inspected) in one run. Prints ratios; judges nothing.
# bench_relay.sh [MIB [ROUNDS]]
set -eu
cd "$(dirname "$0")/../.."
program=${BUILD_DIR:-_build}/tests/bench/bench_relay
[ -x "$program" ] || make -s -C "${BUILD_DIR:-_build}" tests/bench/bench_relay
haproxy=$(command -v haproxy || echo -)
[ "$haproxy" != - ] || echo "haproxy is not installed: the relay alone"
exec "$program" "$haproxy" "${1:-2048}" "${2:-3}"
