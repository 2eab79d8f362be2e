"""How the package is built: a PEP 517 backend around maturin.

    pip install bindings/python                                    compiles, with FFmpeg's headers of this machine
    bindings/libav/with-libav.sh pip install bindings/python       compiles, with our own FFmpeg inside
    pip install bindings/python -C native=DIR                      compiles nothing: DIR is by bindings/native.sh

Whatever the library came from, the generated module goes through `native_module`, and the wheel is
`py3-none-<platform>`.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Optional
from unittest import mock

import native_module

PACKAGE = Path(__file__).resolve().parent.parent
REPOSITORY = PACKAGE.parent.parent
Settings = Optional[dict[str, Any]]


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    # deflate is libdeflate: the same format as zlib's, 3 % smaller in 4 s. Without a wheel of it for this machine it
    # compiles, in seconds.
    return ["maturin>=1.9,<2", "deflate>=0.7,<1"]


get_requires_for_build_sdist = get_requires_for_build_wheel


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    raise RuntimeError(
        "a source package of the bindings alone could not be built: build wheels, or install from a clone"
    )


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: Optional[str] = None
) -> str:
    import maturin

    settings = dict(config_settings or {})
    native = settings.pop("native", None)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        if native is None:
            built = maturin.build_wheel(folder, settings)
            with zipfile.ZipFile(Path(folder) / built) as archive:
                archive.extractall(tree)
            tag = built[: -len(".whl")].split("-", 2)[2]
        else:
            info = maturin.prepare_metadata_for_build_wheel(folder, settings)
            shutil.copytree(
                PACKAGE / "reelkin", tree / "reelkin", ignore=shutil.ignore_patterns("_native", "__pycache__")
            )
            shutil.move(str(Path(folder) / info), tree / info)
            tag = f"py3-none-{_prebuilt(Path(native), tree)}"
        _shape(tree)
        return _pack(tree, tag, Path(wheel_directory))


def _prebuilt(native: Path, tree: Path) -> str:
    """Takes the library that is there, and says which platforms it is for."""
    name = "libreelkin.dylib" if sys.platform == "darwin" else "libreelkin.so"
    module = tree / "reelkin" / "_native"
    # Out of the library as it was built: stripping takes away what the generator reads.
    generator = [native / "uniffi-bindgen", "generate", "--library", native / name]
    subprocess.run([*generator, "--language", "python", "--no-format", "--out-dir", module], cwd=REPOSITORY, check=True)
    shutil.copy(native / name, module / name)
    if (native / "licenses").is_dir():
        info = next(tree.glob("*.dist-info"))
        shutil.copytree(native / "licenses", info / "licenses", dirs_exist_ok=True)
    return _platform((native / name).read_bytes())


def _platform(library: bytes) -> str:
    """Any Linux whose C library is new enough, for a library that needs nothing else; else this kind of machine."""
    here = re.sub(r"[-.]", "_", sysconfig.get_platform())
    needs_ffmpeg = re.search(rb"\0lib(av|sw)[a-z]+\.so", library)
    versions = [int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)", library)]
    if not here.startswith("linux_") or needs_ffmpeg or not versions:
        return here
    return f"manylinux_2_{max(versions)}_{here[len('linux_') :]}"


def _shape(tree: Path) -> None:
    """The generated module in its final form, and the library without what only the generator reads."""
    module = tree / "reelkin" / "_native"
    generated = module / "reelkin.py"
    native_module.write(generated, module)
    generated.unlink()
    for library in [*module.glob("*.so"), *module.glob("*.dylib")]:
        if shutil.which("strip"):
            subprocess.run(["strip", "-x" if sys.platform == "darwin" else "--strip-all", library], check=True)


def _pack(tree: Path, tag: str, directory: Path) -> str:
    info = next(tree.glob("*.dist-info"))
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nGenerator: reelkin\nRoot-Is-Purelib: false\nTag: {tag}\n")
    (info / "RECORD").unlink(missing_ok=True)
    wheel = f"{info.name[: -len('.dist-info')]}-{tag}.whl"
    records = []
    with _Archive(directory / wheel, "w") as archive:
        for file in sorted(path for path in tree.rglob("*") if path.is_file()):
            name, content = file.relative_to(tree).as_posix(), file.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            records.append(f"{name},sha256={digest},{len(content)}\n")
            archive.add(name, content)
        record = f"{info.name}/RECORD"
        archive.add(record, "".join([*records, f"{record},,\n"]).encode())
    return wheel


class _Archive(zipfile.ZipFile):
    """An archive whose files are packed as tightly as deflate can."""

    def add(self, name: str, content: bytes) -> None:
        # No time and no rights of this machine: the same input gives the same wheel.
        entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        # zipfile offers no other way to hand it what is compressed already.
        with mock.patch.object(zipfile, "_get_compressor", lambda *_: _Tight()):
            self.writestr(entry, content)


class _Tight:
    """What zipfile takes for a compressor: keeps all until the end, since libdeflate does not stream."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def compress(self, part: bytes) -> bytes:
        self.parts.append(bytes(part))
        return b""

    def flush(self) -> bytes:
        import deflate

        return bytes(deflate.deflate_compress(b"".join(self.parts), 12))
