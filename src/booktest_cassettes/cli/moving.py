"""Moving between storage modes: ``migrate --to``, and the seeds' ``run --migrate-to-dvc``."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from .common import project_of, showing


def move(
    context: click.Context,
    to: str,
    patterns: Sequence[str] = (),
    *,
    dry_run: bool = False,
    as_json: bool = False,
) -> int:
    """Move tests to another storage mode, or say what that would do; the exit code."""
    from ..workflow import moving

    plan = moving.plan(project_of(context), to, patterns)
    if dry_run:
        click.echo(json.dumps(plan.as_json(), indent=2) if as_json else "\n".join(plan.lines()))
        return 0
    with showing("moving") as progress:
        outcome = moving.execute(plan, progress)
    click.echo(json.dumps(outcome.as_json(), indent=2) if as_json else "\n".join(outcome.lines()))
    return outcome.exit_code
