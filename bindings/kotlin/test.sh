#!/usr/bin/env bash
# Builds the Kotlin package, installs it, and runs its tests from a project that has the installed jar.
#
#   bindings/kotlin/test.sh NATIVE    NATIVE has libreelkin.so, uniffi-bindgen and what is expected (bindings/native.sh)
#
# Installs a JDK and Maven through apt when they are missing. What it makes goes to target/bindings/kotlin, what it
# fetches to .cache/maven.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
native=$(cd "${1:?usage: test.sh NATIVE}" && pwd)
out=$root/target/bindings/kotlin

mkdir -p "$out"
"$here/build/setup.sh"
unset XAI_API_KEY "${!REELKIN_@}"

"$here/android/test.sh"

# The build refuses what it cannot make a package of: no generator, or one whose code has changed.
if "$here/build/prepare.sh" "$out/nothing" "$out/refused" 2>/dev/null || java "$here/build/Shape.java" /dev/null "$out/refused.kt" 2>/dev/null; then
    echo "kotlin: a package was made of nothing" >&2
    exit 1
fi

# The code of the quick start, as it is written there.
mkdir -p "$out/quickstart"
{ echo "package quickstart"; awk '/^```kotlin$/ { code = 1; next } /^```$/ { code = 0 } code' "$root/docs/quickstart-kotlin.md"; } \
    >"$out/quickstart/Quickstart.kt"

# To standard error, and without the colours that Maven sends even then.
maven() {
    mvn --batch-mode --quiet "-Dmaven.repo.local=$root/.cache/maven" "-Dreelkin.native=$native" "$@" 2>&1 |
        sed $'s/\e\\[[0-9;]*m//g' >&2
}
rm -rf "$root/.cache/maven/dev/reelkin" "$out/tests/surefire-reports"
maven -f "$here/pom.xml" install
maven -f "$here/tests/pom.xml" test

# What ran is what Surefire wrote down, not what was meant to run.
sum() {
    sed -nE "s/.*<testsuite .* $1=\"([0-9]+)\".*/\1/p" "$out"/tests/surefire-reports/TEST-*.xml |
        awk '{ sum += $1 } END { print sum + 0 }'
}
tests=$(sum tests)
bad=$(($(sum failures) + $(sum errors) + $(sum skipped)))

passed=0 missing=()
# shellcheck disable=SC2016
scenarios=$(sed -n 's/^| `\([a-z_]*\)` .*/\1/p' "$root/bindings/SCENARIOS.md")
for scenario in $scenarios; do
    name=$(sed -E 's/_([a-z])/\U\1/g' <<<"$scenario")
    if grep -qE "<testcase name=\"$name\" classname=\"[^\"]*ScenariosTest\"" "$out"/tests/surefire-reports/TEST-*ScenariosTest.xml; then
        passed=$((passed + 1))
    else
        missing+=("$scenario")
    fi
done
rows=$(wc -w <<<"$scenarios")
if [ "$bad" != 0 ] || [ "$rows" = 0 ] || [ "$passed" != "$rows" ]; then
    echo "kotlin: $bad tests failed or were skipped; scenarios that did not run: ${missing[*]:-none}" >&2
    exit 1
fi
echo "kotlin: $tests tests, $passed of $rows scenarios"
