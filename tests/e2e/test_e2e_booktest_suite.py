"""examples/booktest_suite: recorded with booktest alone, migrated, run through us; as its README tells it."""

from __future__ import annotations

import atexit
import gzip
import json
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from dvc_share import files_below
from e2e_booktest import as_before_1_1, lines_of, originals, results, written
from e2e_walk import Walk

TESTS = 28
#: Options of booktest's decorators, and values of all sorts: what an example does not have to show.
OPTIONS = """
import json
import random

import booktest as bt
import httpx
import requests

import clock
import shop


def hash_of(request):
    return json.dumps([request["method"], request["url"]])


def coded(body, url, method):
    return "any order"


@bt.snapshot_env("SHOP_URL")
@bt.snapshot_requests(lose_request_details=False)
def test_details(t):
    t.tln(str([shop.order("Solaris", 2), shop.order("Solaris", 2), shop.titles("poetry")]))


@bt.snapshot_env("SHOP_URL")
@bt.snapshot_httpx(lose_request_details=False)
async def test_equal_requests(t):
    for _ in range(2):
        t.tln(str(await shop.ratings("Kalevala", "Solaris")))


@bt.snapshot_env("SHOP_URL")
@bt.snapshot_requests(ignore_headers=["user-agent", "X-Chance"], lose_request_details=False)
def test_headers(t):
    for kind in ("a", "b"):
        headers = {"X-Chance": str(random.random()), "X-Kind": kind}
        t.tln(requests.get(shop.url("/books"), headers=headers).text)


@bt.snapshot_env("SHOP_URL")
@bt.snapshot_httpx(json_to_hash=hash_of)
def test_a_hash_of_its_own(t):
    order = {"title": "Kindred", "copies": random.randint(1, 9)}
    t.tln(httpx.post(shop.url("/orders"), json=order).json()["status"])


@bt.snapshot_env("SHOP_URL")
@bt.snapshot_requests(encode_body=coded)
def test_a_body_of_its_own(t):
    t.tln(shop.order("Solaris", random.randint(1, 9))["status"])


@bt.snapshot_env("SHOP_URL")
@bt.snapshot_httpx(url=".*/books.*")
def test_some_urls(t):
    t.tln(str(shop.rating("Solaris")))


@bt.snapshot_functions(clock.lottery)
def test_arguments(t):
    t.tln(str([clock.lottery(n, highest=h) for n in (0, 1, 2) for h in (5, 10**12)]))


VALUES = [1, 1.5, "\u00e9\u2028", [], {}, [1, {"a": None, "b": True}], False, 0, "", 10**30, 1e-300]


def test_values(t):
    for number, value in enumerate(VALUES):
        t.tln(repr(t.snapshot(f"v{number}", number)(lambda _, value=value: value)))
"""
#: Tests whose snapshots are as booktest 1.0 kept them, and one whose result names what it replayed.
OLDER = ["test/catalogue_book.py/test_titles", "test/orders_book.py/OrdersBook/test_chart"]
LETTER = "test/catalogue_book.py/test_letter"
SECTION = "\n# request snaphots:\n\n * http://127.0.0.1/books - 2e943733fabbffde11ad3f21b9f6d30ae70e4132\n\n"


@cache
def _recorded() -> Walk:
    """The suite after the first part of the README: recorded, and replayed without the shop, by booktest."""
    parent = Path(tempfile.mkdtemp(prefix="cassettes-"))
    atexit.register(shutil.rmtree, parent, ignore_errors=True)
    walk = Walk("booktest_suite", parent).begin()
    walk.write("test/options_book.py", OPTIONS)
    walk.walk(walk.blocks()[0])
    assert set(results(walk.root).values()) == {"OK"}
    assert len(results(walk.root)) == TESTS
    return walk


@pytest.fixture
def suite(tmp_path: Path) -> Walk:
    return _recorded().copied(tmp_path)


def keys_of(walk: Walk) -> dict[str, list[str]]:
    """The manifest: test to kinds."""
    tests = re.findall(r"^(test/.*):\n((?:  .*\n)+)", walk.manifest, re.MULTILINE)
    return {test: re.findall(r"^  (\w+):", kinds, re.MULTILINE) for test, kinds in tests}


