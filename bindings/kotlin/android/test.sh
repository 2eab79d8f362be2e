#!/usr/bin/env bash
# Tests what can be tested of the Android build without its toolchain: syntax, argument checks, the
# checks of page sizes and of classes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "android: $*" >&2; exit 1; }

for script in "$here"/*.sh "$here"/../*.sh "$here"/../build/*.sh; do
    bash -n "$script" || fail "$script does not parse"
    ! command -v shellcheck >/dev/null || shellcheck -x "$script"
done

# Without arguments it prints its usage.
output=$("$here/build.sh" 2>&1) && fail "build.sh succeeded without arguments"
[[ $output == *"build.sh JAR ANDROID_LIBAV OUT"* ]] || fail "expected the usage, got: $output"

# Without the toolchain it lists everything that is missing and creates nothing.
output=$(env -u ANDROID_NDK_HOME "$here/build.sh" "$work/none.jar" "$work/none" "$work/out" 2>&1) && fail "build.sh succeeded without an NDK"
for words in "the jar $work/none.jar" "ANDROID_NDK_HOME" \
    "FFmpeg for arm64-v8a" "FFmpeg for armeabi-v7a" "FFmpeg for x86_64"; do
    [[ $output == *"$words"* ]] || fail "expected \"$words\" in: $output"
done
[ ! -e "$work/out" ] || fail "build.sh created output"

# The check of page sizes accepts and rejects the right libraries.
for page in 4096 16384; do
    echo 'int answer(void) { return 42; }' |
        cc -shared -fPIC -x c - -o "$work/lib$page.so" -Wl,-z,max-page-size=$page -Wl,-z,common-page-size=4096
done
"$here/build.sh" --check-pages "$work/lib16384.so" || fail "16 KB pages were rejected"
! "$here/build.sh" --check-pages "$work/lib4096.so" 2>/dev/null || fail "4 KB pages were accepted"
! "$here/build.sh" --check-pages "$here/README.md" 2>/dev/null || fail "a file that is not a library was accepted"

# The check of classes accepts and rejects the right jars.
jar() {
    (cd "$work" && rm -rf classes && for name in "${@:2}"; do mkdir -p "classes/${name%/*}" && : >"classes/$name"; done &&
        cd classes && zip -qr "../$1.jar" .)
}
jar good dev/reelkin/AndroidKt.class dev/reelkin/VideoClient.class
"$here/build.sh" --check-classes "$work/good.jar" || fail "a good jar was rejected"
jar desktop dev/reelkin/ImagesKt.class
jar both dev/reelkin/AndroidKt.class dev/reelkin/ImagesKt.class
jar jna dev/reelkin/AndroidKt.class com/sun/jna/Native.class
jar library dev/reelkin/AndroidKt.class linux-x86-64/libreelkin.so
for bad in desktop both jna library; do
    ! "$here/build.sh" --check-classes "$work/$bad.jar" 2>/dev/null || fail "the jar $bad was accepted"
done
