"""Rows about bodies that are read piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from columns import COLUMNS, LINES, PIECES
from loopback import PIECES as SENT
from rows import Row, Way, outcome
from stage import Stage
from streaming import Read

_WHOLE = {name: "it gives bodies as a whole" for name in COLUMNS if not PIECES[name]}
_NO_LINES = {name: "it gives no lines" for name in COLUMNS if not LINES[name]}
_TORN = {"tornado": "whether its callback gets a chunk that the end follows at once is an accident of timing"}
_BUFFERED = dict.fromkeys(("urllib3", "requests"), "it waits for a full buffer where there are no chunks")
Tick = Callable[[Stage], Callable[[Any], None]]


def _as_bytes(piece: Any) -> bytes:
    piece = piece[0] if isinstance(piece, tuple) else piece
    return piece.encode() if isinstance(piece, str) else piece


def _release(stage: Stage) -> Callable[[Any], None]:
    return lambda _piece: stage.server.gate.release()


def _release_at_data(stage: Stage) -> Callable[[Any], None]:
    return lambda piece: stage.server.gate.release() if b"data:" in _as_bytes(piece) else None


def _ignore(_stage: Stage) -> Callable[[Any], None]:
    return lambda _piece: None


def reading(
    path: str, tick: Tick, readers: Mapping[str, Mapping[str, Read]], limit: int = -1
) -> Callable[[str], Way]:
    """A scenario in which each of a column's readers reads a stream, and what each saw, piece by piece."""

    def make(column: str) -> Way:
        if not readers[column]:
            raise ValueError(f"{path}: {column} has no reader")

        def play(stage: Stage) -> Any:
            found: dict[str, Any] = {}
            for how, read in readers[column].items():
                stage.reset()  # handlers that an earlier reader left behind take no part in this
                url, told = f"{stage.base}/{path}", tick(stage)
                seen: list[Any] = []

                def note(piece: Any, seen: list[Any] = seen, told: Any = told) -> None:
                    seen.append(piece)
                    told(piece)

                ended = outcome(lambda read=read, url=url, note=note: bool(read(url, limit, note)))
                found[how] = {"pieces": seen, "ended": ended}
            return found

        return play

    return make


def _prompt(stage: Stage) -> None:
    assert stage.server.stalls == 0, "a piece reached the client only after the next one was sent"


def _row(name: str, make: Callable[[str], Way], absent: Mapping[str, str] = _WHOLE, **more: Any) -> Row:
    return Row("Streams", name, {c: make(c) for c in COLUMNS if c not in absent}, absent, **more)


def _joined(make: Callable[[str], Way]) -> Callable[[str], Way]:
    """The same, without where pieces ended."""

    def joined(column: str) -> Way:
        def play(stage: Stage) -> Any:
            found = make(column)(stage)
            return {
                how: {**seen, "pieces": b"".join(map(_as_bytes, seen["pieces"]))}
                for how, seen in found.items()
            }

        return play

    return joined


def _chunk_by_chunk(column: str) -> Way:
    play = reading("pieces", _release, PIECES)(column)

    def way(stage: Stage) -> Any:
        found = play(stage)
        for how, seen in found.items():
            count = sum(1 for piece in seen["pieces"] if _as_bytes(piece))
            # A character that is cut in two makes one piece less of text.
            seen["all chunks"] = count in (len(SENT), len(SENT) - ("text" in how))
        return found

    return way


_ALL = {column: PIECES[column] | LINES[column] for column in COLUMNS}
_EXACT = {"chunks": "exact"}
_EARLY = reading("sse", _release, _ALL, limit=2)
ROWS = [
    _row("SSE, event by event, at once", reading("sse", _release_at_data, _ALL), holds=_prompt),
    _row(
        "SSE until the connection closes",
        reading("events-until-close", _release_at_data, _ALL),
        {**_WHOLE, **_BUFFERED},
        holds=_prompt,
    ),
    _row(
        "chunk by chunk, split inside a character",
        _chunk_by_chunk,
        options={"chunks": "exact"},
        holds=_prompt,
    ),
    _row("plain text in chunks, whole", _joined(reading("chunked", _ignore, _ALL))),
    _row("JSON lines, by line", reading("lines", _ignore, LINES), _NO_LINES),
    _row("closed early", _EARLY),
    _row(
        "closed early, then read further: refused",
        _EARLY,
        again={c: reading("sse", _release, _ALL)(c) for c in COLUMNS if c not in _WHOLE},
        refused=True,
    ),
    _row("reset in the body", reading("torn", _release, PIECES)),
    _row("chunks end early", reading("cut-chunked", _ignore, _ALL), {**_WHOLE, **_TORN}),
]
