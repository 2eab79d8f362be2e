#!/usr/bin/env bash
# Measures the installed package. Prints JSON lines {"name", "value", "unit"}.
#
#   bindings/python/bench.sh NATIVE       NATIVE is the folder that bindings/native.sh prints, of a release build
set -euo pipefail
if [ $# != 1 ] || [ ! -x "$1/uniffi-bindgen" ]; then
    echo "usage: bindings/python/bench.sh NATIVE   (NATIVE is the folder that bindings/native.sh prints)" >&2
    exit 2
fi
native=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
out=$PWD/target/bindings/python
unset PYTHONDONTWRITEBYTECODE PYTHONPATH
rm -rf "$out/bench"
"${PYTHON:-python3}" -m venv "$out/bench/venv"
PYTHON=$out/bench/venv/bin/python bindings/python/build-wheel.sh "$native" "$out/bench"
"$out/bench/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps "$out"/bench/reelkin-*.whl
"$out/bench/venv/bin/python" bindings/python/bench.py "$out"/bench/reelkin-*.whl
