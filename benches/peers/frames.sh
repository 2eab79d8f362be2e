#!/usr/bin/env bash
# Installs the wheel and its peers into target/bench/frames and runs frames.py.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=target/bench/frames
[ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
install() { "$venv/bin/pip" install --quiet --disable-pip-version-check "$@" >&2; }
install numpy av opencv-python-headless decord
# torch is some gigabytes large and not available everywhere.
install torch torchcodec || echo "skipping torchcodec" >&2

wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
native=$(bindings/native.sh)
bindings/python/build-wheel.sh "$native" "$wheels" >&2
install --force-reinstall --no-deps "$wheels"/*.whl

benches/clips.sh target/bench/clips
# Clips from other sources, if there are any.
others=${REELKIN_BENCH_CLIPS:-../shared/data}
PYTHONPATH=benches/peers "$venv/bin/python" benches/peers/frames.py target/bench/clips \
    $(find "$others" -name '*.mp4' 2>/dev/null | sort)
