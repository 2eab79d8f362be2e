#!/usr/bin/env bash
# Frames in Python beside its other libraries: the wheel and they go into target/bench/frames. See frames.py.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=target/bench/frames
[ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
install() { "$venv/bin/pip" install --quiet --disable-pip-version-check "$@" >&2; }
install numpy av opencv-python-headless decord
# With its torch it is some gigabytes, and not to be had everywhere.
install torch torchcodec || echo "torchcodec is left out" >&2

wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
native=$(bindings/native.sh)
bindings/python/build-wheel.sh "$native" "$wheels" >&2
install --force-reinstall --no-deps "$wheels"/*.whl

benches/clips.sh target/bench/clips
# Two that were made by others; without them there are rows for ours alone.
others=${REELKIN_BENCH_CLIPS:-../shared/data}
PYTHONPATH=benches/peers "$venv/bin/python" benches/peers/frames.py target/bench/clips \
    $(find "$others" -name '*.mp4' 2>/dev/null | sort)
