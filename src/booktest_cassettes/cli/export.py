"""``export``: recordings in the formats of other tools, as files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import CassetteError, UsageError
from ..wording import count
from .arguments import TestName
from .common import project_of

if TYPE_CHECKING:
    from ..project import Project
    from ..workflow.export import Exported, Format


@click.command()
@click.argument("patterns", nargs=-1, type=TestName())
@click.option(
    "--format",
    "format_",
    type=click.Choice(["har", "vcr", "curl"]),
    required=True,
    help="HAR 1.2, a cassette of vcrpy's, or curl commands.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    help="A file (.json: vcrpy's JSON), a directory for several tests, or - for standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="vcrpy's cassettes as JSON.")
@click.option("--compressed", is_flag=True, help="vcrpy's cassettes with bodies as the wire had them.")
@click.option("--kind", type=click.Choice(["http", "httpx"]), help="Only this kind.")
@click.option("--approved", is_flag=True, help="What is approved, even where something newer is pending.")
@click.pass_context
def export(
    context: click.Context,
    patterns: tuple[str, ...],
    format_: Format,
    output: Path | None,
    as_json: bool,
    compressed: bool,
    kind: str | None,
    approved: bool,
) -> None:
    """Write the HTTP traffic of one test to a file, or of several to a directory.

    Below a directory, cassettes are where pytest-recording looks for them:

    booktest-cassettes export --format vcr --output .
    """
    from ..workflow import export as workflow

    if (as_json or compressed) and format_ != "vcr":
        raise UsageError("--json and --compressed are about vcrpy's cassettes", hint="--format vcr")
    if as_json and compressed:
        raise UsageError("JSON cannot hold compressed bodies", hint="leave --json or --compressed out")
    project = project_of(context)
    tests = workflow.tests(project, patterns, pending=not approved)
    workflow.fetch(project, tests, pending=not approved)
    job = _Job(project, format_, kind, as_json=as_json, compressed=compressed, pending=not approved)
    if len(tests) == 1 and patterns and not (output and output.is_dir()):
        job.write_one(tests[0], output)
    elif output is None or str(output) == "-" or output.is_file():
        raise UsageError(
            f"{count(len(tests), 'test')} need a directory",
            hint=f"booktest-cassettes export --format {format_} --output DIRECTORY",
        )
    else:
        context.exit(job.write_all(tests, output))


class _Job:
    """What was asked for, and writing it."""

    def __init__(
        self,
        project: Project,
        format_: Format,
        kind: str | None,
        *,
        as_json: bool,
        compressed: bool,
        pending: bool,
    ) -> None:
        self.project, self.format, self.kind = project, format_, kind
        self.as_json, self.compressed, self.pending = as_json, compressed, pending

    def write_one(self, test_id: str, output: Path | None) -> None:
        """To the file, to standard output, or to one named after the test, which must not be there."""
        from ..files import atomic_write
        from ..workflow import export as workflow

        self.as_json = self.as_json or (
            self.format == "vcr" and output is not None and output.suffix == ".json"
        )
        made = self._made(test_id)
        if output is not None and str(output) == "-":
            sys.stdout.buffer.write(made.data)
            sys.stdout.buffer.flush()
        else:
            name = workflow.file_name(test_id, self.format, as_json=self.as_json)
            path = output or Path(Path(name).name)
            if output is None and path.exists():
                raise UsageError(f"{path} is there already", hint=f"--output {path}, to write it anew")
            atomic_write(path, made.data)
            click.echo(f"{path}: {count(made.exchanges, 'exchange')} of {test_id}")
        self._tell(made)

    def write_all(self, tests: list[str], directory: Path) -> int:
        """Below a directory; the exit code. What one test cannot have does not keep the others back."""
        from ..files import atomic_write
        from ..workflow import export as workflow

        names = workflow.file_names(tests, self.format, as_json=self.as_json)
        written, codes = 0, [0]
        for test_id, name in names.items():
            try:
                made = self._made(test_id)
            except UsageError as error:
                click.echo(f"left out: {error.message}", err=True)
                continue
            except CassetteError as error:
                click.echo(f"lost: {test_id}\n  {error}", err=True)
                codes.append(error.exit_code)
                continue
            atomic_write(directory / name, made.data)
            self._tell(made, f"{test_id}: ")
            written += 1
        click.echo(f"{directory}: {count(written, 'file')} of {count(len(tests), 'test')}")
        return max(codes)

    def _made(self, test_id: str) -> Exported:
        from ..workflow import export as workflow

        blobs = workflow.snapshots(self.project, test_id, pending=self.pending, kind=self.kind)
        return workflow.export(test_id, blobs, self.format, as_json=self.as_json, compressed=self.compressed)

    def _tell(self, made: Exported, whose: str = "") -> None:
        for line in made.left_out:
            click.echo(f"left out: {whose}{line}", err=True)
