"""``report``: everything about the project's recordings in one file, for people and for CI."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import UsageError
from .common import project_of


@click.command()
@click.option("--html", metavar="PATH", help="One page that opens from disk, with search and diffs.")
@click.option("--md", metavar="PATH", help="For a pull request or a job summary; - for standard output.")
@click.option("--json", "as_json", metavar="PATH", help="For machines; - for standard output.")
@click.option("--from", "base", metavar="REV", default="", help="Show what changed since this Git revision.")
@click.pass_context
def report(context: click.Context, html: str | None, md: str | None, as_json: str | None, base: str) -> None:
    """Write one report of all recordings: states, traffic, what changed, storage.

    Without an option: HTML, into the configured report_dir. After a test run,
    pytest --cassettes-report=PATH knows more: what was played, and what was refused.
    """
    from ..workflow import report as workflow
    from ..workflow.report.collect import collect

    wanted = [
        (form, path) for form, path in (("html", html), ("md", md), ("json", as_json)) if path is not None
    ]
    if sum(path == "-" for _, path in wanted) > 1:
        raise UsageError("only one report can go to standard output", hint="give the other a file")
    project = project_of(context)
    found = collect(project, base=base)
    for form, path in wanted or [("html", str(project.config.report_dir / "cassettes.html"))]:
        if path == "-":
            click.echo(workflow.render(found, form), nl=False)
            continue
        workflow.write(found, Path(path), form)
        click.echo(f"report: {path}", err=any(other == "-" for _, other in wanted))
