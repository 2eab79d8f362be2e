#!/usr/bin/env bash
# What can be checked of the Android build without its toolchain: syntax, what it refuses and says, the check of pages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "android: $*" >&2; exit 1; }

for script in "$here"/*.sh "$here"/../*.sh "$here"/../build/*.sh; do
    bash -n "$script" || fail "$script does not parse"
    ! command -v shellcheck >/dev/null || shellcheck -x "$script"
done

# Without arguments: how it is called.
said=$("$here/build.sh" 2>&1) && fail "no arguments were taken"
[[ $said == *"build.sh JAR ANDROID_LIBAV OUT"* ]] || fail "it does not say how it is called: $said"

# Without the toolchain: all that is missing, each with what to do, and nothing is made.
said=$(env -u ANDROID_NDK_HOME "$here/build.sh" "$work/none.jar" "$work/none" "$work/out" 2>&1) && fail "it ran without an NDK"
for words in "the jar $work/none.jar" "ANDROID_NDK_HOME" \
    "FFmpeg for arm64-v8a" "FFmpeg for armeabi-v7a" "FFmpeg for x86_64"; do
    [[ $said == *"$words"* ]] || fail "it does not say \"$words\": $said"
done
[ ! -e "$work/out" ] || fail "it made something"

# The check of pages, held against libraries of both kinds.
for page in 4096 16384; do
    echo 'int answer(void) { return 42; }' |
        cc -shared -fPIC -x c - -o "$work/lib$page.so" -Wl,-z,max-page-size=$page -Wl,-z,common-page-size=4096
done
"$here/build.sh" --check-pages "$work/lib16384.so" || fail "pages of 16 KB were refused"
! "$here/build.sh" --check-pages "$work/lib4096.so" 2>/dev/null || fail "pages of 4 KB were let through"
! "$here/build.sh" --check-pages "$here/README.md" 2>/dev/null || fail "what is no library was let through"
