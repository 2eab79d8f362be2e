#!/usr/bin/env bash
# Installs a JDK (17 or later) and Maven if they are missing: with apt on Debian and Ubuntu, elsewhere it only names them.
set -euo pipefail

missing=()
javac -version >/dev/null 2>&1 || missing+=(openjdk-17-jdk-headless)
command -v mvn >/dev/null || missing+=(maven)
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    cat >&2 <<WORDS
missing, and there is no apt to install them: ${missing[*]}
  Homebrew:  brew install openjdk@17 maven
  Fedora:    dnf install java-17-openjdk-devel maven
WORDS
    exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "installing ${missing[*]} needs root or sudo" >&2; exit 1; }
    as_root=(sudo)
fi
echo "installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" flock /tmp/apt.lock sh -c '
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' sh "${missing[@]}" >&2
