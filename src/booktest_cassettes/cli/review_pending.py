"""Pending snapshots as what a review is about."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import click

from ..digest import BlobKey
from ..errors import CassetteError, UsageError
from ..files import safe_name
from ..project import Project
from ..store.pending import Pending
from ..workflow import parts, results, reviewed, whole
from ..workflow.describe import describe
from ..workflow.diff import TestDiff, of_record
from ..workflow.lines import Line
from ..workflow.review import PENDING, Act
from ..workflow.show import inert
from ..workflow.transfer import Progress, quiet
from .common import print_lines
from .desk import page
from .keys import Keyboard, line
from .screen import has_colour

_HELP = """\
a  accept this snapshot           A  and all the rest, but for secrets
r  reject it                      R  and all the rest
s  skip it: it stays pending      S  and all the rest
!  accept what looks like a secret, after a typed yes
d  the whole difference, with volatile values and long ones
i  whole interactions, calls or variables
o  open old and new in the diff tool (review.diff_tool)
u  undo the last decision
q  quit: what was decided is done, the rest stays pending
Ctrl-C  leave: nothing is approved or rejected"""


class PendingTopic:
    """See Topic.

    Parameters
    ----------
    project, waiting:
        Whose, and the parts of records to decide about.
    progress:
        Told how far the fetching is of approved snapshots that are not on this machine: all at once.
    """

    keys = PENDING
    prompt = "a accept  r reject  s skip  d diff  i whole  u undo  q quit  ? help"
    short_prompt = "a r s d i u q ?"
    help = _HELP

    def __init__(self, project: Project, waiting: Sequence[Pending], progress: Progress = quiet) -> None:
        self.project = project
        self.waiting = waiting
        self.seen_secrets: set[BlobKey | str] = set()
        self._finder = reviewed.finder(project, waiting, progress)
        self._secrets = cache(self._scan)
        self._diff = cache(self._compare)

    def __len__(self) -> int:
        """See Topic."""
        return len(self.waiting)

    def body(self, number: int, *, full: bool) -> Iterable[Line]:
        """See Topic."""
        for found in describe(self._diff(number), full=full):
            yield Line(found.text.replace("(--full shows all)", "(d shows all)"), found.style)
        for finding in results.secrets(self.waiting[number]):
            yield Line(
                f"  ! looks like a secret: {finding.label} in the result, line {finding.line}", "warning"
            )

    def looks_secret(self, number: int) -> bool:
        """See Topic."""
        return bool(self._secrets(number))

    def confirm(self, number: int) -> None:
        """See Topic."""
        self.seen_secrets |= self._secrets(number)

    def act(self, number: int, act: Act, keyboard: Keyboard) -> None:
        """See Topic."""
        try:
            if act is Act.ITEMS:
                self._show_whole(self.waiting[number], keyboard)
            elif act is Act.OPEN:
                self._open(self.waiting[number], keyboard)
        except CassetteError as error:
            print_lines(Line(inert(text), "warning") for text in str(error).splitlines())

    def _compare(self, number: int) -> TestDiff:
        return of_record(self.project, self.waiting[number], self._finder)

    def _scan(self, number: int) -> set[BlobKey | str]:
        return reviewed.secrets(self.project, self.waiting[number])

    # -- whole interactions ----------------------------------------------------------------------

    def _show_whole(self, part: Pending, keyboard: Keyboard) -> None:
        items = whole.items(self.project, part)
        if len(items) == 1:
            page(items[0].lines, keyboard)
            return
        page((Line(f"{number:>4}  {item.title}") for number, item in enumerate(items, 1)), keyboard)
        number = 0
        while True:
            click.echo(f"which (1 to {len(items):,} and enter; enter: the next; q: back) > ", nl=False)
            typed = line(keyboard, lambda text: click.echo(text, nl=False), at_once="q").strip()
            if not typed:
                number += 1
            elif typed.isdecimal():
                number = int(typed)
            else:
                return
            if not 1 <= number <= len(items):
                return
            page(items[number - 1].lines, keyboard)

    # -- another program -------------------------------------------------------------------------

    def _open(self, part: Pending, keyboard: Keyboard) -> None:
        configured = self.project.config.diff_tool
        with tempfile.TemporaryDirectory(prefix="booktest-review-") as made:
            name = f"{safe_name(part.test_id)[:60]}.{parts.names(part)[0]}.txt"
            names = [Path(side, name) for side in ("old", "new")]
            for path, text in zip(names, whole.texts(self.project, part), strict=True):
                Path(made, path).parent.mkdir()
                Path(made, path).write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
            with keyboard.released():
                if configured:
                    old, new = (Path(made, path) for path in names)
                    _run(command(configured, old, new))
                else:
                    _run([*_git_diff(), *map(str, names)], made)


def _git_diff() -> list[str]:
    colour = [] if has_colour() else ["--color=never"]
    return ["git", "diff", "--no-index", "--no-ext-diff", *colour, "--"]


def command(configured: str, old: Path, new: Path) -> list[str]:
    """A command line with the two files in the places it has for them, else at its end; raises UsageError."""
    try:
        words = shlex.split(configured)
    except ValueError as error:  # a quote without its other half
        raise UsageError(
            f"review.diff_tool is no command: {error}: {configured}", hint="see docs/review.md"
        ) from None
    if not any("{old}" in word or "{new}" in word for word in words):
        words += ["{old}", "{new}"]
    return [word.replace("{old}", str(old)).replace("{new}", str(new)) for word in words]


def _run(words: list[str], directory: str | None = None) -> None:
    try:
        subprocess.run(
            words, cwd=directory, check=False
        )  # its exit code tells whether they differ, or nothing
    except OSError as error:
        click.echo(f"{words[0]}: {error.strerror or error}; see review.diff_tool in booktest.toml")
    except KeyboardInterrupt:  # meant for the tool
        click.echo()
