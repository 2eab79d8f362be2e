#!/usr/bin/env bash
# Installs moto, the S3 server that tests/it/support/s3.rs starts, into .cache/s3, unless it is installed. The versions are
# pinned, so that a new release cannot change the tests.
set -euo pipefail
cd "$(dirname "$0")/.."

home=.cache/s3
wanted="moto 5.2.5"
[ "$(cat "$home/installed" 2>/dev/null)" != "$wanted" ] || exit 0

echo "installing $wanted into $home" >&2
rm -rf "$home"
python3 -m venv "$home"
"$home/bin/pip" install --quiet --disable-pip-version-check \
    'moto[s3]==5.2.5' 'flask==3.1.3' 'flask-cors==6.0.5' 'werkzeug==3.1.9' 'boto3==1.44.5'
echo "$wanted" >"$home/installed"
