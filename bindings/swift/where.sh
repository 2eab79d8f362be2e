# Sourced by prepare.sh and setup.sh from the folder of the checkout: finds Swift.
#
# If native is set, that folder is visible where Swift runs. Sets in_swift, the prefix for commands that need Swift. If
# Swift is not available, in_swift is empty and skipped is the reason.
# shellcheck shell=bash disable=SC2034

in_swift=() skipped=
if [ "$(uname)" != Linux ]; then
    skipped="on macOS build the package with bindings/swift/build-xcframework.sh and run swift test in a copy of bindings/swift/Tests next to it"
elif swift --version 2>/dev/null | grep -Eq 'Swift version ([6-9]|[1-9][0-9])\.'; then
    in_swift=(env)
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && unshare --mount --pid --fork true 2>/dev/null; then
    in_swift=(bindings/swift/inside.sh "$PWD/.cache/swift" "$PWD" ${native:+"$native"} --)
else
    skipped="requires Swift 6 on the PATH, or root and permission to mount on Debian or Ubuntu to install it"
fi
