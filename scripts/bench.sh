#!/usr/bin/env bash
# Runs benchmarks and keeps their rows.
#
#   scripts/bench.sh             all of them; writes benches/results.json and docs/benchmarks.md
#   scripts/bench.sh NAME…       some of them; their groups are replaced
#   scripts/bench.sh --check     the short form of those that have one, held against what is kept
#
# benches/README.md has the names.
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

# A benchmark in Rust: our release profile, the system's libav. Not all features: the generators take minutes to build.
in_rust() { cargo bench --locked --quiet --features cli --bench "$1" >>"$rows"; }

# What is simulated with private parts of the crate, on a clock of its own: tests that print rows.
in_simulation() {
    cargo test --locked --quiet --all-features --lib -- "$@" --exact --ignored --nocapture --test-threads=1 |
        grep -o '{.*' >>"$rows"
}

# The packages of a peer in Python, in an environment of the benchmark's own.
in_python() {
    local place=target/bench/$1
    shift
    [ -x "$place/bin/python" ] || python3 -m venv "$place"
    "$place/bin/pip" install --quiet --disable-pip-version-check "$@"
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
    *) echo "no benchmark is called $name: ${all[*]}" >&2; exit 2 ;;
    esac
done

if [ -n "$check" ]; then
    benches/report.py check "$rows"
else
    benches/report.py keep "$rows"
    benches/report.py page
fi
