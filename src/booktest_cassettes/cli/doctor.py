"""``doctor``: what is wrong with this project and this machine, and what to do about it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..errors import UsageError
from .common import print_lines


@click.command()
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, and say it.")
@click.option("--offline", is_flag=True, help="Ask no remote, write no probe there.")
@click.option("--deep", is_flag=True, help="Verify every byte of the cache.")
@click.option("--all", "-v", "everything", is_flag=True, help="Also what is as it should be.")
@click.option("--json", "as_json", is_flag=True, help="For machines: everything.")
@click.pass_context
def doctor(
    context: click.Context, fix: bool, offline: bool, deep: bool, everything: bool, as_json: bool
) -> None:
    """Look for what is wrong here, and say how to mend it.

    Ends with 0 when there are at most notes and warnings, 2 for a problem of configuration, 4 of
    integrity, 5 of the remote.
    """
    from ..workflow.doctor import diagnose, mend
    from ..workflow.doctor.patient import admit
    from ..workflow.doctor.screen import render

    start = _here()
    patient = admit(start, context.obj, offline=offline, deep=deep)
    found = diagnose(patient)
    if fix:
        fixed = mend(found)
        found = diagnose(admit(start, context.obj, offline=offline, deep=deep), fixed)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        print_lines(render(found, everything=everything))
    context.exit(found.exit_code)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise UsageError("the directory that this runs in is gone", hint="cd to the project") from None
