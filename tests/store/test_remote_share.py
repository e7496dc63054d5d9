"""Blobs in a directory: a network share that may be gone, full, read-only, or oddly named."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from store_shelves import key_of

from booktest_cassettes.digest import BlobKey
from booktest_cassettes.errors import RemoteError, StorageError
from booktest_cassettes.store.packing import pack
from booktest_cassettes.store.remote.place import Place
from booktest_cassettes.store.remote.remote import Remote
from booktest_cassettes.store.remote.share import ShareMedium
from booktest_cassettes.store.remote.store import RemoteStore

DATA = b'{"version": 1}\n'
KEY = key_of(DATA)
PREFIX = "booktest/blobs"
CHILD = """
import os, sys
from functools import partial
from pathlib import Path
from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import CassetteError
from booktest_cassettes.store.remote.place import Place
from booktest_cassettes.store.remote.remote import Remote
from booktest_cassettes.store.remote.share import ShareMedium
from booktest_cassettes.store.remote.store import RemoteStore
remote = Remote(Place(Path(), "it", sys.argv[1]), "booktest/blobs")
remote.media[os.getpid()] = ShareMedium(Path(sys.argv[1]), "booktest/blobs")
store = RemoteStore(remote, compress=False)
def deliver(*blobs):
    return list(store.deliver((BlobKey(Kind.HTTP, Digest.of(blob)), partial(bytes, blob)) for blob in blobs))
