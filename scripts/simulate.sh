#!/usr/bin/env bash
# Runs the simulation in an optimized build. Arguments: those of the test program, such as `simulation::no_seed`.
# REELKIN_FROM and REELKIN_SEEDS select the seeds.
set -euo pipefail
cd "$(dirname "$0")/.."

# Clips pass through temporary files, which are synced. In memory this takes half of the time.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
exec cargo test --locked --profile simulation --lib -- "$@"
