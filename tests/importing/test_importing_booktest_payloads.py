"""What booktest recorded is in our blobs, and comes back out of them as booktest reads it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booktest_cassettes.compat.hooks import make_hooks
from booktest_cassettes.digest import Digest, Kind
from booktest_cassettes.errors import IntegrityError
from booktest_cassettes.importing import booktest
from booktest_cassettes.importing.booktest_payloads import Snapshots
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body, Coding
from booktest_cassettes.recording.calls import Call, Raised, Returned
from booktest_cassettes.recording.comparison import compare
from booktest_cassettes.recording.matching import Matcher
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response
from booktest_cassettes.recording.normalisation import Normaliser
from booktest_cassettes.recording.redaction import Redactor, Rules
from booktest_cassettes.recording.values import encode
from booktest_cassettes.traffic import Cleaner, Traffic
from booktest_cassettes.workflow.migration.convert import convert
from booktest_cassettes.workflow.show import render

URL = "https://api.test/v1"
CLEANER = Cleaner(Normaliser(), Redactor(Rules(secrets=("hunter2-hunter2",), query=("who",))))
TYPES = ("env", "http", "httpx", "func", "snapshot")
JSON_TYPE = {"content-type": "application/json"}

Payloads = dict[str, bytes]


def sha1(known: Any, *, in_order: bool = False) -> str:
    return hashlib.sha1(json.dumps(known, sort_keys=not in_order).encode()).hexdigest()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def as_json(**types: Any) -> Payloads:
    """As booktest hands it to its storage."""
    return {kind: json.dumps(data, indent=4).encode() for kind, data in types.items()}


def exchange(
    method: str = "GET",
    url: str = URL,
    content: bytes = b"{}",
    *,
    name: str | int = "",
    hides: bool = True,
    is_httpx: bool = True,
    answered: Mapping[str, str] = JSON_TYPE,
    **known: Any,
) -> dict[str, Any]:
    """One of booktest's entries; ``hides`` is its ``lose_request_details``."""
    if is_httpx:
        known.setdefault("body", "")
    asked = {"url": url, "method": method, **known}
    named = name or sha1(asked)
    kept = {key: value for key, value in asked.items() if not (hides and key in ("body", "headers"))}
    said: dict[str, Any] = {"headers": dict(answered), "statusCode": 200}
    if is_httpx:
        said["content"] = b64(content)
    else:
        said |= {"encoding": "utf-8", "content": content.decode()}
    return {"request": {**kept, "hash": named}, "response": said}


def entries(*items: dict[str, Any]) -> dict[str, Any]:
    return {item["request"]["hash"]: item for item in items}


def nothing() -> Snapshots:
    return Snapshots.load({}, "t")


def approved(payloads: Payloads, cleaner: Cleaner = CLEANER) -> Snapshots:
    return Snapshots.load(nothing().taking(payloads, cleaner), "t")


def payloads_of(snapshots: Snapshots) -> Payloads:
    return {kind: data for kind in TYPES if (data := snapshots.payload(kind)) is not None}


def said(snapshots: Snapshots, kind: str) -> Any:
    data = snapshots.payload(kind)
    return None if data is None else json.loads(data)


def assert_stays(snapshots: Snapshots, cleaner: Cleaner = CLEANER) -> None:
    """What booktest was given and gives back changes no byte; nor does reading it a second time."""
    given = payloads_of(snapshots)
    assert payloads_of(Snapshots.load(snapshots.blobs, "other")) == given
    assert snapshots.taking(given, cleaner) == snapshots.blobs


