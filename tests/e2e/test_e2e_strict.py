"""Strict replay: whatever was not recorded fails the test, also where the code hides the exception."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from e2e_workspace import Workspace, running_api

RECORDED = """
import requests, httpx, socket, threading, concurrent.futures
from booktest_cassettes import cassette

URL = "{url}"

@cassette
def test_it():
    for _ in range(3):
        requests.get(URL + "/users")
    requests.post(URL + "/users", json={{"name": "ada", "age": 36}})
    httpx.post(URL + "/orders", json={{"book": 1}})
"""

# Every action is a test of its own in one module: one recording and one replay serve them all.
CASE = """
def act_{name}():
    {action}

@cassette
def test_{name}_plain():
    recorded()
    if ACT:
        act_{name}()

@cassette
def test_{name}_swallowed():
    recorded()
    if ACT:
        try:
            act_{name}()
        except Exception:
            pass
"""

CASES = """
import os, requests, httpx, socket, threading, concurrent.futures
from booktest_cassettes import cassette

URL = "{url}"
ACT = "ACT" in os.environ

def recorded():
    for _ in range(3):
        requests.get(URL + "/users")
    requests.post(URL + "/users", json={{"name": "ada", "age": 36}})
    httpx.post(URL + "/orders", json={{"book": 1}})