"""


@pytest.fixture
def share(tmp_path) -> Path:
    share = tmp_path / "share"
    share.mkdir()
    return share


def store_at(share: Path) -> RemoteStore:
    remote = Remote(Place(share.parent / ".dvc", "it", str(share)), PREFIX)
    remote.media[os.getpid()] = ShareMedium(share, PREFIX)
    return RemoteStore(remote)


def deliver(store: RemoteStore, *blobs: bytes) -> list[BlobKey]:
    return [done.key for done in store.deliver((key_of(blob), partial(bytes, blob)) for blob in blobs)]


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def child(share: Path, code: str, *before: str) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-c", CHILD + code, str(share)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def said(share: Path, code: str, *before: str) -> str:
    process = child(share, code, *before)
    text = process.communicate(timeout=60)[0]
    assert process.returncode == 0, text
    return text


# --- what it is for ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4096, 3_000_000])
def test_what_is_delivered_is_fetched(share, size):
    store, data = store_at(share), os.urandom(size)
    assert deliver(store, data) == [key_of(data)]
    assert [fetched.data for fetched in store.fetch([key_of(data)])] == [data]


def test_the_stored_file_has_the_layout_and_nothing_else_is_left(share):
    store_at(share).put(KEY, DATA)
    assert files(share) == [f"{PREFIX}/{KEY.path}"]
    assert (share / PREFIX / KEY.path).read_bytes() == pack(DATA)


def test_the_absent_is_absent_and_asking_makes_nothing(share):
    store = store_at(share)
    assert [fetched.data for fetched in store.fetch([KEY])] == [None]
    assert not store.has(KEY)
    assert list(store.keys()) == []
    store.delete(KEY)
    assert list(share.iterdir()) == []


def test_hundreds_are_delivered_listed_and_deleted(share):
    blobs = [b"%d" % number for number in range(600)]
    keys = {key_of(blob) for blob in blobs}
    store = store_at(share)
    assert set(deliver(store, *blobs)) == keys == set(store.keys()) == store.present(keys)
    store.remote.delete([key.path for key in keys])
    assert files(share) == []


@pytest.mark.parametrize(
    "name", ["a b", "päth ✓ 漢", "back\\slash", "C:\\share", "-x 'y' \"z\"", "e\nf", "%41"]
)
def test_any_path_works(tmp_path, name):
    share = tmp_path / name
    share.mkdir()
    store = store_at(share)
    deliver(store, DATA)
    assert store.get(KEY) == DATA
    assert list(store.keys()) == [KEY]
    assert files(share) == [f"{PREFIX}/{KEY.path}"]


def test_a_root_behind_a_symbolic_link_works(share, tmp_path):
    (tmp_path / "link").symlink_to(share)
    store = store_at(tmp_path / "link")
    deliver(store, DATA)
    assert list(store.keys()) == [KEY]
    assert files(share) == [f"{PREFIX}/{KEY.path}"]


def test_foreign_files_are_neither_touched_nor_seen(share):
    shard = share / PREFIX / Path(KEY.path).parent
    foreign = [
        share / "files/md5/ab/cdef",
        share / PREFIX / "README",
        shard / f".{KEY.digest.hex[:50]}.0123456789abcdef.tmp",
        shard / "deep/er",
        Path(os.fsdecode(os.fsencode(shard) + b"/not-\xff-unicode")),
    ]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"foreign")
    (shard / ("a" * 64)).symlink_to("nowhere")
    (shard / "up").symlink_to("..")
    store = store_at(share)
    deliver(store, DATA)
    assert list(store.keys()) == [KEY]
    assert {Path(entry.path).name for entry in store.remote.list(["http"])} == {
        KEY.digest.hex,
        "er",
        foreign[-1].name,
    }
    store.delete(KEY)
    assert all(path.read_bytes() == b"foreign" for path in foreign)


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_what_is_empty_or_no_file_is_not_a_blob(share, make):
    path = share / PREFIX / KEY.path
    path.parent.mkdir(parents=True)
    make(path)
    assert not store_at(share).has(KEY)


def test_a_corrupt_blob_is_told_from_an_absent_one_and_mended(share):
    store = store_at(share)
    deliver(store, DATA)
    (share / PREFIX / KEY.path).write_bytes(b"other")
    [fetched] = store.fetch([KEY])
    assert fetched.data is None
    assert fetched.corrupt is not None
    deliver(store, DATA)
    assert store.get(KEY) == DATA


def test_two_processes_that_deliver_the_same_lose_nothing(share):
    code = "assert len(deliver(*(b'%d' % (number % 50) * 5000 for number in range(500)))) == 500"
    both = [child(share, code) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in both] == ["", ""]
    store = store_at(share)
    keys = list(store.keys())
    assert len(keys) == len(files(share)) == 50
    assert all(fetched.data is not None for fetched in store.fetch(keys))


def test_a_file_that_is_deleted_while_it_is_listed_is_passed_over(share, monkeypatch):
    store = store_at(share)
    deliver(store, DATA, b"other")
    scan = os.scandir

    def vanishing(directory):
        names = list(scan(directory))
        (share / PREFIX / KEY.path).unlink(missing_ok=True)
        return iter(names)

    monkeypatch.setattr(os, "scandir", vanishing)
    assert list(store.keys()) == [key_of(b"other")]


# --- what goes wrong --------------------------------------------------------------------------------


def _everything(store: RemoteStore) -> dict[str, object]:
    return {
        "fetch": lambda: list(store.fetch([KEY])),
        "deliver": lambda: deliver(store, DATA),
        "present": lambda: store.present([KEY]),
        "keys": lambda: list(store.keys()),
        "delete": lambda: store.delete(KEY),
    }


@pytest.mark.parametrize("doing", ["fetch", "deliver", "present", "keys", "delete"])
def test_a_share_that_is_not_mounted_is_an_error_and_is_not_made(share, doing):
    share.rmdir()
    with pytest.raises(RemoteError, match="there is no directory") as caught:
        _everything(store_at(share))[doing]()
    assert str(share) in caught.value.message
    assert "mount the share" in caught.value.hint
    assert caught.value.exit_code == 5
    assert not share.exists()


@pytest.mark.parametrize("doing", ["fetch", "deliver", "present", "keys", "delete"])
def test_a_file_in_place_of_the_share_is_an_error(share, doing):
    share.rmdir()
    share.write_text("in the way")
    with pytest.raises(RemoteError, match=r"there is no directory|a file is where a directory should be"):
        _everything(store_at(share))[doing]()


@pytest.mark.parametrize("doing", ["fetch", "deliver", "present", "keys", "delete"])
def test_a_file_in_place_of_a_directory_is_an_error(share, doing):
    (share / "booktest").write_text("in the way")
    with pytest.raises(RemoteError, match="a file is where a directory should be"):
        _everything(store_at(share))[doing]()


@pytest.mark.parametrize("doing", ["fetch", "deliver", "delete"])
def test_a_directory_in_place_of_a_blob_is_an_error(share, doing):
    (share / PREFIX / KEY.path / "inside").mkdir(parents=True)
    with pytest.raises(RemoteError, match="a directory is where a file should be"):
        _everything(store_at(share))[doing]()


@pytest.fixture
def foreigners() -> Iterator[Path]:
    """A directory that nobody else may write to, where everybody may go."""
    path = Path(tempfile.mkdtemp(prefix="share"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


REPORT = """
try:
    deliver(b"another")
