"""Strict replay: whatever differs from the recording is refused, explained, and fails the test."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from clients import CLIENTS, Ask
from lab import ID, Lab
from loopback import running_server

from booktest_cassettes import cassette
from booktest_cassettes.errors import SnapshotMissing, SnapshotPending, UnhandledRequest, UnusedInteractions

RECORDED = Ask("/echo?a=1&b=2", "POST", json={"name": "Ada", "tags": [1, 2]})
CHANGED = {
    "body": replace(RECORDED, json={"name": "Eve", "tags": [1, 2]}),
    "order of a list": replace(RECORDED, json={"name": "Ada", "tags": [2, 1]}),
    "no body": replace(RECORDED, json=None),
    "method": replace(RECORDED, method="PUT"),
    "path": replace(RECORDED, path="/echo/?a=1&b=2"),
    "query value": replace(RECORDED, path="/echo?a=1&b=3"),
    "query repeated": replace(RECORDED, path="/echo?a=1&b=2&b=2"),
    "query missing": replace(RECORDED, path="/echo?a=1"),
}
_CLIENTS = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())


def _record(lab: Lab, client: Any) -> dict[str, Any]:
    lab.record()
    with cassette(ID):
        recorded = client(lab.server.base, RECORDED)
    lab.approve()
    return dict(recorded)


@_CLIENTS
def test_a_request_that_differs_is_refused_though_it_was_swallowed(lab: Lab, client: Any) -> None:
    _record(lab, client)
    counters = lab.counters
    for what, ask in CHANGED.items():
        with pytest.raises(UnhandledRequest, match="is not in its http") as caught, cassette(ID):
            with suppress(Exception):  # what the code under test may do
                client(lab.server.base, ask)
        text = str(caught.value)
        assert ID in text, what
        assert "nearest recorded: POST" in text, what
        assert f"next: booktest-cassettes run -S -- {ID}" in text, what
    assert lab.counters == counters


@_CLIENTS
def test_what_only_looks_different_is_replayed(lab: Lab, client: Any) -> None:
    recorded = _record(lab, client)
    same_to_a_server = [
        replace(RECORDED, path="/echo?b=2&a=1"),
        replace(RECORDED, path="/%65cho?a=%31&b=2"),
        replace(RECORDED, json={"tags": [1, 2], "name": "Ada"}),
        replace(RECORDED, headers={"X-Sent": "other headers do not count"}),
    ]
    for ask in same_to_a_server:
        with cassette(ID, unused="error"):
            assert client(lab.server.base, ask)["body"] == recorded["body"]


@_CLIENTS
def test_one_repeat_too_many_is_refused(lab: Lab, client: Any) -> None:
    _record(lab, client)
    counters = lab.counters
    with pytest.raises(UnhandledRequest, match="was recorded once and is made once more"), cassette(ID):
        client(lab.server.base, RECORDED)
        with suppress(Exception):
            client(lab.server.base, RECORDED)
    assert lab.counters == counters


@_CLIENTS
def test_another_host_is_refused(lab: Lab, client: Any) -> None:
    _record(lab, client)
    with running_server() as other:
        with pytest.raises(UnhandledRequest, match="is not in its http"), cassette(ID):
            client(other.base, RECORDED)
        assert other.connections == 0


@_CLIENTS
def test_a_test_without_a_cassette_is_refused_and_told_how_to_record(lab: Lab, client: Any) -> None:
    lab.runner.use("none")
    with pytest.raises(SnapshotMissing, match="booktest-cassettes run -- x"), cassette(ID):
        with suppress(Exception):
            client(lab.server.base, RECORDED)
    assert lab.server.connections == 0


def test_a_test_that_waits_for_review_is_told_to_be_reviewed(lab: Lab) -> None:
    client = CLIENTS["requests"]
    lab.record("once")
    with cassette(ID):
        client(lab.server.base, RECORDED)
    lab.runner.use("none")
    with pytest.raises(SnapshotPending, match="booktest-cassettes review"), cassette(ID):
        client(lab.server.base, RECORDED)


@_CLIENTS
def test_an_interaction_that_is_not_played_is_an_error_where_it_should_be(lab: Lab, client: Any) -> None:
    _record(lab, client)
    with cassette(ID):
        pass
    with pytest.raises(UnusedInteractions, match="1 recorded and never played"), cassette(ID, unused="error"):
        pass


@_CLIENTS
def test_new_episodes_replays_what_is_known_and_records_what_is_not(lab: Lab, client: Any) -> None:
    recorded = _record(lab, client)
    lab.record("new_episodes")
    hits = lab.server.hits
    with cassette(ID):
        assert client(lab.server.base, RECORDED)["body"] == recorded["body"]
        assert lab.server.hits == hits
        new = client(lab.server.base, Ask("/count"))
        assert lab.server.hits == hits + 1
    lab.approve()
    hits = lab.server.hits
    with cassette(ID, unused="error"):
        assert client(lab.server.base, Ask("/count"))["body"] == new["body"]
        assert client(lab.server.base, RECORDED)["body"] == recorded["body"]
    assert lab.server.hits == hits


@_CLIENTS
def test_a_failing_test_records_nothing(lab: Lab, client: Any) -> None:
    lab.record()
    with pytest.raises(ZeroDivisionError), cassette(ID):
        client(lab.server.base, RECORDED)
        raise ZeroDivisionError
    assert not list(lab.runner.project().pending)


def test_a_wrapped_refusal_carries_ours_as_a_note(lab: Lab) -> None:
    """SDKs turn every exception into one of their own."""
    _record(lab, CLIENTS["requests"])
    with pytest.raises(RuntimeError) as caught, cassette(ID):
        try:
            CLIENTS["requests"](lab.server.base, Ask("/other"))
        except Exception:
            raise RuntimeError("Connection error.") from None
    assert any("/other is not in its http cassette" in note for note in caught.value.__notes__)
