#!/usr/bin/env bash
# Builds a wheel from a prebuilt library, without compiling.
#
#   bindings/python/build-wheel.sh "$(bindings/native.sh)" OUT
set -euo pipefail
if [ $# != 2 ] || [ ! -x "$1/uniffi-bindgen" ]; then
    echo "usage: bindings/python/build-wheel.sh NATIVE OUT   (NATIVE is the folder that bindings/native.sh prints)" >&2
    exit 2
fi
native=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
cd "$(dirname "$0")"
"${PYTHON:-python3}" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$out" --config-settings "native=$native" .