def plain(data: bytes) -> bytes:
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def same_as_stock(walk: Walk, said: str, stock: dict[str, str], before: str) -> None:
    """A run of ours ended as booktest's did, from snapshots that are intact, and changed nothing in Git."""
    assert results(walk.root) == dict.fromkeys(results(walk.root), "OK")
    assert written(walk.root) == stock
    intact = "ok (snapshots intact)"
    told = lines_of(said)
    assert told == {name: intact if name in keys_of(walk) else "ok" for name in results(walk.root)}
    assert len(told) == TESTS
    assert walk.manifest == before
    assert walk.git("status", "--porcelain") == ""


def test_the_suite_moves_to_a_dvc_remote_and_runs_as_before_serially_in_parallel_and_without_a_cache(
    suite: Walk,
) -> None:
    _, move, run, elsewhere = suite.blocks()
    for test in OLDER:
        as_before_1_1(suite.root, test)
    suite.walk(["booktest"])
    stock = written(suite.root)
    assert len(stock) == TESTS
    letter = json.loads((suite.root / f"books/{LETTER}.snapshots.json").read_text(encoding="utf-8"))
    key = letter["env"]["SHOP_KEY"].encode()
    assert {"test/catalogue_book.py/test_titles/_snapshots/requests.json"} < originals(suite.root)
    results_before = {path: path.read_bytes() for path in (suite.root / "books/test").rglob("*.md")}
    titles = suite.root / f"books/{OLDER[0]}.md"
    titles.write_text(titles.read_text(encoding="utf-8") + SECTION, encoding="utf-8")
    suite.commit()

    migrated = suite.walk(move)[move.index(next(line for line in move if " migrate " in line))]
    assert "variable SHOP_KEY: 2" in migrated
    assert "next: git add booktest.manifest.yaml books .gitignore && git commit" in migrated
    remote = files_below(suite.root.with_name("recordings"))
    assert {name[-64:] for name in remote} == set(re.findall(r"[0-9a-f]{64}", suite.manifest))
    assert not [name for name, data in remote.items() if key in plain(data)]
    assert originals(suite.root) == set()
    assert not list((suite.root / "books/test").rglob("_snapshots"))
    assert {path: path.read_bytes() for path in (suite.root / "books/test").rglob("*.md")} == results_before
    assert (suite.root / "books/test/orders_book.py/OrdersBook/test_chart/stars.svg").is_file()
    kinds = keys_of(suite)
    assert kinds[LETTER.replace(".py/", ".py::")] == ["env", "func", "http", "httpx"]
    assert kinds["test/catalogue_book.py::test_forecast"] == ["func"]
    assert len(kinds) == 22

    before = suite.manifest
    serially, parallel, nothing = suite.walk(run)
    assert nothing == ""
    for said in (serially, parallel):
        same_as_stock(suite, said, stock, before)
    _, said = suite.walk(elsewhere)
    same_as_stock(suite, said, stock, before)


@pytest.mark.nightly
def test_accepting_what_is_unchanged_leaves_payloads_in_git_where_they_are(suite: Walk) -> None:
    suite.walk(suite.blocks()[1])
    suite.walk(["booktest-cassettes migrate --to git"])
    suite.commit()
    payloads = originals(suite.root)
    kinds = {name.rpartition("_snapshots/")[2] for name in payloads}
    assert kinds == {"env.json", "func.json", "http.json", "httpx.json"}
    before = suite.manifest
    suite.walk(["booktest-cassettes run --runner booktest -- -u -p2"])
    assert originals(suite.root) == payloads
    assert (suite.manifest, suite.git("status", "--porcelain")) == (before, "")
    assert results(suite.root) == dict.fromkeys(results(suite.root), "OK")


@pytest.mark.nightly
def test_what_is_recorded_anew_in_parallel_is_approved_with_the_results_and_on_the_remote(
    suite: Walk,
) -> None:
    _, move, _, elsewhere = suite.blocks()
    suite.walk(move)
    before, kinds = suite.manifest, keys_of(suite)
    anew = "python server.py booktest-cassettes run --runner booktest -S -- -a -u"
    assert f"`{anew}`" in (suite.root / "README.md").read_text(encoding="utf-8")
    said = lines_of(suite.type(f"{anew} -p2").text)
    assert len(said) == TESTS
    assert keys_of(suite) == kinds
    assert suite.manifest != before
    done = suite.cli("status", "--ci")
    assert done.code == 0, done.text
    suite.commit()
    suite.walk(elsewhere)
    assert suite.git("status", "--porcelain") == ""
