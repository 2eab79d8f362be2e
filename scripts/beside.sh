#!/usr/bin/env bash
# What test.sh needs late, fetched and built while it lints and tests: the tools of the packages, the fuzz targets, the
# native library.
set -euo pipefail
cd "$(dirname "$0")/.."

(bindings/kotlin/build/setup.sh && bindings/swift/setup.sh) &
tools=$!
scripts/fuzz.sh --build
bindings/native.sh
wait "$tools"
