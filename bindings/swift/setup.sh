#!/usr/bin/env bash
# Installs Swift for the tests in a chroot, if the machine has none (see test.sh).
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=bindings/swift/where.sh
. bindings/swift/where.sh
[ ${#in_swift[@]} -eq 0 ] || "${in_swift[@]}" true
