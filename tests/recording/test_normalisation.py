"""What changes on every request does not change a digest, and stays parseable."""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body, Coding
from booktest_cassettes.recording.model import Failure, Headers, Interaction, Request, Response, header
from booktest_cassettes.recording.normalisation import (
    DROPPED_REQUEST_HEADERS,
    VOLATILE_RESPONSE_HEADERS,
    Normaliser,
)

NOW = datetime.now(UTC).replace(microsecond=0)


def http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def multipart(boundary: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--{boundary}--\r\n'.encode()


def normal(item: Interaction, normaliser: Normaliser | None = None) -> Interaction:
    normaliser = normaliser or Normaliser()
    return normaliser.interaction(Interaction(normaliser.request(item.request), item.outcome))


def blob(item: Interaction) -> bytes:
    return codec.dump_interactions(Kind.HTTP, [normal(item)])


def response_headers(headers: Headers, *more: str) -> Headers:
    return Normaliser(more).response(Response(200, headers=headers)).headers


def value(name: str, given: str, *others: tuple[str, str]) -> str:
    return header(response_headers(((name, given), *others)), name)


# -- the same bytes ----------------------------------------------------------------------------------


def recording(moment: datetime, number: int) -> Interaction:
    """One exchange as it looks at a given moment, the other things that vary by a number."""
    boundary = f"{number:032x}"
    request = Request(
        "POST",
        "https://api.test/upload",
        (
            ("Host", f"api{number}.test"),
            ("User-Agent", f"python-httpx/{number}"),
            ("Content-Type", f"multipart/form-data; boundary={boundary}"),
            ("Content-Length", str(number)),
            ("X-Request-Id", str(uuid4())),
            ("traceparent", f"00-{number:032x}-01"),
            ("X-Stainless-Retry-Count", str(number)),
            ("X-Datadog-Trace-Id", str(number)),
            ("Date", http_date(moment)),
            ("Accept", "*/*"),
        ),
        multipart(boundary),
    )
    expires = http_date(moment + timedelta(days=30))
    response = Response(
        200,
        "OK",
        headers=(
            ("Date", http_date(moment)),
            ("X-Request-ID", str(uuid4())),
            ("X-RateLimit-Remaining", str(number)),
            ("X-RateLimit-Reset", str(int(moment.timestamp()))),
            ("Age", str(number)),
            ("Server-Timing", f"db;dur={number}"),
            ("CF-RAY", f"{number:016x}-ARN"),
            ("Expires", http_date(moment + timedelta(hours=1))),
            ("Set-Cookie", f"a=1; Path=/; Expires={expires}; HttpOnly"),
            ("Set-Cookie", f"b=; expires={http_date(moment - timedelta(days=1))}"),
            ("X-Mine", "kept"),
        ),
        body=Body.from_wire(gzip.compress(b"answer", mtime=int(moment.timestamp())), "gzip"),
    )
    return Interaction(request, response)


@given(days=st.integers(-3_000, 3_000), one=st.integers(0, 10**6), other=st.integers(0, 10**6))
def test_two_recordings_of_one_exchange_are_the_same_bytes(days, one, other):
    assert blob(recording(NOW, one)) == blob(recording(NOW - timedelta(days=days), other))


@given(number=st.integers(0, 10**6))
def test_normalising_twice_is_normalising_once(number):
    once = normal(recording(NOW, number))
    assert normal(once) == once


def test_what_does_not_vary_stays():
    request = Request(
        "GET", "https://api.test/?a=1", (("Accept", "*/*"), ("X-Mine", "1"), ("X-Mine", "2")), b"x"
    )
    response = Response(
        200,
        "OK",
        headers=(("ETag", '"x"'), ("Content-Type", "text/plain"), ("etag", "y")),
        body=Body(b"z"),
        splits=(1,),
    )
    assert normal(Interaction(request, response)) == Interaction(request, response)
    failed = Interaction(request, Failure("builtins.OSError", "x"))
    assert normal(failed) == failed


# -- requests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DROPPED_REQUEST_HEADERS)
def test_headers_that_describe_the_machine_are_dropped_from_requests(name):
    spelled = name.replace("*", "anything").upper()
    request = Request("GET", "https://api.test/", ((spelled, "1"), ("A", "b")))
    assert Normaliser().request(request).headers == (("A", "b"),)


def test_a_multipart_boundary_is_the_same_in_header_and_body():
    for boundary in ("a", "abc123", "boundary", "form-data", "multipart"):
        request = Request(
            "POST",
            "https://api.test/",
            (("content-type", f'multipart/form-data; boundary="{boundary}"'),),
            multipart(boundary),
        )
        clean = Normaliser().request(request)
        assert clean.headers == (("content-type", 'multipart/form-data; boundary="boundary"'),)
        assert clean.body == multipart("boundary")


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=a", ""]
)
def test_a_body_without_a_boundary_stays_as_it_is(content_type):
    request = Request(
        "POST", "https://api.test/", (("Content-Type", content_type),), b"--a\r\n\r\nx\r\n--a--\r\n"
    )
    assert Normaliser().request(request) == request


