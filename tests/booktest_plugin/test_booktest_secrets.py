"""What was recorded with a secret plays where nobody has it: in CI, and on another machine."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from booktest_desk import Desk, told

from booktest_cassettes.booktest_plugin.second_names import with_approved, with_second

KEY, PASSWORD = "kq7Zx93LmPw2", "pw-5f0c21d9"
INTACT = {"(snapshots intact)"}
HEAD = """\
import os
import booktest as bt
import httpx
import requests

LOGIN = {"password": "PASSWORD"}


def login(user, key, password=""):
    return {"id": 7, "key": len(key) > 4}


"""
EVERYWHERE = """\
def asked(t, client):
    key = os.environ["API_KEY"]
    for answer in (
        client.get("URL", params={"api_key": key, "q": "1"}),
        client.get("URL", params={"api_key": key, "q": "1"}),
        client.post("URL", json={"who": key, **LOGIN}),
        client.get("URL", headers={"Authorization": f"Bearer {key}", "Cookie": "a=b"}),
    ):
        t.tln(f"{answer.status_code} {len(answer.json())}")


@bt.snapshot_env("API_KEY")
@bt.snapshot_httpx(ignore_headers=["user-agent", "accept-encoding", "content-length"])
def test_headers(t: bt.TestCaseRun):
    asked(t, httpx)


@bt.snapshot_httpx()
@bt.snapshot_env("API_KEY")
def test_httpx(t: bt.TestCaseRun):
    asked(t, httpx)


@bt.snapshot_env("API_KEY")
@bt.snapshot_requests(lose_request_details=False)
def test_requests(t: bt.TestCaseRun):
    asked(t, requests)


@bt.snapshot_env("API_KEY")
@bt.snapshot_functions(login)
def test_calls(t: bt.TestCaseRun):
    key = os.environ["API_KEY"]
    t.tln(str(login("ada", key, password="PASSWORD")))
    t.tln(str(t.snapshot("login", [key], **LOGIN)(lambda keys, password: {"some": len(keys[0]) > 4})))
"""
BY_NAME = """\
@bt.snapshot_env("API_KEY")
@bt.snapshot_httpx()
def test_query(t: bt.TestCaseRun):
    for _ in range(2):
        t.tln(str(httpx.get("URL", params={"api_key": os.environ["API_KEY"]}).status_code))


@bt.snapshot_env("API_KEY")
@bt.snapshot_requests(lose_request_details=False)
@bt.snapshot_functions(login)
def test_named(t: bt.TestCaseRun):
    t.tln(str(requests.post("URL", json={"password": os.environ["API_KEY"]}).status_code))
    t.tln(str(login("ada", "open", password=os.environ["API_KEY"])))
    t.tln(str(t.snapshot("in", password=os.environ["API_KEY"])(lambda password: {"some": len(password) > 4})))
"""
MOCKED = """\
@bt.mock_env({"API_KEY": "SECRET"})
@bt.snapshot_env("API_KEY")
@bt.snapshot_httpx()
def test_mocked(t: bt.TestCaseRun):
    answer = httpx.post("URL", json={"who": os.environ["API_KEY"]})
    t.tln(f"{answer.status_code} {len(answer.json())}")
"""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps({"seen": [self.path, sent.decode()]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asking(desk: Desk, service: ThreadingHTTPServer, tests: str) -> None:
    text = (HEAD + tests).replace("PASSWORD", PASSWORD).replace("SECRET", KEY)
    desk.write("test/dice_book.py", text.replace("URL", f"http://127.0.0.1:{service.server_port}"))


def leaks(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_what_was_asked_with_a_secret_plays_without_it_and_stays_as_it_is(
    fresh: Desk, service: ThreadingHTTPServer
) -> None:
    asking(fresh, service, EVERYWHERE + MOCKED)
    code, text = fresh.ours("-s", "--", "-a", API_KEY=KEY)
    assert code == 0, text
    assert [path.name for path in leaks(fresh.root)] == ["dice_book.py"], "where a mock sets it"
    before = fresh.files()
    code, text = fresh.ours("-S", "-u", API_KEY=KEY)
    assert set(told(text).values()) == INTACT, text
    service.server_close()
    for flags in ([], ["-s"]):
        code, text = fresh.ours(*flags)
        assert code == 0, text
        assert set(told(text).values()) == INTACT, text
        assert fresh.files() == before


def test_what_booktest_recorded_with_a_secret_plays_without_it_once_it_is_migrated(
    fresh: Desk, service: ThreadingHTTPServer
) -> None:
    kept = EVERYWHERE.replace("snapshot_httpx(", "snapshot_httpx(lose_request_details=False, ")
    asking(fresh, service, kept + BY_NAME)
    assert fresh.stock("-s", "-a", API_KEY=KEY)[0] == 0
    shutil.rmtree(fresh.root / "books/.out")  # what booktest wrote last, which nobody shares
    assert leaks(fresh.root / "books")
    code, text = fresh.cli("migrate", "--from", "booktest", "--delete-originals")
    assert code == 0, text
    assert leaks(fresh.root) == []
    before = fresh.files()
    service.server_close()
    for flags, given in (([], {}), (["-s"], {"API_KEY": KEY})):
        code, text = fresh.ours(*flags, **given)
        assert code == 0, text
        assert set(told(text).values()) == INTACT, text
        assert {**fresh.files(), "books/index.md": b""} == {**before, "books/index.md": b""}


@pytest.mark.parametrize(
    ("kind", "recorded"),
    [
        ("func", [{"call": {"func": "f", "args": ["REDACTED"], "kwargs": {}, "hash": "live"}, "result": 1}]),
        ("snapshot", [{"name": "n", "args": [], "kwargs": {"a": "REDACTED"}, "hash": "live", "result": 1}]),
        ("http", {"live": {"request": {"url": "/?k=REDACTED", "method": "GET", "hash": "live"}}}),
    ],
)
def test_a_second_name_is_told_from_the_approved_one(kind: str, recorded: Any) -> None:
    more, approved = with_second(kind, json.dumps(recorded).encode())
    both = json.loads(more)
    assert len(both) == 2
    second = both[1:] if isinstance(both, list) else {key: both[key] for key in approved}
    assert list(approved.values()) == ["live"]
    assert json.loads(with_approved(json.dumps(second).encode(), approved)) == recorded
    assert with_second(kind, more)[1] == {}, "a name that is there is none to add"
