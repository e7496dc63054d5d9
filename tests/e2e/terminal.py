"""A real pseudo terminal: a command runs in it, keys are typed, and the screen is what a person would see."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Self

import pexpect
import pyte

_ESCAPE = re.compile(r"\x1b")


class Terminal:
    """One command in one terminal.

    Parameters
    ----------
    root, arguments:
        Where ``booktest-cassettes`` runs, and with what.
    columns, rows:
        Of the screen.
    variables:
        More of the environment. By default there are no colours, and the pager prints.
    """

    def __init__(
        self, root: Path, *arguments: str, columns: int = 80, rows: int = 24, **variables: str
    ) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("CI", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
            and not name.startswith(("BOOKTEST_", "PYTEST_", "GIT_", "COV_"))
        }
        environment |= {"TERM": "xterm-256color", "NO_COLOR": "1", "PAGER": "cat", **variables}
        self._child = pexpect.spawn(
            sys.executable,
            ["-m", "booktest_cassettes", *arguments],
            cwd=str(root),
            env={name: value for name, value in environment.items() if value},
            dimensions=(rows, columns),
            encoding="utf-8",
            timeout=60,
        )
        self._child.delaybeforesend = None
        self._screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=0.5)
        self._stream = pyte.Stream(self._screen)
        self.raw = ""  # all that the command wrote

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close(force=True)

    @property
    def pid(self) -> int:
        return int(self._child.pid)

    def wait_for(self, text: str) -> str:
        """What is written until this text, which it is an error not to see."""
        self._child.expect_exact(text)
        before = self._child.before + self._child.after
        self._took(before)
        return str(before)

    def prompt(self) -> str:
        """What is written until a key is asked for."""
        return self.wait_for(" > ")

    def type(self, keys: str) -> None:
        """Type, all at once."""
        self._child.send(keys)

    def answer(self, key: str) -> str:
        """Type a key, and what is written until the next is asked for."""
        self.type(key)
        return self.prompt()

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size, as a person does with a mouse."""
        self._child.setwinsize(rows, columns)
        self._screen.resize(rows, columns)

    def hang_up(self) -> None:
        """Close the window."""
        self._child.close(force=False)

    def end(self) -> int:
        """Wait for the command to end; its exit code."""
        self._child.expect(pexpect.EOF)
        self._took(self._child.before)
        self._child.close()
        assert self._child.signalstatus is None, f"ended by signal {self._child.signalstatus}"
        return int(self._child.exitstatus)

    def screen(self) -> list[str]:
        """The lines that are to be seen now."""
        return [line.rstrip() for line in self._screen.display]

    def seen(self) -> str:
        """All lines that were to be seen, scrolled out or not, joined where they wrapped nowhere."""
        past = [
            "".join(row[column].data for column in range(self._screen.columns)).rstrip()
            for row in self._screen.history.top
        ]
        return "\n".join([*past, *self.screen()])

    def has_sequences(self) -> bool:
        """Whether anything was written that drives a terminal."""
        return bool(_ESCAPE.search(self.raw))

    def _took(self, text: str) -> None:
        self.raw += text
        self._stream.feed(text)
