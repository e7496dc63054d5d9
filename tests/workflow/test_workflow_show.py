"""Show and status: what a person and a machine are told, and that nothing recorded drives the terminal."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workflow_bench import LOGIN, ORDERS, USERS, Bench, env, http

from booktest_cassettes.digest import Digest, Kind
from booktest_cassettes.errors import BlobCorrupt, BlobMissing, IntegrityError, StorageError, UsageError
from booktest_cassettes.recording import codec
from booktest_cassettes.recording.bodies import Body
from booktest_cassettes.recording.calls import Call, Returned
from booktest_cassettes.recording.model import Failure, Interaction, Request, Response
from booktest_cassettes.workflow import show, status

ONE, TWO = http("one"), http("two")
ESCAPES = "\x1b[2J\x1b]0;title\x07\r\x08\x9b31m\u202egpj.exe\u200b\x7f"
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


def rendered(**blobs: bytes) -> str:
    return "\n".join(show.render(USERS, {Kind(name): data for name, data in blobs.items()}))


# --- show -------------------------------------------------------------------------------------------


def test_an_exchange_is_shown_as_it_went_over_the_wire():
    data = http('{"users": ["ada"]}', **{"Content-Type": "application/json"})
    text = rendered(http=data)
    assert f"http  {Digest.of(data)}" in text
    assert "1. GET http://api.example/users" in text
    assert "HTTP/1.1 200 OK" in text
    assert "Content-Type: application/json" in text
    assert '|   "users": [' in text


def test_variables_are_shown_set_or_not():
    data = codec.dump_env({"API_URL": "http://x", "API_KEY": None})
    assert "API_URL=http://x" in rendered(env=data)
    assert "API_KEY is not set" in rendered(env=data)


def test_calls_are_shown_with_what_they_returned():
    data = codec.dump_func([Call("clock:now", {"zone": "UTC"}, Returned("noon"))])
    assert '1. clock:now {"zone": "UTC"}' in rendered(func=data)
    assert 'returned "noon"' in rendered(func=data)


def test_binary_bodies_are_counted_and_long_ones_cut():
    answer = Response(200, body=Body(b"\xff\x00" * 50))
    data = codec.dump_interactions(Kind.HTTP, [Interaction(Request("GET", "http://x/"), answer)])
    assert "100 bytes of binary data" in rendered(http=data)
    assert "... 60 more lines" in rendered(http=http("line\n" * 100))


HOSTILE = {
    "body": Interaction(Request("GET", "http://x/"), Response(200, body=Body(ESCAPES.encode()))),
    "request body": Interaction(Request("POST", "http://x/", body=ESCAPES.encode()), Response(200)),
    "JSON body": Interaction(
        Request("GET", "http://x/"),
        Response(
            200,
            headers=(("Content-Type", "application/json"),),
            body=Body(json.dumps(ESCAPES, ensure_ascii=False).encode()),
        ),
    ),
    "header": Interaction(Request("GET", "http://x/"), Response(200, headers=((ESCAPES, ESCAPES),))),
    "request header": Interaction(Request("GET", "http://x/", ((ESCAPES, ESCAPES),)), Response(200)),
    "URL": Interaction(Request("GET", f"http://x/{ESCAPES}"), Response(200)),
    "method": Interaction(Request(ESCAPES, "http://x/"), Response(200)),
    "reason": Interaction(Request("GET", "http://x/"), Response(200, ESCAPES, ESCAPES)),
    "failure": Interaction(Request("GET", "http://x/"), Failure(ESCAPES, ESCAPES)),
    "half an answer": Interaction(
        Request("GET", "http://x/"), Response(200, error=Failure(ESCAPES, ESCAPES), cut=True)
    ),
}


@pytest.mark.parametrize("item", HOSTILE.values(), ids=HOSTILE)
def test_nothing_in_an_exchange_drives_the_terminal(item):
    lines = list(show.render(USERS, {Kind.HTTP: codec.dump_interactions(Kind.HTTP, [item])}))
    assert [line for line in lines if CONTROL.search(line)] == []
    assert r"\x1b[2J" in "\n".join(lines) or "u001b[2J" in "\n".join(lines)


@pytest.mark.parametrize(
    "blobs",
    [
        {"env": env(A=ESCAPES)},
        {"env": codec.dump_env({ESCAPES: None})},
        {"func": codec.dump_func([Call("m:f", {ESCAPES: ESCAPES}, Returned(ESCAPES))])},
        {"func": codec.dump_func([Call(f"m:{ESCAPES}", {}, Returned(None))])},
    ],
    ids=["value", "name", "call", "function"],
)
def test_nothing_in_a_variable_or_call_drives_the_terminal(blobs):
    assert not CONTROL.search(rendered(**blobs).replace("\n", ""))


def test_nothing_in_an_id_drives_the_terminal():
    assert not CONTROL.search("".join(show.render(f"t.py::t[{ESCAPES}]", {})))


@given(st.text())
def test_inert_text_holds_no_control_character_and_plain_text_is_kept(text):
    shown = show.inert(text)
    assert not CONTROL.search(shown)
    assert all(char.isprintable() or char == "\t" for char in shown)
    if text.isprintable():
        assert shown == text


def test_the_pending_recording_is_shown_before_the_approved_one(bench):
    bench.approved(USERS, http=ONE)
    bench.stage(USERS, http=TWO)
    assert show.snapshots(bench.project(), USERS, pending=True) == {Kind.HTTP: TWO}
    assert show.snapshots(bench.project(), USERS, pending=False) == {Kind.HTTP: ONE}


def test_a_pending_recording_whose_bytes_are_gone_or_changed_is_an_error_and_not_shown_as_nothing(bench):
    bench.stage(USERS, http=ONE)
    (staged,) = bench.staged_files()
    (bench.root / staged).write_bytes(b"torn")
    with pytest.raises(BlobCorrupt):
        show.snapshots(bench.project(), USERS, pending=True)
    (bench.root / staged).unlink()
    with pytest.raises(BlobMissing, match=re.escape(USERS)):
        show.snapshots(bench.project(), USERS, pending=True)


def test_an_approved_recording_that_is_gone_or_changed_is_an_error(bench):
    bench.approved(USERS, http=ONE)
    bench.payload(USERS).write_bytes(b"torn")
    with pytest.raises(BlobCorrupt):
        show.snapshots(bench.project(), USERS, pending=True)
    bench.payload(USERS).unlink()
    with pytest.raises(BlobMissing):
        show.snapshots(bench.project(), USERS, pending=True)


def test_a_test_that_is_unknown_is_an_error_that_names_the_nearest(bench):
    bench.approved(USERS, http=ONE)
    for ask in (
        lambda project: show.snapshots(project, USERS[:-1], pending=True),
        lambda project: show.resolve_id(project, USERS[:-1]),
    ):
        with pytest.raises(UsageError) as caught:
            ask(bench.project())
        assert caught.value.hint == f"did you mean {USERS}?"


def test_a_part_of_an_id_will_do_where_it_means_one_test(bench):
    bench.approved(USERS, http=ONE)
    bench.stage(LOGIN, http=ONE)
    project = bench.project()
    assert show.resolve_id(project, "tests/test_login.py") == LOGIN
    assert show.resolve_id(project, USERS) == USERS
    with pytest.raises(UsageError, match="means 2 tests") as caught:
        show.resolve_id(project, "tests")
    assert USERS in caught.value.hint
    assert LOGIN in caught.value.hint


def test_snapshots_are_data_for_machines():
    assert show.as_json({Kind.ENV: env(A="1")}) == {"env": {"version": 1, "kind": "env", "env": {"A": "1"}}}


# --- status -----------------------------------------------------------------------------------------


def test_an_empty_project_has_nothing_and_is_fine(bench):
    found = status.read(bench.project())
    assert found.exit_code == 0
    assert found.as_json() == {
        "root": str(bench.root),
        "storage": "git",
        "notice": "",
        "remote": "",
        "unfetched": 0,
        "unpushed": [],
        "reclaimable": 0,
        "tests": 0,
        "snapshots": 0,
        "pending": {},
        "lost": [],
    }


def test_everything_is_told_in_one_shape(bench):
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.approved(ORDERS, http=ONE)
    bench.stage(USERS, http=TWO, env=None)
    bench.stage(LOGIN, func=ONE)
    bench.payload(ORDERS).unlink()
    found = status.read(bench.project())
    assert json.loads(json.dumps(found.as_json())) == {
        "root": str(bench.root),
        "storage": "git",
        "notice": "",
        "remote": "",
        "unfetched": 0,
        "unpushed": [],
        "reclaimable": 0,
        "tests": 2,
        "snapshots": 3,
        "pending": {
            USERS: {
                "env": {"approved": Digest.of(env(A="1")), "staged": None},
                "http": {"approved": Digest.of(ONE), "staged": Digest.of(TWO)},
            },
            LOGIN: {"func": {"approved": None, "staged": Digest.of(ONE)}},
        },
        "lost": [{"test": ORDERS, "kind": "http", "digest": Digest.of(ONE), "why": found.lost[0][2].message}],
    }
    assert found.exit_code == 4


def test_pending_is_3_and_nothing_pending_is_0(bench):
    bench.stage(USERS, http=ONE)
    assert status.read(bench.project()).exit_code == 3
    bench.approve()
    assert status.read(bench.project()).exit_code == 0


def test_looking_changes_nothing(bench):
    bench.approved(USERS, http=ONE)
    bench.stage(USERS, http=TWO)
    before = bench.files()
    status.read(bench.project())
    show.snapshots(bench.project(), USERS, pending=True)
    assert bench.files() == before


def _damage(bench: Bench, what: str) -> None:
    if what == "manifest":
        bench.manifest_path.write_text((bench.manifest() or "") * 2)
    elif what == "record":
        bench.project().pending.path(USERS).write_text("{")
    elif what == "directory for a record":
        bench.project().pending.path(ORDERS).mkdir()
    else:
        (bench.root / what).rename(bench.root / "moved")
        (bench.root / what).write_text("in the way")


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("manifest", IntegrityError),
        ("record", IntegrityError),
        ("directory for a record", StorageError),
        (".booktest_cache", StorageError),
        ("books", StorageError),
    ],
)
def test_what_cannot_be_read_is_an_error_and_not_nothing(bench, what, error):
    bench.approved(USERS, http=ONE)
    bench.stage(USERS, http=TWO)
    _damage(bench, what)
    with pytest.raises(error) as caught:
        status.read(bench.project())
    assert caught.value.exit_code == 4
    assert str(bench.root) in caught.value.message