# -- every kind of entry -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http", "httpx"])
@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("GET", {}),
        ("GET", {"headers": {"accept": "a", "user-agent": "x/1", "x-user": "1"}}),
        ("GET", {"name": "e" * 40}),
        ("GET", {"name": "GET /v1 without its time"}),
        ("GET", {"name": 12345}),
        ("POST", {"body": b64(b'{"a": 1}')}),
        ("POST", {"body": b64(b"a=1&b=2")}),
        ("POST", {"body": b64(b'{"a": 1}'), "headers": {"x-user": "1"}}),
        ("POST", {"body": "no base64 at all!"}),
        ("POST", {"body": "abcd"}),
        ("POST", {"body": b64(b"a"), "name": "f" * 40}),
        ("POST", {"body": b64(b"a"), "name": 7}),
        ("PUT", {"body": b64(b"\xff\x00")}),
        ("POST", {"body": ""}),
        ("DELETE", {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("hides", [True, False], ids=["hides", "shows"])
def test_an_entry_comes_back_with_the_hash_it_was_recorded_by(kind, method, more, hides):
    entry = exchange(method, content=b'{"id": 1}', hides=hides, is_httpx=kind == "httpx", **more)
    snapshots = approved(as_json(**{kind: entries(entry)}))
    (found,) = said(snapshots, kind).values()
    assert found["request"]["hash"] == entry["request"]["hash"]
    assert (found["request"]["url"], found["request"]["method"]) == (URL, method)
    assert found["response"] == entry["response"]
    if not hides and more.get("body") not in (None, "", "no base64 at all!"):
        assert found["request"]["body"] == more["body"]
    assert_stays(snapshots)
    again = as_json(**{kind: entries(entry)})
    assert snapshots.taking(again, CLEANER) == snapshots.blobs


def test_repeated_equal_requests_keep_their_order_and_their_hashes():
    items = [exchange(content=b"%d" % n, **({"order": n} if n else {})) for n in range(3)]
    other = exchange(url=f"{URL}/other")
    snapshots = approved(as_json(httpx=entries(items[0], other, *items[1:])))
    found = said(snapshots, "httpx")
    assert [(one["request"].get("order", 0), one["response"]["content"]) for one in found.values()] == [
        (0, b64(b"0")),
        (0, b64(b"{}")),
        (1, b64(b"1")),
        (2, b64(b"2")),
    ]
    assert found.keys() == entries(*items, other).keys()
    assert b"booktest_hash" not in snapshots.blobs[Kind.HTTPX]
    assert_stays(snapshots)


def test_repeats_after_a_first_one_with_a_hash_of_its_own_are_found():
    first, second = exchange(name="mine", content=b"1"), exchange(order=1, content=b"2")
    snapshots = approved(as_json(httpx=entries(first, second)))
    assert [*said(snapshots, "httpx")] == ["mine", second["request"]["hash"]]
    assert snapshots.blobs[Kind.HTTPX].count(b"booktest_hash") == 1


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("text/plain", "ISO-8859-1"),
        ("text/html; charset=latin-1", "latin-1"),
        ('text/html; Charset="utf-8"', "utf-8"),
        ("application/json", "utf-8"),
        ("image/svg+xml", None),
        (None, None),
    ],
)
def test_the_encoding_requests_reads_a_text_as_is_what_it_was(content_type, encoding):
    headers = {} if content_type is None else {"Content-Type": content_type}
    entry = exchange(is_httpx=False, content="é".encode(), answered=headers)
    (found,) = said(approved(as_json(http=entries(entry))), "http").values()
    assert found["response"] == {**entry["response"], "encoding": encoding}


def test_what_no_client_of_booktests_could_read_is_left_out_and_kept():
    binary, text = exchange(content=b"\xff\x00"), exchange(url=f"{URL}/text")
    snapshots = approved(as_json(httpx=entries(binary, text)))
    assert [*said(snapshots, "httpx")] == [text["request"]["hash"]]
    (kept, _) = codec.load_interactions(snapshots.blobs[Kind.HTTPX], name="t")
    assert kept.outcome.body.content == b"\xff\x00"  # type: ignore[union-attr]
    assert_stays(snapshots)
    # recorded again with -s, because booktest missed it
    assert snapshots.taking(as_json(httpx=entries(text, binary)), CLEANER) == snapshots.blobs


