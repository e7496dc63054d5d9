"""Drift: what of a difference counts, and how it is said."""

from __future__ import annotations

import json

from booktest_cassettes.digest import Kind
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.drift import find
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response

URL = "http://api.test/"


def blob(*answers: tuple[str, object]) -> bytes:
    """A snapshot of GET requests, by path and answer."""
    return codec.dump_interactions(
        Kind.HTTP, [Interaction(Request("GET", URL + path), _outcome(answer)) for path, answer in answers]
    )


def _outcome(answer: object) -> Response | Failure:
    if isinstance(answer, Failure):
        return answer
    headers = (("Content-Type", "application/json"),)
    return Response(200, "OK", headers=headers, body=Body(json.dumps(answer).encode()))


def lines(old: bytes | None, new: bytes | None) -> list[str]:
    approved, live = ({} if data is None else {Kind.HTTP: data} for data in (old, new))
    drift = find(approved, live)
    assert bool(drift) is bool(drift.lines()) is (drift.kinds == {Kind.HTTP})
    return drift.lines()


def test_the_same_is_no_drift():
    assert lines(blob(("a", 1)), blob(("a", 1))) == []


def test_volatile_values_are_no_drift_even_beside_something_that_is():
    old, new = {"request_id": "a" * 32, "total": 3}, {"request_id": "b" * 32, "total": 3}
    assert lines(blob(("a", old)), blob(("a", new))) == []
    assert lines(blob(("a", old)), blob(("a", {**new, "total": 4}))) == [
        f"http: GET {URL}a",
        "  response body $.total: 4 now, 3 recorded",
    ]


def test_another_order_is_no_drift():
    assert lines(blob(("a", 1), ("b", 2), ("c", 3)), blob(("c", 3), ("a", 1), ("b", 2))) == []


def test_a_request_that_is_not_recorded_is_drift_and_one_that_is_not_made_is_not():
    both, one = blob(("a", 1), ("b", 2)), blob(("a", 1))
    assert lines(one, both) == [f"http: GET {URL}b is not recorded"]
    assert lines(None, one) == [f"http: GET {URL}a is not recorded"]
    assert lines(both, one) == []
    assert lines(both, None) == []
    assert find({Kind.HTTP: both}, {Kind.HTTP: one}).not_made(Kind.HTTP) == {1}
    assert find({Kind.HTTP: both}, {}).not_made(Kind.HTTP) == {0, 1}
    assert find({Kind.HTTP: both}, {Kind.HTTP: both}).not_made(Kind.HTTP) == set()


def test_what_was_not_made_is_counted_beside_what_drifted():
    assert lines(blob(("a", 1), ("b", 2)), blob(("a", 7)))[-1] == "http: 1 recorded and not made"


def test_a_connection_that_fails_is_drift():
    failure = Failure("httpx.ConnectError", "refused")
    found = lines(blob(("a", 1)), blob(("a", failure)))
    assert found[1] == "  outcome: raised httpx.ConnectError: refused now, 200 OK recorded"


def test_variables_are_not_compared():
    approved, live = ({Kind.ENV: codec.dump_env({"HOME": home})} for home in ("/a", "/b"))
    assert not find(approved, live)


def test_long_values_are_shown_from_where_they_part():
    old, new = ("x" * 500 + word + "y" * 500 for word in ("before", "after"))
    (_, line) = lines(blob(("a", old)), blob(("a", new)))
    assert "xxafteryy" in line
    assert "xxbeforeyy" in line
    assert len(line) < 300


def test_what_a_service_says_drives_no_terminal():
    evil = "\x1b[2J\u202e\r\n"
    old, new = blob(("a", {"name": "ada", evil: 1})), blob(("a", {"name": evil, evil: 2}))
    assert lines(old, new) != []
    assert all(line.isprintable() for line in lines(old, new))


def test_there_are_never_more_lines_than_fit_on_a_screen():
    old, new = ({str(number): value for number in range(200)} for value in (1, 2))
    found = lines(blob(("a", old)), blob(("a", new)))
    assert len(found) == 31
    assert found[-1] == "... and 171 more lines"


def test_a_secret_that_was_declared_after_the_approval_is_not_told():
    old, new = (blob(("a", {"key": f"{'x' * 90}{text}", "name": text})) for text in ("hush-1234", "REDACTED"))
    find_ = find({Kind.HTTP: old}, {Kind.HTTP: new})
    assert "hush" in "".join(find_.lines())
    told = "".join(find_.lines(lambda text: text.replace("hush-1234", "REDACTED")))
    assert "hush" not in told
    assert "REDACTED" in told


def test_values_that_read_the_same_are_told_so_that_one_sees_how_they_differ():
    old, new = (blob(("a", Failure("x.Error", text))) for text in ("a\n", "a\\n"))
    assert lines(old, new)[1:] == [r"  raised message: 'a\\n' now, 'a\n' recorded"]
