"""Pending records: which staged blobs wait for a person, one small file per test.

Parallel workers run different tests, so they never write the same file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..digest import Digest, Kind
from ..errors import IntegrityError
from ..files import atomic_write, list_names, locked, read_bytes, remove, safe_name

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Change:
    """One kind of one test: the approved digest it was recorded against, and the staged one.

    ``None`` stands for no snapshot: ``base`` of a new one, ``staged`` of one that went away.
    """

    base: Digest | None
    staged: Digest | None


@dataclass(frozen=True, slots=True)
class ResultChange:
    """A test's result: the approved text it was compared with, and the one it wrote; ``None`` for none."""

    base: str | None
    staged: str | None

    @property
    def state(self) -> str:
        """``new``, ``updated`` or ``gone``."""
        return "new" if self.base is None else "gone" if self.staged is None else "updated"


@dataclass(frozen=True, slots=True)
class Pending:
    """What one test's recording would change once approved.

    Attributes
    ----------
    changes:
        Its snapshots, by kind.
    result:
        Its result file (ADR-0014), where that would change.
    """

    test_id: str
    changes: Mapping[Kind, Change]
    result: ResultChange | None = None

    def is_settled(self, approved: Mapping[Kind, Digest], result: str | None) -> bool:
        """Whether these approved digests and this approved result are what it asks for."""
        is_same = self.result is None or self.result.staged == result
        return is_same and all(approved.get(kind) == change.staged for kind, change in self.changes.items())


class PendingRecords:
    """The records in one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, test_id: str) -> Path:
        """The record file of a test; no two tests share one."""
        return self.root / f"{safe_name(test_id)}.json"

    def exclusive(self) -> AbstractContextManager[None]:
        """The lock of staging, a context manager; raises StorageError when it is not free in time.

        To be held from the first blob staged to the record saved, and from a look at the records to
        the deletion of blobs that none of them names: equal blobs of two tests are one file.
        """
        return locked(self.root)

    def save(self, pending: Pending) -> None:
        """Write a test's record, replacing an earlier one; raises StorageError."""
        changes = {
            kind.value: [change.base, change.staged] for kind, change in sorted(pending.changes.items())
        }
        document: dict[str, Any] = {"version": _VERSION, "test": pending.test_id, "changes": changes}
        if pending.result is not None:
            document["result"] = [pending.result.base, pending.result.staged]
        data = json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
        atomic_write(self.path(pending.test_id), data)

    def load(self, test_id: str) -> Pending | None:
        """A test's record, or ``None``; raises IntegrityError for a damaged one."""
        return self._read(self.path(test_id))

    def remove(self, test_id: str) -> None:
        """Forget a test's record."""
        remove(self.path(test_id))

    def __iter__(self) -> Iterator[Pending]:
        """Every record, by test id; raises IntegrityError for a damaged one."""
        names = [name for name in list_names(self.root) if name.endswith(".json")]
        found = [pending for name in names if (pending := self._read(self.root / name))]
        yield from sorted(found, key=lambda pending: pending.test_id)

    def parse(self, data: bytes, name: str) -> Pending:
        """A record that came from elsewhere under this file name; raises IntegrityError."""
        return self._checked(data, self.root / name)

    def _read(self, path: Path) -> Pending | None:
        data = read_bytes(path)
        return None if data is None else self._checked(data, path)

    def _checked(self, data: bytes, path: Path) -> Pending:
        try:
            pending = _parse(data)
            if path != self.path(pending.test_id):
                raise ValueError(f"the record of {pending.test_id!r} has another name")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, IntegrityError) as error:
            raise IntegrityError(
                f"{path}: damaged pending record: {error}",
                hint=f"delete {path} and record that test again",
            ) from None
        return pending


def _parse(data: bytes) -> Pending:
    document = json.loads(data.decode("utf-8", "surrogatepass"), object_pairs_hook=_unique)
    if document["version"] != _VERSION:
        raise ValueError(f"version {document['version']!r}, not {_VERSION}")
    test_id = document["test"]
    if not isinstance(test_id, str):
        raise TypeError(f"the test id is {test_id!r}")
    changes = {
        Kind(kind): Change(_digest(base), _digest(staged))
        for kind, (base, staged) in document["changes"].items()
    }
    return Pending(test_id, changes, _result(document["result"]) if "result" in document else None)


def _result(value: Any) -> ResultChange:
    base, staged = value
    for text in (base, staged):
        if text is not None and not isinstance(text, str):
            raise TypeError(f"a result is {type(text).__name__}")
    if base == staged:
        raise ValueError("its result does not change")
    if staged is not None and (not staged.endswith("\n") or "\r" in staged):
        raise ValueError("its result is not as we write it")
    if staged is not None:
        staged.encode()  # halves of characters go into no file
    return ResultChange(base, staged)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _digest(value: Any) -> Digest | None:
    return None if value is None else Digest.parse(value)
