#!/usr/bin/env bash
# Builds the libav of the packages: static, position-independent, LGPL, with only the parts that reelkin uses.
#
#   bindings/libav/build.sh            downloads the sources from Debian
#   bindings/libav/build.sh FOLDER     uses the sources in FOLDER, named as in the file `sources`
#
# Prints the folder of the result, which is cached per sources, flags and compiler. Requires the tools that
# `scripts/setup.sh bindings` installs. README.md lists what is included and why.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/libav
sources_from=${1:-}
[ $# -le 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

say() { echo "libav: $*" >&2; }
die() { say "$*"; exit 1; }
lines() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/$1"; }
sha256() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }

for tool in cc c++ make nasm meson ninja pkg-config xz; do
    command -v "$tool" >/dev/null || die "$tool is missing: run scripts/setup.sh bindings"
done

key=$({
    cat "$here/build.sh" "$here/components" "$here/sources"
    cc -dumpmachine
    cc --version
} | sha256 | cut -c1-16)
done_in=$cache/$key
[ ! -e "$done_in" ] || { echo "$done_in"; exit 0; }

mkdir -p "$cache"
# A concurrent run waits for the first one. Without flock, both build and the second result is discarded.
if command -v flock >/dev/null; then
    exec 9>"$cache/lock"
    flock -n 9 || { say "another run builds it, waiting" && flock 9; }
    [ ! -e "$done_in" ] || { echo "$done_in"; exit 0; }
fi
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/sources"

# --- sources -------------------------------------------------------------------------------------------------

if [ -n "$sources_from" ]; then
    while read -r _ _ _ file _; do
        cp "$sources_from/$file" "$work/sources/" || die "$sources_from has no $file"
    done < <(lines sources)
else
    # shellcheck disable=SC2046
    "$here/fetch.sh" "$work/sources" $(lines sources | awk '{print $3}') ||
        die "pass a folder with $(lines sources | awk '{print $4}' | xargs)"
fi
while read -r name version _ file sum; do
    [ -e "$work/sources/$file" ] ||
        die "Debian no longer has $name $version: pass a folder with $file, or update the pin in sources"
    echo "$sum  $work/sources/$file" | sha256 -c - >/dev/null ||
        die "$file does not match its pinned SHA-256; it was not unpacked"
    mkdir "$work/$name"
    tar -xf "$work/sources/$file" -C "$work/$name" --strip-components=1
done < <(lines sources)

# --- building ------------------------------------------------------------------------------------------------

# A fixed prefix, so that no path of this machine ends up in the libraries.
prefix=$work/out/libav
mkdir -p "$prefix/lib/pkgconfig" "$prefix/share/licenses"
jobs=$(getconf _NPROCESSORS_ONLN)
# One section per function, so that the linker drops unused ones. No unwind tables, since nothing unwinds through libav.
sections="-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables"
# Hidden visibility, so that a shared library exports no libav symbols.
flags="-O2 -fPIC $sections -fvisibility=hidden"
# From here on only the libraries built here are found.
export PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig
unset PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR CFLAGS CXXFLAGS CPPFLAGS LDFLAGS

# Runs the function with this name. In the background, because bash ignores `set -e` in a command followed by `||`.
step() {
    say "building $1"
    "$1" >"$work/$1.log" 2>&1 &
    wait $! || {
        tail -30 "$work/$1.log" >&2
        die "$1 did not build"
    }
}
# Makes a .pc file relocatable, and moves its private libraries to the public ones, as static linking needs.
describe() {
    awk -v prefix='${pcfiledir}/../..' '
        /^prefix=/ { $0 = "prefix=" prefix }
        /^(exec_prefix|libdir|includedir)=/ { sub(/=\/libav/, "=${prefix}") }
        /^Libs:/ { libs = substr($0, 6); next }
        /^Libs.private:/ { libs = libs " " substr($0, 14); next }
        /^Requires:/ { needs = substr($0, 10); next }
        /^Requires.private:/ { needs = needs (needs ~ /[a-z] *$/ ? "," : "") substr($0, 18); next }
        { print }
        END { print "Requires:" needs; print "Libs:" libs }
    ' "$1" | sed -e "s|-L$prefix/lib/*pkgconfig/../../lib||g" -e "s|-L$prefix/lib||g" >"$1.new"
    mv "$1.new" "$1"
}

