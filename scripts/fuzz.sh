#!/usr/bin/env bash
# Fuzzes what reads the bytes of others. On stable Rust: the fuzzer is a library, no program is installed.
#
#   scripts/fuzz.sh --short               every target: the kept corpus, then some seconds of mutation
#   scripts/fuzz.sh --build               builds the targets alone
#   scripts/fuzz.sh --seconds N TARGET    one target for N seconds
#   scripts/fuzz.sh --input FILE TARGET   one input, as a crash is repeated
#
# FFMPEG_DIR may name a libav that was built with fuzz/libav.sh: then libav's own branches guide the
# mutations, and AddressSanitizer sees inside of it.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(probe frames picture sidecar journal wire)
short=6
mode=${1:-}
case $mode in
--build | --short) ;;
--seconds | --input) [ $# -eq 3 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; } ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

host=$(rustc -vV | sed -n 's/^host: //p')
flags=(--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module -Ccodegen-units=1)
for arg in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=("-Cllvm-args=-sanitizer-coverage-$arg")
done
if [ -n "${FFMPEG_DIR:-}" ]; then
    # A static libav names no libraries of its own.
    flags+=(-Clink-arg=-lz -Clink-arg=-lm)
    build=target/fuzz/instrumented
else
    build=target/fuzz/build
fi
# `-Z` on stable is what RUSTC_BOOTSTRAP allows, for this build alone.
RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER=$PWD/scripts/fuzz-rustc.sh FUZZ_FLAGS="${flags[*]}" cargo build --quiet --locked --release \
    --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$build"

corpus() {
    case $1 in
    probe | frames) echo fuzz/corpus/clip ;;
    *) echo "fuzz/corpus/$1" ;;
    esac
}
run() {
    local target=$1
    shift
    local found="target/fuzz/found/$target" work="target/fuzz/corpus/$target"
    mkdir -p "$found" "$work"
    local dictionary=()
    [ ! -f "$(corpus "$target").dict" ] || dictionary=("-dict=$(corpus "$target").dict")
    # What an input may take: 20 s (its deadline is 5) and 2 GB, where the instrumented build needs most.
    ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:detect_odr_violation=0 \
        "$build/$host/release/$target" "-artifact_prefix=$found/" -timeout=20 -rss_limit_mb=2048 \
        -malloc_limit_mb=0 -max_len=65536 -print_final_stats=1 "${dictionary[@]}" "$@"
}
summary() {
    sed -n 's/^stat::\(number_of_executed_units\|peak_rss_mb\): */ \1 /p' "$1" | tr -d '\n'
}

case $mode in
--build) ;;
--input) run "$3" "$2" ;;
--seconds) run "$3" -max_total_time="$2" "target/fuzz/corpus/$3" "$(corpus "$3")" ;;
--short)
    for target in "${targets[@]}"; do
        log=target/fuzz/$target.log
        mkdir -p target/fuzz
        # All of the kept corpus, then mutations from a seed that is said. New inputs go to the first folder.
        fresh=target/fuzz/short/$target
        rm -rf "$fresh" && mkdir -p "$fresh"
        seed=${FUZZ_SEED:-$RANDOM}
        if ! run "$target" -runs=0 "$(corpus "$target")" >"$log" 2>&1 ||
            ! run "$target" -seed="$seed" -max_total_time=$short "$fresh" "$(corpus "$target")" >>"$log" 2>&1; then
            tail -40 "$log" >&2
            echo "fuzz $target: failed with FUZZ_SEED=$seed; the input is in target/fuzz/found/$target" >&2
            exit 1
        fi
        echo "fuzz $target: seed $seed,$(summary "$log")"
    done
    ;;
esac
