"""What a row of the matrix is, and the rows that are one everyday exchange."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from clients import Ask
from columns import COLUMNS, exchanging
from lab import described
from stage import Stage

Way = Callable[[Stage], Any]


@dataclass(frozen=True)
class Row:
    """One scenario, for each column that has a way to play it.

    Attributes
    ----------
    ways:
        Column to the scenario: plays it, and returns everything the client showed.
    absent:
        Column to the reason why there is no way.
    again:
        Column to another way of saying the same, played instead on replay.
    refused:
        ``again`` must be refused: nothing may reach a server, and the cassette must fail at its end.
    options:
        Options of our cassette.
    holds:
        What must be true of the servers after the recording, besides.
    """

    group: str
    name: str
    ways: Mapping[str, Way]
    absent: Mapping[str, str] = field(default_factory=dict)
    again: Mapping[str, Way] = field(default_factory=dict)
    refused: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    holds: Callable[[Stage], None] | None = None

    def __post_init__(self) -> None:
        missing = [name for name in COLUMNS if (name in self.ways) == (name in self.absent)]
        if missing:
            raise ValueError(f"{self.name}: {missing[0]} has to have either a way or a reason")


_NONE: Mapping[str, str] = MappingProxyType({})


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns, or the exception it raises, described."""
    try:
        return call()
    except Exception as error:
        return described(error)


def for_all(make: Callable[[str], Way], without: Mapping[str, str] | None = None) -> dict[str, Way]:
    """A way for each column but some."""
    return {column: make(column) for column in COLUMNS if column not in (without or {})}


def asking(
    ask: Ask | Callable[[Stage], Ask],
    base: Callable[[Stage], str] = lambda stage: stage.base,
    *,
    failing: bool = False,
) -> Callable[[str], Way]:
    """A scenario of one exchange, which raises where it is ``failing``."""

    def make(column: str) -> Way:
        def play(stage: Stage) -> Any:
            asked = ask(stage) if callable(ask) else ask
            call = lambda: exchanging(column, base(stage), asked)  # noqa: E731
            return outcome(call) if failing else call()

        return play

    return make


def _row(
    group: str, name: str, ask: Ask, *, failing: bool = False, without: Mapping[str, str] = _NONE
) -> Row:
    return Row(group, name, for_all(asking(ask, failing=failing), without), without)


_OCTETS = {"Content-Type": "application/octet-stream"}
_ENCODED = {"Accept-Encoding": "gzip, deflate, br, zstd"}

BODIES = [
    _row("Bodies", "JSON", Ask("/json", headers={"X-Sent": "yes"})),
    _row("Bodies", "text", Ask("/text")),
    _row("Bodies", "text in latin-1", Ask("/latin-text")),
    _row("Bodies", "binary", Ask("/binary")),
    _row("Bodies", "no Content-Type", Ask("/untyped")),
    _row("Bodies", "empty", Ask("/empty")),
    _row("Bodies", "POST JSON", Ask("/echo", "POST", json={"b": [1, {"c": "é"}], "a": None})),
    _row("Bodies", "POST form", Ask("/echo", "POST", form={"name": "Ada Lovelace", "note": "é&=+"})),
    _row("Bodies", "POST bytes", Ask("/echo", "POST", _OCTETS, bytes(range(256)))),
    _row("Bodies", "PUT", Ask("/echo", "PUT", {"Content-Type": "text/plain"}, b"text")),
    _row("Bodies", "PATCH", Ask("/echo", "PATCH", json=[1])),
    _row("Bodies", "DELETE", Ask("/echo", "DELETE")),
    _row("Bodies", "OPTIONS", Ask("/echo", "OPTIONS")),
    _row("Bodies", "HEAD", Ask("/text", "HEAD")),
    _row("Bodies", "HEAD of a compressed body", Ask("/gzip", "HEAD", _ENCODED)),
    _row("Bodies", "HEAD without a length", Ask("/no-content", "HEAD")),
]
CODINGS = [
    _row("Content codings", "gzip", Ask("/gzip", headers=_ENCODED)),
    _row("Content codings", "gzip in chunks", Ask("/gzip-chunked", headers=_ENCODED)),
    _row("Content codings", "deflate", Ask("/deflate", headers=_ENCODED)),
    _row("Content codings", "deflate without zlib's header", Ask("/raw-deflate", headers=_ENCODED)),
    _row("Content codings", "br", Ask("/brotli", headers=_ENCODED)),
    _row("Content codings", "zstd", Ask("/zstd", headers=_ENCODED)),
    _row("Content codings", "deflate, then gzip", Ask("/stacked", headers=_ENCODED)),
    _row("Content codings", "gzip with wrong bytes inside", Ask("/corrupt-gzip"), failing=True),
    *(
        _row("Content codings", f"{name} that is none", Ask(f"/corrupt/{name}"), failing=True)
        for name in ("gzip", "deflate", "br", "zstd")
    ),
]
HEADS = [
    _row("Status and headers", "204", Ask("/no-content")),
    _row("Status and headers", "304", Ask("/not-modified", headers={"If-None-Match": '"abc"'})),
    _row("Status and headers", "404", Ask("/nowhere")),
    _row("Status and headers", "500", Ask("/status/500")),
    _row("Status and headers", "unknown 299", Ask("/status/299")),
    _row("Status and headers", "unknown 799", Ask("/status/799")),
    _row("Status and headers", "repeated Set-Cookie in order", Ask("/cookies")),
    _row("Status and headers", "mixed case, latin-1, repeats, empty values", Ask("/headers")),
    _row("Status and headers", "custom reason", Ask("/reason/custom")),
    _row("Status and headers", "latin-1 reason", Ask("/reason/latin")),
    _row("Status and headers", "empty reason", Ask("/reason/empty")),
    _row(
        "Status and headers", "no reason", Ask("/no-reason"), without={"tornado": "it takes that for garbage"}
    ),
    _row("Status and headers", "100 before 200", Ask("/continue")),
]
FRAMING = [
    _row("Framing", "chunked", Ask("/chunked")),
    _row("Framing", "chunked JSON lines", Ask("/lines")),
    _row("Framing", "until the connection closes", Ask("/until-close")),
    _row("Framing", "HTTP/1.0", Ask("/http10")),
    _row("Framing", "body ends early", Ask("/cut"), failing=True),
    _row("Framing", "chunks end early", Ask("/cut-chunked"), failing=True),
    _row("Framing", "no answer at all", Ask("/hang-up"), failing=True),
    _row("Framing", "no answer to a POST", Ask("/hang-up", "POST", json={"a": 1}), failing=True),
    _row("Framing", "an answer that is not HTTP", Ask("/garbage"), failing=True),
]
REDIRECTS = [
    _row("Redirects", "301, 307, 303, relative", Ask("/redirect/2")),
    _row("Redirects", "a POST is redirected", Ask("/redirect/2", "POST", json={"a": 1})),
    _row("Redirects", "in a loop", Ask("/loop"), failing=True),
]
ROWS = [*BODIES, *CODINGS, *HEADS, *FRAMING, *REDIRECTS]
