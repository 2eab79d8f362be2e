#!/usr/bin/env bash
# The main job with no key and no cost: a clip from words, and a clip that starts where it ends.
set -euo pipefail
cd "$(dirname "$0")/.."

reelkin=${REELKIN:-target/release/reelkin}
out=demo-out
rm -rf "$out"
mkdir -p "$out"

# One sandbox for both clips; its first line says where it is.
"$reelkin" sandbox --seconds-per-job 3 >"$out/.sandbox" &
sandbox=$!
trap 'kill "$sandbox" 2>/dev/null || true; rm -f "$out/.sandbox"' EXIT
for _ in $(seq 100); do [ -s "$out/.sandbox" ] && break; sleep 0.1; done
base_url=$(sed -n 's/.*"base_url":"\([^"]*\)".*/\1/p' "$out/.sandbox")
XAI_API_KEY=$(sed -n 's/.*"api_key":"\([^"]*\)".*/\1/p' "$out/.sandbox")
export XAI_API_KEY

run() {
    echo "\$ reelkin $*" >&2
    "$reelkin" --library "$out" --base-url "$base_url" "$@"
}

echo "the sandbox is at ${base_url%/v1}" >&2
run generate "a lighthouse at dusk, waves roll below, gulls calling, the camera rises slowly" \
    --duration 6 --resolution 720p | tee "$out/.first"
first=$(sed 's/  .*//;q' "$out/.first")
run frame --last "$first" -o "$out/first-last.png"
run generate "the lamp turns on and sweeps the sea" \
    --ref "$out/first-last.png" --duration 6 --resolution 720p | tee "$out/.second"
second=$(sed 's/  .*//;q' "$out/.second")
run frame --first "$second" -o "$out/second-first.png"
run frame --last "$second" -o "$out/second-last.png"
rm -f "$out/.first" "$out/.second"
echo
run ls
echo
ls -l "$out"
