"""``cassette`` on booktest's tests: real suites, run by the ``booktest`` command, against a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

from answering import Answering

from booktest_cassettes.manifest import load

SECRET = "hush-8d1f-hush"
HEAD = """\
import asyncio, os
import booktest as bt
import httpx
import requests
from booktest_cassettes import cassette

API, WHAT = os.environ["API"], os.environ.get("WHAT", "")


def ask(path, **options):
    return requests.get(API + path, **options).json()["says"]
"""

SHAPES = """

@cassette
def test_plain(t: bt.TestCaseRun):
    t.tln(ask("/plain"))
    return {"plain": 1}


@bt.depends_on(test_plain)
@cassette
async def test_above(t: bt.TestCaseRun, plain):
    async with httpx.AsyncClient() as client:
        t.tln((await client.get(API + "/above")).json()["says"])
    return {**plain, "above": 2}


@cassette(unused="error")
@bt.depends_on(test_above, bt.port(7117))
def test_below(t: bt.TestCaseRun, above, port):
    t.tln(ask("/below"))
    t.iln(f"got {sorted(above)} and port {port}")


def test_with(t: bt.TestCaseRun):
    with cassette(t):
        t.tln(ask("/with"))
    with cassette("shared/login"):
        t.tln(ask("/login"))


@cassette
def test_secret(t: bt.TestCaseRun):
    t.tln(ask("/secret?api_key=SECRET", headers={"Authorization": "Bearer SECRET"}))


@cassette(env=["STAGE"])
@bt.snapshot_env("THEIRS")
def test_theirs(t: bt.TestCaseRun):
    t.tln(ask("/theirs") + os.environ["STAGE"] + os.environ["THEIRS"])


class ABook(bt.TestBook):
    @cassette
    def test_first(self, t):
        t.tln(ask("/first"))
        return "first"

    @bt.depends_on(test_first)
    def test_second(self, t, first):
        t.iln("got " + first)


@cassette
class Decorated(bt.TestBook):
    def __init__(self, name, path):
        super().__init__("test/decorated/" + name)
        self.path = path

    def test_one(self, t):
        t.tln(ask(self.path))
        return self.path

    @bt.depends_on(test_one)
    async def test_two(self, t, one):
        t.tln(ask("/two"))
        t.iln("got " + one)


left, right = Decorated("left", "/left"), Decorated("right", "/right")
"""

FAILURES = """

def more(path):
    return ask(path) if WHAT == "fail" else ""


@cassette
def test_swallows(t):
    ask("/swallows")
    if WHAT == "miss":
        try:
            ask("/unheard")
        except Exception:
            pass
    t.iln("all fine")


@cassette
def test_fails(t):
    ask("/fails")
    if more("/fails/more"):
        t.fail().tln("no")


@cassette
def test_unfinished(t):
    ask("/unfinished")
    if more("/unfinished/more"):
        t.t("no").fail()


def test_fails_later(t):
    with cassette(t):
        ask("/later") + more("/later/more")
    with cassette("shared/later"):
        ask("/shared") + more("/shared/more")
    if WHAT == "login":
        with cassette("shared/login"):
            ask("/login")
    if WHAT == "fail":
        t.fail().tln("no")


@cassette
def test_raises(t):
    ask("/raises")
    if more("/raises/more"):
        raise ValueError("midway")


@cassette
def test_writes_a_result(t):
    if WHAT == "miss":
        cassette.result.line("for people")


@cassette
def test_never_recorded(t):
    if WHAT == "miss":
        ask("/never")
"""

TOGETHER = """
import time


@cassette
@bt.snapshot_env("THEIRS")
@bt.snapshot_functions(time.time_ns)
def test_both(t):
    t.tln(ask("/both") + os.environ["THEIRS"])
    t.tln(str(time.time_ns()))
    return "both"


@bt.snapshot_env("THEIRS")
@cassette
@bt.depends_on(test_both)
def test_between(t, both):
    t.tln(ask("/between") + os.environ["THEIRS"] + both)


@cassette
def test_ours(t):
    t.tln(ask("/ours"))
