#!/usr/bin/env bash
# Builds a wheel from a prebuilt native library, installs it into a new environment, and tests the installed package: first
# its types, then everything in tests/.
#
#   bindings/python/test.sh NATIVE [PYTEST ARGUMENTS]     NATIVE is the folder that bindings/native.sh prints
set -euo pipefail
if [ $# -lt 1 ] || [ ! -x "$1/uniffi-bindgen" ] || [ ! -d "$1/expected" ]; then
    echo "usage: bindings/python/test.sh NATIVE [PYTEST ARGUMENTS]   (NATIVE is the folder that bindings/native.sh prints)" >&2
    exit 2
fi
native=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."
here=$PWD/bindings/python
out=$PWD/target/bindings/python
mkdir -p "$out"
# Bytecode is written, as for users, and the developer's own settings are ignored.
unset PYTHONDONTWRITEBYTECODE PYTHONPATH XAI_API_KEY ${!REELKIN_*}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYRIGHT_PYTHON_IGNORE_WARNINGS=1

python=${PYTHON:-python3}
if ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    command -v apt-get >/dev/null || { echo "Python 3.9 or later with venv is missing" >&2; exit 1; }
    "${as_root[@]}" flock /tmp/apt.lock sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends python3 python3-venv' >&2
fi

rm -rf "$out/wheel" "$out/venv"
"$python" -m venv "$out/venv"
bin=$out/venv/bin
PYTHON=$bin/python "$here/build-wheel.sh" "$native" "$out/wheel"
"$bin/pip" install --quiet --no-deps "$out"/wheel/reelkin-*.whl
"$bin/pip" install --quiet -r "$here/tests/requirements.txt"

# From a folder without the sources, so that the installed package is tested.
cd "$out"

# The tag of the wheel is the oldest one that its library allows.
wheel=$(basename "$out"/wheel/reelkin-*.whl .whl)
if [[ $wheel == *manylinux* ]]; then
    tag=${wheel##*-}
    audited=$("$bin/auditwheel" show "$out/wheel/$wheel.whl" | tr '\n' ' ')
    [[ $audited == *"following platform tag: \"$tag\""* ]] || { echo "python: the tag is $tag, but $audited" >&2; exit 1; }
fi

# The source distribution has everything that a build needs. Building it takes minutes, so only its manifest is resolved.
rm -rf "$out/sdist"
"$bin/python" -m build --sdist --outdir "$out/sdist" "$here" >/dev/null
tar -xzf "$out"/sdist/reelkin-*.tar.gz -C "$out/sdist"
(
    cd "$out"/sdist/reelkin-*/
    grep -q '^Name: reelkin$' PKG-INFO
    "$bin/python" -c 'import sys; sys.path.insert(0, "bindings/python/packing"); import backend; assert backend.REPOSITORY.samefile(".")'
    cargo metadata --locked --no-deps --format-version 1 --features ffi,bindgen >/dev/null
)
"$bin/mypy" --strict --cache-dir "$out/mypy" -p reelkin
MYPYPATH=$here/tests "$bin/mypy" --strict --cache-dir "$out/mypy" "$here"/tests/*.py
"$bin/pyright" --project "$here/tests/pyrightconfig.json" --pythonpath "$bin/python"
"$bin/pyright" --pythonpath "$bin/python" "$("$bin/python" -c 'import reelkin, os; print(os.path.dirname(reelkin.__file__))')"/*.py

# A program of a user, and mistakes that must be found, checked as strictly as possible where no optional package is installed.
rm -rf "$out/bare"
"$python" -m venv "$out/bare"
"$out/bare/bin/pip" install --quiet --no-deps "$out"/wheel/reelkin-*.whl
"$bin/pyright" --project "$here/tests/strict" --pythonpath "$out/bare/bin/python"
"$bin/mypy" --strict --cache-dir "$out/mypy" --python-executable "$out/bare/bin/python" "$here"/tests/strict/*.py

# More workers than cores, because most tests wait for jobs or other interpreters.
REELKIN_EXPECTED=$native/expected "$bin/python" -m pytest -n 4 -c "$here/pyproject.toml" -p no:cacheprovider \
    --junitxml "$out/report.xml" "$here/tests" "$@"
# The Python examples of the book.
"$bin/python" "$here/../../scripts/run_docs.py" --python "$bin/python"
"$bin/python" "$here/tests/summary.py" "$out/report.xml" "$here/../SCENARIOS.md"
