"""Which files are recordings, and in which format."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...errors import UsageError
from ...project import Project
from .plan import Asked
from .sources import FORMATS, HEAD, Format, named

_NEVER = frozenset(
    {".git", ".hg", ".dvc", ".tox", ".nox", ".venv", "__pycache__", "node_modules", "site-packages"}
)
#: In a directory of this name a file that is not recognised is a broken recording, and said to be one.
_CASSETTES = "cassettes"


@dataclass(frozen=True, slots=True)
class Found:
    """A file, and the format to read it in."""

    path: Path
    format: Format


def find(project: Project, asked: Asked) -> list[Found]:
    """The recordings among the files that were asked for, by path.

    In a directory only what looks like a recording is taken, and what lies among recordings; a file that
    was named is taken in any case.

    Raises
    ------
    UsageError
        When a path is not there, or a named file is of no known format.
    """
    formats = FORMATS if asked.source == "auto" else (named(asked.source),)
    found: dict[Path, Found] = {}
    for path in asked.paths or (project.config.root,):
        if path.is_dir():
            for one in _in_directory(project, path, formats):
                found.setdefault(one.path, one)
        elif path.is_file():
            found.setdefault(path, _named_file(project, path, formats))
        else:
            raise UsageError(f"{path}: no such file or directory", hint="name recordings that are there")
    return [found[path] for path in sorted(found)]


def _named_file(project: Project, path: Path, formats: Sequence[Format]) -> Found:
    kind = _recognised(project, path, formats) or (formats[0] if len(formats) == 1 else None)
    if kind is None:
        raise UsageError(
            f"{project.relative(path)}: not recognised as a recording", hint="say which: --from FORMAT"
        )
    return Found(path, kind)


def _in_directory(project: Project, top: Path, formats: Sequence[Format]) -> Iterator[Found]:
    for directory, names in walk(project, top):
        known, others = [], []
        for name in names:
            path = directory / name
            candidates = [one for one in formats if path.suffix in one.suffixes]
            if not candidates or not path.is_file():  # a pipe would wait for ever
                continue
            kind = _recognised(project, path, candidates)
            if kind is None:
                others.append((path, candidates[0]))
            else:
                known.append(Found(path, kind))
        yield from known
        if known and all(one.format.by_name for one in known):
            continue
        ours = directory.is_relative_to(project.config.snapshots_dir)
        suspects = set() if ours else _suspects(project, directory, known)
        yield from (
            Found(path, known[0].format if known else first)
            for path, first in others
            if path.suffix in suspects
        )


def _suspects(project: Project, directory: Path, known: Sequence[Found]) -> set[str]:
    """The endings of files that must be broken recordings, and not be passed over, if they are not whole.

    Beside recordings those with the same ending; but not in the root, where configuration is.
    """
    if _CASSETTES in PurePosixPath(project.relative(directory)).parts:
        return {suffix for one in FORMATS for suffix in one.suffixes}
    return set() if directory == project.config.root else {one.path.suffix for one in known}


def walk(project: Project, top: Path) -> Iterator[tuple[Path, list[str]]]:
    """Directories and the files in them, sorted, without what is no project's own."""
    for where, directories, names in os.walk(top):
        here = Path(where)
        directories[:] = sorted(
            name
            for name in directories
            if name not in _NEVER
            and here / name != project.config.cache_dir
            and not (here / name / "pyvenv.cfg").exists()
        )
        yield here, sorted(names)


def _recognised(project: Project, path: Path, formats: Iterable[Format]) -> Format | None:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:  # said for this one recording, when it is read
        return None
    name = PurePosixPath(project.relative(path))
    return next((one for one in formats if one.recognises(name, head)), None)
