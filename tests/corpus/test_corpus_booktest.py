"""booktest's own books: all of their snapshots migrate, and real clients get the recorded answers back."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from booktest_cassettes.importing import booktest
from booktest_cassettes.importing.booktest_payloads import Snapshots
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Interaction, Request, Response
from booktest_cassettes.recording.normalisation import Normaliser
from booktest_cassettes.recording.redaction import Redactor
from booktest_cassettes.traffic import Cleaner
from booktest_cassettes.workflow.migration.convert import convert

sys.path.append(str(Path(__file__).parents[1] / "e2e"))
from e2e_workspace import Workspace

BROKEN = {  # the files that are broken on purpose
    "examples/broken_snapshots/books/book/broken_snapshots/function_snapshot.snapshots.json",
    "examples/broken_snapshots/books/book/broken_snapshots/function_snapshot/_snapshots/functions.json",
    "examples/broken_snapshots/books/book/broken_snapshots/httpx/_snapshots/httpx.json",
    "examples/broken_snapshots/books/book/broken_snapshots/requests/_snapshots/requests.json",
}
#: What its test sent is not in the file; that this is it, the hash proves.
SENT = b'{"message": "hello"}'
#: Its test hashes requests in a way of its own: nobody can know what fits.
OWN_HASH = "test/examples/snapshots_book.py::test_requests_deterministic_hashes"
KINDS = {"requests": "http", "httpx": "httpx", "env": "env", "functions": "func"}

REPLAY = """
import base64, json, os, sys
import httpx, requests
from booktest_cassettes import cassette
import booktest_functions

def same(test_id, expected, answer, content):
    assert answer.status_code == expected["status"], (test_id, expected["url"])
    assert content == base64.b64decode(expected["answer"]), (test_id, expected["url"])
    return 1

done = 0
for test_id, test in json.load(open("expected.json")).items():
    functions = ["booktest_functions:" + name.replace(".", "_") for name, *_ in test["func"]]
    with cassette(test_id, env=list(test["env"]), func=functions, record_mode="none", unused="error"):
        for one in test["http"]:
            answer = requests.request(
                one["method"], one["url"], data=base64.b64decode(one["body"]), headers=one["headers"]
            )
            done += same(test_id, one, answer, answer.content)
        with httpx.Client() as client:
            for one in test["httpx"]:
                body = base64.b64decode(one["body"])
                answer = client.request(one["method"], one["url"], content=body, headers=one["headers"])
                done += same(test_id, one, answer, answer.content)
        for name, value in test["env"].items():
            assert os.environ.get(name) == value, (test_id, name)
            done += 1
        for name, args, kwargs, result in test["func"]:
            function = getattr(booktest_functions, name.replace(".", "_"))
            assert function(*args, **kwargs) == result == function(*args, **kwargs), (test_id, name)
            done += 1
print("replayed", done)
"""


def sha1(known: dict[str, Any]) -> str:
    return hashlib.sha1(json.dumps(known, sort_keys=True).encode()).hexdigest()


def originals(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Test ids and kinds, read without our readers: ``.snapshots.json`` counts where both forms are there."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(root.rglob("*.json"), key=lambda path: (path.name.endswith(".snapshots.json"), path)):
        name = path.relative_to(root).as_posix()
        if name in BROKEN:
            continue
        prefix, _, inside = f"/{name}".partition("/books/")
        test, suffix = inside.split(".snapshots.json")[0].split("/_snapshots/")[0], path.stem
        file, _, function = test.partition(".py/")
        content = json.loads(path.read_text())
        kinds = content if name.endswith(".snapshots.json") else {KINDS[suffix]: content}
        found.setdefault(f"{prefix[1:]}/{file}.py::{function}".lstrip("/"), {}).update(kinds)
    yield from found.items()


def exchange(entry: dict[str, Any], *, is_httpx: bool) -> dict[str, Any]:
    asked, said = entry["request"], entry["response"]
    body = base64.b64decode(asked.get("body", ""))
    known = {key: asked[key] for key in asked if key != "hash"}
    if sha1(known) != asked["hash"] and sha1({**known, "body": ""}) != asked["hash"]:
        assert sha1({**known, "body": base64.b64encode(SENT).decode()}) == asked["hash"]
        body = SENT
    content = base64.b64decode(said["content"]) if is_httpx else said["content"].encode()
    return {
        "order": asked.get("order", 0), "method": asked["method"], "url": asked["url"],
        "headers": asked.get("headers", {}), "body": base64.b64encode(body).decode(),
        "status": said["statusCode"], "answer": base64.b64encode(redacted(said["headers"], content)).decode(),
    }  # fmt: skip


def expected(root: Path) -> dict[str, Any]:
    found = {}
    for test_id, kinds in originals(root):
        if test_id == OWN_HASH or not kinds.keys() - {"snapshot"}:
            continue
        found[test_id] = {
            "http": [exchange(entry, is_httpx=False) for entry in kinds.get("http", {}).values()],
            "httpx": [exchange(entry, is_httpx=True) for entry in kinds.get("httpx", {}).values()],
            "env": kinds.get("env", {}),
            "func": [
                [one["call"]["func"], one["call"]["args"], one["call"]["kwargs"], one["result"]]
                for one in kinds.get("func", [])
            ],
        }
        for name in ("http", "httpx"):
            found[test_id][name].sort(key=lambda one: one["order"])
    return found


def functions(tests: dict[str, Any]) -> str:
    """A module with functions of the recorded names; a dotted name becomes a method's."""
    names = {name for test in tests.values() for name, *_ in test["func"]}
    lines = []
    for name in sorted(names):
        flat = name.replace(".", "_")
        lines += [
            f"def {flat}(*args, **kwargs):",
            "    raise AssertionError('called')",
            f"{flat}.__qualname__ = {name!r}" if "." in name else "",
        ]
    return "\n".join(lines) + "\n"


