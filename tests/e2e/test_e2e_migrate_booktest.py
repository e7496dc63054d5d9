"""A booktest project moves in: every form is migrated, and replayed by real clients without a network."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

HOST = "http://api.test"
#: A test for each form: its name, the file below ``books/test/a_test.py/``, and the code that replays it.
SUITE = """
import json, os
import httpx, pytest, requests
from shop import Shop, plus_one

pytestmark = pytest.mark.cassette

def test_unified_http():
    answer = requests.get("http://api.test/hello?b=2&a=1")
    assert (answer.status_code, answer.reason, answer.json()) == (200, "OK", {"n": 1})
    assert answer.headers["Content-Encoding"] == "gzip"

def test_unified_httpx():
    answer = httpx.get("http://api.test/bytes")
    assert answer.content == bytes(range(256))
    assert [cookie[:2] for cookie in answer.headers.get_list("set-cookie")] == ["a=", "b="]

def test_stored_http():
    assert requests.get("http://api.test/").json() == {"n": 3}

def test_stored_httpx():
    assert httpx.get("http://api.test/").json() == {"n": 4}

@pytest.mark.cassette(env=["STAGE", "UNSET"])
def test_stored_env():
    assert (os.environ["STAGE"], os.environ.get("UNSET")) == ("from the snapshot", None)

@pytest.mark.cassette(func=[plus_one, Shop.price])
def test_stored_func():
    assert [plus_one(1), plus_one(1), plus_one(value=7)] == [102, 102, 108]
    assert Shop("x").price(["a", "b"], rebate=0.5) == {"total": [1, 2]}
    with pytest.raises(Exception, match="is not in its func cassette"):
        Shop("x").price(["c"], rebate=0.5)

def test_dotted_http():
    assert requests.get("http://api.test/").json() == {"n": 5}

def test_dotted_httpx():
    assert httpx.get("http://api.test/").json() == {"n": 6}

@pytest.mark.cassette(env=["STAGE"])
def test_dotted_env():
    assert os.environ["STAGE"] == "old"

def test_single_http():
    assert requests.get("http://api.test/").json() == {"n": 7}

def test_single_httpx():
    assert httpx.get("http://api.test/").json() == {"n": 8}

@pytest.mark.cassette(func=[plus_one])
def test_single_func():
    assert plus_one(1) == 1000

def test_hash_of_requests():
    for expected in (1, 2):
        answer = requests.post("http://api.test/talk?z=1&a=2", json={"q": "é"}, headers={"X-Any": "1"})
        assert answer.json() == {"n": expected}
    assert requests.post("http://api.test/talk?z=1&a=2", json={"q": "other"}).json() == {"n": 3}

def test_hash_of_httpx():
    with httpx.Client() as client:
        assert client.post("http://api.test/talk", content=b"\\xff\\x00").json() == {"n": 1}
        assert client.put("http://api.test/talk").json() == {"n": 2}

def test_nothing_but_a_hash():
    assert requests.post("http://api.test/talk", data={"a": "1"}).json() == {"n": 9}

def test_redirect():
    assert requests.get("http://api.test/from").json() == {"n": 10}

class TestBook:
    def test_method(self):
        assert httpx.get("http://api.test/").json() == {"n": 11}
"""
SHOP = """
def plus_one(value):
    raise AssertionError("called")

class Shop:
    def __init__(self, name):
        self.name = name

    def price(self, items, rebate):
        raise AssertionError("called")
