"""What went wrong with snapshots in this run, in this process or in a worker: it decides the exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import CassetteError
from ..files import atomic_write, read_bytes

_FILE = "cassettes.json"

_codes: list[int] = []
_told: list[str] = []
_refused: set[str] = set()
_batches: list[Path] = []


def remember(error: CassetteError, batch: str | None, *, refused: str | None = None) -> None:
    """An error that a test ends with.

    Parameters
    ----------
    error:
        What happened.
    batch:
        booktest's directory of this worker's test, through which its parent hears of it; ``None`` in
        the parent itself.
    refused:
        The test whose result was to be accepted and is not: nothing else says it.
    """
    if batch is None:
        _hear(error.exit_code, str(error), refused)
        return
    path = Path(batch) / _FILE
    known = json.loads(read_bytes(path) or b"[]")
    known.append([error.exit_code, str(error), refused])
    atomic_write(path, json.dumps(known).encode())


def _hear(code: int, text: str, refused: str | None) -> None:
    _codes.append(code)
    if refused is not None:
        _refused.add(refused)
        _told.append(f"{refused}: its result is not accepted\n  {text}")


def was_refused(test: str) -> bool:
    """Whether this run could not accept a test's result: it does not try again by itself."""
    return test in _refused or any(
        refused == test
        for batches in _batches
        for _, _, refused in _read(batches / ".".join(test.split("/")))
    )


@contextmanager
def listening(out_dir: str) -> Iterator[None]:
    """While workers run: hear what they have to say."""
    batches = Path(out_dir, ".batches")
    _batches.append(batches)
    try:
        yield
    finally:
        _batches.remove(batches)
        for directory in sorted(batches.glob("*")):
            for said in _read(directory):
                _hear(*said)


def _read(directory: Path) -> list[Any]:
    found: list[Any] = json.loads(read_bytes(directory / _FILE) or b"[]")
    return found


def ended(code: Any) -> Any:
    """Say what nobody said yet, and give the exit code of a run that booktest ended with ``code``."""
    told, gravest = list(_told), max(_codes, default=0)
    _told.clear()
    _codes.clear()
    for text in dict.fromkeys(told):
        print(f"\ncassettes: {text}", file=sys.stderr)
    return gravest if gravest > 1 and code else code
