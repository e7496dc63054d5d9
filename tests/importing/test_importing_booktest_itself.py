"""booktest's own classes record from a live server, and replay what our blobs say, the server gone."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import requests

from booktest_cassettes.digest import Kind
from booktest_cassettes.importing.booktest_payloads import Snapshots
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.normalisation import Normaliser
from booktest_cassettes.recording.redaction import Redactor
from booktest_cassettes.traffic import Cleaner

CLEANER = Cleaner(Normaliser(), Redactor())


@pytest.fixture(scope="module")
def bt() -> Any:
    """booktest's rooms of snapshots; importing it warns, and is not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from booktest.snapshots import env, functions, snapshot
        from booktest.snapshots import httpx as of_httpx
        from booktest.snapshots import requests as of_requests
    return SimpleNamespace(
        env=env, functions=functions, httpx=of_httpx, requests=of_requests, snapshot=snapshot
    )


class Service(BaseHTTPRequestHandler):
    """Answers that are hard to keep; every one says another date and how often it was asked."""

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        path = self.path.partition("?")[0]
        content, headers = b'{"got": "%s"}' % body.hex().encode(), {"Content-Type": "application/json"}
        if path == "/count":
            content = b"%d" % self.server.asked  # type: ignore[attr-defined]
        if path == "/gzip":
            content, headers = (
                gzip.compress(b"text " * 99),
                {"Content-Encoding": "gzip", "Content-Type": "text/plain"},
            )
        if path == "/latin":
            content, headers = "é".encode(), {"Content-Type": "text/plain; charset=latin-1"}
        if path in ("/binary", "/latin-1"):
            content, headers = b"\xff\xe9", {"Content-Type": "application/octet-stream"}
        if path == "/empty":
            content, headers = b"", {"X-Empty": "1"}
        status = 204 if path == "/empty" else 200
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("X-Request-Id", f"{id(self)}")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_PUT = do_GET


@pytest.fixture(scope="module")
def live() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.asked = 0  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Case:
    """What booktest's classes ask of a test; its storage is what we make of it."""

    snapshots: Snapshots
    config: dict[str, bool] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    used: list[dict[str, Any]] = field(default_factory=list)
    test_id: str = "test/a_test.py/test_x"
    name: str = "test_x"
    exp_dir_name: str = "/nowhere"
    resource_snapshots: bool = False
    failed: bool = False

    def get_storage(self) -> Case:
        return self

    def fetch(self, _test_id: str, kind: str) -> bytes | None:
        return self.snapshots.payload(kind)

    def store(self, _test_id: str, kind: str, content: bytes) -> str:
        if self.config:
            self.stored[kind] = content
        else:  # as our storage does: a replay stores nothing
            content = self.snapshots.payload(kind) or content
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    def report_snapshot_usage(self, **usage: Any) -> None:
        self.used.append(usage)

    def diff(self) -> None:
        self.failed = True


Test = Callable[[Case], Any]
RECORD, COMPLETE = {"refresh_snapshots": True}, {"complete_snapshots": True}


def run(test: Test, snapshots: Snapshots, **config: bool) -> tuple[Any, Case]:
    case = Case(snapshots, config)
    result = test(case)
    assert config or not case.failed  # booktest calls what it recorded just now a difference
    return result, case


def recorded(test: Test) -> tuple[Any, Snapshots]:
    result, case = run(test, Snapshots.load({}, "t"), **RECORD)
    return result, Snapshots.load(case.snapshots.taking(case.stored, CLEANER), "t")


def assert_replays(test: Test) -> Snapshots:
    """A recording replays as it was, is INTACT, and no byte changes however it is recorded again."""
    first, snapshots = recorded(test)
    again, case = run(test, snapshots)
    assert again == first
    assert {str(usage["state"].name) for usage in case.used} == {"INTACT"}
    for config in (COMPLETE, RECORD):
        _, case = run(test, snapshots, **config)
        assert snapshots.taking(case.stored, CLEANER) == snapshots.blobs
    return snapshots