def test_when_a_request_was_compressed_leaves_no_trace():
    for encoding, packed in (
        ("gzip", gzip.compress(b'{"a": 1}', mtime=1)),
        ("GZIP", gzip.compress(b'{"a": 1}', 9, mtime=2)),
        ("deflate", zlib.compress(b'{"a": 1}')),
    ):
        request = Request("POST", "https://api.test/", (("Content-Encoding", encoding),), packed)
        assert Normaliser().request(request).body == b'{"a": 1}'
    broken = Request("POST", "https://api.test/", (("Content-Encoding", "gzip"),), b"no gzip")
    assert Normaliser().request(broken) == broken


# -- responses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VOLATILE_RESPONSE_HEADERS)
def test_volatile_headers_get_one_value_in_any_spelling(name):
    one, other = (response_headers(((spelled, "x"), ("A", "b"))) for spelled in (name, name))
    assert one == other
    assert response_headers(((name.upper(), "y"),))[0][1] == one[0][1]
    assert response_headers(one) == one


@pytest.mark.parametrize(
    "name", [name for name in VOLATILE_RESPONSE_HEADERS if "request" in name and "id" in name.split("-")]
)
def test_request_ids_are_still_ids(name):
    assert UUID(value(name, "req_123"))


@pytest.mark.parametrize(
    "name", ["age", "x-ratelimit-remaining", "ratelimit-reset", "x-runtime", "openai-processing-ms"]
)
def test_counters_are_still_numbers(name):
    assert int(value(name, "17")) >= 0


def test_no_client_backs_off_on_replay():
    assert int(value("X-RateLimit-Remaining", "0")) > 0
    assert int(value("RateLimit-Reset", "3600")) == 0
    assert datetime.fromisoformat(value("anthropic-ratelimit-tokens-reset", "2030-01-01T00:00:00Z")) < NOW


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("openai-project", "proj_a", "proj_b"),
        ("anthropic-workspace-id", "wrkspc_a", "wrkspc_b"),
        ("x-ratelimit-remaining-project-tokens", "0", "57000"),
        ("x-ratelimit-reset-project-tokens", "3s", "1m30s"),
        ("anthropic-priority-input-tokens-remaining", "0", "9"),
        ("anthropic-priority-output-tokens-reset", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
        ("anthropic-ratelimit-unified-5h-utilization", "0.17", "0.42"),
        ("anthropic-ratelimit-unified-7d-reset", "1767225600", "1767229200"),
        ("apim-request-id", "a", "b"),
    ],
)
def test_what_language_model_apis_count_and_name_changes_nothing(name, one, other):
    assert value(name, one) == value(name, other)


@pytest.mark.parametrize(
    "name", ["x-ratelimit-limit-tokens", "anthropic-ratelimit-unified-status", "retry-after-ms"]
)
def test_what_they_say_about_the_answer_stays(name):
    assert value(name, "allowed") == "allowed"


def test_dates_are_still_dates():
    assert parsedate_to_datetime(value("Date", http_date(NOW))) < NOW
    assert parsedate_to_datetime(value("Retry-After", http_date(NOW + timedelta(seconds=9)))) < NOW
    assert value("Retry-After", "9") == "9"


MOMENTS = {
    "RFC 1123": "%a, %d %b %Y %H:%M:%S GMT",
    "RFC 850": "%A, %d-%b-%y %H:%M:%S GMT",
    "Netscape": "%a, %d-%b-%Y %H:%M:%S GMT",
    "asctime": "%a %b %d %H:%M:%S %Y",
    "with offset": "%a, %d %b %Y %H:%M:%S +0000",
}


