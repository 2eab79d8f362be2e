#!/usr/bin/env bash
# Runs media tests under valgrind's memcheck, libav included. Invalid reads and writes, branches on uninitialized
# values, and leaks are errors.
#
#   scripts/memcheck.sh          a representative selection, some minutes on two cores
#   scripts/memcheck.sh --all    all media tests except those that measure time or memory
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh memcheck

part=(
    media::bad_input::damaged_pictures
    media::bad_input::limits_on_pixels_and_bytes
    media::color::
    media::frames::fragmented_with_a_segment_index
    media::frames::h264_in_matroska
    media::frames::h265
    media::frames::mpeg4_with_b_frames
    media::frames::motion_jpeg
    media::frames::open_gop
    media::frames::probe_reports
    media::frames::several_positions_in_one_call
    media::interrupt::the_async_functions_return_the_same_frame
    media::frames::vp8_with_hidden_frames
    media::frames::vp9
    media::frames::webp_picture
    media::hostile::rows_from_the_bottom_up_are_refused
    media::hostile::samples_beyond_their_depth
    media::hostile::sizes_in_the_bitstream
)
if [ "${1:-}" = --all ]; then
    part=(media::bad_input:: media::color:: media::frames:: media::hostile::rows media::hostile::samples
        media::hostile::sizes media::hostile::a_reference)
fi

# Runs the tests once without valgrind, so that ffmpeg creates the clips at full speed.
cargo test --locked --all-features --test it -- "${part[@]}" >/dev/null
test=$(cargo test --locked --all-features --test it --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*\/it-[0-9a-f]*\)".*/\1/p' | tail -1)
# One test thread, because valgrind runs one thread at a time. Tests with deadlines are not in the list: everything is
# twenty times slower here.
valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
    --errors-for-leak-kinds=definite --trace-children=no --fair-sched=yes \
    --suppressions=scripts/memcheck.supp \
    "$test" --test-threads=1 "${part[@]}"
