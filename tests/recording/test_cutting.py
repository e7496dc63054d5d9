"""Long bodies, written and read piece by piece: the bytes and the values are those of doing it at once."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import IntegrityError
from booktest_cassettes.recording import canonical, codec, cutting
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Interaction, Request, Response

LONG = 120  # more than what canonical puts on one line
_STRANGE = [
    '"',
    "\\",
    "\n",
    "\r",
    ",",
    "]",
    "[",
    "\0",
    "\u2028",
    "é",
    "🦊",
    '"base64": "',
    '\n  "lines": [\n',
    "a" * 30,
]
TEXTS = st.lists(st.sampled_from(_STRANGE) | st.text(max_size=4), max_size=120).map("".join)
BODIES = st.one_of(st.binary(max_size=600), TEXTS.map(str.encode))


@pytest.fixture
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long begins early, and a piece is small."""
    monkeypatch.setattr(cutting, "LONG", LONG)
    monkeypatch.setattr(cutting, "_STEP", 64)
    monkeypatch.setattr(canonical, "_STEP", 63)


def blob(*contents: bytes) -> bytes:
    items = [
        Interaction(Request("POST", "http://x/", (), content), Response(200, body=Body(content)))
        for content in contents
    ]
    return codec.dump_interactions(Kind.HTTP, items)


def written_at_once(*contents: bytes) -> bytes:
    before, cutting.LONG = cutting.LONG, 1 << 40
    try:
        return blob(*contents)
    finally:
        cutting.LONG = before


_QUICK = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@_QUICK
@given(st.lists(BODIES, min_size=1, max_size=4))
def test_a_long_body_has_the_bytes_it_has_when_written_at_once(
    short_steps: None, contents: list[bytes]
) -> None:
    assert blob(*contents) == written_at_once(*contents)


@_QUICK
@given(st.lists(BODIES, min_size=1, max_size=4))
def test_a_long_body_is_read_back(short_steps: None, contents: list[bytes]) -> None:
    items = codec.load_interactions(blob(*contents), name="x")
    assert [item.request.body for item in items] == contents
    assert [item.outcome.body.content for item in items] == contents  # type: ignore[union-attr]


@_QUICK
@given(BODIES, st.data())
def test_what_json_refuses_is_refused_and_what_it_reads_is_read_alike(
    short_steps: None, content: bytes, data: st.DataObject
) -> None:
    """Whatever is done to a blob, cutting changes neither what is accepted nor what it means."""
    whole = bytearray(blob(content + b"0123456789abcdef" * 9))
    place = data.draw(st.integers(0, len(whole)))
    put = data.draw(st.sampled_from([b"", b",", b"\n", b'"', b"\\", b",\n", b"]", b"#", b" ", b"=", b"\xff"]))
    whole[place : place + data.draw(st.integers(0, 3))] = put
    changed = bytes(whole)
    try:
        cutting.LONG = 1 << 40
        expected: object = codec.load_interactions(changed, name="x")
    except IntegrityError:
        expected = IntegrityError
    finally:
        cutting.LONG = LONG
    try:
        found: object = codec.load_interactions(changed, name="x")
    except IntegrityError:
        found = IntegrityError
    assert found == expected


def test_a_comma_behind_the_last_line_is_refused_wherever_a_piece_ends(short_steps: None) -> None:
    text = ("".join(f"{number:030}\n" for number in range(19))).encode()
    plain = blob(text)
    end = len(plain[: plain.index(b"]", plain.index(b'"lines"'))].rstrip())
    with pytest.raises(IntegrityError):
        codec.load_interactions(plain[:end] + b",\n" + plain[end:], name="x")


@pytest.mark.parametrize(
    "content",
    [
        os.urandom(300_000),
        b"one line of text " * 20_000,
        b"many lines\n" * 20_000,
        json.dumps({"nested": '{"a": "\\u00e9\\n"}' * 20_000}).encode(),
        ("é🦊\n" * 40_000).encode(),
    ],
    ids=["binary", "line", "lines", "escapes", "wide"],
)
def test_real_sizes(content: bytes) -> None:
    assert blob(content) == written_at_once(content)
    assert codec.load_interactions(blob(content), name="x")[0].request.body == content
    reduced, bodies = cutting.cut(blob(content))
    assert len(reduced) < 2000
    assert list(bodies.values()) == [content, content]
