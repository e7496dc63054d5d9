"""Payloads that DVC keeps, with the real DVC, real Git, and a directory as remote."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import (
    BlobCorrupt,
    BlobMissing,
    ConfigError,
    IntegrityError,
    RemoteError,
    StorageError,
)
from booktest_cassettes.store import dvc_repository
from booktest_cassettes.store.pointer_files import Pointer, md5_of, scalar
from booktest_cassettes.store.pointers import Pointers
from booktest_cassettes.store.remote.place import Place, find_place

HOSTILE = [
    "test_list[a]",
    "test é 漢 👩",
    "it's \"quoted\" 'twice'",
    "a: b # c, {d} & *e",
    "*?[!x]",
    "-",
    " x ",
    "true",
]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the caller's Git configuration, nor DVC's machine-wide state."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "DVC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.invalid")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc-site"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")


def run(directory: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Desk:
    """A developer's work tree."""

    root: Path
    share: Path
    subdirectory: str = "."
    remote: str | None = None

    @property
    def pointers(self) -> Pointers:
        return Pointers(find_place(self.root / self.subdirectory, self.remote), self.books)

    @property
    def books(self) -> Path:
        return self.root / self.subdirectory / "books"

    def dvc(self, *command: str) -> str:
        return run(self.root / self.subdirectory, sys.executable, "-m", "dvc", *command)

    def git(self, *command: str) -> str:
        return run(self.root, "git", *command)

    def write(self, test: str, data: bytes) -> tuple[Path, BlobKey]:
        path = self.books / test / "_snapshots" / "http.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path, BlobKey(Kind.HTTP, Digest.of(data))

    def some(self, *tests: str) -> dict[Path, BlobKey]:
        return dict(self.write(test, f'{{"test": "{test}"}}\n'.encode()) for test in tests)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "recordings")

    def clone(self, name: str) -> Desk:
        root = self.root.with_name(name)
        run(self.root.parent, "git", "clone", "-q", str(self.root), str(root))
        return Desk(root, self.share, self.subdirectory, self.remote)

    def theirs(self, payloads: Mapping[Path, BlobKey], other: Desk) -> dict[Path, BlobKey]:
        return {other.root / path.relative_to(self.root): key for path, key in payloads.items()}

    def on_the_remote(self) -> dict[str, bytes]:
        objects = self.share / "files" / "md5"
        files = (path for path in objects.rglob("*") if path.is_file())
        return {path.relative_to(objects).as_posix(): path.read_bytes() for path in files}


def desk_at(root: Path, *, subdirectory: str = ".", remote: str = "share", url: str | None = None) -> Desk:
    from dvc.repo import Repo

    share = root.with_name("share")
    share.mkdir()
    root.mkdir()
    run(root, "git", "init", "-q")
    Repo.init(str(root)).close()
    config = f"[core]\n    remote = {remote}\n['remote \"{remote}\"']\n    url = {url or share}\n"
    (root / ".dvc" / "config").write_text(config)
    return Desk(root, share, subdirectory)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_at(tmp_path / "alice")


def addressed(payloads: Mapping[Path, BlobKey]) -> dict[str, bytes]:
    contents = [path.read_bytes() for path in payloads]
    return {f"{md5_of(data)[:2]}/{md5_of(data)[2:]}": data for data in contents}


# What users' own DVC makes of it


def test_dvc_and_git_find_nothing_to_do_after_an_add_and_a_push(desk: Desk) -> None:
    payloads = desk.some("one", "two")
    ignored = desk.pointers.ignore()
    changed = desk.pointers.add(payloads)
    assert changed == [desk.pointers.pointer(path) for path in payloads]
    desk.pointers.push(payloads)
    assert ignored == desk.books / ".gitignore"
    desk.commit()
    assert "up to date" in desk.dvc("status")
    assert "in sync" in desk.dvc("status", "-c")
    desk.dvc("add", *map(str, payloads))
    desk.dvc("commit", "-f")
    assert "Everything is up to date" in desk.dvc("push")
    assert desk.git("status", "--short") == ""
    tracked = desk.git("ls-files", "books").split()
    assert tracked == [
        "books/.gitignore",
        *(f"books/{name}/_snapshots/http.json.dvc" for name in ("one", "two")),
    ]


