#!/usr/bin/env bash
# Installs a wheel on an old Debian and runs the quick start there: oldest.sh WHEEL [RELEASE]
#
# RELEASE is bullseye by default, the oldest one on Debian's mirrors (glibc 2.31, Python 3.9). Requires root and debootstrap.
# The release is downloaded once, to .cache/debian; installing and running use no network. Not part of make test.
set -euo pipefail
wheel=$(realpath "${1:?usage: oldest.sh WHEEL [RELEASE]}")
release=${2:-bullseye}
cd "$(dirname "$0")/../.."

root=$PWD/.cache/debian/$release
if [ ! -d "$root" ]; then
    mkdir -p "${root%/*}"
    rm -rf "$root.part"
    debootstrap --variant=minbase --include=python3-venv "$release" "$root.part" http://deb.debian.org/debian >&2
    mv "$root.part" "$root"
fi
try=$root/tmp/try
rm -rf "$try"
mkdir -p "$try"
cp "$wheel" "$try"
# The first block of the guide.
awk '/^```python$/ { on = 1; next } /^```$/ && on { exit } on' docs/src/guide/python.md >"$try/quickstart.py"
unshare --net chroot "$root" sh -euc '
    ip link set lo up 2>/dev/null || python3 -c "
import fcntl, socket, struct
with socket.socket() as any:
    # SIOCSIFFLAGS with IFF_UP and IFF_RUNNING: minbase has no ip.
    fcntl.ioctl(any, 0x8914, struct.pack(\"16sh14x\", b\"lo\", 0x41))
"
    cd /tmp/try
    ldd --version | sed -n 1p
    python3 -m venv venv
    venv/bin/pip install --quiet --no-index --disable-pip-version-check *.whl
    venv/bin/python quickstart.py
'
