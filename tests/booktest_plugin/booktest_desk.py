"""A small suite of booktest's and the commands that people type in it; nothing of it uses the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

SUITE = """\
import os
import booktest as bt
from test import dice


@bt.snapshot_env("WHO")
def test_env(t: bt.TestCaseRun):
    t.tln(os.environ["WHO"])


@bt.snapshot_env("WHO")
def test_quiet(t: bt.TestCaseRun):
    t.tln("says nothing about it")


@bt.snapshot_functions(dice.roll)
def test_calls(t: bt.TestCaseRun):
    t.tln(str(dice.roll(3)))
    t.tln(str(t.snapshot("twice", 4)(lambda n: f"{n * 2} for {os.environ.get('WHO')}")))


class FilesBook(bt.TestBook):
    def test_file(self, t: bt.TestCaseRun):
        with open(t.file("note.txt"), "w") as f:
            f.write("note")
        t.tln("a file")
"""
ENV, QUIET, CALLS = (f"test/dice_book.py::test_{name}" for name in ("env", "quiet", "calls"))
FILE = "test/dice_book.py::FilesBook/test_file"
_LINE = re.compile(r"^  (test/\S+) - (.*)$", re.MULTILINE)


class Desk:
    """A project with the suite."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def begin(self) -> Desk:
        self.write("test/__init__.py", "")
        self.write(
            "test/dice.py", "import os\n\n\ndef roll(n):\n    return f\"{n} by {os.environ.get('WHO')}\"\n"
        )
        self.write("test/dice_book.py", SUITE)
        self.write("booktest.ini", "fs_version=v2\n")
        self.write("booktest.toml", '[storage]\nmode = "git"\n')
        return self

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *command: str, given: str = "", **variables: str) -> tuple[int, str]:
        """A command's exit code, and all it said."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if name != "CI" and not name.startswith(("BOOKTEST_", "PYTEST_", "GIT_", "COV_"))
        }
        home = self.root.parent / "home"
        home.mkdir(exist_ok=True)
        environment |= {"WHO": "ada", "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **variables}
        done = subprocess.run(
            command, cwd=self.root, env=environment, input=given, capture_output=True, text=True, timeout=120
        )
        return done.returncode, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)

    def ours(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """``booktest-cassettes run --runner booktest ...``."""
        return self.cli("run", "--runner", "booktest", *arguments, **variables)

    def cli(self, *arguments: str, **variables: str) -> tuple[int, str]:
        return self.run(sys.executable, "-m", "booktest_cassettes", *arguments, **variables)

    def stock(self, *arguments: str, given: str = "", **variables: str) -> tuple[int, str]:
        """The ``booktest`` command."""
        return self.run(sys.executable, "-m", "booktest", *arguments, given=given, **variables)

    def waiting(self) -> set[str]:
        """The tests whose recording waits for review."""
        from booktest_cassettes.store.pending import PendingRecords

        records = PendingRecords(self.root / ".booktest_cache/staging/pending")
        return {record.test_id for record in records}

    @property
    def manifest(self) -> str:
        path = self.root / "booktest.manifest.yaml"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def lines(self) -> dict[str, dict[str, str]]:
        """The manifest: tests, kinds, digests."""
        found: dict[str, dict[str, str]] = {}
        for test, kinds in re.findall(r"^(test/.*):\n((?:  .*\n)+)", self.manifest, re.MULTILINE):
            found[test] = dict(re.findall(r'^  (\w+): "(.*)"$', kinds, re.MULTILINE))
        return found

    def result(self, name: str) -> str:
        """The accepted result of a test of the suite."""
        return (self.root / f"books/test/dice_book.py/{name}.md").read_text(encoding="utf-8")

    def files(self) -> dict[str, bytes]:
        """All that Git has: no output, no cache."""
        found = {path.relative_to(self.root): path for path in self.root.rglob("*") if path.is_file()}
        return {
            name.as_posix(): path.read_bytes()
            for name, path in sorted(found.items())
            if not {".out", ".booktest_cache"} & set(name.parts)
        }


def told(text: str) -> dict[str, str]:
    """What was said about each test, without times."""
    return {name: re.sub(r"(in )?\d+ ms\.?", "", said).strip() for name, said in _LINE.findall(text)}
