#!/usr/bin/env bash
# Builds and installs the Kotlin package, then runs its tests from a project that depends on the installed jar.
#
#   bindings/kotlin/test.sh NATIVE    NATIVE is the folder that bindings/native.sh prints
#
# Installs a JDK and Maven with apt if they are missing. Output goes to target/bindings/kotlin, downloads to .cache/maven.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
native=$(cd "${1:?usage: test.sh NATIVE}" && pwd)
out=$root/target/bindings/kotlin

mkdir -p "$out"
"$here/build/setup.sh"
unset XAI_API_KEY "${!REELKIN_@}"

"$here/android/test.sh"

# The build must fail without a generator, and if the generated code has changed.
if "$here/build/prepare.sh" "$out/nothing" "$out/refused" 2>/dev/null || java "$here/build/RewriteBindings.java" /dev/null "$out/refused.kt" 2>/dev/null; then
    echo "kotlin: the build did not fail for missing input" >&2
    exit 1
fi

# The code blocks of the quick start.
quickstart() {
    mkdir -p "$out/quickstart/$1"
    { echo "package quickstart$2"; awk -v open="\`\`\`$1" '$0 == open { code = 1; next } /^```$/ { code = 0 } code' "$root/docs/src/guide/kotlin.md"; } \
        >"$out/quickstart/$1/$3"
}
rm -rf "$out/quickstart"
quickstart kotlin "" Quickstart.kt
quickstart java ";" JavaQuickstart.java

# Maven's output goes to standard error, without the colors that it prints even in batch mode.
maven() {
    mvn --batch-mode --quiet "-Dmaven.repo.local=$root/.cache/maven" "-Dreelkin.native=$native" "$@" 2>&1 |
        sed $'s/\e\\[[0-9;]*m//g' >&2
}
# Without the output of earlier builds, or a class that is no longer in the sources would stay in the jar.
rm -rf "$root/.cache/maven/dev/reelkin" "$out/package" "$out/tests"
maven -f "$here/pom.xml" install
maven -f "$here/tests/pom.xml" test

# Count the tests that actually ran, from Surefire's reports.
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