def test_plain_dvc_pull_restores_in_a_fresh_clone_what_we_pushed(desk: Desk) -> None:
    payloads = desk.some("one", "two")
    desk.pointers.ignore()
    desk.pointers.add(payloads)
    desk.pointers.push(payloads)
    desk.commit()
    other = desk.clone("bob")
    other.dvc("pull")
    assert {path.read_bytes() for path in desk.theirs(payloads, other)} == {p.read_bytes() for p in payloads}
    assert other.git("status", "--short") == ""


def test_we_pull_in_a_fresh_clone_what_plain_dvc_pushed(desk: Desk) -> None:
    payloads = desk.some("one", "two")
    desk.pointers.ignore()
    desk.pointers.add(payloads)
    desk.dvc("push")
    desk.commit()
    other = desk.clone("bob")
    theirs = desk.theirs(payloads, other)
    pulled = other.pointers.pull(theirs)
    assert sorted(pulled.written) == sorted(theirs)
    assert (pulled.missing, pulled.corrupt) == ([], {})
    assert pulled.size == sum(path.stat().st_size for path in payloads)
    assert [path.read_bytes() for path in theirs] == [path.read_bytes() for path in payloads]
    assert "up to date" in other.dvc("status")  # so DVC's cache has them, too: it was DVC that fetched them
    assert other.git("status", "--short") == ""


@pytest.mark.parametrize("scope", [["-w"], ["-w", "--all-branches", "--all-tags"]], ids=" ".join)
def test_dvc_gc_keeps_exactly_what_is_referenced(desk: Desk, scope: list[str]) -> None:
    payloads = desk.some("stays", "goes")
    desk.pointers.ignore()
    desk.pointers.add(payloads)
    desk.pointers.push(payloads)
    stays, goes = payloads
    if len(scope) == 1:
        desk.commit()
    desk.pointers.remove(goes)
    desk.commit()
    desk.dvc("gc", "-c", "-f", *scope)
    assert desk.on_the_remote() == addressed({stays: payloads[stays]})


def test_dvc_gc_of_all_branches_keeps_what_a_branch_references(desk: Desk) -> None:
    payloads = desk.some("stays", "goes")
    desk.pointers.ignore()
    desk.pointers.add(payloads)
    desk.pointers.push(payloads)
    desk.commit()
    desk.git("branch", "old")
    for path in payloads:
        desk.pointers.remove(path)
    desk.commit()
    desk.dvc("gc", "-c", "-f", "-w", "--all-branches", "--all-tags")
    assert desk.on_the_remote() == addressed(payloads)


def test_plain_dvc_uses_the_remote_that_was_asked_for_where_it_is_not_the_default(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "default").mkdir()
    desk.dvc("remote", "add", "-d", "plain", str(tmp_path / "default"))
    named = Desk(desk.root, desk.share, remote="share")
    payloads = named.some("one")
    named.pointers.add(payloads)
    named.dvc("push")
    assert named.on_the_remote() == addressed(payloads)
    assert list((tmp_path / "default").iterdir()) == []


def test_payloads_are_files_of_their_own_whatever_links_dvc_is_told_to_make(desk: Desk) -> None:
    desk.dvc("config", "cache.type", "hardlink,symlink")
    payloads = desk.some("one")
    desk.pointers.add(payloads)
    desk.pointers.push(payloads)
    (path,) = payloads
    path.unlink()
    assert desk.pointers.pull(payloads).written == [path]
    assert (path.stat().st_nlink, path.is_symlink()) == (1, False)
    assert path.stat().st_mode & 0o200
    path.write_bytes(b"edited in place")
    assert payloads[path].digest in {Digest.of(file.read_bytes()) for file in cached(desk)}


def cached(desk: Desk) -> list[Path]:
    return [path for path in (desk.root / ".dvc" / "cache" / "files").rglob("*") if path.is_file()]


# Places and names


def test_directories_may_have_any_name(desk: Desk) -> None:
    names = [*HOSTILE, "x" * 250]
    payloads = desk.some(*(f"{name}/inner" for name in names))
    desk.pointers.ignore()
    desk.pointers.add(payloads)
    assert desk.pointers.push(payloads).sent == len(names)
    desk.commit()
    other = desk.clone("bob")
    theirs = desk.theirs(payloads, other)
    assert other.pointers.pull(theirs).written == list(theirs)
    assert "up to date" in other.dvc("status")