def test_variables_that_were_not_set_are_not_set():
    snapshots = approved(as_json(env={"B": None, "A": "x", "API_TOKEN": "very-secret"}))
    found = said(snapshots, "env")
    assert (found["A"], found["B"]) == ("x", None)
    assert "very-secret" not in found["API_TOKEN"]
    assert_stays(snapshots)
    assert (
        snapshots.taking(as_json(env={"A": "x", "B": None, "API_TOKEN": "other"}), CLEANER) == snapshots.blobs
    )


def call(func: str, *args: Any, result: Any = None, **kwargs: Any) -> dict[str, Any]:
    known = {"func": func, "args": list(args), "kwargs": kwargs}
    return {"call": {**known, "hash": sha1(known, in_order=True)}, "result": result}


def value(name: Any, *args: Any, result: Any = None, **kwargs: Any) -> dict[str, Any]:
    known = {"name": name, "args": list(args), "kwargs": kwargs}
    return {**known, "hash": sha1(known), "result": result}


CALLS = [
    call("Model.ask", "q", result={"b": [1, None], "a": 1.5}, z=1, a=2),
    call("Model.ask", "q", result="other", a=2, z=1),
    call("plus_one", 1, result=2),
    call("plus_one", {"$type": "x"}, result={"$type": "y"}),
    call("plus_one", [1.0, "\ud800", float("nan"), 10**700], result=float("inf")),
]
VALUES = [
    value("user data", 1, result={"id": 1}),
    value("user data", 1, result=None, full=True),
    value("", result=[]),
    value("?", result=1),
    value(7, result=2),
    value("a:b\n", result={"z": {"a": 1}}),
    value("plus_one", 1, result=99),
]


def test_calls_and_values_of_t_snapshot_come_back_as_they_were():
    snapshots = approved(as_json(func=CALLS, snapshot=VALUES))
    assert snapshots.blobs.keys() == {Kind.FUNC}
    assert json.dumps(said(snapshots, "func")) == json.dumps(CALLS)
    assert json.dumps(said(snapshots, "snapshot")) == json.dumps(VALUES)
    assert b"booktest_hash" not in snapshots.blobs[Kind.FUNC]
    assert_stays(snapshots)
    fewer = snapshots.taking(as_json(func=CALLS), CLEANER)
    assert said(Snapshots.load(fewer, "t"), "snapshot") is None


def test_keys_that_booktest_sorted_in_its_file_change_neither_hash_nor_digest():
    in_order = call("ask", result={"b": 1, "a": 2}, z=1, a=2)
    sorted_keys = json.loads(json.dumps({"func": [in_order]}, sort_keys=True))
    imported = booktest.read(json.dumps(sorted_keys).encode(), "t.snapshots.json")
    snapshots = Snapshots.load(convert(imported, CLEANER).blobs, "t")
    (found,) = said(snapshots, "func")
    assert found["call"]["hash"] == in_order["call"]["hash"]
    assert_stays(snapshots)
    assert snapshots.taking(as_json(func=[in_order]), CLEANER) == snapshots.blobs
    other = {**in_order, "result": {"b": 1, "a": True}}
    assert snapshots.taking(as_json(func=[other]), CLEANER) != snapshots.blobs


def test_nothing_is_nothing():
    assert nothing().taking(as_json(env={}, http={}, httpx={}, func=[], snapshot=[]), CLEANER) == {}
    assert [nothing().payload(kind) for kind in (*TYPES, "other")] == [None] * 6


# -- redacted and normalised ---------------------------------------------------------------------------

SECRET = "hunter2-hunter2"


