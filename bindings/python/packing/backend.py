"""A PEP 517 build backend around maturin.

    pip install bindings/python                                 compiles against the system's FFmpeg
    bindings/libav/with-libav.sh pip install bindings/python    compiles with the bundled FFmpeg
    pip install bindings/python -C native=DIR                   uses the library in DIR, built by bindings/native.sh
    python -m build --sdist bindings/python                     packs the crate and this package as sources

In each case `native_module` rewrites the generated module, and the wheel is tagged `py3-none-<platform>`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any, Optional
from unittest import mock

import native_module

PACKAGE = Path(__file__).resolve().parent.parent
REPOSITORY = PACKAGE.parent.parent
Settings = Optional[dict[str, Any]]
# The crate's own license, those of FFmpeg, dav1d with OpenH264, and zlib, and those of the Rust crates that are available
# under neither MIT nor Apache-2.0.
BUNDLED_LICENSE = (
    "(MIT OR Apache-2.0) AND LGPL-2.1-or-later AND BSD-2-Clause AND Zlib AND BSD-3-Clause AND CDLA-Permissive-2.0 AND IJG "
    "AND ISC AND MPL-2.0 AND Unicode-3.0 AND WTFPL"
)


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    # deflate wraps libdeflate, which makes the wheel 3 % smaller than zlib does.
    return ["maturin>=1.9,<2", "deflate>=0.7,<1"]


get_requires_for_build_sdist = get_requires_for_build_wheel


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    import maturin

    with tempfile.TemporaryDirectory() as folder:
        package = ["cargo", "package", "--quiet", "--no-verify", "--allow-dirty", "--target-dir", folder]
        subprocess.run(package, cwd=REPOSITORY, check=True, stdout=sys.stderr)
        crate = next(Path(folder, "package").glob("*.crate"))
        with tarfile.open(crate) as archive:
            archive.extractall(folder)
        root = Path(folder, crate.stem)
        for file in ["Cargo.toml.orig", ".cargo_vcs_info.json"]:
            (root / file).unlink(missing_ok=True)
        ignored = shutil.ignore_patterns("_native", "__pycache__")
        for part in ["reelkin", "packing"]:
            shutil.copytree(PACKAGE / part, root / "bindings" / "python" / part, ignore=ignored)
        shutil.copy(PACKAGE / "README.md", root / "bindings" / "python")
        (root / "pyproject.toml").write_text(_moved_to_root((PACKAGE / "pyproject.toml").read_text("utf-8")), "utf-8")
        info = maturin.prepare_metadata_for_build_wheel(folder, dict(config_settings or {}))
        shutil.copy(Path(folder, info, "METADATA"), root / "PKG-INFO")
        return _pack_sources(root, Path(sdist_directory))


def _moved_to_root(project: str) -> str:
    """Returns pyproject.toml for a source distribution, where it is next to Cargo.toml."""
    for old, new in {
        'backend-path = ["packing"]': 'backend-path = ["bindings/python/packing"]',
        'readme = "README.md"': 'readme = "bindings/python/README.md"',
        'manifest-path = "../../Cargo.toml"': 'manifest-path = "Cargo.toml"\npython-source = "bindings/python"',
    }.items():
        if old not in project:
            raise ValueError(f"write the pyproject.toml of a source distribution: the line {old} is missing")
        project = project.replace(old, new)
    return project


def _pack_sources(root: Path, directory: Path) -> str:
    def fixed(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        # Reproducible, as the wheel is.
        entry.mtime = 315532800
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    name = f"{root.name}.tar.gz"
    with open(directory / name, "wb") as file, gzip.GzipFile("", "wb", mtime=0, fileobj=file) as packed:
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(path for path in root.rglob("*") if path.is_file()):
                archive.add(path, path.relative_to(root.parent).as_posix(), filter=fixed)
    return name


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
            tag = f"py3-none-{_add_prebuilt(Path(native), tree)}"
        _rewrite_native_module(tree)
        return _pack(tree, tag, Path(wheel_directory))


def _add_prebuilt(native: Path, tree: Path) -> str:
    """Adds a prebuilt library and its generated module to the tree. Returns the library's platform tag."""
    name = "libreelkin.dylib" if sys.platform == "darwin" else "libreelkin.so"
    module = tree / "reelkin" / "_native"
    # From the unstripped library, because the generator reads its symbols.
    generator = [native / "uniffi-bindgen", "generate", "--library", native / name]
    subprocess.run([*generator, "--language", "python", "--no-format", "--out-dir", module], cwd=REPOSITORY, check=True)
    shutil.copy(native / name, module / name)
    if (native / "licenses").is_dir():
        info = next(tree.glob("*.dist-info"))
        shutil.copytree(native / "licenses", info / "licenses", dirs_exist_ok=True)
        _declare_licenses(info)
    return _platform_tag((native / name).read_bytes())


def _declare_licenses(info: Path) -> None:
    """Adds the crate's own license files to those of the bundled libraries, and names all of them in the metadata."""
    for file in REPOSITORY.glob("LICENSE-*"):
        shutil.copy(file, info / "licenses")
    head, separator, body = (info / "METADATA").read_text("utf-8").partition("\n\n")
    lines = [line for line in head.split("\n") if not line.startswith(("License:", "License-Expression:"))]
    lines.append(f"License-Expression: {BUNDLED_LICENSE}")
    lines += [f"License-File: {file.name}" for file in sorted((info / "licenses").iterdir())]
    (info / "METADATA").write_text("\n".join(lines) + separator + body, "utf-8")


def _platform_tag(library: bytes) -> str:
    """Returns a manylinux tag for a library that needs only glibc, and the tag of this machine otherwise."""
    machine = re.sub(r"[-.]", "_", sysconfig.get_platform())
    needs_ffmpeg = re.search(rb"\0lib(av|sw)[a-z]+\.so", library)
    versions = [int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)", library)]
    if not machine.startswith("linux_") or needs_ffmpeg or not versions:
        return machine
    return f"manylinux_2_{max(versions)}_{machine[len('linux_') :]}"


def _rewrite_native_module(tree: Path) -> None:
    """Rewrites the generated module, and strips the library."""
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
    """A ZIP archive compressed with libdeflate."""

    def add(self, name: str, content: bytes) -> None:
        # Fixed time and permissions, so that the build is reproducible.
        entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        # zipfile has no public way to use another compressor.
        with mock.patch.object(zipfile, "_get_compressor", lambda *_: _LibdeflateCompressor()):
            self.writestr(entry, content)


class _LibdeflateCompressor:
    """A compressor for zipfile. It collects all input until the end, because libdeflate does not stream."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def compress(self, part: bytes) -> bytes:
        self.parts.append(bytes(part))
        return b""

    def flush(self) -> bytes:
        import deflate

        return bytes(deflate.deflate_compress(b"".join(self.parts), 12))
