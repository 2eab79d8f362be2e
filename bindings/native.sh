#!/usr/bin/env bash
# Builds the inputs of the packages and prints their folder: the native library, uniffi-bindgen, the licenses of bundled
# libraries, and `expected` with a clip and its last frame as decoded by the Rust program.
#
#   bindings/native.sh                  with the bundled FFmpeg (bindings/libav)
#   bindings/native.sh --program        also builds the program, which is in no package
#   bindings/native.sh --system-libav   with the system's FFmpeg, which is then required at run time
set -euo pipefail
cd "$(dirname "$0")/.."

with=(bindings/libav/with-libav.sh)
target=$PWD/target/packaged
program=false
case ${1:-} in
'') ;;
--program) program=true ;;
--system-libav) with=(env "CARGO_TARGET_DIR=$PWD/target/bindings") target=$PWD/target/bindings ;;
*) echo "usage: bindings/native.sh [--program | --system-libav]" >&2; exit 2 ;;
esac

# The same features for both, so that shared dependencies are built once.
how=(--locked --profile packaged --features ffi,cli)
# Downloads should be small. Optimizing for size would disable vectorization of pixel loops, so only the inliner is
# limited.
smaller=(-C llvm-args=-inline-threshold=25)
# Merges identical functions. Requires lld, Rust's default linker on this platform since 1.90.
[ "$(uname -sm)" != "Linux x86_64" ] || smaller+=(-C link-arg=-Wl,--icf=all)
# Only for the library. Programs link libgcc_s, which needs the glibc of its own system, as the system's FFmpeg does.
if [ "$(uname -s)" = Linux ] && [ "$target" = "$PWD/target/packaged" ]; then
    stubs=$(bindings/glibc/build.sh)
    smaller+=(-C "link-arg=-L$stubs")
fi
"${with[@]}" cargo rustc "${how[@]}" --lib --crate-type cdylib -- "${smaller[@]}" >&2
# Linking takes several minutes.
! $program || "${with[@]}" cargo build "${how[@]}" --bin reelkin >&2
# With an example, cargo resolves the same features as for the tests, so that the dependencies are already built.
cargo build --locked --all-features --bin uniffi-bindgen --bin reelkin --example generate >&2

native=$target/native
rm -rf "$native"
mkdir -p "$native/expected"
for file in "$target"/packaged/libreelkin.{so,dylib} target/debug/uniffi-bindgen; do
    [ ! -e "$file" ] || cp "$file" "$native/"
done
! $program || cp "$target/packaged/reelkin" "$native/"
# Uses the system's FFmpeg, so that the frames of the packages are compared with another build.
target/debug/reelkin generate "a frozen lake" --sandbox --duration 1 --resolution 480p \
    --library "$native/expected/library" -o "$native/expected/clip.mp4" >&2
target/debug/reelkin frame --last "$native/expected/clip.mp4" -o "$native/expected/last.png" >&2
# The licenses of the bundled libraries and of the Rust crates.
if [ "$target" = "$PWD/target/packaged" ]; then
    cp -r "$(bindings/libav/build.sh)/share/licenses" "$native/licenses"
    bindings/notices.py "$native/licenses/rust-crates.txt"
fi
echo "$native"
