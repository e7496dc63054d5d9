"""Which files are booktest's, and which test each belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import PurePosixPath

from ...importing.booktest_paths import id_of, part_of

_OUT = ".out"  # what the last run wrote: nobody accepted it
_OURS = re.compile(rb"\A\s*\{\s*\"(?:interactions|calls|env)\"\s*:\s*[\[{]")


def is_booktest(path: PurePosixPath, head: bytes) -> bool:
    """Whether a file is a snapshot of booktest's: its path says so, and it is no payload of ours."""
    part = part_of(str(path))
    if part is None or _OUT in path.parts:
        return False
    return path.parent.name != "_snapshots" or not _OURS.match(head)


def test_of(path: PurePosixPath, known: Callable[[], Collection[str]]) -> str | None:
    """The test a file belongs to, ``None`` where that is not beyond doubt.

    Parameters
    ----------
    path:
        Relative to the root.
    known:
        Ids of the project's test functions, asked for where the path is of before booktest 1.0.
    """
    part = part_of(str(path))
    if part is None:
        return None
    return id_of(part.test, ()) or id_of(part.test, map(_booktest_id, known()))


def _booktest_id(test_id: str) -> str:
    file, *names = test_id.split("::")
    return f"{file}::{'/'.join(names)}"
