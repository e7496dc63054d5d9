"""How two requests differ, in words."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booktest_cassettes.recording.difference import describe, json_differences, nearest, shown
from booktest_cassettes.recording.matching import NAMES, Matcher
from booktest_cassettes.recording.model import Request

JSON = (("Content-Type", "application/json"),)
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
MATCHER = Matcher()


def get(url: str, method: str = "GET") -> Request:
    return Request(method, url)


def post(data: object, url: str = "https://api.test/chat") -> Request:
    return Request("POST", url, JSON, json.dumps(data).encode())


def told(made: Request, recorded: Request, matcher: Matcher = MATCHER) -> list[str]:
    return describe(made, recorded, matcher)


# -- the nearest -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "others", "expected"),
    [
        (get("https://a.test/users/1"), [get("https://a.test/x"), get("https://a.test/users/2")], 1),
        (
            get("https://a.test/users"),
            [get("https://a.test/users", "POST"), get("https://a.test/users?a=1")],
            1,
        ),
        (get("https://a.test/users"), [get("https://b.test/users"), get("https://a.test/other")], 0),
        (get("https://a.test/?a=1&b=2"), [get("https://a.test/?c=3"), get("https://a.test/?a=1&b=3")], 1),
        (get("https://a.test/a/b/c"), [get("https://a.test/x/y/c"), get("https://a.test/a/b/x")], 1),
        (
            post({"model": "m", "prompt": "What is the capital of France?", "n": 1}),
            [
                post({"model": "x", "prompt": "Hello", "n": 2}),
                post({"model": "m", "prompt": "Hello", "n": 1}),
                post({"model": "m", "prompt": "What is the capital of Spain?", "n": 1}),
            ],
            2,
        ),
        (post({"a": 1}), [post({"a": 1}, "https://a.test/"), post({"a": 2})], 1),
    ],
)
def test_the_nearest_is_what_a_person_would_pick(made, others, expected):
    assert nearest(made, others, MATCHER) is others[expected]
    assert nearest(made, others[::-1], MATCHER) is others[expected]


def test_the_first_of_equally_near_ones_is_taken():
    others = [get("https://a.test/x?q=1"), get("https://a.test/x?q=2")]
    assert nearest(get("https://a.test/x?q=3"), others, MATCHER) is others[0]


def test_long_bodies_are_told_apart_behind_what_they_begin_with_alike():
    start = "You are a helpful assistant. " * 200
    others = [post({"prompt": start + end}) for end in ("Say hello.", "What is 2 + 2?", "Write a poem.")]
    assert nearest(post({"prompt": start + "What is 2 + 3?"}), others, MATCHER) is others[1]


def test_nothing_recorded_has_nothing_near():
    assert nearest(get("https://a.test/"), [], MATCHER) is None


def test_the_nearest_is_found_anywhere_in_a_long_cassette():
    others = [post({"n": n}, f"https://a.test/items/{n}") for n in range(5_000)]
    began = time.process_time()
    assert nearest(post({"n": "x"}, "https://a.test/items/4321"), others, MATCHER) is others[4321]
    assert time.process_time() - began < 10


def test_what_does_not_count_does_not_make_requests_less_alike():
    matcher = Matcher(ignore_json_paths=["noise.*"])
    others = [post({"q": "aa", "noise": {}}), post({"q": "ab", "noise": {"x": 1, "y": 2, "z": 3}})]
    assert nearest(post({"q": "ab!", "noise": {}}), others, matcher) is others[1]


# -- the words ---------------------------------------------------------------------------------------


def test_method_host_path_and_query_are_named():
    made = Request("PUT", "https://b.test:1/x?a=1&b=2&c=3&c=4")
    lines = told(made, get("http://a.test/y?a=1&b=3&d=5&c=3"))
    assert lines == [
        'method: "PUT" now, "GET" recorded',
        'host: "https://b.test:1" now, "http://a.test" recorded',
        'path: "/x" now, "/y" recorded',
        'query b: "2" now, "3" recorded',
        'query c: ["3", "4"] now, "3" recorded',
        'query d: nothing now, "5" recorded',
    ]


def test_json_is_told_by_path():
    made = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "n": 1, "new": None}
    recorded = {"model": "m", "messages": [{"role": "user", "content": "Ho"}, {}], "n": 1.0, "old": True}
    assert told(post(made), post(recorded)) == [
        'body $.messages[0].content: "Hi" now, "Ho" recorded',
        "body $.messages[1]: nothing now, {} recorded",
        "body $.n: 1 now, 1.0 recorded",
        "body $.new: null now, nothing recorded",
        "body $.old: nothing now, true recorded",
    ]


def test_a_path_that_was_told_can_be_ignored():
    made, recorded = post({"items": [{"id": 1}]}), post({"items": [{"id": 2}]})
    (line,) = told(made, recorded)
    path = line.removeprefix("body ").partition(":")[0]
    assert told(made, recorded, Matcher(ignore_json_paths=[path])) == []


def test_what_does_not_count_is_not_told():
    matcher = Matcher(ignore_json_paths=["id"])
    assert told(post({"id": 1, "a": 1}), post({"id": 2, "a": 2}), matcher) == ["body $.a: 1 now, 2 recorded"]


def test_forms_are_told_by_field():
    made, recorded = (
        Request("POST", "https://a.test/", FORM, body) for body in (b"a=1&b=x%20y", b"a=2&b=x+y&c=")
    )
    assert told(made, recorded) == ['form a: "1" now, "2" recorded', 'form c: nothing now, "" recorded']


def test_text_is_told_by_line():
    made, recorded = (Request("POST", "https://a.test/", (), body) for body in (b"a\nb\nc\n", b"a\nx\nc\n"))
    assert told(made, recorded) == ['body + "b"', 'body - "x"']


def test_two_long_values_are_told_from_where_they_part():
    start = "the same long beginning " * 40
    (line,) = told(post({"prompt": start + "one thing"}), post({"prompt": start + "another"}))
    assert 'one thing" (' in line
    assert 'another" (' in line
    assert len(line) < 300


def test_headers_are_told_by_name():
    made, recorded = (
        Request("GET", "https://a.test/", headers)
        for headers in ((("A", "1"), ("B", "2")), (("b", "3"), ("a", "1")))
    )
    assert told(made, recorded, Matcher(["headers"])) == ['header b: "2" now, "3" recorded']


def test_only_what_the_matcher_looks_at_is_told_and_once():
    made, recorded = get("https://a.test/x?a=1"), get("https://b.test:1/y?a=2")
    assert told(made, recorded, Matcher(["path"])) == ['path: "/x" now, "/y" recorded']
    assert told(made, recorded, Matcher(["query"])) == ['query a: "1" now, "2" recorded']
    assert told(made, recorded, Matcher(["scheme", "host", "port"])) == [
        'host: "https://a.test" now, "https://b.test:1" recorded'
    ]
    assert len(told(made, recorded, Matcher(["uri", "url", "path"]))) == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"a\nb\n", b"b\na\n"),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"x", b"x "),
        (b"", b"x"),
        (b"x", b""),
        (b"\x00\xff", b"\x00\xfe"),
        (b'{"a": 1}', b""),
        (b'{"a": 1, "a": 2}', b'{"a": 2}'),
        (b"[1e999]", b"[1e998]"),
    ],
)
def test_a_body_that_differs_is_always_told(one, other):
    for headers in ((), JSON, FORM, (("Content-Type", "multipart/x; boundary=b"),)):
        made, recorded = (Request("POST", "https://a.test/", headers, body) for body in (one, other))
        lines = told(made, recorded)
        assert bool(lines) is bool(MATCHER.differing(made, recorded))


def test_another_content_type_of_the_same_bytes_is_told():
    made = Request("POST", "https://a.test/", FORM, b"a=1")
    assert told(made, Request("POST", "https://a.test/", (), b"a=1")) == ["body tells them apart"]


def test_a_matcher_of_the_user_is_named():
    def same_user(_made, _recorded):
        return False

    assert told(get("https://a.test/"), get("https://a.test/"), Matcher([same_user])) == [
        "same_user tells them apart"
    ]


# -- limits ------------------------------------------------------------------------------------------

URLS = st.sampled_from(
    ["https://a.test/", "http://[", "https://b.test:1/x?a=%0a&b=\udcff", "", "x:y", "https://a.test/%ff?q"]
)
BODIES = st.binary(max_size=30) | st.sampled_from(
    [
        b'{"a": {"b": [1, 2]}}',
        b'{"\\ud800\\n": 1}',
        b"[" * 2_000 + b"]" * 2_000,
        b"a\nb\nc",
        b"--b\r\n\r\nx\r\n--b--",
        b'{"' + b"k" * 500 + b'": 1}',
    ]
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Content-Type", "X-\x1b[31m"]),
        st.sampled_from(["application/json", FORM[0][1], "multipart/x; boundary=b", "\x9b31m", "x" * 300]),
    ),
    max_size=2,
).map(tuple)
REQUESTS = st.builds(Request, st.text(max_size=300), URLS | st.text(max_size=9), HEADERS, BODIES)


@settings(max_examples=400)
@given(made=REQUESTS, recorded=REQUESTS, names=st.sets(st.sampled_from(NAMES)))
def test_any_two_requests_are_told_in_few_short_printable_lines(made, recorded, names):
    for matcher in (MATCHER, Matcher(names), Matcher(["body"], ["a.b", "*.*"])):
        lines = describe(made, recorded, matcher)
        assert bool(lines) is bool(matcher.differing(made, recorded))
        assert len(lines) <= 13
        assert all(len(line) < 420 and line.isprintable() for line in lines)
        assert nearest(made, [recorded], matcher) is recorded


def test_many_differences_are_counted():
    assert told(post(list(range(20))), post([]))[12:] == ["... and 8 more"]
    began = time.process_time()
    assert told(post(list(range(300_000))), post([]))[12:] == ["... and many more"]
    assert time.process_time() - began < 20


def test_a_value_is_shown_on_one_printable_line_of_some_length():
    assert shown("a\nb\x1b\x9b\u202e\udcff") == r'"a\nb\u001b\x9b\u202e\udcff"'
    assert len(shown("x" * 10_000)) < 120
    assert shown("x" * 10_000).endswith("... (10002 characters)")
    assert shown({"a": [1, None]}) == '{"a": [1, null]}'
    assert shown(b"x").startswith('"b')


def test_json_values_are_compared_with_their_types():
    found = list(json_differences({"a": 1, "b": [True]}, {"a": 1.0, "b": [1]}))
    assert [(path, new, old) for path, new, old in found] == [("$.a", 1, 1.0), ("$.b[0]", True, 1)]
