"""The directory of blobs: its layout, and what does not belong to it."""

from __future__ import annotations

import os

import pytest
from store_shelves import key_of

from booktest_cassettes.digest import Digest, Kind
from booktest_cassettes.errors import StorageError
from booktest_cassettes.store.local import LocalStore
from booktest_cassettes.store.packing import pack

DATA = b'{"version": 1}\n'
KEY = key_of(DATA, Kind.FUNC)


def test_the_layout_is_the_documented_one(tmp_path):
    store = LocalStore(tmp_path)
    store.put(KEY, DATA)
    digits = Digest.of(DATA).hex
    assert store.path(KEY) == tmp_path / "func" / "sha256" / digits[:2] / digits
    assert store.path(KEY).is_file()


@pytest.mark.parametrize(("compress", "stored"), [(True, pack(DATA)), (False, DATA)])
def test_blobs_are_compressed_where_it_says_so(tmp_path, compress, stored):
    store = LocalStore(tmp_path, compress=compress)
    store.put(KEY, DATA)
    assert store.path(KEY).read_bytes() == stored


@pytest.mark.parametrize("compress", [True, False])
def test_both_forms_are_read_and_an_intact_one_is_left_as_it_is(tmp_path, compress):
    LocalStore(tmp_path, compress=not compress).put(KEY, DATA)
    store = LocalStore(tmp_path, compress=compress)
    before = store.path(KEY).read_bytes(), store.path(KEY).stat().st_mtime_ns
    assert store.get(KEY) == DATA
    store.put(KEY, DATA)
    assert (store.path(KEY).read_bytes(), store.path(KEY).stat().st_mtime_ns) == before


def test_foreign_files_are_passed_over(tmp_path):
    store = LocalStore(tmp_path)
    store.put(KEY, DATA)
    shard = store.path(KEY).parent
    for name in (f".{KEY.digest.hex}.0123456789abcdef.tmp", "README", "a" * 63, "A" * 64, "zz" + "a" * 62):
        (shard / name).write_text("foreign")
    (shard.parent / "zz").write_text("foreign")
    (shard.parent / "notes").mkdir()
    (shard.parent / "notes" / ("a" * 64)).write_text("foreign")
    (tmp_path / "staging").mkdir()
    assert list(store.keys()) == [KEY]


def test_a_file_in_place_of_a_shard_is_an_error(tmp_path):
    store = LocalStore(tmp_path)
    (tmp_path / "func/sha256").mkdir(parents=True)
    (tmp_path / "func/sha256/ab").write_text("in the way")
    with pytest.raises(StorageError, match="sha256/ab"):
        list(store.keys())


def test_reading_makes_no_directory(tmp_path):
    store = LocalStore(tmp_path / "root")
    assert store.get(KEY) is None
    assert list(store.keys()) == []
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("how", ["put", "install"])
def test_what_is_stored_again_loses_its_tombstone_and_is_young(tmp_path, how):
    """A blob that is wanted again must not go for how old it is (ADR-0019)."""
    store, tombstone = LocalStore(tmp_path), tmp_path / "tombstones" / KEY.path
    store.put(KEY, DATA)
    os.utime(store.path(KEY), (1, 1))
    tombstone.parent.mkdir(parents=True)
    tombstone.write_bytes(b"dead\n")
    assert store.get(KEY) == DATA
    assert store.has(KEY)
    assert tombstone.exists()
    assert list(store.keys()) == [KEY]
    if how == "put":
        store.put(KEY, DATA)
    else:
        store.install(KEY, pack(DATA))
    assert not tombstone.exists()
    assert store.path(KEY).stat().st_mtime > 1_000
    assert store.get(KEY) == DATA
