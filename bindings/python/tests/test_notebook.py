"""What notebooks display, and the notebook in examples/python."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import sys
import types
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import reelkin
from conftest import Studio

NOTEBOOK = Path(__file__).resolve().parents[3] / "examples" / "python" / "notebook.ipynb"


class Lists(HTMLParser):
    """The texts of the items of nested lists, with their depth."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.depth = 0
        self.items: list[tuple[int, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.depth += tag == "ul"
        if tag == "li":
            self.items.append((self.depth, ""))

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag == "ul"

    def handle_data(self, data: str) -> None:
        depth, text = self.items[-1]
        self.items[-1] = depth, text + data


def test_a_family_is_displayed_as_a_tree(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            first = await client.generate("a <b> lighthouse", duration=1)
            storm = await client.continue_from(first, "a storm", duration=1, plan=False)
            night = await client.edit(storm, "night")
            stars = await client.continue_from(first, "stars", duration=1, plan=False)
            family = await client.library.family(first)
            lists = Lists(family._repr_html_())  # type: ignore[no-untyped-call, unused-ignore]
            assert lists.depth == 0
            assert [(depth, text.split(" · ")[0]) for depth, text in lists.items] == [
                (1, first.id),
                (2, storm.id),
                (3, night.id),
                (2, stars.id),
            ]
            assert lists.items[0][1] == f"{first.id} · generate · “a <b> lighthouse” · ${first.cost}"

    asyncio.run(run())


def test_amounts_have_no_needless_zeros() -> None:
    for ticks, text in [(0, "0.00"), (1, "0.0000000001"), (2_000_000_000, "0.20"), (1_000_000_000_000, "100.00")]:
        assert f"{reelkin._calls.dollars(ticks):f}" == text


def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    display: Any = types.ModuleType("IPython.display")
    display.Markdown = str
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    cells = [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    shown: list[object] = []

    async def run() -> None:
        names: dict[str, Any] = {}
        for cell in cells:
            tree = ast.parse("".join(cell["source"]))
            # The value of the last expression is displayed.
            last = tree.body[-1]
            if isinstance(last, ast.Expr):
                tree.body[-1] = ast.copy_location(
                    ast.Assign([ast.Name("shown", ast.Store(), lineno=1, col_offset=0)], last.value), last
                )
            code = compile(tree, str(NOTEBOOK), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            result = eval(code, names)
            if inspect.isawaitable(result):
                await result
            shown.append(names.pop("shown", None))

    asyncio.run(run())
    kinds = [type(value).__name__ for value in shown]
    assert kinds == ["NoneType", "Clip", "Frame", "Clip", "Family", "str", "NoneType"]
    assert "**4 requests**" in str(shown[5])
    assert capsys.readouterr().out.startswith("frames 0 and 95,")
