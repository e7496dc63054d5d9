"""Result files in a merge conflict: one goes with its test's recording, the rest are a person's to mend.

Git merges them as text, and leaves its markers in them, which `git add` would take for a result.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from ..files import atomic_write, read_bytes, remove
from ..project import Project
from ..store.git import RESULT
from . import git
from .merge import Row

_STAGE = {"ours": "2", "theirs": "3"}
_MARKER = re.compile(rb"^<{7,}(?=[ \r\n])", re.MULTILINE)


def place(project: Project, choices: Mapping[Row, Literal["ours", "theirs"]]) -> None:
    """Have the results in conflict be of the side that was chosen of their test's recordings.

    One that somebody mended by hand already stays, and so does that of a test of which both sides
    were chosen, each for another kind.
    """
    sides: dict[Path, set[str]] = {}
    for (test_id, _), side in choices.items():
        sides.setdefault(project.results.path(test_id), set()).add(side)
    for path, stages in unmerged(project).items():
        chosen = sides.get(path, set())
        if len(chosen) == 1 and _is_open(path, stages):
            _take(project, path, stages, *chosen)


def left(project: Project) -> list[Path]:
    """The results that still have markers of a conflict in them."""
    return [path for path in unmerged(project) if _MARKER.search(read_bytes(path) or b"")]


def unmerged(project: Project) -> dict[Path, set[str]]:
    """The results that Git has as unmerged, with the stages it has of each."""
    where = project.config.snapshots_dir
    if not where.is_dir():
        return {}
    found: dict[Path, set[str]] = {}
    for line in (git.ask(where, "ls-files", "--unmerged", "-z", "--", ".") or "").split("\0"):
        about, _, name = line.partition("\t")
        if name.rpartition("/")[2] == RESULT:
            found.setdefault(where / name, set()).add(about.split()[2])
    return found


def names(project: Project, paths: Iterable[Path]) -> list[str]:
    """Paths as a person types them in the project's directory."""
    return [Path(os.path.relpath(path, project.config.root)).as_posix() for path in paths]


def _is_open(path: Path, stages: set[str]) -> bool:
    """Whether nobody has mended it: where one side deleted it there are no markers."""
    return not {"2", "3"} <= stages or _MARKER.search(read_bytes(path) or b"") is not None


def _take(project: Project, path: Path, stages: set[str], side: str) -> None:
    if _STAGE[side] not in stages:
        remove(path)
        return
    (name,) = names(project, [path])
    data = git.read(project.config.root, "cat-file", "blob", f":{_STAGE[side]}:./{name}")
    if data is not None:
        atomic_write(path, data)
