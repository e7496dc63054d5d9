"""Requests that booktest kept a hash of: found by it, in order, and by nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import threading

import pytest

from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.comparison import compare
from booktest_cassettes.recording.difference import describe, nearest
from booktest_cassettes.recording.matching import Matcher
from booktest_cassettes.recording.model import Interaction, Request, Response
from booktest_cassettes.recording.normalisation import Normaliser
from booktest_cassettes.recording.redaction import Redactor
from booktest_cassettes.traffic import Cleaner, Traffic

URL = "https://api.test/v1/talk?b=2&a=1"


def named(url=URL, method="POST", **more) -> str:
    """booktest's own computation, spelled out."""
    return hashlib.sha1(
        json.dumps({"url": url, "method": method, **more}, sort_keys=True).encode()
    ).hexdigest()


def in_base64(body: bytes) -> str:
    return base64.b64encode(body).decode()


def hashed(name: str, answer: str, *, url=URL, method="POST") -> Interaction:
    return Interaction(Request(method, url, legacy_hash=name), Response(200, body=Body(answer.encode())))


def make(loaded, *, kind=Kind.HTTP, matcher=None, replays=True) -> Traffic:
    cleaner = Cleaner(Normaliser(), Redactor())
    return Traffic(kind, loaded, matcher=matcher or Matcher(), cleaner=cleaner, replays=replays)


def ask(traffic: Traffic, body: bytes = b"", *, url=URL, method="POST", headers=()) -> str | None:
    item = traffic.play(traffic.clean(Request(method, url, headers, body)))
    if item is None:
        return None
    assert isinstance(item.outcome, Response)
    return item.outcome.body.content.decode()


def test_a_request_is_found_by_the_hash_of_its_body():
    bodies = {b'{"n": 1}': "one", b"\xff\x00": "binary", "é".encode(): "accent"}
    traffic = make([hashed(named(body=in_base64(body)), answer) for body, answer in bodies.items()])
    assert ask(traffic, b'{"n": 2}') is None
    assert {body: ask(traffic, body) for body in reversed(bodies)} == bodies
    assert traffic.unplayed == []


@pytest.mark.parametrize("way", [{}, {"body": ""}], ids=["requests", "httpx"])
def test_an_empty_body_is_said_in_two_ways(way):
    assert ask(make([hashed(named(**way), "empty")])) == "empty"


def test_repeats_have_a_number_in_their_hash_and_are_played_in_order_and_no_more_often():
    body = in_base64(b"x")
    loaded = [
        hashed(named(body=body, **order), str(n)) for n, order in enumerate(({}, {"order": 1}, {"order": 2}))
    ]
    traffic = make([loaded[2], loaded[0], loaded[1]])
    assert [ask(traffic, b"x") for _ in range(4)] == ["0", "1", "2", None]
    assert traffic.times_recorded(traffic.clean(Request("POST", URL, (), b"x"))) == 3


def test_a_request_without_a_body_is_not_taken_for_one_whose_body_is_unknown():
    assert ask(make([hashed(named(body=in_base64(b"x")), "x")])) is None


def test_the_url_counts_as_it_was_sent():
    traffic = make([hashed(named(body=in_base64(b"x")), "x")])
    assert ask(traffic, b"x", url="https://api.test/v1/talk?a=1&b=2") is None
    assert ask(traffic, b"x", method="PUT") is None
    assert ask(traffic, b"x") == "x"


def test_a_request_that_only_its_hash_is_known_of_is_found():
    name = named(body=in_base64(b"x"))
    assert ask(make([hashed(name, "x", url=f"booktest:{name}", method="?")]), b"x") == "x"


def test_what_is_redacted_in_a_request_is_part_of_its_hash_all_the_same():
    url = "https://api.test/v1?api_key=s3cr3t-value"
    body = b'{"password": "hunter22"}'
    recorded = hashed(named(url, body=in_base64(body)), "in", url="https://api.test/v1?api_key=REDACTED")
    traffic = make([recorded])
    headers = (("Content-Type", "application/json"),)
    assert ask(traffic, b'{"password": "other"}', url=url, headers=headers) is None
    assert ask(traffic, body, url=url, headers=headers) == "in"


