"""vcrpy's filters and hooks over our interactions: pure functions."""

from __future__ import annotations

import copy
import gzip
import json

import pytest

from booktest_cassettes.compat.arguments import arguments
from booktest_cassettes.compat.hooks import make_hooks
from booktest_cassettes.compat.presented import PresentedRequest, for_vcrpy, presented, response_dict
from booktest_cassettes.errors import UsageError
from booktest_cassettes.options import Options, make_options
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response

KNOWN = frozenset(Options.__dataclass_fields__)
REQUEST = Request(
    "POST",
    "https://Api.test/v1/users?b=2&a=1&key=k%26y",
    (("X-One", "1"), ("Authorization", "Bearer t"), ("x-two", "2")),
    b'{"name": "ada", "deep": [{"name": "bob", "n": 1}]}',
)
PART = b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
JSON = Request(REQUEST.method, REQUEST.url, (("content-type", "application/json"),), REQUEST.body)


def test_a_request_has_the_attributes_of_vcrpys():
    shown = presented(REQUEST)
    assert (shown.method, shown.scheme, shown.protocol, shown.host, shown.port, shown.path) == (
        "POST",
        "https",
        "https",
        "api.test",
        443,
        "/v1/users",
    )
    assert shown.uri == shown.url == REQUEST.url
    assert shown.query == [("a", "1"), ("b", "2"), ("key", "k&y")]
    assert shown.headers["AUTHORIZATION"] == "Bearer t"
    assert "authorization" in shown.headers
    assert shown.body == shown.body_bytes == REQUEST.body
    assert presented(Request("GET", "http://a.test:81/")).port == 81
    assert presented(Request("GET", "http://a.test/")).body is None
    assert presented(Request("GET", "http://a.test/"), b"").body == b""


def test_what_a_hook_leaves_alone_comes_back_as_it_was():
    twice = Request("GET", "http://a.test/", (("b", "1"), ("A", "2"), ("b", "3")), b"")
    hooks = make_hooks(requests=copy.deepcopy, responses=copy.deepcopy)
    assert hooks.request(twice) == twice
    answer = Response(200, "OK", "HTTP/2", (("b", "1"), ("A", "2"), ("b", "3")), Body(b"\xff\x00"))
    assert hooks.response(answer) == answer


def test_what_a_hook_changes_is_changed():
    def change(request):
        request.uri = "http://other.test/"
        request.headers["authorization"] = ["hidden"]
        del request.headers["X-ONE"]
        request.body = "text"
        request.method = "PUT"
        return request

    found = make_hooks(requests=[change]).request(REQUEST)
    headers = (("Authorization", "hidden"), ("x-two", "2"))
    assert found == Request("PUT", "http://other.test/", headers, b"text")


def test_filters_remove_replace_and_compute():
    def computed(key, value, request):
        return f"{key}:{value[::-1]}:{request.method}"

    hooks = make_hooks(
        headers=["authorization", ("x-one", "ONE"), ("X-Two", computed), ("absent", "new")],
        query=["a", ("b", "B"), ("key", lambda key, value, request: None)],
    )
    found = hooks.request(REQUEST)
    assert found.url == "https://Api.test/v1/users?b=B"
    assert dict(found.headers) == {"x-one": "ONE", "X-Two": "X-Two:2:POST"}


def test_body_fields_are_filtered_at_the_top_or_at_any_depth():
    top = make_hooks(fields=[("name", None)]).request(JSON)
    assert json.loads(top.body) == {"deep": [{"name": "bob", "n": 1}]}
    deep = make_hooks(fields=["name", ("n", "N")], nested=True).request(JSON)
    assert json.loads(deep.body) == {"deep": [{"n": "N"}]}
    untouched = make_hooks(fields=["absent"]).request(JSON)
    assert untouched.body == JSON.body


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("application/x-www-form-urlencoded", b"a=1&api%3Akey=s&flag&b=2", b"a=1&api%3Akey=K&flag"),
        ("", b"a=1&b=2", b"a=1"),
        ("application/json", b"not json", b"not json"),
        ("application/octet-stream", b"\xff=1&b=2", b"\xff=1&b=2"),
        (
            "multipart/form-data; boundary=x",
            PART % (b"api:key", b"secret") + PART % (b"b", b"2") + b"--x--\r\n",
            PART % (b"api:key", b"K") + b"--x--\r\n",
        ),
    ],
)
def test_fields_of_forms_are_filtered_and_what_is_no_form_stays(kind, body, expected):
    request = Request("POST", "http://a.test/", (("Content-Type", kind),) if kind else (), body)
    found = make_hooks(fields=[("api:key", "K"), ("b", None)]).request(request)
    assert found.body == expected


