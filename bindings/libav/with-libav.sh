#!/usr/bin/env bash
# Runs a command so that cargo links the packages' libav statically instead of the system's.
#
#   bindings/libav/with-libav.sh cargo build --release --features cli --bin reelkin
#
# There is no cargo feature for this. Output goes to target/packaged, separate from other builds.
set -euo pipefail

[ $# -gt 0 ] || { sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prefix=$("$here/build.sh")

# FFMPEG_DIR would take precedence, and does not link libav's own dependencies.
unset FFMPEG_DIR PKG_CONFIG_PATH
export PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig
CARGO_TARGET_DIR=$(cd "$here/../.." && pwd)/target/packaged
export CARGO_TARGET_DIR
if [ "$(uname -s)" = Linux ]; then
    # Makes undefined symbols a link error instead of a load error.
    export RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }-C link-arg=-Wl,-z,defs"
fi
exec "$@"