def test_what_was_redacted_or_normalised_is_found_by_its_own_hash_and_looks_unchanged():
    def recording(now: str) -> Payloads:
        headers = {"date": now, "x-request-id": now, "set-cookie": f"sid={now}, b=2", "content-length": "9"}
        one = exchange(
            url=f"{URL}?who={SECRET}&q=1", answered=headers, content=b'{"api_key": "%s"}' % now.encode()
        )
        two = exchange(url=f"{URL}?who=another&q=1", answered={}, content=b"2")
        post = exchange("POST", body=b64(f'{{"password": "{SECRET}"}}'.encode()), hides=False)
        calls = [
            call("login", SECRET, result={"token": now}, password=SECRET),
            call("login", "x", result=SECRET),
        ]
        return as_json(
            httpx=entries(one, two, post), func=calls, snapshot=[value(f"of {SECRET}", SECRET, result=SECRET)]
        )

    first = recording("Sat, 01 Jan 2000 00:00:00 GMT")
    snapshots = approved(first)
    for data in (*snapshots.blobs.values(), *payloads_of(snapshots).values()):
        assert SECRET.encode() not in data
        assert b"2000" not in data
    assert said(snapshots, "httpx").keys() == json.loads(first["httpx"]).keys()
    hashes = [one["call"]["hash"] for one in json.loads(first["func"])]
    assert [one["call"]["hash"] for one in said(snapshots, "func")] == hashes
    assert said(snapshots, "snapshot")[0]["hash"] == json.loads(first["snapshot"])[0]["hash"]
    assert_stays(snapshots)
    assert snapshots.taking(recording("Sun, 02 Jan 2000 00:00:00 GMT"), CLEANER) == snapshots.blobs


def test_a_hash_that_a_test_made_of_a_secret_is_no_place_for_it():
    entry = exchange(name=f"https://u:{SECRET}@api.test/?who=me")
    blobs = nothing().taking(as_json(httpx=entries(entry)), CLEANER)
    assert SECRET.encode() not in blobs[Kind.HTTPX]
    assert b"who=me" not in blobs[Kind.HTTPX]


def test_a_rule_that_is_new_takes_effect_on_what_is_recorded_again():
    payloads = as_json(
        httpx=entries(exchange(content=b'{"room": "12"}')), func=[call("f", "12", result="12")]
    )
    snapshots = approved(payloads)
    stricter = Cleaner(Normaliser(), Redactor(Rules(fields=("room",))))
    changed = snapshots.taking(payloads, stricter)
    assert b"12" not in changed[Kind.HTTPX]
    assert changed[Kind.FUNC] == snapshots.blobs[Kind.FUNC]


def test_what_a_hook_leaves_out_is_left_out():
    kept, left = exchange(url=f"{URL}/kept"), exchange(url=f"{URL}/left")
    hooks = make_hooks(requests=lambda request: None if request.path == "/v1/left" else request)
    snapshots = approved(as_json(httpx=entries(kept, left)), Cleaner(Normaliser(), Redactor(), hooks))
    assert [*said(snapshots, "httpx")] == [kept["request"]["hash"]]


# -- against what is approved --------------------------------------------------------------------------


def test_what_changed_is_replaced_where_it_was_and_the_rest_stays():
    a, b, c = (exchange(url=f"{URL}/{name}", content=name.encode()) for name in "abc")
    snapshots = approved(as_json(httpx=entries(a, b, c)))
    changed = exchange(url=f"{URL}/b", content=b"new")
    added = exchange(url=f"{URL}/d", content=b"d")
    blobs = snapshots.taking(as_json(httpx=entries(added, c, changed)), CLEANER)
    found = codec.load_interactions(blobs[Kind.HTTPX], name="t")
    assert [(one.request.url[-1], one.outcome.body.content) for one in found] == [  # type: ignore[union-attr]
        ("b", b"new"),
        ("c", b"c"),
        ("d", b"d"),
    ]
    in_another_order = snapshots.taking(as_json(httpx=entries(c, a, b)), CLEANER)
    assert in_another_order == snapshots.blobs


@pytest.mark.parametrize(
    "change",
    [
        {"statusCode": 201},
        {"content": b64(b"[]")},
        {"headers": {}},
        {"headers": {"content-type": "application/json", "x-new": "1"}},
        {"headers": {"content-type": "text/plain"}},
    ],
    ids=str,
)
def test_a_change_of_an_answer_is_a_change(change):
    entry = exchange()
    snapshots = approved(as_json(httpx=entries(entry)))
    other = {**entry, "response": {**entry["response"], **change}}
    assert snapshots.taking(as_json(httpx=entries(other)), CLEANER) != snapshots.blobs


