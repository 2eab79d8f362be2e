# Read by test.sh and bench.sh: where Swift is, and the package and its tests put together as a user has them.
#
# Takes NATIVE as $1. Leaves: native, products, and in_swift, the command before a command that is to run where Swift is.
# Ends the script, well and with one line, where Swift cannot be.
# shellcheck shell=bash

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$checkout" || exit
native=$(cd "${1:?usage: $0 NATIVE}" && pwd)
products=$checkout/target/bindings/swift

skip() {
    echo "swift: skipped ($*)"
    exit 0
}

if [ "$(uname)" != Linux ]; then
    skip "on macOS make the package with bindings/swift/build-xcframework.sh, and run swift test in a copy of bindings/swift/Tests beside it"
elif swift --version 2>/dev/null | grep -Eq 'Swift version ([6-9]|[1-9][0-9])\.'; then
    in_swift=(env)
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && unshare --mount --pid --fork true 2>/dev/null; then
    in_swift=(bindings/swift/inside.sh "$checkout/.cache/swift" "$checkout" "$native" --)
else
    skip "needs Swift 6 on the PATH, or root and the right to mount on a Debian, where it fetches Debian 13's"
fi
# shellcheck disable=SC2034
in_swift+=(env -u XAI_API_KEY)

mkdir -p "$products"
bindings/swift/package.sh "$native" "$products/reelkin-swift" >/dev/null
rm -rf "$products/tests"
cp -R bindings/swift/Tests "$products/tests"
