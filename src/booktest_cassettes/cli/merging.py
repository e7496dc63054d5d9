"""Commands that Git calls: the manifest's merge driver, and the check before a push."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import CassetteError
from ..wording import count
from .common import project_of

if TYPE_CHECKING:
    from ..workflow.merge import Merged
    from ..workflow.pushing import Ref

_file = click.Path(path_type=Path)
_USUAL = 7  # longer markers are for a base that Git merges: what is in conflict there, nobody is asked


@click.command("merge-driver", hidden=True)
@click.argument("base", type=_file)
@click.argument("ours", type=_file)
@click.argument("theirs", type=_file)
@click.argument("size", type=click.IntRange(1), default=7)
@click.argument("path", default="the manifest")
@click.argument("labels", nargs=-1)
@click.pass_context
def merge_driver(
    context: click.Context,
    base: Path,
    ours: Path,
    theirs: Path,
    size: int,
    path: str,
    labels: tuple[str, ...],
) -> None:
    """Merge manifests by test and kind: BASE (%O), OURS (%A, written), THEIRS (%B), SIZE (%L), PATH (%P).

    Ends with 0 when all is merged, 1 when conflicts are left for `booktest-cassettes review`.
    """
    from ..workflow.merge import Labels
    from ..workflow.merge_files import as_text, merge_files

    base_name, our_name, their_name = _names(labels)
    named = Labels(our_name or "ours", base_name or "base", their_name or "theirs")
    try:
        merged = merge_files(base, ours, theirs, size=size, labels=named, name=path)
    except (CassetteError, OSError) as error:
        click.echo(f"{path}: not merged by test, but as text: {error}", err=True)
        as_text(base, ours, theirs, size=size, labels=named)
        context.exit(1)
    if merged.is_clean:
        return
    if size <= _USUAL:
        _tell(path, merged)
    context.exit(1)


def _tell(path: str, merged: Merged) -> None:
    from ..workflow.show import inert

    what = ["storage_mode"] if merged.modes else []
    what += [count(len(merged.conflicts), "snapshot")] if merged.conflicts else []
    click.echo(f"{inert(path)}: in conflict: {' and '.join(what)}", err=True)
    for conflict in merged.conflicts[:10]:
        click.echo(f"  {inert(conflict.test_id)} {conflict.kind.value}", err=True)
    click.echo("next: booktest-cassettes review, which shows both sides to choose from", err=True)


def _names(labels: tuple[str, ...]) -> tuple[str, str, str]:
    """What Git calls the sides (%S %X %Y); an older Git hands the placeholders over as they are."""
    named = ["" if label[:1] == "%" else label for label in (*labels, "", "", "")]
    return named[0], named[1], named[2]


@click.command("pre-push", hidden=True)
@click.argument("remote", default="")
@click.argument("url", default="")
@click.pass_context
def pre_push(context: click.Context, remote: str, url: str) -> None:  # noqa: ARG001 - what Git hands over
    """Check that every recording is on the remote which the pushed manifests name; Git's hook calls it.

    The refs come as Git writes them to the hook's standard input, or as pre-commit sets them
    (PRE_COMMIT_FROM_REF, PRE_COMMIT_TO_REF).
    """
    from ..workflow import pushing

    refs = _of_pre_commit() or pushing.parse("" if sys.stdin.isatty() else sys.stdin.read())
    if not refs:
        return
    project = project_of(context)
    number = pushing.check(project, refs)
    if number:
        click.echo(
            f"booktest-cassettes: {count(number, 'new recording')}, all where others find them", err=True
        )


def _of_pre_commit() -> list[Ref]:
    from ..workflow.pushing import Ref

    new = os.environ.get("PRE_COMMIT_TO_REF", "")
    old = os.environ.get("PRE_COMMIT_FROM_REF", "")
    name = os.environ.get("PRE_COMMIT_REMOTE_BRANCH") or new
    return [Ref(name, new, old if old.strip("0") else "")] if new.strip("0") else []


@click.command("check-manifest", hidden=True)
@click.argument("files", nargs=-1, type=_file)
@click.pass_context
def check_manifest(context: click.Context, files: tuple[Path, ...]) -> None:
    """Check that manifests can be read, and hold no merge conflict: FILES, or the project's own."""
    from ..manifest import load

    for path in files or (project_of(context).config.manifest,):
        load(path)
