#!/usr/bin/env bash
# Builds the book of docs/ into target/book and checks its links. Installs mdBook into .cache/mdbook, unless it is
# installed; this compiles it, which takes some minutes. The version is pinned, so that a new release cannot break the build.
set -euo pipefail
cd "$(dirname "$0")/.."

home=$PWD/.cache/mdbook
version=0.5.4
if [ "$(cat "$home/installed" 2>/dev/null)" != "$version" ]; then
    echo "installing mdBook $version into $home; this takes some minutes" >&2
    rm -rf "$home"
    mkdir -p "$home"
    # Without the features that serve and watch: they are half of the dependencies.
    CARGO_TARGET_DIR="$home/target" cargo install --quiet --locked --root "$home" --version "$version" \
        --no-default-features --features search mdbook
    rm -rf "$home/target"
    echo "$version" >"$home/installed"
fi

book=$PWD/target/book
rm -rf "$book"
"$home/bin/mdbook" build --dest-dir "$book" docs
scripts/check_docs.py "$book"
echo "the book is $book/index.html"
