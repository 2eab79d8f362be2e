#!/usr/bin/env bash
# Assembles the Swift package: package.sh [--prefix PREFIX] NATIVE OUT
#
# NATIVE is the folder that bindings/native.sh prints, with libreelkin.so (Linux) and uniffi-bindgen. OUT is replaced by a
# package that other packages depend on by its path. For Apple platforms see build-xcframework.sh.
#
# With --prefix, the library is installed in PREFIX/lib instead of the package, with a file for pkg-config. OUT can then be
# committed and used by its version.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
prefix=
if [ "${1:-}" = --prefix ]; then
    prefix=${2:?usage: package.sh [--prefix PREFIX] NATIVE OUT}
    shift 2
fi
native=$(cd "${1:?usage: package.sh [--prefix PREFIX] NATIVE OUT}" && pwd)
out=${2:?usage: package.sh [--prefix PREFIX] NATIVE OUT}

library=$native/libreelkin.so
[ -e "$library" ] || library=$native/libreelkin.dylib
[ -e "$library" ] || library=$native/libreelkin.a

rm -rf "$out.part"
mkdir -p "$out.part/generated"
out=$(cd "$(dirname "$out")" && pwd)/$(basename "$out")
cp -R "$here/Package.swift" "$here/README.md" "$here/Sources" "$out.part/"

# From the crate's folder, where the generator finds uniffi.toml.
(cd "$here/../.." && "$native/uniffi-bindgen" generate --library "$library" --language swift --no-format \
    --config bindings/swift/uniffi.toml --out-dir "$out.part/generated" >&2)
perl "$here/adapt/adapt.pl" "$here/adapt/Calls.swift" \
    <"$out.part/generated/ReelkinGenerated.swift" >"$out.part/Sources/ReelkinGenerated/ReelkinGenerated.swift"
perl "$here/adapt/codable.pl" \
    <"$out.part/Sources/ReelkinGenerated/ReelkinGenerated.swift" >"$out.part/Sources/ReelkinGenerated/Codable.swift"
mv "$out.part/generated/ReelkinGeneratedFFI.h" "$out.part/Sources/ReelkinGeneratedFFI/"
rm -r "$out.part/generated"

case $library in
*.so)
    lib=${prefix:-$out.part}/lib
    mkdir -p "$lib"
    # After generating, because the generator reads the library's symbols.
    strip --strip-unneeded -o "$lib/libreelkin.so" "$library"
    if [ -n "$prefix" ]; then
        mkdir -p "$lib/pkgconfig"
        version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/../../Cargo.toml" | head -n 1)
        printf '%s\n' "libdir=\${pcfiledir}/.." 'Name: reelkin' 'Description: The native library of the Swift package reelkin' \
            "Version: $version" 'Libs: -L${libdir} -lreelkin' >"$lib/pkgconfig/reelkin.pc"
    fi
    ;;
esac
# The licenses of the libraries that are linked in, if any.
[ ! -d "$native/licenses" ] || cp -R "$native/licenses" "$out.part/"
cp "$here/../../LICENSE-MIT" "$here/../../LICENSE-APACHE" "$out.part/"
rm -rf "$out"
mv "$out.part" "$out"
echo "$out"
