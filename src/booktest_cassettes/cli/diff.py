"""``diff``: what changed, as a person would say it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .arguments import TestName
from .common import print_lines, project_of, showing

if TYPE_CHECKING:
    from ..project import Project
    from ..workflow.diff import TestDiff
    from ..workflow.lines import Line
    from ..workflow.transfer import Progress


@click.command()
@click.argument("arguments", metavar="[TEST | REV | REV..REV]...", nargs=-1, type=TestName())
@click.option("--from", "revision", metavar="REV", help="Compare with this Git revision (or REV..REV).")
@click.option("--full", is_flag=True, help="Every difference, whole, volatile values too.")
@click.option(
    "--format", "form", type=click.Choice(["text", "md", "json"]), default="text", help="Default: text."
)
@click.option("--exit-code", "asked", is_flag=True, help="End with 1 when there are differences.")
@click.pass_context
def diff(
    context: click.Context,
    arguments: tuple[str, ...],
    revision: str | None,
    full: bool,
    form: str,
    asked: bool,
) -> None:
    """Show what changed in recordings: what waits for review against what is approved.

    With a Git revision, what the manifest of the work tree changed since then; with two
    (main..HEAD, or main...HEAD: since they parted), from one to the other. Recordings are fetched
    by digest, wherever they are.

    An argument with .. outside of a test's name is two revisions. One that names a test, file,
    directory or glob is that; another one is a revision. After --from it always is.

    Ends with 4 when a recording is lost or corrupt, 5 when the remote cannot be asked; all others
    are shown.
    """
    from ..workflow.diff import exit_code

    project = project_of(context)
    asking = _Asking.of(project, arguments, revision)
    with showing("fetching") as progress:
        found = asking.diffs(project, progress)
        first = next(found, None)
    diffs = list(chain([first] if first else [], found))
    if form == "json":
        from ..workflow.diff_json import document

        click.echo(json.dumps(document(diffs, *asking.names), indent=2))
    elif form == "md":
        from ..workflow import diff_markdown

        click.echo(diff_markdown.document(diffs, *asking.names, full=full), nl=False)
    else:
        print_lines(_text(diffs, asking.nothing, full=full))
    context.exit(exit_code(diffs) or (1 if asked and diffs else 0))


def _text(diffs: Iterable[TestDiff], nothing: str, *, full: bool) -> Iterator[Line]:
    from ..workflow.describe import describe
    from ..workflow.lines import Line

    number = -1
    for number, found in enumerate(diffs):
        if number:
            yield Line("")
        yield from describe(found, full=full)
    if number < 0:
        yield Line(nothing)


@dataclass(frozen=True)
class _Asking:
    """What is to be compared.

    Attributes
    ----------
    old, new:
        Revisions; no ``old``: what is pending; no ``new``: the work tree.
    patterns:
        Which tests.
    names:
        What the two sides are called.
    """

    old: str | None
    new: str | None
    patterns: tuple[str, ...]
    names: tuple[str, str]

    @classmethod
    def of(cls, project: Project, arguments: Sequence[str], revision: str | None) -> _Asking:
        """Tell revisions from tests; raises UsageError for more than one of them."""
        revisions = [revision] if revision is not None else []
        patterns: list[str] = []
        tests = _tests(project) if arguments else set()
        for argument in arguments:
            is_range = _is_range(argument) and not _names_any(argument, tests)
            (revisions if is_range else patterns).append(argument)
        if not revisions:
            revisions, patterns = _told_apart(project, patterns, tests)
        if len(revisions) > 1:
            raise UsageError(
                f"{' and '.join(revisions)} are two comparisons", hint="booktest-cassettes diff A..B"
            )
        if not revisions:
            return cls(None, None, tuple(patterns), ("approved", "pending"))
        return cls._between(project, revisions[0], tuple(patterns))

    @classmethod
    def _between(cls, project: Project, revision: str, patterns: tuple[str, ...]) -> _Asking:
        from ..workflow import history

        old, dots, new = revision.partition("...") if "..." in revision else revision.partition("..")
        if not dots:
            return cls(revision, None, patterns, (revision, "work tree"))
        old, new = old or "HEAD", new or "HEAD"
        start = history.merge_base(project, old, new) if dots == "..." else old
        return cls(start, new, patterns, (f"{old} ({start[:12]})" if dots == "..." else old, new))

    def diffs(self, project: Project, progress: Progress) -> Iterator[TestDiff]:
        """The comparison; what is fetched is there once the first one is."""
        from ..workflow import diff as workflow

        if self.old is None:
            return workflow.pending(project, self.patterns, progress)
        return workflow.each_between(project, self.old, self.new, self.patterns, progress)

    @property
    def nothing(self) -> str:
        """What is said where nothing differs."""
        return "nothing waits for review" if self.old is None else "no recording changed"


def _is_range(argument: str) -> bool:
    """Whether ``..`` stands between revisions, not in a test's parameters or in a path."""
    return ".." in argument and not any(sign in argument for sign in ("::", "[", "*", "../", "/.."))


def _tests(project: Project) -> set[str]:
    return {*project.manifest.entries, *(record.test_id for record in project.pending)}


def _names_any(argument: str, tests: Iterable[str]) -> bool:
    from ..workflow.select import matches

    return any(matches(argument, test_id) for test_id in tests)


def _told_apart(
    project: Project, arguments: Sequence[str], tests: Iterable[str]
) -> tuple[list[str], list[str]]:
    from ..workflow import history

    revisions: list[str] = []
    patterns: list[str] = []
    for argument in arguments:
        if not _names_any(argument, tests) and history.known_commit(project, argument):
            revisions.append(argument)
        else:
            patterns.append(argument)
    return revisions, patterns
