#!/usr/bin/env bash
# Recreates the seeds in fuzz/corpus: tiny clips in every allowed container and codec, images, and fixtures of the tests.
# Needs ffmpeg. Keeps the inputs that are named regression-*.
set -euo pipefail
cd "$(dirname "$0")"

find corpus -type f ! -name 'regression-*' ! -name '*.dict' -delete
make_clip() {
    local name=$1
    shift
    ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc=size=48x32:rate=10:duration=0.6 "$@" \
        -fflags +bitexact -flags:v +bitexact "corpus/clip/$name"
}
h264=(-c:v libx264 -preset veryslow -x264-params "no-info=1" -pix_fmt yuv420p)
make_clip h264-b.mp4 "${h264[@]}" -bf 2 -g 4 -movflags +faststart
make_clip h264-edit.mov "${h264[@]}" -bf 2 -ss 0.15
make_clip h264-fragments.mp4 "${h264[@]}" -g 2 -movflags +frag_keyframe+empty_moov+default_base_moof
make_clip h264-sidx.mp4 "${h264[@]}" -g 2 -movflags +frag_keyframe+global_sidx
make_clip h264-interlaced.mp4 "${h264[@]}" -flags +ildct+ilme -g 3
make_clip h264-10bit.mkv -c:v libx264 -pix_fmt yuv422p10le -g 3
make_clip hevc.mp4 -c:v libx265 -x265-params log-level=none:info=0 -pix_fmt yuv420p -g 3
make_clip vp8.webm -s 128x96 -c:v libvpx -b:v 20k -threads 1 -frames:v 4
make_clip vp9.webm -s 128x96 -c:v libvpx-vp9 -frames:v 4
make_clip mpeg4.mp4 -c:v mpeg4 -bf 1 -q:v 20 -g 4
make_clip mjpeg.mov -c:v mjpeg -q:v 20 -frames:v 2
make_clip png.mkv -c:v png -frames:v 2
make_clip sound.mp4 -f lavfi -i sine=duration=0.3:sample_rate=8000 "${h264[@]}" -c:a aac -b:a 8k
make_clip pcm.mov -f lavfi -i sine=duration=0.1:sample_rate=8000 "${h264[@]}" -c:a pcm_s16le -frames:v 2

picture=(ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc=size=24x16 -frames:v 1 -fflags +bitexact -flags:v +bitexact)
"${picture[@]}" corpus/picture/rgb.png
"${picture[@]}" -pix_fmt rgba64be corpus/picture/rgba16.png
"${picture[@]}" -pix_fmt pal8 corpus/picture/palette.png
"${picture[@]}" -pix_fmt monob corpus/picture/bits.png
"${picture[@]}" -q:v 20 corpus/picture/420.jpg
"${picture[@]}" -q:v 20 -pix_fmt yuvj444p corpus/picture/444.jpg
"${picture[@]}" -c:v libwebp -q:v 20 corpus/picture/lossy.webp
"${picture[@]}" -c:v libwebp -lossless 1 -pix_fmt bgra corpus/picture/lossless.webp

cp ../tests/fixtures/ima2/*.json corpus/sidecar/
cat >corpus/journal/chain.json <<JSON
{"schema":1,"id":"c","created_at":1763812000000,"budget_usd_ticks":5000000000,"start":"generated","steps":[{"state":"sent","job_id":"j","cost_usd_ticks":5,"lost_usd_ticks":3,"tries":1,"drift":{"colour_delta":1.5,"contrast_ratio":1.0,"sharpness_ratio":0.9},"error":{"code":"c","message":"m"},"request_sha256":"00"}]}
JSON
# The first byte of each input selects the HTTP status.
for file in ../tests/fixtures/xai/{responses,errors,language,models,files}/*.*; do
    case $(basename "$file") in
    [45][0-9][0-9]-*) first='\x04' ;;
    *) first='\x00' ;;
    esac
    { printf "$first" && cat "$file"; } >"corpus/wire/$(basename "$file")"
done
du -sh corpus
