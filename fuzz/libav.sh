#!/usr/bin/env bash
# Builds libav from source for fuzzing: only the formats that reelkin allows, without assembly, instrumented for coverage
# and AddressSanitizer.
#
#   fuzz/libav.sh SOURCE PREFIX     then   FFMPEG_DIR=PREFIX scripts/fuzz.sh --seconds 600 frames
#
# SOURCE is the unpacked source of the FFmpeg version to link (`apt-get source ffmpeg`, or ffmpeg.org). Needs clang.
# Does not include AV1, whose decoder is a separate library.
set -euo pipefail

[ $# -eq 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
prefix=$(realpath -m "$2")
cd "$1"
./configure --prefix="$prefix" --cc=clang --disable-everything --disable-programs --disable-doc \
    --disable-autodetect --disable-network --enable-zlib --optflags=-O1 --disable-x86asm --disable-inline-asm \
    --enable-demuxer=mov,matroska --enable-decoder=h264,hevc,vp8,vp9,mpeg4,mjpeg,png \
    --enable-parser=h264,hevc,vp8,vp9,av1,mpeg4video,mjpeg,png \
    --disable-shared --enable-static --disable-stripping >configure.log
# Not passed to configure: its test programs would have to link the sanitizer runtime of clang. rustc links its own.
make -j"$(nproc)" ECFLAGS="-g1 -fsanitize=address,fuzzer-no-link -fno-omit-frame-pointer" >make.log
make install >install.log
