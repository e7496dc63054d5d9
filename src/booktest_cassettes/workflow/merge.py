"""The three-way merge of manifests, by test and kind, and the text of what it cannot decide (ADR-0013).

A conflict is written the way Git writes one, with the base in the middle, inside its test's entry::

    tests/test_api.py::test_users:
      env: "sha256:..."
    <<<<<<< ours
      http: "sha256:..."
    ||||||| base
      http: "sha256:..."
    =======
      http: "sha256:..."
    >>>>>>> theirs

:func:`read_text` reads exactly this back, and Git's own conflicts as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import NamedTuple

from ..digest import Digest, Kind
from ..errors import ManifestError
from ..manifest import Manifest, loads
from ..manifest_text import StorageMode, write

#: Which snapshot a line of the manifest is about.
Row = tuple[str, Kind]

_MARKER = re.compile(r"^([<|=>])\1{6,}(?=[ \r\n]|\Z)", re.MULTILINE)
_MODE = re.compile(r"^[\"']?storage_mode\b", re.MULTILINE)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True, slots=True)
class Conflict:
    """One snapshot that both sides changed, each its own way; ``None``: it is not there."""

    test_id: str
    kind: Kind
    base: Digest | None
    ours: Digest | None
    theirs: Digest | None

    @property
    def row(self) -> Row:
        """The test and the kind."""
        return self.test_id, self.kind

    def side(self, side: str) -> Digest | None:
        """The digest of ``base``, ``ours`` or ``theirs``."""
        return {"base": self.base, "ours": self.ours, "theirs": self.theirs}[side]


class Labels(NamedTuple):
    """What the sides are called in the text."""

    ours: str = "ours"
    base: str = "base"
    theirs: str = "theirs"


UNNAMED = Labels()


@dataclass(frozen=True)
class Merged:
    """What a merge gave.

    Attributes
    ----------
    manifest:
        All that needs no choice.
    conflicts:
        What does, in the manifest's order; none of it is in ``manifest``.
    modes:
        The two storage modes (ours, theirs), where those are in conflict; else ``None``.
    labels:
        What the sides are called.
    """

    manifest: Manifest
    conflicts: tuple[Conflict, ...] = ()
    modes: tuple[StorageMode, StorageMode] | None = None
    labels: Labels = field(default=UNNAMED, compare=False)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left to choose."""
        return not self.conflicts and self.modes is None

    def text(self, size: int = 7) -> str:
        """The manifest's canonical text, with markers of ``size`` characters around each conflict."""
        if self.is_clean:
            return self.manifest.dump()
        # Where a side is nothing, an empty base reads as "the other one added it": it is then left out.
        has_base = all(one.base or (one.ours and one.theirs) for one in self.conflicts)
        return "".join(_written(self, _Markers(self.labels, size, has_base)))


def merge(
    base: Manifest | None,
    ours: Manifest | None,
    theirs: Manifest | None,
    *,
    unsure: Collection[Row] = (),
) -> Merged:
    """Take what one side changed, and what both changed alike; the rest is in conflict.

    Parameters
    ----------
    base, ours, theirs:
        The common ancestor and the two sides; ``None`` where there is no such file.
    unsure:
        Snapshots of which nobody knows what the base had: there, two sides that differ are in conflict.
    """
    was, mine, others = base or Manifest(), ours or Manifest(), theirs or Manifest()
    entries: dict[str, Mapping[Kind, Digest]] = {}
    conflicts: list[Conflict] = []
    doubtful = {test_id for test_id, _ in unsure}
    for test_id in sorted(was.entries.keys() | mine.entries.keys() | others.entries.keys()):
        o, a, b = was.get(test_id), mine.get(test_id), others.get(test_id)
        if a == b or (o == b and test_id not in doubtful):
            kinds = a
        elif o == a and test_id not in doubtful:
            kinds = b
        else:
            kinds, open_ = _merge_test(test_id, (o, a, b), unsure)
            conflicts += open_
        if kinds:
            entries[test_id] = kinds
    mode, modes = _merge_mode(base, ours, theirs)
    return Merged(Manifest(mode, entries), tuple(conflicts), modes)


