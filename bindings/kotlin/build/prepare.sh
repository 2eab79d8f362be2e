#!/usr/bin/env bash
# Prepares what the build needs besides the sources: the rewritten generated code, the native library in JNA's resource
# layout, and the licenses.
#
#   build/prepare.sh NATIVE OUT    NATIVE has libreelkin.so (or .dylib) and uniffi-bindgen
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)

native=${1:-}
out=${2:?usage: prepare.sh NATIVE OUT}
if [ ! -x "$native/uniffi-bindgen" ]; then
    echo "no uniffi-bindgen in '$native': run bindings/native.sh and pass the folder it prints as -Dreelkin.native" >&2
    exit 1
fi
native=$(cd "$native" && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)

case $(uname -s) in
Darwin) library=libreelkin.dylib system=darwin ;;
*) library=libreelkin.so system=linux ;;
esac
case $(uname -m) in
x86_64) machine=x86-64 ;;
arm64 | aarch64) machine=aarch64 ;;
*) echo "unsupported architecture $(uname -m): expected x86_64 or arm64" >&2; exit 1 ;;
esac

# Before strip, because the generator reads the library's symbols. From the crate's folder, where it finds uniffi.toml.
generated=$out/generated
rm -rf "$out/kotlin" "$generated" "$out/resources"
mkdir -p "$out/kotlin/dev/reelkin" "$generated" "$out/resources/$system-$machine" "$out/resources/META-INF/licenses/reelkin"
(cd "$root" && "$native/uniffi-bindgen" generate --library "$native/$library" --language kotlin --no-format \
    --config "$here/uniffi.toml" --out-dir "$generated") >&2
java "$here/RewriteBindings.java" "$generated/dev/reelkin/reelkin.kt" "$out/kotlin/dev/reelkin/Generated.kt"

if [ "$system" = darwin ]; then
    strip -x -o "$out/resources/$system-$machine/$library" "$native/$library"
else
    strip --strip-unneeded -o "$out/resources/$system-$machine/$library" "$native/$library"
fi
# SharedLibrary.kt names the unpacked library by its hash.
stripped=$out/resources/$system-$machine/$library
if command -v sha256sum >/dev/null; then sum=(sha256sum); else sum=(shasum -a 256); fi
printf 'sha256=%s\nsize=%s\n' "$("${sum[@]}" <"$stripped" | cut -d' ' -f1)" "$(($(wc -c <"$stripped")))" \
    >"$out/resources/$system-$machine/reelkin.properties"
cp "$root"/LICENSE-* "$out/resources/META-INF/licenses/reelkin/"
# The licenses of the libraries that are linked in, if any.
[ ! -d "$native/licenses" ] || cp -r "$native/licenses/." "$out/resources/META-INF/licenses/reelkin/"
