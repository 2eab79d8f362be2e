"""Splits a Markdown page into prose and code blocks. Used by check_docs.py and run_docs.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "docs" / "src"
FENCE = re.compile(r"^\s*```(.*)$")


class Block(NamedTuple):
    """A code block. Its code begins in the line after `line`, which is that of the opening fence."""

    line: int
    language: str
    mark: str
    code: list[str]
    is_closed: bool

    @property
    def end(self) -> int:
        """Returns the line of the closing fence."""
        return self.line + len(self.code) + 1


def split(page: Path) -> tuple[list[tuple[int, str]], list[Block]]:
    """Returns the numbered lines outside of code blocks, and the code blocks."""
    prose: list[tuple[int, str]] = []
    blocks: list[Block] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        inside = bool(blocks) and not blocks[-1].is_closed
        if fence and inside:
            blocks[-1] = blocks[-1]._replace(is_closed=True)
        elif fence:
            language, _, mark = re.sub(r"[,\s]+", " ", fence[1].strip()).partition(" ")
            blocks.append(Block(number, language, mark, [], is_closed=False))
        elif inside:
            blocks[-1].code.append(line)
        else:
            prose.append((number, line))
    return prose, blocks
