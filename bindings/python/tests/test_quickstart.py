"""Runs the code of docs/src/guide/python.md."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

QUICKSTART = Path(__file__).resolve().parents[3] / "docs" / "src" / "guide" / "python.md"


def test_the_quick_start_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", QUICKSTART.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    output = ""
    for block in blocks:
        ended = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert ended.returncode == 0, ended.stderr
        output += ended.stdout
    assert (tmp_path / "last.png").read_bytes()[:4] == b"\x89PNG"
    assert output.count("1 saved") == 2
