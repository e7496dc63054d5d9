"""betamax, cassetter and HAR move in: told apart, given to the right test, replayed without a network."""

from __future__ import annotations

import base64
import gzip
import json
from textwrap import dedent
from typing import Any

import pytest


def betamax(path: str, answer: Any, *, wire: bytes = b"") -> str:
    body: dict[str, Any] = {"encoding": "utf-8", "string": json.dumps(answer)}
    headers = {"Content-Type": ["application/json"]}
    if wire:
        body = {"encoding": "utf-8", "base64_string": base64.b64encode(wire).decode(), "string": ""}
        headers["Content-Encoding"] = ["gzip"]
    uri = f"http://api.test{path}"
    request = {"method": "GET", "uri": uri, "headers": {}, "body": {"encoding": "utf-8", "string": ""}}
    response = {"status": {"code": 200, "message": "OK"}, "url": uri, "headers": headers, "body": body}
    exchange = {"request": request, "response": response, "recorded_at": "2020-01-01T00:00:00"}
    return json.dumps({"http_interactions": [exchange], "recorded_with": "betamax/0.9.0"})


SUITE = """
import pytest, requests, unittest

pytestmark = pytest.mark.cassette

def ask(path):
    return requests.get("http://api.test" + path).json()

def test_plain():
    assert ask("/plain") == 1

class TestGroup:
    def test_inside(self):
        assert ask("/inside") == 2

@pytest.mark.parametrize("n", ["a/b", "c"])
def test_each(n):
    assert ask("/each/" + n) == n

@pytest.mark.parametrize("n", [1, 2])
def test_shared(n):
    assert ask("/shared") == "shared"

class TestCase(unittest.TestCase):
    def test_method(self):
        assert ask("/case") == 3

def test_by_name(recorder=None):
    if recorder:  # as it was
        recorder.use_cassette("by-name")
    assert ask("/named") == 4
"""


@pytest.fixture
def suite(workspace):
    workspace.write("tests/test_it.py", SUITE)
    for name, text in {
        "tests.test_it.test_plain": betamax("/plain", 1),
        "test_it.TestGroup.test_inside": betamax("/inside", 2, wire=gzip.compress(b"2")),
        "test_it.test_each[a-b]": betamax("/each/a/b", "a/b"),
        "test_it.test_each[c]": betamax("/each/c", "c"),
        "test_it.test_shared": betamax("/shared", "shared"),
        "TestCase.test_method": betamax("/case", 3),
        "by-name": betamax("/named", 4),
        "stale": betamax("/stale", 5),
    }.items():
        workspace.write(f"tests/cassettes/{name}.json", text)
    return workspace


def migrate(workspace, source, *arguments, code=0) -> dict[str, dict[str, Any]]:
    done = workspace.cli("migrate", "--from", source, "--json", *arguments)
    assert done.code == code, done.text
    return {f"{row['paths'][0]} {row['test']}": row for row in json.loads(done.text)["recordings"]}


def test_betamaxs_own_names_say_which_test(suite):
    rows = migrate(suite, "betamax")
    assert {row["test"] for row in rows.values() if row["status"] == "taken"} == {
        f"tests/test_it.py::{name}"
        for name in (
            "test_plain", "TestGroup::test_inside", "test_each[a/b]", "test_each[c]", "test_shared[1]",
            "test_shared[2]", "TestCase::test_method", "test_by_name",
        )
    }  # fmt: skip
    assert [row["paths"] for row in rows.values() if row["status"] == "orphan"] == [
        ["tests/cassettes/stale.json"]
    ]
    done = suite.pytest("-q", ci=True)
    assert done.code == 0, done.text
    assert "8 passed" in done.text


def test_a_name_that_two_classes_share_is_not_guessed(suite):
    suite.write("tests/test_more.py", "class TestCase:\n    def test_method(self): ...\n")
    rows = migrate(suite, "betamax")
    assert rows["tests/cassettes/TestCase.test_method.json None"]["status"] == "orphan"


def test_auto_tells_the_formats_apart(workspace):
    workspace.write("tests/test_it.py", "import pytest, requests\n\n@pytest.mark.vcr\ndef test_it(): ...\n")
    workspace.write("tests/cassettes/test_it/test_it.yaml", CASSETTER)
    workspace.write("logs/browser.har", HAR)
    workspace.write("logs/beta.json", betamax("/", 1))
    workspace.write("logs/other.json", '{"http_interactions": "no list"}')
    workspace.write("books/test/a_test.py/test_x.snapshots.json", '{"env": {"A": "1"}}')
    rows = migrate(workspace, "auto", code=4)
    assert {row["paths"][0]: row["format"] for row in rows.values()} == {
        "tests/cassettes/test_it/test_it.yaml": "cassetter",
        "logs/browser.har": "har",
        "logs/beta.json": "betamax",
        "logs/other.json": "betamax",
        "books/test/a_test.py/test_x.snapshots.json": "booktest",
    }


CASSETTER = dedent("""\
    version: 1
    interactions:
    - request:
        method: POST
        uri: http://api.test/echo
        headers:
          content-type:
          - application/json
        body:
          type: json
          content:
            day: 2026-01-02
      response:
        status: 200
        headers:
          content-type:
          - application/json
          content-length:
          - "10"
        body:
          type: json
          content:
            n: 1.5
      recorded_at: 2026-01-01T00:00:02.000000+00:00
    """)
HAR = json.dumps(
    {
        "log": {
            "version": "1.2",
            "creator": {"name": "Firefox", "version": "130"},
            "entries": [
                {
                    "request": {"method": "GET", "url": "http://api.test/page", "headers": [], "cookies": []},
                    "response": {
                        "status": 200,
                        "statusText": "OK",
                        "httpVersion": "HTTP/2",
                        "headers": [
                            {"name": "content-type", "value": "text/html"},
                            {"name": "content-encoding", "value": "br"},
                            {"name": "content-length", "value": "3"},
                        ],
                        "content": {"mimeType": "text/html", "size": 4, "text": "<p/>"},
                    },
                }
            ],
        }
    }
)


def test_a_cassette_of_cassetters_replays(workspace):
    workspace.write(
        "tests/test_it.py",
        """
        import pytest, requests

        @pytest.mark.vcr
        def test_it():
            answer = requests.post("http://api.test/echo", json={"day": "2026-01-02"})
            assert answer.text == '{"n": 1.5}'
        """,
    )
    workspace.write("tests/cassettes/test_it/test_it.yaml", CASSETTER)
    (row,) = migrate(workspace, "cassetter").values()
    assert (row["status"], row["test"]) == ("taken", "tests/test_it.py::test_it")
    done = workspace.pytest("-q", ci=True)
    assert done.code == 0, done.text


def test_a_browsers_log_replays_for_the_test_it_is_given_to(workspace):
    workspace.write(
        "test_it.py",
        """
        import httpx, requests
        from booktest_cassettes import cassette

        @cassette
        def test_page():
            assert requests.get("http://api.test/page").text == "<p/>"
        """,
    )
    workspace.write("browser.har", HAR)
    (row,) = migrate(workspace, "har").values()
    assert row["status"] == "orphan"
    (row,) = migrate(workspace, "har", "--map", "browser.har=test_it.py::test_page").values()
    assert (row["status"], row["kinds"].keys()) == ("taken", {"http"})
    done = workspace.pytest("-q", ci=True)
    assert done.code == 0, done.text
