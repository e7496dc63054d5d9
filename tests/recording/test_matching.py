"""When two requests are the same request."""

from __future__ import annotations

import json
from collections.abc import Hashable
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from booktest_cassettes.errors import UsageError
from booktest_cassettes.recording.matching import (
    NAMES,
    Matcher,
    parse_uri,
    with_fixed_boundary,
    without_boundary,
)
from booktest_cassettes.recording.model import Request

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def same(one: Request, other: Request, matcher: Matcher | None = None) -> bool:
    matcher = matcher or Matcher()
    equal = matcher.key(one) == matcher.key(other)
    assert equal == (not matcher.differing(one, other))
    assert hash(matcher.key(one)) == hash(matcher.key(other)) or not equal
    return equal


def get(url: str) -> Request:
    return Request("GET", url)


def post(body: bytes | str, content_type: str = JSON) -> Request:
    data = body.encode() if isinstance(body, str) else body
    return Request(
        "POST", "https://api.test/", (("Content-Type", content_type),) if content_type else (), data
    )


# -- URIs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://api.test/?a=1&b=2", "https://api.test/?b=2&a=1"),
        ("https://api.test/?a=1&a=2", "https://api.test/?a=2&a=1"),
        ("https://api.test/?a", "https://api.test/?a="),
        ("https://api.test/?", "https://api.test/"),
        ("https://api.test/?a=1&&b=2&", "https://api.test/?a=1&b=2"),
        ("https://api.test/?a=x+y", "https://api.test/?a=x%20y"),
        ("https://api.test/?a=%c3%a4", "https://api.test/?a=ä"),
        ("https://api.test/?%61=%2f", "https://api.test/?a=/"),
        ("https://api.test", "https://api.test/"),
        ("https://api.test/%41%7e", "https://api.test/A~"),
        ("https://api.test/ä", "https://api.test/%C3%A4"),
        ("https://api.test/a%2fb", "https://api.test/a%2Fb"),
        ("https://api.test/100%", "https://api.test/100%25"),
        ("https://api.test/x#top", "https://api.test/x"),
        ("https://API.Test/x", "https://api.test/x"),
        ("HTTPS://api.test/x", "https://api.test/x"),
        ("https://api.test:443/x", "https://api.test/x"),
        ("http://api.test:80/x", "http://api.test/x"),
        ("https://api.test./x", "https://api.test/x"),
        ("https://me:pw@api.test/x", "https://you@api.test/x"),
        ("https://[2001:DB8::1]:443/x", "https://[2001:db8::1]/x"),
        ("https://bücher.test/", "https://xn--bcher-kva.test/"),
        ("https://BÜCHER.test/", "https://xn--bcher-kva.test/"),
    ],
)
def test_one_uri_in_two_spellings_matches(one, other):
    assert same(get(one), get(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://api.test/?a=1", "https://api.test/?a=1&a=1"),
        ("https://api.test/?a=1", "https://api.test/?a=2"),
        ("https://api.test/?a=1", "https://api.test/?A=1"),
        ("https://api.test/?a=", "https://api.test/"),
        ("https://api.test/?a=%FF", "https://api.test/?a=%FE"),
        ("https://api.test/?a=x%2By", "https://api.test/?a=x+y"),
        ("https://api.test/?a=1%26b=2", "https://api.test/?a=1&b=2"),
        ("https://api.test/a", "https://api.test/a/"),
        ("https://api.test//a", "https://api.test/a"),
        ("https://api.test/a", "https://api.test/A"),
        ("https://api.test/a%2Fb", "https://api.test/a/b"),
        ("https://api.test/a%252Fb", "https://api.test/a%2Fb"),
        ("https://api.test/%2541", "https://api.test/A"),
        ("https://api.test/%FF", "https://api.test/%FE"),
        ("https://api.test/%%32F", "https://api.test/%2F"),
        ("https://api.test/a%3Fb", "https://api.test/a?b"),
        ("https://api.test/", "http://api.test/"),
        ("https://api.test:80/", "https://api.test/"),
        ("https://api.test:8443/", "https://api.test/"),
        ("https://[::1]/", "https://[::2]/"),
        ("https://api.test/", "https://bpi.test/"),
        ("http://host:port/?a=1", "http://host:port/?a=2"),
        ("http://host:99999/", "http://host:99998/"),
        ("http://[::1", "http://[::2"),
    ],
)
def test_different_uris_do_not_match(one, other):
    assert not same(get(one), get(other))


