"""``show``: one test's snapshots, as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from shlex import quote

import click

from ..digest import Kind
from ..errors import UsageError
from .arguments import TestName
from .common import project_of


@click.command()
@click.argument("test", type=TestName())
@click.option("--kind", type=click.Choice(["env", "func", "http", "httpx", "result"]), help="Only this kind.")
@click.option("--approved", is_flag=True, help="The approved snapshot, even where a newer one is pending.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option("--har", is_flag=True, help="HTTP traffic as HAR 1.2, for browsers' developer tools.")
@click.option("--curl", is_flag=True, help="HTTP requests as curl commands.")
@click.pass_context
def show(
    context: click.Context,
    test: str,
    kind: str | None,
    approved: bool,
    as_json: bool,
    har: bool,
    curl: bool,
) -> None:
    """Show a test's snapshots: the pending ones where there are, else the approved."""
    from ..workflow import show as workflow

    if as_json + har + curl > 1:
        raise UsageError(
            "one of --json, --har and --curl at a time", hint=f"booktest-cassettes show {quote(test)}"
        )
    project = project_of(context)
    test_id = workflow.resolve_id(project, test)
    blobs = workflow.snapshots(project, test_id, pending=not approved)
    result = workflow.result(project, test_id, pending=not approved)
    if kind:
        blobs = {found: data for found, data in blobs.items() if found.value == kind}
        result = result if kind == "result" else None
        if not blobs and result is None:
            what = kind if kind == "result" else f"{kind} snapshot"
            raise UsageError(f"{test_id} has no {what}", hint=f"booktest-cassettes show {quote(test_id)}")
    if har or curl:
        _check_http(test_id, blobs)
    if as_json:
        click.echo(json.dumps(workflow.as_json(blobs, result), indent=2))
    elif har:
        from ..workflow.har import document

        click.echo(json.dumps(document(test_id, blobs), indent=2))
    elif curl:
        from ..workflow.curl import commands

        for line in commands(test_id, blobs):
            click.echo(line)
    else:
        for line in workflow.render(test_id, blobs, result):
            click.echo(line)


def _check_http(test_id: str, blobs: Mapping[Kind, bytes]) -> None:
    from ..workflow.har import KINDS

    if not any(kind in blobs for kind in KINDS):
        there = ", ".join(sorted(blobs)) or "nothing"
        raise UsageError(
            f"{test_id} has no HTTP traffic among what was asked for: {there}",
            hint=f"booktest-cassettes show {quote(test_id)}",
        )