def ours(*items: Interaction, kind: Kind = Kind.HTTPX) -> Snapshots:
    """As a session of ours would have kept it."""
    clean = [replace(item, request=CLEANER.request(item.request)) for item in items]
    done = [found for item in clean if (found := CLEANER.interaction(item))]
    return Snapshots.load({kind: codec.dump_interactions(kind, done)}, "t")


def test_what_our_own_adapters_recorded_is_found_by_booktests_hash():
    answer = Response(
        200,
        "Fine",
        headers=(
            ("Content-Type", "application/json"),
            ("Set-Cookie", "a=1; Path=/"),
            ("set-cookie", "b=2"),
            ("Content-Encoding", "gzip"),
            ("Content-Length", "31"),
            ("Transfer-Encoding", "chunked"),
            ("X-Name", "caf\xe9"),
        ),
        body=Body(b'{"a": 1}', Coding("gzip")),
    )
    body = b'{"q": 1}'
    headers = (("Accept", "*/*"), ("Content-Type", "application/json"))
    items = [
        Interaction(Request("GET", URL, headers[:1]), answer),
        Interaction(Request("POST", URL, headers, body), answer),
        Interaction(Request("GET", URL, headers[:1]), Failure("httpx.ConnectError", "refused")),
        Interaction(Request("GET", URL, headers[:1]), replace(answer, status=503)),
        Interaction(Request("GET", f"{URL}/cut"), replace(answer, error=Failure("httpx.ReadError", "x"))),
        Interaction(Request("GET", f"{URL}/gz"), replace(answer, body=Body(b"\x1f\x8b broken"))),
    ]
    snapshots = ours(*items)
    found = said(snapshots, "httpx")
    assert [*found] == [
        sha1({"url": URL, "method": "GET", "body": ""}),
        sha1({"url": URL, "method": "POST", "body": b64(body)}),
        sha1({"url": URL, "method": "GET", "body": "", "order": 1}),
    ]
    first = next(iter(found.values()))["response"]
    assert first["headers"] == {
        "Content-Type": "application/json",
        "Set-Cookie": "a=REDACTED; Path=/, b=REDACTED",
        "Content-Length": "8",
        "Transfer-Encoding": "chunked",
    }
    assert base64.b64decode(first["content"]) == b'{"a": 1}'
    assert_stays(snapshots)
    (name, *_) = said(ours(items[0], kind=Kind.HTTP), "http")
    assert name == sha1({"url": URL, "method": "GET"})


def test_our_recording_that_booktest_repeats_stays_ours():
    answer = Response(
        200,
        "OK",
        headers=(
            ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("Content-Type", "text/plain"),
            ("Content-Encoding", "gzip"),
            ("Content-Length", "28"),
        ),
        body=Body(b"text", Coding("gzip", 9)),
    )
    snapshots = ours(Interaction(Request("POST", URL, (("X-User", "1"),), b"x"), answer))
    wire = {"date": "Fri, 06 Nov 2026 10:00:00 GMT", "content-type": "text/plain", "content-length": "24"}
    again = exchange("POST", body=b64(b"x"), answered=wire, content=b"text")
    assert snapshots.taking(as_json(httpx=entries(again)), CLEANER) == snapshots.blobs
    more = exchange("POST", body=b64(b"x"), answered=wire, content=b"text!")
    blobs = snapshots.taking(as_json(httpx=entries(more)), CLEANER)
    (item,) = codec.load_interactions(blobs[Kind.HTTPX], name="t")
    assert item.request.legacy_hash == more["request"]["hash"]


