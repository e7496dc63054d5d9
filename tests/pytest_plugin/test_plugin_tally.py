"""Counting: in one process or in many, the same."""

from __future__ import annotations

import json

import pytest

from booktest_cassettes.errors import (
    BlobCorrupt,
    NetworkRefused,
    SnapshotMissing,
    SnapshotPending,
    UnhandledRequest,
)
from booktest_cassettes.pytest_plugin.summary import next_command
from booktest_cassettes.pytest_plugin.tally import Tally


def events():
    """(test, states, problems) as a session makes them."""
    return [
        ("t.py::a", {"http": "INTACT", "env": "INTACT"}, []),
        ("t.py::b", {"http": "NEW"}, []),
        ("t.py::c", {"httpx": "UPDATED"}, []),
        ("t.py::cc", {"http": "GONE"}, []),
        ("t.py::d", {}, [SnapshotMissing("m")]),
        ("t.py::e", {"http": "FAIL"}, [NetworkRefused("1"), NetworkRefused("2"), UnhandledRequest("3")]),
        ("t.py::f", {}, [SnapshotPending("p")]),
    ]


def count(events) -> Tally:
    tally = Tally()
    for test_id, states, problems in events:
        if states:
            tally.states[test_id] = states
        tally.problems(test_id, problems)
    return tally


def test_what_workers_send_adds_up_to_what_one_process_counts():
    together = Tally()
    for worker in range(3):
        sent = json.loads(json.dumps(count(events()[worker::3]).to_send()))
        together.add(sent)
    assert together == count(events())


def test_counts_are_by_snapshot_and_missing_by_test():
    assert count(events()).counts() == {
        "INTACT": 2,
        "NEW": 1,
        "UPDATED": 1,
        "GONE": 1,
        "FAIL": 1,
        "MISSING": 1,
    }


def test_pending_names_tests_with_new_and_updated_kinds():
    assert count(events()).pending() == {
        "t.py::b": {"http": "NEW"},
        "t.py::c": {"httpx": "UPDATED"},
        "t.py::cc": {"http": "GONE"},
    }


@pytest.mark.parametrize(
    ("problems", "status", "code"),
    [
        ([], 0, 0),
        ([], 1, 1),
        ([], 5, 5),
        ([UnhandledRequest("x")], 1, 1),
        ([SnapshotMissing("x")], 1, 3),
        ([SnapshotMissing("x"), BlobCorrupt("x")], 1, 4),
        ([SnapshotMissing("x")], 2, 2),
    ],
)
def test_the_gravest_problem_gives_the_exit_code_unless_pytest_was_stopped(problems, status, code):
    tally = Tally()
    tally.problems("t", problems)
    assert tally.exit_code(status) == code


def test_the_next_command_is_the_one_that_helps():
    assert next_command(Tally()) == ""
    assert "run -- 't.py::d[a b]'" in next_command(Tally(missing={"t.py::d[a b]"}))
    assert next_command(Tally(missing={"a", "b"})).startswith("booktest-cassettes run  (")
    path = "tests/cassettes/users.yaml"  # of vcr(...).use_cassette: pytest cannot run it
    assert next_command(Tally(missing={path})).startswith("booktest-cassettes run  (")
    assert next_command(Tally(unused={path: 1})).startswith("booktest-cassettes run -S  (")
    assert "--record verify" in next_command(Tally(states={path: {"http": "DRIFT"}}))
    assert "approve --all" in next_command(Tally(states={"t": {"http": "NEW"}}))


def test_drifted_tests_are_named_with_their_kinds_and_the_command_records_no_others():
    states = {"t.py::a": {"http": "DRIFT", "env": "INTACT"}, "t.py::b": {"http": "INTACT"}}
    one = Tally(states=states)
    assert one.counts() == {"DRIFT": 1, "INTACT": 2}
    assert one.drifted() == {"t.py::a": ["http"]}
    assert one.pending() == {}
    assert "run -S -- t.py::a, then booktest-cassettes review" in next_command(one)
    two = Tally(states={**states, "t.py::c": {"func": "DRIFT"}})
    assert "run --record verify --stage, then booktest-cassettes review" in next_command(two)
    staged = Tally(states=states)
    staged.add(json.loads(json.dumps(Tally(staged={"t.py::a"}).to_send())))
    assert staged.staged == {"t.py::a"}
    assert "verify" not in next_command(staged)


def test_a_test_that_asks_for_more_is_named_with_what_its_error_says():
    hint = "booktest-cassettes run -s -- t.py::a\n  then: booktest-cassettes review t.py::a"
    one = Tally()
    one.problems("t.py::a", [UnhandledRequest("x", hint=hint)])
    assert next_command(one) == "booktest-cassettes run -s -- t.py::a"
    two = Tally()
    two.add(json.loads(json.dumps(one.to_send())))
    two.problems("t.py::b", [UnhandledRequest("x", hint=hint)])
    assert "run -S -- TEST..." in next_command(two)


def test_what_is_lost_comes_before_everything_else():
    tally = Tally(missing={"a"}, lost={"b"})
    assert next_command(tally).startswith("booktest-cassettes status --ci")