def test_dvc_reads_the_pointer_of_a_payload_of_any_name(desk: Desk) -> None:
    payloads = {}
    for number, name in enumerate([*HOSTILE, "x" * 245]):
        path, key = desk.write(str(number), name.encode())
        payloads[path.rename(path.with_name(f"{name}.json"))] = key
    pointers = desk.pointers.add(payloads)
    before = [Pointer.load(pointer.read_bytes(), "") for pointer in pointers]
    assert "up to date" in desk.dvc("status")
    desk.dvc("add", *map(str, payloads))
    assert [Pointer.load(pointer.read_bytes(), "") for pointer in pointers] == before


def test_a_name_that_is_too_long_for_a_pointer_is_a_storage_error(desk: Desk) -> None:
    path, key = desk.write("one", b"{}\n")
    path = path.rename(path.with_name("x" * 255))
    with pytest.raises(StorageError, match="name too long"):
        desk.pointers.add({path: key})


def test_the_dvc_repository_may_be_above_the_project(tmp_path: Path) -> None:
    desk = desk_at(tmp_path / "monorepo", subdirectory="services/api", url="../../share")
    desk.books.mkdir(parents=True)
    payloads = desk.some("one")
    desk.pointers.ignore()
    desk.pointers.add(payloads)
    assert desk.pointers.push(payloads).sent == 1
    assert desk.on_the_remote() == addressed(payloads)
    desk.commit()
    other = desk.clone("other")
    other.dvc("pull")
    assert [path.read_bytes() for path in desk.theirs(payloads, other)] == [p.read_bytes() for p in payloads]


def test_a_remote_may_have_a_space_in_its_name(tmp_path: Path) -> None:
    desk = desk_at(tmp_path / "alice", remote="our share")
    payloads = desk.some("one")
    desk.pointers.add(payloads)
    assert desk.pointers.push(payloads).sent == 1
    for path in payloads:
        path.unlink()
    assert desk.pointers.pull(payloads).written == list(payloads)


def test_snapshots_outside_of_the_dvc_repository_are_refused(desk: Desk, tmp_path: Path) -> None:
    place = find_place(desk.root, None)
    for outside in (tmp_path / "elsewhere", desk.root / ".." / "elsewhere", tmp_path):
        with pytest.raises(ConfigError, match="not within the DVC repository"):
            Pointers(place, outside)


@pytest.mark.parametrize("pattern", ["books/", "*.json", "**/_snapshots/", "http.json.dvc"])
@pytest.mark.parametrize("where", [".", "books"])
def test_a_dvcignore_that_hides_payloads_is_an_error_and_nothing_is_written(
    desk: Desk, pattern: str, where: str
) -> None:
    payloads = desk.some("one")
    if where == "books" and pattern == "books/":
        pattern = "one/"
    (desk.root / where / ".dvcignore").write_text(f"# ours\n{pattern}\n")
    with pytest.raises(ConfigError, match="dvcignore"):
        desk.pointers.add(payloads)
    assert (cached(desk), list(desk.books.rglob("*.dvc"))) == ([], [])


def test_a_dvcignore_about_something_else_is_none_of_our_business(desk: Desk) -> None:
    (desk.root / ".dvcignore").write_text("*.tmp\n")
    payloads = desk.some("one")
    assert len(desk.pointers.add(payloads)) == 1


def test_a_gitignore_that_hides_pointers_is_an_error_and_nothing_is_written(desk: Desk) -> None:
    payloads = desk.some("one")
    (desk.root / ".gitignore").write_text("_snapshots/\n")
    with pytest.raises(ConfigError, match="Git ignores"):
        desk.pointers.add(payloads)
    assert (cached(desk), list(desk.books.rglob("*.dvc"))) == ([], [])


# .gitignore


@pytest.mark.parametrize("theirs", [b"", b"*.tmp\n", b"*.tmp", b"*.tmp\r\n", "é".encode("latin-1")])
def test_git_ignores_payloads_and_the_lines_of_others_stay(desk: Desk, theirs: bytes) -> None:
    payloads = desk.some("one", "two")
    ignoring = desk.books / ".gitignore"
    ignoring.write_bytes(theirs)
    assert desk.pointers.ignore() == ignoring
    assert ignoring.read_bytes().startswith(theirs)
    assert b"booktest-cassettes" in ignoring.read_bytes()
    assert desk.pointers.ignore() is None
    assert len(desk.git("check-ignore", *map(str, payloads)).splitlines()) == 2
    pointers = [str(desk.pointers.pointer(path)) for path in payloads]
    shown = subprocess.run(
        ["git", "check-ignore", *pointers], cwd=desk.root, capture_output=True, check=False
    )
    assert shown.stdout == b""


