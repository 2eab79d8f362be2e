#!/usr/bin/env python3
"""Runs the shell or the Python examples of the book against a sandbox, each page in an empty folder.

    scripts/run_docs.py [PROGRAM]           shell blocks, with this `reelkin`; defaults to target/debug/reelkin
    scripts/run_docs.py --python PYTHON     Python blocks, with an interpreter that has the package installed

docs/src/introduction.md says what the marks of shell blocks mean. Prints the number of blocks per page, and the place
and output of each failure; exits with 1 if there is any.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Optional

from code_blocks import BOOK, ROOT, Block, split

# Seconds for the sandbox to start, for a block, and for a command that needs more than a sandbox.
START_DEADLINE = 60
BLOCK_DEADLINE = 180
SERVICE_DEADLINE = 5
# Separates the output of two blocks.
SEPARATOR = "\x1e"
# What is said on standard error about a command that cannot be correct anywhere.
WRONG_COMMAND = re.compile(r"try '--help'|command not found|syntax error|unbound variable")
# Ids differ in each run, and transcripts name another folder. Everything else is compared, amounts included.
ID = re.compile(r"\b\d{13}_[0-9a-f]{8}\b")
HOME = "/home/me"


class Failure(Exception):
    """An example that does not work: its line in the page, and what happened."""

    def __init__(self, line: int, what: str, output: str) -> None:
        super().__init__(what)
        self.line = line
        self.output = output


class Ended(NamedTuple):
    """A process that has ended, or was killed at its deadline: then it has no exit code."""

    code: Optional[int]
    stdout: str
    stderr: str


def run(command: list[str], folder: Path, environment: dict[str, str], deadline: float) -> Ended:
    """Runs a command. Output goes to files, because a pipe would stay open in a child that outlives the command."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            start_new_session=True,
        )
        try:
            code = process.wait(deadline)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            # The group outlives its leader if a command was started in the background.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Ended(code, *texts)