def test_a_hook_that_returns_none_leaves_a_request_or_response_out_and_later_hooks_rest():
    def never(_shown):
        raise AssertionError("called")

    assert make_hooks(requests=[lambda request: None, never]).request(REQUEST) is None
    assert make_hooks(responses=[lambda response: None, never]).response(Response(200)) is None


@pytest.mark.parametrize("given", ["text", 7, {}])
def test_what_is_no_request_or_response_is_refused(given):
    with pytest.raises(UsageError, match="before_record_request returned"):
        make_hooks(requests=lambda request: given).request(REQUEST)
    with pytest.raises(UsageError, match="before_record_response returned"):
        make_hooks(responses=lambda response: given).response(Response(200))


def test_a_changed_body_has_a_true_length_and_a_compressed_one_stays_compressed():
    wire = gzip.compress(b"secret", mtime=0)
    headers = (("Content-Encoding", "gzip"), ("Content-Length", str(len(wire))))
    answer = Response(200, "OK", headers=headers, body=Body.from_wire(wire, "gzip"))
    assert gzip.decompress(response_dict(answer)["body"]["string"]) == b"secret"

    def hide(response):
        response["body"]["string"] = gzip.compress(b"hidden!", mtime=0)
        return response

    found = make_hooks(responses=hide).response(answer)
    assert found.body.content == b"hidden!"
    assert dict(found.headers)["Content-Length"] == str(len(found.body.wire))


def test_decoded_responses_lose_their_encoding():
    wire = gzip.compress(b"plain", mtime=0)
    headers = (("content-encoding", "gzip"), ("content-length", str(len(wire))), ("x", "y"))
    found = make_hooks(decodes=True).response(
        Response(200, headers=headers, body=Body.from_wire(wire, "gzip"))
    )
    assert found == Response(200, headers=(("content-length", "5"), ("x", "y")), body=Body(b"plain"))


def test_saved_secrets_hide_behind_placeholders_and_come_back_when_loaded():
    item = Interaction(
        Request("POST", "http://a.test/?k=v4lue", (("x", "v4lue"),), b"v4lue"),
        Response(200, headers=(("y", "v4lue"),), body=Body(b"<v4lue>")),
    )
    hooks = make_hooks(sensitive={"<KEY>": "v4lue", "<NONE>": lambda request, response: None})
    saved = hooks.saved(item)
    assert "v4lue" not in repr(saved)
    assert repr(saved).count("<KEY>") == 5
    assert hooks.loaded(saved) == item


def test_interaction_hooks_may_take_the_cassette_and_may_drop_it():
    item = Interaction(REQUEST, Response(200))
    seen = []

    def keep(request, response, cassette):
        seen.append((request.method, response["status"]["code"]))
        return request, response

    assert make_hooks(saving=[keep], loading=keep).saved(item) == item
    assert seen == [("POST", 200)]
    assert make_hooks(saving=lambda request, response: None).saved(item) is None
    with pytest.raises(UsageError, match="returned str"):
        make_hooks(saving=lambda request, response: "x").saved(item)
    failed = Interaction(REQUEST, Failure("builtins.OSError", ""))
    assert make_hooks(saving=lambda request, response: None).saved(failed) == failed


def test_a_matcher_of_vcrpys_users_gets_vcrpys_requests():
    def same_team(r1, r2):
        assert isinstance(r1, PresentedRequest)
        return r1.headers.get("X-TWO") == r2.headers.get("x-two")

    matches = for_vcrpy(same_team)
    assert matches.__name__ == "same_team"
    assert matches(REQUEST, REQUEST)
    assert not matches(REQUEST, JSON)


def test_options_are_translated_and_those_about_files_are_passed_over():
    given = {
        "before_record": print,
        "serializer": "json",
        "path_transformer": str,
        "ignore_hosts": ("a.test",),
        "filter_headers": ["a", ("b", "c")],
        "match_on": ["method", "own"],
        "additional_matchers": ["body"],
        "record_mode": None,
    }
    found = arguments(given, KNOWN, {"own": print})
    assert found == {
        "before_record_request": print,
        "ignore_hosts": ["a.test"],
        "filter_headers": [("a", None), ("b", "c")],
        "match_on": ["method", print, "body"],
    }
    make_options(found)


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ({"filter_header": []}, "filter_headers"),
        ({"serialiser": "x"}, "serializer"),
        ({"match_on": ["bod"]}, "body"),
    ],
)
def test_a_typo_names_the_nearest(given, near):
    with pytest.raises(UsageError) as caught:
        arguments(given, KNOWN)
    assert caught.value.hint == f"did you mean {near}?"
