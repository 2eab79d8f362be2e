# Sourced by test.sh and bench.sh: finds Swift, and assembles the package and its tests as a user would have them.
#
# Takes NATIVE as $1. Sets native, products, and in_swift, the prefix for commands that need Swift. If Swift is not
# available, prints the reason and exits with 0.
# shellcheck shell=bash

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$checkout" || exit
native=$(cd "${1:?usage: $0 NATIVE}" && pwd)
products=$checkout/target/bindings/swift

# shellcheck source=bindings/swift/where.sh
. bindings/swift/where.sh
[ ${#in_swift[@]} -gt 0 ] || { echo "swift: skipped ($skipped)"; exit 0; }
in_swift+=(env -u XAI_API_KEY)

mkdir -p "$products"
bindings/swift/package.sh "$native" "$products/reelkin-swift" >/dev/null
rm -rf "$products/tests"
cp -R bindings/swift/Tests "$products/tests"
