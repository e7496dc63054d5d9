"""betamax's cassettes: every form its versions wrote, made here, and what must be refused."""

from __future__ import annotations

import base64
import gzip
import json
import tracemalloc
import zlib
from typing import Any

import pytest

from booktest_cassettes.errors import IntegrityError
from booktest_cassettes.importing import betamax
from booktest_cassettes.recording.model import Response

URL = "https://api.test/users?page=1"


def exchange(**changes: Any) -> dict[str, Any]:
    """One exchange as betamax 0.8 writes it; dotted names reach into it."""
    found: dict[str, Any] = {
        "recorded_at": "2020-01-01T00:00:00",
        "request": {
            "method": "GET",
            "uri": URL,
            "headers": {"Accept": ["*/*"], "Authorization": ["<AUTH_TOKEN>"]},
            "body": {"encoding": "utf-8", "string": ""},
        },
        "response": {
            "status": {"code": 200, "message": "OK"},
            "url": URL,
            "headers": {"Content-Type": ["application/json"], "Set-Cookie": ["a=1", "b=2"]},
            "body": {"encoding": "utf-8", "string": '{"name": "Ada"}'},
        },
    }
    for path, value in changes.items():
        *steps, last = path.split("__")
        place = found
        for step in steps:
            place = place[step]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return found


def cassette(*items: Any) -> bytes:
    return json.dumps({"http_interactions": items, "recorded_with": "betamax/0.8.1"}).encode()


def only(item: dict[str, Any]) -> tuple[Any, Response]:
    (found,) = betamax.read(cassette(item), "c.json").interactions
    assert isinstance(found.outcome, Response)
    return found.request, found.outcome


def test_an_exchange_is_read_whole():
    request, response = only(exchange())
    assert (request.method, request.url, request.body) == ("GET", URL, b"")
    assert (response.status, response.reason, response.body.content) == (200, "OK", b'{"name": "Ada"}')
    assert response.headers == (
        ("Content-Type", "application/json"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    )


def test_a_placeholder_stays_where_a_secret_was():
    assert only(exchange())[0].header("authorization") == "<AUTH_TOKEN>"


def test_a_gzip_body_in_base64_is_opened_and_the_client_gets_it_compressed():
    content = b'{"name": "Ada"}' * 20
    wire = gzip.compress(content)
    changes = {
        "response__body": {
            "encoding": "utf-8",
            "base64_string": base64.b64encode(wire).decode(),
            "string": "",
        },
        "response__headers": {"Content-Encoding": "gzip", "Content-Length": str(len(wire))},
    }
    _, response = only(exchange(**changes))
    assert response.body.content == content
    assert gzip.decompress(response.body.wire) == content
    assert dict(response.headers)["Content-Length"] == str(len(response.body.wire))


def test_a_decoded_body_under_a_gzip_header_is_compressed_again():
    _, response = only(exchange(response__headers={"Content-Encoding": ["gzip"], "Content-Length": ["9"]}))
    assert gzip.decompress(response.body.wire) == b'{"name": "Ada"}'
    assert dict(response.headers)["Content-Length"] == str(len(response.body.wire))


def test_a_binary_body_in_base64_is_exact():
    body = {"encoding": None, "base64_string": base64.b64encode(bytes(range(256))).decode()}
    assert only(exchange(response__body=body))[1].body.wire == bytes(range(256))
    assert only(exchange(request__body=body))[0].body == bytes(range(256))


def test_text_has_the_bytes_of_its_own_encoding():
    body = {"encoding": "ISO-8859-1", "string": "café"}
    assert only(exchange(response__body=body))[1].body.wire == b"caf\xe9"
    body["encoding"] = "x-unheard-of"
    assert only(exchange(response__body=body))[1].body.wire == "café".encode()


def test_the_first_versions_wrote_plain_texts_and_a_bare_status():
    old = exchange(
        request__body="a=1",
        request__headers={"Accept": "*/*"},
        response__status=None,
        response__status_code=404,
        response__headers={"Set-Cookie": "a=1; expires=Mon, 20-Oct-25 07:51:35 GMT; path=/, b=2; HttpOnly"},
    )
    request, response = only(old)
    assert request.body == b"a=1"
    assert (response.status, response.reason) == (404, "Not Found")
    assert [value for _, value in response.headers] == [
        "a=1; expires=Mon, 20-Oct-25 07:51:35 GMT; path=/",
        "b=2; HttpOnly",
    ]


def test_order_is_kept_and_an_empty_cassette_is_empty():
    items = [exchange(request__uri=f"https://api.test/{n}") for n in range(5)]
    found = betamax.read(cassette(*items), "c.json").interactions
    assert [item.request.url[-1] for item in found] == list("01234")
    assert betamax.read(cassette(), "c.json").interactions == ()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not valid JSON"),
        (cassette(exchange())[:-40], "not valid JSON"),
        (b"\x89PNG\r\n\x1a\n\xff", "UTF-8"),
        (b'{"http_interactions": [], "http_interactions": []}', "twice"),
        (b"[" * 100_000, "nested"),
        (b"[]", "a cassette must be an object, not a list"),
        (b"{}", "'http_interactions' is missing"),
        (b'{"http_interactions": {}}', "http_interactions must be a list"),
        (cassette(exchange(), 1), r"http_interactions\[1\]: an interaction must be an object"),
        (cassette(exchange(request=None)), r"http_interactions\[0\]: 'request' is missing"),
        (cassette(exchange(request__uri=None)), "'uri' is missing"),
        (cassette(exchange(request__method=1)), "method must be text"),
        (cassette(exchange(response__status={"code": "200", "message": ""})), "code must be a whole number"),
        (cassette(exchange(response__headers={"a": [1]})), "header a must be text"),
        (cassette(exchange(response__body={"base64_string": "!"})), "base64_string: "),
        (cassette(exchange(response__body=[])), "body must be an object"),
    ],
)
def test_what_is_no_cassette_is_refused_with_the_place(data, why):
    with pytest.raises(IntegrityError, match=why) as caught:
        betamax.read(data, "dir/c.json")
    assert caught.value.message.startswith("dir/c.json:")
    assert len(str(caught.value)) < 500


def test_a_refusal_shows_nothing_of_a_body():
    secret = "s3cr3t\ud800"
    with pytest.raises(IntegrityError) as caught:
        betamax.read(cassette(exchange(response__body={"encoding": "utf-8", "string": secret})), "c.json")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("side", ["request", "response"])
def test_a_body_that_would_fill_the_memory_is_refused_before_it_is_opened(side):
    press = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(press.compress(bytes(1 << 20)) for _ in range(300)) + press.flush()
    changes = {
        f"{side}__body": {"encoding": None, "base64_string": base64.b64encode(bomb).decode()},
        f"{side}__headers": {"Content-Encoding": ["gzip"]},
    }
    data = cassette(exchange(**changes))
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match="fill the memory"):
            betamax.read(data, "c.json")
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()