HOW = [
    {},
    {"lose_request_details": False},
    {"ignore_headers": ["accept-encoding", "user-agent", "host", "connection"]},
    {"ignore_headers": False, "lose_request_details": False},
    {"ignore_headers": False},
    {"json_to_hash": lambda known: known["url"].rpartition("/")[2] + known["method"] + known.get("body", "")},
    {"encode_body": lambda body, url, method: f"{method}: {body!r}", "lose_request_details": False},
    {"encode_body": lambda body, url, method: "abcd" * len(body or "")},
]


def seen(answer: Any) -> tuple[Any, ...]:
    kept = {name.lower(): value for name, value in answer.headers.items()}
    kind, empty = kept.get("content-type"), kept.get("x-empty")
    return answer.status_code, answer.content, answer.text, answer.encoding, kind, empty


PATHS = ("/gzip", "/latin", "/empty", "/a?b=1", "/a?b=2", "/a?b=1")
BODIES = [{"json": {"a": [1]}}, {"data": {"a": "1", "b": "é"}}, {"data": {}}, {"json": {"a": [1]}}]


@pytest.mark.parametrize("how", HOW, ids=lambda how: "-".join(how) or "plain")
def test_requests_replays_what_it_recorded(bt, live, how):
    def test(case: Case) -> list[Any]:
        with bt.requests.SnapshotRequests(case, **how):
            made = [requests.get(live + path) for path in PATHS]
            made += [requests.post(f"{live}/post", **body) for body in BODIES]
            made.append(requests.put(f"{live}/put", data=b"\xff\x00"))
        return [seen(answer) for answer in made]

    assert_replays(test)


@pytest.mark.parametrize("how", HOW, ids=lambda how: "-".join(how) or "plain")
def test_httpx_replays_what_it_recorded(bt, live, how):
    def test(case: Case) -> list[Any]:
        with httpx.Client() as client, silenced(), bt.httpx.SnapshotHttpx(case, **how):
            made = [client.get(live + path) for path in PATHS]
            made += [client.post(f"{live}/post", **body) for body in BODIES]
            made.append(client.put(f"{live}/put", content=b"\xff\x00"))
        return [seen(answer) for answer in made]

    assert_replays(test)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_async_httpx_replays_what_it_recorded(bt, live):
    async def ask() -> list[Any]:
        async with httpx.AsyncClient() as client:
            return [
                seen(answer)
                for answer in await asyncio.gather(*(client.get(live + path) for path in PATHS[:4]))
            ]

    def test(case: Case) -> list[Any]:
        with bt.httpx.SnapshotHttpx(case):
            return asyncio.run(ask())

    assert_replays(test)


def test_a_hash_may_be_a_number(bt, live):
    def test(case: Case) -> list[Any]:  # booktest itself cannot sort the numbers of equal requests
        with bt.requests.SnapshotRequests(case, json_to_hash=lambda known: len(known["url"])):
            return [seen(requests.get(live + path)) for path in ("/gzip", "/a?b=1", "/latin")]

    assert_replays(test)


def test_repeats_are_answered_in_their_order(bt, live):
    def test(case: Case) -> list[str]:
        with bt.requests.SnapshotRequests(case):
            return [requests.get(f"{live}/count").text for _ in range(3)]

    first, snapshots = recorded(test)
    assert len({*first}) == 3
    assert run(test, snapshots)[0] == first
    _, case = run(test, snapshots, **COMPLETE)
    assert snapshots.taking(case.stored, CLEANER) == snapshots.blobs
    items = codec.load_interactions(snapshots.blobs[Kind.HTTP], name="t")
    assert [item.outcome.body.content.decode() for item in items] == first  # type: ignore[union-attr]


