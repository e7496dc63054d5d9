"""Standard error, which booktest takes for each test and does not give back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_saved: list[TextIO | None] = []


def save() -> None:
    """Remember what standard error is before booktest takes it."""
    if not _saved:
        _saved.append(sys.stderr)


def restore() -> None:
    """Give it back: booktest leaves a closed file in its place, which no library expects."""
    if _saved:
        sys.stderr = _saved[0]  # None where a daemon closed it


@contextmanager
def real() -> Iterator[None]:
    """For what remembers the stream it finds: logging, in a library loaded while a test runs."""
    taken = sys.stderr
    restore()
    try:
        yield
    finally:
        sys.stderr = taken


@contextmanager
def shown() -> Iterator[None]:
    """Give it back where this raises, for good: what ends a run is not hidden in the log of a test."""
    try:
        yield
    except BaseException:
        restore()
        raise
