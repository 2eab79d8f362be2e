#!/usr/bin/env bash
# Everything: format, lints for every set of features, docs, tests, the foreign clients.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %d:%02d %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; "$@"; }

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
# Nothing of a person's own set-up may change what is tested.
unset XAI_API_KEY ${!REELKIN_*} ${!AWS_*}

step cargo fmt --check
# What is built for the later steps: the lints and the tests come first, and leave a processor idle for half of the time.
mkdir -p target
nice -n 15 setsid timeout --kill-after=30 5400 scripts/beside.sh >target/beside.log 2>&1 &
beside=$!
trap 'kill -- "-$beside" 2>/dev/null || true' EXIT
# One build of the tests serves lints and runs: the widest set of features first.
step cargo clippy --locked --all-features --all-targets -- -D warnings
step cargo clippy --locked --all-targets -- -D warnings
step cargo clippy --locked --no-default-features --all-targets -- -D warnings
if cargo tree --locked --no-default-features -e normal --prefix none | grep -E '^(ffmpeg|axum|clap) '; then
    echo "the crate without features must not link these" >&2
    exit 1
fi
step env RUSTDOCFLAGS="-D warnings" cargo doc --locked --all-features --no-deps --document-private-items
# The S3 server of the tests of buckets.
step scripts/s3-server.sh
# Most of them wait, for a server or a child, more than they compute: two for each core.
step env RUST_TEST_THREADS=$(($(nproc) * 2)) cargo test --locked --all-features
step wait "$beside" || { tail -n 40 target/beside.log >&2; exit 1; }
trap - EXIT
# What reads the bytes of others, over the kept inputs and for some seconds each beyond them.
step scripts/fuzz.sh --short
# One example a verb.
for example in examples/*.rs; do
    step cargo run --locked --quiet --all-features --example "$(basename "$example" .rs)"
done
# Programs that others wrote for the service, installed from their registries, unchanged.
step cargo test --locked --all-features --test it -- --ignored foreign_clients
# The packages for the other languages, as people install them.
step scripts/bindings.sh
