#!/usr/bin/env bash
# Downloads source packages of Debian 13 into a folder: fetch.sh FOLDER PACKAGE...
#
# Uses a separate apt configuration that shares only the network settings of the machine's apt (proxies, timeouts), and
# does not change the machine's apt. Does not require root.
set -euo pipefail

folder=$1
shift
say() { echo "libav: $*" >&2; }
command -v apt-get >/dev/null || { say "downloading sources requires apt-get, which is missing"; exit 1; }

apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt"/{sources.d,conf.d,lists/partial,cache/archives/partial}
touch "$apt/status"
# Downloads are checked against a pinned SHA-256, and against Debian's signature if its keyring is installed.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
signed="Signed-By: $keyring"
[ -e "$keyring" ] || signed="Trusted: yes"
printf '%s\n' "Types: deb-src" "URIs: http://deb.debian.org/debian" "Suites: trixie" "Components: main" "$signed" \
    >"$apt/sources.d/debian.sources"
# A configuration file instead of options, because apt would otherwise also read the machine's files and run their hooks.
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

say "downloading the sources from Debian"
apt-get -qq update >&2 || { say "apt-get update failed for Debian's sources"; exit 1; }
cd "$folder"
apt-get -qq source --download-only --tar-only "$@" >&2 || { say "apt-get source failed for $*"; exit 1; }
