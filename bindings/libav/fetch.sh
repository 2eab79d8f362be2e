#!/usr/bin/env bash
# Fetches source packages of Debian 13 into a folder: fetch.sh FOLDER PACKAGE...
#
# With lists, sources and settings of its own: of the machine's apt only the ways to the net are taken over
# (proxies, time limits), and nothing of it is changed. Needs no root.
set -euo pipefail

folder=$1
shift
say() { echo "libav: $*" >&2; }
command -v apt-get >/dev/null || { say "there is no apt-get to fetch sources with"; exit 1; }

apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt"/{sources.d,conf.d,lists/partial,cache/archives/partial}
touch "$apt/status"
# What arrives is held to a pinned SHA-256 in any case; where Debian's keys are, to its signature too.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed="Signed-By: $keyring"
[ -e "$keyring" ] || signed="Trusted: yes"
printf '%s\n' "Types: deb-src" "URIs: http://deb.debian.org/debian" "Suites: trixie" "Components: main" "$signed" \
    >"$apt/sources.d/debian.sources"
# Not by options: the machine's own files would be read as well, with the commands that they have apt run.
{
    apt-config dump | grep '^Acquire::'
    cat <<CONF
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "$apt/conf.d";
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "$apt/sources.d";
Dir::State "$apt";
Dir::State::Lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "";
Acquire::Retries "3";
CONF
} >"$apt/apt.conf"
export APT_CONFIG=$apt/apt.conf

say "fetching the sources from Debian"
apt-get -qq update >&2 || { say "Debian's list of sources cannot be read"; exit 1; }
cd "$folder"
apt-get -qq source --download-only --tar-only "$@" >&2 || { say "Debian does not hand them out"; exit 1; }
