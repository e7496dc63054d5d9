"""The project of this process, which gathers what the running test records.

A test may use booktest's decorators and ours. Each of them knows its own part; staging takes all there
is of a test. So while a test runs, what would be staged is held, and staged once, at the test's end.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..again import WITH_BOOKTEST, Again
from ..config import find_root, load_config
from ..digest import Digest, Kind
from ..project import Project
from ..store.pending import Change, Pending, ResultChange
from .combining import combined


class Held:
    """What the running test recorded so far.

    Attributes
    ----------
    parts:
        Canonical bytes by kind, one mapping for each recorder.
    result:
        What becomes of its result file; an empty list where nobody said.
    """

    def __init__(self, test_id: str) -> None:
        self.test_id = test_id
        self.parts: list[Mapping[Kind, bytes]] = []
        self.result: list[ResultChange | None] = []


class BooktestProject(Project):
    """A project that stages a running test once."""

    @property
    def again(self) -> Again:
        """What runs one of its tests again."""
        return again()

    def stage(
        self, test_id: str, blobs: Mapping[Kind, bytes], result: ResultChange | None = None
    ) -> dict[Kind, Change]:
        """As Project's; of the running test, the changes so far, which are held until :meth:`settle`."""
        held = _held(test_id)
        if held is None:
            return super().stage(test_id, blobs, result)
        held.parts.append(blobs)
        held.result.append(result)
        base = self.manifest.get(test_id)
        staged = {kind: Digest.of(data) for kind, data in blobs.items()}
        return {
            kind: Change(base.get(kind), digest)
            for kind, digest in staged.items()
            if base.get(kind) != digest
        }

    def stage_result(self, test_id: str, result: ResultChange | None) -> bool:
        """As Project's, at the end of the running test."""
        held = _held(test_id)
        if held is None:
            return super().stage_result(test_id, result)
        held.result.append(result)
        return True

    def settle(self, held: Held) -> Pending | None:
        """Stage what a test that did not fail recorded.

        Returns
        -------
        Pending
            What waits for review of it; ``None`` where nothing was recorded, or nothing differs.

        Raises
        ------
        UsageError
            When two recorders took the same traffic.
        StorageError
            When the disk refuses.
        """
        result = next((result for result in held.result if result is not None), None)
        if held.parts:
            blobs = combined(held.test_id, held.parts, self.manifest.get(held.test_id))
            super().stage(held.test_id, blobs, result)
        elif not held.result or not super().stage_result(held.test_id, result):
            return None
        return self.pending.load(held.test_id)


_base: list[Path] = []
_again = [WITH_BOOKTEST]
_projects: list[BooktestProject] = []
_running: dict[str, Held] = {}


def _held(test_id: str) -> Held | None:
    """What is held under an id, the running test's or that of another cassette it uses."""
    return _running.setdefault(test_id, Held(test_id)) if _running else None


def begin(base: Path) -> None:
    """Where booktest was started: what its paths are relative to. The first call counts."""
    if not _base:
        _base.append(base)


def run_again_with(command: Again) -> None:
    """Name this command wherever a message says how to run a test: the one that the suite runs by."""
    _again[:] = [command]


def again() -> Again:
    """The command that the suite runs by."""
    return _again[0]


def current() -> BooktestProject:
    """The project, opened again when its manifest changed.

    Raises
    ------
    ConfigError, RemoteError
        From its configuration.
    """
    import os

    begin(Path.cwd())
    if not _projects or _projects[0].is_stale():
        root = find_root(_base[0])
        flags_say_it = {"record_mode": "none"}  # what is recorded, whatever our own setting is
        _projects[:] = [BooktestProject(load_config(root, overrides=flags_say_it, environ=os.environ))]
    return _projects[0]


def id_of(name: str) -> str:
    """The manifest's id of a test that booktest calls ``name`` (its ``test_path``)."""
    begin(Path.cwd())
    return current().test_id(_base[0], name)


def hold(t: Any) -> Held:
    """Hold what this test records from here on."""
    held = Held(id_of(t.test_path))
    _running[held.test_id] = held
    return held


def all_held() -> list[Held]:
    """What is held, the running test's first."""
    return list(_running.values())


def release() -> None:
    """The test ended: what is staged from here on is staged."""
    _running.clear()
