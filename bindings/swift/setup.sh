#!/usr/bin/env bash
# Fetches what the tests of the Swift package run in, where the machine has no Swift of its own (see test.sh).
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=bindings/swift/where.sh
. bindings/swift/where.sh
[ ${#in_swift[@]} -eq 0 ] || "${in_swift[@]}" true
