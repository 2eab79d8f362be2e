#!/usr/bin/env bash
# Runs a command in a Debian 13 chroot with Swift: inside.sh FOLDER [BOUND...] -- COMMAND...
#
# FOLDER holds the Debian (2.5 GB), which is installed on first use. Requires root on Debian or Ubuntu. Each BOUND folder
# is mounted at the same path inside. The network is shared.
#
# All mounts are in a mount namespace of the command. They disappear when it ends, so the folder can be removed at any
# time (`rm -rf --one-file-system`). Processes inside end with this one.
set -euo pipefail

folder=${1:?usage: inside.sh FOLDER [BOUND...] -- COMMAND...}
shift
bound=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    bound+=("$(cd "$1" && pwd)")
    shift
done
shift

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
suite=trixie
root=$folder/$suite

isolated=(unshare --mount --propagation private --pid --fork --kill-child)
if ! "${isolated[@]}" true 2>/dev/null; then
    echo "inside.sh: root and permission to mount are required" >&2
    exit 1
fi

# shellcheck disable=SC2016
enter='
    root=$1 count=$2; shift 2
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    while [ "$count" -gt 0 ]; do
        mkdir -p "$root$1"; mount --bind "$1" "$root$1"; shift; count=$((count - 1))
    done
    exec chroot "$root" env HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"'
inside() {
    local root=$1 count=$2
    shift 2
    "${isolated[@]}" sh -ec "$enter" inside "$root" "$count" "$@"
}

install_debian() {
    local new=$folder/$suite.part
    rm -rf --one-file-system "$new"
    "${isolated[@]}" debootstrap --variant=minbase --include=ca-certificates "$suite" "$new" >"$folder/log" 2>&1 || return
    cp /etc/resolv.conf "$new/etc/resolv.conf"
    inside "$new" 0 sh -ec '
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends swiftlang gcc g++ libc6-dev libstdc++-14-dev
        apt-get clean
        rm -rf /var/lib/apt/lists/* /usr/share/doc /usr/share/man' >>"$folder/log" 2>&1 </dev/null || return
    mv "$new" "$root"
}

exec 9>"$folder/lock"
flock 9
if [ ! -d "$root" ]; then
    if ! command -v debootstrap >/dev/null; then
        (
            flock 8
            apt-get update -qq
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap debian-archive-keyring
        ) 8>/tmp/apt.lock >&2
    fi
    echo "installing Debian 13 with Swift in $root" >&2
    install_debian || { tail -n 20 "$folder/log" >&2; exit 1; }
fi
exec 9>&-

exec "${isolated[@]}" sh -ec "$enter" inside "$root" ${#bound[@]} "${bound[@]}" "$@"
