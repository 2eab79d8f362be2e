#!/usr/bin/env bash
# Creates the clips of the frame benchmarks: benches/clips.sh FOLDER. Keeps existing clips. Needs ffmpeg.
#
# The clips are 6 s and 15 s long at 24 fps, like those of the service, with a single key frame and a pyramid of B-frames:
# the worst case for decoding the last frame.
set -euo pipefail
out=$1
mkdir -p "$out"

make() {
    local name=$1 size=$2 seconds=$3
    shift 3
    [ ! -e "$out/$name" ] || return 0
    ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=$size:rate=24:duration=$seconds" -f lavfi -i "sine=duration=$seconds" \
        -vf noise=alls=2:allf=t -pix_fmt yuv420p "$@" -c:a aac "$out/.$name"
    mv "$out/.$name" "$out/$name"
}

x264=(-c:v libx264 -preset medium -crf 23 -g 9999 -keyint_min 9999 -sc_threshold 0 -x264-params b-pyramid=normal)
make h264-720p-6s.mp4 1280x720 6 "${x264[@]}"
make h264-720p-15s.mp4 1280x720 15 "${x264[@]}"
make h264-1080p-6s.mp4 1920x1080 6 "${x264[@]}"
make h264-1080p-15s.mp4 1920x1080 15 "${x264[@]}"
make h265-720p-6s.mp4 1280x720 6 -c:v libx265 -preset medium -crf 26 -x265-params log-level=none:keyint=9999:min-keyint=9999:scenecut=0 -tag:v hvc1
make av1-720p-6s.mp4 1280x720 6 -c:v libsvtav1 -preset 8 -crf 35 -g 9999
