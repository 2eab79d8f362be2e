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