def _merge_test(
    test_id: str, sides: tuple[Mapping[Kind, Digest], ...], unsure: Collection[Row]
) -> tuple[dict[Kind, Digest], list[Conflict]]:
    kinds: dict[Kind, Digest] = {}
    conflicts: list[Conflict] = []
    for kind in sorted(set().union(*sides)):
        o, a, b = (side.get(kind) for side in sides)
        is_unsure = (test_id, kind) in unsure
        if a != b and (is_unsure or (o != a and o != b)):
            conflicts.append(Conflict(test_id, kind, None if is_unsure else o, a, b))
        elif (taken := b if o == a else a) is not None:
            kinds[kind] = taken
    return kinds, conflicts


def _merge_mode(
    base: Manifest | None, ours: Manifest | None, theirs: Manifest | None
) -> tuple[StorageMode, tuple[StorageMode, StorageMode] | None]:
    o, a, b = (side and side.storage_mode for side in (base, ours, theirs))
    mine, others = a or b or o or "git", b or a or o or "git"
    if mine == others or others == o:
        return mine, None
    return (others, None) if mine == o else (mine, (mine, others))


# --- the text of a conflict


@dataclass(frozen=True, slots=True)
class _Markers:
    labels: Labels
    size: int
    has_base: bool

    def around(self, ours: str, base: str, theirs: str) -> Iterator[str]:
        yield self._line("<", self.labels.ours) + ours
        if self.has_base:
            yield self._line("|", self.labels.base) + base
        yield self._line("=") + theirs
        yield self._line(">", self.labels.theirs)

    def _line(self, character: str, label: str = "") -> str:
        shown = "".join(char for char in label if char.isprintable())  # it may hold a commit's subject
        return f"{character * self.size} {shown}".rstrip() + "\n"


def _written(merged: Merged, markers: _Markers) -> Iterator[str]:
    manifest = merged.manifest
    yield from _header(merged, markers)
    conflicts = {
        test_id: list(group) for test_id, group in groupby(merged.conflicts, lambda one: one.test_id)
    }
    # Runs of tests without a conflict are written at once: there may be thousands.
    tests = sorted(manifest.entries.keys() | conflicts.keys())
    for is_open, group in groupby(tests, conflicts.__contains__):
        if not is_open:
            entries = {test_id: manifest.entries[test_id] for test_id in group}
            yield _body(manifest.storage_mode, entries)
            continue
        for test_id in group:
            yield from _entry(test_id, manifest.get(test_id), conflicts[test_id], markers)


def _header(merged: Merged, markers: _Markers) -> Iterator[str]:
    lines = write(merged.manifest.storage_mode, {}).splitlines(keepends=True)
    if merged.modes is None:
        yield from lines
        return
    comment, setting = lines
    mine, others = (setting.replace(merged.manifest.storage_mode, mode) for mode in merged.modes)
    yield comment
    yield from markers.around(mine, "", others)


def _body(mode: StorageMode, entries: Mapping[str, Mapping[Kind, Digest]]) -> str:
    return write(mode, entries).removeprefix(write(mode, {}))


def _entry(
    test_id: str, kinds: Mapping[Kind, Digest], conflicts: list[Conflict], markers: _Markers
) -> Iterator[str]:
    sides = [_of_side(conflicts, side) for side in ("ours", "base", "theirs")]
    if not kinds and not all(sides):  # where a side has nothing of the test, its name must not stay
        yield from markers.around(*(_body("git", {test_id: side}) for side in sides))
        return
    named = {**kinds, **_of_side(conflicts, "ours"), **_of_side(conflicts, "theirs")}
    lines = _body("git", {test_id: named}).splitlines(keepends=True)
    yield "".join(lines[: -len(named)])
    open_ = {conflict.kind: conflict for conflict in conflicts}
    for kind in sorted(kinds.keys() | open_.keys()):
        if kind in kinds:
            yield _line(kind, kinds[kind])
        else:
            one = open_[kind]
            yield from markers.around(*(_line(kind, digest) for digest in (one.ours, one.base, one.theirs)))


def _of_side(conflicts: list[Conflict], side: str) -> dict[Kind, Digest]:
    found = {conflict.kind: conflict.side(side) for conflict in conflicts}
    return {kind: digest for kind, digest in found.items() if digest is not None}


def _line(kind: Kind, digest: Digest | None) -> str:
    return f'  {kind.value}: "{digest}"\n' if digest else ""


# --- and back


def has_markers(text: str) -> bool:
    """Whether a line of the text looks like a marker of a merge conflict."""
    return _MARKER.search(text) is not None


