#!/usr/bin/env bash
# Measures the Kotlin package for docs/src/reference/packages.md. Prints one line of JSON per figure.
#
#   bindings/kotlin/bench.sh NATIVE [RUNS]    NATIVE as for test.sh; RUNS per program, default 15
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
native=$(cd "${1:?usage: bench.sh NATIVE [RUNS]}" && pwd)
runs=${2:-15}
out=$root/target/bindings/kotlin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$here/build/setup.sh"
unset XAI_API_KEY
mkdir -p "$out/quickstart/kotlin"
# Maven's output goes to standard error, without the colors that it prints even in batch mode.
maven() {
    mvn --batch-mode --quiet "-Dmaven.repo.local=$root/.cache/maven" "-Dreelkin.native=$native" "$@" 2>&1 |
        sed $'s/\e\\[[0-9;]*m//g' >&2
}
maven -f "$here/pom.xml" install
maven -f "$here/tests/pom.xml" test-compile dependency:build-classpath "-Dmdep.outputFile=$work/classpath"
classpath=$out/tests/test-classes:$(cat "$work/classpath")

figure() { printf '{"name":"%s","value":%s,"unit":"%s"}\n' "$1" "$2" "$3"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
run() { java -Xshare:auto -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx64m -cp "$classpath" "dev.reelkin.tests.$1" "${@:2}"; }
milliseconds() {
    local begin=${EPOCHREALTIME/./}
    run "$@" >/dev/null
    echo "$(((${EPOCHREALTIME/./} - begin) / 1000))"
}

figure kotlin_jar "$(stat -c %s "$out/package/reelkin-0.1.0.jar")" bytes
figure kotlin_native_library "$(stat -c %s "$out"/prepared/resources/*/libreelkin.so)" bytes

# Baseline and package alternate, so that other load affects both.
"$root/target/debug/reelkin" generate "a lighthouse" --sandbox --library "$work/clips" --resolution 720p --duration 6 >&2
clip=$(ls "$work"/clips/*.mp4)
for ((run = 0; run < runs; run++)); do
    milliseconds Nothing >>"$work/nothing"
    milliseconds Start >>"$work/start"
    run Nothing memory >>"$work/nothing_memory"
    run LastFrame "$clip" >>"$work/frame_memory"
done
figure kotlin_start_baseline "$(median <"$work/nothing")" ms
figure kotlin_start "$(median <"$work/start")" ms
figure kotlin_peak_memory_baseline "$(median <"$work/nothing_memory")" KiB
figure kotlin_peak_memory_last_frame_720p "$(median <"$work/frame_memory")" KiB
