"""HAR as Chrome, Firefox and our own export write it; made here."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import IntegrityError
from booktest_cassettes.importing import har
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body, Coding
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response
from booktest_cassettes.workflow import har as export

URL = "https://shop.test/api/items?page=2&q=%C3%A9"


def pairs(*items: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in items]


def entry(
    *, request: dict[str, Any] | None = None, response: dict[str, Any] | None = None, **more: Any
) -> Any:
    asked = {"method": "GET", "url": URL, "httpVersion": "HTTP/1.1", "headers": [], "cookies": [],
             "queryString": [], "headersSize": -1, "bodySize": 0}  # fmt: skip
    said = {"status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "headers": [], "cookies": [],
            "content": {"size": 2, "mimeType": "text/plain", "text": "hi"}, "redirectURL": "",
            "headersSize": -1, "bodySize": 2}  # fmt: skip
    when = {"startedDateTime": "2026-01-01T00:00:00.000Z", "time": 1}
    both = {"request": {**asked, **(request or {})}, "response": {**said, **(response or {})}}
    return {**when, "cache": {}, "timings": {}, **both, **more}


def log(*entries: Any, creator: str = "WebInspector") -> bytes:
    return json.dumps(
        {"log": {"version": "1.2", "creator": {"name": creator, "version": "1"}, "entries": entries}}
    ).encode()


def read(*entries: Any) -> list[Interaction]:
    return list(har.read(log(*entries), "s.har").interactions)


CHROME = entry(
    _resourceType="fetch",
    _priority="High",
    _initiator={"type": "script"},
    connection="443",
    serverIPAddress="[::1]",
    request={
        "httpVersion": "h2",
        "method": "POST",
        "headers": pairs(
            (":authority", "shop.test"), (":method", "POST"), (":path", "/api"), ("accept", "*/*"),
            ("cookie", "a=1; b=2"), ("content-type", "application/json"),
        ),
        "postData": {"mimeType": "application/json", "text": '{"n": "é"}'},
    },
    response={
        "httpVersion": "h2",
        "statusText": "",
        "headers": pairs(
            ("content-encoding", "br"), ("content-type", "application/json"), ("content-length", "7"),
            ("set-cookie", "s=1; Path=/"), ("set-cookie", "t=2"),
        ),
        "content": {"size": 13, "mimeType": "application/json", "text": '{"ok":"ünd"}'},
        "_transferSize": 300,
        "_error": None,
    },
)  # fmt: skip
FIREFOX = entry(
    _securityState="secure",
    request={"httpVersion": "HTTP/2", "headers": pairs(("Host", "shop.test"), ("Accept", "*/*"))},
    response={
        "httpVersion": "HTTP/2",
        "headers": pairs(
            ("set-cookie", "s=1; Path=/\nt=2"), ("content-encoding", "gzip"), ("content-length", "5")
        ),
        "content": {
            "size": 4,
            "mimeType": "image/png",
            "encoding": "base64",
            "text": base64.b64encode(b"\x89PNG").decode(),
        },
    },
)


def test_chromes_entry_loses_pseudo_headers_and_the_coding_that_is_undone():
    (item,) = read(CHROME)
    assert [name for name, _ in item.request.headers] == ["accept", "cookie", "content-type"]
    assert item.request.body == '{"n": "é"}'.encode()
    assert isinstance(item.outcome, Response)
    assert item.outcome.http_version == "HTTP/2"
    assert item.outcome.body.wire == '{"ok":"ünd"}'.encode()
    assert item.outcome.headers == (
        ("content-type", "application/json"),
        ("content-length", "13"),
        ("set-cookie", "s=1; Path=/"),
        ("set-cookie", "t=2"),
    )


def test_firefoxs_entry_has_cookies_apart_and_its_body_compressed_again():
    (item,) = read(FIREFOX)
    assert isinstance(item.outcome, Response)
    assert [value for name, value in item.outcome.headers if name == "set-cookie"] == ["s=1; Path=/", "t=2"]
    assert gzip.decompress(item.outcome.body.wire) == b"\x89PNG"
    assert dict(item.outcome.headers)["content-length"] == str(len(item.outcome.body.wire))


def test_one_log_is_one_recording_in_its_order():
    entries = [entry(request={"url": f"https://shop.test/{n}#top"}) for n in range(4)]
    assert [item.request.url for item in read(*entries)] == [f"https://shop.test/{n}" for n in range(4)]


def test_a_redirect_and_a_head_have_no_body_and_are_taken():
    moved = entry(response={"status": 302, "headers": pairs(("location", "/b")), "content": {"size": 9}})
    head = entry(
        request={"method": "HEAD"},
        response={"headers": pairs(("content-length", "77")), "content": {"size": 77}},
    )
    first, second = read(moved, head)
    assert isinstance(first.outcome, Response)
    assert isinstance(second.outcome, Response)
    assert dict(first.outcome.headers) == {"location": "/b"}
    assert dict(second.outcome.headers) == {"content-length": "77"}


def test_a_form_without_its_text_is_made_of_its_fields():
    posted = {
        "mimeType": "application/x-www-form-urlencoded; charset=UTF-8",
        "params": pairs(("a", "1 2"), ("é", "&")),
    }
    (item,) = read(entry(request={"method": "POST", "postData": posted}))
    assert item.request.body == b"a=1+2&%C3%A9=%26"


def test_what_is_no_recording_is_left_out_and_counted():
    found = har.read(
        log(
            entry(request={"url": "data:text/plain,x"}),
            entry(request={"url": "data:text/plain,y"}),
            entry(request={"url": "chrome-extension://abc/x.js"}),
            entry(request={"url": "wss://shop.test/live"}),
            entry(_resourceType="websocket", _webSocketMessages=[]),
            entry(response={"status": 101}),
            entry(
                response={"status": 0, "statusText": "", "_error": "net::ERR_ABORTED", "content": {"size": 0}}
            ),
            entry(response={"status": 200, "content": {"size": 5000, "mimeType": "text/html"}}),
            entry(),
        ),
        "s.har",
    )
    assert len(found.interactions) == 1
    assert found.notes == (
        "2 entries not taken: a data: URL is no HTTP exchange",
        "1 entry not taken: a chrome-extension: URL is no HTTP exchange",
        "1 entry not taken: a wss: URL is no HTTP exchange",
        "2 entries not taken: a WebSocket",
        "1 entry not taken: aborted or blocked: there was no answer",
        "1 entry not taken: the body of the answer is not in the file",
    )


def test_our_own_export_comes_back_as_it_was():
    content = b"some text, compressed " * 20
    items = [
        Interaction(
            Request(
                "POST", "https://a.test/?x=1", (("Content-Type", "application/octet-stream"),), b"\xff\x00"
            ),
            Response(201, "Created", "HTTP/1.1", (("X-A", "1"), ("X-A", "2")), Body(b"\x00\xfe")),
        ),
        Interaction(
            Request("GET", "https://a.test/gz"),
            Response(200, "OK", "HTTP/2", (("content-encoding", "gzip"),), Body(content, Coding("gzip"))),
        ),
        Interaction(
            Request("GET", "https://a.test/cut"),
            Response(200, "OK", headers=(("Content-Length", "99"),), body=Body(b"part"), cut=True),
        ),
        Interaction(
            Request("GET", "https://a.test/broken"),
            Response(200, "OK", body=Body(b"part"), error=Failure("httpx.ReadError", "gone: away")),
        ),
        Interaction(Request("GET", "https://a.test/late"), Failure("httpx.ConnectTimeout", "timed\nout")),
    ]
    blobs = {kind: codec.dump_interactions(kind, items) for kind in (Kind.HTTP, Kind.HTTPX)}
    found = har.read(json.dumps(export.document("t", blobs)).encode(), "s.har")
    assert found.notes == ()
    assert list(found.interactions) == items
    assert list(found.httpx) == items


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not valid JSON"),
        (log(entry())[:-30], "not valid JSON"),
        (b"\x00\x01\xff", "UTF-8"),
        (b'{"log": {}, "log": {}}', "twice"),
        (b'{"log": []}', "log must be an object"),
        (b'{"log": {}}', "'entries' is missing"),
        (log(7), r"entries\[0\]: an entry must be an object"),
        (log(entry(request={"method": None})), "method must be text, not nothing"),
        (log(entry(request={"url": "http://[::1"})), r"entries\[0\]"),
        (log(entry(response={"status": "200"})), "status must be a whole number"),
        (log(entry(response={"headers": {"a": "b"}})), "headers must be a list"),
        (log(entry(response={"content": {"text": "!", "encoding": "base64"}})), "base64"),
    ],
)
def test_what_is_no_har_is_refused(data, why):
    with pytest.raises(IntegrityError, match=why) as caught:
        har.read(data, "s.har")
    assert caught.value.message.startswith("s.har:")


def test_an_error_does_not_quote_a_url_with_a_password_in_it():
    with pytest.raises(IntegrityError, match="url cannot be read") as caught:
        har.read(log(entry(request={"url": "http://user:hunter2@ex\u2100mple.test/"})), "s.har")
    assert "hunter2" not in caught.value.message