except CassetteError as error:
    print(error.exit_code, error)
"""
FETCH = "assert store.get(next(store.keys())) == b'there'\n"


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_who_may_only_read_fetches_and_is_told_so_when_delivering(foreigners):
    deliver(store_at(foreigners), b"there")
    before = files(foreigners)
    if os.getuid() == 0:
        code = "import os; os.setgid(65534); os.setuid(65534)\n"
        text = said(foreigners, code + FETCH + REPORT)
    else:
        for path in (foreigners, *foreigners.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        text = said(foreigners, FETCH + REPORT)
        for path in (foreigners, *foreigners.rglob("*")):
            path.chmod(stat.S_IRWXU)
    assert text.startswith(f"5 remote 'it' ({foreigners}): permission denied")
    assert files(foreigners) == before


IN_NAMESPACE = ("unshare", "-rm", "sh", "-c")


def test_a_read_only_mount_is_named(share):
    deliver(store_at(share), b"there")
    mount = 'mount --bind "$SHARE" "$SHARE" && mount -o remount,bind,ro "$SHARE" && exec "$@"'
    before = (*IN_NAMESPACE, mount.replace("$SHARE", str(share)), "sh")
    text = said(share, FETCH + REPORT, *before)
    assert text.startswith(f"5 remote 'it' ({share}): it is mounted read-only")


def test_a_full_disk_is_named_and_leaves_no_file(share):
    code = """
import os
assert deliver(b"there")
try:
    deliver(*(bytes([number]) * 20_000 for number in range(1, 20)))
except CassetteError as error:
    print(error.exit_code, error)
left = [name for _, _, names in os.walk(sys.argv[1]) for name in names]
assert not [name for name in left if name.endswith(".tmp")], left
assert all(fetched.data for fetched in store.fetch(list(store.keys())))
"""
    before = (*IN_NAMESPACE, f"mount -t tmpfs -o size=128k tmpfs '{share}' && exec \"$@\"", "sh")
    text = said(share, code, *before)
    assert text.startswith(f"5 remote 'it' ({share}): no space is left")


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("wrapped", [True, False])
def test_every_error_of_the_system_has_words(share, number, wrapped):
    error: Exception = OSError(number, os.strerror(number))
    if wrapped:
        cause, error = error, StorageError("cannot write")
        error.__cause__ = cause
    trouble = ShareMedium(share, PREFIX).explain(error)
    assert trouble is not None
    assert trouble.what
    assert trouble.hint


def test_an_error_of_ours_is_left_alone(share):
    assert ShareMedium(share, PREFIX).explain(ValueError("a mistake of ours")) is None
    assert ShareMedium(share, PREFIX).explain(StorageError("of another kind")) is None
