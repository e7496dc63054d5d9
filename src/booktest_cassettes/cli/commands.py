"""Commands: words on top of ``workflow``; each does one thing and prints what it did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..errors import UsageError
from ..modes import RecordMode
from .common import count, project_of, showing, told
from .remote import pull, push, verify

if TYPE_CHECKING:
    from ..project import Project
    from ..store.pending import Pending
    from ..workflow.status import Status

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=_CONTEXT)
@click.version_option(__version__, prog_name="booktest-cassettes")
@click.option(
    "--storage-mode",
    type=click.Choice(["auto", "git", "dvc", "dvc-manifest", "dvc-pointers"]),
    help="Where approved snapshots live, for this command.",
)
@click.pass_context
def group(context: click.Context, storage_mode: str | None) -> None:
    """Record what tests exchange with the world, review it, replay it strictly."""
    context.obj = {"storage_mode": storage_mode}


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
@click.option(
    "--isolate",
    "isolated",
    is_flag=True,
    help="Replay without any network but a loopback of its own (Linux).",
)
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run(
    context: click.Context,
    mode: str | None,
    storage: str | None,
    isolated: bool,
    pytest_args: tuple[str, ...],
) -> None:
    """Run pytest; record to staging what has no approved snapshot.

    Everything after -- goes to pytest, whose exit code this is:

    booktest-cassettes run -S -- tests/test_api.py -k users
    """
    if isolated:
        mode = _replaying(mode, pytest_args)
        pytest_args = _with_mode(mode, pytest_args)
    environment = dict(os.environ)
    if mode:
        environment["BOOKTEST_RECORD_MODE"] = mode
    context.obj["storage_mode"] = storage or context.obj["storage_mode"]
    if context.obj["storage_mode"]:
        environment["BOOKTEST_STORAGE_MODE"] = context.obj["storage_mode"]
    _refuse_recording_in_ci({**context.obj, "record_mode": mode})
    if isolated:
        from .isolation import isolate

        _pull_all(context)
        isolate()
    context.exit(_become([sys.executable, "-m", "pytest", *pytest_args], environment))


def _pull_all(context: click.Context) -> None:
    """Without a network nothing can be fetched later, and who knows which tests pytest will collect."""
    from ..workflow import sync

    project = project_of(context)
    if project.absent(sync.wanted(project)) and project.place:
        with showing("pulling") as progress:
            click.echo(told("pulled", sync.pull(project, progress=progress)), err=True)


def _become(command: list[str], environment: dict[str, str]) -> int:
    """Be the command from now on; where a process cannot (Windows), its exit code."""
    if sys.platform != "win32":  # one process: signals and exit codes are pytest's own, nothing is orphaned
        os.execve(command[0], command, environment)  # noqa: S606 - a list, no shell
    with subprocess.Popen(command, env=environment) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:  # the console told the child as well: it ends by itself, with a summary
                continue


def _replaying(mode: str | None, pytest_args: tuple[str, ...]) -> str:
    """The mode of a run without a network; refuses those that record."""
    names = [argument.partition("=") for argument in pytest_args]
    asked = [mode] if mode else []
    for index, (name, _, value) in enumerate(names):
        if name == "--cassettes":
            asked.append(value or "".join(pytest_args[index + 1 : index + 2]))
    recording = next((name for name in asked if name not in (RecordMode.NONE, RecordMode.OFF)), None)
    if recording:
        raise UsageError(
            f"mode {recording} records, which needs the network that --isolate takes away",
            hint="booktest-cassettes run to record, then booktest-cassettes approve --all,"
            " then booktest-cassettes run --isolate",
        )
    return asked[-1] if asked else RecordMode.NONE.value


def _with_mode(mode: str, pytest_args: tuple[str, ...]) -> tuple[str, ...]:
    """As the last option, which wins over addopts, PYTEST_ADDOPTS and what an @file holds."""
    end = pytest_args.index("--") if "--" in pytest_args else len(pytest_args)
    return (*pytest_args[:end], f"--cassettes={mode}", *pytest_args[end:])


def _refuse_recording_in_ci(overrides: dict[str, str | None]) -> None:
    from ..options import record_mode
    from ..project import Project

    record_mode(Project.open(Path.cwd(), overrides).config)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option(
    "--ci",
    is_flag=True,
    help="Verify what is here, look for the rest on the remote; fail: pending 3, lost 4, no remote 5.",
)
@click.pass_context
def status(context: click.Context, as_json: bool, ci: bool) -> None:
    """Show what is approved, what waits for review and what is missing."""
    from ..workflow import status as workflow

    found = workflow.read(project_of(context), verify=ci)
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
        _print_pending(found.pending)
        for test_id, key, error in found.lost:
            click.echo(f"lost: {test_id} {key.kind.value}\n  {error.message}\n  next: {error.hint}")
        if found.pending:
            click.echo(
                "next: booktest-cassettes show TEST, then approve --all (or approve TEST, reject TEST)"
            )
    context.exit(found.exit_code if ci else 0)


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
    click.echo(f"pending review: {count(len(pending), 'test')}")
    for record in pending:
        kinds = [
            f"{kind.value} {'new' if not change.base else 'updated' if change.staged else 'gone'}"
            for kind, change in sorted(record.changes.items())
        ]
        click.echo(f"  {record.test_id}  ({', '.join(kinds)})")


@click.command()
@click.argument("patterns", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything that waits for review.")
@click.option("--allow-secrets", is_flag=True, help="Approve what still looks like a credential.")
@click.option(
    "--push/--no-push",
    default=None,
    help="Have the blobs on the remote before the manifest names them (default where there is one).",
)
@click.option("-m", "--message", help="Message of the commit (with commit_on_approve).")
@click.pass_context
def approve(
    context: click.Context,
    patterns: tuple[str, ...],
    everything: bool,
    allow_secrets: bool,
    push: bool | None,
    message: str | None,
) -> None:
    """Approve recordings: TEST ids, files, directories or globs."""
    from ..workflow import approve as workflow

    project = project_of(context)
    _check_choice(patterns, everything)
    if push:
        project.storage.require()
    plan = workflow.plan(project, patterns, allow_secrets=allow_secrets)
    with showing("pushing") as progress:
        done = workflow.execute(project, plan, progress, push=push is not False)
    lines = sum(len(pending.changes) for pending in plan.pending)
    click.echo(f"approved: {count(lines, 'snapshot')} of {count(len(plan.pending), 'test')}")
    if push is False and project.storage.mode != "git" and plan.blobs:
        click.echo(f"not pushed: {count(len(plan.blobs), 'blob')}; booktest-cassettes push, before git push")
    if done.delivered is not None:
        click.echo(told("pushed", done.delivered, f"to {project.storage.require()}, verified"))
    for line in workflow.too_big_for_git(project, plan):
        click.echo(line, err=True)
    if plan.pending:
        _commit(project, done.paths, message or f"Approve {count(lines, 'snapshot')}")


def _commit(project: Project, paths: list[str], message: str) -> None:
    if project.config.commit_on_approve:
        from ..workflow.commit import commit

        done = commit(project.config.root, paths, message)
        click.echo("committed" if done else "nothing to commit")
        return
    places = [project.relative(project.config.manifest)]
    if len(paths) > 1:
        places.append(project.relative(project.config.snapshots_dir))
    forced = _hidden(project, paths)
    first = f"git add --force {' '.join(map(quote, forced))} && " if forced else ""
    click.echo(f"next: {first}git add {' '.join(map(quote, places))} && git commit")


def _hidden(project: Project, paths: list[str]) -> list[str]:
    """New payloads that Git was told to ignore: they were DVC's before (mode dvc-pointers)."""
    ignore = project.config.snapshots_dir / ".gitignore"
    if project.storage.mode != "git" or not ignore.is_file() or "_snapshots/*.json" not in ignore.read_text():
        return []
    payloads = [path for path in paths if path.endswith(".json")]
    return [path for path in payloads if (project.config.root / path).exists()]


