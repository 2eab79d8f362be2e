# Read by test.sh and bench.sh: where Swift is, and the package and its tests put together as a user has them.
#
# Takes NATIVE as $1. Leaves: native, products, and in_swift, the command before a command that is to run where Swift is.
# Ends the script, well and with one line, where Swift cannot be.
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
