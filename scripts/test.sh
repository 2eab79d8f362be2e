#!/usr/bin/env bash
# Runs every check: format, lints for each set of features, docs, tests, third-party clients and language packages.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %d:%02d %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; "$@"; }

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
# The environment of the user must not affect the tests.
unset XAI_API_KEY ${!REELKIN_*} ${!AWS_*}

step cargo fmt --check
step scripts/check_docs.py
# The fuzz targets are a package with a lock file of its own. It must follow a new dependency of the crate.
step cargo tree --locked --depth 0 --manifest-path fuzz/Cargo.toml
# Prepares later steps at a low priority. Lints and tests leave a core idle for half of the time.
mkdir -p target
nice -n 15 setsid timeout --kill-after=30 5400 scripts/prebuild.sh >target/prebuild.log 2>&1 &
prebuild=$!
trap 'kill -- "-$prebuild" 2>/dev/null || true' EXIT
# All features first: lints and tests then share one build.
step cargo clippy --locked --all-features --all-targets -- -D warnings
step cargo clippy --locked --all-targets -- -D warnings
step cargo clippy --locked --no-default-features --all-targets -- -D warnings
if cargo tree --locked --no-default-features -e normal --prefix none | grep -E '^(ffmpeg|axum|clap) '; then
    echo "the crate without features must not depend on these" >&2
    exit 1
fi
step env RUSTDOCFLAGS="-D warnings" cargo doc --locked --all-features --no-deps --document-private-items
# The server of the bucket tests.
step scripts/s3-server.sh
# Two threads per core: most tests spend their time waiting for a server or a child process.
step env RUST_TEST_THREADS=$(($(nproc) * 2)) cargo test --locked --all-features
# The shell examples of the book, with the program that the tests have built.
step scripts/run_docs.py target/debug/reelkin
step wait "$prebuild" || { tail -n 40 target/prebuild.log >&2; exit 1; }
trap - EXIT
# 20,000 seeds, and each safety check removed in turn.
step scripts/simulate.sh simulation::no_seed simulation::a_guard --nocapture
# The parsers of untrusted input: the corpus, then a few seconds of mutation per target.
step scripts/fuzz.sh --short
# Every example, against the sandbox.
for example in examples/*.rs; do
    step cargo run --locked --quiet --all-features --example "$(basename "$example" .rs)"
done
# Unchanged third-party clients of the service, installed from their registries.
step cargo test --locked --all-features --test it -- --ignored foreign_clients
# The packages for Python, Kotlin and Swift, installed as users install them.
step scripts/bindings.sh
