"""Parts of pending records: what a person decides about is one kind of one test, or its result file.

This room alone knows what a record consists of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from ..manifest import Manifest
from ..project import Project
from ..store.pending import Pending

#: What the part is called that is the result file; the others are called as their kind.
RESULT = "result"


def names(record: Pending) -> list[str]:
    """What a record consists of: its kinds in order, then its result."""
    result = [RESULT] if record.result is not None else []
    return [*(kind.value for kind in sorted(record.changes)), *result]


def split(record: Pending) -> list[Pending]:
    """A record as records of one part each."""
    return [only(record, (name,)) for name in names(record)]


def only(record: Pending, chosen: Collection[str]) -> Pending:
    """A record with no other parts than these."""
    changes = {kind: change for kind, change in record.changes.items() if kind.value in chosen}
    return replace(record, changes=changes, result=record.result if RESULT in chosen else None)


def join(parts: Iterable[Pending]) -> list[Pending]:
    """Parts put together again, one record per test, in the order in which the tests appear."""
    found: dict[str, Pending] = {}
    for part in parts:
        there = found.get(part.test_id, part)
        found[part.test_id] = replace(
            part, changes={**there.changes, **part.changes}, result=part.result or there.result
        )
    return list(found.values())


def holds(record: Pending | None, part: Pending) -> bool:
    """Whether a record, as it is now, still has all of a part, unchanged."""
    return (
        record is not None
        and record.changes.items() >= part.changes.items()
        and part.result in (None, record.result)
    )


def without(record: Pending, part: Pending) -> Pending | None:
    """What is left of a record once a part of it was decided; ``None`` when that is nothing.

    What was recorded anew since the part was read stays: nobody has looked at it yet.
    """
    changes = {kind: change for kind, change in record.changes.items() if part.changes.get(kind) != change}
    left = replace(record, changes=changes, result=None if record.result == part.result else record.result)
    return left if names(left) else None


def is_settled(project: Project, record: Pending, manifest: Manifest) -> bool:
    """Whether what a record asks for is approved already: by somebody else, or before a kill."""
    result = project.results.read(record.test_id) if record.result is not None else None
    return record.is_settled(manifest.get(record.test_id), result)


def is_based(project: Project, record: Pending, manifest: Manifest) -> bool:
    """Whether what is approved is what a record was recorded against."""
    approved = manifest.get(record.test_id)
    if any(approved.get(kind) != change.base for kind, change in record.changes.items()):
        return False
    return record.result is None or record.result.base == project.results.read(record.test_id)
