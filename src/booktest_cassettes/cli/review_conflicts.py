"""Conflicts in the manifest as what a review is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from shlex import quote
from typing import Literal

import click

from ..errors import CassetteError, IntegrityError
from ..project import Project
from ..recording.comparison import compare
from ..workflow import conflicts
from ..workflow.conflicts import Conflict, Conflicted, Side
from ..workflow.describe import describe
from ..workflow.diff import TestDiff
from ..workflow.lines import Line
from ..workflow.merge import Row
from ..workflow.review import CONFLICTS, Act, Decision, Review
from ..workflow.show import inert
from .keys import Keyboard

_HELP = """\
1 or o  take ours                 O  for all the rest
2 or t  take theirs               T  for all the rest
s  skip it: it stays a conflict   S  and all the rest
d  ours against theirs, whole
r  the command to record it again instead
u  undo the last decision
q  quit: what was decided is done, the rest stays a conflict
Ctrl-C  leave: nothing is resolved"""

_SIDES: Mapping[Decision, Side] = {Decision.OURS: "ours", Decision.THEIRS: "theirs"}


class ConflictTopic:
    """See Topic."""

    keys = CONFLICTS
    prompt = "1 ours  2 theirs  s skip  d diff  r record  u undo  q quit  ? help"
    short_prompt = "1 2 s d r u q ?"
    help = _HELP

    def __init__(self, project: Project, conflicted: Conflicted) -> None:
        self.project = project
        self.conflicted = conflicted

    def __len__(self) -> int:
        """See Topic."""
        return len(self.conflicted.conflicts)

    def body(self, number: int, *, full: bool) -> Iterator[Line]:
        """See Topic."""
        conflict, labels = self.conflicted.conflicts[number], self.conflicted.labels
        yield Line(inert(conflict.test_id), "title")
        yield Line(f"  {conflict.kind.value}  both sides changed it, each its own way")
        if full:
            yield Line("ours against theirs:", "title")
            yield from self._between(conflict, "ours", "theirs", full=True)
            return
        for key, side, label in (("1", "ours", labels.ours), ("2", "theirs", labels.theirs)):
            name = side if label == side else f"{side} ({inert(label)})"
            yield Line(f"[{key}] {name}:", "title")
            yield from self._between(conflict, "base", side, full=False)

    def looks_secret(self, _number: int) -> bool:
        """See Topic. Both sides are approved."""
        return False

    def confirm(self, _number: int) -> None:
        """See Topic."""

    def act(self, number: int, act: Act, _keyboard: Keyboard) -> None:
        """See Topic."""
        if act is Act.COMMAND:
            test_id = self.conflicted.conflicts[number].test_id
            click.echo("take either side, then record it again and approve that:")
            click.echo(f"  {record_again(test_id)}")

    def choices(self, review: Review) -> dict[Row, Side]:
        """What was decided, as the conflicts' own room takes it."""
        return {
            self.conflicted.conflicts[number].row: _SIDES[decision]
            for number, decision in review.decisions.items()
            if decision in _SIDES
        }

    def _between(
        self, conflict: Conflict, old: Literal["base", "ours"], new: str, *, full: bool
    ) -> Iterable[Line]:
        sides: tuple[Literal["base", "ours", "theirs"], ...] = (old, "ours" if new == "ours" else "theirs")
        if conflict.side(new) is None:
            return [Line(f"  {conflict.kind.value}  gone", "removed")]
        return list(describe(self._diff(conflict, *sides), full=full))[1:]  # without the test's name

    def _diff(
        self,
        conflict: Conflict,
        old: Literal["base", "ours", "theirs"],
        new: Literal["base", "ours", "theirs"],
    ) -> TestDiff:
        try:
            blobs = [self._blob(conflict, side) for side in (old, new)]
            return TestDiff(conflict.test_id, (compare(conflict.kind, *blobs),))
        except CassetteError as error:
            return TestDiff(conflict.test_id, problems=(error,))

    def _blob(self, conflict: Conflict, side: Literal["base", "ours", "theirs"]) -> bytes | None:
        data = conflicts.blob(self.project, conflict, side)
        if data is None and conflict.side(side) is not None:
            raise IntegrityError(
                f"{conflict.test_id}: the {conflict.kind.value} snapshot of {side} is nowhere to be found",
                hint="git fetch, or booktest-cassettes pull, then review again",
            )
        return data


def record_again(test_id: str) -> str:
    """The command that records a test anew."""
    return f"booktest-cassettes run -S -r -- {quote(test_id)}"
