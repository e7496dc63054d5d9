"""Pending records: read back as written, refused when damaged, one file each."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from booktest_cassettes.digest import Digest, Kind
from booktest_cassettes.errors import IntegrityError, StorageError
from booktest_cassettes.store.pending import Change, Pending, PendingRecords

A, B = Digest.of(b"a"), Digest.of(b"b")
ID = "tests/test_api.py::test_users"
HOSTILE = [
    ID,
    "t.py::t[a/b]",
    "t.py::t[x::y]",
    "t.py::t[../z]",
    "t.py::t[é]",
    "t.py::t[👩\u200d💻]",
    "t.py::t[" + "x" * 4096 + "]",
    "t.py::t[" + "x" * 4095 + "y]",
    't.py::t["quoted"]',
    "t.py::t['quoted']",
    "t.py::t[GET]",
    "t.py::t[get]",
    "\ud800",
    "con",
    "..",
    "/",
    ".json",
    "\t",
]
changes = st.dictionaries(
    st.sampled_from(Kind),
    st.sampled_from([Change(None, A), Change(A, B), Change(A, None)]),
    min_size=1,
)


@given(test_id=st.text(min_size=1) | st.sampled_from(HOSTILE), changes=changes)
@settings(max_examples=60)
def test_a_record_is_read_back_as_it_was_saved(tmp_path_factory, test_id, changes):
    records = PendingRecords(tmp_path_factory.mktemp("records"))
    records.save(Pending(test_id, changes))
    assert records.load(test_id) == Pending(test_id, changes)
    assert list(records) == [Pending(test_id, changes)]
    records.remove(test_id)
    assert records.load(test_id) is None
    assert list(records) == []


def test_hostile_ids_live_side_by_side_in_order(tmp_path):
    records = PendingRecords(tmp_path)
    for test_id in HOSTILE:
        records.save(Pending(test_id, {Kind.HTTP: Change(None, Digest.of(ascii(test_id).encode()))}))
    assert [record.test_id for record in records] == sorted(HOSTILE)
    for test_id in HOSTILE:
        record = records.load(test_id)
        assert record
        assert record.changes[Kind.HTTP].staged == Digest.of(ascii(test_id).encode())


@given(st.text(), st.text())
def test_two_ids_never_share_a_file(tmp_path_factory, one, other):
    assume(one != other)
    records = PendingRecords(tmp_path_factory.getbasetemp())
    assert records.path(one).name.casefold() != records.path(other).name.casefold()
    assert records.path(one).parent == records.root
    assert re.fullmatch(r"[A-Za-z0-9._\-\[\]=,+@ ]{1,180}\.json", records.path(one).name)


def test_saving_again_replaces_the_record(tmp_path):
    records = PendingRecords(tmp_path)
    records.save(Pending(ID, {Kind.HTTP: Change(None, A)}))
    records.save(Pending(ID, {Kind.ENV: Change(A, B)}))
    assert list(records) == [Pending(ID, {Kind.ENV: Change(A, B)})]
    assert len(list(tmp_path.iterdir())) == 1


def test_no_directory_is_no_records(tmp_path):
    records = PendingRecords(tmp_path / "absent")
    assert list(records) == []
    assert records.load(ID) is None
    records.remove(ID)
    assert not (tmp_path / "absent").exists()


def _saved(records: PendingRecords) -> bytes:
    records.save(Pending(ID, {Kind.HTTP: Change(A, B)}))
    return records.path(ID).read_bytes()


def _is_refused(records: PendingRecords, data: bytes) -> None:
    records.path(ID).write_bytes(data)
    for read in (lambda: records.load(ID), lambda: list(records)):
        with pytest.raises(IntegrityError) as caught:
            read()
        assert str(records.path(ID)) in caught.value.message
        assert str(records.path(ID)) in caught.value.hint
    assert records.path(ID).read_bytes() == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"3",
        b'"text"',
        b"{}",
        b"\xff\xfe",
        b"\0" * 100,
        b"[" * 100_000,
        json.dumps({"version": 2, "test": ID, "changes": {}}).encode(),
        json.dumps({"version": None, "test": ID, "changes": {}}).encode(),
        json.dumps({"test": ID, "changes": {}}).encode(),
        json.dumps({"version": 1, "changes": {}}).encode(),
        json.dumps({"version": 1, "test": None, "changes": {}}).encode(),
        json.dumps({"version": 1, "test": ["x"], "changes": {}}).encode(),
        json.dumps({"version": 1, "test": ID}).encode(),
        json.dumps({"version": 1, "test": ID, "changes": []}).encode(),
        json.dumps({"version": 1, "test": ID, "changes": {"htp": [None, A]}}).encode(),
        json.dumps({"version": 1, "test": ID, "changes": {"http": None}}).encode(),
        json.dumps({"version": 1, "test": ID, "changes": {"http": [A]}}).encode(),
        json.dumps({"version": 1, "test": ID, "changes": {"http": [A, B, A]}}).encode(),
        json.dumps({"version": 1, "test": ID, "changes": {"http": "ab"}}).encode(),
        json.dumps({"version": 1, "test": ID, "changes": {"http": [3, A]}}).encode(),
        json.dumps({"version": 1, "test": ID, "changes": {"http": [None, A.upper()]}}).encode(),
        json.dumps({"version": 1, "test": ID, "changes": {"http": [None, A + "\n"]}}).encode(),
        f'{{"version": 1, "test": "{ID}", "changes": {{}}, "changes": {{}}}}'.encode(),
        f'{{"version": 1, "test": "{ID}", "changes": {{"env": [null, "{A}"], "env": 3}}}}'.encode(),
    ],
    ids=lambda data: repr(data[:60]),
)
def test_a_damaged_record_is_refused_with_its_file(tmp_path, data):
    _is_refused(PendingRecords(tmp_path), data)


def test_a_torn_record_is_refused(tmp_path):
    records = PendingRecords(tmp_path)
    whole = _saved(records)
    for length in range(len(whole)):
        _is_refused(records, whole[:length])


def test_the_record_of_another_test_is_refused(tmp_path):
    records = PendingRecords(tmp_path)
    data = _saved(records)
    (tmp_path / "copy.json").write_bytes(data)
    with pytest.raises(IntegrityError, match=r"copy\.json"):
        list(records)
    (tmp_path / "copy.json").unlink()
    _is_refused(records, data.replace(b"test_users", b"test_other"))


def test_files_that_are_no_records_are_passed_over(tmp_path):
    records = PendingRecords(tmp_path)
    _saved(records)
    (tmp_path / ".x.json.0123456789abcdef.tmp").write_bytes(b"torn")
    (tmp_path / "notes.txt").write_bytes(b"mine")
    assert [record.test_id for record in records] == [ID]


def test_a_file_where_the_directory_should_be_is_a_storage_error(tmp_path):
    (tmp_path / "records").write_text("in the way")
    records = PendingRecords(tmp_path / "records")
    for act in (
        lambda: list(records),
        lambda: records.load(ID),
        lambda: records.save(Pending(ID, {Kind.HTTP: Change(None, A)})),
        lambda: records.remove(ID),
    ):
        with pytest.raises(StorageError, match=re.escape(str(tmp_path / "records"))):
            act()


def test_an_unreadable_record_is_a_storage_error(tmp_path):
    records = PendingRecords(tmp_path)
    records.path(ID).mkdir()
    for act in (lambda: list(records), lambda: records.load(ID)):
        with pytest.raises(StorageError, match=r"[Ii]s a directory|denied"):
            act()


def test_a_record_that_goes_while_they_are_listed_is_passed_over(tmp_path, monkeypatch):
    records = PendingRecords(tmp_path)
    _saved(records)
    monkeypatch.setattr("booktest_cassettes.store.pending.list_names", lambda _: ["gone.json"])
    assert list(records) == []


def test_the_lock_of_staging_keeps_other_threads_and_processes_out(tmp_path):
    records = PendingRecords(tmp_path / "pending")
    script = (
        "import sys; from pathlib import Path; from booktest_cassettes.files import locked\n"
        "try:\n with locked(Path(sys.argv[1]), timeout=0): print('in')\n"
        "except Exception as error: print(type(error).__name__)"
    )
    command = [sys.executable, "-c", script, str(records.root)]
    with records.exclusive():
        assert subprocess.run(command, capture_output=True, text=True).stdout == "StorageError\n"
        entered = threading.Event()

        def enter() -> None:
            with records.exclusive():
                entered.set()

        thread = threading.Thread(target=enter)
        thread.start()
        assert not entered.is_set()
    thread.join()
    assert entered.is_set()
    assert subprocess.run(command, capture_output=True, text=True).stdout == "in\n"
