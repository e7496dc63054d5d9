"""One contract, every store: what BlobStore promises, each of them keeps."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from store_shelves import SHELVES, Shelf, key_of

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import BlobCorrupt, StorageError
from booktest_cassettes.store.packing import pack, unpack

DATA = b'{"version": 1, "text": "' + b"aaaaaaaaaaaaabcabcabcabc" * 4 + b'"}\n'
OTHER = b'{"version": 1}\n'
ABSENT = key_of(b"never stored")
ON_DISK = [name for name in SHELVES if name != "memory"]


@pytest.fixture(params=SHELVES)
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    return SHELVES[request.param](tmp_path / "root")


# --- what is stored is what is read -----------------------------------------------------------------


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    "data",
    [b"", DATA, b"\0", b"\r\n", b"\x1f\x8b", b"\x1f\x8b\x08\0", gzip.compress(DATA, mtime=0), pack(DATA)],
    ids=["empty", "json", "nul", "crlf", "gzip magic", "gzip start", "gzip", "packed"],
)
def test_what_is_put_is_what_is_got(shelf, kind, data):
    key = key_of(data, kind)
    shelf.store.put(key, data)
    assert shelf.store.get(key) == data
    assert shelf.store.has(key)
    assert list(shelf.store.keys()) == [key]


def test_what_was_never_put_is_none_and_not_an_error(shelf):
    assert shelf.store.get(ABSENT) is None
    assert not shelf.store.has(ABSENT)
    assert list(shelf.store.keys()) == []
    shelf.store.delete(ABSENT)
    assert shelf.everything() == {}


def test_a_kind_is_part_of_the_key(shelf):
    shelf.store.put(key_of(DATA, Kind.HTTP), DATA)
    assert shelf.store.get(key_of(DATA, Kind.HTTPX)) is None
    shelf.store.delete(key_of(DATA, Kind.HTTPX))
    assert shelf.store.get(key_of(DATA, Kind.HTTP)) == DATA


def test_storing_twice_is_storing_once(shelf):
    shelf.store.put(key_of(DATA), DATA)
    before = shelf.everything()
    shelf.store.put(key_of(DATA), DATA)
    assert shelf.everything() == before
    assert list(shelf.store.keys()) == [key_of(DATA)]


def test_bytes_of_another_digest_are_refused_and_nothing_is_stored(shelf):
    with pytest.raises(BlobCorrupt, match="another digest"):
        shelf.store.put(key_of(DATA), OTHER)
    assert shelf.everything() == {}


def test_bytes_of_another_digest_do_not_replace_the_stored_ones(shelf):
    shelf.store.put(key_of(DATA), DATA)
    with pytest.raises(BlobCorrupt):
        shelf.store.put(key_of(DATA), OTHER)
    assert shelf.store.get(key_of(DATA)) == DATA


def test_what_is_deleted_is_gone_and_the_rest_stays(shelf):
    for data in (DATA, OTHER):
        shelf.store.put(key_of(data), data)
    shelf.store.delete(key_of(DATA))
    shelf.store.delete(key_of(DATA))
    assert shelf.store.get(key_of(DATA)) is None
    assert not shelf.store.has(key_of(DATA))
    assert shelf.store.get(key_of(OTHER)) == OTHER
    assert list(shelf.store.keys()) == [key_of(OTHER)]


def test_a_put_leaves_the_blob_and_no_other_file(shelf):
    shelf.store.put(key_of(DATA), DATA)
    copies = 2 if "tests/test_2.py" in str(shelf.everything()) else 1
    assert len(shelf.everything()) == copies


# --- what was changed behind the store's back is noticed, and left alone ----------------------------


def _is_noticed(shelf: Shelf, stored: bytes) -> None:
    key = key_of(DATA)
    shelf.tamper(key, stored)
    before = shelf.everything()
    with pytest.raises(BlobCorrupt) as caught:
        shelf.store.get(key)
    assert "corrupt http snapshot" in caught.value.message
    assert caught.value.hint
    assert shelf.store.has(key)
    assert key in list(shelf.store.keys())
    assert shelf.everything() == before


def test_any_flipped_byte_is_noticed(shelf):
    shelf.store.put(key_of(DATA), DATA)
    stored = shelf.raw(key_of(DATA))
    for place in range(len(stored)):
        for bit in (0x01, 0x80, 0xFF):
            _is_noticed(shelf, stored[:place] + bytes([stored[place] ^ bit]) + stored[place + 1 :])


def test_any_truncation_is_noticed(shelf):
    shelf.store.put(key_of(DATA), DATA)
    stored = shelf.raw(key_of(DATA))
    for length in range(len(stored)):
        _is_noticed(shelf, stored[:length])


@pytest.mark.parametrize(
    "garbage", [b"\0", b"\0" * 8, b"x", b"\n", gzip.compress(b"", mtime=0), gzip.compress(b"more", mtime=0)]
)
def test_trailing_garbage_is_noticed(shelf, garbage):
    shelf.store.put(key_of(DATA), DATA)
    _is_noticed(shelf, shelf.raw(key_of(DATA)) + garbage)


@pytest.mark.parametrize(
    "stored",
    [OTHER, pack(OTHER), gzip.compress(DATA, mtime=0), DATA.replace(b"\n", b"\r\n"), b"\x1f\x8b"],
    ids=["other", "other packed", "gzip of another tool", "CRLF", "magic alone"],
)
def test_other_bytes_are_noticed(shelf, stored):
    shelf.store.put(key_of(DATA), DATA)
    _is_noticed(shelf, stored)


def test_a_put_mends_a_corrupt_copy(shelf):
    shelf.store.put(key_of(DATA), DATA)
    shelf.tamper(key_of(DATA), b"torn")
    shelf.store.put(key_of(DATA), DATA)
    assert shelf.store.get(key_of(DATA)) == DATA


def test_deleting_a_corrupt_copy_forgets_it_or_refuses_but_never_forgets_another(shelf):
    for data in (DATA, OTHER):
        shelf.store.put(key_of(data), data)
    shelf.tamper(key_of(DATA), b"torn")
    before = shelf.everything()
    try:
        shelf.store.delete(key_of(DATA))
    except BlobCorrupt:
        assert shelf.everything() == before
    else:
        assert not shelf.store.has(key_of(DATA))
    assert shelf.store.get(key_of(OTHER)) == OTHER


# --- absent, corrupt and unreadable are three different things --------------------------------------


@pytest.mark.parametrize("name", ON_DISK)
@pytest.mark.parametrize("act", ["get", "has", "put", "delete", "keys"])
def test_a_file_where_the_root_should_be_is_a_storage_error(name, act, tmp_path):
    shelf = SHELVES[name](tmp_path / "root")
    shelf.store.put(key_of(DATA), DATA)
    shutil.rmtree(tmp_path / "root")
    (tmp_path / "root").write_text("in the way")
    acts: dict[str, Callable[[], object]] = {
        "get": lambda: shelf.store.get(key_of(DATA)),
        "has": lambda: shelf.store.has(key_of(DATA)),
        "put": lambda: shelf.store.put(key_of(DATA), DATA),
        "delete": lambda: shelf.store.delete(key_of(DATA)),
        "keys": lambda: list(shelf.store.keys()),
    }
    with pytest.raises(StorageError, match=str(tmp_path / "root")):
        acts[act]()
    assert (tmp_path / "root").read_text() == "in the way"


@pytest.mark.parametrize("name", ON_DISK)
def test_a_directory_where_the_blob_should_be_is_a_storage_error(name, tmp_path):
    shelf = SHELVES[name](tmp_path / "root")
    assert shelf.where
    shelf.where(key_of(DATA)).mkdir(parents=True)
    for act in (shelf.store.get, shelf.store.delete, lambda key: shelf.store.put(key, DATA)):
        with pytest.raises(StorageError, match=r"[Ii]s a directory|not permitted"):
            act(key_of(DATA))


# --- any history ------------------------------------------------------------------------------------

POOL = [b"", b"a", b"b" * 300, b"\x1f\x8b", DATA, OTHER]


class History(RuleBasedStateMachine):
    """Whatever is done to a store, it answers like a dictionary."""

    make: Callable[[Path], Shelf]

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.store = type(self).make(self.directory / "root").store
        self.model: dict[BlobKey, bytes] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.directory)

    @rule(data=st.sampled_from(POOL), kind=st.sampled_from(Kind))
    def put(self, data: bytes, kind: Kind) -> None:
        self.store.put(key_of(data, kind), data)
        self.model[key_of(data, kind)] = data

    @rule(data=st.sampled_from(POOL), other=st.sampled_from(POOL), kind=st.sampled_from(Kind))
    def put_under_a_wrong_key(self, data: bytes, other: bytes, kind: Kind) -> None:
        if data != other:
            with pytest.raises(BlobCorrupt):
                self.store.put(key_of(data, kind), other)

    @rule(data=st.sampled_from(POOL), kind=st.sampled_from(Kind))
    def delete(self, data: bytes, kind: Kind) -> None:
        self.store.delete(key_of(data, kind))
        self.model.pop(key_of(data, kind), None)

    @rule(data=st.sampled_from(POOL), kind=st.sampled_from(Kind))
    def look(self, data: bytes, kind: Kind) -> None:
        key = key_of(data, kind)
        assert self.store.get(key) == self.model.get(key)
        assert self.store.has(key) == (key in self.model)

    @invariant()
    def has_these_keys(self) -> None:
        assert sorted(self.store.keys()) == sorted(self.model)


@pytest.mark.parametrize("name", SHELVES)
def test_a_store_behaves_like_a_dictionary(name):
    machine = type(f"History_{name}", (History,), {"make": staticmethod(SHELVES[name])})
    run_state_machine_as_test(machine, settings=settings(max_examples=15, stateful_step_count=15))


# --- several processes ------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from store_shelves import SHELVES, key_of
shelf = SHELVES[sys.argv[1]](Path(sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(60):
    data = b"%d" % number * 2000
    shelf.store.put(key_of(data), data)
    assert shelf.store.get(key_of(data)) == data
"""


