#!/usr/bin/env python3
"""Records the rows of benchmarks, compares them to recorded ones, and writes the tables of docs/src/reference/benchmarks.md.

    benches/report.py keep ROWS      records the rows of a file in benches/results.json; replaces the rows of the
                                     same groups
    benches/report.py page           writes the tables of docs/src/reference/benchmarks.md from benches/results.json
    benches/report.py check ROWS     exits with 1 if a row is worse than the recorded one by more than noise

A row is a line of JSON, see benches/README.md.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
KEPT = HERE / "results.json"
PAGE = HERE.parent / "docs" / "src" / "reference" / "benchmarks.md"
# How much runs of the same code differ on a busy machine, measured with repeated short runs.
NOISE = 0.25
TABLE = re.compile(r"(<!-- rows: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)

Row = dict[str, object]


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]


def kept() -> dict[str, object]:
    return json.loads(KEPT.read_text()) if KEPT.exists() else {"rows": []}


def key(row: Row) -> tuple[object, ...]:
    return (row["group"], row["case"], row["figure"])


def machine() -> str:
    names = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{os.cpu_count()} cores ({names[0] if names else platform.machine()}), {platform.system()} {platform.release().split('-')[0]}"


def keep(rows: list[Row]) -> None:
    new = {row["group"] for row in rows}
    others = [row for row in kept()["rows"] if row["group"] not in new]
    KEPT.write_text(json.dumps({"machine": machine(), "rows": others + rows}, indent=1, ensure_ascii=False) + "\n")


def number(value: object) -> str:
    if value is None:
        return ""
    value = float(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows: list[Row]) -> str:
    lines = ["| case | figure | reelkin | beside | ratio | at most | met |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        unit = f" {row['unit']}" if row.get("unit") else ""
        ours = number(row["ours"]) + unit
        theirs = f"{row['peer']}: {number(row['theirs'])}{unit}" if row.get("peer") else ""
        ratio = number(row["value"]) if row.get("peer") else ""
        limit, met = "", ""
        if row.get("limit") is not None:
            limit = number(row["limit"]) + ("" if row.get("peer") else unit)
            met = "yes" if float(row["value"]) <= float(row["limit"]) else "**no**"
        note = f" ({row['note']})" if row.get("note") else ""
        lines.append(f"| {row['case']}{note} | {row['figure']} | {ours} | {theirs} | {ratio} | {limit} | {met} |")
    return "\n".join(lines) + "\n"


def page() -> None:
    rows = kept()["rows"]
    shown: set[object] = set()

    def fill(found: re.Match[str]) -> str:
        shown.add(found[2])
        mine = [row for row in rows if row["group"] == found[2]]
        return found[1] + (table(mine) if mine else "Not measured yet.\n") + found[3]

    text = TABLE.sub(fill, PAGE.read_text())
    missing = {row["group"] for row in rows} - shown
    if missing:
        sys.exit(f"docs/src/reference/benchmarks.md has no table for {', '.join(sorted(map(str, missing)))}")
    PAGE.write_text(text)


def check(rows: list[Row]) -> None:
    before = {key(row): row for row in kept()["rows"]}
    compared, worse = 0, []
    for row in rows:
        old = before.get(key(row))
        # Times without a peer depend on the machine. Memory does not.
        if old is None or not (row.get("peer") or row.get("exact") or row.get("unit") in ("KiB", "MiB")):
            continue
        compared += 1
        # Counted figures have no noise.
        noise = 0.0 if row.get("exact") else max(NOISE, 3 * float(old.get("spread") or 0))
        allowed = float(old["value"]) * (1 + noise)
        if not row.get("peer") and not row.get("exact"):
            # Memory varies with the distribution of pages over threads, so it may always reach its limit.
            allowed = max(allowed, float(row.get("limit") or 0))
        if float(row["value"]) > allowed:
            worse.append(f"{' · '.join(map(str, key(row)))}: {number(row['value'])}, kept {number(old['value'])}, allowed {number(allowed)}")
    for line in worse:
        print("worse:", line)
    print(f"{compared} figures compared, {len(worse)} worse")
    if worse or not compared:
        sys.exit(1)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["keep", path]:
            keep(read(Path(path)))
        case ["page"]:
            page()
        case ["check", path]:
            check(read(Path(path)))
        case _:
            sys.exit(__doc__)
