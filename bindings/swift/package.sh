#!/usr/bin/env bash
# Puts the Swift package together: package.sh NATIVE OUT
#
# NATIVE is a folder with libreelkin.so (Linux) and the generator uniffi-bindgen, as bindings/native.sh makes it. OUT is
# made anew: a package that other packages depend on by its path. For Apple's systems see build-xcframework.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
native=$(cd "${1:?usage: package.sh NATIVE OUT}" && pwd)
out=${2:?usage: package.sh NATIVE OUT}

library=$native/libreelkin.so
[ -e "$library" ] || library=$native/libreelkin.dylib
[ -e "$library" ] || library=$native/libreelkin.a

rm -rf "$out.part"
mkdir -p "$out.part/generated"
out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")
cp -R "$here/Package.swift" "$here/README.md" "$here/Sources" "$out.part/"

# Run where the crate's own uniffi.toml is.
(cd "$here/../.." && "$native/uniffi-bindgen" generate --library "$library" --language swift --no-format \
    --config bindings/swift/uniffi.toml --out-dir "$out.part/generated" >&2)
perl "$here/adapt/adapt.pl" "$here/adapt/Calls.swift" \
    <"$out.part/generated/ReelkinGenerated.swift" >"$out.part/Sources/ReelkinGenerated/ReelkinGenerated.swift"
mv "$out.part/generated/ReelkinGeneratedFFI.h" "$out.part/Sources/ReelkinGeneratedFFI/"
rm -r "$out.part/generated"

case $library in
*.so)
    mkdir "$out.part/lib"
    # The generator reads symbols; who runs it does not.
    strip --strip-unneeded -o "$out.part/lib/libreelkin.so" "$library"
    ;;
esac
# Of what the library has inside.
[ ! -d "$native/licenses" ] || cp -R "$native/licenses" "$out.part/"
cp "$here/../../LICENSE-MIT" "$here/../../LICENSE-APACHE" "$out.part/"
rm -rf "$out"
mv "$out.part" "$out"
echo "$out"
