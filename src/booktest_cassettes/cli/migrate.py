"""``migrate``: take recordings of other tools along, or move approved ones between storages."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..wording import count
from .approval import commit_or_tell
from .common import print_lines, project_of, showing

if TYPE_CHECKING:
    from ..project import Project
    from ..workflow.migration import Report

_HINT = "booktest-cassettes migrate --help"


@click.command()
@click.argument("targets", nargs=-1, metavar="[PATHS | PATTERNS]")
@click.option("--from", "source", metavar="FORMAT", help="What the recordings are; auto tells by content.")
@click.option("--to", "to", metavar="MODE", help="Move approved snapshots: dvc, git or dvc-pointers.")
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="FILE|CASSETTE=TEST",
    help="Which test uses a cassette; a YAML or JSON file of CASSETTE: TEST, or one pair.",
)
@click.option(
    "--ids",
    type=click.Choice(["path", "test"]),
    help="Name recordings by their path (vcr_persister) or by the test that uses them.",
)
@click.option("--dry-run", is_flag=True, help="Read and check everything, change nothing.")
@click.option("--json", "as_json", is_flag=True, help="The report for machines.")
@click.option("--force", is_flag=True, help="Replace what is approved with another digest.")
@click.option("--allow-secrets", is_flag=True, help="Take what still looks like a credential.")
@click.option("--delete-originals", is_flag=True, help="Delete the files that are approved snapshots now.")
@click.pass_context
def migrate(
    context: click.Context,
    targets: tuple[str, ...],
    source: str | None,
    to: str | None,
    maps: tuple[str, ...],
    ids: str | None,
    dry_run: bool,
    as_json: bool,
    force: bool,
    allow_secrets: bool,
    delete_originals: bool,
) -> None:
    """Take recordings of other tools along (--from), or move between storages (--to).

    Originals are left alone; a second run changes nothing.
    """
    if bool(source) == bool(to):
        raise UsageError("say --from FORMAT or --to MODE, one of them", hint=_HINT)
    if to is not None:
        if maps or ids or force or allow_secrets or delete_originals:
            raise UsageError("--to takes no options of --from", hint=_HINT)
        _move(context, to, targets, dry_run=dry_run, as_json=as_json)
        return
    from ..workflow import migration

    project = project_of(context)
    asked = migration.Asked(source or "auto", _absolute(targets), _table(maps), ids or "")
    how = migration.How(dry_run, allow_secrets, force, delete_originals)
    plan = migration.make(project, asked)
    with showing("pushing") as progress:
        report = migration.execute(project, plan, how, progress)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2))
    else:
        print_lines(report.lines())
    _settle(project, report, as_json=as_json)
    context.exit(report.exit_code)


def _absolute(paths: Iterable[str]) -> list[Path]:
    return [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - links stay, as pytest keeps them


def _settle(project: Project, report: Report, *, as_json: bool) -> None:
    """Commit what was approved where the project wants that, or say how."""
    message = f"Migrate {count(report.totals['taken'], 'recording')}"
    if not report.changed:
        return
    if not as_json:
        commit_or_tell(project, list(report.changed), message)
    elif project.config.commit_on_approve:
        from ..workflow.commit import commit

        commit(project.config.root, report.changed, message)


def _table(maps: Iterable[str]) -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for given in maps:
        for cassette, tests in _pairs(given):
            table.setdefault(cassette, []).extend(tests)
    return table


def _pairs(given: str) -> Iterable[tuple[str, list[str]]]:
    """A file of pairs, or one pair; either side may hold an equals sign."""
    if Path(given).is_file():
        return _file_of_pairs(Path(given))
    cuts = [at for at, char in enumerate(given) if char == "="]
    if not cuts:
        raise UsageError(
            f"--map {given}: neither a file nor CASSETTE=TEST",
            hint='--map "cassettes/users.yaml=tests/test_api.py::test_users"',
        )
    # A test id has "::", and what comes before it is its file: the last sign before that divides.
    mark = given.find("::")
    before = [at for at in cuts if mark < 0 or at < mark]
    at = before[-1] if before else cuts[0]
    return [(given[:at], [given[at + 1 :]])]


def _file_of_pairs(path: Path) -> Iterable[tuple[str, list[str]]]:
    from ..importing.yaml_reading import read_text

    document = read_text(path.read_bytes(), str(path))
    pairs = document.items() if isinstance(document, dict) else [(None, None)]
    found = []
    for cassette, tests in pairs:
        listed = [tests] if isinstance(tests, str) else tests
        if (
            not isinstance(cassette, str)
            or not isinstance(listed, list)
            or not all(isinstance(t, str) for t in listed)
        ):
            raise UsageError(
                f"{path}: not a mapping of cassette to test", hint="cassette.yaml: path.py::test"
            )
        found.append((cassette, listed))
    return found


def _move(
    context: click.Context, to: str, patterns: tuple[str, ...], *, dry_run: bool, as_json: bool
) -> None:
    from .moving import move

    context.exit(move(context, to, patterns, dry_run=dry_run, as_json=as_json))