@click.command()
@click.argument("patterns", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Everything that waits for review.")
@click.pass_context
def reject(context: click.Context, patterns: tuple[str, ...], everything: bool) -> None:
    """Forget recordings that wait for review; what is approved stays."""
    from ..workflow import approve as workflow

    _check_choice(patterns, everything)
    chosen = workflow.reject(project_of(context), patterns)
    click.echo(f"rejected: {count(len(chosen), 'test')}")


@click.command()
@click.argument("patterns", nargs=-1, required=True)
@click.pass_context
def forget(context: click.Context, patterns: tuple[str, ...]) -> None:
    """Take deleted or renamed tests out of the manifest: TEST ids, files, directories or globs."""
    from ..workflow.forget import forget as act

    chosen = act(project_of(context), patterns)
    click.echo(f"forgotten: {count(len(chosen), 'test')}")


def _check_choice(patterns: tuple[str, ...], everything: bool) -> None:
    if bool(patterns) == everything:
        raise UsageError(
            "say which tests, or --all" if not everything else "either tests or --all, not both",
            hint="booktest-cassettes status lists what waits for review",
        )


@click.command()
@click.argument("test")
@click.option("--kind", type=click.Choice(["env", "func", "http", "httpx"]), help="Only this kind.")
@click.option("--approved", is_flag=True, help="The approved snapshot, even where a newer one is pending.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_context
def show(context: click.Context, test: str, kind: str | None, approved: bool, as_json: bool) -> None:
    """Show a test's snapshots: the pending ones where there are, else the approved."""
    from ..workflow import show as workflow

    project = project_of(context)
    test_id = workflow.resolve_id(project, test)
    blobs = workflow.snapshots(project, test_id, pending=not approved)
    if kind:
        blobs = {found: data for found, data in blobs.items() if found.value == kind}
        if not blobs:
            raise UsageError(f"{test_id} has no {kind} snapshot", hint=f"booktest-cassettes show {test_id}")
    if as_json:
        click.echo(json.dumps(workflow.as_json(blobs), indent=2))
        return
    for line in workflow.render(test_id, blobs):
        click.echo(line)


def _register(*commands: Any) -> None:
    for command in commands:
        group.add_command(command)
    group.add_command(run, "test")  # the seeds' spelling


_register(run, status, approve, reject, forget, show, push, pull, verify)
