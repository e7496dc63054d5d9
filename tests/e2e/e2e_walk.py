"""Walks through a README: a test types the commands that a reader would."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from e2e_remotes import Desk
from e2e_workspace import Done

EXAMPLES = Path(__file__).parents[2] / "examples"
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Walk(Desk):
    """A copy of an example, in a directory of its own, as its README wants it.

    Parameters
    ----------
    example:
        Its name below ``examples/``.
    parent:
        A directory that holds the copy, and what the README puts beside it.
    """

    def __init__(self, example: str, parent: Path) -> None:
        super().__init__(parent / example)
        self.variables |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "ada@example.test" for who in ("AUTHOR", "COMMITTER")},
        }

    def begin(self) -> Walk:
        """What Git has of the example, and nothing that was run in it."""
        leftovers = shutil.ignore_patterns("__pycache__", ".pytest_cache", ".booktest_cache", "books", ".dvc")
        shutil.copytree(EXAMPLES / self.root.name, self.root, ignore=leftovers)
        return self

    def copied(self, parent: Path) -> Walk:
        """The same, as it is now, with what is beside it, below another directory."""
        shutil.copytree(self.root.parent, parent, dirs_exist_ok=True, symlinks=True)
        return type(self)(self.root.name, parent)

    def blocks(self) -> list[list[str]]:
        """The commands of each block of the README."""
        text = (self.root / "README.md").read_text(encoding="utf-8")
        lines = [block.splitlines() for block in _BLOCK.findall(text)]
        return [[line[2:] for line in block if line.startswith("$ ")] for block in lines]

    def type(self, line: str) -> Done:
        """One command, as it stands in a README."""
        words = shlex.split(line, comments=True)
        given = [words.pop(0) for word in list(words) if re.match(r"[A-Z_]+=", word)]
        return self.run(*words, **dict(word.split("=", 1) for word in given))

    def walk(self, lines: list[str]) -> list[str]:
        """All of them, one after another, each well; what each of them said."""
        said = []
        for line in lines:
            done = self.type(line)
            assert done.code == 0, f"$ {line}\n{done.text}"
            said.append(done.text)
        return said