def test_calls_of_our_own_are_none_of_booktests_and_stay_while_the_rest_is_as_it_was():
    own = Call("shop:price", {"item": "a"}, Returned(3))
    raised = Call("?:plus_one", {"args": [9], "kwargs": {}}, Raised(encode(ValueError("x"))))
    known = json.loads(nothing().taking(as_json(func=CALLS[2:3]), CLEANER)[Kind.FUNC])
    (theirs,) = codec.load_func(json.dumps(known).encode(), name="t")
    snapshots = Snapshots.load({Kind.FUNC: codec.dump_func([own, theirs, raised])}, "t")
    assert said(snapshots, "func") == CALLS[2:3]
    assert_stays(snapshots)
    assert_stays(Snapshots.load({Kind.FUNC: codec.dump_func([own])}, "t"))
    blobs = snapshots.taking(as_json(func=CALLS[:1]), CLEANER)
    assert [one.function for one in codec.load_func(blobs[Kind.FUNC], name="t")] == ["?:Model.ask"]


def test_a_recording_that_hides_less_than_the_approved_one_is_new():
    hidden = exchange("POST", body=b64(b"x"))
    shown = exchange("POST", body=b64(b"x"), hides=False)
    snapshots = approved(as_json(httpx=entries(hidden)))
    blobs = snapshots.taking(as_json(httpx=entries(shown)), CLEANER)
    (item,) = codec.load_interactions(blobs[Kind.HTTPX], name="t")
    assert (item.request.body, item.request.legacy_hash) == (b"x", "")
    assert Snapshots.load(blobs, "t").taking(as_json(httpx=entries(hidden)), CLEANER) == blobs


# -- migrated ------------------------------------------------------------------------------------------


def test_a_migrated_snapshot_is_found_by_every_hash_and_stays():
    get = exchange("GET", name="d" * 40)
    custom = exchange("POST", body=b64(b"x"), name="own")
    hashed = exchange("POST", body=b64(b"y"))
    document = {
        "httpx": entries(get, custom, hashed, exchange(), exchange(order=1, content=b"2")),
        "http": entries(exchange(is_httpx=False), exchange(url=f"{URL}/2", is_httpx=False, body="")),
        "env": {"A": "1", "B": None},
        "func": CALLS[:4],
        "snapshot": VALUES,
    }
    text = json.dumps(document, sort_keys=True)
    imported = booktest.read(text.encode(), "books/test/a_test.py/test_x.snapshots.json")
    snapshots = Snapshots.load(convert(imported, CLEANER).blobs, "t")
    for kind in ("http", "httpx"):
        assert said(snapshots, kind).keys() == document[kind].keys()
    assert {one["hash"] for one in said(snapshots, "snapshot")} == {one["hash"] for one in VALUES}
    assert {one["call"]["hash"] for one in said(snapshots, "func")} == {
        one["call"]["hash"] for one in CALLS[:4]
    }
    assert_stays(snapshots)
    whole = {kind: json.dumps(data).encode() for kind, data in document.items()}
    assert snapshots.taking(whole, CLEANER) == snapshots.blobs


def test_an_entry_with_a_hash_of_its_own_is_played_by_method_and_url():
    get, post = exchange("GET", name="d" * 40), exchange("POST", name=3, content=b"2")
    snapshots = approved(as_json(httpx=entries(get, post)))
    loaded = codec.load_interactions(snapshots.blobs[Kind.HTTPX], name="t")
    assert [item.request.booktest_hash for item in loaded] == ["d" * 40, 3]
    traffic = Traffic(Kind.HTTPX, loaded, matcher=Matcher(), cleaner=CLEANER, replays=True)
    for item in loaded:
        assert traffic.play(traffic.clean(Request(item.request.method, URL))) == item
    assert traffic.unplayed == []


# -- for people ----------------------------------------------------------------------------------------


def test_values_of_t_snapshot_read_well():
    old = nothing().taking(as_json(snapshot=VALUES[:1]), CLEANER)
    new = nothing().taking(as_json(snapshot=[{**VALUES[0], "result": {"id": 2}}]), CLEANER)
    text = "\n".join(render("t", old))
    assert """1. t.snapshot('user data') {"args": [1], "kwargs": {}}\n     returned {"id": 1}""" in text
    comparison = compare(Kind.FUNC, old[Kind.FUNC], new[Kind.FUNC])
    (item,) = comparison.items
    assert (item.title, [(one.where, one.old, one.new) for one in item.differences]) == (
        "t.snapshot('user data')",
        [("returned $.id", "1", "2")],
    )


