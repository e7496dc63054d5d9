"""The matrix: every row for every column, judged; by one rule for every recorder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rows
import rows_connections
import rows_order
import rows_streams
import rows_strict
import rows_uploads
from backends import Backend
from columns import COLUMNS
from lab import same
from rows import Row
from stage import Stage

ROWS: dict[str, Row] = {
    f"{row.group}: {row.name}": row
    for room in (rows, rows_uploads, rows_streams, rows_connections, rows_order, rows_strict)
    for row in room.ROWS
}


def cells() -> list[tuple[str, str]]:
    """Row and column of every cell that has something to play."""
    return [(name, column) for name, row in ROWS.items() for column in COLUMNS if column in row.ways]


class Verdict(Exception):
    """Why a cell did not pass."""

    def __init__(self, sign: str, text: str) -> None:
        super().__init__(f"{sign}: {text}")
        self.sign = sign


#: What has to be equal for a cell to pass in its essentials, of a response and of an exception.
ESSENTIALS = frozenset({"status", "body", "pieces", "ended", "type"})


def essence(seen: Any) -> Any:
    """The essentials of what a client showed."""
    if isinstance(seen, dict):
        detailed = not ESSENTIALS.isdisjoint(seen)
        return {key: essence(seen[key]) for key in seen if not detailed or key in ESSENTIALS}
    return [essence(item) for item in seen if item != b""] if isinstance(seen, list) else seen


def judge(
    name: str, column: str, make: Callable[[Path], Backend], of: Callable[[Any], Any] = lambda seen: seen
) -> None:
    """Play a cell live, recorded and replayed.

    Parameters
    ----------
    of:
        What is compared of all that the client showed; by default everything.

    Raises
    ------
    Verdict
        When the recording differs from the live run, the replay from the recording, when a replay
        reaches a server, or fails, or does not fail where it must.
    """
    row = ROWS[name]
    with tempfile.TemporaryDirectory(prefix="cell") as directory, Stage() as stage:
        backend = make(Path(directory))
        try:
            recorded = _record(row, column, stage, backend, of)
            _replay(row, column, stage, backend, recorded, of)
        finally:
            backend.close()


def _record(row: Row, column: str, stage: Stage, backend: Backend, of: Any) -> Any:
    way = row.ways[column]
    live = _play(way, stage)  # outside of any cassette: what the others are compared with
    for first in (True, False) if backend.addressed else (True,):
        with _blaming("records not"), backend.recording(dict(row.options)):
            recorded = _play(way, stage)
        with _blaming("records another answer"):
            same(of(recorded), of(live), "recorded", "live")
            if row.holds:
                row.holds(stage)
        kept = backend.keep()
        if first and not kept:
            raise Verdict("records nothing", "no recording was made")
        if kept and not first:
            raise Verdict("unstable", "recording the same again gave another digest")
    return recorded


def _replay(row: Row, column: str, stage: Stage, backend: Backend, recorded: Any, of: Any) -> None:
    way = row.again.get(column, row.ways[column])
    options = {**row.options, **({"unused": "ignore"} if row.refused else {})}
    arrivals, replayed, error = stage.arrivals, None, None
    try:
        with backend.replaying(options):
            replayed = _play(way, stage)
    except Exception as found:
        error = found
    if stage.arrivals != arrivals:
        raise Verdict("leaks", "the replay reached a server")
    if row.refused:
        if error is None or not backend.refused(error):
            raise Verdict("lenient", f"the replay was not refused, it ended with {error!r}")
    elif error is not None:
        raise Verdict("replay fails", f"{type(error).__name__}: {error}") from error
    else:
        with _blaming("replays another answer"):
            same(of(replayed), of(recorded), "replayed", "recorded")


def _play(way: Any, stage: Stage) -> Any:
    stage.reset()
    return way(stage)


@contextmanager
def _blaming(sign: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise Verdict(sign, f"{type(error).__name__}: {error}") from error
