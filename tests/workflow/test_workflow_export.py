"""Export: what vcrpy, pytest-recording and readers of HAR take from a recording."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from remote_bench import Terminal
from vcr.serialize import deserialize
from vcr.serializers import jsonserializer, yamlserializer
from workflow_bench import LOGIN, ORDERS, USERS, Bench, env, http

from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import UsageError
from booktest_cassettes.importing import har as har_reading
from booktest_cassettes.importing import vcr as vcr_reading
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response
from booktest_cassettes.workflow import export

TEXT = '{"größe": 3}'.encode() * 20
WIRE = gzip.compress(TEXT, mtime=0)
GZIPPED = Response(
    200,
    "OK",
    headers=(
        ("Content-Type", "application/json"),
        ("Content-Encoding", "gzip"),
        ("Content-Length", str(len(WIRE))),
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
    ),
    body=Body.from_wire(WIRE, "gzip"),
)
ITEMS = [
    Interaction(Request("GET", "http://api.example/a?x=1&x=2", (("Accept", "*/*"),)), GZIPPED),
    Interaction(
        Request("POST", "http://api.example/b", (("Content-Type", "text/plain"),), "grün\r\n".encode()),
        Response(201, "Created", headers=(("X-Who", "\xe4"),), body=Body(b"line\r\nline\x00\n")),
    ),
    Interaction(Request("PUT", "http://api.example/c", (), b"\xff\xfe"), Response(204, "No Content")),
    Interaction(Request("GET", "http://api.example/d"), Response(200, "OK", body=Body(b"\x89PNG\x00\xff"))),
]


def blobs(*items: Interaction, kind: Kind = Kind.HTTP) -> dict[Kind, bytes]:
    return {kind: codec.dump_interactions(kind, items)}


def loaded(data: bytes, *, as_json: bool = False) -> list[tuple[Any, dict[str, Any]]]:
    """What stock vcrpy makes of a file."""
    requests, responses = deserialize(data.decode("ascii"), jsonserializer if as_json else yamlserializer)
    return list(zip(requests, responses, strict=True))


def see_equal(items: list[Interaction], found: list[tuple[Any, dict[str, Any]]]) -> None:
    assert len(found) == len(items)
    for item, (request, response) in zip(items, found, strict=True):
        assert isinstance(item.outcome, Response)
        assert (request.method, request.uri) == (item.request.method, item.request.url)
        assert request.body == (item.request.body or None)
        assert dict(request.headers) == dict(item.request.headers)
        assert response["body"]["string"] == item.outcome.body.wire
        assert response["status"] == {"code": item.outcome.status, "message": item.outcome.reason}
        assert _flat(response["headers"]) == _flat(_grouped(item.outcome.headers))


def _grouped(headers: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return found


def _flat(headers: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, values in headers.items() for value in values]


# --- vcrpy's format -----------------------------------------------------------------------------------


def test_stock_vcrpy_loads_equal_requests_and_responses():
    for made in (
        export.export(USERS, blobs(*ITEMS), "vcr", compressed=True),
        export.export(USERS, blobs(*ITEMS, kind=Kind.HTTPX), "vcr"),
    ):
        assert (made.exchanges, made.left_out) == (4, ())
        see_equal(ITEMS, loaded(made.data))
        assert yaml.safe_load(made.data)["version"] == 1


def test_bodies_are_decoded_and_say_so_where_no_client_of_vcrpys_is_known_to_decode_them():
    plain = replace(
        GZIPPED,
        headers=(
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(TEXT))),
            *GZIPPED.headers[3:],
        ),
        body=Body(TEXT),
    )
    made = export.export(USERS, blobs(*ITEMS), "vcr")
    see_equal([replace(ITEMS[0], outcome=plain), *ITEMS[1:]], loaded(made.data))


def test_a_coding_that_we_do_not_open_is_said():
    answer = Response(200, headers=(("Content-Encoding", "br"),), body=Body(b"\xff\x00"))
    made = export.export(USERS, blobs(Interaction(Request("GET", "http://x/"), answer)), "vcr")
    assert "its body stays br" in made.left_out[0]
    assert loaded(made.data)[0][1]["headers"] == {"Content-Encoding": ["br"]}


def test_both_clients_exchanges_are_in_the_one_cassette():
    both = {**blobs(ITEMS[0]), **blobs(ITEMS[1], kind=Kind.HTTPX)}
    see_equal(ITEMS[:2], loaded(export.export(USERS, both, "vcr", compressed=True).data))


def test_json_holds_text_decoded_where_it_was_compressed_and_says_what_it_cannot():
    made = export.export(USERS, blobs(*ITEMS), "vcr", as_json=True)
    (first, answer), (second, _) = loaded(made.data, as_json=True)
    assert answer["body"]["string"] == TEXT
    assert answer["headers"]["Content-Length"] == [str(len(answer["body"]["string"]))]
    assert "Content-Encoding" not in answer["headers"]
    assert (first.uri, second.uri) == tuple(item.request.url for item in ITEMS[:2])
    assert made.left_out == (
        "http 3. PUT http://api.example/c: a body of it is not text, which JSON cannot hold (YAML can)",
        "http 4. GET http://api.example/d: a body of it is not text, which JSON cannot hold (YAML can)",
    )


def test_what_vcrpy_has_no_word_for_is_left_out_and_said():
    request = Request("GET", "http://x/\x1b[2J", (("A", "1"), ("a", "2")))
    items = [
        Interaction(request, Failure("httpx.ConnectTimeout", "slow")),
        Interaction(request, Response(200, cut=True)),
        Interaction(request, Response(200, error=Failure("builtins.ConnectionResetError", "gone"))),
    ]
    more = {Kind.ENV: codec.dump_env({"A": "1"}), Kind.FUNC: codec.dump_func([])}
    made = export.export(USERS, {**blobs(*items), **more}, "vcr")
    assert made.exchanges == len(loaded(made.data)) == 2
    text = "\n".join(made.left_out)
    for said in (
        "http 1. GET http://x/\\x1b[2J: raised httpx.ConnectTimeout",
        "http 2. GET http://x/\\x1b[2J: of a request header",
        "the client stopped reading",
        "broke off with builtins.ConnectionResetError",
        "env: environment variables have no place in it",
        "func: results of functions have no place in it",
    ):
        assert said in text
    assert "\x1b" not in text


TEXTS = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=20)
BODIES = st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda text: text.encode()))


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5), BODIES, BODIES, st.booleans())
def test_any_body_and_any_header_come_back_from_vcrpys_loader(headers, asked, answered, is_zipped):
    wire = gzip.compress(answered, mtime=0) if is_zipped else answered
    body = Body.from_wire(wire, "gzip" if is_zipped else "")
    item = Interaction(
        Request("POST", "http://x/", (), asked), Response(200, "OK", headers=tuple(headers), body=body)
    )
    (request, response) = loaded(export.export(USERS, blobs(item), "vcr", compressed=True).data)[0]
    assert request.body == (asked or None)
    assert response["body"]["string"] == body.wire
    flat = _flat(response["headers"])
    assert sorted(flat) == sorted((name.lower(), value) for name, value in headers)


def test_our_own_migration_reads_back_what_was_exported():
    made = vcr_reading.read(export.export(USERS, blobs(*ITEMS), "vcr", compressed=True).data, "t.yaml")
    see_equal(
        ITEMS,
        [
            (_AsVcr(item.request), _as_vcr(item.outcome))
            for item in made.interactions
            if isinstance(item.outcome, Response)
        ],
    )


class _AsVcr:
    def __init__(self, request: Request) -> None:
        self.method, self.uri, self.headers = request.method, request.url, dict(request.headers)
        self.body = request.body or None


def _as_vcr(response: Response) -> dict[str, Any]:
    return {
        "status": {"code": response.status, "message": response.reason},
        "headers": _grouped(response.headers),
        "body": {"string": response.body.wire},
    }


_REPLAY = """
import json, sys, urllib.request, vcr
with vcr.VCR().use_cassette(sys.argv[1], record_mode="none", match_on=["method", "uri", "body"]) as cassette:
    answers = []
    for url, body in json.loads(sys.argv[2]):
        with urllib.request.urlopen(urllib.request.Request(url, body and body.encode("latin-1"))) as answer:
            answers.append([answer.status, answer.read().decode("latin-1")])
    assert cassette.all_played
