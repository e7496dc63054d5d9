"""What nobody needs to look at, and what looks like it and counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.comparison import Difference, compare
from booktest_cassettes.recording.model import Headers, Interaction, Request, Response

ONE, TWO = "0b8b1f6e-2a52-4b6f-9a5e-3f1c9a1d2e01", "c0a8012e-77aa-4cde-8f10-9b1d5a7c3e22"
HEX_ONE, HEX_TWO = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7deadbeefcafe0123"


def differences(*sides: Interaction) -> tuple[Difference, ...]:
    (item,) = compare(Kind.HTTP, *(codec.dump_interactions(Kind.HTTP, [side]) for side in sides)).items
    return item.differences


def with_json(value: Any) -> Interaction:
    headers = (("Content-Type", "application/json"),)
    return Interaction(
        Request("GET", "http://x/"),
        Response(200, "OK", headers=headers, body=Body(json.dumps(value).encode())),
    )


def with_headers(headers: Headers, body: bytes = b"", sent: Headers = ()) -> Interaction:
    return Interaction(
        Request("GET", "http://x/", sent), Response(200, "OK", headers=headers, body=Body(body))
    )


def noise_of(name: str, old: object, new: object) -> str:
    (difference,) = differences(with_json({name: old}), with_json({name: new}))
    return difference.noise


NOISE = [
    ("created_at", "2024-05-01T10:00:00Z", "2025-01-31T23:59:59.123456+02:00"),
    ("createdAt", "2024-05-01 10:00:00", "2024-05-01 10:00:01"),
    ("generated", "20240501T100000Z", "20240502T100000Z"),
    ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 22 Oct 2015 07:28:00 GMT"),
    ("timestamp", 1_700_000_000, 1_800_000_000),
    ("timestamp", 1_700_000_000_123, 1_800_000_000_123),
    ("ts", "1700000000.000100", "1700000009.000200"),
    ("iat", 1_700_000_000, 1_700_003_600),
    ("now", 1_700_000_000.25, 1_700_000_001.5),
    ("request_id", ONE, TWO),
    ("requestId", HEX_ONE, HEX_TWO),
    ("trace_id", HEX_ONE, HEX_TWO),
    ("nonce", "a8Fj2kLs9dQ", "zP0qW3eR7tY"),
    ("next_cursor", "eyJpZCI6MTIzNDU2fQ==", "eyJpZCI6OTg3NjU0fQ=="),
    ("etag", 'W/"5f3a9c21"', 'W/"9b1d5a7c"'),
    ("id", "chatcmpl-AbC123dEf456", "chatcmpl-ZyX987wVu654"),
    ("tool_call_id", "call_a1b2c3d4e5", "call_f6g7h8i9j0"),
]

COUNTS = [
    ("id", 1, 2),
    ("id", ONE, TWO),
    ("user_id", ONE, TWO),
    ("id", "chatcmpl-AbC123dEf456", "resp_ZyX987wVu654"),
    ("id", "msg_hello_there", "msg_good_bye_now"),
    ("price", 3, 4),
    ("count", 1_700_000_000, 1_700_000_001),
    ("version", "1.0.0", "1.0.1"),
    ("total", 1_700_000_000, 1_800_000_000),
    ("timestamp", 12, 13),
    ("timestamp", True, False),
    ("timestamp", 1_700_000_000, "1700000001"),
    ("timestamp", 1_700_000_000, 1_700_000_000_000),
    ("timestamp", "1700000000", "1700000000000"),
    ("timestamp", "2024-05-01T10:00:00Z", "2024-05-01T10:00:00"),
    ("timestamp", "2024-05-01T10:00:00Z", "2024-05-01 10:00:00Z"),
    ("timestamp", "2024-05-01T10:00:00Z", "20240501T100000Z"),
    ("timestamp", "2024-05-01T10:00:00Z", "Wed, 01 May 2024 10:00:00 GMT"),
    ("timestamp", "2024-05-01T10:00:00Z", "never"),
    ("timestamp", "2024-13-41T10:00:00Z", "2024-14-41T10:00:00Z"),
    ("created_at", "2024-05-01", "2024-05-02"),
    ("created_at", "2024-05-01T10:00:00Z", None),
    ("due_date", "2024-05-01T10:00:00Z", "2024-05-02T10:00:00Z"),
    ("start", "2024-05-01T10:00:00Z", "2024-05-02T10:00:00Z"),
    ("expires_in", 3600, 7200),
    ("request_id", "first", "second"),
    ("request_id", ONE, HEX_ONE),
    ("request_id", "12345", "12346"),
    ("trace_id", HEX_ONE, HEX_TWO[:16]),
    ("cursor", "page-two-of-it", "page-one-of-it"),
    ("nonce", "a8Fj2kLs9dQ", "a8Fj2kLs9dQa8Fj2kLs9dQ"),
    ("etag", None, "5f3a9c21"),
]


@pytest.mark.parametrize(("name", "old", "new"), NOISE)
def test_when_and_which_exchange_it_was_is_noise(name, old, new):
    assert noise_of(name, old, new)
    assert noise_of(name, new, old)


@pytest.mark.parametrize(("name", "old", "new"), COUNTS)
def test_what_an_answer_is_about_counts(name, old, new):
    assert not noise_of(name, old, new)
    assert not noise_of(name, new, old)


def test_what_came_or_went_counts_whatever_its_name():
    assert [one.noise for one in differences(with_json({}), with_json({"timestamp": 1_700_000_000}))] == [""]
    assert [one.noise for one in differences(with_headers((("ETag", "a"),)), with_headers(()))] == [""]


def test_the_rule_holds_in_lists_queries_and_forms():
    old, new = with_json({"a": [{"created": 1_700_000_000}]}), with_json({"a": [{"created": 1_700_000_001}]})
    assert [one.noise for one in differences(old, new)] == ["a timestamp"]
    sent = ("http://x/?ts=1700000000&page=1", "http://x/?ts=1700000001&page=2")
    old, new = (
        Interaction(Request("GET", url), Response(200, "OK", body=Body(b"same words"))) for url in sent
    )
    assert [(one.where, bool(one.noise)) for one in differences(old, new)] == [
        ("query page", False),
        ("query ts", True),
    ]
    form = (("Content-Type", "application/x-www-form-urlencoded"),)
    old, new = (
        Interaction(Request("POST", "http://x/", form, b"nonce=" + value), Response(200))
        for value in (b"a8Fj2kLs9dQ", b"zP0qW3eR7tY")
    )
    assert [bool(one.noise) for one in differences(old, new)] == [True]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("ETag", '"a"', '"b"'),
        ("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 22 Oct 2015 07:28:00 GMT"),
        ("Expires", "0", "Thu, 22 Oct 2015 07:28:00 GMT"),
        ("Age", "0", "17"),
        ("X-Request-Id", "a", "b"),
        (
            "Set-Cookie",
            "sid=abc; Path=/; Expires=Wed, 21 Oct 2015 07:28:00 GMT",
            "sid=def; Path=/; Max-Age=3",
        ),
        ("X-Generated-At", "2024-05-01T10:00:00Z", "2024-05-01T10:00:01Z"),
    ],
)
def test_volatile_headers_are_noise(name, old, new):
    (difference,) = differences(with_headers(((name, old),)), with_headers(((name, new),)))
    assert difference.noise


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("Content-Type", "text/plain", "text/html"),
        ("Cache-Control", "max-age=3", "max-age=4"),
        ("Location", "/users/1", "/users/2"),
        ("Set-Cookie", "sid=abc; Path=/", "session=abc; Path=/"),
        ("Set-Cookie", "sid=abc; Path=/; Secure", "sid=abc; Path=/"),
        ("Set-Cookie", "sid=abc; Path=/Admin", "sid=abc; Path=/admin"),
        ("Set-Cookie", "sid=abc; Path=/", "sid=; Path=/; Max-Age=0"),
        ("Content-Length", "3", "4"),
    ],
)
def test_other_headers_count(name, old, new):
    (difference,) = differences(with_headers(((name, old),)), with_headers(((name, new),)))
    assert not difference.noise


def test_a_content_length_that_follows_the_body_is_noise():
    old, new = (with_headers((("Content-Length", str(len(body))),), body) for body in (b"one", b"three"))
    header, body = differences(old, new)
    assert (header.noise, body.noise) == ("follows the body", "")


def test_request_headers_that_repeat_the_clock_are_noise_and_others_count():
    old, new = (
        with_headers((), sent=(("If-None-Match", value), ("User-Agent", value), ("Accept", value)))
        for value in "ab"
    )
    assert [bool(one.noise) for one in differences(old, new)] == [True, True, False]
