"""A place full of blobs of any age, and a garbage collection of it that is told what is reachable."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from datetime import timedelta
from pathlib import Path

from dvc_share import files_below
from s3_stub import BUCKET, Stub
from workflow_bench import http

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.project import Project
from booktest_cassettes.workflow.gc import places, planning, sweeping
from booktest_cassettes.workflow.gc.marking import Marked
from booktest_cassettes.workflow.gc.places import Place
from booktest_cassettes.workflow.gc.planning import Options, Plan
from booktest_cassettes.workflow.gc.sweeping import Swept

PREFIX = "booktest/blobs"
DAY = 86_400.0
GRACE = timedelta(days=14)
NOTHING = timedelta()


def key_of(data: bytes) -> BlobKey:
    return BlobKey(Kind.HTTP, Digest.of(data))


def marks(*keys: BlobKey, staged: Collection[BlobKey] = ()) -> Marked:
    """What marking says when these are reachable."""
    return Marked(dict.fromkeys(keys, "refs/heads/main"), frozenset(staged), 1, 1, 1)


class Disk:
    """A directory that a remote keeps its files in: a share's, or an SSH server's.

    Parameters
    ----------
    root:
        It.
    url, settings:
        What DVC is told.
    """

    def __init__(self, root: Path, url: str = "", **settings: object) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root, self.url, self.settings = root, url or str(root), settings

    def put(self, path: str, data: bytes, age: float = 0.0) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(data)
        then = time.time() - age
        os.utime(self.root / path, (then, then))

    def remove(self, path: str) -> None:
        (self.root / path).unlink()

    def files(self) -> dict[str, bytes]:
        return files_below(self.root)

    def modified(self, path: str) -> float:
        return (self.root / path).stat().st_mtime


class Bucket:
    """The stub's."""

    def __init__(self, stub: Stub) -> None:
        self.stub, self.url = stub, f"s3://{BUCKET}"
        keys = {"access_key_id": "it", "secret_access_key": "it", "region": "us-east-1"}
        self.settings: dict[str, object] = {"endpointurl": stub.endpoint, **keys}
        self.log: list[tuple[str, str]] = []
        self._answer = stub.answer
        stub.answer = self._logged  # type: ignore[method-assign]

    def _logged(self, method: str, target: str, head: bytes, body: bytes) -> bytes:
        self.log.append((f"{method} {target}", body.decode("latin-1")))
        return self._answer(method, target, head, body)

    def put(self, path: str, data: bytes, age: float = 0.0) -> None:
        stored = self.stub.put(f"{BUCKET}/{path}", data)
        self.stub.objects[f"{BUCKET}/{path}"] = stored._replace(modified=stored.modified - age)

    def remove(self, path: str) -> None:
        self.stub._drop(f"{BUCKET}/{path}")

    def files(self) -> dict[str, bytes]:
        return {path.partition("/")[2]: stored.data for path, stored in self.stub.objects.items()}

    def modified(self, path: str) -> float:
        return self.stub.objects[f"{BUCKET}/{path}"].modified


Ground = Disk | Bucket


class Lab:
    """A project whose remote is there.

    Parameters
    ----------
    root, ground:
        Where the project is, and the remote.
    """

    _remote: Place | None = None

    def __init__(self, root: Path, ground: Ground) -> None:
        self.root, self.ground = root, ground
        (root / ".dvc" / "tmp").mkdir(parents=True, exist_ok=True)
        (root / "booktest.toml").write_text('[storage]\nmode = "dvc"\n')
        lines = ["[core]", "remote = it", "['remote \"it\"']", f"url = '{ground.url}'"]
        lines += [f"{name} = {value}" for name, value in ground.settings.items()]
        (root / ".dvc" / "config").write_text("\n".join(lines) + "\n")

    def project(self) -> Project:
        return Project.open(self.root)

    def remote(self) -> Place:
        """The same one each time: a connection, and an S3 client, take longer than a sweep."""
        if self._remote is None:
            self._remote = places.remote(self.project())
        return self._remote

    # -- what is there ---------------------------------------------------------------------------

    def lay(self, text: str, days: float = 0.0, *, tombstone: float | None = None) -> BlobKey:
        """An approved blob that was put there so long ago, and its tombstone."""
        data = http(text)
        key = key_of(data)
        self.ground.put(f"{PREFIX}/{key.path}", data, days * DAY)
        if tombstone is not None:
            self.ground.put(f"{PREFIX}/tombstones/{key.path}", b"dead\n", tombstone * DAY)
        return key

    def stage(self, text: str, days: float = 0.0) -> BlobKey:
        """The same, shared before its approval."""
        data = http(text)
        self.ground.put(f"{PREFIX}/staging/{key_of(data).path}", data, days * DAY)
        return key_of(data)

    def ours(self) -> set[str]:
        """The paths below our prefix."""
        return {path[len(PREFIX) + 1 :] for path in self.ground.files() if path.startswith(f"{PREFIX}/")}

    def kept(self) -> set[str]:
        return {path for path in self.ours() if path.startswith("http/")}

    def buried(self) -> set[str]:
        return {path.removeprefix("tombstones/") for path in self.ours() if path.startswith("tombstones/")}

    def older(self, days: float) -> None:
        """All that is ours is so much older."""
        for path in self.ours():
            data, age = self.ground.files()[f"{PREFIX}/{path}"], self._age(path)
            self.ground.put(f"{PREFIX}/{path}", data, age + days * DAY)

    def _age(self, path: str) -> float:
        return time.time() - self.ground.modified(f"{PREFIX}/{path}")

    # -- garbage collections ---------------------------------------------------------------------

    def plan(
        self,
        reached: Marked,
        grace: timedelta = GRACE,
        place: Place | None = None,
        staging: timedelta = GRACE,
    ) -> Plan:
        where = place or self.remote()
        found = places.inventory(where)
        return planning.plan(reached, found, places.clock(where), Options(grace, staging))

    def gc(
        self,
        *keys: BlobKey,
        grace: timedelta = GRACE,
        staging: timedelta = GRACE,
        remark: Callable[[], Marked] | None = None,
        place: Place | None = None,
    ) -> Swept:
        """A whole one, for which these are reachable; ``remark`` is what it hears when it asks again."""
        where = place or self.remote()
        plan = self.plan(marks(*keys), grace, where, staging)
        return sweeping.execute(where, plan, remark or (lambda: marks(*keys)))
