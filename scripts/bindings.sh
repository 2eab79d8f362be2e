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
# All at once: while one waits for its polls, the others compile.
mkdir -p target/bindings
pids=()
# Each in a process group of its own: otherwise its tests would start with SIGINT ignored.
set -m
trap 'for pid in "${pids[@]}"; do kill -- "-$pid" 2>/dev/null || true; done' EXIT
for language in "${languages[@]}"; do
    "bindings/$language/test.sh" "$native" >"target/bindings/$language.log" 2>&1 &
    pids+=($!)
done
set +m
echo "the packages for ${languages[*]} are tested; what they print is in target/bindings/*.log"
summary=() failed=()
for at in "${!languages[@]}"; do
    language=${languages[at]}
    wait "${pids[at]}" || failed+=("$language")
    echo; echo "== $language"
    cat "target/bindings/$language.log"
    summary+=("$(tail -n 1 "target/bindings/$language.log")")
done
echo
printf '%s\n' "${summary[@]}"
[ ${#failed[@]} = 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