@pytest.mark.parametrize("name", ON_DISK)
def test_several_processes_that_write_the_same_blobs_leave_each_of_them_intact(name, tmp_path):
    root = tmp_path / "root"
    command = [sys.executable, "-c", WRITER, name, str(root), str(Path(__file__).parent)]
    writers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0] * 4
    shelf = SHELVES[name](root)
    assert len(shelf.everything()) == 60 * (2 if name == "git-shared" else 1)
    for number in range(60):
        data = b"%d" % number * 2000
        assert shelf.store.get(key_of(data)) == data


# --- the compressed form ----------------------------------------------------------------------------


@given(st.binary(max_size=2000))
def test_a_packed_blob_is_a_gzip_file_and_unpacks_to_itself(data):
    assert gzip.decompress(pack(data)) == data
    assert unpack(pack(data)) == data


def test_packing_is_reproducible_and_says_nothing_of_when_and_where():
    assert pack(DATA) == pack(DATA)
    assert (
        pack(DATA)[:20].hex() == "1f8b080400000000" + "00ff" + "0800" + "42540400" + pack(DATA)[16:20].hex()
    )


@given(st.binary(max_size=300))
def test_unpacking_anything_else_is_refused_and_never_crashes(stored):
    with pytest.raises(ValueError, match=r"compressed|decompress"):
        unpack(stored)


@pytest.mark.skipif(not (shutil.which("zcat") and shutil.which("sha256sum")), reason="needs zcat, sha256sum")
def test_a_digest_is_of_the_uncompressed_bytes(tmp_path):
    shelf = SHELVES["local-compressed"](tmp_path)
    shelf.store.put(key_of(DATA), DATA)
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert path.read_bytes() != DATA
    done = subprocess.run(
        f"zcat < {path} | sha256sum", shell=True, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == path.name == Digest.of(DATA).hex
