"""Pending records: which staged blobs wait for a person, one small file per test.

Parallel workers run different tests, so they never write the same file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..digest import Digest, Kind, short_hash
from ..errors import IntegrityError
from ..files import atomic_write, read_bytes, remove, safe_name, storage_errors

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Change:
    """One kind of one test: the approved digest it was recorded against, and the staged one.

    ``None`` stands for no snapshot: ``base`` of a new one, ``staged`` of one that went away.
    """

    base: Digest | None
    staged: Digest | None


@dataclass(frozen=True, slots=True)
class Pending:
    """What one test's recording would change once approved."""

    test_id: str
    changes: Mapping[Kind, Change]


class PendingRecords:
    """The records in one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, test_id: str) -> Path:
        """The record file of a test."""
        return self.root / f"{safe_name(test_id)[:60].rstrip('. ')}-{short_hash(test_id, 16)}.json"

    def save(self, pending: Pending) -> None:
        """Write a test's record, replacing an earlier one; raises StorageError."""
        changes = {
            kind.value: [change.base, change.staged] for kind, change in sorted(pending.changes.items())
        }
        document = {"version": _VERSION, "test": pending.test_id, "changes": changes}
        data = json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
        atomic_write(self.path(pending.test_id), data)

    def load(self, test_id: str) -> Pending | None:
        """A test's record, or ``None``; raises IntegrityError for a damaged one."""
        path = self.path(test_id)
        data = read_bytes(path)
        return None if data is None else _parse(data, path)

    def remove(self, test_id: str) -> None:
        """Forget a test's record."""
        remove(self.path(test_id))

    def __iter__(self) -> Iterator[Pending]:
        """Every record, by test id."""
        with storage_errors("list", self.root):
            paths = sorted(self.root.glob("*.json")) if self.root.is_dir() else []
        found = [_parse(data, path) for path in paths if (data := read_bytes(path)) is not None]
        yield from sorted(found, key=lambda pending: pending.test_id)


def _parse(data: bytes, path: Path) -> Pending:
    try:
        document = json.loads(data.decode("utf-8", "surrogatepass"))
        if document["version"] != _VERSION:
            raise ValueError(f"version {document['version']}")
        changes = {
            Kind(kind): Change(_digest(base), _digest(staged))
            for kind, (base, staged) in document["changes"].items()
        }
        return Pending(str(document["test"]), changes)
    except (ValueError, KeyError, TypeError, AttributeError, IntegrityError) as error:
        raise IntegrityError(
            f"{path}: damaged pending record: {error}", hint=f"delete {path} and record that test again"
        ) from None


def _digest(value: Any) -> Digest | None:
    return None if value is None else Digest.parse(value)
