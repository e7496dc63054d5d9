"""booktest's own snapshots: one fixture for each form, made here from what booktest's source writes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from typing import Any

import pytest

from booktest_cassettes.errors import IntegrityError
from booktest_cassettes.importing import booktest
from booktest_cassettes.importing.booktest_paths import Part, id_of, part_of, short_path_of
from booktest_cassettes.importing.imported import Imported
from booktest_cassettes.recording.calls import Returned
from booktest_cassettes.recording.model import Response

URL = "https://api.test/v1?b=2&a=1"
TEST = "books/test/a_test.py/test_x"


def sha1(known: dict[str, Any]) -> str:
    return hashlib.sha1(json.dumps(known, sort_keys=True).encode()).hexdigest()


def request(method: str = "GET", *, hides: bool = True, **more: Any) -> dict[str, Any]:
    """What booktest writes of a request; with ``hides`` the body and the headers are in the hash alone."""
    known = {"url": URL, "method": method, **more}
    kept = {key: value for key, value in known.items() if not hides or key not in ("body", "headers")}
    return {**kept, "hash": sha1(known)}


def by_httpx(content: bytes = b'{"ok": true}', **headers: str) -> dict[str, Any]:
    return {"headers": headers, "statusCode": 200, "content": base64.b64encode(content).decode()}


def by_requests(
    content: str = '{"ok": true}', encoding: str | None = "utf-8", **headers: str
) -> dict[str, Any]:
    return {"headers": headers, "statusCode": 201, "encoding": encoding, "content": content}


def entries(*items: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    return {asked["hash"]: {"request": asked, "response": said} for asked, said in items}


def call(function: str, args: list[Any], result: Any, **kwargs: Any) -> dict[str, Any]:
    known = {"func": function, "args": args, "kwargs": kwargs}
    return {"call": {**known, "hash": hashlib.sha1(json.dumps(known).encode()).hexdigest()}, "result": result}


def read(document: Any, name: str) -> Imported:
    return booktest.read(json.dumps(document, indent=4).encode(), name)


def body(item: Any) -> bytes:
    assert isinstance(item.outcome, Response)
    content: bytes = item.outcome.body.content
    return content


HTTPX = entries((request(body=""), by_httpx()))
HTTP = entries((request(), by_requests()))
CALLS = [call("plus_one", [1], 2), call("Model.ask", ["q"], {"a": [1]}, temperature=0.5)]
ENV = {"TOKEN_NAME": "value", "UNSET": None}


# -- forms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "document", "part"),
    [
        (f"{TEST}.snapshots.json", {"httpx": HTTPX}, "httpx"),
        (f"{TEST}.snapshots.json", {"http": HTTP}, "http"),
        (f"{TEST}.snapshots.json", {"env": ENV}, "env"),
        (f"{TEST}.snapshots.json", {"func": CALLS}, "func"),
        (f"{TEST}/_snapshots/httpx.json", HTTPX, "httpx"),
        (f"{TEST}/_snapshots/requests.json", HTTP, "http"),
        (f"{TEST}/_snapshots/env.json", ENV, "env"),
        (f"{TEST}/_snapshots/functions.json", CALLS, "func"),
        (f"{TEST}/.httpx.json", HTTPX, "httpx"),
        (f"{TEST}/.requests.json", HTTP, "http"),
        (f"{TEST}/.env.json", ENV, "env"),
        (f"{TEST}/.functions.json", CALLS, "func"),
        (f"{TEST}/.httpx/0.json", next(iter(HTTPX.values())), "httpx"),
        (f"{TEST}/.requests/0.json", next(iter(HTTP.values())), "http"),
        (f"{TEST}/.functions/0.json", CALLS[0], "func"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_form_is_read(name, document, part):
    found = read(document, name)
    counts = {
        "http": len(found.interactions),
        "httpx": len(found.httpx),
        "env": len(found.env),
        "func": len(found.calls),
    }
    expected = {"http": 1, "httpx": 1, "env": 2, "func": 1 if "/.functions/" in name else 2}
    assert counts == {key: expected[key] if key == part else 0 for key in counts}
    assert found.notes == ()


def test_all_kinds_of_one_file_are_read():
    found = read({"http": HTTP, "httpx": HTTPX, "env": ENV, "func": CALLS}, f"{TEST}.snapshots.json")
    assert (len(found.interactions), len(found.httpx), dict(found.env), len(found.calls)) == (1, 1, ENV, 2)


# -- requests ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [{}, {"body": ""}], ids=["requests", "httpx"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_empty_body_is_known_by_the_hash_that_proves_it(method, way):
    (item,) = read({"httpx": entries((request(method, **way), by_httpx()))}, "t.snapshots.json").httpx
    assert (item.request.method, item.request.url, item.request.body) == (method, URL, b"")
    assert item.request.legacy_hash == ""


def test_a_body_and_headers_that_were_kept_are_the_request():
    asked = request("POST", hides=False, body=base64.b64encode(b"\xff{}").decode(), headers={"X-User": "1"})
    (item,) = read({"http": entries((asked, by_requests()))}, "t.snapshots.json").interactions
    assert (item.request.body, item.request.headers, item.request.legacy_hash) == (
        b"\xff{}",
        (("X-User", "1"),),
        "",
    )


def test_a_body_that_was_left_out_leaves_the_hash():
    asked = request("POST", body=base64.b64encode(b"question").decode())
    found = read({"http": entries((asked, by_requests()))}, "t.snapshots.json")
    assert found.interactions[0].request.legacy_hash == asked["hash"]
    assert found.notes == (f"1 request {booktest.exchanges.HASHED}",)


def test_a_request_that_was_left_out_whole_leaves_the_hash():
    name = sha1({"any": "thing"})
    found = read({"httpx": {name: {"response": by_httpx()}}}, "t.snapshots.json")
    (item,) = found.httpx
    assert (item.request.method, item.request.url, item.request.legacy_hash) == (
        "?",
        f"booktest:{name}",
        name,
    )


def test_a_get_whose_hash_covers_headers_is_matched_by_its_url():
    found = read({"http": entries((request(headers={"A": "1"}), by_requests()))}, "t.snapshots.json")
    assert (found.interactions[0].request.url, found.interactions[0].request.legacy_hash) == (URL, "")
    assert found.notes == (f"1 request {booktest.exchanges.OWN_HASH}",)


def test_a_body_of_the_tests_own_encoding_leaves_the_hash():
    found = read(
        {"http": entries((request("POST", hides=False, body="no base64!"), by_requests()))},
        "t.snapshots.json",
    )
    assert found.interactions[0].request.legacy_hash
    assert found.notes == (f"1 request {booktest.exchanges.CUSTOM}",)


def test_repeats_come_in_the_order_of_their_numbers():
    items = [(request(body="", **({"order": n} if n else {})), by_httpx(b"%d" % n)) for n in (2, 0, 1)]
    found = read({"httpx": entries(*items)}, "t.snapshots.json")
    assert [body(item) for item in found.httpx] == [b"0", b"1", b"2"]


# -- answers -------------------------------------------------------------------------------------------


def test_what_booktest_lost_of_an_answer_is_put_back_where_it_can_be_known():
    cookies = "sid=s%3A1; Path=/; HttpOnly, cf=2; expires=Mon, 20-Oct-25 07:51:35 GMT; path=/, last=3"
    said = by_httpx(**{"set-cookie": cookies, "transfer-encoding": "chunked", "content-length": "12"})
    (item,) = read({"httpx": entries((request(body=""), said))}, "t.snapshots.json").httpx
    assert isinstance(item.outcome, Response)
    assert item.outcome.reason == "OK"
    assert item.outcome.headers == (
        ("set-cookie", "sid=s%3A1; Path=/; HttpOnly"),
        ("set-cookie", "cf=2; expires=Mon, 20-Oct-25 07:51:35 GMT; path=/"),
        ("set-cookie", "last=3"),
        ("transfer-encoding", "chunked"),
    )


def test_a_binary_answer_is_exact():
    (item,) = read(
        {"httpx": entries((request(body=""), by_httpx(bytes(range(256)))))}, "t.snapshots.json"
    ).httpx
    assert body(item) == bytes(range(256))


@pytest.mark.parametrize("encoding", ["utf-8", "ISO-8859-1", None])
def test_text_has_the_bytes_booktest_decoded_whatever_the_client_reads_them_as(encoding):
    (item,) = read(
        {"http": entries((request(), by_requests("café", encoding)))}, "t.snapshots.json"
    ).interactions
    assert body(item) == "café".encode()


def test_a_coding_that_the_headers_still_speak_of_is_closed_again():
    said = by_requests("text " * 50, **{"Content-Encoding": "gzip", "Content-Length": "31"})
    (item,) = read({"http": entries((request(), said))}, "t.snapshots.json").interactions
    assert isinstance(item.outcome, Response)
    assert gzip.decompress(item.outcome.body.wire) == b"text " * 50
    assert dict(item.outcome.headers)["Content-Length"] == str(len(item.outcome.body.wire))
    said = by_requests("text", **{"Content-Encoding": "br", "Content-Length": "31"})
    (item,) = read({"http": entries((request(), said))}, "t.snapshots.json").interactions
    assert isinstance(item.outcome, Response)
    assert (item.outcome.headers, item.outcome.body.wire) == ((("Content-Length", "4"),), b"text")


# -- calls and values ----------------------------------------------------------------------------------


def test_calls_keep_their_name_without_a_module_and_arguments_as_passed():
    first, second = read(CALLS, f"{TEST}/_snapshots/functions.json").calls
    assert (first.function, first.arguments, first.outcome) == (
        "?:plus_one",
        {"args": [1], "kwargs": {}},
        Returned(2),
    )
    assert second.arguments == {"args": ["q"], "kwargs": {"temperature": 0.5}}
    assert second.outcome == Returned({"a": [1]})


def test_a_value_of_t_snapshot_is_a_call_of_no_function():
    known = {"name": "user", "args": [1], "kwargs": {"full": True}}
    first = {**known, "hash": sha1(known), "result": {"id": 1}}
    odd = [{"name": "", "result": None}, {"name": 7, "args": [], "kwargs": {}, "result": [1]}]
    found = read({"env": ENV, "snapshot": [first, *odd]}, "t.snapshots.json")
    assert found.notes == ()
    assert [(one.function, one.arguments, one.outcome) for one in found.calls] == [
        ("t.snapshot():user", {"args": [1], "kwargs": {"full": True}}, Returned({"id": 1})),
        ("t.snapshot():?", {"args": [], "kwargs": {}, "name": ""}, Returned(None)),
        ("t.snapshot():?", {"args": [], "kwargs": {}, "name": 7}, Returned([1])),
    ]
    assert found.calls[0].booktest_hash == first["hash"]


# -- several files -------------------------------------------------------------------------------------


def gathered(**files: Any) -> tuple[Imported, list[IntegrityError]]:
    names = {
        "unified": f"{TEST}.snapshots.json",
        "stored": f"{TEST}/_snapshots/httpx.json",
        "dotted": f"{TEST}/.httpx.json",
        "single": f"{TEST}/.httpx/0.json",
        "env": f"{TEST}/_snapshots/env.json",
        "dot_env": f"{TEST}/.env.json",
    }
    data = [
        (names[key], value if isinstance(value, bytes) else json.dumps(value).encode())
        for key, value in files.items()
    ]
    forward, backward = booktest.gather(data), booktest.gather(reversed(data))
    assert forward[0] == backward[0]
    return forward


def test_the_file_that_booktest_reads_counts():
    old = entries((request(body=""), by_httpx(b"old")))
    new = entries((request(body=""), by_httpx(b"new")))
    other = entries((request(body="", order=1), by_httpx(b"second")))
    assert [body(item) for item in gathered(unified={"httpx": new}, stored={**old, **other})[0].httpx] == [
        b"new"
    ]
    assert [body(item) for item in gathered(unified={"env": ENV}, stored=old)[0].httpx] == [b"old"]
    assert [body(item) for item in gathered(stored=new, dotted={**old, **other})[0].httpx] == [
        b"new",
        b"second",
    ]
    single = next(iter(other.values()))
    assert [body(item) for item in gathered(unified={"httpx": new}, single=single)[0].httpx] == [b"new"]
    assert gathered(env={"A": "new"}, dot_env={"A": "old", "B": "1"})[0].env == {"A": "new"}


def test_a_broken_file_of_a_test_is_named_and_the_others_are_read():
    found, (problem,) = gathered(unified=b"{\n# broken", env=ENV, stored=HTTPX)
    assert (dict(found.env), len(found.httpx)) == (ENV, 1)
    assert problem.message.startswith(f"{TEST}.snapshots.json:2: not valid JSON")


def test_of_a_file_with_one_broken_entry_nothing_is_taken():
    broken = {**HTTPX, "0" * 40: {"request": {"url": URL, "method": "POST"}, "response": {}}}
    found, (problem,) = gathered(unified={"env": ENV, "httpx": broken})
    assert found == Imported()
    assert "'0000000000" in problem.message


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ([], "the file must be an object, not a list"),
        ({"grpc": {}}, "'grpc' is no kind of snapshot"),
        ({"httpx": []}, "httpx must be an object"),
        ({"httpx": {"a": {"request": {}, "response": by_httpx()}}}, "neither a body nor a hash"),
        (
            {"httpx": {"a" * 40: {"request": {"hash": "x"}, "response": by_httpx()}}},
            "neither a body nor a hash",
        ),
        ({"httpx": {"a" * 40: 1}}, "an entry must be an object"),
        ({"httpx": {"a" * 40: {}}}, "'response' is missing"),
        ({"httpx": entries((request(), by_requests()))}, "content must be base64"),
        ({"http": entries((request(order="1"), by_requests()))}, "order must be a whole number"),
        ({"http": entries((request(), by_requests("\ud800")))}, "cannot be encoded"),
        ({"env": {"A": 1}}, "A must be text"),
        ({"func": {}}, "func must be a list"),
        ({"func": [{"call": {"func": "f", "args": {}}, "result": 1}]}, "args must be a list"),
        ({"func": [{"call": {"func": "f"}}]}, "'result' is missing"),
        ({"func": [{"call": {}, "result": 1}]}, "'func' is missing"),
        ({"snapshot": 1}, "snapshot must be a list"),
        ({"snapshot": [1]}, "an entry must be an object"),
        ({"snapshot": [{"args": []}]}, "'name' is missing"),
        ({"snapshot": [{"name": "a", "kwargs": []}]}, "kwargs must be an object"),
        ({"func": [{"call": {"func": ""}, "result": 1}]}, "func is empty"),
        (
            {"httpx": {"a": {"request": {"url": URL, "method": "GET", "hash": 1.5}, "response": by_httpx()}}},
            "neither a body nor a hash",
        ),
    ],
)
def test_what_is_no_snapshot_is_refused(document, why):
    with pytest.raises(IntegrityError, match=why) as caught:
        read(document, "t.snapshots.json")
    assert caught.value.message.startswith("t.snapshots.json:")


# -- which test ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("b/t.snapshots.json", Part("b/t", "all", 3)),
        ("b/t/_snapshots/functions.json", Part("b/t", "func", 2)),
        ("b/t/.env.json", Part("b/t", "env", 1)),
        ("b/t/.requests/abc.json", Part("b/t", "http", 0, single=True)),
        ("b/t/_snapshots/other.json", None),
        ("b/t/requests.json", None),
        ("b/t/.env/a.json", None),
        ("b/t.md", None),
        (".json", None),
    ],
)
def test_a_path_says_what_a_file_holds(path, part):
    assert part_of(path) == part


@pytest.mark.parametrize(
    ("path", "test_id"),
    [
        ("books/test/a_test.py/test_x", "test/a_test.py::test_x"),
        ("books/test/a_test.py/Book/test_x", "test/a_test.py::Book/test_x"),
        ("examples/one/books/test/a_test.py/test_x", "examples/one/test/a_test.py::test_x"),
        ("books/test/books/a_test.py/test_x", "test/books/a_test.py::test_x"),
        ("books/test/a_test.py", None),
        ("books/test/a/x", None),
    ],
)
def test_a_path_names_its_test(path, test_id):
    assert id_of(path) == test_id


@pytest.mark.parametrize(
    ("test_id", "short"),
    [
        ("test/foo_test.py::test_bar", "test/foo/bar"),
        ("test/foo_test_book.py::test_bar", "test/foo/bar"),
        ("test/foo_book.py::FooBook/test_bar", "test/foo/bar"),
        ("test/foo_test.py::OtherThingTestBook/test_bar", "test/foo/other_thing/bar"),
        ("test/foo.py::bar", "test/foo/bar"),
    ],
)
def test_names_were_shorter_before_1_0(test_id, short):
    assert short_path_of(test_id) == short
    assert id_of(f"books/{short}", [test_id, "test/else_test.py::test_y"]) == test_id


def test_a_short_name_that_fits_two_tests_names_none():
    assert id_of("books/test/foo/bar", ["test/foo_test.py::test_bar", "test/foo_book.py::test_bar"]) is None
