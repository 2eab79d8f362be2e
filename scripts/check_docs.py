#!/usr/bin/env python3
"""Checks the documentation: links, anchors, the table of contents, paths of the repository, and code blocks.

    scripts/check_docs.py          checks the Markdown files of the repository
    scripts/check_docs.py BOOK     also checks every link of a built book, by its HTML

Needs nothing but Python. Prints one line per problem and exits with 1 if there is any.
"""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from code_blocks import BOOK, ROOT, split

# Files that describe past states, and so may name files that are gone.
HISTORY = {ROOT / "CHANGELOG.md"}
# The page that names tests.
RELIABILITY = BOOK / "reference" / "reliability.md"
# The first word after the opening fence of a code block.
LANGUAGES = {"rust", "sh", "console", "text", "toml", "json", "python", "kotlin", "java", "swift", "xml", "mermaid"}
# The marks that docs/src/introduction.md explains.
MARKS = {"rust": {"", "no_run"}, "python": {"", "pytest"}, "sh": {"", "install", "service"}}
# The file that makes the Rust blocks of the book doctests.
DOCTESTS = ROOT / "src" / "book.rs"
# Folders at the root of the repository. A name in backticks that begins with one of them is a path.
FOLDERS = ("src", "tests", "docs", "scripts", "benches", "bindings", "examples", "fuzz", ".ci")

LINK = re.compile(r"\[[^\]]*\]\(([^()\s]*(?:\([^()]*\)[^()\s]*)*)(?:\s+\"[^\"]*\")?\)")
CODE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")

problems: list[str] = []


def report(file: Path, line: int, what: str) -> None:
    problems.append(f"{file.relative_to(ROOT)}:{line}: {what}")


def prose(file: Path) -> list[tuple[int, str]]:
    """Returns the numbered lines outside of code blocks, and checks the marks of the blocks."""
    lines, blocks = split(file)
    for block in blocks:
        if not block.is_closed:
            report(file, block.line, "code block without an end")
        if BOOK in file.parents:
            if block.language not in LANGUAGES:
                report(file, block.line, f"code block of unknown language {block.language!r}")
            elif block.mark not in MARKS.get(block.language, {block.mark}):
                report(file, block.line, f"{block.language} block with unknown mark {block.mark!r}")
    if BOOK in file.parents and any(block.language == "rust" for block in blocks):
        name = str(file.relative_to(ROOT))
        if f'include_str!("../{name}")' not in DOCTESTS.read_text(encoding="utf-8"):
            report(file, 1, f"has Rust blocks, but {DOCTESTS.relative_to(ROOT)} does not include it")
    return lines


def anchors(file: Path) -> set[str]:
    """Returns the ids of the headings, as mdBook and GitHub derive them."""
    found: set[str] = set()
    for _, line in prose_of(file):
        heading = HEADING.match(line)
        if heading:
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[2]).replace("`", "").strip().lower()
            slug = "".join(c for c in text.replace(" ", "-") if c.isalnum() or c in "-_")
            name, count = slug, 0
            while name in found:
                count += 1
                name = f"{slug}-{count}"
            found.add(name)
    return found


cache: dict[Path, list[tuple[int, str]]] = {}


def prose_of(file: Path) -> list[tuple[int, str]]:
    if file not in cache:
        cache[file] = prose(file)
    return cache[file]


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def check_links(file: Path) -> None:
    for number, line in prose_of(file):
        for target in LINK.findall(CODE.sub("", line)):
            url = urlsplit(target)
            if url.scheme or url.netloc:
                continue
            goal = (file.parent / unquote(url.path)).resolve() if url.path else file
            if not goal.exists():
                report(file, number, f"link to {target}, which does not exist")
            elif BOOK in file.parents and goal != file and BOOK not in goal.parents:
                report(file, number, f"link to {target}, which is not part of the book: name it in backticks instead")
            elif url.fragment and goal.suffix == ".md" and url.fragment not in anchors(goal):
                report(file, number, f"link to {target}: no such heading")


