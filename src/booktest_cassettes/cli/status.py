"""``status``: what is approved, what waits for review, what is missing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ..errors import ManifestError, UsageError
from ..wording import count
from .common import project_of

if TYPE_CHECKING:
    from ..project import Project
    from ..store.pending import Pending
    from ..workflow.status import Status


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option(
    "--ci",
    is_flag=True,
    help="Verify what is here, look for the rest on the remote; fail: pending 3, lost 4, no remote 5.",
)
@click.option(
    "--older-than",
    "limit",
    metavar="AGE",
    help="Name the recordings whose manifest line is older, by Git's history: 12h, 90d, 6w, 1y.",
)
@click.pass_context
def status(context: click.Context, as_json: bool, ci: bool, limit: str | None) -> None:
    """Show what is approved, what waits for review and what is missing."""
    if limit is not None:
        _print_old(context, limit, as_json=as_json, ci=ci)
        return
    from ..workflow import status as workflow
    from ..workflow.meter import size

    project = project_of(context)
    if not as_json:
        _stop_at_conflicts(context, project)
    found = workflow.read(project, verify=ci)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        click.echo(f"project: {found.root} (storage {found.storage})")
        if found.notice:
            click.echo(found.notice)
        if found.remote:
            click.echo(found.remote.replace("remote ", "remote: ", 1))
        click.echo(f"approved: {count(found.snapshots, 'snapshot')} of {count(found.tests, 'test')}")
        _print_transfers(found)
        if found.reclaimable:
            click.echo(f"reclaimable here: {size(found.reclaimable)}  (booktest-cassettes gc --local)")
        _print_pending(found.pending)
        for test_id, key, error in found.lost:
            click.echo(f"lost: {test_id} {key.kind.value}\n  {error.message}\n  next: {error.hint}")
        if found.pending:
            click.echo(
                "next: booktest-cassettes review  (or diff, then approve --all, approve TEST, reject TEST)"
            )
    context.exit(found.exit_code if ci else 0)


def _stop_at_conflicts(context: click.Context, project: Project) -> None:
    """In the middle of a merge nothing else can be said: the manifest names nothing."""
    from ..workflow import conflicts
    from ..workflow.show import inert

    conflicted = conflicts.read(project)
    if conflicted is None:
        return
    where = project.relative(project.config.manifest)
    click.echo(f"merge conflicts: {count(len(conflicted.conflicts), 'snapshot')} in {where}")
    for one in conflicted.conflicts:
        click.echo(f"  {inert(one.test_id)}  ({one.kind.value})")
    try:
        project.read_manifest()
    except ManifestError as error:  # with the line, for who would rather use an editor
        click.echo(error.message.replace(str(project.config.manifest), where, 1))
    click.echo("next: booktest-cassettes review, to choose between the two sides")
    context.exit(ManifestError.exit_code)


def _print_old(context: click.Context, limit: str, *, as_json: bool, ci: bool) -> None:
    from ..workflow import ages
    from ..workflow.show import inert

    if ci:
        raise UsageError("--ci and --older-than are two questions", hint="ask one after the other")
    found = ages.older_than(project_of(context), ages.span(limit))
    if as_json:
        click.echo(json.dumps([age.as_json() for age in found], indent=2))
        return
    click.echo(f"older than {limit}: {count(len(found), 'snapshot')}")
    for age in found:
        days = f"{age.age.days}d{'+' if age.at_least else ''}"
        date = f"{age.since:%Y-%m-%d}" if age.since else "not committed"
        click.echo(f"  {date}  {days:>6}  {inert(age.test_id)}  {age.kind.value}")
    if any(age.at_least for age in found):
        click.echo("a + is for at least: this clone is shallow (git fetch --unshallow)")
    if found:
        click.echo("next: booktest-cassettes run --record verify, to see what of them still holds")


def _print_transfers(found: Status) -> None:
    if found.unfetched:
        click.echo(f"not fetched yet: {count(found.unfetched, 'snapshot')}  (booktest-cassettes pull)")
    if found.unpushed:
        click.echo(f"not pushed yet: {count(len(found.unpushed), 'blob')}  (booktest-cassettes push)")
        for key in found.unpushed[:20]:
            click.echo(f"  {key.kind.value} {key.digest}")
        if len(found.unpushed) > 20:
            click.echo(f"  ... and {len(found.unpushed) - 20:,} more")


def _print_pending(pending: tuple[Pending, ...]) -> None:
    from ..workflow.show import inert

    click.echo(f"pending review: {count(len(pending), 'test')}")
    for record in pending:
        kinds = [
            f"{kind.value} {'new' if not change.base else 'updated' if change.staged else 'gone'}"
            for kind, change in sorted(record.changes.items())
        ]
        kinds += [f"result {record.result.state}"] if record.result else []
        click.echo(f"  {inert(record.test_id)}  ({', '.join(kinds)})")
