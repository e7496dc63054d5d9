"""What booktest's own decorators get: approved bytes only, and a clear word where there are none."""

from __future__ import annotations

import json
import re

import pytest
from booktest_desk import CALLS, ENV, FILE, QUIET, Desk, told

from booktest_cassettes.recording.declared import REDACTED

SECRETS = """\
import os
import booktest as bt


@bt.snapshot_env("API_KEY", "WHO")
def test_key(t: bt.TestCaseRun):
    t.iln(f"length {len(os.environ['API_KEY'])}")
    t.tln("asked")
"""

BINARY = """\
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import booktest as bt
import httpx


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(bytes(range(256)))


@bt.snapshot_httpx()
def test_bytes(t: bt.TestCaseRun):
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/all?q=1"
        t.tln(str(len(httpx.get(url).content)))
        server.shutdown()
"""


def test_recording_the_same_again_changes_no_line(desk: Desk) -> None:
    before = desk.files()
    code, text = desk.ours("-S", "-u")
    assert code == 0, text
    assert set(told(text).values()) == {"(snapshots intact)", ""}
    assert desk.files() == before
    assert desk.waiting() == set()


def test_a_secret_is_live_while_recording_and_redacted_in_what_is_kept(fresh: Desk) -> None:
    fresh.write("test/dice_book.py", SECRETS)
    key = "k-5bd1e2f77a"
    assert fresh.ours("-s", "--", "-a", API_KEY=key)[0] == 0
    before = fresh.lines()
    code, text = fresh.ours("-s", "--", "-v", API_KEY=key)
    assert code == 0, text
    assert f"length {len(key)}" in text
    assert "(snapshots intact)" in text
    code, text = fresh.ours("--", "-v")
    assert code == 0, text
    assert f"length {len(REDACTED)} " in text
    assert fresh.lines() == before
    assert not [name for name, data in fresh.files().items() if key.encode() in data]
    cache = [path for path in (fresh.root / ".booktest_cache").rglob("*") if path.is_file()]
    assert not [path for path in cache if key.encode() in path.read_bytes()]


def test_with_s_what_a_test_did_not_use_this_time_is_kept(desk: Desk) -> None:
    source = desk.root / "test/dice_book.py"
    text = source.read_text()
    source.write_text(
        text.replace("    t.tln(str(t.snapshot(", "    t.snapshot('more', 1)(str)\n    t.tln(str(t.snapshot(")
    )
    code, said = desk.ours("-s", "--", CALLS, WHO="bob")
    assert code == 0, said
    payload = desk.root / "books/test/dice_book.py/test_calls/_snapshots/func.json"
    assert "3 by ada" in payload.read_text()
    source.write_text(
        text.replace("    t.tln(str(dice.roll(3)))\n", "").replace("@bt.snapshot_functions(dice.roll)\n", "")
    )
    code, said = desk.ours("-s", "--", "-a", CALLS, WHO="bob")
    assert code == 0, said
    assert "3 by ada" in payload.read_text()
    code, said = desk.ours("-S", "--", "-a", CALLS, WHO="bob")
    assert code == 0, said
    assert "3 by ada" not in payload.read_text(), "-S keeps what was recorded, and nothing else"


def test_snapshots_in_booktests_own_format_are_not_passed_over(desk: Desk) -> None:
    desk.write("booktest.manifest.yaml", "storage_mode: git\n")
    desk.write("books/test/dice_book.py/test_quiet.snapshots.json", json.dumps({"env": {"WHO": "eve"}}))
    (desk.root / "books/test/dice_book.py/test_quiet/_snapshots/env.json").unlink()
    before = desk.files()
    for flags in ([], ["-s"]):
        code, text = desk.ours(*flags, "--", QUIET, FILE)
        assert code == 3, text
        assert "booktest-cassettes migrate --from booktest\n" in text
        assert told(text)[FILE] == ""
        assert desk.files() == before


def test_a_test_whose_recording_waits_says_so(fresh: Desk) -> None:
    assert fresh.ours("-s", "--", ENV)[0] == 1
    code, text = fresh.ours("--", ENV)
    assert code == 1
    assert f"its snapshots wait for review: booktest-cassettes review {ENV}" in text


def test_an_answer_that_booktest_could_not_replay_is_not_kept(fresh: Desk) -> None:
    fresh.write("test/dice_book.py", BINARY)
    code, text = fresh.ours("-s", "--", "-a", "-v")
    assert code == 2, text
    asked = (
        r"the answer to GET http://127\.0\.0\.1:\d+/all is not UTF-8 text, which booktest's own decorators"
    )
    assert re.search(asked, text), text
    assert "next: use booktest_cassettes.cassette on this test instead" in text
    assert fresh.lines() == {}
    assert fresh.waiting() == set()


def test_a_result_that_is_no_json_fails_its_test_and_not_the_run(fresh: Desk) -> None:
    source = (fresh.root / "test/dice_book.py").read_text()
    fresh.write("test/dice_book.py", source.replace("f\"{n * 2} for {os.environ.get('WHO')}\"", "{n}"))
    code, text = fresh.ours("-s", "--", "-a", "-v")
    assert code == 2, text
    assert f"{CALLS}: a result of t.snapshot() is no JSON: Object of type set" in text
    assert sorted(fresh.lines()) == sorted([ENV, QUIET])


@pytest.mark.parametrize("how", [[], pytest.param(["-p2"], marks=pytest.mark.nightly)], ids=["serial", "p2"])
def test_a_recording_that_cannot_be_staged_fails_its_test(fresh: Desk, how: list[str]) -> None:
    fresh.write(".booktest_cache/staging/env", "in the way")
    code, text = fresh.ours("-s", *how, "--", "-a")
    assert code == 4, text
    assert "FAIL" in told(text)[ENV]
    assert "its snapshots are not kept" in text
    assert ENV not in fresh.lines()
    assert not (fresh.root / "books/test/dice_book.py/test_env.md").exists()
    assert CALLS in fresh.lines(), "what could be kept is"
