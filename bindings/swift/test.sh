#!/usr/bin/env bash
# Tests the installed Swift package: test.sh NATIVE
#
# NATIVE is the folder that bindings/native.sh prints. Uses the machine's Swift (6 or later). Without one, as root on
# Debian or Ubuntu, installs Debian 13 with Swift in .cache/swift (2.6 GB, at least two minutes the first time). If
# neither is possible, prints the reason and exits with 0.
set -euo pipefail
# shellcheck source=bindings/swift/prepare.sh
. "$(dirname "$0")/prepare.sh"

# The package from the quick start. It shares the build folder with the tests, which run it.
start=$products/quickstart
rm -rf "$start"
mkdir -p "$start/QuickStart"
block() { awk -v first="\`\`\`swift $1" '$0 == first { on = 1; next } /^```$/ { on = 0 } on' docs/src/guide/swift.md; }
block package >"$start/Package.swift"
block main >"$start/QuickStart/main.swift"

log=$products/test.log
status=0
{
    "${in_swift[@]}" swift build --package-path "$start" --scratch-path "$products/build" &&
        "${in_swift[@]}" REELKIN_EXPECTED="$native/expected" \
            swift test --package-path "$products/tests" --scratch-path "$products/build"
} >"$log" 2>&1 || status=$?
if [ "$status" != 0 ]; then
    grep -v '^\[\|passed (\|started at' "$log" | tail -n 80 >&2 || true
    echo "swift: failed (the whole report is in $log)" >&2
    exit 1
fi

# The package without its library, which can be a versioned dependency: the quick start finds the library with pkg-config.
versioned=$products/versioned
rm -rf "$versioned"
mkdir "$versioned"
bindings/swift/package.sh --prefix "$versioned/prefix" "$native" "$versioned/reelkin-swift" >/dev/null
cp -R "$start" "$versioned/"
run_versioned() {
    "${in_swift[@]}" env PKG_CONFIG_PATH="$versioned/prefix/lib/pkgconfig" \
        swift build --package-path "$versioned/quickstart" --scratch-path "$versioned/build" &&
        "${in_swift[@]}" env -C "$versioned" LD_LIBRARY_PATH="$versioned/prefix/lib" "$versioned/build/debug/QuickStart"
}
if ! run_versioned >"$products/versioned.log" 2>&1 || ! grep -q "recovered 1" "$products/versioned.log"; then
    tail -n 40 "$products/versioned.log" >&2
    echo "swift: the package with pkg-config failed" >&2
    exit 1
fi

# The manifests, also for Apple platforms: no flags that versioned dependencies must not have, and the right library.
manifest() { "${in_swift[@]}" swift package --package-path "$versioned/reelkin-swift" dump-package; }
has() { grep -q "$1" <<<"$manifest" || { echo "swift: the manifest has no $1" >&2; exit 1; }; }
has_no() { ! grep -q "$1" <<<"$manifest" || { echo "swift: the manifest has $1" >&2; exit 1; }; }
manifest=$(manifest)
has_no unsafeFlags
sed -i 's/#if os(Linux)/#if os(Windows)/' "$versioned/reelkin-swift/Package.swift"
manifest=$(manifest)
has_no unsafeFlags
has '"path" : "ReelkinGeneratedFFI.xcframework"'
has PrivacyInfo.xcprivacy
has '"platformName" : "ios"'
has '"platformName" : "macos"'
[ "$(grep -c '"platformName"' <<<"$manifest")" = 2 ] || { echo "swift: the manifest has other platforms" >&2; exit 1; }
checksum=$(sha256sum "$products/versioned.log" | cut -c -64)
bindings/swift/binary-url.sh "$versioned/reelkin-swift" https://example.com/a.zip "$checksum"
manifest=$(manifest)
has '"url" : "https:.*example.com.*a.zip"'
has "\"checksum\" : \"$checksum\""
has_no unsafeFlags

# Names that users must not see, even with the generated module. The first line shows that the check can succeed.
modules=$(dirname "$(find -L "$products/build/debug" -name ReelkinGenerated.swiftmodule | head -n 1)")
sees() {
    printf 'import Reelkin\nimport ReelkinGenerated\n_ = %s\n' "$1" >"$products/sees.swift"
    "${in_swift[@]}" swiftc -typecheck -I "$modules" -I "$products/reelkin-swift/Sources/ReelkinGeneratedFFI" \
        "$products/sees.swift" >"$products/sees.log" 2>&1
}
sees ReelkinGenerated.version || { cat "$products/sees.log" >&2; exit 1; }
for name in encodePng parseMediaInput parseVideoInput; do
    if sees "$name" || ! grep -q "cannot find '$name'\|'$name' is inaccessible" "$products/sees.log"; then
        echo "swift: $name is public" >&2
        exit 1
    fi
done

passed=$(sed -nE "s/^Test Case '([A-Za-z.]+)' passed.*/\1/p" "$log")
rows=0 ran=0
while read -r row; do
    rows=$((rows + 1))
    name=ScenariosTests.test$(sed -E 's/(^|_)([a-z])/\U\2/g' <<<"$row")
    if grep -qx "$name" <<<"$passed"; then
        ran=$((ran + 1))
    else
        echo "the scenario $row did not run" >&2
    fi
done < <(sed -nE 's/^\| `([a-z_]+)` \|.*/\1/p' bindings/SCENARIOS.md)
sed -n '/^10,000 calls/p' "$log"
echo "swift: $(wc -l <<<"$passed") tests, $ran of $rows scenarios"
[ "$rows" -gt 0 ] && [ "$ran" = "$rows" ]
