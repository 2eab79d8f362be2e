#!/usr/bin/env bash
# Builds what the packages are made of, and prints the folder that has it: the native library, the generator of the
# private modules, the licenses of what is inside, and `expected`: a clip, and its last frame by the Rust program.
#
#   bindings/native.sh                  with our own FFmpeg inside (bindings/libav)
#   bindings/native.sh --program        the same, and the program with it inside, which no package has
#   bindings/native.sh --system-libav   with the system's FFmpeg, which must then be there to run it
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

# One set of features for both, so that what they share is built once.
how=(--locked --profile packaged --features ffi,cli)
# What is downloaded is small before it is fast, but for loops over pixels: optimised for size they would be no
# vectors any more, and the code of other packages that is made for our types neither. So the inliner is kept from
# copying what is not tiny.
smaller=(-C llvm-args=-inline-threshold=25)
# Functions that came out the same are one. Rust's own linker does that, which is the default here since 1.90.
[ "$(uname -sm)" != "Linux x86_64" ] || smaller+=(-C link-arg=-Wl,--icf=all)
"${with[@]}" cargo rustc "${how[@]}" --lib --crate-type cdylib -- "${smaller[@]}" >&2
# A link of its own, of several minutes.
! $program || "${with[@]}" cargo build "${how[@]}" --bin reelkin >&2
# Beside an example, cargo builds it with the features that the tests give to its dependencies: they leave one behind.
cargo build --locked --all-features --bin uniffi-bindgen --bin reelkin --example generate >&2

native=$target/native
rm -rf "$native"
mkdir -p "$native/expected"
for file in "$target"/packaged/libreelkin.{so,dylib} target/debug/uniffi-bindgen; do
    [ ! -e "$file" ] || cp "$file" "$native/"
done
! $program || cp "$target/packaged/reelkin" "$native/"
# With the system's FFmpeg: the frames of the packages are held to another build of it.
target/debug/reelkin generate "a frozen lake" --sandbox --duration 1 --resolution 480p \
    --library "$native/expected/library" -o "$native/expected/clip.mp4" >&2
target/debug/reelkin frame --last "$native/expected/clip.mp4" -o "$native/expected/last.png" >&2
# What is inside wants its licenses to come along.
if [ "$target" = "$PWD/target/packaged" ]; then
    cp -r "$(bindings/libav/build.sh)/share/licenses" "$native/licenses"
fi
echo "$native"