def test_a_hash_that_alone_changed_is_a_difference_that_is_told():
    blobs = [nothing().taking(as_json(httpx=entries(exchange(name=name))), CLEANER) for name in ("a", "b")]
    (item,) = compare(Kind.HTTPX, *(one[Kind.HTTPX] for one in blobs)).items
    assert [(one.where, one.old, one.new) for one in item.differences] == [("request hash", "a", "b")]
    calls = [[{"call": {"func": "f", "hash": name}, "result": 1}] for name in ("a", "b")]
    blobs = [nothing().taking(as_json(func=one), CLEANER) for one in calls]
    (item, *_) = compare(Kind.FUNC, *(one[Kind.FUNC] for one in blobs)).items
    assert [(one.where, one.old, one.new) for one in item.differences] == [("call hash", "a", "b")]


# -- malformed -----------------------------------------------------------------------------------------

MALFORMED: list[tuple[str, bytes, str]] = [
    ("httpx", b"{", "Expecting property name"),
    ("httpx", b"\xff", "cannot be encoded"),
    ("httpx", b"[" * 100_000, "recursion"),
    ("http", b"[]", "the snapshot must be an object"),
    ("func", b"{}", "the snapshot must be a list"),
    ("snapshot", b'[{"name": "a", "hash": 1}]', "hash must be text"),
    ("snapshot", b"[%s]" % (b"9" * 5000), "digits"),
    ("env", b'{"A": 1}', "A must be text"),
    (
        "httpx",
        b'{"a": {"request": {"url": "u", "method": "GET"}, "response": {"statusCode": "200"}}}',
        "statusCode",
    ),
    ("other", b"{}", "'other' is no kind of snapshot"),
]


@pytest.mark.parametrize(
    ("kind", "data", "why"), MALFORMED, ids=[f"{kind}-{why}" for kind, _, why in MALFORMED]
)
def test_what_is_no_snapshot_of_booktests_is_refused_in_one_line(kind, data, why):
    with pytest.raises(IntegrityError) as caught:
        nothing().taking({kind: data}, CLEANER)
    assert caught.value.message.startswith("t")
    assert why in caught.value.message
    assert "\n" not in caught.value.message


def test_a_blob_that_is_none_is_refused():
    with pytest.raises(IntegrityError, match=r"^t \(func\): not a snapshot"):
        Snapshots.load({Kind.FUNC: b"{}"}, "t")
    for bad in (b'""', b"1.5", b"true", b"null", b"[]"):
        data = codec.dump_interactions(
            Kind.HTTP, [Interaction(Request("GET", URL, booktest_hash="x"), Response(200))]
        )
        with pytest.raises(IntegrityError, match="booktest_hash"):
            codec.load_interactions(
                data.replace(b'"booktest_hash": "x"', b'"booktest_hash": ' + bad), name="t"
            )
    dumped = codec.dump_func([Call("?:f", {"args": [], "kwargs": {}}, Returned(1), "x")])
    with pytest.raises(IntegrityError, match="booktest_hash"):
        codec.load_func(dumped.replace(b'"booktest_hash": "x"', b'"booktest_hash": 1'), name="t")


# -- properties ----------------------------------------------------------------------------------------

# Of letters that spell no name of a header or a field which is replaced.
TEXT = st.text('xy é\u2028\U0001f600{}[]":,\n$%&=', max_size=12)
WORD = st.text("mnop", min_size=1, max_size=8)
KEY = st.text('xy é\u2028\ud800"$', max_size=6) | st.just("$type")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | KEY
VALUE = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3),
    max_leaves=8,
)
KEPT = Cleaner(Normaliser(), Redactor())