def exists(name: str, names: set[str]) -> bool:
    if name in names:
        return True
    if "*" in name:
        pattern = re.compile(re.escape(name).replace(r"\*\*", ".*").replace(r"\*", "[^/]*"))
        return any(pattern.fullmatch(other) for other in names)
    return False


def check_paths(file: Path, names: set[str]) -> None:
    for number, line in prose_of(file):
        for code in CODE.findall(line):
            for word in code.split():
                # A command's options and a range of lines are not part of a path.
                word = word.strip(",;:()").split(":")[0].rstrip("/")
                if not word.startswith(tuple(f"{folder}/" for folder in FOLDERS)) or re.search(r"[<>{}$…=]", word):
                    continue
                # A README of a package can name paths from its own folder.
                bases = [base for base in file.relative_to(ROOT).parents]
                if not any(exists(str(base / word), names) for base in bases):
                    report(file, number, f"names {word}, which does not exist")


def check_tests(file: Path) -> None:
    """Checks names of tests, such as `submit::faults` or `submit::faults::a_test`, by the files in tests/it."""
    for number, line in prose_of(file):
        for folder, module, name in re.findall(r"`(\w+)::(\w+)(?:::(\w+)…?)?`", line):
            tests = ROOT / "tests" / "it" / folder
            if not tests.is_dir():
                continue
            source = tests / f"{module}.rs"
            if not source.exists() or name and not re.search(rf"fn {name}", source.read_text(encoding="utf-8")):
                report(file, number, f"names the test {folder}::{module}{'::' + name if name else ''}, which does not exist")


def check_summary() -> None:
    summary = BOOK / "SUMMARY.md"
    listed = [(summary.parent / target).resolve() for target in LINK.findall(summary.read_text(encoding="utf-8"))]
    for page in sorted(BOOK.rglob("*.md")):
        times = listed.count(page)
        if page != summary and times != 1:
            problems.append(f"{page.relative_to(ROOT)}: listed {times} times in SUMMARY.md")
    # The table of contents has the titles of the pages.
    for number, line in enumerate(summary.read_text(encoding="utf-8").splitlines(), 1):
        entry = re.match(r"\s*- \[([^\]]*)\]\(([^)]*)\)", line)
        if entry and (page := summary.parent / entry[2]).exists():
            title = re.sub(r"[#`]", "", page.read_text(encoding="utf-8").splitlines()[0]).strip()
            if title != entry[1]:
                report(summary, number, f"lists {entry[2]} as {entry[1]!r}, but its title is {title!r}")


class Page(HTMLParser):
    """The ids and the links of an HTML page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if value and name in ("id", "name"):
                self.ids.add(value)
            elif value and name in ("href", "src"):
                self.links.append(value)


def check_book(book: Path) -> int:
    pages = {file.resolve(): Page(file) for file in sorted(book.rglob("*.html"))}
    if not pages:
        sys.exit(f"{book} has no pages")
    checked = 0
    for file, page in pages.items():
        # These two are shown at any address, so their links are not relative to the file.
        if file.name in ("404.html", "print.html"):
            continue
        for target in page.links:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                continue
            checked += 1
            goal = (file.parent / unquote(url.path)).resolve() if url.path else file
            if goal.is_dir():
                goal /= "index.html"
            if not goal.exists():
                problems.append(f"{file.relative_to(book.resolve())}: link to {target}, which does not exist")
            elif url.fragment and goal in pages and unquote(url.fragment) not in pages[goal].ids:
                problems.append(f"{file.relative_to(book.resolve())}: link to {target}: no such anchor")
    return checked


def main() -> None:
    files = tracked("*.md")
    names = {str(path.relative_to(ROOT)) for path in tracked()}
    names |= {str(parent) for name in names for parent in Path(name).parents}
    for file in files:
        check_links(file)
        if file not in HISTORY:
            check_paths(file, names)
            if file == RELIABILITY:
                check_tests(file)
    check_summary()
    checked = check_book(Path(sys.argv[1])) if len(sys.argv) > 1 else 0
    for problem in problems:
        print(problem)
    book = f", {checked} links of the book" if checked else ""
    print(f"docs: {len(files)} files{book} checked, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