# Adding


def test_adding_again_changes_nothing_and_a_new_recording_changes_its_pointer_only(desk: Desk) -> None:
    payloads = desk.some("one", "two")
    desk.pointers.add(payloads)
    assert desk.pointers.add(payloads) == []
    path, key = desk.write("one", b'{"new": 1}\n')
    assert desk.pointers.add({**payloads, path: key}) == [desk.pointers.pointer(path)]
    assert "up to date" in desk.dvc("status")


def test_equal_payloads_are_one_object(desk: Desk) -> None:
    payloads = dict(desk.write(name, b"{}\n") for name in ("one", "two", "three"))
    assert len(desk.pointers.add(payloads)) == 3
    pushed = desk.pointers.push(payloads)
    assert (pushed.sent, pushed.verified, pushed.size) == (1, 1, 3)
    for path in payloads:
        path.unlink()
    assert sorted(desk.pointers.pull(payloads).written) == sorted(payloads)


def test_a_payload_with_other_bytes_than_its_key_says_is_refused_before_anything_is_written(
    desk: Desk,
) -> None:
    payloads = desk.some("one", "two")
    next(iter(payloads)).write_bytes(b"flipped")
    with pytest.raises(BlobCorrupt):
        desk.pointers.add(payloads)
    assert (cached(desk), list(desk.books.rglob("*.dvc"))) == ([], [])


def test_a_payload_that_is_not_there_is_refused(desk: Desk) -> None:
    payloads = desk.some("one")
    next(iter(payloads)).unlink()
    with pytest.raises(BlobMissing, match=r"http\.json is not there"):
        desk.pointers.add(payloads)


def test_a_pointer_with_merge_markers_is_an_error_until_it_is_written_anew(desk: Desk) -> None:
    payloads = desk.some("one")
    (pointer,) = desk.pointers.add(payloads)
    right = pointer.read_bytes()
    pointer.write_bytes(b"<<<<<<< ours\n" + right + b"=======\n" + right + b">>>>>>> theirs\n")
    with pytest.raises(IntegrityError, match="not DVC's pointer"):
        desk.pointers.push(payloads)
    assert list(desk.pointers.pull(payloads).corrupt) == list(payloads)
    assert desk.pointers.add(payloads) == [pointer]
    assert pointer.read_bytes() == right


def test_rot_in_dvcs_cache_is_replaced_by_an_add(desk: Desk) -> None:
    payloads = desk.some("one")
    desk.pointers.add(payloads)
    (rotten,) = cached(desk)
    rotten.chmod(0o644)
    rotten.write_bytes(b"rot")
    rotten.chmod(0o444)  # which is how DVC knows that it need not look
    desk.pointers.add(payloads)
    assert [file.read_bytes() for file in cached(desk)] == [path.read_bytes() for path in payloads]


# Pushing


def test_pushing_again_sends_nothing_and_reads_everything_back(desk: Desk) -> None:
    payloads = desk.some("one", "two")
    desk.pointers.add(payloads)
    assert desk.pointers.push(payloads).sent == 2
    again = desk.pointers.push(payloads)
    assert (again.sent, again.verified) == (0, 2)
    assert desk.on_the_remote() == addressed(payloads)


def test_only_the_payloads_that_are_asked_for_are_pushed(desk: Desk) -> None:
    payloads = desk.some("one", "two")
    desk.pointers.add(payloads)
    path, key = next(iter(payloads.items()))
    desk.pointers.push({path: key})
    assert desk.on_the_remote() == addressed({path: key})
    assert desk.pointers.unpushed(payloads) == list(payloads)[1:]


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_other_bytes_on_the_remote_are_replaced_by_a_push(desk: Desk, mode: int) -> None:
    payloads = desk.some("one", "two")
    desk.pointers.add(payloads)
    desk.pointers.push(payloads)
    (address, *_) = addressed(payloads)
    lie(desk.share / "files" / "md5" / address, mode=mode)
    pushed = desk.pointers.push(payloads)
    assert (pushed.sent, pushed.verified) == (1, 2)
    assert desk.on_the_remote() == addressed(payloads)


