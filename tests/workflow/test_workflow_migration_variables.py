"""A secret variable's value leaves all of a migrated recording, and the hashes that it was part of."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from booktest_cassettes.config import load_config
from booktest_cassettes.digest import Kind, sha1_hex
from booktest_cassettes.importing.booktest_calls import read_calls, read_snapshots
from booktest_cassettes.importing.booktest_exchanges import in_order, read
from booktest_cassettes.importing.booktest_names import call_hash, snapshot_hash
from booktest_cassettes.importing.booktest_payloads import Snapshots
from booktest_cassettes.importing.imported import Imported
from booktest_cassettes.options import Options, resolve
from booktest_cassettes.recording.legacy import hash_of
from booktest_cassettes.workflow.migration.convert import convert
from booktest_cassettes.workflow.migration.variables import without_secrets

KEY = "kq7Zx93LmPw2"
ENV = {"API_KEY": KEY, "WHO": "ada", "NONE": None}


def coded(body: str) -> str:
    return base64.b64encode(body.encode()).decode()


def migrated(root: Path, **parts: Any) -> dict[Kind, bytes]:
    config = load_config(root, environ={})
    imported = Imported(**{"env": ENV, **parts})
    blobs = convert(*without_secrets(imported, config, resolve(config, Options()).cleaner)).blobs
    assert not [kind for kind, data in blobs.items() if KEY.encode() in data]
    return dict(blobs)


def asked(root: Path, *requests: dict[str, Any], kept: bool = True) -> dict[str, Any]:
    """By the names under which booktest gets them back; ``kept``: with their bodies."""
    said = {"headers": {}, "statusCode": 200, "content": f"for {KEY}", "encoding": "utf-8"}
    entries = {}
    for known in requests:
        shown = known if kept else {key: value for key, value in known.items() if key != "body"}
        entries[hash_of(known)] = {"request": {**shown, "hash": hash_of(known)}, "response": said}
    items = in_order(read(entries, "x", is_httpx=False).values())
    blobs = migrated(root, interactions=tuple(items))
    found: dict[str, Any] = json.loads(Snapshots.load(blobs, "x").payload("http") or b"{}")
    assert {entry["response"]["content"] for entry in found.values()} == {"for REDACTED"}
    return found


def request(secret: str, **more: Any) -> dict[str, Any]:
    url = f"http://api.test/{secret}?q=1"
    return {"url": url, "method": "POST", "body": coded(json.dumps({"who": secret, "password": "p"})), **more}


@pytest.mark.parametrize("more", [{}, {"headers": {"X-Kind": "a", "X-Who": "KEY"}}], ids=["plain", "headers"])
def test_a_request_is_found_by_what_is_asked_without_the_secret(tmp_path: Path, more: dict[str, Any]) -> None:
    live, later = (json.loads(json.dumps(more).replace("KEY", value)) for value in (KEY, "REDACTED"))
    repeats = [request(KEY, **live), request(KEY, **live, order=1)]
    found = asked(tmp_path, *repeats)
    assert set(found) == {hash_of(request("REDACTED", **later, **n)) for n in ({}, {"order": 1})}


def test_the_name_of_a_request_without_its_body_is_all_there_is_and_stays(tmp_path: Path) -> None:
    assert set(asked(tmp_path, request(KEY), kept=False)) == {hash_of(request(KEY))}


def test_a_call_is_found_by_what_is_passed_without_the_secret_in_any_order(tmp_path: Path) -> None:
    passed = {"token_of": KEY, "password": "p", "a": [{KEY: 1}]}  # in the file they are sorted
    known = {"func": "login", "args": ["ada", KEY], "kwargs": passed}
    entry = {**known, "kwargs": dict(sorted(passed.items())), "hash": call_hash(known)}
    calls = read_calls([{"call": entry, "result": [KEY]}], "x")
    blobs = migrated(tmp_path, calls=tuple(calls.values()))
    (found,) = json.loads(Snapshots.load(blobs, "x").payload("func") or b"[]")
    later = {
        **known,
        "args": ["ada", "REDACTED"],
        "kwargs": json.loads(json.dumps(passed).replace(KEY, "REDACTED")),
    }
    assert (found["call"]["hash"], found["result"]) == (call_hash(later), ["REDACTED"])


def test_a_value_of_t_snapshot_is_found_by_what_is_passed_without_the_secret(tmp_path: Path) -> None:
    item = {"name": "n", "args": [KEY], "kwargs": {"password": "p"}, "result": KEY}
    calls = read_snapshots([{**item, "hash": snapshot_hash("n", [KEY], {"password": "p"})}], "x")
    blobs = migrated(tmp_path, calls=tuple(calls.values()))
    (found,) = json.loads(Snapshots.load(blobs, "x").payload("snapshot") or b"[]")
    assert (found["hash"], found["result"]) == (
        snapshot_hash("n", ["REDACTED"], {"password": "p"}),
        "REDACTED",
    )


def test_a_hash_of_the_tests_own_and_a_recording_without_secrets_are_left_alone(tmp_path: Path) -> None:
    own = sha1_hex(b"own")
    entry = {"func": "f", "args": [KEY], "kwargs": {}, "hash": own}
    calls = tuple(read_calls([{"call": entry, "result": 1}], "x").values())
    blobs = migrated(tmp_path, calls=calls)
    assert json.loads(Snapshots.load(blobs, "x").payload("func") or b"[]")[0]["call"]["hash"] == own
    config = load_config(tmp_path, environ={})
    cleaner = resolve(config, Options()).cleaner
    imported = Imported(env={"WHO": KEY}, calls=calls)
    assert without_secrets(imported, config, cleaner) == (imported, cleaner)
