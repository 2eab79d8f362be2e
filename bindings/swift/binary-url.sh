#!/usr/bin/env bash
# Lets an assembled package download its XCFramework: binary-url.sh PACKAGE URL CHECKSUM
#
# Changes the manifest of PACKAGE, which build-xcframework.sh has assembled. URL is that of the zipped XCFramework, and
# CHECKSUM is what `swift package compute-checksum` prints for the zip file. PACKAGE can then be a versioned dependency.
set -euo pipefail
package=${1:?usage: binary-url.sh PACKAGE URL CHECKSUM} url=${2:?} checksum=${3:?}
[[ $url =~ ^https://[^\"\\[:space:]]+\.zip$ ]] || { echo "not an https URL of a zip file: $url" >&2; exit 1; }
[[ $checksum =~ ^[0-9a-f]{64}$ ]] || { echo "not a SHA-256 in hex: $checksum" >&2; exit 1; }

manifest=$package/Package.swift
old='path: "ReelkinGeneratedFFI.xcframework"'
text=$(<"$manifest")
[[ $text == *"$old"* ]] || { echo "no binary target with a path in $manifest" >&2; exit 1; }
new="url: \"$url\", checksum: \"$checksum\""
printf '%s\n' "${text%%"$old"*}$new${text#*"$old"}" >"$manifest"