def test_a_host_for_messages_is_written_as_in_a_url():
    assert parse_uri("http://[::1]:8080/").text == "http://[::1]:8080"
    assert parse_uri("https://API.test:443/").text == "https://api.test"
    assert parse_uri("http://a.test:0/").text == "http://a.test:0"


@settings(max_examples=400)
@given(url=st.text() | st.text("htps:/[]@%?#&=;.1aÄ\udcff\ud800\n", max_size=20).map("http://".__add__))
@example("http://[::1")
@example("http://ex\u2100mple.test/")
@example("//[")
def test_any_text_is_taken_apart_as_a_url(url):
    assert parse_uri(url) == parse_uri(url)
    assert isinstance(hash(Matcher().key(get(url))), int)


@given(path=st.binary(max_size=12))
def test_quoting_more_of_a_path_than_is_needed_does_not_matter_and_nothing_else_is_lost(path):
    usual = "https://api.test/" + quote(path, safe="")
    every = "https://api.test/" + "".join(f"%{byte:02x}" for byte in path)
    assert same(get(usual), get(every))
    assert not same(get(usual), get(f"https://api.test/{quote(path + b'x', safe='')}"))


@given(one=st.binary(max_size=4), other=st.binary(max_size=4))
def test_two_quoted_paths_or_values_match_only_when_they_are_the_same_bytes(one, other):
    for template in ("https://api.test/{}", "https://api.test/?q={}"):
        pair = [get(template.format(quote(part, safe=""))) for part in (one, other)]
        assert same(*pair) is (one == other)


@given(query=st.text("ab=&;%+2F \u00e4/", max_size=16))
def test_a_query_is_read_as_the_standard_library_reads_it(query):
    fields = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
    assert parse_uri(f"https://a.test/?{query}").query == tuple(sorted(fields))


# -- bodies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1, "b": [1, 2]}', '{"b":[1,2],"a":1}'),
        ('{"a": "\\u00e4"}', '{"a": "ä"}'),
        (" [1 ,2]\n", "[1,2]"),
        ('{"a": 1e2}', '{"a": 100.0}'),
        ("123456789" * 100, "123456789" * 100 + " "),
        ('"x"', ' "x" '),
    ],
)
def test_json_is_compared_as_json(one, other):
    assert same(post(one), post(other))
    assert not same(post(one), post(other), Matcher(["raw_body"])) or one == other


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a": 1}', '{"a": 1.0}'),
        ('{"a": 1}', '{"a": true}'),
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": null}', "{}"),
        ("[1, 2]", "[2, 1]"),
        ('{"a": 1, "a": 2}', '{"a": 2}'),
        ("[1e999]", "[1e998]"),
        ("[NaN]", "[ NaN]"),
        ("1" * 5_000, "1" * 5_000 + " "),
        ("12345678901234567890", "12345678901234567891"),
        ("[" * 100_000, "[" * 100_001),
        ("", "{}"),
        ("", "null"),
    ],
    ids=lambda text: text[:20],
)
def test_different_json_does_not_match(one, other):
    assert not same(post(one), post(other))


def test_a_body_that_is_not_what_it_says_is_compared_as_bytes():
    for content_type in (JSON, FORM, "multipart/form-data", "multipart/form-data; boundary="):
        assert same(post(b"\xff{", content_type), post(b"\xff{", content_type))
        assert not same(post(b"\xff{", content_type), post(b"\xfe{", content_type))


def test_json_is_known_without_its_content_type():
    for content_type in ("", "text/plain", "application/x-amz-json-1.1", "application/octet-stream"):
        assert same(post('{"a": 1, "b": 2}', content_type), post('{"b": 2, "a": 1}', JSON))


def test_forms_are_compared_by_fields():
    assert same(post("a=1&b=%20x", FORM), post("b=+x&a=%31", FORM))
    assert same(post("a=ä".encode(), FORM), post("a=%C3%A4", FORM))
    assert same(post("a=1&a=2", FORM), post("a=2&a=1", FORM + "; charset=utf-8"))
    assert not same(post("a=1", FORM), post("a=1&a=1", FORM))
    assert not same(post("a=%FF", FORM), post("a=%FE", FORM))
    assert not same(post("a=", FORM), post("b=", FORM))


