#!/usr/bin/env bash
# The packages: built once, installed, tested in each language; with --bench measured instead. A summary at the end.
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

bindings/libav/check.sh "$native/reelkin"
summary=()
for language in "${languages[@]}"; do
    echo; echo "== $language"
    log=target/bindings/$language.log
    mkdir -p "${log%/*}"
    "bindings/$language/test.sh" "$native" 2>&1 | tee "$log"
    summary+=("$(tail -n 1 "$log")")
done
echo
printf '%s\n' "${summary[@]}"
