#!/usr/bin/env bash
# Runs a command so that any cargo inside of it links the packages' own libav, static, in place of the system's.
#
#   bindings/libav/with-libav.sh cargo build --release --features cli --bin reelkin
#
# No feature of cargo's turns it on. Products go to target/packaged, so that neither build spoils the other's.
set -euo pipefail

[ $# -gt 0 ] || { sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prefix=$("$here/build.sh")

# FFMPEG_DIR would come first, and forgets what libav itself needs.
unset FFMPEG_DIR PKG_CONFIG_PATH
export PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig
CARGO_TARGET_DIR=$(cd "$here/../.." && pwd)/target/packaged
export CARGO_TARGET_DIR
if [ "$(uname -s)" = Linux ]; then
    # What is missing is to be an error here, not in the process that loads the library.
    export RUSTFLAGS="${RUSTFLAGS:+$RUSTFLAGS }-C link-arg=-Wl,-z,defs"
fi
exec "$@"