print(json.dumps(answers))
"""


def test_stock_vcrpy_replays_a_cassette_without_a_network(bench, run, tmp_path):
    items = [ITEMS[0], ITEMS[1], ITEMS[3]]
    bench.approved(USERS, http=codec.dump_interactions(Kind.HTTP, items))
    assert run(bench, "export", USERS, "--format", "vcr", "--output", "out/c.yaml") == 0
    asked = [[item.request.url, item.request.body.decode("latin-1") or None] for item in items]
    done = subprocess.run(
        [sys.executable, "-c", _REPLAY, "c.yaml", json.dumps(asked)],
        cwd=bench.root / "out",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wires = [item.outcome.body.content for item in items if isinstance(item.outcome, Response)]
    assert json.loads(done.stdout) == [
        [status, wire.decode("latin-1")] for status, wire in zip((200, 201, 200), wires, strict=True)
    ]


# --- HAR ----------------------------------------------------------------------------------------------


def test_a_har_comes_back_by_our_own_reader():
    made = export.export(USERS, blobs(*ITEMS), "har")
    assert made.exchanges == 4
    back = har_reading.read(made.data, "t.har")
    for item, found in zip(ITEMS, (*back.interactions, *back.httpx), strict=True):
        assert isinstance(item.outcome, Response)
        assert isinstance(found.outcome, Response)
        assert found.request == item.request
        assert found.outcome.headers == item.outcome.headers
        assert found.outcome.body.content == item.outcome.body.content
        assert (found.outcome.status, found.outcome.reason) == (item.outcome.status, item.outcome.reason)


# --- names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("test_id", "name"),
    [
        ("tests/test_api.py::test_users", "tests/cassettes/test_api/test_users.yaml"),
        ("test_api.py::test_users", "cassettes/test_api/test_users.yaml"),
        ("t/test_a.py::TestA::test_b[x]", "t/cassettes/test_a/TestA.test_b[x].yaml"),
        ("t/test_a.py::TestA::TestB::test_c", "t/cassettes/test_a/TestB.test_c.yaml"),
        ("t/test_a.py::test_b[a/b::c?]", "t/cassettes/test_a/test_b[a-b--c-].yaml"),
        ("t/test_a.py::test_b[../z]", "t/cassettes/test_a/test_b[..-z].yaml"),
        ("tests/cassettes/own.yaml", "tests/cassettes/own.yaml"),
    ],
)
def test_cassettes_are_named_as_pytest_recording_names_them(test_id, name):
    assert export.file_name(test_id, "vcr") == name
    assert export.file_name(test_id, "har") == name.replace(".yaml", ".har") or "own" in name


@pytest.mark.parametrize("test_id", ["../t.py::test", "/etc/t.py::test", "a/../../t.py::test"])
def test_no_name_leads_out_of_the_directory(test_id):
    with pytest.raises(UsageError, match="no path"):
        export.file_name(test_id, "vcr")


def test_two_tests_that_would_share_a_file_are_refused():
    tests = ["t.py::test[a/b]", "t.py::test[a:b]"]
    with pytest.raises(UsageError, match="would both be cassettes/t/test"):
        export.file_names(tests, "vcr")


# --- the command --------------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(monkeypatch, capsys)


def test_one_test_goes_to_a_file_of_its_name_to_the_one_that_is_named_or_to_standard_output(bench, run):
    bench.approved(USERS, http=http("one"))
    assert run(bench, "export", "test_users", "--format", "vcr") == 2, run.text
    assert run(bench, "export", USERS, "--format", "vcr") == 0, run.text
    assert f"test_users.yaml: 1 exchange of {USERS}" in run.text
    assert (bench.root / "test_users.yaml").exists()
    assert run(bench, "export", USERS, "--format", "vcr") == 2
    assert "is there already" in run.text
    assert run(bench, "export", USERS, "--format", "vcr", "-o", "test_users.yaml") == 0
    assert run(bench, "export", USERS, "--format", "har", "-o", "-") == 0
    assert json.loads(run.text)["log"]["version"] == "1.2"
    assert run(bench, "export", USERS, "--format", "curl", "-o", "-") == 0
    assert "curl --globoff" in run.text
    assert run(bench, "export", USERS, "--format", "vcr", "-o", "c.json") == 0
    assert json.loads((bench.root / "c.json").read_text())["version"] == 1
    assert run(bench, "export", USERS, "--format", "har", "--json") == 2


def test_several_tests_go_to_a_directory_and_what_cannot_be_exported_is_listed(bench, run):
    bench.approved(USERS, http=http("one"), env=env(A="1"))
    bench.approved(LOGIN, http=http("two"))
    bench.approved(ORDERS, env=env(A="1"))
    assert run(bench, "export", "--format", "vcr") == 2
    assert "3 tests need a directory" in run.text
    assert run(bench, "export", "--format", "vcr", "--output", "out") == 0, run.text
    assert "out: 2 files of 3 tests" in run.text
    assert f"left out: {ORDERS} has no HTTP traffic" in run.text
    assert f"left out: {USERS}: env: environment variables have no place in it" in run.text
    found = sorted(path.relative_to(bench.root / "out").as_posix() for path in _files(bench.root / "out"))
    assert found == [
        "tests/cassettes/test_api/test_users.yaml",
        "tests/cassettes/test_login/test_login[a-b].yaml",
    ]
    assert run(bench, "export", "tests/test_api.py", "--format", "har", "--output", "out") == 0
    assert (bench.root / "out/tests/cassettes/test_api/test_users.har").exists()


def test_what_is_pending_is_exported_unless_the_approved_one_is_asked_for(bench, run):
    bench.approved(USERS, http=http("one"))
    bench.stage(USERS, http=http("two"))
    assert run(bench, "export", USERS, "--format", "vcr", "-o", "-") == 0
    assert "string: two" in run.text
    assert run(bench, "export", USERS, "--format", "vcr", "--approved", "-o", "-") == 0
    assert "string: one" in run.text
    assert run(bench, "export", USERS, "--format", "vcr", "--kind", "httpx", "-o", "-") == 2
    assert "has no HTTP traffic" in run.text


def test_a_recording_that_is_lost_does_not_keep_the_others_back(bench, run):
    bench.approved(USERS, http=http("one"))
    bench.approved(ORDERS, http=http("two"))
    bench.payload(USERS).unlink()
    assert run(bench, "export", "--format", "vcr", "--output", "out") == 4, run.text
    assert f"lost: {USERS}" in run.text
    assert "out: 1 file of 2 tests" in run.text


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_the_project_itself_is_not_changed(bench, run):
    bench.approved(USERS, http=http("one"))
    before = bench.files()
    assert run(bench, "export", "--format", "vcr", "--output", "out") == 0
    assert {name: data for name, data in bench.files().items() if not name.startswith("out/")} == before
    assert isinstance(bench, Bench)
