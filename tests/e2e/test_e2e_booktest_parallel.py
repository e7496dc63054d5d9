"""Many tests of booktest record in eight processes: each keeps its own entries, and all of them."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from answering import Answering
from dvc_share import blob_path, init_dvc
from e2e_booktest import lines_of
from e2e_remotes import Desk

#: Each day and at night.
SOME, ALL = 60, 200
BOOKS = 10
#: How many entries each kind of a test has; each entry says "ticket <test> of run <run>" once.
EVEN = {"http": 2, "func": 2}
ODD = {"http": 1, "httpx": 1, "func": 1, "env": 1}
SUITE = """
import os

import booktest as bt
import httpx
import requests
import counter

URL = os.environ["TICKETS"]


def ask(client, name, part):
    return client.get(f"{URL}/{name}/{part}").text
"""
EVEN_TEST = """

@bt.snapshot_requests()
@bt.snapshot_functions(counter.ticket)
def NAME(t: bt.TestCaseRun):
    t.tln(ask(requests, "NAME", "one"))
    t.tln(ask(requests, "NAME", "two"))
    t.tln(counter.ticket("NAME"))
    t.tln(t.snapshot("ticket", "NAME")(counter.ticket))
"""
ODD_TEST = """

class BookOfNAME(bt.TestBook):
    @bt.snapshot_requests()
    @bt.snapshot_httpx()
    @bt.snapshot_env("OF_NAME")
    async def NAME(self, t: bt.TestCaseRun):
        t.tln(ask(requests, "NAME", "one"))
        t.tln(ask(httpx, "NAME", "two"))
        t.tln(os.environ["OF_NAME"])
        t.tln(t.snapshot("ticket", "NAME")(counter.ticket))
"""
COUNTER = """
import os


def ticket(name):
    return f"ticket {name} of run {os.environ['RUN']}"
"""


class _Handler(Answering):
    protocol_version = "HTTP/1.1"
    server: Tickets

    def do_GET(self) -> None:
        _, name, _part = self.path.split("/")
        data = f"ticket {name} of run {self.server.run}".encode()
        self.answer(data, "text/plain; charset=utf-8")


class Tickets(ThreadingHTTPServer):
    """Answers with the name of the test that asks, and the number of the run."""

    daemon_threads = True
    request_queue_size = 128
    run = 0


@pytest.fixture
def tickets() -> Iterator[Tickets]:
    server = Tickets(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_name(number: int) -> str:
    return f"test_{number:03}"


test_name.__test__ = False  # type: ignore[attr-defined]


class Crowd(Desk):
    """A project of many tests, half of them functions and half methods, on a DVC remote."""

    tests = ALL

    def begin(self) -> Crowd:
        super().begin()
        self.write("booktest.toml", '[storage]\nmode = "dvc"\n')
        self.write("counter.py", COUNTER)
        self.write("test/__init__.py", "")
        for book in range(BOOKS):
            numbers = range(book, self.tests, BOOKS)
            tests = [(ODD_TEST if n % 3 == 1 else EVEN_TEST).replace("NAME", test_name(n)) for n in numbers]
            self.write(f"test/crowd_{book}_book.py", SUITE + "".join(tests))
        self.share.mkdir()
        init_dvc(self.root, self.share)
        return self

    @property
    def share(self) -> Path:
        return self.root.with_name("share")

    def record(self, tickets: Tickets, run: int, *arguments: str) -> dict[str, str]:
        """One run with ``-p8 -S``; what it printed about each test."""
        tickets.run = run
        variables = {f"OF_{test_name(n)}": f"ticket {test_name(n)} of run {run}" for n in range(self.tests)}
        variables |= {"TICKETS": f"http://127.0.0.1:{tickets.server_port}", "RUN": str(run)}
        done = self.cli("run", "--runner", "booktest", "-S", "--", "-p8", *arguments, **variables)
        lines = lines_of(done.text)
        assert len(lines) == self.tests, done.text
        assert not [name for name, said in lines.items() if "FAIL" in said], done.text
        return lines

    def staged(self) -> dict[str, dict[str, bytes]]:
        """What waits for review: test to kind to blob."""
        staging = self.root / ".booktest_cache/staging"
        found = {}
        for record in (staging / "pending").glob("*.json"):
            read = json.loads(record.read_text(encoding="utf-8"))
            kinds = {kind: digest for kind, (_base, digest) in read["changes"].items()}
            found[read["test"]] = {kind: blob(staging, kind, digest) for kind, digest in kinds.items()}
        return found

    def approved(self) -> dict[str, dict[str, bytes]]:
        """What the manifest names, from the remote: test to kind to blob."""
        read = yaml.safe_load(self.manifest)
        del read["storage_mode"]
        return {
            test: {kind: plain(blob_path(self.share, kind, digest)) for kind, digest in kinds.items()}
            for test, kinds in read.items()
        }


def blob(root: Path, kind: str, digest: str) -> bytes:
    name = digest.removeprefix("sha256:")
    return plain(root / kind / "sha256" / name[:2] / name)


def plain(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def check(found: dict[str, dict[str, bytes]], run: int, tests: int = ALL) -> None:
    """Every test has exactly its own entries, of this run."""
    assert len(found) == tests
    for test, blobs in found.items():
        name = test[-len("test_000") :]
        expected = ODD if int(name[-3:]) % 3 == 1 else EVEN
        entries = {
            kind: re.findall(r"ticket (\w+) of run (\d+)", data.decode()) for kind, data in blobs.items()
        }
        assert entries == {kind: [(name, str(run))] * count for kind, count in expected.items()}, test


@pytest.fixture
def crowd(tmp_path: Path, request: pytest.FixtureRequest) -> Crowd:
    (tmp_path / "crowd").mkdir()
    found = Crowd(tmp_path / "crowd")
    found.tests = getattr(request, "param", ALL)
    return found.begin()


@pytest.mark.parametrize("crowd", [SOME], indirect=True)
def test_eight_processes_stage_what_each_test_recorded(crowd: Crowd, tickets: Tickets) -> None:
    crowd.record(tickets, 1)
    check(crowd.staged(), 1, SOME)
    assert crowd.manifest == ""


@pytest.mark.nightly
def test_eight_processes_approve_what_each_test_recorded_and_replay_it(
    crowd: Crowd, tickets: Tickets
) -> None:
    crowd.record(tickets, 1)
    crowd.record(tickets, 2, "-a")
    assert crowd.staged() == {}
    check(crowd.approved(), 2)
    tickets.server_close()
    manifest = crowd.manifest
    url = f"http://127.0.0.1:{tickets.server_port}"
    done = crowd.cli("run", "--runner", "booktest", "--", "-p8", ci=True, TICKETS=url)
    assert done.code == 0, done.text
    assert set(lines_of(done.text).values()) == {"ok (snapshots intact)"}
    assert crowd.manifest == manifest


@pytest.mark.nightly
def test_twenty_times_over_nothing_is_lost_or_mixed(crowd: Crowd, tickets: Tickets) -> None:
    for run in range(20):
        crowd.record(tickets, run)
        check(crowd.staged(), run)