"""


def sha1(data: Any, *, is_sorted: bool = True) -> str:
    return hashlib.sha1(json.dumps(data, sort_keys=is_sorted).encode()).hexdigest()


def entry(path: str, answer: Any, method: str = "GET", *, status: int = 200, **more: Any) -> dict[str, Any]:
    """One exchange as booktest keeps it: of a body it keeps the hash alone."""
    client, headers = more.pop("client"), more.pop("headers", {})
    known = {"url": f"{HOST}{path}", "method": method, **more}
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    said: dict[str, Any] = {"statusCode": status, "headers": {"content-type": "application/json", **headers}}
    if client == "http":
        said |= {"content": content.decode(), "encoding": "utf-8"}
    else:
        said |= {"content": base64.b64encode(content).decode()}
    kept = {key: value for key, value in known.items() if key != "body"}
    return {"request": {**kept, "hash": sha1(known)}, "response": said}


def http(path: str, answer: Any, method: str = "GET", **more: Any) -> dict[str, Any]:
    return entry(path, answer, method, client="http", **more)


def httpx(path: str, answer: Any, method: str = "GET", **more: Any) -> dict[str, Any]:
    return entry(path, answer, method, client="httpx", **{"body": "", **more})


def by_hash(*entries: dict[str, Any]) -> dict[str, Any]:
    return {one["request"]["hash"]: one for one in entries}


def call(func: str, args: list[Any], result: Any, **kwargs: Any) -> dict[str, Any]:
    known = {"func": func, "args": args, "kwargs": kwargs}
    return {"call": {**known, "hash": sha1(known, is_sorted=False)}, "result": result}


def coded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def files() -> dict[str, Any]:
    """What booktest's versions wrote below ``books/test/a_test.py``."""
    gzipped = {"Content-Encoding": "gzip", "Content-Length": "25"}
    cookies = {"set-cookie": "a=1; expires=Mon, 20-Oct-25 07:51:35 GMT, b=2", "content-type": "image/png"}
    talk = {"method": "POST", "body": coded(json.dumps({"q": "é"}).encode())}
    nothing = http("/talk", {"n": 9}, "POST", body=coded(b"a=1"))
    return {
        "test_unified_http.snapshots.json": {
            "http": by_hash(http("/hello?b=2&a=1", {"n": 1}, headers=gzipped)),
            "snapshot": [],
        },
        "test_unified_httpx.snapshots.json": {
            "httpx": by_hash(httpx("/bytes", bytes(range(256)), headers=cookies))
        },
        "test_stored_http/_snapshots/requests.json": by_hash(http("/", {"n": 3})),
        "test_stored_httpx/_snapshots/httpx.json": by_hash(httpx("/", {"n": 4})),
        "test_stored_env/_snapshots/env.json": {"STAGE": "from the snapshot", "UNSET": None},
        "test_stored_func/_snapshots/functions.json": [
            call("plus_one", [1], 102),
            call("plus_one", [], 108, value=7),
            call("Shop.price", [["a", "b"]], {"total": [1, 2]}, rebate=0.5),
        ],
        "test_dotted_http/.requests.json": by_hash(http("/", {"n": 5})),
        "test_dotted_httpx/.httpx.json": by_hash(httpx("/", {"n": 6})),
        "test_dotted_env/.env.json": {"STAGE": "old"},
        "test_single_http/.requests/1.json": http("/", {"n": 7}),
        "test_single_httpx/.httpx/1.json": httpx("/", {"n": 8}),
        "test_single_func/.functions/1.json": call("plus_one", [1], 1000),
        "test_hash_of_requests.snapshots.json": {
            "http": by_hash(
                http("/talk?z=1&a=2", {"n": 2}, order=1, **talk),
                http("/talk?z=1&a=2", {"n": 1}, **talk),
                http("/talk?z=1&a=2", {"n": 3}, "POST", body=coded(b'{"q": "other"}')),
            )
        },
        "test_hash_of_httpx.snapshots.json": {
            "httpx": by_hash(
                httpx("/talk", {"n": 1}, "POST", body=coded(b"\xff\x00")), httpx("/talk", {"n": 2}, "PUT")
            )
        },
        "test_nothing_but_a_hash.snapshots.json": {
            "http": {nothing["request"]["hash"]: {"response": nothing["response"]}}
        },
        "test_redirect.snapshots.json": {
            "http": by_hash(
                http("/from", b"", status=302, headers={"Location": "/to"}), http("/to", {"n": 10})
            )
        },
        "TestBook/test_method.snapshots.json": {"httpx": by_hash(httpx("/", {"n": 11}))},
    }