def clean_environment(temporary: str) -> dict[str, str]:
    """Returns the environment without the settings of the user, which must not affect the examples. `temporary` is the
    folder for temporary files, because a killed process leaves them behind."""
    user = ("XAI_API_KEY", "REELKIN_", "AWS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(user)} | {"TMPDIR": temporary}


@contextmanager
def sandbox(program: Path, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Starts a sandbox and returns the line that it prints: its address and key."""
    command = [str(program), "sandbox", "--seconds-per-job", "0.2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    try:
        assert process.stdout is not None
        if not select.select([process.stdout], [], [], START_DEADLINE)[0]:
            sys.exit(f"{shlex.join(command)} printed no address in {START_DEADLINE} s")
        line = process.stdout.readline()
        if not line:
            sys.exit(f"{shlex.join(command)} ended with exit code {process.wait()}")
        yield json.loads(line)
    finally:
        process.kill()
        process.wait()


def in_place(page: Path, blocks: list[Block], separate: str) -> str:
    """Returns a script with the blocks in their lines of the page, so that messages name these. `separate` is a command
    that separates the output, in place of the closing fences."""
    lines = [""] * len(page.read_text(encoding="utf-8").splitlines())
    for block in blocks:
        lines[block.line : block.end - 1] = block.code
        lines[block.end - 1] = separate
    return "\n".join(lines) + "\n"


def run_session(command: list[str], blocks: list[Block], folder: Path, environment: dict[str, str]) -> list[str]:
    """Runs a script that `in_place` made, and returns what each block printed."""
    ended = run(command, folder, environment, BLOCK_DEADLINE * len(blocks))
    outputs, errors = ended.stdout.split(SEPARATOR), ended.stderr.split(SEPARATOR)
    if ended.code != 0 or len(outputs) <= len(blocks):
        how = "was not done at its deadline" if ended.code is None else f"ended with exit code {ended.code}"
        raise Failure(blocks[min(len(outputs), len(blocks)) - 1].line, how, outputs[-1] + errors[-1])
    return outputs


def check_transcripts(blocks: list[Block], ran: list[Block], outputs: list[str], folder: Path) -> int:
    """Compares each `console` block that follows a block that was run with the output of that block."""
    compared = 0
    for block, following in zip(blocks, blocks[1:]):
        if block in ran and following.language == "console":
            shown, printed = (
                [ID.sub("ID", line.rstrip()) for line in lines]
                for lines in (following.code, outputs[ran.index(block)].replace(str(folder), HOME).splitlines())
            )
            if shown != printed:
                raise Failure(following.line, "is not what the block before it prints", "\n".join(printed))
            compared += 1
    return compared


def run_shell(page: Path, blocks: list[Block], folder: Path, program: Path) -> Optional[str]:
    """Runs the plain `sh` blocks in one shell. Checks that the program knows the commands of `sh service` blocks."""
    plain = [block for block in blocks if block.language == "sh" and not block.mark]
    service = [block for block in blocks if block.language == "sh" and block.mark == "service"]
    if not plain and not service:
        return None
    with (
        tempfile.TemporaryDirectory(prefix="reelkin-docs-") as extra,
        sandbox(program, clean_environment(extra)) as server,
    ):
        # The program has no environment variable for the address of the service.
        wrapper = Path(extra) / "reelkin"
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(str(program))} --base-url {server["base_url"]} "$@"\n')
        wrapper.chmod(0o755)
        environment = clean_environment(extra) | {
            "PATH": f"{extra}:{os.environ['PATH']}",
            "XAI_API_KEY": server["api_key"],
            # A bucket is looked for in the sandbox, which has none, and nowhere else.
            "AWS_ENDPOINT_URL": server["base_url"],
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
        }
        script = Path(extra) / page.name
        script.write_text(in_place(page, plain, r"printf '\036'; printf '\036' >&2"), encoding="utf-8")
        outputs = run_session(["bash", "-euo", "pipefail", str(script)], plain, folder, environment) if plain else []
        compared = check_transcripts(blocks, plain, outputs, folder)
        for block in service:
            for number, line in enumerate(block.code, block.line + 1):
                ended = run(["bash", "-uc", line], folder, environment, SERVICE_DEADLINE)
                if WRONG_COMMAND.search(ended.stderr):
                    raise Failure(number, "is not a command that the program accepts", ended.stderr)
    return f"{len(plain)} sh run, {compared} console compared, {len(service)} sh service checked"


def run_python(page: Path, blocks: list[Block], folder: Path, python: Path) -> Optional[str]:
    """Runs the Python blocks as one script. They start their own sandbox, and there is no key for the service.

    A block with the mark `pytest` is a file of tests.
    """
    marked = [block for block in blocks if block.language == "python"]
    chosen = [block for block in marked if not block.mark]
    if not marked:
        return None
    with tempfile.TemporaryDirectory(prefix="reelkin-docs-") as extra:
        script = Path(extra) / page.name
        separate = r"import sys; [(file.write('\x1e'), file.flush()) for file in (sys.stdout, sys.stderr)]"
        script.write_text(in_place(page, chosen, separate), encoding="utf-8")
        run_session([str(python), str(script)], chosen, folder, clean_environment(extra))
        for block in marked:
            if block.mark == "pytest":
                tests = Path(extra) / "test_block.py"
                tests.write_text("\n".join(block.code), encoding="utf-8")
                command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
                ended = run(command, folder, clean_environment(extra), BLOCK_DEADLINE)
                if ended.code != 0:
                    raise Failure(block.line, "has tests that fail", ended.stdout)
    return f"{len(marked)} python run"


# Runs the chosen blocks of a page in a folder with a program. Returns what was done: `None` if there are none.
RunBlocks = Callable[[Path, list[Block], Path, Path], Optional[str]]


def run_page(page: Path, run_blocks: RunBlocks, tool: Path) -> tuple[bool, str]:
    """Runs the examples of a page. Returns whether they work, and a text for the user: empty if there are none."""
    name = page.relative_to(ROOT)
    with tempfile.TemporaryDirectory(prefix="reelkin-docs-") as folder:
        try:
            done = run_blocks(page, split(page)[1], Path(folder).resolve(), tool)
        except Failure as failure:
            return False, f"{name}:{failure.line}: the example {failure}:\n{failure.output.rstrip()}"
    return True, f"{name}: {done}" if done else ""


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("program", nargs="?", type=Path, default=ROOT / "target" / "debug" / "reelkin")
    arguments.add_argument("--python", type=Path, help="run the Python blocks instead, with this interpreter")
    chosen = arguments.parse_args()
    # Not `resolve`, because the link to an interpreter selects its environment.
    tool = Path(os.path.abspath(chosen.python or chosen.program))
    if not os.access(tool, os.X_OK):
        sys.exit(f"{tool} is not a program")
    run_blocks = run_python if chosen.python else run_shell
    # At the same time, because an example waits for jobs half of the time.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = list(pool.map(lambda page: run_page(page, run_blocks, tool), sorted(BOOK.rglob("*.md"))))
    lines = [text for _, text in results if text]
    print("\n".join(lines))
    failures = sum(not works for works, _ in results)
    print(f"examples: {len(lines)} pages, {failures} failures")
    # Without any example, this script or the book is broken.
    sys.exit(1 if failures or not lines else 0)


if __name__ == "__main__":
    main()
