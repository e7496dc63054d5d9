"""What a migration did: one row for each recording, and totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from ...wording import count
from ..lines import Line, Style
from ..meter import size
from ..show import inert

#: ``taken``: approved now. ``there``: was approved before, with the same digest. ``skipped``: left as it is
#: on purpose. ``refused``: cannot be read, or looks like it holds a secret. ``orphan``: no test is known.
Status: TypeAlias = Literal["taken", "there", "skipped", "refused", "orphan"]
_STATES: tuple[Status, ...] = ("taken", "there", "skipped", "refused", "orphan")
_STYLES: dict[Status, Style] = {"taken": "added", "refused": "warning", "orphan": "warning"}


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one recording.

    Attributes
    ----------
    paths:
        Its files, relative to the root.
    test_id:
        ``""`` for an orphan.
    kinds:
        Kind to digest.
    interactions:
        Exchanges and calls, over all kinds.
    size:
        Bytes of its blobs.
    why, hint:
        Why it was not taken, and the next command.
    notes:
        What was changed on the way in.
    redactions:
        How often something was redacted, by place.
    stays:
        Its files hold more than was taken: they are not deleted.
    exit_code:
        What the command ends with because of it.
    """

    status: Status
    paths: tuple[str, ...]
    test_id: str = ""
    format: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)
    interactions: int = 0
    size: int = 0
    why: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()
    redactions: Mapping[str, int] = field(default_factory=dict)
    exit_code: int = 0
    stays: bool = False

    def as_json(self) -> dict[str, Any]:
        """For ``json.dumps``."""
        return {
            "status": self.status,
            "paths": list(self.paths),
            "test": self.test_id or None,
            "format": self.format,
            "kinds": dict(self.kinds),
            "interactions": self.interactions,
            "bytes": self.size,
            "why": self.why,
            "next": self.hint,
            "notes": list(self.notes),
            "redactions": dict(self.redactions),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What a migration did, or would do.

    Attributes
    ----------
    deleted:
        Originals that are gone now.
    changed:
        Paths in the work tree that the approvals may have changed, relative to the root.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    dry_run: bool = False
    deleted: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The worst of the rows'."""
        return max((row.exit_code for row in self.rows), default=0)

    @property
    def redactions(self) -> Counter[str]:
        """Over all that was taken, or is there."""
        total: Counter[str] = Counter()
        for row in self._kept:
            total.update(row.redactions)
        return total

    @property
    def totals(self) -> dict[str, int]:
        """Rows by status, the files behind them, and what the taken ones and those already there hold."""
        return {
            **{status: sum(row.status == status for row in self.rows) for status in _STATES},
            "files": len({path for row in self.rows for path in row.paths}),
            "snapshots": sum(len(row.kinds) for row in self._kept),
            "interactions": sum(row.interactions for row in self._kept),
            "bytes": sum(row.size for row in self._kept),
        }

    @property
    def _kept(self) -> list[Row]:
        return [row for row in self.rows if row.status in ("taken", "there")]

    def as_json(self) -> dict[str, Any]:
        """For ``json.dumps``."""
        return {
            "dry_run": self.dry_run,
            "recordings": [row.as_json() for row in self.rows],
            "totals": self.totals,
            "redactions": dict(sorted(self.redactions.items())),
            "notes": list(self.notes),
            "deleted": list(self.deleted),
        }

    def lines(self) -> Iterator[Line]:
        """For people."""
        for row in self.rows:
            yield from _lines(row, dry_run=self.dry_run)
        for note in self.notes:
            yield Line(inert(note), "dim")
        redacted = self.redactions
        if redacted:
            yield Line(f"redacted: {count(sum(redacted.values()), 'value')}", "title")
            for place, number in sorted(redacted.items(), key=lambda pair: (-pair[1], pair[0])):
                yield Line(f"  {inert(place)}: {number:,}")
        totals = self.totals
        states = [_counted(totals[status], status) for status in _STATES if totals[status]]
        of = f"{count(totals['interactions'], 'interaction')}, {size(totals['bytes'])}"
        verb = "would migrate" if self.dry_run else "migrated"
        yield Line(f"{verb}: {', '.join(states) or 'nothing was found'} ({of})", "title")
        if self.deleted:
            yield Line(f"deleted: {count(len(self.deleted), 'original')}  (git add --update stages that)")


def _counted(number: int, status: Status) -> str:
    if status == "orphan":
        return count(number, status)
    return f"{number:,} {'already there' if status == 'there' else status}"


def _lines(row: Row, *, dry_run: bool) -> Iterator[Line]:
    where = " + ".join(map(inert, row.paths))
    whose = f" -> {inert(row.test_id)}" if row.test_id and (row.test_id,) != row.paths else ""
    held = f"{count(row.interactions, 'interaction')}, " if row.interactions else ""  # none: variables alone
    what = f" ({', '.join(row.kinds)}: {held}{size(row.size)})" if row.kinds else ""
    word = f"would be {row.status}" if dry_run and row.status == "taken" else row.status
    yield Line(f"{word}: {where}{whose}{what}", _STYLES.get(row.status, ""))
    if row.why:
        yield Line(f"  {inert(row.why)}")
    if row.hint:
        yield Line(f"  next: {inert(row.hint)}")
    for note in row.notes:
        yield Line(f"  {inert(note)}", "dim")