def test_an_ordinary_interaction_comes_first_and_headers_do_not_matter():
    loaded = [
        hashed(named(body=in_base64(b"x")), "by hash"),
        Interaction(Request("POST", URL, (), b"x"), Response(200, body=Body(b"by body"))),
    ]
    traffic = make(loaded, matcher=Matcher(("method", "uri", "body")))
    assert [ask(traffic, b"x") for _ in range(3)] == ["by body", "by hash", None]
    strict = make(loaded[:1], matcher=Matcher(("method", "uri", "headers", lambda made, recorded: False)))
    assert ask(strict, b"x", headers=(("Accept", "text/plain"),)) == "by hash"


def test_every_one_is_played_once_however_many_threads_ask():
    body = in_base64(b"x")
    names = [named(body=body), *(named(body=body, order=n) for n in range(1, 200))]
    traffic = make([hashed(name, str(n)) for n, name in enumerate(names)])
    seen: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: seen.extend(ask(traffic, b"x") for _ in range(25))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen, key=str) == sorted(map(str, range(200)))


def test_looking_up_does_not_slow_down_with_the_number_of_recordings():
    def look_ups(number: int) -> int:
        loaded = [hashed(named(body=in_base64(b"%d" % n)), str(n)) for n in range(number)]
        traffic = make(loaded)
        compared = 0

        class Counting(Matcher):
            def agrees(self, made, recorded):
                nonlocal compared
                compared += 1
                return super().agrees(made, recorded)

        traffic.matcher = Counting()
        assert [ask(traffic, b"%d" % n) for n in reversed(range(number))] == list(
            map(str, reversed(range(number)))
        )
        return compared

    assert look_ups(10) == look_ups(500) == 0


def test_a_recording_never_writes_a_hash_and_replaces_what_was_known_by_it():
    loaded = [hashed(named(body=in_base64(b"x")), "old"), hashed(named(body=in_base64(b"y")), "kept")]
    traffic = make(loaded, replays=False)
    slot = traffic.record(traffic.clean(Request("POST", URL, (), b"x")))
    slot.finish(Response(200, body=Body(b"new")))
    items = traffic.hand_over(keep_loaded=True, replace_matching=True)
    assert [(item.request.body, item.request.legacy_hash) for item in items] == [
        (b"", named(body=in_base64(b"y"))),
        (b"x", ""),
    ]


def test_a_blob_keeps_the_hash_and_other_blobs_are_as_they_were():
    item = hashed(named(body=in_base64(b"x")), "x")
    data = codec.dump_interactions(Kind.HTTP, [item])
    assert codec.load_interactions(data, name="t") == [item]
    plain = codec.dump_interactions(Kind.HTTP, [Interaction(Request("GET", URL), item.outcome)])
    assert b"legacy_hash" not in plain


def test_cleaning_leaves_the_hash():
    cleaner = Cleaner(Normaliser(), Redactor())
    request = hashed(named(), "x").request
    assert cleaner.request(request) == request


def test_a_miss_says_that_only_a_hash_was_kept():
    recorded = hashed(named(body=in_base64(b"x")), "x").request
    made = Request("POST", URL, (), b"y")
    assert nearest(made, [recorded], Matcher()) == recorded
    (line,) = describe(made, recorded, Matcher())
    assert line.startswith("body: booktest kept its hash alone, ")
    assert recorded.legacy_hash in line
    elsewhere = describe(Request("GET", "https://api.test/other", (), b"y"), recorded, Matcher())
    assert [text.partition(":")[0] for text in elsewhere] == ["method", "path", "query a", "query b", "body"]


def test_two_recordings_that_differ_in_the_hash_differ():
    blobs = [codec.dump_interactions(Kind.HTTP, [hashed(named(body=body), "x")]) for body in ("eA==", "eQ==")]
    comparison = compare(Kind.HTTP, *blobs)
    (item,) = comparison.items
    assert [difference.where for difference in item.differences] == ["request hash"]
