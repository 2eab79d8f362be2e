#!/usr/bin/env bash
# Builds link-time stubs of glibc 2.28, so that the packages run on every Linux since then (Debian 10, RHEL 8, Amazon Linux
# 2023) although they are built on a newer one.
#
# Prints the folder with the stubs, for the linker's -L. It is cached. The stubs come from Zig, which has the list of
# symbols of each version of glibc. They contain names and versions, and no code ends up in the packages except
# `libc_nonshared.a`, which every program that links glibc contains, and missing.c.
set -euo pipefail

# A larger version excludes systems, a smaller one lacks symbols of Rust's standard library.
glibc=2.28
zig=ziglang==0.17.1
# For x86-64 and for ARM.
hashes=(
    ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54
    b7c5f02fccd40f89b999ee16a1f5ddced56e6182370f8affe494bcf8a28cf07e
)

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/glibc
say() { echo "glibc: $*" >&2; }

machine=$(cc -dumpmachine)
case $machine in
x86_64-*linux-gnu | aarch64-*linux-gnu) target=${machine%%-*}-linux-gnu.$glibc ;;
*) say "there are stubs for x86_64 and aarch64 with glibc, not for $machine"; exit 1 ;;
esac
key=$({ cat "$here/build.sh" "$here/missing.c"; echo "$machine"; cc --version; } | sha256sum | cut -c1-16)
done_in=$cache/$key
[ ! -e "$done_in" ] || { echo "$done_in"; exit 0; }

mkdir -p "$cache"
# A concurrent run waits for the first one. What an earlier run left behind when it was killed is removed.
exec 9>"$cache/lock"
flock 9
[ ! -e "$done_in" ] || { echo "$done_in"; exit 0; }
rm -rf "$cache"/work.*
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

say "building stubs of glibc $glibc"
echo "$zig ${hashes[*]/#/--hash=sha256:}" >"$work/requirements"
python3 -m venv "$work/venv" || { say "python3-venv is missing: run scripts/setup.sh bindings"; exit 1; }
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    --target "$work/zig" --requirement "$work/requirements" >&2
export ZIG_GLOBAL_CACHE_DIR=$work/global ZIG_LOCAL_CACHE_DIR=$work/local
# Linking anything creates the stubs in the cache.
echo 'int nothing;' >"$work/nothing.c"
"$work/zig/ziglang/zig" cc -target "$target" -O2 -fno-sanitize=all -shared -o "$work/nothing.so" "$work/nothing.c"

mkdir "$work/stubs"
for library in m pthread dl rt util resolv; do
    cp "$work"/global/o/*/lib$library.so.? "$work/stubs/lib$library.so"
done
cp "$work"/global/o/*/{libc.so.6,libc_nonshared.a,libld.so.2} "$work/stubs/"
cc -O2 -fPIC -c "$here/missing.c" -o "$work/missing.o"
ar rcs "$work/stubs/libmissing.a" "$work/missing.o"
# The linker searches the members of a group in the folder of the script.
echo 'GROUP(libc.so.6 libc_nonshared.a libmissing.a AS_NEEDED(libld.so.2))' >"$work/stubs/libc.so"
chmod 644 "$work"/stubs/*

mv "$work/stubs" "$done_in"
echo "$done_in"
