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
    media_bad_input::damaged_pictures
    media_bad_input::caps_hold_for_clips
    media_colour::
    media_frames::fragmented_with_a_segment_index
    media_frames::h264_in_matroska
    media_frames::h265
    media_frames::mpeg4_with_b_frames
    media_frames::motion_jpeg
    media_frames::open_gop
    media_frames::probe_tells_what_was_made
    media_frames::several_positions_in_one_call
    media_frames::the_bridge_gives_the_same_frame
    media_frames::vp8_with_hidden_frames
    media_frames::vp9
    media_frames::webp_picture
    media_hostile::rows_from_the_bottom_up_are_refused
    media_hostile::samples_beyond_their_depth_are_no_panic
    media_hostile::sizes_in_the_bitstream_are_held_to_the_cap
)
if [ "${1:-}" = --all ]; then
    part=(media_bad_input:: media_colour:: media_frames:: media_hostile::rows media_hostile::samples
        media_hostile::sizes media_hostile::a_reference)
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
