#!/usr/bin/env bash
# Times cold release builds of the library on two cores, and prints rows for each set of features.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fetch --locked --quiet
on_two_cores=()
! command -v taskset >/dev/null || on_two_cores=(taskset -c 0,1)
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
TIMEFORMAT='%R %U %S'

cold() {
    time "${on_two_cores[@]}" cargo build --locked --release --lib -j 2 --target-dir "$target/$1" "${@:2}" &>"$target/log" ||
        { cat "$target/log" >&2; exit 1; }
}

row() { echo "{\"group\":\"build\",\"case\":\"cold, release, $1\",\"figure\":\"$2\",\"unit\":\"s\",\"ours\":$3,\"value\":$3$4}"; }

for case in "the default features" "no features"; do
    flags=()
    [ "$case" != "no features" ] || flags=(--no-default-features)
    took=$( { cold "${case// /-}" "${flags[@]}"; } 2>&1)
    read -r wall user system <<<"$took"
    row "$case" wall "$wall" ',"limit":150'
    row "$case" cpu "$(awk "BEGIN { print $user + $system }")" ''
done
