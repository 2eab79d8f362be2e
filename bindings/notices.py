#!/usr/bin/env python3
"""Writes the license texts of all crates in the native library to a file: notices.py FILE.

Each text is written once, after the names of the crates that it belongs to. A crate without a license file gets the text of
another crate with the same license, or the file of that license in `licenses/`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

FILE_NAMES = re.compile(r"(licen[cs]e|copying|notice|unlicense)", re.IGNORECASE)


def main() -> None:
    host = re.search(r"^host: (.*)$", output("rustc", "-vV"), re.MULTILINE)
    assert host is not None
    metadata = json.loads(
        output("cargo", "metadata", "--format-version=1", "--locked", "--features=ffi", f"--filter-platform={host[1]}")
    )
    texts: dict[str, list[str]] = {}
    by_license: dict[str, str] = {}
    without: list[tuple[str, str]] = []
    for package in linked_packages(metadata):
        name = f"{package['name']} {package['version']} ({package['license'] or 'see its license file'})"
        found = license_texts(Path(package["manifest_path"]).parent)
        for text in found:
            texts.setdefault(text, []).append(name)
            by_license.setdefault(package["license"], text)
        if not found:
            without.append((name, package["license"]))
    for name, license in without:
        if license not in by_license:
            file = Path(__file__).parent / "licenses" / f"{license}.txt"
            if not file.exists():
                sys.exit(f"{name} has no license file: add the text of {license} as {file}")
            by_license[license] = read(file)
        texts.setdefault(by_license[license], []).append(name)
    parts = ["The native library contains these Rust crates.\n"]
    for text, names in texts.items():
        parts.append("\n".join([*sorted(names), "", text]))
    Path(sys.argv[1]).write_text(f"\n{'-' * 80}\n\n".join(parts) + "\n", encoding="utf-8")


def output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def linked_packages(metadata: dict) -> list[dict]:
    """Returns the packages that are linked into the library: neither build scripts nor procedural macros."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    seen, waiting = {root}, [root]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            id = dependency["pkg"]
            is_macro = any("proc-macro" in target["kind"] for target in packages[id]["targets"])
            is_linked = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if is_linked and not is_macro and id not in seen:
                seen.add(id)
                waiting.append(id)
    return sorted((packages[id] for id in seen - {root}), key=lambda package: (package["name"], package["version"]))


def license_texts(folder: Path) -> list[str]:
    files = [file for file in sorted(folder.iterdir()) if FILE_NAMES.match(file.name) and file.is_file()]
    return [read(file) for file in files]


def read(file: Path) -> str:
    # Line ends and indentation differ between copies of one text.
    return "\n".join(line.strip() for line in file.read_text("utf-8", "replace").strip().splitlines())


if __name__ == "__main__":
    main()