"""


class _Handler(Answering):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        says = f"{self.path.partition('?')[0]} {self.server.version}"  # type: ignore[attr-defined]
        body = json.dumps({"says": says}).encode()
        self.answer(body)


class Suite:
    """A directory with booktest's tests, and the service that they ask."""

    def __init__(self, root: Path, tests: str, setup: str = "") -> None:
        self.root = root
        self.version = 1
        self.port = 0
        self.manifest = root / "booktest.manifest.yaml"
        (root / "test").mkdir()
        (root / "test" / "__init__.py").write_text("")
        (root / "test" / "test_it.py").write_text(HEAD + tests.replace("SECRET", SECRET))
        (root / "booktest.toml").write_text('[storage]\nmode = "git"\n')
        if setup:
            (root / "test" / "__booktest__.py").write_text(setup)

    def run(self, *args: str, what: str = "", code: int = 0, ci: bool = False) -> str:
        """What ``booktest`` says, while nothing answers."""
        environ = {name: value for name, value in os.environ.items() if name != "CI"}
        environ |= {"API": f"http://127.0.0.1:{self.port}", "WHAT": what, "STAGE": "blue", "THEIRS": "green"}
        environ |= {"CI": "1"} if ci else {}
        done = subprocess.run(
            [Path(sys.executable).with_name("booktest"), *args],
            cwd=self.root, env=environ, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == (code != 0), said
        assert not code or done.returncode == code, (done.returncode, said)
        return said

    def live(self, *args: str, what: str = "", code: int = 0) -> str:
        """The same, while the service answers."""
        with self._service():
            return self.run(*args, what=what, code=code)

    def lines(self, said: str) -> dict[str, str]:
        """What was said of each test, without times."""
        found = re.findall(r"^ +(test/\S+) - (.+)$", re.sub(r"\x1b\[\d+m", "", said), re.MULTILINE)
        return {test: re.sub(r"\d+ ms", "ms", line) for test, line in reversed(found)}

    def entries(self) -> dict[str, dict[str, str]]:
        """The manifest's digests."""
        entries = load(self.manifest, storage_mode="git").entries
        return {
            test: {kind.value: str(digest) for kind, digest in kinds.items()}
            for test, kinds in entries.items()
        }

    def pending(self) -> list[str]:
        return sorted(path.name for path in (self.root / ".booktest_cache/staging/pending").glob("*.json"))

    @contextmanager
    def _service(self) -> Iterator[None]:
        server = ThreadingHTTPServer(("127.0.0.1", self.port), _Handler)
        server.version = self.version  # type: ignore[attr-defined]
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def test_every_shape_of_test_is_recorded_by_workers_and_replayed_without_the_service(tmp_path):
    suite = Suite(tmp_path, SHAPES)

    recorded = suite.lines(suite.live("-s", "-a", "-p2"))

    assert set(recorded) >= set(USES), recorded
    assert set(recorded.values()) == {"ms"}, recorded
    expected = {**{test: {kind} for test, kind in USES.items()}, "shared/login": {"http"}}
    expected["test/test_it.py::test_theirs"] = {"http", "env"}
    assert {test: set(kinds) for test, kinds in suite.entries().items()} == expected
    assert suite.pending() == []
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    holders = {path.name.partition(".")[0] for path in files if SECRET.encode() in path.read_bytes()}
    assert holders == {"test_it"}, "the source and its byte code"
    stock = json.loads((tmp_path / "books/test/test_it.py/test_theirs.snapshots.json").read_text())
    assert "THEIRS" in json.dumps(stock["env"]), "booktest's own decorators keep their own storage"
    assert "THEIRS" not in (tmp_path / "books/test/test_it.py/test_theirs/_snapshots/env.json").read_text()

    known, before = suite.entries(), suite.manifest.read_bytes()
    replayed = suite.lines(suite.run())

    assert {test: replayed[test] for test in USES} == dict.fromkeys(USES, "ms (snapshots intact)")
    assert all(line.startswith("ms") for line in replayed.values())
    assert "got /left" in (tmp_path / "books/test/decorated/left/test_two.md").read_text()
    assert "got /right" in (tmp_path / "books/test/decorated/right/test_two.md").read_text()
    below = (tmp_path / "books/test/test_it.py/test_below.md").read_text()
    assert "got ['above', 'plain'] and port 7117" in below
    assert suite.manifest.read_bytes() == before

    suite.version = 2
    again = suite.lines(suite.live("-S", "-a", "test/test_it.py::test_plain", "test/test_it.py::test_with"))

    assert again["test/test_it.py::test_plain"] == "DIFF ms (snapshots updated)"
    changed = {test for test, kinds in suite.entries().items() if kinds != known[test]}
    assert changed == {"test/test_it.py::test_plain", "test/test_it.py::test_with", "shared/login"}


USES = {
    "test/test_it.py::test_plain": "http",
    "test/test_it.py::test_above": "httpx",
    "test/test_it.py::test_below": "http",
    "test/test_it.py::test_with": "http",
    "test/test_it.py::test_secret": "http",
    "test/test_it.py::test_theirs": "http",
    "test/test_it.py::ABook/test_first": "http",
    "test/decorated/left/test_one": "http",
    "test/decorated/left/test_two": "http",
    "test/decorated/right/test_one": "http",
    "test/decorated/right/test_two": "http",
}


def test_a_test_that_fails_in_any_way_stages_nothing_and_a_swallowed_miss_fails_it(tmp_path):
    suite = Suite(tmp_path, FAILURES)
    suite.live("-s", "-a")
    assert "test/test_it.py::test_never_recorded" not in suite.entries()
    suite.live("-s", "test/test_it.py::test_fails_later", what="login")
    assert set(suite.entries()["shared/login"]) == {"http"}, "-s accepts what is new in a test that is OK"
    before = suite.manifest.read_bytes()

    said = suite.live("-s", "-a", what="fail", code=255)

    lines = suite.lines(said)
    failing = ("fails", "fails_later", "raises", "unfinished")
    assert {lines[f"test/test_it.py::test_{name}"] for name in failing} == {"FAIL ms"}, said
    assert lines["test/test_it.py::test_swallows"] == "ms (snapshots intact)"
    assert suite.manifest.read_bytes() == before
    assert suite.pending() == []

    said = suite.run(what="miss", code=3)

    lines = suite.lines(said)
    swallows, never = "test/test_it.py::test_swallows", "test/test_it.py::test_never_recorded"
    assert lines[swallows] == lines[never] == "FAIL ms (snapshot failure)", said
    assert lines["test/test_it.py::test_fails"] == "ms (snapshots intact)"
    assert "/unheard is not in its http cassette" in said
    assert f"next: booktest -s {swallows}" in said
    assert f"next: booktest -s {never}" in said
    assert "cassette.result is not for booktest's tests" in said
    assert "FAIL" in lines["test/test_it.py::test_writes_a_result"]
    assert suite.manifest.read_bytes() == before
    assert not list(tmp_path.rglob("result.md"))

    assert "CI only replays" in suite.run("-s", ci=True, code=2)


LINE = "import booktest_cassettes.booktest_plugin\n"


def test_with_the_plugin_all_kinds_of_a_test_wait_for_review_as_one(tmp_path):
    suite = Suite(tmp_path, TOGETHER, setup=LINE)

    suite.live("-s", "-a")

    recorded = suite.entries()
    both = recorded["test/test_it.py::test_both"]
    assert set(both) == {"env", "func", "http"}
    assert set(recorded["test/test_it.py::test_between"]) == {"env", "http"}
    assert set(recorded["test/test_it.py::test_ours"]) == {"http"}
    assert not list(tmp_path.rglob("*.snapshots.json"))

    suite.version = 2
    suite.live("-S", "-a")

    again = suite.entries()["test/test_it.py::test_both"]
    assert set(again) == set(both)
    assert again["http"] != both["http"]
    assert again["env"] == both["env"]
    assert set(suite.lines(suite.run("-p2")).values()) == {"ms (snapshots intact)"}


def test_nothing_of_booktest_is_loaded_for_the_users_of_others(tmp_path):
    code = """
import sys
from booktest_cassettes import cassette
@cassette
def test_it(): pass
@cassette
class TestIt:
    def test_it(self): pass
print([name for name in sys.modules if name.partition(".")[0] == "booktest" or "booktest_plugin" in name])
"""
    done = subprocess.check_output([sys.executable, "-c", code], cwd=tmp_path, text=True)
    assert done.strip() == "[]"
