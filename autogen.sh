#!/bin/sh
# Makes ./configure from configure.ac in a fresh checkout.
set -e
cd "$(dirname "$0")"
exec autoreconf --install --warnings=no-portability
