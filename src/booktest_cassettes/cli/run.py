"""``run``: pytest or booktest, with a record mode, a storage mode, or without any network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from ..errors import UsageError
from ..modes import RecordMode
from . import runners
from .common import project_of, showing, told

#: What a runner ends with when it came to the end of the tests: all passed, or some failed.
_ENDED = (0, 1)


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--record",
    "mode",
    type=click.Choice([mode.value for mode in RecordMode]),
    help="Record mode for this run.",
)
@click.option("-s", "mode", flag_value="new_episodes", help="Record what is missing (new_episodes).")
@click.option("-S", "mode", flag_value="rewrite", help="Record everything anew (rewrite).")
@click.option("--storage-mode", "storage", help="As the option of the same name before the command.")
@click.option("-r", "--review", is_flag=True, help="Then review what this run staged.")
@click.option(
    "-u",
    "--update",
    is_flag=True,
    help="Then approve what this run staged: what passed (booktest: its own -u).",
)
@click.option("--stage", is_flag=True, help="With --record verify: stage what drifted, for review.")
@click.option(
    "--isolate",
    "isolated",
    is_flag=True,
    help="Replay without any network but a loopback of its own (Linux).",
)
@click.option("--migrate-to-dvc", is_flag=True, help="Run nothing: as migrate --to dvc [PATTERN...].")
@click.option(
    "--runner",
    type=click.Choice(runners.NAMES),
    help="Who runs the tests (default: cassettes.runner, pytest).",
)
@click.option("--select", "selected", multiple=True, metavar="PATH", help="Run these tests only.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run(
    context: click.Context,
    mode: str | None,
    storage: str | None,
    review: bool,
    update: bool,
    stage: bool,
    isolated: bool,
    migrate_to_dvc: bool,
    runner: str | None,
    selected: tuple[str, ...],
    arguments: tuple[str, ...],
) -> None:
    """Run the tests with pytest or booktest.

    With pytest, what has no approved snapshot is recorded to staging; with booktest, where -s asks for it.
    Everything after -- goes to the runner, whose exit code this is:

    booktest-cassettes run -S -- tests/test_api.py -k users
    """
    if review and update:
        raise UsageError("--update approves what --review is to look at", hint="leave one out")
    afterwards = "review" if review else "update" if update else None
    _check(mode, afterwards, stage=stage, isolated=isolated)
    arguments = (*arguments, *selected)
    if migrate_to_dvc:
        context.exit(_migrate(context, arguments, is_alone=not (mode or storage or afterwards or isolated)))
    runner = runners.chosen(runner)
    is_pytest = runner == "pytest"
    if not is_pytest:
        runners.check_booktest(mode, arguments, review=review, isolated=isolated)
        afterwards = "review" if review else None  # booktest freezes with -u, which approves
    elif isolated:
        mode = runners.replaying(mode, arguments)
        arguments = runners.with_mode(mode, arguments)
    context.obj["storage_mode"] = storage or context.obj["storage_mode"]
    environment = _environment(mode if is_pytest else None, context.obj["storage_mode"], stage=stage)
    if is_pytest:  # with booktest, its process says it in the words of booktest
        _refuse_recording_in_ci({**context.obj, "record_mode": mode})
    command = runners.command(runner, mode, arguments, update=update)
    if afterwards:
        context.exit(_then(context, afterwards, runner, command, environment))
    if isolated:
        from .isolation import isolate

        _pull_all(context)
        isolate()
    context.exit(_become(command, environment))


def _check(mode: str | None, afterwards: str | None, *, stage: bool, isolated: bool) -> None:
    """Refuse what does not go together."""
    if stage and mode != "verify":
        raise UsageError(
            "--stage is about what drifted, which nothing looks for here",
            hint="booktest-cassettes run --record verify --stage",
        )
    if afterwards and isolated:
        raise UsageError(
            f"--{afterwards} is about what was recorded, and --isolate records nothing", hint="leave one out"
        )


def _migrate(context: click.Context, patterns: tuple[str, ...], *, is_alone: bool) -> int:
    """The seeds' spelling of ``migrate --to dvc``."""
    from .moving import move

    if not is_alone or any(pattern.startswith("-") for pattern in patterns):
        raise UsageError(
            "--migrate-to-dvc runs no tests, and takes tests' names only",
            hint="booktest-cassettes migrate --to dvc [PATTERN...]",
        )
    return move(context, "dvc", patterns)


def _environment(mode: str | None, storage: str | None, *, stage: bool) -> dict[str, str]:
    asked = {
        "BOOKTEST_RECORD_MODE": mode,
        "BOOKTEST_STORAGE_MODE": storage,
        "BOOKTEST_CASSETTES_STAGE_DRIFT": "1" if stage else None,
    }
    return {**os.environ, **{name: value for name, value in asked.items() if value}}


def _then(
    context: click.Context, afterwards: str, runner: str, command: list[str], environment: dict[str, str]
) -> int:
    """Run, then review or approve what that staged; the exit code is the run's where that is not 0."""
    from ..workflow import reviewed

    project = project_of(context)
    if project.config.ci:
        raise UsageError(
            f"--{afterwards} is a person's, and this is CI: nothing was run",
            hint=f"CI=1 booktest-cassettes run --runner {runner} replays;"
            " record and review on your own machine",
        )
    before = reviewed.marks(project)
    code = _as_child(command, environment)
    if code not in _ENDED:
        click.echo(f"{runner} ended with {code}: nothing is reviewed or approved")
        return code
    project = project_of(context)
    tests = reviewed.staged_since(project, before)
    if afterwards == "update":
        from .approval import approve_these

        approve_these(project, [record for record in project.pending if record.test_id in tests])
        return code
    from .review import start

    ended = start(project, tests=tests) if tests else 0
    return code or ended


def _pull_all(context: click.Context) -> None:
    """Without a network nothing can be fetched later, and who knows which tests will be collected."""
    from ..workflow import sync

    project = project_of(context)
    if project.absent(sync.wanted(project)) and project.place:
        with showing("pulling") as progress:
            click.echo(told("pulled", sync.pull(project, progress=progress)), err=True)


def _become(command: list[str], environment: dict[str, str]) -> int:
    """Be the command from now on; where a process cannot (Windows), its exit code."""
    if (
        sys.platform != "win32"
    ):  # one process: signals and exit codes are the runner's own, nothing is orphaned
        os.execve(command[0], command, environment)  # noqa: S606 - a list, no shell
    return _as_child(command, environment)


def _as_child(command: list[str], environment: dict[str, str]) -> int:
    with subprocess.Popen(command, env=environment) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:  # the console told the child as well: it ends by itself, with a summary
                continue


def _refuse_recording_in_ci(overrides: dict[str, str | None]) -> None:
    from ..options import record_mode
    from ..project import Project

    record_mode(Project.open(Path.cwd(), overrides).config)
