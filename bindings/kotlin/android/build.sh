#!/usr/bin/env bash
# Builds the AAR for Android: the classes of the jar, the native library for each ABI, and ProGuard rules.
#
#   android/build.sh JAR ANDROID_LIBAV OUT
#
#   JAR            the jar from mvn package -Pandroid in bindings/kotlin
#   ANDROID_LIBAV  a folder with a static, position-independent FFmpeg per ABI: <abi>/lib/pkgconfig/*.pc
#   OUT            the folder for reelkin.aar
#
# Lists missing tools and stops. Untested with the Android toolchain: see README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)

abis=(arm64-v8a armeabi-v7a x86_64)
# java.nio.file requires API 26.
min_sdk=26
# Google Play requires 16 KB pages for Android 15 and later.
page=16384

triple() {
    case $1 in
    arm64-v8a) echo aarch64-linux-android ;;
    armeabi-v7a) echo armv7-linux-androideabi ;;
    x86_64) echo x86_64-linux-android ;;
    esac
}

# Checks that every loaded segment is aligned to the page size.
check_pages() {
    local library=$1 alignment
    local -a alignments
    mapfile -t alignments < <("${READELF:-readelf}" -lW "$library" | awk '$1 == "LOAD" { print $NF }')
    [ ${#alignments[@]} -gt 0 ] || { echo "$library: no loaded segments; expected a shared library" >&2; return 1; }
    for alignment in "${alignments[@]}"; do
        if ((alignment % page != 0)); then
            echo "$library: a segment is aligned to $alignment; expected a multiple of $page" >&2
            return 1
        fi
    done
}

# Checks that a jar has the classes for Android, no native libraries, and no JNA, which an app has from JNA's own AAR.
check_classes() {
    local jar=$1 names unexpected
    names=$(unzip -Z1 "$jar") || { echo "$jar: not a jar" >&2; return 1; }
    grep -qx 'dev/reelkin/AndroidKt.class' <<<"$names" || { echo "$jar: not built for Android: mvn package -Pandroid" >&2; return 1; }
    unexpected=$(grep -E '^com/sun/jna/|^dev/reelkin/ImagesKt\.class$|\.(so|dylib|dll|jnilib)$' <<<"$names") || return 0
    echo "$jar: unexpected:" $unexpected >&2
    return 1
}

case ${1:-} in
--check-pages)
    check_pages "${2:?usage: build.sh --check-pages LIBRARY}"
    exit
    ;;
--check-classes)
    check_classes "${2:?usage: build.sh --check-classes JAR}"
    exit
    ;;
esac

if [ $# != 3 ]; then
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
jar=$1 libav=$2 out=$3

missing=()
[ -f "$jar" ] || missing+=("the jar $jar: mvn -f bindings/kotlin/pom.xml package -Pandroid -Dreelkin.native=\"\$(bindings/native.sh)\"")
if [ -z "${ANDROID_NDK_HOME:-}" ] || [ ! -d "$ANDROID_NDK_HOME/toolchains/llvm/prebuilt" ]; then
    missing+=("Android's NDK, r27 or later, in ANDROID_NDK_HOME: https://developer.android.com/ndk/downloads")
fi
cargo ndk --version >/dev/null 2>&1 || missing+=("cargo-ndk: cargo install cargo-ndk --locked")
for tool in zip unzip readelf; do
    command -v "$tool" >/dev/null || missing+=("the program $tool")
done
for abi in "${abis[@]}"; do
    target=$(triple "$abi")
    rustc --print target-libdir --target "$target" 2>/dev/null | xargs -r test -d ||
        missing+=("Rust's target $target: rustup target add $target")
    [ -d "$libav/$abi/lib/pkgconfig" ] ||
        missing+=("FFmpeg for $abi in $libav/$abi/lib/pkgconfig, configured with the NDK's compiler as bindings/libav does")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "missing:" >&2
    printf '  %s\n' "${missing[@]}" >&2
    exit 1
fi

strip=$(echo "$ANDROID_NDK_HOME"/toolchains/llvm/prebuilt/*/bin/llvm-strip)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for abi in "${abis[@]}"; do
    target=$(triple "$abi")
    flags=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$target")_RUSTFLAGS
    env "$flags=-C link-arg=-Wl,-z,max-page-size=$page -C link-arg=-Wl,-z,defs" \
        PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_LIBDIR="$libav/$abi/lib/pkgconfig" \
        cargo ndk --manifest-path "$root/Cargo.toml" --target "$abi" --platform "$min_sdk" --output-dir "$work/jni" \
        rustc --locked --release --lib --crate-type cdylib --features ffi,ffmpeg-next/static
    check_pages "$work/jni/$abi/libreelkin.so"
    "$strip" --strip-unneeded "$work/jni/$abi/libreelkin.so"
done

# Remove the libraries of this machine.
cp "$jar" "$work/classes.jar"
zip -qd "$work/classes.jar" 'linux-*/*' 'darwin-*/*' || [ $? = 12 ]
check_classes "$work/classes.jar"
cp "$here/src/main/AndroidManifest.xml" "$here/proguard.txt" "$work/"
: >"$work/R.txt"
mkdir -p "$out"
out=$(cd "$out" && pwd)
rm -f "$out/reelkin.aar"
(cd "$work" && zip -qr "$out/reelkin.aar" AndroidManifest.xml classes.jar jni proguard.txt R.txt)
echo "$out/reelkin.aar"
