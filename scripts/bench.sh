#!/usr/bin/env bash
# Runs benchmarks and records their rows.
#
#   scripts/bench.sh             runs all benchmarks; writes benches/results.json and docs/src/reference/benchmarks.md
#   scripts/bench.sh NAME...     runs some benchmarks; replaces the rows of their groups
#   scripts/bench.sh --check     runs the short forms; fails if a result is worse than the recorded one
#
# benches/README.md lists the names.
set -euo pipefail
cd "$(dirname "$0")/.."

all=(frames frames-python bodies bucket library waiting jobs start build)
short=(frames bodies bucket library waiting jobs)

check=
if [ "${1:-}" = --check ]; then
    check=yes
    export REELKIN_BENCH_SHORT=1
    shift
    names=("${short[@]}")
else
    names=("${all[@]}")
fi
[ $# = 0 ] || names=("$@")

unset XAI_API_KEY ${!REELKIN_BUDGET*} REELKIN_LIBRARY REELKIN_LOG ${!AWS_*}
rows=target/bench/rows
mkdir -p "${rows%/*}"
: >"$rows"

# Runs a Rust benchmark with the release profile and the libav of the system. Features that build slowly are off.
in_rust() { cargo bench --locked --quiet --features cli --bench "$1" >>"$rows"; }

# Runs a simulation with a virtual clock. It uses private items of the crate, so it is a test that prints rows.
in_simulation() {
    cargo test --locked --quiet --all-features --lib -- "$@" --exact --ignored --nocapture --test-threads=1 |
        grep -o '{.*' >>"$rows"
}

# Installs Python packages into a virtual environment of a benchmark.
in_python() {
    local venv=target/bench/$1
    shift
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
}

for name in "${names[@]}"; do
    echo "== $name" >&2
    case $name in
    frames) in_rust frame ;;
    frames-python) benches/peers/frames.sh >>"$rows" ;;
    bodies | bucket) in_rust "$name" ;;
    start) REELKIN_PROGRAM=$(bindings/native.sh --program)/reelkin in_rust start ;;
    build) benches/build.sh >>"$rows" ;;
    library) in_rust library ;;
    waiting) in_simulation job::poll_schedule::rows client::fairness_tests::rows ;;
    jobs)
        in_python jobs httpx==0.28.1
        in_rust jobs
        ;;
    *) echo "unknown benchmark $name, expected one of: ${all[*]}" >&2; exit 2 ;;
    esac
done

if [ -n "$check" ]; then
    benches/report.py check "$rows"
else
    benches/report.py keep "$rows"
    benches/report.py page
fi