def multipart(boundary: str, content: str = "x", mark: str = "{}") -> Request:
    body = f'--{boundary}\r\nContent-Disposition: form-data; name="f"\r\n\r\n{content}\r\n--{boundary}--\r\n'
    return post(body, f"multipart/form-data; boundary={mark.format(boundary)}")


def test_multipart_bodies_are_compared_without_their_boundaries():
    assert same(multipart("abc123"), multipart("def456"))
    assert same(multipart("a b?c", mark='"{}"'), multipart("boundary"))
    assert same(multipart("a"), multipart("x" * 70))
    assert not same(multipart("abc", "x"), multipart("abc", "y"))


def test_a_short_boundary_is_only_replaced_where_it_is_one():
    content_type = "multipart/form-data; charset=a; boundary=a"
    assert with_fixed_boundary(content_type) == "multipart/form-data; charset=a; boundary=boundary"
    body = b"--a\r\n\r\n--ab --a x\r\n--a--\r\n"
    assert without_boundary(content_type, body) == b"--boundary\r\n\r\n--ab --a x\r\n--boundary--\r\n"
    assert (
        with_fixed_boundary('multipart/mixed; Boundary="a b"; x="y"')
        == 'multipart/mixed; Boundary="boundary"; x="y"'
    )


def test_other_content_types_have_no_boundary():
    assert without_boundary("text/plain; boundary=a", b"--a\r\n") == b"--a\r\n"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def shuffled(data: object) -> object:
    if isinstance(data, dict):
        return {key: shuffled(data[key]) for key in reversed(data)}
    return [shuffled(item) for item in data] if isinstance(data, list) else data


@given(data=json_values, other=json_values)
def test_json_matches_whatever_its_layout_and_only_then(data, other):
    plain, loose = json.dumps(data), json.dumps(shuffled(data), indent=3, ensure_ascii=False)
    assert same(post(plain), post(loose))
    assert same(post(plain), post(json.dumps(other))) is (
        json.dumps(data, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


# -- what does not count -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "one", "other", "matches"),
    [
        ("id", {"id": 1, "a": 2}, {"id": 3, "a": 2}, True),
        ("id", {"id": 1}, {}, True),
        ("id", {"id": 1, "a": 2}, {"id": 1, "a": 3}, False),
        ("$.a.b", {"a": {"b": 1}}, {"a": {"b": 2}}, True),
        ("a.b", {"a": {"b": 1, "c": 1}}, {"a": {"b": 2, "c": 2}}, False),
        ("a.b", {"a": 1}, {"a": 1}, True),
        ("a.b", {"a": 1}, {"a": 2}, False),
        ("a.b.c", {"a": {"b": None}}, {"a": {"b": None}}, True),
        ("items.*.at", {"items": [{"at": 1}, {"at": 2}]}, {"items": [{"at": 3}, {}]}, True),
        ("items.*.at", {"items": [{"at": 1}]}, {"items": [{"at": 1}, {"at": 1}]}, False),
        ("*.at", {"x": {"at": 1}, "y": 1}, {"x": {"at": 2}, "y": 1}, True),
        ("items.0", {"items": [1, 2]}, {"items": [3, 2]}, True),
        ("items.0", {"items": [1, 2]}, {"items": [1, 3]}, False),
        ("items.*", {"items": [1, 2]}, {"items": [3]}, True),
        ("$.items[0].id", {"items": [{"id": 1}]}, {"items": [{"id": 2}]}, True),
        ("$.items[*].id", {"items": [{"id": 1}]}, {"items": [{"id": 2}]}, True),
        ("$[0]", [1, 2], [3, 2], True),
        ("items.9", {"items": [1]}, {"items": [2]}, False),
        ("items.²", {"items": [1]}, {"items": [2]}, False),
        ("items.-1", {"items": [1]}, {"items": [2]}, False),
        ("", {"a": 1}, {"a": 2}, False),
        ("0", {"0": 1}, {"0": 2}, True),
    ],
)
def test_ignored_json_paths_do_not_count_and_others_do(path, one, other, matches):
    bodies = [post(json.dumps(data)) for data in (one, other)]
    assert same(*bodies, Matcher(ignore_json_paths=[path])) is matches


def test_ignored_indexes_mean_the_places_in_the_body():
    matcher = Matcher(ignore_json_paths=["0", "1"])
    assert same(post("[1, 2, 3]"), post("[4, 5, 3]"), matcher)
    assert not same(post("[1, 2, 3]"), post("[1, 2, 4]"), matcher)


# -- names and matchers ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_name_tells_apart_what_it_names(name):
    one = Request("GET", "https://a.test/x?q=1", (("A", "1"),), b"x")
    changed = {
        "method": Request("PUT", one.url, one.headers, one.body),
        "scheme": Request("GET", "http://a.test/x?q=1", one.headers, one.body),
        "host": Request("GET", "https://b.test/x?q=1", one.headers, one.body),
        "port": Request("GET", "https://a.test:1/x?q=1", one.headers, one.body),
        "path": Request("GET", "https://a.test/y?q=1", one.headers, one.body),
        "query": Request("GET", "https://a.test/x?q=2", one.headers, one.body),
        "headers": Request("GET", one.url, (("A", "2"),), one.body),
        "body": Request("GET", one.url, one.headers, b"y"),
    }
    whole = {"scheme", "host", "port", "path", "query"}
    sees = {
        "raw_body": {"body"},
        "uri": whole,
        "url": whole,
    }
    for what, other in changed.items():
        assert same(one, other, Matcher([name])) is (what not in sees.get(name, {name}))


def test_headers_are_compared_in_any_order_and_case_of_names():
    one, other, third = (
        Request("GET", "https://a.test/", headers)
        for headers in ((("A", "1"), ("b", "2")), (("B", "2"), ("a", "1")), (("a", "1"),))
    )
    assert same(one, other, Matcher(["headers"]))
    assert not same(one, third, Matcher(["headers"]))


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="unknown matcher 'pth'") as caught:
        Matcher(["method", "pth"])
    assert "path" in caught.value.hint


