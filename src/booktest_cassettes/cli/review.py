"""``review``: merge conflicts in the manifest, then what is pending, one after another."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from ..errors import CassetteError, SnapshotPending, UsageError
from ..wording import count
from .arguments import TestName
from .common import print_lines, project_of, showing

if TYPE_CHECKING:
    from ..project import Project
    from ..store.pending import Pending
    from ..workflow.conflicts import Conflicted
    from ..workflow.review import Review
    from ..workflow.reviewed import Applied
    from .desk import Topic

#: What a shell calls an end by Ctrl-C.
_LEFT = 130


@click.command()
@click.argument("patterns", nargs=-1, type=TestName(pending=True))
@click.option(
    "--no-input", is_flag=True, help="Ask nothing: print what there is to decide, and the commands."
)
@click.option(
    "--take", type=click.Choice(["ours", "theirs"]), help="Settle merge conflicts so, without asking."
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_context
def review(
    context: click.Context, patterns: tuple[str, ...], no_input: bool, take: str | None, as_json: bool
) -> None:
    """Decide about what is pending, one snapshot at a time, and about merge conflicts.

    Of TEST ids, files, directories or globs; of all without any.
    """
    project = project_of(context)
    if take:
        context.exit(_take(project, patterns, take))
    if as_json:
        context.exit(_print_json(project, patterns))
    context.exit(start(project, patterns, no_input=no_input))


def start(
    project: Project,
    patterns: Sequence[str] = (),
    *,
    tests: Collection[str] | None = None,
    no_input: bool = False,
) -> int:
    """Review what these patterns mean, or these tests staged; the exit code.

    0: what was decided is done. 3: nobody was asked, and something waits. 130: the person left.
    """
    from ..workflow import conflicts, reviewed

    can_ask = sys.stdin.isatty() and sys.stdout.isatty() and not (no_input or project.config.ci)
    if (conflicted := conflicts.read(project)) is not None:
        if not can_ask:
            return _print_conflicts(project, conflicted)
        if code := _review_conflicts(project, conflicted):
            return code
    waiting = reviewed.waiting(project, patterns, tests=tests)
    if not waiting:
        if conflicted is None:
            click.echo("pending review: 0 tests")
            return _tell_results(project)
        return 0
    if not can_ask:
        return _print_pending(project, waiting)
    return _review_pending(project, waiting)


def _sit(topic: Topic) -> Review | None:
    """What a person decided; ``None`` when they left instead."""
    from .desk import Desk
    from .keys import Left, keyboard

    try:
        with keyboard() as keys:
            return Desk(topic, keys).sit()
    except (Left, KeyboardInterrupt):
        with suppress(OSError):  # there may be no terminal any more
            click.echo("\nleft: nothing was changed, all decisions are forgotten")
        return None


# -- pending ----------------------------------------------------------------------------------------


def _review_pending(project: Project, waiting: Sequence[Pending]) -> int:
    from ..workflow import reviewed
    from .review_pending import PendingTopic

    with showing("pulling") as progress:
        topic = PendingTopic(project, waiting, progress)
    done = _sit(topic)
    if done is None:
        return _LEFT
    decisions = [(waiting[number], decision) for number, decision in sorted(done.decisions.items())]
    try:
        with showing("pushing") as progress:
            applied = reviewed.apply(project, decisions, seen_secrets=topic.seen_secrets, progress=progress)
    except CassetteError as error:
        click.echo("nothing was rejected, and what was not approved is pending as before", err=True)
        raise error from None
    _tell(project, applied, len(waiting))
    return UsageError.exit_code if applied.stale else 0


def _tell(project: Project, applied: Applied, shown: int) -> None:
    from ..workflow.parts import names
    from ..workflow.show import inert
    from .approval import tell

    for part in applied.stale:
        what = f"{inert(part.test_id)} {names(part)[0]}"
        click.echo(f"left as it is: {what}: recorded, approved or rejected anew meanwhile", err=True)
    rejected, approved = len(applied.rejected), sum(len(names(one)) for one in applied.plan.pending)
    if rejected:
        click.echo(f"rejected: {count(rejected, 'snapshot')}")
    if left := shown - rejected - approved:
        click.echo(f"left pending: {count(left, 'snapshot')}")
    if approved:
        tell(project, applied.plan, applied.approved)


def _print_pending(project: Project, waiting: Sequence[Pending]) -> int:
    from ..workflow import parts
    from ..workflow.show import inert
    from .review_pending import PendingTopic

    records = parts.join(waiting)
    with showing("pulling") as progress:
        topic = PendingTopic(project, records, progress)
    for number, record in enumerate(records):
        print_lines(topic.body(number, full=False))
        name = inert(quote(record.test_id))
        secrets = " --allow-secrets" if topic.looks_secret(number) else ""
        click.echo(f"  booktest-cassettes approve{secrets} {name}")
        click.echo(f"  booktest-cassettes reject {name}\n")
    click.echo(f"pending review: {count(len(records), 'test')}")
    click.echo("next: the commands above, or booktest-cassettes review in a terminal")
    return SnapshotPending.exit_code


def _print_json(project: Project, patterns: Sequence[str]) -> int:
    from ..workflow import conflicts, diff
    from ..workflow.diff_json import document

    conflicted = conflicts.read(project)
    found = [] if conflicted else list(diff.pending(project, patterns))
    rows = [
        {"test": one.test_id, "kind": one.kind, "base": one.base, "ours": one.ours, "theirs": one.theirs}
        for one in (conflicted.conflicts if conflicted else ())
    ]
    click.echo(json.dumps({**document(found, "approved", "pending"), "conflicts": rows}, indent=2))
    return SnapshotPending.exit_code if conflicted or found else 0


# -- conflicts --------------------------------------------------------------------------------------


def _review_conflicts(project: Project, conflicted: Conflicted) -> int:
    """0 when none is left."""
    from .review_conflicts import ConflictTopic

    topic = ConflictTopic(project, conflicted)
    done = _sit(topic) if conflicted.conflicts else None
    if done is None and conflicted.conflicts:
        return _LEFT
    return _resolve(project, topic.choices(done) if done else {})


def _take(project: Project, patterns: Sequence[str], side: str) -> int:
    from ..workflow import conflicts
    from ..workflow.select import select

    conflicted = conflicts.read(project)
    if conflicted is None:
        click.echo("merge conflicts: 0")
        return _tell_results(project)
    chosen = select(conflicted.conflicts, patterns)
    return _resolve(project, {one.row: "ours" if side == "ours" else "theirs" for one in chosen})


def _resolve(project: Project, choices: dict[Any, Any]) -> int:
    from ..workflow import conflicts

    left = conflicts.resolve(project, choices)
    click.echo(f"resolved: {count(len(choices), 'conflict')}")
    if left is not None:
        click.echo(f"left: {count(len(left.conflicts), 'conflict')}; next: booktest-cassettes review")
        return SnapshotPending.exit_code
    if code := _tell_results(project):
        return code
    click.echo(f"next: {conflicts.next_command(project)}")
    return 0


def _tell_results(project: Project) -> int:
    """Name the results that hold markers of a conflict, before `git add` takes them as they are."""
    from ..workflow import conflicts, result_sides
    from ..workflow.show import inert

    left = [inert(quote(name)) for name in result_sides.names(project, result_sides.left(project))]
    if not left:
        return 0
    click.echo(f"in conflict: {count(len(left), 'result')}")
    for name in left:
        click.echo(f"  {name}")
    click.echo("next: mend by hand what Git has marked there, or take one side whole:")
    click.echo(f"  git checkout --ours -- {' '.join(left)}  (or --theirs)")
    click.echo(f"then: {conflicts.next_command(project)}")
    return SnapshotPending.exit_code


def _print_conflicts(project: Project, conflicted: Conflicted) -> int:
    from ..workflow.show import inert
    from .review_conflicts import ConflictTopic, record_again

    topic = ConflictTopic(project, conflicted)
    for number, conflict in enumerate(conflicted.conflicts):
        print_lines(topic.body(number, full=False))
        name = inert(quote(conflict.test_id))
        for side in ("ours", "theirs"):
            click.echo(f"  booktest-cassettes review --take {side} {name}")
        click.echo(f"  or take one, then {inert(record_again(conflict.test_id))}\n")
    click.echo(
        f"merge conflicts: {len(conflicted.conflicts):,} in {project.relative(project.config.manifest)}"
    )
    click.echo("next: the commands above, or booktest-cassettes review in a terminal")
    return SnapshotPending.exit_code
