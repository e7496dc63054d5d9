"""Before the first test: everything that the collected tests replay, in one parallel batch.

A machine that has it all neither loads the remote's room nor touches the network.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from ..modes import RecordMode
from ..options import record_mode
from ..project import Project
from ..wording import count

if TYPE_CHECKING:
    from ..digest import BlobKey

_NEEDS_NOTHING = (RecordMode.REWRITE, RecordMode.OFF)


def prefetch(project: Project, ids: Collection[str], reporter: Any) -> None:
    """Fetch what tests need and this machine lacks.

    Parameters
    ----------
    project:
        Whose.
    ids:
        The collected tests, as the manifest names them.
    reporter:
        pytest's terminal reporter, or ``None``.

    Raises
    ------
    RemoteError, StorageError
        When the remote or the disk refuses. What is missing or corrupt there is for its test to say.
    """
    if record_mode(project.config) in _NEEDS_NOTHING:
        return
    wanted = list(_needed(project, ids))
    if not project.absent(wanted) or project.place is None:
        return
    from ..workflow import sync
    from ..workflow.meter import Meter, size

    write = partial(reporter.write, flush=True) if reporter else _nowhere
    meter = Meter("cassettes: fetching", write, terminal=bool(reporter and reporter.isatty))
    try:
        moved = sync.pull_these(project, wanted, progress=meter)
    finally:
        meter.end()
    if not moved.blobs:
        return
    blobs = f"{count(moved.blobs, 'blob')}"
    write(f"cassettes: fetched {blobs}, {size(moved.size)} from {project.place}\n")


def _nowhere(_text: str) -> None:
    """Where a session without a terminal reporter writes to."""


def _needed(project: Project, ids: Collection[str]) -> Iterator[tuple[str, BlobKey]]:
    from ..digest import BlobKey

    around = {above for test_id in ids for above in _above(test_id)}
    for test_id, kinds in project.manifest.entries.items():
        if test_id in ids or _is_fixture(test_id, around):
            yield from ((test_id, BlobKey(kind, digest)) for kind, digest in kinds.items())


def _above(test_id: str) -> Iterator[str]:
    """The file and the classes that a test is in, and every conftest.py that it has fixtures of."""
    name = test_id.partition("[")[0]
    while "::" in name:
        name = name.rpartition("::")[0]
        yield name
    while name:
        name = name.rpartition("/")[0]
        yield f"{name}/conftest.py" if name else "conftest.py"


def _is_fixture(test_id: str, around: Collection[str]) -> bool:
    """Whether an id may be that of a fixture of these files: it has a snapshot of its own."""
    place, _, name = test_id.partition("[")[0].rpartition("::")
    return place in around and not name.startswith("test")
