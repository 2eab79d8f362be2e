#!/usr/bin/env bash
# Fuzzes the parsers of untrusted input. Works on stable Rust: the fuzzer is a library, and no program is installed.
#
#   scripts/fuzz.sh --short               runs every target: the corpus, then a few seconds of mutation
#   scripts/fuzz.sh --build               only builds the targets
#   scripts/fuzz.sh --seconds N TARGET    runs one target for N seconds
#   scripts/fuzz.sh --input FILE TARGET   runs one input, to reproduce a crash
#
# FFMPEG_DIR may name a libav that was built with fuzz/libav.sh. Its branches then guide the mutations, and
# AddressSanitizer checks its memory accesses.
set -euo pipefail
cd "$(dirname "$0")/.."

targets=(probe frames picture sidecar journal wire)
short=6
mode=${1:-}
case $mode in
--build | --short) ;;
--seconds | --input) [ $# -eq 3 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; } ;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

host=$(rustc -vV | sed -n 's/^host: //p')
flags=(--cfg fuzzing -Zsanitizer=address -Cpasses=sancov-module -Ccodegen-units=1)
for arg in level=4 inline-8bit-counters pc-table trace-compares; do
    flags+=("-Cllvm-args=-sanitizer-coverage-$arg")
done
if [ -n "${FFMPEG_DIR:-}" ]; then
    # A static libav does not link the libraries that it depends on.
    flags+=(-Clink-arg=-lz -Clink-arg=-lm)
    build=target/fuzz/instrumented
else
    build=target/fuzz/build
fi
# RUSTC_BOOTSTRAP allows `-Z` flags on stable, for this build only.
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
    # An input may take 20 s, although its deadline is 5 s, and 2 GB: the instrumented build is slower and larger.
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
        # The whole corpus, then mutations from a printed seed. New inputs are written to the first folder.
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
