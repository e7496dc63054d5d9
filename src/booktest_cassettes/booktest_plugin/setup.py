"""Before the first test: what is wrong with the project or a name, and everything tests replay, in one go."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from booktest.config.detection import BookTestSetup
from booktest.config.naming import to_filesystem_path

from .. import under_booktest
from ..again import Again
from ..digest import BlobKey
from ..errors import CassetteError, RecordingRefused, UsageError
from ..wording import count
from . import projects

# booktest calls "mkdir -p <path>" with names of files, classes and methods, and others like it.
_UNSAFE = re.compile(r"[^\w./:@%+=,-]")


class CassetteSetup(BookTestSetup):  # type: ignore[misc]  # booktest ships no types
    """Puts the hooks into a worker: to unpickle it is enough, and to call it never hurts.

    Parameters
    ----------
    inner:
        The suite's own set-up.
    storage, base, again:
        As they are in the parent.
    """

    def __init__(self, inner: BookTestSetup, *, storage: bool, base: Path, again: Again) -> None:
        super().__init__()
        self.inner = inner
        self.storage = storage
        self.base = base
        self.again = again

    def __reduce__(self) -> tuple[object, ...]:
        return under_booktest.revived, (self.inner, self.storage, self.base, self.again)

    @contextmanager
    def setup_teardown(self) -> Any:
        """The suite's own set-up, with the hooks in place."""
        from .install import install

        projects.begin(self.base)
        projects.run_again_with(self.again)
        install(storage=self.storage)
        with self.inner.setup_teardown():
            yield


def check_names(names: Iterable[str], books: str) -> None:
    """Refuse what booktest would pass to a shell as more than one word.

    Raises
    ------
    UsageError
        That names it.
    """
    if _UNSAFE.search(books) or books.startswith("-"):
        raise UsageError(
            f"books_path {books!r}: booktest passes it to a shell", hint="a path without spaces and the like"
        )
    for name in names:
        if found := _UNSAFE.search(to_filesystem_path(name)):
            raise UsageError(
                f"{name!r}: booktest passes this name to a shell, in which {found[0]!r} has a meaning",
                hint="rename the file, the directory or the test",
            )


def prepare(cases: Iterable[str], config: Any) -> None:
    """Check the project, say what is missing, and fetch what these tests replay.

    Raises
    ------
    CassetteError
        When no test could use its snapshots; in CI also when some cannot be fetched.
    """
    projects.begin(Path.cwd())
    project = projects.current()
    _refuse_recording_in_ci(project, config)
    _ = project.manifest
    if project.storage.notice:
        print(f"cassettes: {project.storage.notice}", file=sys.stderr)
    if config.get("refresh_snapshots", False):
        return
    try:
        _fetch(project, {projects.id_of(name) for name in cases})
    except CassetteError as error:
        if project.config.ci:
            raise
        print(f"cassettes: {error}", file=sys.stderr)  # tests that need none of it pass


def _refuse_recording_in_ci(project: projects.BooktestProject, config: Any) -> None:
    flag = "-S" if config.get("refresh_snapshots") else "-s" if config.get("complete_snapshots") else None
    if flag and project.config.ci:
        raise RecordingRefused(
            f"{flag} records; CI only replays approved snapshots",
            hint=f"leave it out in CI; on your own machine: {project.again.command} {flag}",
        )


def _fetch(project: projects.BooktestProject, ids: set[str]) -> None:
    entries = project.manifest.entries
    wanted = [
        (test, BlobKey(kind, digest))
        for test in ids
        if test in entries
        for kind, digest in entries[test].items()
    ]
    if not project.absent(wanted) or project.place is None:
        return
    from ..workflow import sync
    from ..workflow.meter import Meter, size

    meter = Meter("cassettes: fetching", _write, terminal=sys.stderr.isatty())
    try:
        moved = sync.pull_these(project, wanted, progress=meter)
    finally:
        meter.end()
    if moved.blobs:
        _write(f"cassettes: fetched {count(moved.blobs, 'blob')}, {size(moved.size)} from {project.place}\n")


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
