import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from s3_server import dvc_project

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import RemoteError
from booktest_cassettes.store.remote.medium import Medium
from booktest_cassettes.store.remote.other import OtherMedium
from booktest_cassettes.store.remote.place import Place, find_place
from booktest_cassettes.store.remote.remote import Remote
from booktest_cassettes.store.remote.store import RemoteStore

PREFIX = "booktest/blobs"


# fsspec gives a session a tenth of a second to close when its file system is collected: too little on a busy
# machine, and not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed client session:ResourceWarning")


def blob(number: int) -> tuple[BlobKey, bytes]:
    data = f'{{"version": 1, "number": {number}}}\n'.encode()
    return BlobKey(Kind.HTTP, Digest.of(data)), data


def blobs(count: int) -> dict[BlobKey, bytes]:
    return dict(map(blob, range(count)))


def deliver(store: RemoteStore, wanted: dict[BlobKey, bytes]) -> int:
    return len(list(store.deliver((key, lambda data=data: data) for key, data in wanted.items())))


def fetch(store: RemoteStore, keys: dict[BlobKey, bytes]) -> dict[BlobKey, bytes | None]:
    return {found.key: found.data for found in store.fetch(keys)}


class Prepared(Remote):
    """A remote whose medium is given."""

    def __init__(self, medium: Medium) -> None:
        super().__init__(Place(Path(".dvc"), "storage", "memory://"), PREFIX)
        self.given = medium

    @property
    def medium(self) -> Medium:  # type: ignore[override]
        return self.given


def memory(base: str = f"/place/{PREFIX}", protocol: str = "memory") -> tuple[Any, RemoteStore]:
    """DVC's memory file system, as if it were another's, and a store on it."""
    from dvc_objects.fs import MemoryFileSystem
    from fsspec.implementations.memory import MemoryFileSystem as Plain

    class Own(Plain):
        store: dict[str, Any] = {}  # noqa: RUF012 - fsspec's is the process's
        pseudo_dirs = [""]  # noqa: RUF012

    Own.store, Own.pseudo_dirs = {}, [""]
    filesystem = MemoryFileSystem(fs=Own(skip_instance_cache=True))
    filesystem.protocol = protocol
    return filesystem.fs, RemoteStore(Prepared(OtherMedium(filesystem, base, None)))


@pytest.fixture(autouse=True)
def nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "nobody"))


# Any file system: memory, which is synchronous


def test_hundreds_of_blobs_go_there_and_come_back() -> None:
    fs, store = memory()
    wanted = blobs(200)
    assert deliver(store, wanted) == 200
    assert fetch(store, wanted) == wanted
    assert set(store.keys()) == set(wanted)
    assert store.present(wanted) == set(wanted)
    assert all(path.startswith(f"/place/{PREFIX}/http/sha256/") for path in fs.find("/"))


def test_many_are_looked_up_by_one_listing() -> None:
    _, store = memory()
    deliver(store, blobs(3))
    assert store.present(blobs(300)) == set(blobs(3))


def test_what_is_absent_is_none_of_an_error() -> None:
    _, store = memory()
    assert fetch(store, blobs(2)) == dict.fromkeys(blobs(2))
    assert store.present(blobs(2)) == set()
    assert list(store.keys()) == []
    store.delete(blob(0)[0])


def test_deleted_ones_are_gone_and_others_stay() -> None:
    fs, store = memory()
    foreign = ["/place/files/md5/ab/cd", f"/place/{PREFIX}-too/x", f"/place/{PREFIX}/http/sha256/README"]
    for path in foreign:
        fs.pipe_file(path, b"theirs")
    deliver(store, blobs(3))
    for key in blobs(3):
        store.delete(key)
    assert sorted(fs.find("/")) == sorted(foreign)
    assert list(store.keys()) == []


def test_a_listing_says_when_a_file_was_written() -> None:
    _, store = memory()
    key, _ = blob(0)
    before = time.time()
    deliver(store, blobs(1))
    [entry] = store.remote.list(["http/sha256"])
    assert entry.path == key.path
    assert before <= entry.modified <= time.time()


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({"mtime": 12.5}, 12.5),
        ({"updated": "1970-01-01T00:00:10Z"}, 10),
        ({"last_modified": "1970-01-01T00:00:10+00:00"}, 10),
        ({"modified": "nonsense", "created": 7}, 7),
    ],
)
def test_each_librarys_own_word_for_the_time_is_known(told: dict[str, Any], seconds: float) -> None:
    fs, store = memory()
    fs.find = lambda path, detail: {f"{path}/x": {"size": 1, **told}}
    [entry] = store.remote.list(["http/sha256"])
    assert entry.modified == seconds


