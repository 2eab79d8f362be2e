#!/usr/bin/env bash
# Checks a library or a program that is linked with the packages' libav.
#
#   bindings/libav/check.sh LIBRARY          depends only on glibc 2.28
#   bindings/libav/check.sh PROGRAM          also encodes and decodes H.264 in an otherwise empty root
#   bindings/libav/check.sh PROGRAM OTHER    also decodes the same frames as OTHER, which uses the system's libav
set -euo pipefail

[[ $# -eq 1 || $# -eq 2 ]] || { sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
program=$(realpath "$1")
other=${2:+$(realpath "$2")}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset XAI_API_KEY ${!REELKIN_*}
die() { echo "check: $*" >&2; exit 1; }

# --- depends only on glibc -------------------------------------------------------------------------------------

needed=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for library in $needed; do
    case $library in
    libc.so.* | libm.so.* | libpthread.so.* | libdl.so.* | librt.so.* | libgcc_s.so.* | ld-linux*) ;;
    *) die "$program depends on $library; expected only glibc" ;;
    esac
done
glibc=$(objdump -T "$program" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
echo "depends on $(echo "$needed" | xargs), $glibc"

case $program in
*.so)
    # The version for which bindings/glibc has stubs.
    [ "$(printf '%s\n' "$glibc" GLIBC_2.28 | sort -V | tail -1)" = GLIBC_2.28 ] ||
        die "$program needs $glibc; expected GLIBC_2.28 or earlier, so that the wheel is manylinux_2_28"
    exit 0
    ;;
esac

# --- works in an otherwise empty root --------------------------------------------------------------------------

bare=$work/bare
mkdir -p "$bare/tmp"
cp "$program" "$bare/reelkin"
ldd "$program" | grep -o '/[^ ]*' | while read -r library; do install -D "$library" "$bare$library"; done
# The client fails to start without CA certificates.
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || install -D -t "$bare/etc/ssl/certs" /etc/ssl/certs/ca-certificates.crt
as_root=()
[ "$(id -u)" = 0 ] || as_root=(unshare --map-root-user)
if "${as_root[@]}" chroot "$bare" /reelkin --version >/dev/null 2>&1; then
    run() { "${as_root[@]}" chroot "$bare" /reelkin "$@"; }
else
    echo "check: chroot is not permitted, so the program runs in the machine's root" >&2
    run() { (cd "$bare" && "$program" "${@/#\/tmp/$bare/tmp}"); }
fi
run generate "a bell rings twice" --sandbox --duration 2 --resolution 720p -o /tmp/clip.mp4 --library /tmp/library \
    >"$work/output" 2>&1 || die "generate with the sandbox failed: $(cat "$work/output")"
run probe /tmp/clip.mp4 --json | grep -q '"codec":"h264"' || die "the sandbox's clip is not H.264"
run frame --last /tmp/clip.mp4 -o /tmp/last.png >/dev/null
[ -s "$bare/tmp/last.png" ] || die "frame --last wrote no image"
echo "encodes and decodes H.264 in an otherwise empty root"

# --- decodes the same frames -----------------------------------------------------------------------------------

[ -n "$other" ] || exit 0
readelf -d "$other" | grep 'NEEDED.*libavcodec' >/dev/null || die "$other does not use the system's libav"
export LC_ALL=C
make_clip() {
    local name=$1
    shift
    ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=318x184:r=25:d=2 "$@" "$work/$name" ||
        die "ffmpeg failed to create $name"
}
x264=(-c:v libx264 -preset veryfast)
make_clip h264.mp4 "${x264[@]}" -bf 3 -g 20 -x264-params b-pyramid=normal -pix_fmt yuv420p
make_clip h264-interlaced.mp4 "${x264[@]}" -flags +ildct+ilme -pix_fmt yuv420p
make_clip h264-444.mp4 "${x264[@]}" -pix_fmt yuv444p
make_clip h264-10.mkv "${x264[@]}" -pix_fmt yuv420p10le
make_clip hevc.mp4 -c:v libx265 -x265-params log-level=none -pix_fmt yuv420p
make_clip hevc-10.mkv -c:v libx265 -x265-params log-level=none -pix_fmt yuv422p10le
make_clip vp8.webm -c:v libvpx -b:v 1M -pix_fmt yuv420p
make_clip vp9.webm -c:v libvpx-vp9 -b:v 1M -pix_fmt yuv420p
make_clip av1.mp4 -c:v libaom-av1 -cpu-used 8 -pix_fmt yuv420p
make_clip av1-10.mkv -c:v libaom-av1 -cpu-used 8 -pix_fmt yuv420p10le
make_clip mpeg4.mp4 -c:v mpeg4 -bf 2 -q 4 -pix_fmt yuv420p
make_clip mjpeg.mov -c:v mjpeg -q 4 -pix_fmt yuvj420p
make_clip png.mov -c:v png -pix_fmt rgb24
cp "$bare/tmp/clip.mp4" "$work/openh264.mp4"
compared=0
for clip in "$work"/*.{mp4,mov,mkv,webm}; do
    for position in "--first" "--last" "--number 7" "--number 23" "--position 1.5"; do
        # shellcheck disable=SC2086
        for each in "$program" "$other"; do
            "$each" frame $position "$clip" -o "$work/$([ "$each" = "$program" ] && echo a || echo b).png" >/dev/null
        done
        cmp -s "$work/a.png" "$work/b.png" || die "$(basename "$clip"), $position: the frames differ"
        rm "$work/a.png" "$work/b.png"
        compared=$((compared + 1))
    done
done
echo "$compared frames match the system's libav"