zlib() {
    cd "$work/zlib"
    CFLAGS=$flags ./configure --static --prefix=/libav
    make -j"$jobs" libz.a
    make install DESTDIR="$work/out"
    rm -rf "$prefix/share/man"
    describe "$PKG_CONFIG_LIBDIR/zlib.pc"
    cp LICENSE "$prefix/share/licenses/zlib"
}
dav1d() {
    cd "$work/dav1d"
    CFLAGS=$sections meson setup build --prefix=/libav --libdir=lib --buildtype=release \
        -Doptimization=2 -Ddefault_library=static -Db_staticpic=true -Denable_tools=false -Denable_tests=false -Dlogging=false
    ninja -C build
    DESTDIR=$work/out meson install -C build --no-rebuild
    describe "$PKG_CONFIG_LIBDIR/dav1d.pc"
    cp COPYING "$prefix/share/licenses/dav1d"
}
openh264() {
    cd "$work/openh264"
    make -j"$jobs" V=No PREFIX=/libav CFLAGS="$flags -DNDEBUG" libopenh264.a
    make V=No PREFIX=/libav DESTDIR="$work/out" CFLAGS="$flags -DNDEBUG" install-static
    if [ "$(uname -s)" = Linux ]; then
        # OpenH264 needs only the language support of the C++ library, which exists as a static library.
        cp "$(c++ -print-file-name=libsupc++.a)" "$prefix/lib/"
        sed -i 's/-lstdc++/-lsupc++/' "$PKG_CONFIG_LIBDIR/openh264.pc"
    fi
    describe "$PKG_CONFIG_LIBDIR/openh264.pc"
    cp LICENSE "$prefix/share/licenses/openh264"
}
ffmpeg() {
    cd "$work/ffmpeg"
    local chosen=() kind name
    while read -r kind name; do chosen+=("--enable-$kind=$name"); done < <(lines components)
    # Level 3, configure's default, adds code and no speed.
    ./configure --prefix=/libav --pkg-config-flags=--static --optflags=-O2 --extra-cflags="${flags#-O2 }" \
        --disable-everything --disable-autodetect --disable-network --disable-programs --disable-doc --disable-debug \
        --disable-avdevice --disable-avfilter --disable-swresample --disable-postproc \
        --disable-shared --enable-static --enable-pic --enable-zlib --enable-libdav1d --enable-libopenh264 \
        "${chosen[@]}"
    # configure only warns about unknown names.
    while read -r kind name; do
        grep -q "^CONFIG_$(echo "${name}_$kind" | tr '[:lower:]' '[:upper:]')=yes" ffbuild/config.mak ||
            { echo "configure did not enable $kind $name"; return 1; }
    done < <(lines components)
    grep -q '^#define FFMPEG_LICENSE "LGPL version 2.1 or later"' config.h || { echo "not LGPL"; return 1; }
    make -j"$jobs"
    make install DESTDIR="$work/out"
    rm -rf "$prefix/share/ffmpeg"
    for library in avutil avcodec avformat swscale; do describe "$PKG_CONFIG_LIBDIR/lib$library.pc"; done
    cp COPYING.LGPLv2.1 "$prefix/share/licenses/ffmpeg"
}

for name in zlib dav1d openh264 ffmpeg; do
    step "$name"
done

cp "$here/build.sh" "$here/components" "$here/sources" "$prefix/share/"
[ -e "$done_in" ] || mv "$prefix" "$done_in"
echo "$done_in"
