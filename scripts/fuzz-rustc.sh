#!/usr/bin/env bash
# The rustc wrapper of scripts/fuzz.sh: instruments only the crates that parse untrusted input.
#
# cargo calls it as `fuzz-rustc.sh RUSTC ARGUMENTS`. FUZZ_FLAGS contains the instrumentation flags.
set -euo pipefail

rustc=$1
shift
crate=
for ((at = 1; at <= $#; at++)); do
    [ "${!at}" != --crate-name ] || { next=$((at + 1)) && crate=${!next}; }
done
case $crate in
reelkin | base64 | fdeflate | image_webp | imagesize | miniz_oxide | png | postcard | serde_json | toml | toml_parser | url | \
    probe | frames | picture | sidecar | journal | wire)
    # shellcheck disable=SC2086
    exec "$rustc" "$@" $FUZZ_FLAGS
    ;;
esac
exec "$rustc" "$@"
