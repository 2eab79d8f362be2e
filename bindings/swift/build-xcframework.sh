#!/usr/bin/env bash
# Builds the Swift package for Apple platforms: build-xcframework.sh OUT [URL]
#
# Untested: written without access to a Mac. Requires
#   * macOS 13 or later with Xcode 16 or later (xcodebuild, xcrun, lipo, Swift 6),
#   * Rust with its targets: rustup target add aarch64-apple-darwin x86_64-apple-darwin aarch64-apple-ios \
#       aarch64-apple-ios-sim
#   * a static libav for each target in $REELKIN_APPLE_LIBAV/TARGET/lib/pkgconfig, built like bindings/libav with that
#     target's clang. A system FFmpeg does not work, because apps cannot rely on one.
# OUT is a package with ReelkinGeneratedFFI.xcframework inside. Other packages depend on it by its path. With URL, the
# XCFramework is zipped as OUT.xcframework.zip instead. Upload it to URL and commit OUT; it can then be used by its version.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
out=${1:?usage: build-xcframework.sh OUT [URL]}
url=${2:-}
targets=(aarch64-apple-darwin x86_64-apple-darwin aarch64-apple-ios aarch64-apple-ios-sim)

missing=()
for tool in xcodebuild xcrun lipo cargo rustup; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if command -v rustup >/dev/null; then
    for target in "${targets[@]}"; do
        rustup target list --installed | grep -qx "$target" || missing+=("Rust target $target")
    done
fi
libav=${REELKIN_APPLE_LIBAV:-}
for target in "${targets[@]}"; do
    [ -n "$libav" ] && [ -e "$libav/$target/lib/pkgconfig/libavcodec.pc" ] ||
        missing+=("a static libav for $target in \$REELKIN_APPLE_LIBAV/$target")
done
if [ ${#missing[@]} -gt 0 ]; then
    echo "building an XCFramework requires macOS with Xcode; missing:" >&2
    printf '  %s\n' "${missing[@]}" >&2
    exit 1
fi

cd "$checkout"
built=$checkout/target/bindings/swift/apple
mkdir -p "$built"
for target in "${targets[@]}"; do
    case $target in
    *-ios) sdk=iphoneos ;;
    *-ios-sim) sdk=iphonesimulator ;;
    *) sdk=macosx ;;
    esac
    env PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_LIBDIR="$libav/$target/lib/pkgconfig" \
        SDKROOT="$(xcrun --sdk "$sdk" --show-sdk-path)" CARGO_TARGET_DIR="$built" \
        cargo rustc --locked --profile packaged --features ffi,ffmpeg-next/static --lib --crate-type staticlib --target "$target" >&2
done
# An XCFramework has one library per platform, so both architectures of macOS go into one file.
mkdir -p "$built/macos" "$built/native"
lipo -create "$built"/{aarch64,x86_64}-apple-darwin/packaged/libreelkin.a -output "$built/macos/libreelkin.a"

cargo build --locked --all-features --bin uniffi-bindgen >&2
cp target/debug/uniffi-bindgen "$built/macos/libreelkin.a" "$built/native/"
"$here/package.sh" "$built/native" "$out" >/dev/null

# The header and its module map move into the framework, which replaces the system library target.
headers=$built/headers
rm -rf "$headers" "$built/ReelkinGeneratedFFI.xcframework"
mv "$out/Sources/ReelkinGeneratedFFI" "$headers"
sed -i '' '/link "reelkin"/d' "$headers/module.modulemap"
xcodebuild -create-xcframework \
    -library "$built/macos/libreelkin.a" -headers "$headers" \
    -library "$built/aarch64-apple-ios/packaged/libreelkin.a" -headers "$headers" \
    -library "$built/aarch64-apple-ios-sim/packaged/libreelkin.a" -headers "$headers" \
    -output "$out/ReelkinGeneratedFFI.xcframework" >&2
if [ -n "$url" ]; then
    ditto -c -k --keepParent "$out/ReelkinGeneratedFFI.xcframework" "$out.xcframework.zip"
    rm -r "$out/ReelkinGeneratedFFI.xcframework"
    "$here/binary-url.sh" "$out" "$url" "$(swift package compute-checksum "$out.xcframework.zip")"
fi
echo "$out"
