#!/usr/bin/env bash
# Builds the language packages and runs their tests, or with --bench their benchmarks. Ends with a summary.
set -euo pipefail
cd "$(dirname "$0")/.."

languages=(python kotlin swift)
native=$(bindings/native.sh)
if [ "${1:-}" = --bench ]; then
    for language in "${languages[@]}"; do
        "bindings/$language/bench.sh" "$native"
    done
    exit
fi

[ ! -e "$native/libreelkin.so" ] || bindings/libav/check.sh "$native/libreelkin.so"
test_in() {
    local log=target/bindings/$1.log status=0
    mkdir -p "${log%/*}"
    "bindings/$1/test.sh" "$native" >"$log" 2>&1 || status=$?
    echo; echo "== $1"; cat "$log"
    return "$status"
}
# Python and Swift run in parallel, because their tests mostly wait. Kotlin runs alone, because it measures the memory
# of a JVM. Job control is on because without it background processes ignore SIGINT, which the tests send.
set -m
trap 'kill -- "-$python" "-$swift" 2>/dev/null || true' EXIT
test_in python &
python=$!
test_in swift &
swift=$!
set +m
failed=()
wait "$python" || failed+=(python)
wait "$swift" || failed+=(swift)
test_in kotlin || failed+=(kotlin)
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
echo
for language in "${languages[@]}"; do tail -n 1 "target/bindings/$language.log"; done
