"""``gc``: which blobs nothing needs any more, and deleting them."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from .common import project_of, showing

if TYPE_CHECKING:
    from ..project import Project
    from ..workflow.gc.collection import Collection
    from ..workflow.gc.marking import Wanted
    from ..workflow.gc.places import Place
    from ..workflow.gc.planning import Options
    from ..workflow.gc.sweeping import Swept


@click.command()
@click.option("--local", is_flag=True, help="The cache of this machine; by default also the remote.")
@click.option("--remote", is_flag=True, help="The remote; by default also the cache.")
@click.option(
    "--staging-days", type=click.IntRange(0, 36_500), default=7, show_default=True, metavar="DAYS",
    help="Delete what was staged longer ago and is not pending.",
)  # fmt: skip
@click.option(
    "--grace", default="14d", show_default=True, metavar="AGE",
    help="How long what nothing needs is kept: once until its tombstone, and once more after it.",
)  # fmt: skip
@click.option("--branches", multiple=True, metavar="GLOB", help="Only these; by default all that are known.")
@click.option("--tags", multiple=True, metavar="GLOB", help="Only these; by default all.")
@click.option("--pr-refs", multiple=True, metavar="GLOB", help="These refs, too: 'refs/pull/*/head'.")
@click.option("--since", metavar="AGE|DATE", help="What commits since then named, too: 90d, 2026-01-31.")
@click.option("--execute", is_flag=True, help="Do it; without this the plan is printed and nothing changes.")
@click.option("--json", "as_json", is_flag=True, help="For machines: every object and why.")
@click.option("--explain", metavar="DIGEST", help="Only what becomes of one, and why.")
@click.option("--yes-really", is_flag=True, help="Even where more than half goes, or nothing is reachable.")
@click.pass_context
def gc(context: click.Context, /, **given: Any) -> None:
    """Delete blobs that nothing needs: no branch, tag, stash, work tree or pending recording."""
    project = project_of(context)
    wanted, options = _wanted(given), _options(given)
    if given["explain"] is not None and (given["execute"] or given["as_json"]):
        raise UsageError("--explain only looks, and is for people", hint="leave --execute and --json out")
    _collect(context, project, wanted, options, given)


def _wanted(given: dict[str, Any]) -> Wanted:
    from ..workflow.gc import history
    from ..workflow.gc.marking import Wanted

    since = None if given["since"] is None else history.moment(given["since"])
    return Wanted(given["branches"], given["tags"], given["pr_refs"], since)


def _options(given: dict[str, Any]) -> Options:
    from datetime import timedelta

    from ..workflow.ages import span
    from ..workflow.gc.planning import Options

    return Options(span(given["grace"]), timedelta(days=given["staging_days"]))


def _collect(
    context: click.Context,
    project: Project,
    wanted: Wanted,
    options: Options,
    given: dict[str, Any],
) -> None:
    from dataclasses import replace

    from ..workflow.gc import collection as workflow
    from ..workflow.gc import report
    from ..workflow.show import inert

    at, notes = workflow.default_places(project, local=given["local"], remote=given["remote"])
    execute, as_json = given["execute"], given["as_json"]
    with showing("reading manifests") as progress:
        found = workflow.look(project, at, wanted, options, dry=not execute, progress=progress)
    found = replace(found, notes=(*notes, *found.notes))
    if given["explain"] is not None:
        click.echo("\n".join(report.explained(found, given["explain"])))
        return
    is_dvcs = project.storage.mode == "dvc-pointers"
    if is_dvcs and not execute:
        found = replace(found, notes=(*_by_dvc(project, given), *found.notes))
    if not as_json:
        click.echo("\n".join(report.lines(found, executed=execute)))
    if execute and not given["yes_really"]:
        workflow.check(found)
    if is_dvcs and execute:  # after all that may refuse
        told = _by_dvc(project, given)
        found = replace(found, notes=(*told, *found.notes))
        if not as_json:
            click.echo("\n".join(map(inert, told)))
    swept = _execute(found) if execute else None
    if as_json:
        _print_json(report.as_json(found, swept))
    _end(context, swept or [], as_json=as_json)


def _print_json(document: dict[str, Any]) -> None:
    """Piece by piece: of a hundred thousand objects the text takes more than all the rest."""
    pieces = json.JSONEncoder(indent=2).iterencode(document)
    while text := "".join(islice(pieces, 50_000)):
        click.echo(text, nl=False)
    click.echo()


def _execute(found: Collection) -> list[tuple[Place, Swept]]:
    from ..workflow.gc import collection as workflow

    with showing("deleting") as progress:
        return workflow.execute(found, progress)


def _end(context: click.Context, swept: list[tuple[Place, Swept]], *, as_json: bool) -> None:
    from ..workflow.gc import report
    from ..workflow.show import inert

    for place, outcome in swept:
        if not as_json:
            click.echo("\n".join(report.swept_lines(place, outcome)))
        if outcome.error is not None:
            click.echo("\n".join(map(inert, f"error: {outcome.error}".split("\n"))), err=True)
    context.exit(max((outcome.exit_code for _, outcome in swept), default=0))


def _by_dvc(project: Project, given: dict[str, Any]) -> list[str]:
    """In pointers mode DVC collects what is its own; what it said."""
    from ..workflow.gc import pointing

    cloud = given["remote"] or not given["local"]
    return pointing.collect(project, cloud=cloud, dry=not given["execute"]).lines()