@st.composite
def recordings(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """What booktest could have recorded of a test: repeats have numbers, some firsts hashes of their own."""
    seen: dict[str, int] = {}
    found = {}
    for _ in range(draw(st.integers(1, 6))):
        known: dict[str, Any] = {
            "url": f"http://a.test/{draw(st.sampled_from('abc'))}",
            "method": draw(st.sampled_from(["GET", "POST", "HEAD"])),
        }
        if kind == "httpx" or draw(st.booleans()):
            known["body"] = draw(st.sampled_from(["", b64(b"x"), b64(b"\xff"), "odd!"]))
        if draw(st.booleans()):
            known["headers"] = {"x-a": "1", "user-agent": "u"}
        text = json.dumps(known, sort_keys=True)
        own = draw(st.sampled_from(["", "own-"]))
        order = seen.get(text, 0)
        seen[text] = order + 1
        if order:
            known["order"] = order
        named = own + sha1(known) if own and not order else sha1(known)
        hides = draw(st.booleans())
        asked = {key: part for key, part in known.items() if not (hides and key in ("body", "headers"))}
        content = draw(TEXT)
        answer: dict[str, Any] = {
            "headers": draw(st.dictionaries(WORD, st.text("xyz", max_size=3), max_size=2)),
            "statusCode": draw(st.integers(100, 599)),
        }
        answer |= (
            {"content": b64(content.encode())} if kind == "httpx" else {"encoding": None, "content": content}
        )
        found[named] = {"request": {**asked, "hash": named}, "response": answer}
    return found


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["http", "httpx"]).flatmap(lambda kind: st.tuples(st.just(kind), recordings(kind))))
def test_every_recording_of_requests_comes_back_whole_and_stays(case):
    kind, recording = case
    snapshots = approved(as_json(**{kind: recording}), KEPT)
    found = said(snapshots, kind)
    assert found.keys() == recording.keys()
    for name, entry in recording.items():
        assert found[name]["response"] == entry["response"]
        assert found[name]["request"]["hash"] == name
        assert [found[name]["request"][key] for key in ("url", "method")] == [
            entry["request"][key] for key in ("url", "method")
        ]
    assert_stays(snapshots, KEPT)
    assert snapshots.taking(as_json(**{kind: recording}), KEPT) == snapshots.blobs


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(WORD, st.lists(VALUE, max_size=3), st.dictionaries(WORD, VALUE, max_size=3), VALUE),
        max_size=5,
    )
)
def test_every_recording_of_calls_comes_back_whole_and_stays(made):
    calls = {one["call"]["hash"]: one for one in (call(f, *a, result=r) for f, a, _, r in made)}
    values = {
        one["hash"]: one for one in (value(f, *a, result=r, **k) for f, a, k, r in made if "name" not in k)
    }
    recording = as_json(func=list(calls.values()), snapshot=list(values.values()))
    snapshots = approved(recording, KEPT)
    assert json.dumps(said(snapshots, "func") or []) == json.dumps(list(calls.values()))
    assert json.dumps(said(snapshots, "snapshot") or []) == json.dumps(list(values.values()))
    assert_stays(snapshots, KEPT)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(TYPES), st.binary(max_size=60) | VALUE.map(lambda data: json.dumps(data).encode()))
def test_no_input_crashes(kind, data):
    try:
        blobs = nothing().taking({kind: data}, KEPT)
    except IntegrityError:
        return
    assert all(Digest.of(blob) for blob in blobs.values())


def test_gzip_that_booktest_decoded_is_what_the_client_read():
    entry = exchange(
        is_httpx=False, content=b"text", answered={"Content-Encoding": "gzip", "Content-Length": "24"}
    )
    snapshots = approved(as_json(http=entries(entry)))
    (item,) = codec.load_interactions(snapshots.blobs[Kind.HTTP], name="t")
    assert gzip.decompress(item.outcome.body.wire) == b"text"  # type: ignore[union-attr]
    (found,) = said(snapshots, "http").values()
    assert found["response"]["content"] == "text"
    assert found["response"]["headers"]["Content-Encoding"] == "gzip"
    assert_stays(snapshots)
