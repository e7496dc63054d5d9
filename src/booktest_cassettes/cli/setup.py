"""Commands that prepare a repository: init, install-hooks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from ..errors import RemoteError
from .common import project_of

if TYPE_CHECKING:
    from ..config import StorageMode
    from ..workflow.setup import Plan, Step

_MODES: dict[str, StorageMode] = {
    "auto": "auto",
    "git": "git",
    "dvc": "dvc",
    "dvc-manifest": "dvc",
    "dvc-pointers": "dvc-pointers",
}


@click.command()
@click.option("--yes", "-y", is_flag=True, help="Ask nothing.")
@click.option("--json", "as_json", is_flag=True, help="For machines; asks nothing.")
@click.option("--storage-mode", type=click.Choice(list(_MODES)), help="Where approved snapshots will live.")
@click.pass_context
def init(context: click.Context, yes: bool, as_json: bool, storage_mode: str | None) -> None:
    """Set a project up: booktest.toml, .gitignore, .gitattributes, and the manifest's merge driver.

    What is there stays. Once per clone: Git's configuration, where the merge driver is, is not cloned.
    """
    from ..workflow import setup

    root = setup.root_of(Path.cwd())
    asked = _MODES.get(storage_mode or context.obj["storage_mode"] or "")
    remote = None if yes or as_json or asked == "git" else _ask_remote(root)
    plan = setup.plan(root, storage_mode=asked, remote=remote)
    done = setup.execute(plan)
    if as_json:
        click.echo(json.dumps(_as_json(plan, done), indent=2))
    else:
        _tell(plan, done)


def _ask_remote(root: Path) -> str | None:
    """The one thing that nobody can find out: which of DVC's remotes, where none is the default."""
    from ..store.remote.place import find_place
    from ..workflow import setup

    error = None if setup.has_configuration(root) else setup.missing_remote(root)
    if (
        error is None
        or "there are: " not in error.message
        or not (sys.stdin.isatty() and sys.stdout.isatty())
    ):
        return None
    while name := click.prompt(
        f"{error.message}. Which one is for recordings? (empty: decide later)", "", show_default=False
    ):
        try:
            return find_place(root, name).name
        except RemoteError as again:
            click.echo(again.message)
    return None


def _as_json(plan: Plan, done: list[Step]) -> dict[str, object]:
    return {
        "root": str(plan.root),
        "steps": [{"name": step.name, "done": step in done, "detail": step.detail} for step in plan.steps],
        "notes": list(plan.notes),
    }


def _tell(plan: Plan, done: list[Step]) -> None:
    click.echo(f"project: {plan.root}")
    for step in plan.steps:
        said = "done" if step in done else "there" if step.is_done else "missing"
        click.echo(f"{said}: {step.name} ({step.detail})")
    for note in plan.notes:
        click.echo(f"missing: {note}")
    if not done:
        click.echo("nothing to do")
        return
    files = [step.name for step in done if step.path is not None]
    if files and len(plan.steps) > 1:
        click.echo(f"next: git add {' '.join(map(quote, files))} && git commit")
    if not files:  # a clone of what others set up: nobody here needs to hear how to begin
        return
    click.echo(f"then: {_begin(plan.root)}")


def _begin(root: Path) -> str:
    """What a person does next, in the words of the project's runner."""
    from ..config import load_config
    from ..workflow import suites

    suite = suites.suite(root)
    if suite == "booktest":
        option = "" if load_config(root).runner == "booktest" else " --runner booktest"
        run = f"booktest-cassettes run{option}"
        if suites.recorded_by_booktest(root):
            return f"booktest-cassettes migrate --from booktest --delete-originals, and {run}"
        return f"{run} -s -- -a, which records, and accepts the results"
    runs = " (pytest, which runs unittest's tests)" if suite == "unittest" else ""
    a_test = "a test" if suite else "your first test"
    return f"put @cassette on {a_test}, and booktest-cassettes run{runs}"


@click.command("install-hooks")
@click.option(
    "--force", is_flag=True, help="Keep a hook that is there as pre-push.before, and call it first."
)
@click.pass_context
def install_hooks(context: click.Context, force: bool) -> None:
    """Have Git check, before each push, that every recording it names is on the remote."""
    from ..workflow import hooks

    installed = hooks.install(project_of(context), force=force)
    click.echo(f"{'done' if installed.is_new else 'there'}: {installed.path}")
    if installed.before is not None:
        click.echo(f"the hook that was there is {installed.before} now, and is called first")
    click.echo("git push --no-verify goes round it")
