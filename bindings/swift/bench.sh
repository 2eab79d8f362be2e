#!/usr/bin/env bash
# Measures the Swift package: bench.sh NATIVE. Prints one line of JSON per figure.
set -euo pipefail
# shellcheck source=bindings/swift/prepare.sh
. "$(dirname "$0")/prepare.sh"

build=$products/build-release
"${in_swift[@]}" swift build -c release --package-path "$products/tests" --scratch-path "$build" --product Bench >&2
"${in_swift[@]}" swift build -c release --package-path "$products/tests" --scratch-path "$build" --product Baseline >&2

say() { printf '{"name": "swift %s", "value": %s, "unit": "%s"}\n' "$@"; }
say "package, native library" "$(stat -c %s "$products/reelkin-swift/lib/libreelkin.so")" bytes
say "package, compressed" "$(tar -C "$products" -cz reelkin-swift | wc -c)" bytes

# Baseline and package alternate, so that other load affects both.
# shellcheck disable=SC2016
"${in_swift[@]}" bash -euc '
    bin=$1 work=$(mktemp -d)
    trap "rm -rf $work" EXIT
    milliseconds() { local begin=${EPOCHREALTIME/./}; "$@" >/dev/null; echo $(((${EPOCHREALTIME/./} - begin) / 10)); }
    for _ in $(seq 21); do
        milliseconds "$bin/Baseline" >>"$work/baseline"
        milliseconds "$bin/Bench" start >>"$work/package"
    done
    median() { sort -n "$1" | sed -n 11p | sed -E "s/^([0-9]+)([0-9]{2})$/\1.\2/; s/^([0-9]{1,2})$/0.\1/"; }
    echo "start, Foundation alone|$(median "$work/baseline")|ms"
    echo "start, with the package|$(median "$work/package")|ms"
    clip=$("$bin/Bench" clip "$work/clips")
    for _ in 1 2 3; do "$bin/Bench" frame "$clip" >>"$work/frame"; done
    echo "peak memory, last frame of 720p|$(sort -n -k3 "$work/frame" | sed -n "2s/.* //p")|KiB"
' bench "$build/release" | while IFS='|' read -r name value unit; do say "$name" "$value" "$unit"; done
