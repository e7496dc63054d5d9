"""Bodies: readable in the blob, exact on the wire."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from booktest_cassettes.recording.bodies import Body, Coding, is_json, media_type, pieces

repetitive = st.lists(st.sampled_from([b'{"id": ', b"0", b"1", b'"name"', b", ", b"\n"]), max_size=200).map(
    b"".join
)
contents = st.binary(max_size=300) | repetitive
WINDOWS = {"gzip": 31, "zlib": 15, "deflate": -15}
ENCODINGS = {"gzip": "gzip", "zlib": "deflate", "deflate": "deflate"}
BIG = b"".join(
    b'{"id": %d, "name": "item %x", "price": %d},\n' % (n, n * n, n * 7919 % 1000) for n in range(12_000)
)


def compressed(name: str, content: bytes, level: int, memory: int) -> bytes:
    press = zlib.compressobj(level, zlib.DEFLATED, WINDOWS[name], memory)
    return press.compress(content) + press.flush()


def same_wire(name: str, one: bytes, other: bytes) -> bool:
    """Equal, a gzip header's timestamp and operating system aside."""
    if name != "gzip":
        return one == other
    return (one[:4], one[8], one[10:]) == (other[:4], other[8], other[10:])


# -- opened and closed again -------------------------------------------------------------------------


@settings(max_examples=300)
@given(
    name=st.sampled_from(sorted(WINDOWS)),
    content=contents,
    level=st.integers(-1, 9),
    memory=st.sampled_from([8, 9]),
)
@example(name="gzip", content=b"", level=6, memory=8)
def test_a_compressed_body_is_readable_and_comes_back_to_the_exact_wire_bytes(name, content, level, memory):
    wire = compressed(name, content, level, memory)
    body = Body.from_wire(wire, ENCODINGS[name])
    assert body.content == content
    assert body.coding is not None
    assert same_wire(name, body.wire, wire)
    assert Body.from_wire(body.wire, ENCODINGS[name]) == body


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("level", range(10))
@pytest.mark.parametrize("memory", [8, 9])
def test_a_large_compressed_body_comes_back_to_the_exact_wire_bytes(name, level, memory):
    wire = compressed(name, BIG, level, memory)
    body = Body.from_wire(wire, ENCODINGS[name])
    assert body.content == BIG
    assert same_wire(name, body.wire, wire)


