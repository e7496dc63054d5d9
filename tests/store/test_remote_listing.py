"""What every medium says about all that is there, to whoever cleans up."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from s3_stub import BUCKET, running_stub
from ssh_server import running_sshd

from booktest_cassettes.errors import RemoteError
from booktest_cassettes.store.remote import s3_requests, ssh
from booktest_cassettes.store.remote.medium import Unlisted
from booktest_cassettes.store.remote.other import OtherMedium
from booktest_cassettes.store.remote.place import Place, find_place
from booktest_cassettes.store.remote.remote import Remote
from booktest_cassettes.store.remote.share import ShareMedium

PREFIX = "booktest/blobs"
PATHS = [
    "top",
    "http/sha256/ab/abc",
    "http/sha256/ab/.abc.0123456789abcdef.tmp",
    "a b/c.tmp",
    "deep/er/than/that",
]
Put = Callable[[str, bytes], object]


def _disk(root: Path) -> Put:
    def put(path: str, data: bytes) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)

    return put


def _project(root: Path, **settings: object) -> Place:
    (root / ".dvc" / "tmp").mkdir(parents=True)
    lines = [
        "[core]",
        "remote = it",
        "['remote \"it\"']",
        *(f"{name} = {value}" for name, value in settings.items()),
    ]
    (root / ".dvc/config").write_text("\n".join(lines) + "\n")
    return find_place(root, None)


def _other(root: Path) -> tuple[Remote, Put]:
    from dvc_objects.fs import MemoryFileSystem
    from fsspec.implementations.memory import MemoryFileSystem as Plain

    class Own(Plain):
        store: dict[str, Any] = {}  # noqa: RUF012 - fsspec's is the process's
        pseudo_dirs = [""]  # noqa: RUF012

    Own.store, Own.pseudo_dirs = {}, [""]
    filesystem = MemoryFileSystem(fs=Own(skip_instance_cache=True))
    remote = Remote(Place(root, "it", "memory://"), PREFIX)
    remote.media[os.getpid()] = OtherMedium(filesystem, f"/place/{PREFIX}", None)
    return remote, lambda path, data: filesystem.fs.pipe_file(f"/place/{path}", data)


@pytest.fixture(params=["share", "s3", "ssh", "other"])
def there(request, tmp_path, monkeypatch) -> Iterator[tuple[Remote, Put]]:
    for name in ("HOME", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(ssh, "_has_terminal", lambda: False)
    root = tmp_path / "remote"
    root.mkdir()
    if request.param == "share":
        remote = Remote(Place(tmp_path, "it", str(root)), PREFIX)
        remote.media[os.getpid()] = ShareMedium(root, PREFIX)
        yield remote, _disk(root)
    elif request.param == "s3":
        with running_stub(page_size=2) as stub:
            keys = {"access_key_id": "it", "secret_access_key": "it", "region": "us-east-1"}
            place = _project(tmp_path / "project", url=f"s3://{BUCKET}", endpointurl=stub.endpoint, **keys)
            yield Remote(place, PREFIX), lambda path, data: stub.put(f"{BUCKET}/{path}", data)
    elif request.param == "ssh":
        with running_sshd(tmp_path / "sshd") as server:
            place = _project(tmp_path / "project", url=server.url(root), **server.dvc_settings())
            yield Remote(place, PREFIX), _disk(root)
    else:
        yield _other(tmp_path)


def test_the_whole_prefix_is_listed_with_sizes_and_times_and_nothing_beside_it(there):
    remote, put = there
    for path in PATHS:
        put(f"{PREFIX}/{path}", b"x" * len(path))
    for path in ("other", "booktest/other", f"{PREFIX}-too/top"):
        put(path, b"mine")
    listed = {entry.path: entry for entry in remote.list([""], unfinished=True)}
    assert sorted(listed) == sorted(PATHS)
    for path, entry in listed.items():
        assert entry.size == len(path)
        assert abs(entry.modified - time.time()) < 60


def test_what_somebody_is_writing_is_listed_for_who_asks(there):
    remote, put = there
    for path in PATHS:
        put(f"{PREFIX}/{path}", b"x")
    finished = {entry.path for entry in remote.list([""])}
    if remote.place.url.startswith("s3:"):  # where nothing is half written
        assert finished == set(PATHS)
    else:
        assert finished == {path for path in PATHS if not path.endswith(".tmp")}


def test_no_more_are_at_work_at_once_than_is_asked_for(there):
    remote, _ = there
    busy, most = [0], [0]

    async def work(_medium: object, item: int) -> int:
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        await asyncio.sleep(0)
        busy[0] -= 1
        return item

    assert sorted(remote.each(range(30), work, jobs=2)) == list(range(30))
    assert most[0] == 2


def test_a_remote_that_cannot_be_listed_says_which_kind_of_trouble_that_is(tmp_path, monkeypatch):
    remote, _ = _other(tmp_path)
    monkeypatch.setattr("dvc_objects.fs.MemoryFileSystem.CAN_TRAVERSE", False, raising=False)
    with pytest.raises(Unlisted, match="remote 'it'") as caught:
        list(remote.list([""]))
    assert isinstance(caught.value, RemoteError)
    assert caught.value.exit_code == 5
    assert caught.value.hint


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-31T10:20:30.000Z",
        "2026-01-31T10:20:30Z",
        "2026-01-31T12:20:30+02:00",
        "Sat, 31 Jan 2026 10:20:30 GMT",
    ],
)
def test_a_time_of_a_listing_is_read_however_a_server_writes_it(written):
    assert s3_requests._time(written).timestamp() == 1_769_854_830
