"""Streams: delivered while they are recorded, replayed in the same pieces, never read too far."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from lab import ID, Lab
from streaming import STREAMS, Read

from booktest_cassettes import cassette
from booktest_cassettes.errors import UnhandledRequest

# httpx leaves its own generators to the collector when a stream is closed early; trio says so, live too.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http(x|core):ResourceWarning")


def _bytes(piece: Any) -> bytes:
    piece = piece[0] if isinstance(piece, tuple) else piece
    return piece.encode() if isinstance(piece, str) else piece


def _parametrised(readers: dict[str, Read]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("read", readers.values(), ids=readers.keys())


@_parametrised(STREAMS)
def test_json_lines_come_line_by_line(lab: Lab, read: Read) -> None:
    lab.record()
    url = f"{lab.server.base}/lines"
    with cassette(ID):
        recorded = b"".join(map(_bytes, read(url, -1, lambda _: None)))
    lab.approve()
    with cassette(ID):
        pieces = read(url, -1, lambda _: None)
    assert b"".join(map(_bytes, pieces)) == recorded
    assert len([piece for piece in pieces if _bytes(piece)]) == 4


@_parametrised(STREAMS)
def test_a_stream_closed_early_is_replayed_as_far_and_refused_beyond(lab: Lab, read: Read) -> None:
    url = f"{lab.server.base}/sse"

    def open_gate(piece: Any) -> None:
        lab.server.gate.release()

    digests = []
    for _ in range(2):
        lab.server.reset()
        lab.record()
        with cassette(ID):
            recorded = read(url, 2, open_gate)
        digests.append(lab.digests())
    assert digests[0] == digests[1]
    lab.approve()
    counters = lab.counters
    with cassette(ID, unused="error"):
        assert read(url, 2, open_gate) == recorded
    with cassette(ID):
        assert read(url, 1, open_gate) == recorded[:1]
    with pytest.raises(UnhandledRequest, match="read further than it was"), cassette(ID):
        with suppress(Exception):  # what the code under test may do with it
            read(url, -1, open_gate)
    assert lab.counters == counters