@given(content=contents, level=st.integers(1, 9), moment=st.integers(1, 2**32 - 1))
def test_when_gzip_ran_leaves_no_trace(content, level, moment):
    first, second = (gzip.compress(content, level, mtime=mtime) for mtime in (moment, moment // 2))
    assert Body.from_wire(first, "gzip") == Body.from_wire(second, "gzip")
    assert same_wire("gzip", Body.from_wire(first, "gzip").wire, first)


@given(content=contents)
def test_a_stream_that_another_compressor_made_is_read_and_made_anew(content):
    press = zlib.compressobj(6, zlib.DEFLATED, 31, 8, zlib.Z_HUFFMAN_ONLY)
    wire = press.compress(content) + press.flush(zlib.Z_SYNC_FLUSH) + press.flush()
    body = Body.from_wire(wire, "gzip")
    assert body.content == content
    assert gzip.decompress(body.wire) == content


@pytest.mark.parametrize("spelling", ["gzip", "GZIP", " x-gzip ", "Gzip"])
def test_the_coding_is_found_however_it_is_spelled(spelling):
    assert Body.from_wire(gzip.compress(b"x"), spelling).content == b"x"


def test_a_gzip_header_with_a_file_name_is_read():
    file = io.BytesIO()
    with gzip.GzipFile("name.txt", "wb", fileobj=file) as packed:
        packed.write(b"content")
    assert Body.from_wire(file.getvalue(), "gzip").content == b"content"


# -- kept as they were -------------------------------------------------------------------------------

GZIP, ZLIB = gzip.compress(b"content" * 9, mtime=0), zlib.compress(b"content" * 9)


@pytest.mark.parametrize(
    ("wire", "encoding"),
    [
        (GZIP + GZIP, "gzip"),
        (GZIP + b"garbage", "gzip"),
        (ZLIB + b"\0", "deflate"),
        (GZIP[:-1], "gzip"),
        (GZIP[:12], "gzip"),
        (ZLIB[:-1], "deflate"),
        (GZIP[:-8] + bytes(8), "gzip"),
        (GZIP[:15] + b"\xff\xff" + GZIP[17:], "gzip"),
        (b"plain after all", "gzip"),
        (b"plain after all", "deflate"),
        (GZIP, "br"),
        (GZIP, "zstd"),
        (GZIP, "gzip, br"),
        (gzip.compress(GZIP, mtime=0), "gzip, gzip"),
        (GZIP, "deflate, gzip"),
        (GZIP, "identity"),
        (GZIP, "unheard-of"),
        (GZIP, ""),
        (b"", "gzip"),
        (b"", ""),
    ],
)
def test_what_cannot_be_closed_again_is_kept_as_it_was_on_the_wire(wire, encoding):
    body = Body.from_wire(wire, encoding)
    assert body == Body(wire)
    assert body.wire == wire


@settings(max_examples=300)
@given(wire=st.binary(max_size=200), encoding=st.sampled_from(["gzip", "deflate", "br", ""]))
def test_any_bytes_are_kept_or_opened(wire, encoding):
    body = Body.from_wire(wire, encoding)
    assert body.wire == wire if body.coding is None else body.content is not None


@given(content=contents, cut=st.integers(1, 20))
def test_a_cut_stream_is_kept_as_it_was(content, cut):
    for name, window in WINDOWS.items():
        wire = compressed(name, content, 6, 8)
        short = wire[:-cut]
        if zlib.decompressobj(window).copy().decompress(short) != content or name != "deflate":
            assert Body.from_wire(short, ENCODINGS[name]).wire == short


# -- pieces ------------------------------------------------------------------------------------------

SSE = "text/event-stream"


@pytest.mark.parametrize(
    ("wire", "parts"),
    [
        (b"data: a\n\ndata: b\n\n", [b"data: a\n\n", b"data: b\n\n"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"data: a\r\n\r\n", b"data: b\r\n\r\n"]),
        (b"data: a\r\rdata: b\r\r", [b"data: a\r\r", b"data: b\r\r"]),
        (b"data: a\n\r\ndata: b\r\n\n", [b"data: a\n\r\n", b"data: b\r\n\n"]),
        (b"event: x\r\ndata: a\r\n\r\n", [b"event: x\r\ndata: a\r\n\r\n"]),
        (b"data: a\n\ndata: no end", [b"data: a\n\n", b"data: no end"]),
        (b": ping\n\n\n\ndata: a\n\n", [b": ping\n\n", b"\n\n", b"data: a\n\n"]),
        (b"data: a\n\n\ndata: b", [b"data: a\n\n", b"\ndata: b"]),
        (b"\n\n", [b"\n\n"]),
        (b"", []),
    ],
)
def test_an_event_stream_comes_event_by_event(wire, parts):
    assert pieces(Body(wire), SSE) == parts
    assert pieces(Body(wire), "Text/Event-Stream; charset=utf-8") == parts


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl", "application/json-seq"])
def test_json_lines_come_line_by_line(kind):
    assert pieces(Body(b'{"a":1}\n{"b":"\xe2\x80\xa8"}\r\n\n{"c"'), kind) == [
        b'{"a":1}\n',
        b'{"b":"\xe2\x80\xa8"}\r\n',
        b"\n",
        b'{"c"',
    ]


def test_other_bodies_come_whole():
    assert pieces(Body(b"a\n\nb\n"), "application/json") == [b"a\n\nb\n"]
    assert pieces(Body(b""), "text/plain") == []
    body = Body(b"data: a\n\ndata: b\n\n", Coding("gzip"))
    assert pieces(body, SSE) == [body.wire]


def test_recorded_splits_are_followed():
    assert pieces(Body(b"abcdef"), SSE, (2, 3)) == [b"ab", b"c", b"def"]
    body = Body(b"abcdef", Coding("gzip"))
    assert [len(part) for part in pieces(body, "", (10,))] == [10, len(body.wire) - 10]


@settings(max_examples=300)
@given(
    body=st.builds(
        Body,
        st.lists(st.sampled_from([b"\r", b"\n", b"data: x", b"\xff"]), max_size=12).map(b"".join) | contents,
        st.none() | st.builds(Coding, st.sampled_from(sorted(WINDOWS)), st.integers(0, 9)),
    ),
    content_type=st.sampled_from([SSE, "application/x-ndjson", "application/json", ""]),
    splits=st.lists(st.integers(-5, 400), max_size=5).map(tuple),
)
def test_the_pieces_together_are_the_wire_bytes(body, content_type, splits):
    parts = pieces(body, content_type, splits)
    assert b"".join(parts) == body.wire
    assert all(parts)


# -- content types -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("Application/JSON ; charset=utf-8", True),
        ("text/json", True),
        ("application/problem+json", True),
        ("application/vnd.api+json;v=1", True),
        ("application/x-amz-json-1.1", True),
        ("application/jsonl", False),
        ("application/json-seq", False),
        ("text/plain", False),
        ("", False),
    ],
)
def test_json_is_known_by_its_content_type(content_type, expected):
    assert is_json(content_type) is expected


def test_a_media_type_has_no_parameters():
    assert media_type(" Text/HTML ;charset=x") == "text/html"
