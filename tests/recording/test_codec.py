"""Blobs: load∘dump is the identity, the bytes are canonical, and nothing else is read."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from booktest_cassettes.digest import Digest, Kind
from booktest_cassettes.errors import IntegrityError
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body, Coding
from booktest_cassettes.recording.calls import Call, Returned
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response

texts = st.text() | st.text('\x00\r\n\t\x7f\x85\u2028\u2029\ufeff"\\/\U0001f600é', max_size=6)
latin_1 = st.text(st.characters(max_codepoint=255), max_size=8)
headers = st.lists(st.tuples(latin_1, latin_1), max_size=4).map(tuple)
contents = (
    st.binary(max_size=64)
    | texts.map(str.encode)
    | st.lists(
        st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"\xe2\x80\xa8", b"\x00", b"\xff"]), max_size=8
    ).map(b"".join)
)
codings = st.builds(
    Coding, st.sampled_from(["gzip", "zlib", "deflate"]), st.integers(0, 9), st.integers(1, 9)
)
failures = st.builds(Failure, texts, texts)
hashes = st.just("") | st.text("0123456789abcdef", min_size=40, max_size=40)
requests = st.builds(Request, texts, texts, headers, contents, hashes)
responses = st.builds(
    Response,
    st.integers(),
    latin_1,
    texts,
    headers,
    st.builds(Body, contents, st.none() | codings),
    st.lists(st.integers(0, 99), max_size=3).map(tuple),
    st.booleans(),
    st.none() | failures,
)
interactions = st.builds(Interaction, requests, responses | failures)
cassettes = st.lists(interactions, max_size=3)
http_kinds = st.sampled_from([Kind.HTTP, Kind.HTTPX])

REQUEST = Request("GET", "https://api.test/")


def load(data: bytes) -> list[Interaction]:
    return codec.load_interactions(data, name="t.py::test (http)")


# -- the identity ------------------------------------------------------------------------------------


@given(kind=http_kinds, items=cassettes)
@example(kind=Kind.HTTP, items=[])
@example(
    kind=Kind.HTTP,
    items=[
        Interaction(Request("P", "u", body=body), Response(200, body=Body(body, coding)))
        for body in (
            b"",
            b"\r",
            b"\n",
            b"a\nb",
            b"a\n",
            b"\n\n",
            b"\xef\xbb\xbfx",
            b"\xed\xb0\x80",
            b"\xff",
            b"\xe2\x80\xa8",
        )
        for coding in (None, Coding("gzip", 9, 9))
    ],
)
def test_loading_what_was_dumped_gives_it_back(kind, items):
    data = codec.dump_interactions(kind, items)
    assert load(data) == items
    assert codec.dump_interactions(kind, load(data)) == data


@given(values=st.dictionaries(texts, st.none() | texts, max_size=5))
def test_loading_a_dumped_environment_gives_it_back(values):
    data = codec.dump_env(values)
    assert codec.load_env(data, name="x") == values
    assert codec.dump_env(codec.load_env(data, name="x")) == data


def test_loading_dumped_calls_gives_them_back():
    calls = [Call("m:f", {"a": [1, 2.5, None, "\u2028"]}, Returned({"k": []}))]
    data = codec.dump_func(calls)
    assert codec.load_func(data, name="x") == calls


@pytest.mark.parametrize("text", ["\udcff", "a\udc80b\ud800", "\\udcff"])
def test_text_that_utf_8_cannot_hold_survives(text):
    data = codec.dump_env({"PATH": text})
    data.decode("utf-8")
    assert codec.load_env(data, name="x") == {"PATH": text}
    items = [Interaction(Request("GET", f"https://a.test/{text}"), Failure("OSError", text))]
    assert load(codec.dump_interactions(Kind.HTTP, items)) == items


# -- the bytes ---------------------------------------------------------------------------------------


def keys_of(data: Any) -> list[list[str]]:
    if isinstance(data, dict):
        return [list(data), *(keys for value in data.values() for keys in keys_of(value))]
    return [keys for item in data for keys in keys_of(item)] if isinstance(data, list) else []


@given(items=cassettes)
def test_a_blob_is_utf_8_with_sorted_keys_and_one_final_line_end(items):
    data = codec.dump_interactions(Kind.HTTP, items)
    text = data.decode("utf-8")
    assert b"\r" not in data
    assert b"\0" not in data
    assert text.endswith("}\n")
    assert not text.endswith("\n\n")
    assert all(keys == sorted(keys) for keys in keys_of(json.loads(text)))


@given(values=st.dictionaries(texts, texts, max_size=6), seed=st.integers())
def test_the_order_in_which_things_were_put_in_does_not_matter(values, seed):
    shuffled = list(values.items())
    random.Random(seed).shuffle(shuffled)
    assert codec.dump_env(dict(shuffled)) == codec.dump_env(values)


def test_a_blob_reads_well():
    request = Request("POST", "https://api.test/a", (("Accept", "*/*"),), b'{"a": 1}')
    body = Body("één\ntwo\n".encode(), Coding("gzip", 6, 8))
    response = Response(200, "OK", "HTTP/1.1", (("A", "b"), ("C", "d")), body, (3,), cut=True)
    items = [Interaction(request, response), Interaction(REQUEST, Failure("builtins.OSError", "no"))]
    assert (
        codec.dump_interactions(Kind.HTTP, items).decode()
        == """\
{
  "interactions": [
    {
      "request": {
        "body": {"text": "{\\"a\\": 1}"},
        "headers": [
          ["Accept", "*/*"]
        ],
        "method": "POST",
        "url": "https://api.test/a"
      },
      "response": {
        "body": {
          "coding": {"gzip": 6, "memory": 8},
          "lines": ["één\\n", "two\\n"]
        },
        "cut": true,
        "headers": [
          ["A", "b"],
          ["C", "d"]
        ],
        "http_version": "HTTP/1.1",
        "reason": "OK",
        "splits": [3],
        "status": 200
      }
    },
    {
      "failure": {"message": "no", "type": "builtins.OSError"},
      "request": {"headers": [], "method": "GET", "url": "https://api.test/"}
    }
  ],
  "kind": "http",
  "version": 1
}
"""
    )


def test_a_changed_line_of_text_is_one_changed_line_of_the_blob():
    def lines(middle: str) -> list[bytes]:
        body = Body("".join(f"{n} {'x' * 30}\n" for n in range(5)).encode() + middle.encode() + b"\nlast")
        return codec.dump_interactions(
            Kind.HTTP, [Interaction(REQUEST, Response(200, body=body))]
        ).splitlines()

    assert [b for a, b in zip(lines("one"), lines("two"), strict=True) if a != b] == [
        b'            "two\\n",'
    ]


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum here")
def test_sha256sum_of_the_file_is_the_digest(tmp_path):
    data = codec.dump_interactions(Kind.HTTP, [Interaction(REQUEST, Response(200, body=Body(b"\xff\n")))])
    path = tmp_path / "http.json"
    path.write_bytes(data)
    told = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True).stdout
    assert Digest.of(data) == f"sha256:{told.split()[0]}"


def test_the_bytes_are_the_same_in_another_process_with_another_hash_seed():
    program = (
        "import sys; from booktest_cassettes.recording import codec\n"
        "sys.stdout.buffer.write(codec.dump_env({c: c for c in 'qwertyuiopasdfghjklzxcvbnmåäö'}))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_the_digest_of_a_known_blob_never_changes():
    request = Request("POST", "https://api.test/ä?b=1", (("Content-Type", "text/plain"),), b"\xff\x00")
    response = Response(200, "OK", body=Body("line\u2028one\r\nline two".encode(), Coding("gzip")))
    data = codec.dump_interactions(Kind.HTTPX, [Interaction(request, response)])
    assert (
        hashlib.sha256(data).hexdigest() == "ea7b8016a964bbbe9a791edd4fe3553fc082f2c666751f7582f9ec7772876e1f"
    )


@pytest.mark.parametrize(
    "content", [b"\xff" * 800_000, b"x" * 800_000, b"line\n" * 160_000], ids=["binary", "text", "lines"]
)
def test_a_large_body_takes_memory_in_proportion(content):
    def peak(size: int) -> int:
        item = Interaction(REQUEST, Response(200, body=Body(content[:size])))
        tracemalloc.start()
        data = codec.dump_interactions(Kind.HTTP, [item])
        assert load(data) == [item]
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    small, large = peak(200_000), peak(800_000)
    assert large < 6 * small


# -- what is refused ---------------------------------------------------------------------------------


def document(**changes: Any) -> dict[str, Any]:
    request = Request("POST", "https://a.test/", (("A", "b"),), b"x")
    response = Response(
        200, "OK", headers=(("A", "b"),), body=Body(b"a\nb", Coding("gzip")), splits=(1,), cut=True,
        error=Failure("t", "m"),
    )  # fmt: skip
    items = [Interaction(request, response), Interaction(request, Failure("t", "m"))]
    found: dict[str, Any] = json.loads(codec.dump_interactions(Kind.HTTP, items))
    return {**found, **changes}


def refused(data: bytes) -> IntegrityError:
    with pytest.raises(IntegrityError) as caught:
        load(data)
    assert "t.py::test (http)" in str(caught.value)
    assert len(str(caught.value)) < 1_000
    return caught.value


NO_TEXT = [None, 1, ["x"], {}]
NO_OBJECT = [None, [], "x", 1, {}]
NO_HEADERS = [None, "ab", {"ab": "c"}, ["ab"], [["a"]], [["a", "b", "c"]], [["a", 1]], [{"a": "b"}]]
NO_CONTENT = [
    *NO_OBJECT,
    *({key: value} for key in ("text", "lines", "base64") for value in (None, 1, {"a": "b"})),
    {"text": ["x"]},
    {"text": "\ud800"},
    {"lines": "abc"},
    {"lines": [1]},
    {"base64": "!"},
    {"base64": "eA="},
    {"base64": "é"},
    {"string": "x"},
    {"text": "x", "base64": "eA=="},
    {"text": "x", "lines": ["x"]},
    {"text": "x", "encoding": "utf-8"},
]
NO_CODING = [
    *NO_OBJECT,
    {"gzip": 6},
    {"memory": 8},
    {"br": 6, "memory": 8},
    {"gzip": 6, "zlib": 6, "memory": 8},
    *({"gzip": level, "memory": 8} for level in ("6", 6.0, True, None, -1, 10)),
    *({"gzip": 6, "memory": memory} for memory in ("8", 8.0, True, None, 0, 10)),
]
NO_FAILURE = [
    *NO_OBJECT,
    {"type": "t"},
    {"type": "t", "message": None},
    {"type": "t", "message": "m", "x": 1},
]
#: A path into the document above, and what must not stand there.
WRONG = [
    (path, value)
    for path, values in {
        "interactions": [{}, "", None, 1, {"request": {}}],
        "interactions.0": NO_OBJECT,
        "interactions.0.request": NO_OBJECT,
        "interactions.0.request.method": NO_TEXT,
        "interactions.0.request.url": NO_TEXT,
        "interactions.0.request.headers": NO_HEADERS,
        "interactions.0.request.body": [*NO_CONTENT, {"text": "x", "coding": {"gzip": 6, "memory": 8}}],
        "interactions.0.request.legacy_hash": [
            "",
            "ab" * 19,
            "AB" * 20,
            "ab" * 20 + "\n",
            None,
            1,
            ["ab" * 20],
        ],
        "interactions.0.request.booktest_hash": ["", None, 1.5, True, ["ab"], {}],
        "interactions.0.response": NO_OBJECT,
        "interactions.0.response.status": ["200", 200.0, True, None, [200], "²"],
        "interactions.0.response.reason": NO_TEXT,
        "interactions.0.response.http_version": NO_TEXT,
        "interactions.0.response.headers": NO_HEADERS,
        "interactions.0.response.splits": [None, "12", {"1": 2}, ["1"], [1.0], [True], [None]],
        "interactions.0.response.cut": [None, 1, "yes", False],
        "interactions.0.response.body": NO_CONTENT,
        "interactions.0.response.body.coding": NO_CODING,
        "interactions.0.response.error": NO_FAILURE,
        "interactions.1.failure": NO_FAILURE,
        "version": [0, -1, "1", 1.0, True, None, [1]],
        "kind": ["env", "func", "grpc", None, 1, ["http"]],
    }.items()
    for value in values
]


@pytest.mark.parametrize(("path", "value"), WRONG, ids=lambda part: str(part)[:40])
def test_a_value_of_another_shape_is_refused(path, value):
    data = document()
    *steps, last = path.split(".")
    place: Any = data
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[int(last) if isinstance(place, list) else last] = value
    refused(json.dumps(data).encode())


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@pytest.mark.parametrize(
    "path", [path for path in places(document()) if path], ids=lambda path: ".".join(map(str, path))
)
def test_a_part_that_is_missing_or_one_too_many_is_refused(path):
    *steps, last = path
    for change in ("without", "with"):
        data = document()
        place: Any = data
        for step in steps:
            place = place[step]
        if isinstance(place, list) or (change == "with" and not isinstance(place[last], dict)):
            continue
        if change == "with":
            place[last]["unheard-of"] = 1
        elif last in ("body", "splits", "cut", "error", "coding"):
            continue  # optional
        else:
            del place[last]
        refused(json.dumps(data).encode())


def test_an_interaction_with_two_outcomes_is_refused():
    data = document()
    data["interactions"][0]["failure"] = data["interactions"][1]["failure"]
    refused(json.dumps(data).encode())


def test_a_newer_version_says_so():
    error = refused(json.dumps(document(version=2)).encode())
    assert "written by a newer version (format 2" in str(error)
    assert "pip install --upgrade" in error.hint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"null",
        b"[]",
        b"1",
        b'"x"',
        b"{}",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"version": 1, "kind": "http", "interactions": []',
        b'{"version": 1, "kind": "http", "interactions": []} {}',
        b'{"version": 1, "version": 1, "kind": "http", "interactions": []}',
        b'{"version": 1, "kind": "http", "interactions": [{"a": 1, "a": 1}]}',
        b'{"version": NaN}',
        b'{"version": Infinity}',
        b'{"version": 1, "x": -Infinity}',
        b'{"version": ' + b"1" * 5_000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"version": 1, "kind": "http", "interactions": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "{'version': 1}".encode("utf-16"),
        codec.dump_env({}),
        codec.dump_func([]),
    ],
)  # fmt: skip
def test_what_is_no_such_blob_is_refused(data):
    refused(data)


FORMAT_WORDS = (
    "version kind interactions request response failure headers body text lines base64 coding gzip memory"
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FORMAT_WORDS.split()) | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def only_integrity_errors(data: bytes) -> None:
    try:
        items = load(data)
    except IntegrityError:
        return
    assert load(codec.dump_interactions(Kind.HTTP, items)) == items


@given(items=json_values)
def test_json_of_any_shape_gives_an_integrity_error_or_interactions(items):
    only_integrity_errors(json.dumps(items).encode())
    only_integrity_errors(json.dumps({"version": 1, "kind": "http", "interactions": items}).encode())
    only_integrity_errors(json.dumps({"version": 1, "kind": "http", "interactions": [items]}).encode())


@given(
    path=st.sampled_from([path for path in places(document()) if path]),
    value=json_values,
)
def test_any_value_in_any_place_gives_an_integrity_error_or_interactions(path, value):
    data = document()
    place: Any = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    only_integrity_errors(json.dumps(data).encode())


@given(items=cassettes.filter(bool), seed=st.integers(), count=st.integers(1, 4))
def test_bytes_changed_at_random_give_an_integrity_error_or_interactions(items, seed, count):
    data = bytearray(codec.dump_interactions(Kind.HTTP, items))
    chance = random.Random(seed)
    for _ in range(count):
        place = chance.randrange(len(data))
        data[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    only_integrity_errors(bytes(data))


@given(data=st.binary(max_size=80))
def test_any_bytes_give_an_integrity_error(data):
    refused(data)


@pytest.mark.parametrize(
    ("env", "refusal"),
    [
        ([], True),
        ({"A": 1}, True),
        ({"A": ["b"]}, True),
        ("x", True),
        (None, True),
        ({"A": None, "B": ""}, False),
    ],
)
def test_an_environment_is_names_and_texts(env, refusal):
    data = json.dumps({"version": 1, "kind": "env", "env": env}).encode()
    if refusal:
        with pytest.raises(IntegrityError, match=re.escape("x: not a snapshot")):
            codec.load_env(data, name="x")
    else:
        assert codec.load_env(data, name="x") == env


@pytest.mark.parametrize("calls", [None, {}, "x", [1], [{}], [{"function": 1}]])
def test_calls_of_another_shape_are_refused(calls):
    with pytest.raises(IntegrityError):
        codec.load_func(json.dumps({"version": 1, "kind": "func", "calls": calls}).encode(), name="x")