BOOKS = "books/test/a_test.py"


@pytest.fixture
def project(workspace):
    """A booktest project; its snapshots will be beside its books, not in the place of older ones."""
    workspace.write("booktest.toml", '[storage]\nmode = "git"\n[paths]\nsnapshots_dir = "snapshots"\n')
    workspace.write("pytest.ini", "[pytest]\npython_files = *_test.py\npythonpath = .\n")
    workspace.write("test/a_test.py", SUITE)
    workspace.write("shop.py", SHOP)
    for name, content in files().items():
        workspace.write(f"{BOOKS}/{name}", json.dumps(content, indent=4))
    workspace.commit()
    return workspace


def migrate(workspace, *arguments, code=0) -> dict[str, Any]:
    done = workspace.cli("migrate", "--from", "booktest", "--json", *arguments)
    assert done.code == code, done.text
    found: dict[str, Any] = json.loads(done.text)
    return found


def test_every_form_replays_in_strict_mode_without_a_network(project):
    report = migrate(project)
    assert report["totals"]["taken"] == len(files()), report
    assert "test/a_test.py::TestBook/test_method:" in project.manifest
    assert project.git("status", "--porcelain", "books") == ""  # the originals are left alone
    done = project.pytest("-q", "-k", "not TestBook and not stored_func", ci=True)
    assert done.code == 0, done.text
    assert "15 passed" in done.text


def test_a_function_call_that_was_not_recorded_is_refused(project):
    migrate(project)
    done = project.pytest("-q", "-k", "stored_func", ci=True)
    assert done.code == 1
    assert done.text.count("is not in its func cassette") >= 1
    project.write("test/a_test.py", SUITE.partition("    with pytest.raises")[0])
    done = project.pytest("-q", "-k", "stored_func", ci=True)
    assert done.code == 0, done.text


def test_a_second_run_changes_nothing(project):
    migrate(project)
    manifest = project.manifest
    report = migrate(project)
    assert report["totals"]["there"] == len(files())
    assert report["totals"]["taken"] == 0
    assert project.manifest == manifest


def test_a_changed_request_of_which_only_a_hash_was_kept_is_refused_and_says_so(project):
    migrate(project)
    project.write("test/a_test.py", SUITE.replace('{"q": "other"}', '{"q": "changed"}'))
    done = project.pytest("-q", "-k", "hash_of_requests", ci=True)
    assert done.code == 1
    assert "booktest kept its hash alone" in done.text
    assert "run -S" in done.text


@pytest.mark.nightly
def test_one_repeat_too_many_is_refused(project):
    migrate(project)
    project.write("test/a_test.py", SUITE.replace("for expected in (1, 2):", "for expected in (1, 2, 2):"))
    done = project.pytest("-q", "-k", "hash_of_requests", ci=True)
    assert done.code == 1
    assert "was recorded 2 times and is made once more" in done.text


def test_a_broken_file_is_reported_and_the_others_go_in(project):
    project.write(f"{BOOKS}/test_redirect.snapshots.json", "{\n# broken\n")
    project.write(f"{BOOKS}/test_stored_env/_snapshots/requests.json", '{"x": 1}')
    report = migrate(project, "--delete-originals", code=4)
    assert report["totals"]["taken"] == len(files()) - 1
    (refused,) = [row for row in report["recordings"] if row["status"] == "refused"]
    assert refused["why"].startswith(f"{BOOKS}/test_redirect.snapshots.json:2: not valid JSON")
    partly = next(row for row in report["recordings"] if row["test"] == "test/a_test.py::test_stored_env")
    assert partly["notes"][0].startswith(f"left out: {BOOKS}/test_stored_env/_snapshots/requests.json: ")
    left = {path.name for path in (project.root / "books").rglob("*.json")}
    assert left == {"test_redirect.snapshots.json", "requests.json", "env.json"}


