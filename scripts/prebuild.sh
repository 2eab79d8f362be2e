#!/usr/bin/env bash
# Prepares the later steps of test.sh while it lints and tests: fetches the tools of the language packages, and builds
# the simulation, the fuzz targets and the native library.
set -euo pipefail
cd "$(dirname "$0")/.."

(bindings/kotlin/build/setup.sh && bindings/swift/setup.sh) &
tools=$!
cargo test --locked --profile simulation --lib --no-run
scripts/fuzz.sh --build
bindings/native.sh
wait "$tools"