"""

ACTIONS = {
    "changed_body": (
        'requests.post(URL + "/users", json={"name": "ada", "age": 37})',
        ["POST", "nearest recorded: POST", "body $.age: 37 now, 36 recorded"],
    ),
    "changed_httpx_body": (
        'httpx.post(URL + "/orders", json={"book": 2})',
        ["nearest recorded: POST", "body $.book: 2 now, 1 recorded"],
    ),
    "fourth_call": ('requests.get(URL + "/users")', ["was recorded 3 times and is made once more"]),
    "other_path": (
        'requests.get(URL + "/user")',
        ["nearest recorded: GET", 'path: "/user" now, "/users" recorded'],
    ),
    "other_host": (
        'requests.get("http://192.0.2.1/users", timeout=1)',
        ["nearest recorded: GET", "host:", "http://192.0.2.1"],
    ),
    "other_host_httpx": (
        'httpx.get("http://192.0.2.1/users", timeout=1)',
        ["http://192.0.2.1", "nearest recorded"],
    ),
    "raw_socket": (
        'socket.create_connection(("192.0.2.1", 80), timeout=1)',
        ["a connection to 192.0.2.1:80 was refused"],
    ),
    "look_up": ('socket.getaddrinfo("db.example.test", 5432)', ["a look-up of db.example.test:5432"]),
    "thread": (
        't = threading.Thread(target=requests.get, args=(URL + "/thread",)); t.start(); t.join()',
        ["/thread", "nearest recorded"],
    ),
    "pool": (
        'concurrent.futures.ThreadPoolExecutor(1).submit(requests.get, URL + "/pool").exception()',
        ["/pool", "nearest recorded"],
    ),
}


@pytest.fixture(scope="module")
def failures(tmp_path_factory) -> dict[str, str]:
    """Message of each failed test of one strict replay in which every test does something more."""
    workspace = Workspace(tmp_path_factory.mktemp("strict")).begin()
    with running_api() as api:
        cases = [CASE.format(name=name, action=action) for name, (action, _) in ACTIONS.items()]
        workspace.write("test_it.py", "\n".join([CASES.format(url=api.url), *cases]))
        workspace.record("test_it.py")
        hits = api.hits
        done = workspace.pytest("-q", "-W", "ignore", "--junit-xml=report.xml", ci=True, ACT="1")
        assert done.code == 1, done.text
        assert api.hits == hits, "a request reached the network in strict replay"
    report = ET.parse(workspace.root / "report.xml")
    return {
        case.get("name", ""): " ".join((failure.text or "").replace("\nE ", " ").split())
        for case in report.iter("testcase")
        for failure in case.iter("failure")
    }


@pytest.mark.parametrize("how", ["plain", "swallowed"])
@pytest.mark.parametrize("action", ACTIONS)
def test_what_was_not_recorded_fails_the_test(failures, action, how):
    message = failures[f"test_{action}_{how}"]
    assert f"test_it.py::test_{action}_{how}" in message
    for words in ACTIONS[action][1]:
        assert words in message
    assert f"booktest-cassettes run -s -- test_it.py::test_{action}_{how}" in message


def test_a_missing_snapshot_in_ci_ends_with_3_and_names_the_command(workspace, api):
    workspace.write("test_it.py", RECORDED.format(url=api.url))
    done = workspace.pytest("-q", ci=True)
    assert done.code == 3, done.text
    assert api.hits == 0
    assert "booktest-cassettes run -- test_it.py::test_it" in done.text
    assert "1 missing" in done.text
    assert workspace.pytest("-q", "-n", "2", ci=True).code == 3


def test_a_recording_that_waits_for_review_is_not_missing_but_pending(workspace, api):
    workspace.write("test_it.py", RECORDED.format(url=api.url))
    assert workspace.cli("run", "--", "-q").code == 0
    done = workspace.pytest("-q", ci=True)
    assert done.code == 3, done.text
    assert "waits for review" in done.text
    assert "booktest-cassettes review test_it.py::test_it" in done.text
    assert workspace.cli("status", "--ci").code == 3


@pytest.mark.parametrize("mode", ["once", "new_episodes", "all", "rewrite"])
def test_recording_in_ci_is_refused(workspace, api, mode):
    workspace.write("test_it.py", RECORDED.format(url=api.url))
    for done in (
        workspace.cli("run", "--record", mode, ci=True),
        workspace.pytest(f"--cassettes={mode}", ci=True),
        workspace.cli("run", ci=True, BOOKTEST_RECORD_MODE=mode),
    ):
        assert done.code == 2, done.text
        assert "CI only replays approved snapshots" in done.text.replace("\n", " ")
    assert api.hits == 0


def test_a_marker_cannot_record_in_ci(workspace, api):
    text = RECORDED.format(url=api.url).replace("@cassette\n", '@cassette(record_mode="all")\n')
    workspace.write("test_it.py", text)
    assert workspace.pytest("-q", ci=True).code == 3
    assert api.hits == 0


def test_a_wrapped_refusal_keeps_our_message(workspace, api):
    workspace.write(
        "test_it.py",
        f"""
        import os, httpx
        from booktest_cassettes import cassette

        @cassette
        def test_it():
            httpx.get("{api.url}/users")
            if "ACT" in os.environ:
                try:
                    httpx.get("{api.url}/nowhere")
                except Exception:
                    raise RuntimeError("connection error") from None
        """,
    )
    workspace.record()
    done = workspace.pytest("-q", ci=True, ACT="1")
    assert done.code == 1
    assert "RuntimeError: connection error" in done.text
    assert "/nowhere is not in its httpx cassette" in done.text


def test_unused_interactions_warn_or_fail(workspace, api):
    workspace.write("test_it.py", RECORDED.format(url=api.url))
    workspace.record()
    shorter = RECORDED.format(url=api.url).replace("range(3)", "range(2)")
    workspace.write("test_it.py", shorter)
    done = workspace.pytest("-q", ci=True)
    assert done.code == 0
    assert "recorded and not played: 1" in done.text
    workspace.write("test_it.py", shorter.replace("@cassette\n", '@cassette(unused="error")\n'))
    done = workspace.pytest("-q", ci=True)
    assert done.code == 1
    assert "1 recorded and never played" in done.text


def test_a_live_server_fixture_on_loopback_is_reachable_in_strict_replay(workspace, api):
    workspace.write(
        "test_it.py",
        f"""
        import socket, requests
        from booktest_cassettes import cassette

        @cassette(allow_hosts=["127.0.0.1"])
        def test_allowed():
            assert requests.get("{api.url}/users").ok

        @cassette
        def test_raw():
            socket.create_connection(("127.0.0.1", {api.server.server_port})).close()
        """,
    )
    hits = api.hits
    done = workspace.pytest("-q", ci=True)
    assert done.code == 0, done.text
    assert api.hits == hits + 1
