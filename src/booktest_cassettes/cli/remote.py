"""Commands about the remote: push, pull, verify."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..wording import count
from .arguments import TestName
from .common import project_of, showing, told

if TYPE_CHECKING:
    from ..workflow.transfer import Moved

_jobs = click.option("--jobs", "-j", type=click.IntRange(1, 1024), help="Transfers at once.")
_staged = click.option("--staged", is_flag=True, help="What waits for review, to share it before approval.")
_json = click.option("--json", "as_json", is_flag=True, help="For machines.")


@click.command()
@_jobs
@_staged
@click.option("--deep", is_flag=True, help="Read what is there already, too, and mend what is corrupt.")
@_json
@click.pass_context
def push(context: click.Context, jobs: int | None, staged: bool, deep: bool, as_json: bool) -> None:
    """Bring approved blobs to the remote, and read each back."""
    from ..workflow import sync

    if staged and deep:
        raise UsageError("--deep is about approved blobs, --staged about those that wait for review")
    project = project_of(context)
    with showing("pushing") as progress:
        if staged:
            from ..workflow import sharing

            moved = sharing.push(project, jobs=jobs, progress=progress)
        else:
            moved = sync.push(project, jobs=jobs, progress=progress, deep=deep)
    _end(context, "pushed", moved, as_json=as_json, where=f"to {project.place}")


@click.command()
@click.argument("patterns", nargs=-1, type=TestName())
@_jobs
@_staged
@_json
@click.pass_context
def pull(
    context: click.Context, patterns: tuple[str, ...], jobs: int | None, staged: bool, as_json: bool
) -> None:
    """Fetch approved blobs into the local cache: all, or those of TEST ids, files, directories or globs."""
    from ..workflow import sync

    project = project_of(context)
    act = sync.pull
    if staged:
        from ..workflow import sharing  # loads an event loop, which a pull of nothing does without

        act = sharing.pull
    with showing("pulling") as progress:
        moved = act(project, patterns, jobs=jobs, progress=progress)
    _end(context, "pulled", moved, as_json=as_json)


def _end(context: click.Context, verb: str, moved: Moved, *, as_json: bool, where: str = "") -> None:
    if as_json:
        click.echo(json.dumps(moved.as_json(), indent=2))
    else:
        click.echo(told(verb, moved, where if moved.blobs else ""))
        for line in (*moved.notes, *moved.damaged):
            click.echo(line)
        for test_id, key, error in moved.lost:
            click.echo(f"lost: {test_id} {key.kind.value}\n  {error.message}\n  next: {error.hint}")
    context.exit(moved.exit_code)


@click.command()
@click.argument("patterns", nargs=-1, type=TestName())
@click.option("--remote", is_flag=True, help="Look that every approved blob is on the remote, too.")
@click.option("--deep", is_flag=True, help="Fetch each from the remote and check its bytes.")
@_jobs
@_json
@click.pass_context
def verify(
    context: click.Context,
    patterns: tuple[str, ...],
    remote: bool,
    deep: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Check the bytes of approved blobs; corrupt copies in the cache are set aside, not deleted."""
    from ..workflow import verify as workflow

    project = project_of(context)
    with showing("verifying") as progress:
        found = workflow.verify(
            project, patterns, remote=remote or deep, deep=deep, jobs=jobs, progress=progress
        )
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        absent = _absent(found.absent, checked=remote or deep)
        click.echo(f"verified: {count(found.intact, 'snapshot')} here{absent}")
        if remote or deep:
            how = "intact" if deep else "present"
            click.echo(f"{project.place}: {count(found.remote, 'blob')} {how}")
        for trouble in found.troubles:
            click.echo(f"{trouble.what}: {trouble.test_id} {trouble.key.kind.value}\n  {trouble.error}")
    context.exit(found.exit_code)


def _absent(number: int, *, checked: bool) -> str:
    if not number:
        return ""
    return f", {number:,} not fetched" + ("" if checked else " (verify --remote looks for them)")
