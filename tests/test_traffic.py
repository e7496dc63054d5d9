"""Traffic: equal requests in recorded order, concurrent ones without accident."""

from __future__ import annotations

import random
import threading

from booktest_cassettes.digest import Kind
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.matching import Matcher
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response
from booktest_cassettes.recording.normalisation import Normaliser
from booktest_cassettes.recording.redaction import Redactor
from booktest_cassettes.traffic import Cleaner, Traffic


def make(loaded=(), *, matcher=None, replays=True) -> Traffic:
    cleaner = Cleaner(Normaliser(), Redactor())
    return Traffic(Kind.HTTP, loaded, matcher=matcher or Matcher(), cleaner=cleaner, replays=replays)


def get(path: str) -> Request:
    return Request("GET", f"http://api.test{path}")


def answered(path: str, text: str) -> Interaction:
    return Interaction(get(path), Response(200, body=Body(text.encode())))


def text(item: Interaction | None) -> str:
    assert item is not None
    assert isinstance(item.outcome, Response)
    return item.outcome.body.content.decode()


def test_equal_requests_are_answered_in_recorded_order_and_then_no_more():
    traffic = make([answered("/a", "1"), answered("/b", "x"), answered("/a", "2")])
    assert [text(traffic.play(get("/a"))) for _ in range(2)] == ["1", "2"]
    assert traffic.play(get("/a")) is None
    assert [request.url for request in traffic.unplayed] == ["http://api.test/b"]
    assert traffic.times_recorded(get("/a")) == 2


def test_a_custom_matcher_chooses_among_equals():
    recorded = [
        Interaction(
            Request("GET", "http://api.test/", (("X-User", user),)), Response(200, body=Body(user.encode()))
        )
        for user in ("ada", "grace")
    ]
    same_user = Matcher(("method", "uri", lambda a, b: a.header("x-user") == b.header("x-user")))
    traffic = make(recorded, matcher=same_user)
    assert text(traffic.play(Request("GET", "http://api.test/", (("x-user", "grace"),)))) == "grace"
    assert traffic.play(Request("GET", "http://api.test/", (("x-user", "alan"),))) is None


def test_every_interaction_is_played_once_however_many_threads_ask():
    traffic = make([answered("/a", str(n)) for n in range(400)])
    seen: list[str] = []

    def ask() -> None:
        while (item := traffic.play(get("/a"))) is not None:
            seen.append(text(item))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen, key=int) == [str(n) for n in range(400)]


def test_sequential_traffic_keeps_its_order():
    traffic = make()
    for path in ("/c", "/a", "/b"):
        traffic.record(get(path)).finish(Response(200))
    items = traffic.hand_over(keep_loaded=False, replace_matching=False)
    assert [item.request.url[-2:] for item in items] == ["/c", "/a", "/b"]


def test_concurrent_traffic_does_not_depend_on_who_came_first():
    def record(paths: list[str]) -> list[Interaction]:
        traffic = make()
        slots = [traffic.record(get(path)) for path in paths]
        for slot in random.sample(slots, len(slots)):
            slot.finish(Response(200))
        return traffic.hand_over(keep_loaded=False, replace_matching=False)

    paths = [f"/{n}" for n in range(20)]
    assert record(paths) == record(random.sample(paths, len(paths)))


def test_a_request_that_never_had_an_outcome_is_not_recorded():
    traffic = make()
    traffic.record(get("/lost"))
    traffic.drop(traffic.record(get("/cancelled")))
    traffic.record(get("/failed")).finish(Failure("builtins.TimeoutError", "timed out"))
    items = traffic.hand_over(keep_loaded=False, replace_matching=False)
    assert [item.request.url for item in items] == ["http://api.test/failed"]


def test_recording_all_replaces_what_was_asked_again_and_keeps_the_rest():
    traffic = make([answered("/a", "old"), answered("/b", "old")], replays=False)
    traffic.record(get("/a")).finish(Response(200, body=Body(b"new")))
    items = traffic.hand_over(keep_loaded=True, replace_matching=True)
    assert sorted((item.request.url[-2:], text(item)) for item in items) == [("/a", "new"), ("/b", "old")]


def test_what_is_recorded_is_clean():
    traffic = make()
    request = Request(
        "GET", "http://api.test/?api_key=abcdefgh", (("User-Agent", "x/1"), ("Authorization", "Bearer t"))
    )
    slot = traffic.record(traffic.clean(request))
    slot.finish(
        Response(200, headers=(("Date", "Sat, 21 Nov 2026 01:00:00 GMT"), ("Set-Cookie", "id=77; Path=/")))
    )
    (item,) = traffic.hand_over(keep_loaded=False, replace_matching=False)
    assert item.request == Request(
        "GET", "http://api.test/?api_key=REDACTED", (("Authorization", "Bearer REDACTED"),)
    )
    assert isinstance(item.outcome, Response)
    assert item.outcome.headers == (
        ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("Set-Cookie", "id=REDACTED; Path=/"),
    )
