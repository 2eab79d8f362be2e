#!/usr/bin/env bash
# Stress tests: kills processes, fills disks, corrupts records and injects faults for ten minutes on two cores.
#   scripts/torture.sh [SEED]     SEED reproduces an earlier run; defaults to a random seed
# Exits with 1 if a test failed. Ctrl-C ends everything that it started.
set -uo pipefail
cd "$(dirname "$0")/.."

seed=${1:-${REELKIN_SEED:-$((RANDOM * 32768 + RANDOM))}}
minutes=${REELKIN_MINUTES:-10}
out=$(mktemp -d)
part=
# Each part has its own process group, so that its children are killed with it.
finish() {
    local code=$?
    trap - EXIT INT TERM
    [ -z "$part" ] || kill -KILL -- "-$part" 2>/dev/null
    rm -rf "$out"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

export CARGO_TERM_COLOR=never RUST_BACKTRACE=1
unset XAI_API_KEY REELKIN_LIBRARY REELKIN_LOG
failed=()

# run NAME SECONDS COMMAND... runs a part with a time limit. Its figures are the lines that begin with `torture:`.
run() {
    local name=$1 limit=$2 started=$SECONDS code
    shift 2
    echo "== $name" >&2
    setsid timeout --kill-after=10 "$limit" "$@" >"$out/$name" 2>&1 </dev/null &
    part=$!
    wait "$part"
    code=$?
    # Processes that a failed part left behind.
    kill -KILL -- "-$part" 2>/dev/null
    part=
    if [ "$code" != 0 ]; then
        failed+=("$name")
        grep -v '^ \+\(at\|[0-9]\+:\) ' "$out/$name" | tail -40 >&2
        [ "$code" != 124 ] || echo "$name did not end within $limit s" >&2
    fi
    grep '^NOT RUN' "$out/$name" >&2
    printf '%s\t%s\t%s s\n' "$name" "$([ "$code" = 0 ] && echo ok || echo FAILED)" $((SECONDS - started)) >>"$out/table"
    sed -n -e 's/^torture: [a-z]*: /\t/p' -e 's/^fuzz /\t/p' -e 's/^\([a-z_ -]*: [0-9]* faults in .*\)/\t\1/p' \
        "$out/$name" >>"$out/table"
}

echo "seed $seed" >&2
cargo test --locked --release --all-features --test it --no-run 2>"$out/build" || {
    cat "$out/build" >&2
    exit 1
}
it=$(sed -n 's/.*Executable tests.it.main.rs (\(.*\)).*/\1/p' "$out/build")

export REELKIN_SEED=$seed FUZZ_SEED=$seed
share=$((minutes * 60))
# Each part takes about three minutes on two idle cores. One that takes longer than all parts together hangs.
REELKIN_KILLS=$share run kill $((share * 2)) "$it" torture_kill --nocapture
REELKIN_CASES=$((share / 6)) run property $((share * 2)) "$it" torture_property --nocapture
run disk "$share" "$it" torture_disk --nocapture
run records "$share" "$it" torture_records --nocapture
REELKIN_LONG=1 run every-byte $((share * 2)) "$it" every_byte:: --nocapture
run fuzz $((share * 2)) scripts/fuzz.sh --short
run memcheck $((share * 2)) scripts/memcheck.sh

echo
echo "torture, seed $seed (to reproduce: scripts/torture.sh $seed)"
expand -t 12 "$out/table"
if [ ${#failed[@]} -gt 0 ]; then
    echo "FAILED: ${failed[*]}"
    exit 1
fi