def test_an_original_in_the_place_of_the_snapshot_is_not_overwritten_unasked(project):
    project.write("booktest.toml", '[storage]\nmode = "git"\n')
    report = migrate(project)
    skipped = {row["test"].rpartition("::")[2] for row in report["recordings"] if row["status"] == "skipped"}
    assert skipped == {"test_stored_httpx", "test_stored_env"}
    assert project.git("status", "--porcelain", "--untracked-files=no", "books") == ""
    report = migrate(project, "--delete-originals")
    assert report["totals"]["taken"] == 2
    done = project.pytest("-q", "-k", "not TestBook and not stored_func", ci=True)
    assert done.code == 0, done.text


def test_names_from_before_1_0_are_found_by_the_tests_that_are_there(project):
    for name in ("test_dotted_http/.requests.json", "test_dotted_env/.env.json"):
        (project.root / BOOKS / name).unlink()
    project.write(
        "books/test/a/dotted_http/.requests.json", json.dumps(files()["test_dotted_http/.requests.json"])
    )
    project.write("books/test/a/unheard_of/.env.json", json.dumps({"A": "1"}))
    report = migrate(project)
    rows = {row["paths"][0]: row for row in report["recordings"]}
    assert rows["books/test/a/dotted_http/.requests.json"]["test"] == "test/a_test.py::test_dotted_http"
    assert rows["books/test/a/unheard_of/.env.json"]["status"] == "orphan"


@pytest.mark.nightly
def test_what_the_last_run_wrote_is_not_taken(project):
    project.write("books/.out/test/a_test.py/test_new.snapshots.json", json.dumps({"env": {"A": "1"}}))
    assert "test_new" not in json.dumps(migrate(project))


# -- results -------------------------------------------------------------------------------------------

SHA1 = "2e943733fabbffde11ad3f21b9f6d30ae70e4132"
RESULT = f"""# response:

![plot](image.{SHA1}.png)
 * https://api.test/ - {SHA1}

# request snaphots:

 * http://api.test/hello?b=2&a=1 - {SHA1}
"""


def test_hashes_go_from_results_by_section_and_git_ignores_what_is_gone(project):
    project.write(f"{BOOKS}/test_unified_http.md", RESULT)
    project.write(f"{BOOKS}/test_dotted_http.md", f"\n# request snaphots:\n\n * http://api.test/ - {SHA1}\n")
    project.write(f"{BOOKS}/test_other.md", RESULT)
    project.commit()
    dry = migrate(project, "--dry-run")
    assert any("would be taken out" in note for note in dry["notes"])
    assert project.git("status", "--porcelain") == ""
    migrate(project)
    plain = RESULT.partition("\n# request")[0]
    assert (project.root / BOOKS / "test_unified_http.md").read_text() == plain
    assert (project.root / BOOKS / "test_dotted_http.md").read_text() == ""
    assert (project.root / BOOKS / "test_other.md").read_text() == RESULT
    ignored = (project.root / ".gitignore").read_text()
    assert "snapshots" not in ignored
    migrate(project, "--delete-originals")
    ignored = (project.root / ".gitignore").read_text()
    assert {"*.snapshots.json", ".requests/", ".env.json"} <= set(ignored.splitlines())
    assert not list((project.root / "books").rglob("*.json"))
    migrate(project, "--delete-originals")
    assert (project.root / ".gitignore").read_text() == ignored


def test_values_of_t_snapshot_are_taken_and_their_file_may_go(project):
    name = f"{BOOKS}/test_unified_http.snapshots.json"
    value = {"name": "user", "args": [7], "kwargs": {}, "result": {"id": 7}}
    content = {**files()["test_unified_http.snapshots.json"], "snapshot": [value]}
    project.write(name, json.dumps(content))
    report = migrate(project, "--delete-originals")
    row = next(row for row in report["recordings"] if row["paths"] == [name])
    assert (row["notes"], row["kinds"].keys()) == ([], {"http", "func"})
    assert not (project.root / name).exists()
    assert "*.snapshots.json" in (project.root / ".gitignore").read_text().splitlines()
    shown = project.cli("show", row["test"])
    assert """t.snapshot('user') {"args": [7], "kwargs": {}}\n     returned {"id": 7}""" in shown.text
