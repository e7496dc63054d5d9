"""What commands share: the project, and how a transfer is shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..wording import count

if TYPE_CHECKING:
    from ..project import Project
    from ..workflow.lines import Line, Style
    from ..workflow.meter import Meter
    from ..workflow.transfer import Moved


def project_of(context: click.Context) -> Project:
    """The project of the directory the command runs in."""
    from ..project import Project

    return Project.open(Path.cwd(), context.obj)


def told(verb: str, moved: Moved, where: str = "") -> str:
    """One line on what a transfer did."""
    from ..workflow.meter import size

    rest = f"; {moved.there:,} {'was' if moved.there == 1 else 'were'} there" if moved.there else ""
    return f"{verb}: {count(moved.blobs, 'blob')}, {size(moved.size)}{f' {where}' if where else ''}{rest}"


@contextmanager
def showing(what: str) -> Iterator[Meter]:
    """How far a transfer is, on standard error."""
    from ..workflow.meter import Meter

    meter = Meter(what, partial(click.echo, err=True, nl=False), terminal=sys.stderr.isatty())
    try:
        yield meter
    finally:
        meter.end()


def print_lines(lines: Iterable[Line]) -> None:
    """Print lines, in colour on a terminal that takes it (see https://no-color.org)."""
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for line in lines:
        click.echo(click.style(line.text, **_STYLES[line.style]) if coloured else line.text)


_STYLES: dict[Style, dict[str, Any]] = {
    "": {},
    "title": {"bold": True},
    "added": {"fg": "green"},
    "removed": {"fg": "red"},
    "dim": {"dim": True},
    "warning": {"fg": "yellow", "bold": True},
}