def lie(path: Path, mode: int = 0o444) -> None:
    path.chmod(0o644)
    path.write_bytes(b"something else")
    path.chmod(mode)


def test_a_remote_that_loses_what_it_takes_is_a_remote_error(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from booktest_cassettes.store.remote.share import ShareMedium

    payloads = desk.some("one")
    desk.pointers.add(payloads)

    async def forget(*_: object) -> None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(ShareMedium, "read", forget)
        patch.setattr(ShareMedium, "write", forget)
        with pytest.raises(RemoteError, match="does not give it back") as caught:
            desk.pointers.push(payloads)
    assert caught.value.exit_code == 5
    assert "remote 'share'" in caught.value.message
    assert desk.pointers.push(payloads).verified == 1


def test_what_dvc_does_not_send_is_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.data_cloud import DataCloud

    def fail(*_: object, **__: object) -> None:
        raise ConnectionResetError("by peer")

    payloads = desk.some("one")
    desk.pointers.add(payloads)
    monkeypatch.setattr(DataCloud, "transfer", fail)
    assert desk.pointers.push(payloads).sent == 1
    assert desk.on_the_remote() == addressed(payloads)


@pytest.mark.parametrize("act", ["push", "pull", "unpushed"])
def test_a_share_that_is_not_mounted_is_a_remote_error_and_no_directory_is_made(desk: Desk, act: str) -> None:
    payloads = desk.some("one")
    desk.pointers.add(payloads)
    desk.share.rmdir()
    if act == "pull":
        remove_all(payloads, cached(desk))
    with pytest.raises(RemoteError, match="there is no directory") as caught:
        getattr(desk.pointers, act)(payloads)
    assert "remote 'share'" in caught.value.message
    assert not desk.share.exists()


def remove_all(*groups: object) -> None:
    for group in groups:
        for path in group:  # type: ignore[attr-defined]
            path.unlink()


def test_a_payload_that_is_on_no_machine_cannot_be_pushed(desk: Desk) -> None:
    payloads = desk.some("one")
    desk.pointers.add(payloads)
    remove_all(payloads, cached(desk))
    with pytest.raises(BlobMissing, match="neither on the remote nor"):
        desk.pointers.push(payloads)


def test_a_payload_without_pointer_cannot_be_pushed(desk: Desk) -> None:
    payloads = desk.some("one")
    desk.pointers.add(payloads)
    desk.pointers.remove(next(iter(payloads)))
    with pytest.raises(BlobMissing, match=r"http\.json\.dvc is not there"):
        desk.pointers.push(payloads)


def test_a_pointer_of_another_recording_cannot_be_pushed_and_is_not_pulled(desk: Desk) -> None:
    payloads = desk.some("one")
    desk.pointers.add(payloads)
    path, newer = desk.write("one", b'{"newer": 1}\n')
    with pytest.raises(IntegrityError, match="the manifest says"):
        desk.pointers.push({path: newer})
    path.unlink()
    assert list(desk.pointers.pull({path: newer}).corrupt) == [path]
    assert not path.exists()


# Pulling


def test_pulling_what_is_in_place_asks_neither_dvc_nor_the_remote(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads = desk.some("one")
    desk.pointers.add(payloads)
    desk.share.rmdir()

    def refuse(_: Place) -> None:
        raise AssertionError("DVC was asked")

    monkeypatch.setattr("booktest_cassettes.store.pointers.open_repository", refuse)
    assert desk.pointers.pull(payloads).written == ()


def test_what_dvcs_cache_has_is_put_in_place_without_the_remote(desk: Desk) -> None:
    payloads = desk.some("one")
    desk.pointers.add(payloads)
    desk.share.rmdir()
    next(iter(payloads)).write_bytes(b"edited")
    assert desk.pointers.pull(payloads).written == list(payloads)
    assert all(Digest.of(path.read_bytes()) == key.digest for path, key in payloads.items())


def test_rot_in_dvcs_cache_is_fetched_again(desk: Desk) -> None:
    payloads = desk.some("one")
    desk.pointers.add(payloads)
    desk.pointers.push(payloads)
    lie(cached(desk)[0])
    next(iter(payloads)).unlink()
    assert desk.pointers.pull(payloads).written == list(payloads)
    assert [file.read_bytes() for file in cached(desk)] == [path.read_bytes() for path in payloads]


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_corrupt_and_missing_payloads_are_told_apart_and_the_rest_arrives(desk: Desk, mode: int) -> None:
    payloads = desk.some("right", "corrupt", "missing", "pointerless")
    desk.pointers.add(payloads)
    desk.pointers.push(payloads)
    right, corrupt, missing, pointerless = payloads
    objects = [desk.share / "files" / "md5" / address for address in addressed(payloads)]
    lie(objects[1], mode)
    objects[2].unlink()
    desk.pointers.remove(pointerless)
    remove_all(payloads, cached(desk))
    corrupt.write_bytes(b"as it was")
    pulled = desk.pointers.pull(payloads)
    assert pulled.written == [right]
    assert sorted(pulled.missing) == [missing, pointerless]
    assert list(pulled.corrupt) == [corrupt]
    assert isinstance(pulled.corrupt[corrupt], BlobCorrupt)
    assert corrupt.read_bytes() == b"as it was"
    assert objects[1].read_bytes() == b"something else"  # to be looked at; only a push replaces it
    assert [Digest.of(file.read_bytes()) for file in cached(desk)] == [payloads[right].digest]


def test_what_dvc_does_not_fetch_is_fetched(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.data_cloud import DataCloud

    def fail(*_: object, **__: object) -> None:
        raise ConnectionResetError("by peer")

    payloads = desk.some("one")
    desk.pointers.add(payloads)
    desk.pointers.push(payloads)
    remove_all(payloads, cached(desk))
    monkeypatch.setattr(DataCloud, "transfer", fail)
    assert desk.pointers.pull(payloads).written == list(payloads)


# DVC itself


def test_progress_never_goes_back_and_ends_with_everything(desk: Desk) -> None:
    payloads = desk.some(*map(str, range(5)))
    desk.pointers.add(payloads)
    size = sum(path.stat().st_size for path in payloads)
    told: list[tuple[int, int, int]] = []
    desk.pointers.push(payloads, progress=lambda *step: told.append(step))
    assert told == sorted(told)
    assert (told[0], told[-1]) == ((0, 5, 0), (5, 5, size))
    assert (1, 5, 0) in told  # while DVC was at it
    remove_all(payloads, cached(desk))
    told.clear()
    desk.pointers.pull(payloads, progress=lambda *step: told.append(step))
    assert told == sorted(told)
    assert (told[0], told[-1]) == ((0, 5, 0), (5, 5, size))
    assert (1, 5, 0) in told


def test_dvc_says_nothing_of_its_own(
    desk: Desk, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_IGNORE_ISATTY", "1")  # bars even though this is no terminal
    payloads = desk.some("one", "two")
    desk.pointers.add(payloads)
    desk.pointers.push(payloads)
    remove_all(payloads, cached(desk))
    (desk.share / "files" / "md5" / next(iter(desk.on_the_remote()))).unlink()
    assert len(desk.pointers.pull(payloads).missing) == 1
    assert capfd.readouterr() == ("", "")


def test_a_dvc_command_that_does_not_end_is_a_storage_error(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads = desk.some("one")
    monkeypatch.setattr("dvc.lock.DEFAULT_TIMEOUT", 0.01)
    with somebody_elses_dvc(desk), pytest.raises(StorageError, match="another DVC command is at work"):
        desk.pointers.add(payloads)
    assert len(desk.pointers.add(payloads)) == 1


@contextmanager
def somebody_elses_dvc(desk: Desk) -> Iterator[None]:
    hold = "import sys, zc.lockfile as z; held = z.LockFile(sys.argv[1]); print(flush=True); sys.stdin.read()"
    lock = desk.root / ".dvc" / "tmp" / "lock"
    lock.parent.mkdir(exist_ok=True)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", hold, str(lock)], stdin=pipe, stdout=pipe) as process:
        assert process.stdout
        process.stdout.readline()
        yield
        process.communicate()


def test_another_process_of_ours_that_does_not_end_is_a_storage_error(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads = desk.some("one")
    monkeypatch.setattr(dvc_repository, "_PATIENCE", 0.01)
    with dvc_repository.open_repository(find_place(desk.root, None)):
        with pytest.raises(StorageError, match="another process holds"):
            desk.pointers.add(payloads)


def test_threads_take_turns(desk: Desk) -> None:
    groups = [desk.some(f"{number}-a", f"{number}-b") for number in range(4)]
    failures: list[BaseException] = []

    def work(payloads: dict[Path, BlobKey]) -> None:
        try:
            desk.pointers.add(payloads)
            desk.pointers.push(payloads)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(payloads,)) for payloads in groups]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(desk.on_the_remote()) == 8


@pytest.mark.parametrize("act", ["push", "pull"])
def test_a_remote_that_dvc_does_not_know_any_more_is_a_remote_error(desk: Desk, act: str) -> None:
    payloads = desk.some("one")
    desk.pointers.add(payloads)
    remove_all(payloads, cached(desk))
    gone = Pointers(Place(desk.root / ".dvc", "gone", "?"), desk.books)
    with pytest.raises(RemoteError, match="gone"):
        getattr(gone, act)(payloads)


def test_a_disk_that_refuses_dvcs_cache_is_a_storage_error(desk: Desk) -> None:
    payloads = desk.some("one")
    (desk.root / ".dvc" / "cache").write_text("a file where a directory should be")
    with pytest.raises(StorageError, match="Not a directory"):
        desk.pointers.add(payloads)
    assert list(desk.books.rglob("*.dvc")) == []


def test_a_full_disk_is_a_storage_error_that_names_dvcs_cache(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    payloads = desk.some("one")
    monkeypatch.setattr("dvc_data.hashfile.db.HashFileDB.add", full)
    with pytest.raises(StorageError, match="cannot write to DVC's cache"):
        desk.pointers.add(payloads)
    assert list(desk.books.rglob("*.dvc")) == []


def test_nothing_to_do_asks_nobody(desk: Desk) -> None:
    gone = Pointers(Place(desk.root / ".dvc", "gone", "?"), desk.books)
    assert gone.add({}) == []
    assert gone.push({}).verified == 0
    assert gone.pull({}).written == ()
    assert gone.unpushed({}) == []


# Pointer files

_HEXADECIMAL = "0123456789abcdef"
_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.text(_HEXADECIMAL, min_size=32, max_size=32), st.integers(0, 2**50), _NAMES, st.none() | _NAMES)
def test_a_pointer_reads_back_as_it_was_written_here_and_in_dvc(
    md5: str, size: int, name: str, remote: str | None
) -> None:
    pointer = Pointer(md5, size, name, Digest.of(name.encode()), remote)
    text = pointer.dump()
    assert Pointer.load(text, "") == pointer
    (out,) = YAML(typ="safe").load(text.decode())["outs"]
    assert (out["md5"], out["size"], out["path"], out.get("remote")) == (md5, size, name, remote)


@pytest.mark.parametrize("md5", ["1" * 32, "0" * 32, "1" + "0" * 29 + "e5", "e" + "1" * 31])
def test_an_md5_that_looks_like_a_number_stays_text(md5: str) -> None:
    assert YAML(typ="safe").load(scalar(md5)) == md5


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"outs: []",
        b"outs: 5",
        b"{}",
        b"- 1",
        b"outs:\n- md5: 5\n  size: 3\n  path: x\n",
        b"outs:\n- md5: " + b"a" * 32 + b".dir\n  size: 3\n  path: x\n",
        b"outs:\n- md5: " + b"a" * 32 + b"\n  size: 3\n  path: x\n- md5: " + b"b" * 32 + b"\n  path: y\n",
        b"outs: [*x]",
        b"\xff",
        b"!!python/object/apply:os.getcwd []",
    ],
)
def test_what_is_no_pointer_to_one_file_is_an_integrity_error(text: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"t\.dvc: this is not DVC's pointer"):
        Pointer.load(text, "t.dvc")


@given(st.binary())
def test_no_bytes_crash_the_reading_of_a_pointer(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        Pointer.load(b"outs:\n" + data, "")


def test_a_pointer_that_dvc_add_made_is_read_too() -> None:
    text = f"outs:\n- md5: {'a' * 32}\n  size: 3\n  hash: md5\n  path: http.json\n"
    assert Pointer.load(text.encode(), "") == Pointer("a" * 32, 3, "http.json", None)
