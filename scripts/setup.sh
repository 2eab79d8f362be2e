#!/usr/bin/env bash
# Installs missing build and test dependencies, with apt on Debian and Ubuntu. Elsewhere it prints their names.
#
#   scripts/setup.sh build       libav headers, libclang (for the bindings of ffmpeg-next), pkg-config and compilers
#   scripts/setup.sh test        also ffmpeg, Node and Python
#   scripts/setup.sh memcheck    also valgrind
#   scripts/setup.sh docs        only a compiler and Python, for scripts/docs.sh
#   scripts/setup.sh bindings    also the tools for bindings/libav/build.sh
set -euo pipefail

want=${1:-build}

have_headers() {
    command -v pkg-config >/dev/null &&
        pkg-config --exists libavcodec libavformat libavutil libswscale
}
have_clang() {
    # shellcheck disable=SC2144
    [ -n "${LIBCLANG_PATH:-}" ] || ldconfig -p 2>/dev/null | grep 'libclang[-.]' >/dev/null ||
        ls /usr/lib/llvm-*/lib/libclang*.so* >/dev/null 2>&1 ||
        ls /opt/homebrew/opt/llvm/lib/libclang.dylib /Library/Developer/CommandLineTools/usr/lib/libclang.dylib >/dev/null 2>&1
}
have_compiler() { command -v cc >/dev/null && command -v clang >/dev/null; }
have_test_tools() {
    command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null && command -v curl >/dev/null &&
        command -v npm >/dev/null && python3 -c 'import venv, ensurepip' 2>/dev/null
}

missing=()
# mdBook needs no libav.
if [ "$want" = docs ]; then
    command -v cc >/dev/null || missing+=(build-essential)
    command -v python3 >/dev/null || missing+=(python3)
else
    have_headers || missing+=(pkg-config libavcodec-dev libavformat-dev libavutil-dev libswscale-dev)
    have_clang || missing+=(libclang-dev)
    have_compiler || missing+=(build-essential clang)
fi
if [ "$want" = test ] && ! have_test_tools; then
    missing+=(ffmpeg curl python3 python3-venv)
    # An existing Node has its own npm, which conflicts with the npm package of Debian.
    command -v npm >/dev/null || missing+=(nodejs npm)
fi

[ "$want" != memcheck ] || command -v valgrind >/dev/null || missing+=(valgrind)
have_libav_tools() {
    command -v g++ >/dev/null && command -v make >/dev/null && command -v nasm >/dev/null &&
        command -v meson >/dev/null && command -v ninja >/dev/null && command -v xz >/dev/null &&
        python3 -c 'import venv, ensurepip' 2>/dev/null
}
[ "$want" != bindings ] || have_libav_tools || missing+=(build-essential nasm meson ninja-build xz-utils python3-venv)

if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    echo "cargo is in $HOME/.cargo/bin, which is not on PATH; run: . \"\$HOME/.cargo/env\"" >&2
    exit 1
fi
if ! command -v cargo >/dev/null; then
    echo "Rust is not installed; install it with rustup: https://rustup.rs" >&2
    exit 1
fi
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    cat >&2 <<TEXT
cannot install missing packages without apt: ${missing[*]}
  Homebrew:  brew install ffmpeg pkg-config llvm node python
  Fedora:    dnf install ffmpeg-free ffmpeg-free-devel clang clang-devel pkgconf-pkg-config nodejs npm python3
TEXT
    exit 1
fi

as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "installing ${missing[*]} requires root or sudo" >&2; exit 1; }
    as_root=(sudo)
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
