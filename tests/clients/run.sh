#!/bin/sh
# Runs clients of the service that know nothing of this crate against a sandbox.
#   tests/clients/run.sh BASE_URL KEY [ai-sdk|openai|curl|ima2]...
# They are installed from their registries into .cache/clients once, at the versions pinned here.
set -eu
base=$1 key=$2
shift 2
[ $# -gt 0 ] || set -- ai-sdk openai curl ima2
here=$(cd "$(dirname "$0")" && pwd)
cache=${REELKIN_CLIENT_CACHE:-$here/../../.cache/clients}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

fail() { echo "$*" >&2; exit 1; }

# The value of a string field of a JSON object on standard input.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

for client in "$@"; do
  case $client in
  ai-sdk)
    mkdir -p "$cache/ai-sdk"
    if ! cmp -s "$here/ai-sdk/package-lock.json" "$cache/ai-sdk/installed"; then
      cp "$here/ai-sdk/package.json" "$here/ai-sdk/package-lock.json" "$cache/ai-sdk/"
      (cd "$cache/ai-sdk" && npm ci --no-audit --no-fund --ignore-scripts >&2)
      cp "$here/ai-sdk/package-lock.json" "$cache/ai-sdk/installed"
    fi
    cp "$here/ai-sdk/generate.mjs" "$cache/ai-sdk/"
    node "$cache/ai-sdk/generate.mjs" "$base" "$key"
    ;;
  openai)
    if ! cmp -s "$here/openai/requirements.txt" "$cache/openai/installed"; then
      rm -rf "$cache/openai"
      python3 -m venv "$cache/openai"
      "$cache/openai/bin/pip" install --quiet --disable-pip-version-check -r "$here/openai/requirements.txt" >&2
      cp "$here/openai/requirements.txt" "$cache/openai/installed"
    fi
    "$cache/openai/bin/python" "$here/openai/check.py" "$base" "$key"
    ;;
  curl)
    id=$(curl -sS --fail-with-body "$base/videos/generations" -H "Authorization: Bearer $key" \
      --json '{"model":"grok-imagine-video","prompt":"over the wire","duration":1}' | field request_id)
    [ -n "$id" ] || fail "curl: no request_id"
    link= tries=0
    while [ -z "$link" ]; do
      tries=$((tries + 1))
      [ $tries -lt 300 ] || fail "curl: job $id does not end"
      sleep 0.2
      link=$(curl -sS --fail-with-body "$base/videos/$id" -H "Authorization: Bearer $key" | field url)
    done
    curl -sS --fail -o "$cache/curl.part" -r 0-999 "$link"
    curl -sS --fail -o "$cache/curl.part" -C - "$link"
    curl -sS --fail -o "$cache/curl.mp4" "$link"
    cmp "$cache/curl.part" "$cache/curl.mp4" || fail "curl: the resumed clip differs"
    echo "curl: ok"
    ;;
  ima2)
    # The calls that ima2 makes: a proxy's key is in place, polls ask for JSON, the clip is fetched bare.
    node "$here/ima2/calls.mjs" "$base" "$key"
    ;;
  *) fail "unknown client: $client" ;;
  esac
done