def test_a_file_of_unknown_age_is_new_not_old() -> None:
    fs, store = memory()
    deliver(store, blobs(1))
    [there] = store.remote.list(["http/sha256"])
    fs.find = lambda path, detail: {f"{path}/x": {"size": 1}}
    [entry] = store.remote.list(["http/sha256"])
    assert entry.modified >= there.modified


# Those where a file that is being written has its name already: memory in their place


def test_where_files_appear_piece_by_piece_they_are_written_aside_and_moved() -> None:
    fs, store = memory(protocol="webdav")
    written = []
    pipe = fs.pipe_file
    fs.pipe_file = lambda path, value: (written.append(path), pipe(path, value))
    move = fs.mv

    def move_to_what_is_free(path: str, to: str) -> None:
        if fs.exists(to):
            raise FileExistsError(to)
        move(path, to)

    fs.mv = move_to_what_is_free
    for _ in range(2):  # the second time it is there already
        deliver(store, blobs(2))
    assert len(written) == 4
    assert all(path.endswith(".tmp") for path in written)
    assert sorted(fs.find("/")) == sorted(f"/place/{PREFIX}/{key.path}" for key in blobs(2))


def test_a_write_that_fails_midway_leaves_nothing_under_any_name() -> None:
    fs, store = memory(protocol="webdav")
    pipe = fs.pipe_file

    def half(path: str, value: bytes) -> None:
        pipe(path, value[:3])
        raise ConnectionResetError("gone")

    fs.pipe_file = half
    with pytest.raises(RemoteError, match="it closed the connection"):
        deliver(store, blobs(1))
    assert fs.find("/") == []


def test_a_file_that_somebody_is_writing_is_not_listed() -> None:
    fs, store = memory(protocol="webdav")
    fs.pipe_file(f"/place/{PREFIX}/http/sha256/ab/.cd.tmp", b"x")
    assert list(store.remote.list(["http/sha256"])) == []


# Those with buckets


def test_a_bucket_that_is_not_there_is_no_missing_blob() -> None:
    fs, store = memory(f"typo/{PREFIX}", protocol="gs")
    with pytest.raises(RemoteError, match="there is no bucket 'typo'"):
        store.get(blob(0)[0])
    fs.mkdir("typo")
    assert store.get(blob(0)[0]) is None


# Errors


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError("no"), "access denied"),
        (ConnectionRefusedError("no"), "it closed the connection"),
        (NotImplementedError(), "it cannot do that"),
        (
            OSError("see https://me:opensesame@host/a?sig=opensesame now"),
            "OSError: see https://host/a?... now",
        ),
    ],
)
def test_errors_become_words_without_secrets(error: Exception, words: str) -> None:
    fs, store = memory()

    def fail(*_: Any, **__: Any) -> None:
        raise error

    fs.cat_file = fail
    with pytest.raises(RemoteError) as caught:
        store.get(blob(0)[0])
    assert words in caught.value.message
    assert caught.value.message.startswith("remote 'storage' (memory://)")
    assert caught.value.hint
    assert "opensesame" not in str(caught.value)


# HTTP, which is asynchronous and read-only here


class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a web server, and the directory it shows."""
    shown = tmp_path / "shown"
    shown.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(shown))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.block_on_close = False
        server.daemon_threads = True
        try:
            yield f"http://127.0.0.1:{server.server_port}/pub lic", shown / "pub lic" / PREFIX
        finally:
            server.shutdown()
            thread.join()


def http_store(url: str, path: Path) -> RemoteStore:
    return RemoteStore(Remote(find_place(dvc_project(path / "project", url, {}), None), PREFIX))


def test_blobs_come_from_a_web_server(site: tuple[str, Path], tmp_path: Path) -> None:
    url, shown = site
    for key, data in blobs(20).items():
        (shown / key.path).parent.mkdir(parents=True, exist_ok=True)
        (shown / key.path).write_bytes(data)
    store = http_store(url, tmp_path)
    assert fetch(store, blobs(21)) == {**blobs(20), blob(20)[0]: None}
    assert store.present(blobs(21)) == set(blobs(20))


def test_a_web_server_that_takes_no_uploads_says_so(site: tuple[str, Path], tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="it takes no uploads") as caught:
        deliver(http_store(site[0], tmp_path), blobs(1))
    assert caught.value.exit_code == 5
    assert "reading from this one works" in caught.value.hint


def test_a_web_server_cannot_be_listed_and_says_so(site: tuple[str, Path], tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="it cannot be listed"):
        list(http_store(site[0], tmp_path).keys())


@pytest.mark.parametrize("look", ["get", "has"])
def test_a_web_server_that_is_down_is_no_missing_blob(tmp_path: Path, look: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    store = http_store(f"http://127.0.0.1:{port}", tmp_path)
    with pytest.raises(RemoteError, match="nothing answers"):
        getattr(store, look)(blob(0)[0])