def test_binary_answers_break_no_other_request_of_the_test(bt, live):
    def test(case: Case, *paths: str) -> list[Any]:
        with httpx.Client() as client, bt.httpx.SnapshotHttpx(case):
            return [seen(client.get(live + path)) for path in paths]

    _, snapshots = recorded(lambda case: test(case, "/binary", "/a"))
    assert run(lambda case: test(case, "/a"), snapshots)[0]
    with pytest.raises(AssertionError, match="missing snapshot for request"):
        run(lambda case: test(case, "/binary"), snapshots)
    _, case = run(lambda case: test(case, "/binary", "/a"), snapshots, **COMPLETE)
    assert snapshots.taking(case.stored, CLEANER) == snapshots.blobs
    # stock: one such answer, and none of the test's is read
    entry = case.stored["httpx"]
    with pytest.raises(UnicodeDecodeError):
        for one in json.loads(entry).values():
            bt.httpx.RequestSnapshot.from_json_object(one)


def test_variables_replay_as_they_were(bt, monkeypatch):
    def test(case: Case) -> list[str | None]:
        import os

        with silenced(), bt.env.SnapshotEnv(case, ["B_SET", "B_UNSET"]):
            return [os.environ.get(name) for name in ("B_SET", "B_UNSET")]

    monkeypatch.setenv("B_SET", "é=1")
    monkeypatch.delenv("B_UNSET", raising=False)
    snapshots = assert_replays(test)
    monkeypatch.setenv("B_SET", "other")
    monkeypatch.setenv("B_UNSET", "set")
    assert run(test, snapshots)[0] == ["é=1", None]


def plus_one(value: Any, **more: Any) -> Any:
    """A function that nobody calls on replay."""
    CALLED.append("plus_one")
    return {"z": value, "a": [more, None, True, 1.5]}


def twice(value: int) -> int:
    """Another."""
    CALLED.append("twice")
    return value * 2


CALLED: list[str] = []


def test_functions_and_t_snapshot_replay_as_they_were(bt):
    def test(case: Case) -> list[Any]:
        room = sys.modules[__name__]
        manager = bt.snapshot.SnapshotManager(case)

        def value(name: Any, *args: Any, **kwargs: Any) -> Any:
            return bt.snapshot.SnapshotCallWrapper(manager, name, args, kwargs)

        with bt.functions.SnapshotFunctions(case, [plus_one, twice]):
            found = [
                room.plus_one(1, z=1, a={"q": "é"}),
                room.twice(2),
                room.twice(2),
                room.plus_one([(1, 2)]),
            ]
        found += [
            value("user", 1)(twice),
            value("user", 2, full=True)(plus_one),
            value("twice", 2)(lambda n: n),
        ]
        manager.save()
        return json.loads(json.dumps(found))  # type: ignore[no-any-return]

    snapshots = assert_replays(test)
    CALLED.clear()
    run(test, snapshots)
    assert CALLED == []
    assert snapshots.blobs.keys() == {Kind.FUNC}


def test_what_our_adapters_recorded_is_replayed_by_booktest(bt, live, tmp_path, monkeypatch):
    from booktest_cassettes import cassette
    from booktest_cassettes.project import Project

    (tmp_path / "booktest.toml").write_text('[storage]\nmode = "git"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)

    def asked() -> list[Any]:
        with httpx.Client() as client:
            made: list[Any] = [client.get(f"{live}/gzip"), client.post(f"{live}/post", json={"a": 1})]
        made += [requests.get(f"{live}/gzip"), requests.post(f"{live}/post", data={"a": "1"})]
        return [seen(answer) for answer in made]

    staged: dict[Kind, bytes] = {}
    monkeypatch.setattr(Project, "stage", lambda _self, _id, blobs, *_: staged.update(blobs) or {})
    with cassette("test/a_test.py::test_x", record_mode="rewrite"):
        live_answers = asked()
    assert staged.keys() == {Kind.HTTP, Kind.HTTPX}

    def test(case: Case) -> list[Any]:
        with bt.requests.SnapshotRequests(case), bt.httpx.SnapshotHttpx(case):
            return asked()

    snapshots = Snapshots.load(staged, "t")
    answers, case = run(test, snapshots)
    assert answers == live_answers
    assert {usage["state"].name for usage in case.used} == {"INTACT"}
    for config in (COMPLETE, RECORD):
        _, case = run(test, snapshots, **config)
        assert snapshots.taking(case.stored, CLEANER) == snapshots.blobs
