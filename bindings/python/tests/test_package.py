"""The installed package: its metadata, its license files, and a program of a user."""

from __future__ import annotations

import importlib.metadata
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import reelkin
import reelkin.sync


def test_the_wheel_has_all_licenses() -> None:
    metadata = importlib.metadata.metadata("reelkin")
    licenses = metadata["License-Expression"]
    assert licenses.startswith("(MIT OR Apache-2.0) AND LGPL-2.1-or-later AND ")
    files = {file.name: file for file in importlib.metadata.files("reelkin") or () if "licenses" in file.parts}
    assert {"LICENSE-MIT", "LICENSE-APACHE", "ffmpeg", "dav1d", "openh264", "zlib", "rust-crates.txt"} == set(files)
    assert set(metadata.get_all("License-File") or ()) == set(files)
    crates = files["rust-crates.txt"].read_text(encoding="utf-8")
    for crate in ("tokio ", "ring ", "uniffi_core "):
        assert f"\n{crate}" in crates
    # Only what is linked: neither procedural macros nor what the program or the tests need.
    for crate in ("serde_derive ", "clap ", "criterion "):
        assert f"\n{crate}" not in crates
    assert "Mozilla Public License Version 2.0" in crates
    expressions = set(re.findall(r"^[\w-]+ \d\S* \((.+)\)$", crates, re.MULTILINE))
    assert len(expressions) > 10
    allowed = {"MIT", "Apache-2.0", *licenses.split(" AND ")}
    for expression in expressions:
        for part in expression.split(" AND "):
            assert any(name in allowed for name in re.split(r" OR |/|[() ]+", part)), expression


def test_the_module_runs_a_sandbox(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reelkin", "--seconds-per-job", "0.1", "--fault", "moderated,times=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        address = json.loads(child.stdout.readline())
        with reelkin.sync.VideoClient(tmp_path, **address) as client:
            with pytest.raises(reelkin.ModeratedError):
                client.generate("a bay", duration=1)
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
    wrong = subprocess.run([sys.executable, "-m", "reelkin", "--fault", "nonsense"], capture_output=True, text=True)
    assert wrong.returncode == 2 and wrong.stderr.startswith("error: ") and "nonsense" in wrong.stderr
    assert wrong.stderr.count("\n") == 1, wrong.stderr


def test_a_program_of_a_user(tmp_path: Path) -> None:
    program = Path(__file__).parent / "strict" / "program.py"
    ran = subprocess.run([sys.executable, program, tmp_path], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert "paid $" in ran.stdout and (tmp_path / "last.png").stat().st_size > 1000
