"""A bench whose approved snapshots go to a share, and remotes that fail or lie on demand."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from dvc_share import blob_path, digest_of, files_below, init_dvc
from workflow_bench import Bench

from booktest_cassettes import cli
from booktest_cassettes.files import storage_errors
from booktest_cassettes.store.remote import opening
from booktest_cassettes.store.remote.medium import Entry, Medium, Trouble
from booktest_cassettes.workflow import approve, sync
from booktest_cassettes.workflow.transfer import Moved

DVC = '[storage]\nmode = "dvc"\n'


class RemoteBench(Bench):
    """A project whose remote is a directory.

    Parameters
    ----------
    root, share:
        The project, and the remote; both are made where they are not.
    """

    def __init__(self, root: Path, share: Path, settings: str = DVC) -> None:
        super().__init__(root, settings)
        self.share = share
        share.mkdir(parents=True, exist_ok=True)
        if not (root / ".dvc").exists():
            init_dvc(root, share)

    def worktree(self) -> dict[str, bytes]:
        """Without a share that is in the project."""
        return {name: data for name, data in super().worktree().items() if not name.startswith("share/")}

    def say(self, mode: str) -> None:
        """Set the storage mode."""
        (self.root / "booktest.toml").write_text(f'[storage]\nmode = "{mode}"\n')

    def unpushed(self, test_id: str, **blobs: bytes | None) -> None:
        """Stage, and approve with ``--no-push``."""
        self.stage(test_id, **blobs)
        project = self.project()
        approve.execute(project, approve.plan(project, [test_id]), push=False)

    def push(self) -> Moved:
        return sync.push(self.project())

    def pull(self, *patterns: str) -> Moved:
        return sync.pull(self.project(), patterns)

    def colleague(self) -> RemoteBench:
        """The same commit elsewhere, with an empty cache."""
        other = self.root.with_name(f"{self.root.name}-colleague")
        for name, data in self.worktree().items():
            path = other / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return RemoteBench(other, self.share)

    def lose_the_cache(self) -> None:
        for name in self.kept_files():
            (self.root / name).unlink()

    # -- what became of it -----------------------------------------------------------------------

    def remote_path(self, digest: str, kind: str = "http") -> Path:
        return blob_path(self.share, kind, digest)

    def kept_path(self, digest: str, kind: str = "http") -> Path:
        return self.root / ".booktest_cache" / kind / "sha256" / digest[7:9] / digest[7:]

    def waiting(self) -> list[str]:
        """The digests on the list of unpushed blobs."""
        path = self.root / ".booktest_cache/unpushed"
        return re.findall(r"sha256:\w{64}", path.read_text()) if path.exists() else []

    def on_share(self) -> dict[str, bytes]:
        return files_below(self.share)

    def see_that_the_remote_has_what_the_manifest_names(self) -> None:
        """Promise 1, with ``sha256sum``."""
        for test_id, kinds in self.lines().items():
            for kind, digest in kinds.items():
                if self.payload(test_id, kind).exists():
                    continue  # it lives in Git
                assert digest_of(self.remote_path(digest, kind).read_bytes()) == digest

    def see_that_the_cache_is_whole(self) -> None:
        """Nothing corrupt gets into keep."""
        for name in self.kept_files():
            assert digest_of((self.root / name).read_bytes())[7:] == name[-64:]


class Terminal:
    """Types commands in the root of whichever bench."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.text = ""

    def __call__(self, bench: Bench, *arguments: str) -> int:
        """The exit code; :attr:`text` is what was printed, errors last."""
        self._monkeypatch.chdir(bench.root)
        self._monkeypatch.setattr("sys.argv", ["booktest-cassettes", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        self.text = "".join(self._capsys.readouterr())
        assert "Traceback" not in self.text
        assert isinstance(caught.value.code, int)
        return caught.value.code


class Untrue:
    """A Medium around another one: what it does with a write is ``lie``'s, for the n-th and those after.

    Parameters
    ----------
    lie:
        Takes the bytes of a write and gives those to be stored, ``None`` for none at all; may raise.
    first, last:
        Which writes it is told of, from 1 on.
    """

    def __init__(
        self, inner: Medium, lie: Callable[[bytes], bytes | None], first: int = 1, last: int = 1 << 30
    ) -> None:
        self.inner, self.lie, self.first, self.last = inner, lie, first, last
        self.jobs = 1  # one after the other: which is the n-th has to be known
        self.writes = 0

    async def write(self, path: str, data: bytes) -> None:
        if path.startswith("leases/"):  # whose writing is another room's test
            await self.inner.write(path, data)
            return
        self.writes += 1
        stored = self.lie(data) if self.first <= self.writes <= self.last else data
        if stored is not None:
            await self.inner.write(path, stored)

    async def read(self, path: str) -> bytes | None:
        return await self.inner.read(path)

    async def exists(self, path: str) -> bool:
        return await self.inner.exists(path)

    def list(self, directory: str, *, unfinished: bool = False) -> AsyncIterator[Entry]:
        return self.inner.list(directory, unfinished=unfinished)

    async def delete(self, paths: Sequence[str]) -> None:
        await self.inner.delete(paths)

    def explain(self, error: BaseException) -> Trouble | None:
        return self.inner.explain(error)


def drop(_data: bytes) -> None:
    """A write that is acknowledged and forgotten."""


def truncate(data: bytes) -> bytes:
    return data[: len(data) // 2]


def empty(_data: bytes) -> bytes:
    return b""


def swap(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def refuse(number: int) -> Callable[[bytes], bytes]:
    """What a share says: with this errno, in the way our own files say it."""

    def lie(_data: bytes) -> bytes:
        with storage_errors("write", Path("/share")):
            raise OSError(number, os.strerror(number))

    return lie


full, read_only, broken = refuse(errno.ENOSPC), refuse(errno.EROFS), refuse(errno.EIO)


class Wrapping:
    """Wraps every medium that is opened, until it is told to stop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._open = opening.open_medium

    def __call__(self, lie: Callable[[bytes], bytes | None], first: int = 1, last: int = 1 << 30) -> None:
        self._monkeypatch.setattr(
            opening,
            "open_medium",
            lambda *arguments: Untrue(self._open(*arguments), lie, first, last),
        )

    def end(self) -> None:
        self._monkeypatch.setattr(opening, "open_medium", self._open)