def redacted(headers: dict[str, Any], content: bytes) -> bytes:
    """What every recording goes through is no difference."""
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    kind = kind[0] if isinstance(kind, list) else kind
    response = Response(200, headers=(("Content-Type", kind),), body=Body(content))
    clean = Cleaner(Normaliser(), Redactor()).interaction(Interaction(Request("GET", "http://a/"), response))
    assert clean is not None
    assert isinstance(clean.outcome, Response)
    return clean.outcome.body.content


@pytest.fixture(scope="module")
def books(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("booktest") / "project"
    shutil.copytree(corpus / "booktest", root, copy_function=shutil.copyfile)
    for directory in root.rglob("*"):
        directory.chmod(0o755 if directory.is_dir() else 0o644)
    workspace = Workspace(root)
    workspace.git("init", "--quiet")
    workspace.write("booktest.toml", '[storage]\nmode = "git"\n[paths]\nsnapshots_dir = "snapshots"\n')
    return workspace


@pytest.fixture(scope="module")
def report(books: Workspace) -> dict[str, Any]:
    done = books.cli("migrate", "--from", "booktest", "--json")
    assert done.code == 4, done.text
    found: dict[str, Any] = json.loads(done.text)
    return found


def test_all_but_the_broken_ones_go_in_and_the_numbers_are_right(books, report, corpus):
    tests = dict(originals(corpus / "booktest"))
    rows = {row["test"] or row["paths"][0]: row for row in report["recordings"]}
    assert {row["paths"][0] for row in rows.values() if row["status"] == "refused"} == BROKEN
    taken = {test_id: row for test_id, row in rows.items() if row["status"] == "taken"}
    assert taken.keys() == tests.keys()
    for test_id, row in taken.items():
        kinds = {kind: content for kind, content in tests[test_id].items() if content}
        assert row["kinds"].keys() == {"func" if kind == "snapshot" else kind for kind in kinds}
        assert row["interactions"] == sum(len(kinds[kind]) for kind in kinds if kind != "env")
    counted = Counter(row["status"] for row in rows.values())
    assert {status: report["totals"][status] for status in counted} == dict(counted)


def named(kind: str, content: Any) -> list[Any]:
    """What booktest finds each entry of a file by."""
    if kind in ("http", "httpx"):
        return sorted(content)
    return sorted(one.get("call", one)["hash"] for one in content)


def test_booktest_finds_everything_again_by_its_own_hashes(corpus):
    cleaner = Cleaner(Normaliser(), Redactor())
    done = 0
    for test_id, kinds in originals(corpus / "booktest"):
        imported = booktest.read(json.dumps(kinds).encode(), f"{test_id}.snapshots.json")
        snapshots = Snapshots.load(convert(imported, cleaner).blobs, test_id)
        for kind, content in kinds.items():
            found = json.loads(snapshots.payload(kind) or "{}")
            if kind == "env":
                assert found.keys() == content.keys(), test_id
                continue
            assert named(kind, found) == named(kind, content), test_id
            done += len(found)
        recorded = {kind: json.dumps(content).encode() for kind, content in kinds.items()}
        assert snapshots.taking(recorded, cleaner) == snapshots.blobs, test_id
    assert done > 100


def test_a_second_run_changes_nothing(books, report):
    before = books.manifest
    again = json.loads(books.cli("migrate", "--from", "booktest", "--json").text)
    assert again["totals"]["taken"] == 0
    assert again["totals"]["there"] == report["totals"]["taken"] + report["totals"]["there"]
    assert books.manifest == before


def test_real_clients_get_the_recorded_answers_without_a_network(books, report, corpus):
    tests = expected(corpus / "booktest")
    books.write("expected.json", json.dumps(tests))
    books.write("booktest_functions.py", functions(tests))
    books.write("replay.py", REPLAY)
    done = books.run(sys.executable, "replay.py", ci=True)
    assert done.code == 0, done.text
    number = sum(len(test[kind]) for test in tests.values() for kind in ("http", "httpx", "env", "func"))
    assert done.text.strip().endswith(f"replayed {number}")
