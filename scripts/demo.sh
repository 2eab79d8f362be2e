#!/usr/bin/env bash
# Shows the main commands against the sandbox, without a key and at no cost: generates a clip, continues it in two
# branches, edits, extends and analyzes clips, and prints their lineage.
set -euo pipefail
cd "$(dirname "$0")/.."

reelkin=${REELKIN:-target/release/reelkin}
out=demo-out
rm -rf "$out"
mkdir -p "$out"

# One sandbox for all commands. The first line of its output is its address.
started=$(mktemp)
"$reelkin" sandbox --seconds-per-job 2 >"$started" &
sandbox=$!
trap 'kill "$sandbox" 2>/dev/null || true; rm -f "$started"' EXIT
for _ in $(seq 100); do [ -s "$started" ] && break; sleep 0.1; done
base_url=$(sed -n 's/.*"base_url":"\([^"]*\)".*/\1/p' "$started")
XAI_API_KEY=$(sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p' "$started")
export XAI_API_KEY
echo "the sandbox is at ${base_url%/v1}" >&2

# Prints a command and runs it.
run() {
    echo "\$ reelkin $*" >&2
    "$reelkin" --library "$out" --base-url "$base_url" "$@"
}
# Runs a command that creates a clip and sets $clip to its path.
make() {
    local printed
    printed=$(run "$@")
    # Not `tee /dev/stderr`: if standard error is a file, tee would open it again and overwrite its start.
    printf '%s\n' "$printed" >&2
    clip=$(printf '%s\n' "$printed" | sed -n '1s/  .*//p')
}

make generate "a lighthouse at dusk, waves roll below, gulls calling, the camera rises slowly" \
    --duration 6 --resolution 720p
first=$clip
run frame --last "$first" -o "$out/first-last.png"
make generate "the lamp turns on and sweeps the sea" --ref "$out/first-last.png" --duration 6 --resolution 720p
run frame --first "$clip" -o "$out/second-first.png"
make continue "a storm comes in from the west" --video "$first"
storm=$clip
make continue "the sky clears and stars come out" --video "$first"
make edit "make it a moonlit night" --video "$clip"
make extend "the rain stops and the sea calms" --video "$storm" --duration 3
run analyze "$storm"
run lineage "$first" --sheet "$out/family.png"
echo
ls -l "$out"
