"""Pending snapshots whole, to be read beside the difference: as numbered items, and as two texts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..digest import BlobKey, Kind
from ..project import Project
from ..store.pending import Pending
from . import show, staging
from .lines import Line

_ITEM = re.compile(r"  \d+\. (.*)")


@dataclass(frozen=True)
class Item:
    """One interaction or call, or all the variables of a test."""

    title: str
    lines: tuple[Line, ...]


def items(project: Project, part: Pending) -> list[Item]:
    """What a part would bring, or take away, item by item.

    Raises
    ------
    BlobMissing, BlobCorrupt, StorageError, RemoteError
        When its bytes cannot be had.
    """
    old, new = texts(project, part)
    found: list[tuple[str, list[Line]]] = []
    for text in (new or old).splitlines():
        match = _ITEM.fullmatch(text)
        if match or not found:
            found.append((match[1] if match else text.strip(), []))
        found[-1][1].append(Line(text))
    return [Item(title, tuple(lines)) for title, lines in found]


def texts(project: Project, part: Pending) -> tuple[str, str]:
    """The old and the new snapshot or result as a person reads it, inert; ``""`` for one that is not.

    Raises
    ------
    BlobMissing, BlobCorrupt, StorageError, RemoteError
        When the bytes cannot be had.
    """
    if part.result is not None:
        old, new = part.result.base or "", part.result.staged or ""
        return _joined(old.splitlines()), _joined(new.splitlines())
    ((kind, change),) = part.changes.items()
    before = None if change.base is None else project.approved(part.test_id, kind, change.base)
    after = None
    if change.staged is not None:
        after = staging.read(project, part.test_id, BlobKey(kind, change.staged))
    return _text(kind, before), _text(kind, after)


def _text(kind: Kind, data: bytes | None) -> str:
    if data is None:
        return ""
    _, _, _, *lines = show.render(
        "", {kind: data}, full=True
    )  # without its name and digest, which always differ
    return _joined(lines)


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{show.inert(line)}\n" for line in lines)
