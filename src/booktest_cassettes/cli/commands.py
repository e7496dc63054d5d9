"""Which commands there are, and the room each of them is in; a command is loaded when it is called."""

from __future__ import annotations

from importlib import import_module

import click

from .. import __version__

#: What people call, in the order in which they need it: the command, its room, what ``--help`` says.
_LISTED = (
    ("init", "setup", "Set a project up: ignore lines, configuration, merge driver."),
    ("run", "run", "Run the tests, with pytest or booktest; record, or replay."),
    ("status", "status", "What is approved, what waits for review, what is missing."),
    ("review", "review", "Decide about what is pending, one snapshot at a time."),
    ("diff", "diff", "What changed: pending, or between Git revisions."),
    ("show", "show", "One test's snapshots; also as HAR or curl."),
    ("approve", "approval", "Into the manifest (and onto the remote)."),
    ("reject", "approval", "Forget what is pending."),
    ("forget", "approval", "Take deleted tests out of the manifest."),
    ("push", "remote", "Bring approved blobs to the remote."),
    ("pull", "remote", "Fetch approved blobs."),
    ("verify", "remote", "Check every byte, here and on the remote."),
    ("report", "report", "All of it on one page: HTML, Markdown, JSON."),
    ("migrate", "migrate", "Take recordings of other tools along, or move between storages."),
    ("export", "export", "One test's recording as HAR, vcrpy cassette or curl."),
    ("gc", "gc", "Delete blobs that nothing needs: the plan first, --execute does it."),
    ("install-hooks", "setup", "Check before each push that recordings are on the remote."),
    ("doctor", "doctor", "Look for what is wrong here, and say how to mend it."),
)
_ROOMS = {
    **{name: room for name, room, _ in _LISTED},
    "test": "run",  # the seeds' spelling
    "merge-driver": "merging",  # these three are called by Git and pre-commit
    "pre-push": "merging",
    "check-manifest": "merging",
}


class _Commands(click.Group):
    def list_commands(self, _context: click.Context) -> list[str]:
        return [name for name, _, _ in _LISTED]

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        if name not in _ROOMS:
            return None
        room = import_module(f".{_ROOMS[name]}", __package__)
        command: click.Command = getattr(room, "run" if name == "test" else name.replace("-", "_"))
        return command

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, _, text in _LISTED])


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
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