@pytest.mark.parametrize("style", MOMENTS)
def test_what_has_expired_stays_expired_and_what_has_not_lasts(style):
    for days in (-300, -1, 1, 300):
        written = (NOW + timedelta(days=days)).strftime(MOMENTS[style])
        for found in (
            value("Expires", written, ("Date", http_date(NOW))),
            value("expires", written),
            value("Set-Cookie", f"a=b; Expires={written}; Path=/").partition("Expires=")[2].partition(";")[0],
        ):
            assert (parsedate_to_datetime(found) > NOW) is (days > 0)
            assert parsedate_to_datetime(found).year in (1970, 9999)


def test_an_expiry_is_judged_by_the_servers_own_clock():
    slow = NOW - timedelta(days=400)
    assert parsedate_to_datetime(value("Expires", http_date(slow), ("Date", http_date(slow)))).year == 1970
    later = http_date(slow + timedelta(minutes=1))
    assert parsedate_to_datetime(value("Expires", later, ("Date", http_date(slow)))).year == 9999
    assert parsedate_to_datetime(value("Expires", later, ("Date", "no date"))).year == 1970


@pytest.mark.parametrize("written", ["0", "-1", "", "never", "Thu, 99 Foo 2020 00:00:00 GMT"])
def test_an_expiry_that_is_no_date_stays(written):
    assert value("Expires", written) == written
    assert value("Set-Cookie", f"a=b; Expires={written}; Path=/") == f"a=b; Expires={written}; Path=/"


@settings(max_examples=300)
@given(
    written=st.text(max_size=12)
    | st.from_regex(r"\A(Mon, )?[0-9]{1,6}[ -](Jan|Feb)[ -][0-9]{1,6} [0-9:]{1,9} ([+-][0-9]{1,14}|GMT|)\Z"),
)
def test_any_text_may_stand_for_a_date(written):
    headers = tuple((name, written) for name in ("Date", "Expires", "Retry-After", "Set-Cookie"))
    once = response_headers((*headers, ("Set-Cookie", f"a=b; expires={written}")))
    assert response_headers(once) == once


def test_a_cookie_keeps_everything_but_the_moment_it_expires():
    written = "a=b; Path=/x; expires = Wed, 01 Jan 2020 00:00:00 GMT ;Max-Age=3; Secure"
    assert value("Set-Cookie", written).replace(" Thu, 01 Jan 1970 00:00:00 GMT", " X") == (
        "a=b; Path=/x; expires = X;Max-Age=3; Secure"
    )


def test_a_multipart_answer_has_a_fixed_boundary_and_a_true_length():
    def answer(boundary: str, coding: Coding | None) -> Response:
        body = Body(multipart(boundary), coding)
        headers = (
            ("Content-Type", f"multipart/mixed; boundary={boundary}"),
            ("Content-Length", str(len(body.wire))),
        )
        return Normaliser().response(Response(200, headers=headers, body=body, splits=(3,)))

    for coding in (None, Coding("gzip")):
        one, other = answer("batch_1", coding), answer("batch_22", coding)
        assert one == other
        assert header(one.headers, "content-length") == str(len(one.body.wire))
        assert one.body == Body(multipart("boundary"), coding)


# -- more names --------------------------------------------------------------------------------------


def test_more_headers_are_dropped_from_requests_and_replaced_in_responses():
    normaliser = Normaliser(["X-Mine", "X-Trace-*", "Date"])
    headers = (("x-mine", "1"), ("X-TRACE-ID-2", "2"), ("X-Tracer", "3"), ("Date", http_date(NOW)))
    assert normaliser.request(Request("GET", "https://a.test/", headers)).headers == (("X-Tracer", "3"),)
    answered = normaliser.response(Response(200, headers=headers)).headers
    assert answered[:3] == (("x-mine", "0"), ("X-TRACE-ID-2", "0"), ("X-Tracer", "3"))
    assert parsedate_to_datetime(answered[3][1]).year == 1970


def test_values_that_have_to_be_json_are_json():
    for name in ("NEL", "Report-To"):
        assert json.loads(value(name, '{"a": 1}')) == {}
