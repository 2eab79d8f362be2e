"""Prints the summary line of test.sh from pytest's report. Fails if a listed scenario did not run or did not pass."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def main(report: Path, scenarios: Path) -> int:
    cases = list(ElementTree.parse(report).iter("testcase"))
    passed = {
        (case.get("classname", "").rsplit(".", 1)[-1], case.get("name", ""))
        for case in cases
        if all(case.find(bad) is None for bad in ("failure", "error", "skipped"))
    }
    listed = re.findall(r"^\| `(\w+)` \|", scenarios.read_text(encoding="utf-8"), re.MULTILINE)
    ran = [name for name in listed if ("test_scenarios", f"test_{name}") in passed]
    missing = sorted(set(listed) - set(ran))
    if missing:
        print("scenarios that did not pass:", ", ".join(missing), file=sys.stderr)
    print(f"python: {len(passed)} tests, {len(ran)} of {len(listed)} scenarios")
    return 0 if listed and not missing else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