def none_is_fine(_made, _recorded):
    return None


def asserts(made, recorded):
    assert made.url == recorded.url, "not the same"


@pytest.mark.parametrize(
    ("matcher", "accepts"),
    [
        (none_is_fine, True),
        (lambda _a, _b: True, True),
        (lambda _a, _b: "yes", True),
        (lambda _a, _b: False, False),
        (lambda _a, _b: 0, False),
        (asserts, False),
    ],
)
def test_a_matcher_of_the_user_accepts_as_vcrpys_do(matcher, accepts):
    one, other = get("https://a.test/?a=1"), get("https://a.test/?a=2")
    combined = Matcher(["method", "path", matcher])
    assert combined.key(one) == combined.key(other)
    assert combined.agrees(one, other) is accepts
    assert combined.differing(one, other) == ([] if accepts else [getattr(matcher, "__name__", "")])
    assert combined.agrees(one, one) in (accepts, True)


def test_any_other_exception_of_a_matcher_is_the_users_to_see():
    def broken(_made, _recorded):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        Matcher([broken]).agrees(get("https://a.test/"), get("https://a.test/"))


def test_the_method_is_compared_without_case():
    assert same(Request("get", "https://a.test/"), Request("GET", "https://a.test/"))


any_request = st.builds(
    Request,
    st.sampled_from(["GET", "POST", "get"]),
    st.sampled_from(
        ["https://a.test/", "https://a.test", "https://A.test/?", "http://[", "https://a.test/?a=1"]
    ),
    st.sampled_from(
        [
            (),
            (("Content-Type", JSON),),
            (("content-type", FORM),),
            (("Content-Type", "multipart/x; boundary=b"),),
        ]
    ),
    st.sampled_from([b"", b"{}", b" {}", b"{ }", b"a=1&b=2", b"b=2&a=1", b"--b\r\n", b"\xff", b"[1e999]"]),
)


@settings(max_examples=400)
@given(one=any_request, other=any_request, names=st.lists(st.sampled_from(NAMES), max_size=4))
def test_the_key_is_hashable_and_equal_just_when_nothing_tells_two_requests_apart(one, other, names):
    for matcher in (Matcher(), Matcher(names)):
        assert isinstance(matcher.key(one), Hashable)
        same(one, other, matcher)
        assert same(one, one, matcher)


def test_a_large_body_matches_like_a_small_one():
    data = {"a": "x" * 100_000, "b": 1}
    assert same(post(json.dumps(data)), post(json.dumps(data, indent=1)))
    assert not same(post(json.dumps(data)), post(json.dumps({**data, "b": 2})))
