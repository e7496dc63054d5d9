"""What booktest's older versions wrote beside a test's snapshots, and what goes once they are migrated.

Result Markdown ended with the hash of each recorded request. These sections are taken out as a whole,
and nothing else is: an image's link holds a hash, too. A result in which nothing is left stays as an empty
file: booktest takes a missing one for a test that never ran.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from ...files import atomic_write, read_bytes
from ...importing.booktest_paths import part_of
from ...project import Project

_HEADINGS = frozenset(
    f"# {words}:"  # as booktest spelled them, and as it should have
    for name in ("httpx", "request", "function call", "env")
    for words in (f"{name} snaphots", f"{name} snapshots")
)
_BULLET = re.compile(r" {1,3}\* (?:.* - )?[0-9a-f]{40}:?\s*\Z")
#: Lines for ``.gitignore``: all that booktest's versions wrote snapshots into.
IGNORED = (
    "*.snapshots.json",
    "**/_snapshots/requests.json",
    "**/_snapshots/functions.json",
    ".requests/",
    ".httpx/",
    ".functions/",
    ".requests.json",
    ".httpx.json",
    ".functions.json",
    ".env.json",
)


def without_hashes(text: str) -> str:
    """A result without the sections that only name hashes."""
    lines = text.splitlines(keepends=True)
    kept: list[str] = []
    place = 0
    while place < len(lines):
        end = _section(lines, place)
        if end == place:
            kept.append(lines[place])
            place += 1
            continue
        while kept and not kept[-1].strip() and (end == len(lines) or not lines[end].strip()):
            kept.pop()
        place = end
    return "".join(kept)


def _section(lines: list[str], start: int) -> int:
    """Where the section ends that begins here, or ``start`` where none does."""
    if lines[start].rstrip() not in _HEADINGS:
        return start
    place, bullets = start + 1, 0
    while place < len(lines) and (not lines[place].strip() or _BULLET.match(lines[place])):
        bullets += bool(lines[place].strip())
        place += 1
    if not bullets:
        return start  # a heading of the test's own
    while place < len(lines) and not lines[place - 1].strip():
        place -= 1  # the blank line before what follows stays
    return place


def results_of(paths: Iterable[str]) -> list[str]:
    """The result files of the tests these snapshots belong to, whether they are there or not."""
    tests = {part.test for path in paths if (part := part_of(path))}
    return sorted(f"{test}.md" for test in tests)


def strip(project: Project, paths: Iterable[str], *, dry_run: bool) -> list[str]:
    """Take the hashes out of results; returns the files that changed, or would.

    Raises
    ------
    StorageError
        When the disk refuses.
    """
    changed = []
    for name in results_of(paths):
        path = project.config.root / PurePosixPath(name)
        data = read_bytes(path)
        if data is None:
            continue
        # Bytes that are no text survive as they are.
        clean = without_hashes(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if clean != data:
            changed.append(name)
            if not dry_run:
                atomic_write(path, clean)
    return changed


def ignore(project: Project, left: Iterable[str]) -> str | None:
    """Have Git ignore what booktest would write again; returns the file, where that changed it.

    Parameters
    ----------
    project:
        Where.
    left:
        Files of booktest's that are still used: nothing that fits one of them is ignored.
    """
    path = project.config.root / ".gitignore"
    stored = read_bytes(path) or b""
    there = {line.strip() for line in stored.decode("utf-8", "replace").splitlines()}
    used = {part for name in left for part in PurePosixPath(name).parts}
    lacking = [line for line in IGNORED if line not in there and not _fits(line, used)]
    if not lacking:
        return None
    end = b"\r\n" if b"\r\n" in stored else b"\n"
    joint = end if stored and not stored.endswith(b"\n") else b""
    atomic_write(path, stored + joint + b"".join(line.encode() + end for line in lacking))
    return project.relative(path)


def _fits(pattern: str, names: Iterable[str]) -> bool:
    last = pattern.strip("/").rpartition("/")[2]
    return any(fnmatchcase(name, last) for name in names)


def tidy(
    project: Project, taken: Sequence[str], left: Iterable[str], *, dry_run: bool, ignores: bool
) -> tuple[list[str], list[str]]:
    """What is left to do once snapshots of booktest's are approved here.

    Parameters
    ----------
    project:
        Where.
    taken:
        Their files, relative to the root.
    left:
        Files of booktest's that are there, and still used.
    dry_run:
        Only say it.
    ignores:
        Those taken are gone: have Git ignore what an older booktest writes again.

    Returns
    -------
    Notes for a person, and the paths that changed.

    Raises
    ------
    StorageError
        When the disk refuses.
    """
    changed = strip(project, taken, dry_run=dry_run)
    would = "would be " if dry_run else ""
    notes = [f"{name}: its hashes of requests and calls {would}taken out" for name in changed]
    if ignores and not dry_run and (ignored := ignore(project, left)):
        notes.append(f"{ignored}: ignores the snapshots that booktest itself would write")
        changed.append(ignored)
    return notes, changed
