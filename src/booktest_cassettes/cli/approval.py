"""Commands that change what is approved: approve, reject, forget."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import click

from ..digest import Kind
from ..errors import UsageError
from ..wording import count
from .arguments import TestName
from .common import project_of, showing, told

if TYPE_CHECKING:
    from ..project import Project
    from ..store.pending import Pending
    from ..workflow.approve import Approved, Plan

_kinds = click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice([*(kind.value for kind in Kind), "result"]),
    help="Only this of each test; the rest waits on.",
)


@click.command()
@click.argument("patterns", nargs=-1, type=TestName(pending=True))
@click.option("--all", "everything", is_flag=True, help="Everything that waits for review.")
@_kinds
@click.option("--allow-secrets", is_flag=True, help="Approve what still looks like a credential.")
@click.option(
    "--push/--no-push",
    default=None,
    help="Have the blobs on the remote before the manifest names them (default where there is one).",
)
@click.option("-m", "--message", help="Message of the commit (with commit_on_approve).")
@click.pass_context
def approve(
    context: click.Context,
    patterns: tuple[str, ...],
    everything: bool,
    kinds: tuple[str, ...],
    allow_secrets: bool,
    push: bool | None,
    message: str | None,
) -> None:
    """Approve recordings: TEST ids, files, directories or globs."""
    from ..workflow import approve as workflow

    project = project_of(context)
    _check_choice(patterns, everything)
    if push:
        project.storage.require()
    plan = workflow.plan(project, patterns, kinds=kinds, allow_secrets=allow_secrets)
    with showing("pushing") as progress:
        done = workflow.execute(project, plan, progress, push=push is not False)
    tell(project, plan, done, pushed=push is not False, message=message)


def approve_these(project: Project, records: list[Pending]) -> None:
    """Approve exactly these records, and say so."""
    from ..workflow import approve as workflow

    plan = workflow.plan_of(project, records)
    with showing("pushing") as progress:
        done = workflow.execute(project, plan, progress)
    tell(project, plan, done)


def tell(
    project: Project, plan: Plan, done: Approved, *, pushed: bool = True, message: str | None = None
) -> None:
    """Say what an approval did, and commit it where the project wants that."""
    from ..workflow import approve as workflow

    what = _told(plan)
    click.echo(f"approved: {what} of {count(len(plan.pending), 'test')}")
    if not pushed and project.storage.mode != "git" and plan.blobs:
        click.echo(f"not pushed: {count(len(plan.blobs), 'blob')}; booktest-cassettes push, before git push")
    if done.delivered is not None:
        click.echo(told("pushed", done.delivered, f"to {project.storage.require()}, verified"))
    for line in workflow.too_big_for_git(project, plan):
        click.echo(line, err=True)
    if plan.pending:
        commit_or_tell(project, done.paths, message or f"Approve {what}")


def _told(plan: Plan) -> str:
    lines = sum(len(pending.changes) for pending in plan.pending)
    results = sum(pending.result is not None for pending in plan.pending)
    parts = [count(lines, "snapshot")] if lines or not results else []
    return " and ".join([*parts, *([count(results, "result")] if results else [])])


def commit_or_tell(project: Project, paths: list[str], message: str) -> None:
    """Commit what was approved where the project wants that, else say how."""
    if project.config.commit_on_approve:
        from ..workflow.commit import commit

        done = commit(project.config.root, paths, message)
        click.echo("committed" if done else "nothing to commit")
        return
    manifest = project.relative(project.config.manifest)
    places = [manifest] if manifest in paths else []
    if len(paths) > len(places):
        places.append(project.relative(project.config.snapshots_dir))
    places += [".gitignore"] if ".gitignore" in paths else []  # migrate --delete-originals
    forced = _hidden(project, paths)
    first = f"git add --force {' '.join(map(quote, forced))} && " if forced else ""
    click.echo(f"next: {first}git add {' '.join(map(quote, places))} && git commit")


def _hidden(project: Project, paths: list[str]) -> list[str]:
    """New payloads that Git was told to ignore: they were DVC's before (mode dvc-pointers)."""
    ignore = project.config.snapshots_dir / ".gitignore"
    if project.storage.mode != "git" or not ignore.is_file() or "_snapshots/*.json" not in ignore.read_text():
        return []
    payloads = [path for path in paths if path.endswith(".json")]
    return [path for path in payloads if (project.config.root / path).exists()]


@click.command()
@click.argument("patterns", nargs=-1, type=TestName(pending=True))
@click.option("--all", "everything", is_flag=True, help="Everything that waits for review.")
@_kinds
@click.pass_context
def reject(
    context: click.Context, patterns: tuple[str, ...], everything: bool, kinds: tuple[str, ...]
) -> None:
    """Forget recordings that wait for review; what is approved stays."""
    from ..workflow import approve as workflow

    _check_choice(patterns, everything)
    chosen = workflow.reject(project_of(context), patterns, kinds=kinds)
    click.echo(f"rejected: {count(len(chosen), 'test')}")


@click.command()
@click.argument("patterns", nargs=-1, required=True, type=TestName())
@click.pass_context
def forget(context: click.Context, patterns: tuple[str, ...]) -> None:
    """Take deleted or renamed tests out of the manifest: TEST ids, files, directories or globs."""
    from ..workflow.forget import forget as act

    chosen = act(project_of(context), patterns)
    click.echo(f"forgotten: {count(len(chosen), 'test')}")


def _check_choice(patterns: tuple[str, ...], everything: bool) -> None:
    if bool(patterns) == everything:
        raise UsageError(
            "say which tests, or --all" if not everything else "either tests or --all, not both",
            hint="booktest-cassettes status lists what waits for review",
        )
