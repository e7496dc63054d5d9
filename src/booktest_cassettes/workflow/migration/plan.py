"""What a migration will do: which file is whose recording. Reads names and first bytes only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...project import Project
from .sources import Format


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for.

    Attributes
    ----------
    source:
        A format's name, or ``auto``.
    paths:
        Files and directories, absolute; none: the whole project.
    table:
        ``--map``: a cassette (its path, or the end of it) to the test ids that use it.
    ids:
        ``path`` or ``test``, over the format's own way; ``""``: that.
    """

    source: str = "auto"
    paths: Sequence[Path] = ()
    table: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ids: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One test's recording, in the order in which its files are played."""

    test_id: str
    files: tuple[Path, ...]
    format: Format


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that no test is known to use; ``hint``: what would map it."""

    file: Path
    format: Format
    why: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Whose recording each file is.

    Attributes
    ----------
    notes:
        What to tell a person about how it was found out.
    """

    items: tuple[Item, ...]
    orphans: tuple[Orphan, ...] = ()
    notes: tuple[str, ...] = ()


def make(project: Project, asked: Asked) -> Plan:
    """Find the recordings, and the tests they belong to; changes nothing.

    Raises
    ------
    UsageError
        When a path, a format or a mapping means nothing.
    """
    from .detect import find
    from .mapping import assign

    return assign(project, find(project, asked), asked)
