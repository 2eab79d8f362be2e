# Read by prepare.sh and setup.sh, in the folder of the checkout: where Swift is.
#
# Takes native, a folder that is seen where Swift runs, or nothing. Leaves in_swift, the command before a command that is to
# run there, or none, and then skipped, the reason.
# shellcheck shell=bash disable=SC2034

in_swift=() skipped=
if [ "$(uname)" != Linux ]; then
    skipped="on macOS make the package with bindings/swift/build-xcframework.sh, and run swift test in a copy of bindings/swift/Tests beside it"
elif swift --version 2>/dev/null | grep -Eq 'Swift version ([6-9]|[1-9][0-9])\.'; then
    in_swift=(env)
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && unshare --mount --pid --fork true 2>/dev/null; then
    in_swift=(bindings/swift/inside.sh "$PWD/.cache/swift" "$PWD" ${native:+"$native"} --)
else
    skipped="needs Swift 6 on the PATH, or root and the right to mount on a Debian, where it fetches Debian 13's"
fi