def read_text(text: str, *, name: str) -> Merged:
    """Read a manifest that may hold conflicts, ours or Git's.

    Each side is taken as a whole text, and the three are merged. Where the text does not say what the
    base had, all that differs is in conflict.

    Raises
    ------
    ManifestError
        When the markers make no sense, or a side is no manifest.
    """
    if not has_markers(text):
        return Merged(loads(text, name=name))
    sides = _split(text, name)
    ours, theirs = (_side(sides, side, name) for side in ("ours", "theirs"))
    # A mode in conflict had none in the base: one of the two would decide it.
    has_mode = sides.base is None or _MODE.search(sides.base)
    if not has_mode:
        sides = replace(sides, base=f"storage_mode: git\n{sides.base}")
    base, unsure = _read_base(sides, (ours, theirs), name)
    merged = merge(base, ours, theirs, unsure=unsure)
    mode, modes = _merge_mode(base if has_mode else None, ours, theirs)
    return Merged(Manifest(mode, merged.manifest.entries), merged.conflicts, modes, sides.labels)


def read_ancestor(data: bytes, *, name: str) -> tuple[Manifest | None, Collection[Row]]:
    """A base, as Git gives it; the rows that it is unsure about.

    Two branches that were merged with each other more than once have a base that Git made by a merge:
    it may hold conflicts of its own.

    Raises
    ------
    ManifestError
        When it is no manifest.
    """
    if not data.strip():
        return None, ()
    merged = read_text(decode(data, name), name=name)
    return merged.manifest, {conflict.row for conflict in merged.conflicts}


def read_side(data: bytes, *, name: str) -> Manifest | None:
    """One side, as Git gives it: nothing where there is no such file; raises ManifestError."""
    return loads(decode(data, name), name=name) if data.strip() else None


def decode(data: bytes, name: str) -> str:
    """Its text; raises ManifestError where it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{name}:{line}: not UTF-8 text", hint="restore the file from Git") from None


@dataclass(frozen=True, slots=True)
class _Sides:
    ours: str
    base: str | None
    theirs: str
    labels: Labels


_SECTIONS = {"<": "ours", "|": "base", "=": "theirs", ">": ""}
_AFTER = {"": "<", "ours": "|=", "base": "=", "theirs": ">"}


def _split(text: str, name: str) -> _Sides:
    """The three texts that a text with conflicts stands for; the base's may hold conflicts of its own."""
    parts: dict[str, list[str]] = {"ours": [], "base": [], "theirs": []}
    labels: dict[str, str] = {}
    section, size, has_base, number = "", 0, True, 0
    for number, line in enumerate(_LINE.findall(text), 1):
        found = _MARKER.match(line)
        if found is None or (section and len(found[0]) != size):  # another size: a conflict within the base
            for part in [section] if section else parts:
                parts[part].append(line)
            continue
        if found[1] not in _AFTER[section]:
            raise _misplaced(name, number, found[0])
        if section == "ours" and found[1] == "=":
            has_base = False
        if label := line[found.end() :].strip():
            labels["theirs" if found[1] == ">" else _SECTIONS[found[1]]] = label
        section, size = _SECTIONS[found[1]], len(found[0])
    if section:
        raise _misplaced(name, number, "the end of the file")
    ours, base, theirs = ("".join(lines) for lines in parts.values())
    return _Sides(ours, base if has_base else None, theirs, Labels(**labels))


def _misplaced(name: str, line: int, what: str) -> ManifestError:
    return ManifestError(
        f"{name}:{line}: a merge conflict that does not begin and end as one ({what})",
        hint=f"git checkout --merge -- {name}, or restore the file from Git",
    )


def _side(sides: _Sides, side: str, name: str) -> Manifest | None:
    text: str = getattr(sides, side)
    try:
        return loads(text, name=f"{name} ({side})") if text.strip() else None
    except ManifestError as error:
        raise ManifestError(
            f"{error.message}; this is one side of a merge conflict",
            hint=f"resolve the conflict by hand, or git checkout --ours (or --theirs) -- {name}",
        ) from None


def _read_base(
    sides: _Sides, both: tuple[Manifest | None, Manifest | None], name: str
) -> tuple[Manifest | None, Collection[Row]]:
    if sides.base is None:
        return None, {row for side in both if side is not None for row in _rows(side)}
    return read_ancestor(sides.base.encode(), name=f"{name} (base)")


def _rows(manifest: Manifest) -> Iterator[Row]:
    return ((test_id, kind) for test_id, kinds in manifest.entries.items() for kind in kinds)
